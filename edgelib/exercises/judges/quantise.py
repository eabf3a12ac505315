"""Is this scale, or this format, a good one for these numbers? The error is always measured here.

A student's function says what it would choose, never how good that is: `scale` quantises the numbers with the
scale, `storage` the matrix with the format. What can be had at best, and what known wrong ideas would choose,
comes with the instance: nothing in here searches.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf, log10
from typing import Any

import numpy as np
import numpy.typing as npt

from edgelib.exercises.compare import describe
from edgelib.exercises.verdict import Unjudgeable, Verdict
from edgelib.kernels.quantize import rtn

Floats = npt.NDArray[np.float64]

FULL_DB, HALF_DB = 0.1, 1.0  # a scale that loses no more than this earns all, or half
SAME_SCALE = 0.015  # two searches for one thing may differ by the distance of their steps

WIDTHS, GROUPS = (2, 3, 4, 5, 6, 7, 8), (8, 16, 32, 64, 128)
SCALE_BITS = 16


def scale(
    answer: Callable[..., Any], values: list[float], bits: int, best_db: float, ideas: dict[str, float]
) -> Verdict:
    """Score the scale that `answer(values, bits)` returns by the mean square error that it leaves.

    1 within 0.1 dB of `best_db`, 0.5 within 1 dB, else 0. Codes run from -(2^(bits - 1) - 1) to
    2^(bits - 1) - 1. `ideas` : what each misconception returns.

    Unjudgeable : no positive number.
    """
    got = answer(values=list(values), bits=bits)
    if isinstance(got, bool) or not isinstance(got, int | float) or not 0 < got < 1e300:
        raise Unjudgeable(f"best_scale returned {describe(got)[:200]}; expected one number greater than 0")
    chosen, x, top = float(got), np.array(values), 2 ** (bits - 1) - 1
    with np.errstate(over="ignore"):  # a scale near 0: an infinite quotient is cut off like any other
        codes = np.rint(x / chosen)
    db = _decibels(x, chosen * np.clip(codes, -top, top))
    line = (
        f"{len(values)} numbers, {bits} bits, scale {chosen:.4g}: {db:.2f} dB, "
        f"{100 * (abs(codes) > top).mean():.1f} % cut off; {best_db:.2f} dB can be had."
    )
    lost = best_db - db
    if lost <= FULL_DB:
        return Verdict(1.0, (line,))
    distance = {code: abs(chosen / idea - 1) for code, idea in ideas.items()}
    nearest = min(distance, key=lambda code: distance[code])
    known = (nearest,) if distance[nearest] <= SAME_SCALE else ()
    return Verdict(0.5 if lost <= HALF_DB else 0.0, (line,), known)


def storage(
    answer: Callable[..., Any],
    weights: list[list[float]],
    target_db: float,
    fewest: float,
    ideas: dict[str, list[Any]],
) -> Verdict:
    """Score the format that `answer(weights, target_db)` returns: bits, group, zero point or not.

    `rtn` quantises the matrix. Below `target_db` a format earns nothing; above it, 1 less 1 for each stored
    bit per weight above the `fewest` that any format needs. `ideas` : what each misconception returns.

    Unjudgeable : not three things, or none of the bits and groups on offer.
    """
    bits, group, zero = _format(answer(weights=[list(row) for row in weights], target_db=target_db))
    w = np.array(weights)
    db = _decibels(w, rtn(w, bits, group, symmetric=not zero).values)
    stored = bits + (SCALE_BITS + bits * zero) / group
    lines = [
        f"{len(weights)} x {len(weights[0])} weights, target {target_db:.1f} dB: {bits} bits in groups of "
        f"{group} with{'' if zero else 'out'} a zero point keep {db:.2f} dB in {stored:.3f} bit per weight."
    ]
    same = [code for code, idea in ideas.items() if idea == [bits, group, zero]]
    known = tuple(same) if len(same) == 1 else ()
    if db < target_db:
        return Verdict(0.0, (*lines, "The target is missed."), known)
    if stored <= fewest + 1e-9:
        return Verdict(1.0, tuple(lines))
    lines.append(f"{fewest:.3f} bit per weight are enough.")
    return Verdict(max(0.0, 1 - (stored - fewest)), tuple(lines), known)


def _decibels(x: Floats, rounded: Floats) -> float:
    """Signal to quantisation noise; infinite where nothing is lost."""
    noise = float(((x - rounded) ** 2).sum())
    return 10 * log10(float((x**2).sum()) / noise) if noise > 0 else inf


def _format(got: Any) -> tuple[int, int, bool]:
    if not isinstance(got, list | tuple) or len(got) != 3:
        raise Unjudgeable(
            f"cheapest returned {describe(got)[:200]}; expected three things: bits, group, zero point"
        )
    bits, group, zero = got
    whole = all(isinstance(n, int | float) and not isinstance(n, bool) for n in (bits, group))
    if not whole or bits not in WIDTHS or group not in GROUPS or not isinstance(zero, bool):
        raise Unjudgeable(
            f"cheapest returned {describe(list(got))[:200]}; expected bits of {WIDTHS[0]} to {WIDTHS[-1]}, "
            f"a group of {', '.join(map(str, GROUPS))}, and True or False"
        )
    return int(bits), int(group), zero
