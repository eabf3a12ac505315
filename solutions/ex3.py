"""Exercise 3: what does a number lose when it becomes a few bits, and which scale and format lose least?

Part a rounds one number, part b measures a tensor; in part c a judge measures the scale that was found; in
part d scales per tensor and per channel are compared, in part e a judge measures the format that was chosen;
part f is prose. Codes are symmetric, -(2^(bits - 1) - 1) to 2^(bits - 1) - 1.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, lru_cache
from math import ceil, log, log10
from statistics import NormalDist
from typing import Any

import numpy as np
import numpy.typing as npt

from edgelib.exercises.judges.quantise import FULL_DB, GROUPS, SCALE_BITS, WIDTHS
from edgelib.grading.spec import Arguments, Exercise, Function, Mutant, Open, Policy
from edgelib.kernels import clipping

Floats = npt.NDArray[np.float64]
Numbers = list[float]
Format = tuple[int, int, bool]


def _top(bits: int) -> int:
    return int(2 ** (bits - 1)) - 1


def _rounded(x: Any, scale: Any, bits: int) -> Floats:
    """The values that the codes of x stand for."""
    return np.asarray(scale * np.clip(np.rint(np.asarray(x) / scale), -_top(bits), _top(bits)))


def _db(x: Any, y: Any) -> float:
    """Signal to noise of y, which stands for x."""
    x = np.asarray(x)
    return float(10 * np.log10((x**2).sum() / ((x - y) ** 2).sum()))


def _digits(x: Floats, digits: int = 4) -> Any:
    """Lists of numbers with few digits: short as text, and the same wherever they are read."""
    return [_digits(row) for row in x] if x.ndim > 1 else [float(f"{v:.{digits - 1}e}") for v in x]


def _even(law: Callable[[float], float], n: int) -> Floats:
    """n numbers that stand for a law, each for an equal share of it, in an order that looks random."""
    return np.array([law((place * 29 % n + 0.5) / n) for place in range(n)])


def _laplace(p: float) -> float:
    return log(2 * p) if p < 0.5 else -log(2 - 2 * p)


BELL = NormalDist().inv_cdf

# ---------------------------------------------------------------- a: one number


def quantise(x: float, scale: float, bits: int) -> tuple[int, float, float]:
    code = max(-_top(bits), min(_top(bits), round(x / scale)))
    return code, code * scale, abs(x - code * scale)


def _coded(code: int, x: float, scale: float) -> tuple[int, float, float]:
    return code, code * scale, abs(x - code * scale)


def wrapped(x: float, scale: float, bits: int) -> tuple[int, float, float]:
    half = 2 ** (bits - 1)
    return _coded((round(x / scale) + half) % (2 * half) - half, x, scale)


def cut_decimals(x: float, scale: float, bits: int) -> tuple[int, float, float]:
    return _coded(max(-_top(bits), min(_top(bits), int(x / scale))), x, scale)


def always_down(x: float, scale: float, bits: int) -> tuple[int, float, float]:
    return _coded(max(-_top(bits), min(_top(bits), int(np.floor(x / scale)))), x, scale)


def draw_numbers(rng: np.random.Generator) -> list[Arguments]:
    """Six numbers at 0.1 to 0.4 of a step from a code: inside and outside the range, on both sides."""
    widths = rng.permutation([4, 5, 6])
    cases = [
        (8, rng.integers(20, 120) - rng.uniform(0.1, 0.4)),  # cutting decimals off is seen here,
        (8, -rng.integers(20, 120) - rng.uniform(0.1, 0.4)),  # rounding down here
        (8, rng.integers(135, 165) + rng.uniform(0.1, 0.4)),
        (8, -rng.integers(135, 165) - rng.uniform(0.1, 0.4)),  # and -128 here
        (int(widths[0]), -rng.integers(3, 7) + rng.uniform(0.1, 0.4)),
        (int(widths[1]), (_top(int(widths[1])) + rng.integers(3, 12) + rng.uniform(0.1, 0.4))),
    ]
    drawn = []
    for bits, place in (cases[i] for i in rng.permutation(len(cases))):
        scale = float(f"{10 ** rng.uniform(-3, 0):.2e}")
        drawn.append({"x": float(f"{place * scale:.5e}"), "scale": scale, "bits": bits})
    return drawn


PART_A = Function(
    name="a",
    answer="quantise",
    unit="",
    returns="three numbers: code, value, error",
    reference=quantise,
    public=(
        {"x": 0.157, "scale": 0.01, "bits": 8},
        {"x": -0.0832, "scale": 0.01, "bits": 8},
        {"x": -1.4436, "scale": 0.01, "bits": 8},
        {"x": 0.117, "scale": 0.01, "bits": 4},
    ),
    instances=draw_numbers,
    mutants=(
        Mutant(
            "no clamp",
            lambda x, scale, bits: _coded(round(x / scale), x, scale),
            "This is the formula of the chapter's hint: it has no end. A code of 8 bits is at most 127, one "
            "of 4 bits at most 7.",
        ),
        Mutant(
            "one code too many",
            lambda x, scale, bits: _coded(max(-_top(bits) - 1, min(_top(bits), round(x / scale))), x, scale),
            "This uses the code -2^(bits-1) of two's complement. Here the range is symmetric: it ends one "
            "before.",
        ),
        Mutant(
            "wraps round",
            wrapped,
            "A code that is too large comes back at the other end: that is what a cast to an integer type "
            "does. A quantiser stops at the end of its range.",
        ),
        Mutant(
            "always 8 bits",
            lambda x, scale, bits: quantise(x, scale, 8),
            "This stops at 127 whatever `bits` says.",
        ),
        Mutant(
            "cuts decimals off",
            cut_decimals,
            "This cuts the decimals off, as int() does; the nearest code is asked for.",
        ),
        Mutant(
            "always down",
            always_down,
            "This takes the next code below, as floor() and // do; the nearest code is asked for.",
        ),
        Mutant(
            "relative error",
            lambda x, scale, bits: (*quantise(x, scale, bits)[:2], quantise(x, scale, bits)[2] / abs(x)),
            "Code and value are right. The error is divided by x: asked is how far the value is from x.",
        ),
        Mutant(
            "error with a sign",
            lambda x, scale, bits: (*quantise(x, scale, bits)[:2], x - quantise(x, scale, bits)[1]),
            "Code and value are right. The error has a sign: asked is its size.",
        ),
    ),
    hints=(
        "How many steps of size `scale` is x away from 0? A code is a whole number of steps.",
        "Which is the largest code that `bits` bits can hold, if the range is as long on both sides of 0? "
        "What should happen to a number beyond it?",
        "code = round(x / scale), but at most 2**(bits - 1) - 1 and at least the negative of that; "
        "value = code * scale; error = abs(x - value).",
    ),
)

# ---------------------------------------------------------------- b: a tensor


def _shared(db: float, cut: float) -> tuple[float, float, float]:
    return db, cut, (db - 1.76) / 6.02


def _cut(values: Numbers, scale: float, bits: int) -> npt.NDArray[np.bool_]:
    return np.asarray(abs(np.rint(np.array(values) / scale)) > _top(bits))


def report(values: Numbers, scale: float, bits: int) -> tuple[float, float, float]:
    return _shared(_db(values, _rounded(values, scale, bits)), float(_cut(values, scale, bits).mean()))


def unclamped(values: Numbers, scale: float, bits: int) -> tuple[float, float, float]:
    right = report(values, scale, bits)
    return _shared(_db(values, scale * np.rint(np.array(values) / scale)), right[1])


def only_inside(values: Numbers, scale: float, bits: int) -> tuple[float, float, float]:
    x = np.array(values)[~_cut(values, scale, bits)]
    return _shared(_db(x, _rounded(x, scale, bits)), report(values, scale, bits)[1])


def by_size(values: Numbers, scale: float, bits: int) -> tuple[float, float, float]:
    x = np.array(values)
    ratio = abs(x).mean() / abs(x - _rounded(x, scale, bits)).mean()
    return _shared(20 * log10(ratio), report(values, scale, bits)[1])


def without_mean(values: Numbers, scale: float, bits: int) -> tuple[float, float, float]:
    db, cut, _ = report(values, scale, bits)
    x = np.array(values)
    return _shared(db + 10 * log10(x.var() / (x**2).mean()), cut)


def peak(values: Numbers, scale: float, bits: int) -> tuple[float, float, float]:
    db, cut, _ = report(values, scale, bits)
    x = np.array(values)
    return _shared(db + 10 * log10((x**2).max() / (x**2).mean()), cut)


def _clear(x: Floats, scale: float, bits: int) -> Floats:
    """x without numbers of which it could be doubted whether they are cut off."""
    last = _top(bits)
    doubtful = (abs(x) > (last - 0.1) * scale) & (abs(x) < (last + 1.1) * scale)
    return np.where(doubtful, np.sign(x) * (last + 1.2) * scale, x)


def draw_tensors(rng: np.random.Generator) -> list[Arguments]:
    """Five tensors, mean not 0; the range ends at 1.4 to 2.4 standard deviations in four of them."""
    drawn = []
    for bits, ends in zip(rng.permutation([4, 5, 6, 7, 8]), [1.4, 1.7, 2.0, 2.4, 5.0], strict=True):
        x = rng.standard_normal(96) if rng.random() < 0.5 else rng.laplace(scale=0.5**0.5, size=96)
        x = (x + rng.choice([-1, 1]) * rng.uniform(0.5, 0.8)) * 10 ** rng.uniform(-2, 0.5)
        scale = float(f"{ends * x.std() / _top(int(bits)):.2e}")
        values = _digits(_clear(x, scale, int(bits)))
        drawn.append({"values": values, "scale": scale, "bits": int(bits)})
    return [drawn[i] for i in rng.permutation(len(drawn))]


def _public_tensor(law: Callable[[float], float], mean: float, scale: float, bits: int) -> Arguments:
    x = _clear(0.3 * (_even(law, 24) + mean), scale, bits)
    return {"values": _digits(x), "scale": scale, "bits": bits}


PART_B = Function(
    name="b",
    answer="report",
    unit="",
    returns="three numbers: decibels, a share from 0 to 1, effective bits",
    reference=report,
    public=(
        _public_tensor(BELL, 0.4, 0.003, 8),
        _public_tensor(_laplace, -0.5, 0.07, 4),
        _public_tensor(lambda p: 2 * p - 1, 0.6, 0.025, 5),
    ),
    instances=draw_tensors,
    mutants=(
        Mutant(
            "no clamp",
            unclamped,
            "The share is right, and the decibels take codes that do not exist: what is beyond the range "
            "becomes its end, and that is an error too.",
        ),
        Mutant(
            "only what is inside",
            only_inside,
            "The numbers that are cut off are left out of the decibels. They make the largest errors.",
        ),
        Mutant(
            "twenty times",
            lambda **x: _shared(2 * report(**x)[0], report(**x)[1]),
            "These decibels are twice too many: 20 log10 is for a ratio of sizes, 10 log10 of squares.",
        ),
        Mutant(
            "half the decibels",
            lambda **x: _shared(report(**x)[0] / 2, report(**x)[1]),
            "These decibels are half of what they should be: 10 log10 is for squares, and a root was taken.",
        ),
        Mutant(
            "sizes, not squares",
            by_size,
            "This averages the sizes of signal and error. Asked are squares: they weigh large errors more.",
        ),
        Mutant(
            "variance",
            without_mean,
            "This takes the variance for the signal. The mean of the tensor is part of what has to be kept: "
            "do not subtract it.",
        ),
        Mutant(
            "peak",
            peak,
            "This compares the largest number with the noise. Asked are all numbers, squared.",
        ),
        Mutant(
            "noise over signal",
            lambda **x: _shared(-report(**x)[0], report(**x)[1]),
            "This is noise over signal: turn the fraction round.",
        ),
        Mutant(
            "per cent",
            lambda **x: (report(**x)[0], 100 * report(**x)[1], report(**x)[2]),
            "The share is in per cent; asked is a share from 0 to 1.",
        ),
        Mutant(
            "six decibels a bit, no more",
            lambda **x: (*report(**x)[:2], report(**x)[0] / 6.02),
            "Decibels and share are right. The effective bits forget the 1.76 dB.",
        ),
    ),
    hints=(
        "Your function from part a makes code, value and error of each number. What do you need of all of "
        "them?",
        "Sum the squares of the numbers, and the squares of the errors. A number is cut off if its code "
        "would be larger than the largest one, were there no end.",
        "decibels = 10 * log10(sum(x**2) / sum(error**2)); share = (numbers with "
        "abs(round(x / scale)) > 2**(bits - 1) - 1) / (all numbers); bits = (decibels - 1.76) / 6.02.",
    ),
)

# ---------------------------------------------------------------- c: the best scale

optimal_clip = cache(clipping.optimal_clip)


NARROWEST = 0.02  # of the scale that cuts nothing off


@lru_cache(64)
def _searched(values: tuple[float, ...], bits: int) -> tuple[float, float]:
    """The scales of a fine grid at which the mean square and the mean size of the error are least."""
    x = np.array(values)
    scales = np.geomspace(0.1, 1.15, 250) * abs(x).max() / _top(bits)
    error = abs(x - _rounded(x, scales[:, None], bits))
    by_size, by_square = np.einsum("sx->s", error).argmin(), np.einsum("sx,sx->s", error, error).argmin()
    return float(scales[by_square]), float(scales[by_size])


def best_scale(values: Numbers, bits: int) -> float:
    return _searched(tuple(values), bits)[0]


def _largest(values: Numbers) -> float:
    return max(map(abs, values))


SCALES: dict[str, tuple[str, Callable[..., float], str]] = {
    "largest-value": (
        "the largest number decides",
        lambda values, bits: _largest(values) / _top(bits),
        "Your scale cuts nothing off. The step then grows with the largest number, and all others pay.",
    ),
    "one-code-too-many": (
        "one code too many",
        lambda values, bits: _largest(values) / 2 ** (bits - 1),
        "Your scale is the largest number over 2^(bits-1), by a rule and not by a measurement; the largest "
        "code is one less.",
    ),
    "three-sigma": (
        "three standard deviations",
        lambda values, bits: 3 * float(np.std(values)) / _top(bits),
        "Your range ends at three standard deviations, whatever the tensor looks like and however many "
        "codes there are.",
    ),
    "bell-curve": (
        "every tensor is a bell curve",
        lambda values, bits: optimal_clip(bits, "gaussian") * float(np.std(values)) / 2 ** (bits - 1),
        "This scale is the best one for a bell curve of that spread. The tensor is none: measure on it.",
    ),
    "absolute-error": (
        "sizes, not squares",
        lambda values, bits: _searched(tuple(values), bits)[1],
        "This scale makes the mean size of the error least. The mean of its square is asked for.",
    ),
    "clamp-forgotten": (
        "no clamp in the search",
        lambda values, bits: NARROWEST * _largest(values) / _top(bits),  # the smallest that is tried
        "Most numbers are cut off. A scale this small looks best to a search that does not cut.",
    ),
    "printed-scale": (
        "the chapter's scale",
        lambda values, bits: 0.01,
        "This is the chapter's 0.01, for every tensor. Numbers ten times as large need a scale ten times as "
        "large.",
    ),
}


def _with_ideas(values: Numbers, bits: int) -> Arguments:
    best = _rounded(values, best_scale(values, bits), bits)
    ideas = {code: idea(values=values, bits=bits) for code, (_, idea, _) in SCALES.items()}
    return {"values": values, "bits": bits, "best_db": _db(values, best), "ideas": ideas}


def draw_scales(rng: np.random.Generator) -> list[Arguments]:
    """Five tensors of different law and size; every rule of thumb loses 0.2 dB or more on one of them."""
    while True:
        drawn = _drawn_scales(rng)
        losses = [
            [
                x["best_db"] - _db(x["values"], _rounded(x["values"], x["ideas"][code], x["bits"]))
                for x in drawn
            ]
            for code in SCALES
        ]
        if min(map(max, losses)) > 2 * FULL_DB:
            return drawn


def _drawn_scales(rng: np.random.Generator) -> list[Arguments]:
    n = 256
    outliers = rng.standard_normal(n)
    outliers[:3] = rng.choice([-1, 1], 3) * rng.uniform(8, 14, 3)
    drawn = [
        (rng.standard_normal(n), 3),
        (rng.laplace(size=n), int(rng.choice([3, 4]))),
        (rng.uniform(-1, 1, n), 4),
        (rng.permutation(outliers), int(rng.choice([4, 5]))),
        (rng.laplace(size=n), 5),
    ]
    sizes = 10.0 ** (rng.permutation([-2.0, -1.4, -0.8, -0.2, 0.4]) + rng.uniform(-0.2, 0.2, 5))
    return [
        _with_ideas(_digits(x * size / x.std()), bits)
        for (x, bits), size in zip((drawn[i] for i in rng.permutation(5)), sizes, strict=True)
    ]


def _public_scales() -> tuple[Arguments, ...]:
    spikes = _even(BELL, 128)
    spikes[:2] = 9, -12
    bell, flat = 0.02 * _even(BELL, 128), 1.5 * _even(lambda p: 2 * p - 1, 128)
    return tuple(_with_ideas(_digits(x), b) for x, b in ((bell, 3), (flat, 4), (0.3 * spikes, 4)))


PART_C = Policy(
    name="c",
    answer="best_scale",
    unit="",
    returns="one number greater than 0",
    judge="quantise.scale",
    reference=best_scale,
    public=_public_scales(),
    instances=draw_scales,
    mutants=tuple(Mutant(name, idea, message, code) for code, (name, idea, message) in SCALES.items()),
    hints=(
        "You do not need a formula: you can measure the error of any scale. Which scales are worth trying?",
        "Start from the scale that cuts nothing off, max|x| / (2**(bits - 1) - 1), and try a hundred parts "
        "of it: 1 %, 2 %, ... 100 %, and a little more.",
        "For each scale that you try, take the mean of the squared errors of all numbers, those that are cut "
        "off included, and return the scale where it is least: min(scales, key=...).",
    ),
)

# ---------------------------------------------------------------- d: one scale, or one for each channel


def _max_scale(w: Floats, bits: int) -> Floats:
    """A scale per row that cuts nothing off; give it one row for one scale."""
    return np.asarray(abs(w).max(axis=1, keepdims=True) / _top(bits))


def _rows(w: Floats, rounded: Floats) -> Numbers:
    return [_db(row, other) for row, other in zip(w, rounded, strict=True)]


def _three(w: Floats, one: Any, many: Any, bits: int) -> tuple[float, float, float]:
    by_one = _rounded(w, one, bits)
    return _db(w, by_one), _db(w, _rounded(w, many, bits)), min(_rows(w, by_one))


def granularity(weights: list[Numbers], bits: int) -> tuple[float, float, float]:
    w = np.array(weights)
    return _three(w, abs(w).max() / _top(bits), _max_scale(w, bits), bits)


def by_columns(weights: list[Numbers], bits: int) -> tuple[float, float, float]:
    w = np.array(weights)
    one = _rounded(w, abs(w).max() / _top(bits), bits)
    return _db(w, one), _db(w.T, _rounded(w.T, _max_scale(w.T, bits), bits)), min(_rows(w.T, one.T))


def signed_max(weights: list[Numbers], bits: int) -> tuple[float, float, float]:
    w = np.array(weights)
    return _three(w, w.max() / _top(bits), w.max(axis=1, keepdims=True) / _top(bits), bits)


def mean_scale(weights: list[Numbers], bits: int) -> tuple[float, float, float]:
    w = np.array(weights)
    return _three(w, _max_scale(w, bits).mean(), _max_scale(w, bits), bits)


def code_too_many(weights: list[Numbers], bits: int) -> tuple[float, float, float]:
    w = np.array(weights)
    shrunk = _top(bits) / 2 ** (bits - 1)
    return _three(w, shrunk * abs(w).max() / _top(bits), shrunk * _max_scale(w, bits), bits)


def mean_decibels(weights: list[Numbers], bits: int) -> tuple[float, float, float]:
    w = np.array(weights)
    one, _, worst = granularity(weights, bits)
    return one, float(np.mean(_rows(w, _rounded(w, _max_scale(w, bits), bits)))), worst


def worst_of_own(weights: list[Numbers], bits: int) -> tuple[float, float, float]:
    w = np.array(weights)
    one, many, _ = granularity(weights, bits)
    return one, many, min(_rows(w, _rounded(w, _max_scale(w, bits), bits)))


def mean_of_rows(weights: list[Numbers], bits: int) -> tuple[float, float, float]:
    w = np.array(weights)
    one, many, _ = granularity(weights, bits)
    return one, many, float(np.mean(_rows(w, _rounded(w, abs(w).max() / _top(bits), bits))))


def _channels(x: Floats, gains: Any) -> Floats:
    """Rows of different loudness; the largest number of each is negative."""
    x = x * np.asarray(gains)[:, None]
    turn = np.where(x.max(axis=1) > -x.min(axis=1), -1, 1)
    return np.asarray(x * turn[:, None])


def _drawn_matrix(rng: np.random.Generator, bits: int) -> Arguments:
    """A matrix of which every channel keeps at least 2 dB under one scale."""
    rows, columns = rng.integers(3, 6), rng.integers(12, 20)
    while True:
        gains = 2.0 ** -np.linspace(0, rng.uniform(0.5, 0.8) * (bits - 2), rows)
        x = _channels(rng.standard_normal((rows, columns)), rng.permutation(gains) * 10 ** rng.uniform(-2, 0))
        drawn = {"weights": _digits(x), "bits": bits}
        if granularity(**drawn)[2] > 2:
            return drawn


def draw_matrices(rng: np.random.Generator) -> list[Arguments]:
    """Four matrices; each misconception is off by 0.5 dB or more on one of them."""
    while True:
        drawn = [_drawn_matrix(rng, int(bits)) for bits in rng.permutation([4, 5, 6, 8])]
        right = np.array([granularity(**x) for x in drawn])
        if all(abs(right - [wrong(**x) for x in drawn]).max() > 0.5 for wrong in WRONG_CHANNELS):
            return drawn


WRONG_CHANNELS = (
    by_columns,
    signed_max,
    mean_scale,
    code_too_many,
    mean_decibels,
    worst_of_own,
    mean_of_rows,
)


def _public_matrix(rows: int, columns: int, gains: Numbers, bits: int) -> Arguments:
    x = _even(BELL, rows * columns).reshape(rows, columns)
    return {"weights": _digits(_channels(x, gains)), "bits": bits}


PART_D = Function(
    name="d",
    answer="granularity",
    unit="dB",
    returns="three numbers of decibels",
    reference=granularity,
    public=(
        _public_matrix(3, 12, [0.5, 0.03, 0.1], 8),
        _public_matrix(4, 10, [0.02, 0.01, 0.06, 0.03], 5),
    ),
    instances=draw_matrices,
    mutants=(
        Mutant(
            "columns for rows",
            by_columns,
            "This gives a scale to each column. A row of the matrix makes one output: it is the channel.",
        ),
        Mutant(
            "largest without its sign",
            signed_max,
            "This takes the largest number, not the largest in size: what is far below zero is cut off.",
        ),
        Mutant(
            "mean of the scales",
            mean_scale,
            "Your one scale is the mean of the channels' scales. The loudest channel is cut off by it.",
        ),
        Mutant(
            "one code too many",
            code_too_many,
            "This divides by 2^(bits-1). The largest code is one less.",
        ),
        Mutant(
            "mean of decibels",
            mean_decibels,
            "Your second result is the mean of the channels' decibels. Add squares over all channels first, "
            "then take the logarithm.",
        ),
        Mutant(
            "the worst with its own scale",
            worst_of_own,
            "The first two are right. The third is the worst channel with a scale of its own; asked is the "
            "worst under one scale.",
        ),
        Mutant(
            "mean of the channels",
            mean_of_rows,
            "The first two are right. The third is the mean of the channels; asked is the worst.",
        ),
    ),
    hints=(
        "One scale: the largest number of the matrix, in size, becomes the largest code. A scale for each "
        "channel: the same for each row.",
        "Decibels of the matrix: squares of all its numbers over squares of all its errors. Decibels of a "
        "channel: the same over one row.",
        "scale = max(abs(w)) / (2**(bits - 1) - 1), over the matrix or over the row; "
        "the third result is min over rows of 10 * log10(sum(w**2) / sum(error**2)) with the matrix's scale.",
    ),
)

# ---------------------------------------------------------------- e: the cheapest format


def stored_bits(bits: int, group: int, zero: bool) -> float:
    return bits + (SCALE_BITS + bits * zero) / group


@lru_cache(64)
def _formats(weights: tuple[tuple[float, ...], ...]) -> tuple[tuple[Format, float], ...]:
    """Every format on offer, with its decibels: what `rtn` leaves, all widths at once."""
    w = np.array(weights)
    codes = 2.0 ** np.array(WIDTHS)[:, None, None]
    found: list[tuple[Format, float]] = []
    for group in GROUPS:
        g = w.reshape(-1, group)
        low, high = np.minimum(g.min(axis=1), 0)[:, None], np.maximum(g.max(axis=1), 0)[:, None]
        for zero in (False, True):
            last = codes - 1 if zero else codes / 2 - 1
            step = (high - low) / last if zero else np.maximum(high, -low) / last
            shift = np.rint(-low / step) if zero else 0 * step
            rounded = step * (np.clip(np.rint(g / step) + shift, 0 if zero else -last, last) - shift)
            noise = ((g - rounded) ** 2).sum(axis=(1, 2))
            db = 10 * np.log10((w**2).sum() / noise)
            found += [((bits, group, zero), float(d)) for bits, d in zip(WIDTHS, db, strict=True)]
    return tuple(found)


def _reaching(weights: list[Numbers], target_db: float) -> list[Format]:
    return [f for f, db in _formats(tuple(map(tuple, weights))) if db >= target_db]


def cheapest(weights: list[Numbers], target_db: float) -> Format:
    return min(_reaching(weights, target_db), key=lambda f: stored_bits(*f))


def rule_of_six(weights: list[Numbers], target_db: float) -> Format:
    return min(max(ceil((target_db - 1.76) / 6.02), WIDTHS[0]), WIDTHS[-1]), GROUPS[-1], False


def to_be_safe(weights: list[Numbers], target_db: float) -> Format:
    return WIDTHS[-1], GROUPS[-1], False


def fewest_bits(weights: list[Numbers], target_db: float) -> Format:
    return min(_reaching(weights, target_db), key=lambda f: (f[0], f[1], f[2]))


def _among(keep: Callable[[Format], bool]) -> Callable[..., Format]:
    def idea(weights: list[Numbers], target_db: float) -> Format:
        found = filter(keep, _reaching(weights, target_db))
        return min(found, key=lambda f: stored_bits(*f), default=to_be_safe(weights, target_db))

    return idea


def half_the_target(weights: list[Numbers], target_db: float) -> Format:
    return cheapest(weights, target_db / 2)


CHOICES: dict[str, tuple[str, Callable[..., Format], str]] = {
    "six-per-bit": (
        "six decibels a bit",
        rule_of_six,
        "This follows the rule of 6 dB a bit, without a look at the weights: it holds for a signal that "
        "fills the range evenly.",
    ),
    "to-be-safe": (
        "eight bits, to be safe",
        to_be_safe,
        "Eight bits and a scale per row: safe, and paid for with every weight.",
    ),
    "free-scales": (
        "scales cost nothing",
        fewest_bits,
        "This has few bits per code and as small a group as there is: it counts the codes and forgets what "
        "the scales take.",
    ),
    "only-large-groups": (
        "scales cost too much",
        _among(lambda f: f[1] == GROUPS[-1]),
        "This buys decibels with bits only. A smaller group can be cheaper: it pays where few weights are "
        "large.",
    ),
    "never-a-zero": (
        "never a zero point",
        _among(lambda f: not f[2]),
        "This never takes a zero point. Where a row does not reach as far on both sides of 0, half of the "
        "symmetric codes are idle.",
    ),
    "always-a-zero": (
        "always a zero point",
        _among(lambda f: f[2]),
        "This always takes a zero point, and pays for it where the weights reach as far on both sides.",
    ),
    "twenty-times": (
        "twenty times the logarithm",
        half_the_target,
        "This format reaches half of the target: 20 log10 of a ratio of squares counts every decibel twice.",
    ),
}


def _with_choices(weights: list[Numbers], target_db: float) -> Arguments:
    ideas = {code: list(idea(weights, target_db)) for code, (_, idea, _) in CHOICES.items()}
    fewest = stored_bits(*cheapest(weights, target_db))
    return {"weights": weights, "target_db": target_db, "fewest": fewest, "ideas": ideas}


def _unclear(x: Arguments) -> bool:
    """Whether a format is so close to the target that rounding could decide."""
    return any(abs(db - x["target_db"]) < 0.02 for _, db in _formats(tuple(map(tuple, x["weights"]))))


def _kinds(kind: str, x: Floats, place: Callable[[], int]) -> Floats:
    """Rows of 128: plain; with one large weight each; one-sided; with one loud block of 16."""
    x = x.copy()
    if kind == "spikes":
        for row in x:
            row[place()] = 13
    elif kind == "one-sided":
        x = abs(x)
    elif kind == "blocks":
        for row in x:
            start = place() // 16 * 16
            row[start : start + 16] *= 8
    return x


TARGETS = {"plain": (15.4, 16.2), "spikes": (19, 25), "one-sided": (22, 27), "blocks": (26, 29)}


def draw_designs(rng: np.random.Generator) -> list[Arguments]:
    """A matrix of each kind; every misconception stands alone with its choice on one of them."""
    while True:
        drawn = []
        for kind, (low, high) in TARGETS.items():
            x = _kinds(kind, rng.standard_normal((2, 128)), lambda: int(rng.integers(128)))
            weights = _digits(x * 10 ** rng.uniform(-2, 0))
            drawn.append(_with_choices(weights, round(float(rng.uniform(low, high)), 1)))
        if _told(drawn) and not any(map(_unclear, drawn)):
            return [drawn[i] for i in rng.permutation(len(drawn))]


def _told(drawn: list[Arguments]) -> bool:
    """Whether each misconception is wrong, and alone with its choice, on one instance at least."""
    return all(any(_alone(x, code) and _wrong(x, code) for x in drawn) for code in CHOICES)


def _alone(x: Arguments, code: str) -> bool:
    return [other for other, idea in x["ideas"].items() if idea == x["ideas"][code]] == [code]


def _wrong(x: Arguments, code: str) -> bool:
    bits, group, zero = x["ideas"][code]
    reached = (bits, group, zero) in _reaching(x["weights"], x["target_db"])
    return not reached or stored_bits(bits, group, zero) > x["fewest"] + 1e-9


def _public_designs() -> tuple[Arguments, ...]:
    x = _even(BELL, 256).reshape(2, 128)
    places = iter([77, 30, 50, 100])
    return tuple(
        _with_choices(_digits(0.05 * _kinds(kind, x, lambda: next(places))), target)
        for kind, target in (("plain", 16.0), ("spikes", 24.0), ("one-sided", 26.0), ("blocks", 28.0))
    )


PART_E = Policy(
    name="e",
    answer="cheapest",
    unit="",
    returns="three things: bits, group, and True or False for a zero point",
    judge="quantise.storage",
    reference=cheapest,
    public=_public_designs(),
    instances=draw_designs,
    mutants=tuple(Mutant(name, idea, message, code) for code, (name, idea, message) in CHOICES.items()),
    hints=(
        "There are 70 formats on offer. What do you have to know of each of them?",
        "Decibels: part d, with `rtn(w, bits, group, symmetric=not zero).values`. Stored bits: what a group "
        "of weights takes, its scale and zero point included, over the weights in it.",
        "stored = bits + (16 + bits * zero) / group. Of all formats that reach target_db, return the one "
        "that stores least.",
    ),
)

# ---------------------------------------------------------------- f: prose

PART_F = Open(
    name="f",
    hints=(
        "What would the chapter have concluded from 0.157 if the scale had been 0.157?",
        "Name two tensors in which 0.157 occurs: one for which the scale is too small, one for which it is "
        "too large. What would you look at to tell?",
        "The largest error inside the range is half a step, 0.005, for every number and every tensor. "
        "Compare it with the size of the numbers, then ask how many are beyond 1.27.",
    ),
)

EXERCISE = Exercise("ex3", "Is this a reasonable scale?", (PART_A, PART_B, PART_C, PART_D, PART_E, PART_F))
