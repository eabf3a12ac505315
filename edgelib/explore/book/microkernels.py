"""What precision costs a product: bits of weights, inputs and sums, and how many weights share a scale."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from edgelib.explore import Choice, Slider, explorable
from edgelib.explore.scene import Area, Axis, Bar, Dot, Line, Mark, Scene, Text
from edgelib.kernels.quantize import rtn
from edgelib.units import significant

Floats = NDArray[np.float64]
ROWS, DEEPEST = 16, 2**14
DEPTHS = 2 ** np.arange(1, 15)
SUMS = {"int32": "int32", "int16": "int16", "FP32": "float32", "FP16": "float16"}


@cache
def _operands() -> tuple[Floats, Floats]:
    """Weights [rows, deepest] and inputs [deepest], normal, fixed seed."""
    rng = np.random.default_rng(2)
    return rng.standard_normal((ROWS, DEEPEST)), rng.standard_normal(DEEPEST)


@cache
def _exact() -> Floats:
    w, x = _operands()
    return np.asarray(np.cumsum(w * x, axis=1)[:, DEPTHS - 1])


@cache
def _codes(bits: int, which: int) -> tuple[NDArray[np.int64], float]:
    """Codes of the weights or the inputs, and their step: one for all, so that depths are comparable."""
    quantised = rtn(_operands()[which].reshape(-1, DEEPEST), bits, group="tensor")
    return quantised.codes, float(quantised.scales.ravel()[0])


@cache
def _products(weight_bits: int, input_bits: int, kept: str) -> tuple[Floats, Floats]:
    """Sums at each depth, wrapped or rounded as `kept` does; and the share of rows that wrapped."""
    (w, w_step), (x, x_step) = _codes(weight_bits, 0), _codes(input_bits, 1)
    running = np.cumsum(w * x, axis=1)
    if kept.startswith("int"):
        top = 2 ** (int(kept[3:]) - 1)
        over = np.maximum.accumulate((running >= top) | (running < -top), axis=1)[:, DEPTHS - 1].mean(axis=0)
        got = ((running[:, DEPTHS - 1] + top) % (2 * top) - top).astype(float)
        return got * w_step * x_step, over
    # Values as a kernel sees them: of size 1, so that FP16 has range to spare.
    values = (w * w_step * (x * x_step)).astype(kept)
    got = np.add.accumulate(values, axis=1)[:, DEPTHS - 1].astype(float)
    return got, np.zeros(len(DEPTHS))


@cache
def _sqnr(weight_bits: int, input_bits: int, kept: str) -> Floats:
    """Signal to quantisation noise of the rows' sums at each depth, dB."""
    noise = ((_products(weight_bits, input_bits, kept)[0] - _exact()) ** 2).sum(axis=0)
    return np.asarray(10 * np.log10((_exact() ** 2).sum(axis=0) / noise))


def safe_depth(weight_bits: int, input_bits: int, sum_bits: int) -> int:
    r"""Products a sum surely holds: $\lfloor (2^{s-1} - 1) / ((2^{w-1} - 1)(2^{a-1} - 1)) \rfloor$."""
    largest = (2 ** (weight_bits - 1) - 1) * (2 ** (input_bits - 1) - 1)
    return int((2 ** (sum_bits - 1) - 1) // largest)


@explorable(
    "mixed-precision",
    label="Which of the three precisions may be small?",
    hint="A sum in 16 bits: at which depth does it break? How few weight bits push that out? Then FP16.",
    weights=Slider(2, 8, default=8, unit="bit", label="Weights"),
    inputs=Slider(4, 16, step=4, default=8, unit="bit", label="Activations"),
    kept=Choice(SUMS, default="int16", label="Sum"),
)
def mixed_precision(weights: int, inputs: int, kept: str) -> Scene:
    """Accuracy of a dot product against its depth, for bits of weights, activations and accumulator."""
    label = next(name for name, value in SUMS.items() if value == kept)
    best, here = _sqnr(weights, inputs, "float32"), _sqnr(weights, inputs, kept)
    over = _products(weights, inputs, kept)[1]
    marks: list[Mark] = [
        Line(x=DEPTHS, y=best, role="weights", ghost=True, width=1.5, term="rounding of the operands alone"),
        Text(x=DEPTHS[-1] * 1.12, y=float(best[-1]), text="exact sum", role="weights"),
        Line(x=DEPTHS, y=np.clip(here, -18, None), role="compute"),
        Text(x=DEPTHS[-1] * 1.12, y=max(float(here[-1]), -18), text=f"sum in {label}", role="compute"),
    ]
    reason = "no overflow: a float sum rounds instead"
    if kept.startswith("int"):
        safe = safe_depth(weights, inputs, int(kept[3:]))
        wrapped = DEPTHS[over > 0]
        seen = f"here some row wraps by {int(wrapped[0]):,}" if wrapped.size else "here no row wraps"
        reason = f"surely right up to {safe:,} products; {seen}"
        if 1 < safe < 10**6:
            marks.append(Line(x=[safe, safe], y=[-20, 62], role="error", width=1.5))
            marks.append(
                Text(
                    x=safe * (1.15 if safe < 3000 else 0.87),
                    y=66,
                    text=f"safe to {safe:,}",
                    role="error",
                    anchor="start" if safe < 3000 else "end",
                )
            )
    at = int(np.flatnonzero(DEPTHS == 4096)[0])
    marks.append(Dot(x=4096, y=max(float(here[at]), -18), role="compute", size=7))
    readout = (
        f"At a depth of 4,096: {here[at]:.1f} dB, {best[at]:.1f} dB if the sum were exact. "
        f"{int(weights)}-bit weights, {int(inputs)}-bit activations, sum in {label}: {reason}."
    )
    return Scene(
        title="Operands may be small; the sum may not",
        x=Axis(label="Depth of the product (K)", lo=1.5, hi=100000, log=True),
        y=Axis(label="Signal to noise", unit="dB", lo=-20, hi=72),
        marks=marks,
        readout=readout,
        alt=f"Signal to noise of a dot product against its depth. {readout}",
        table=[
            ("depth", *(f"sum in {name}" for name in SUMS)),
            *(
                (f"{DEPTHS[i]:,}", *(f"{_sqnr(weights, inputs, k)[i]:.1f} dB" for k in SUMS.values()))
                for i in range(3, len(DEPTHS), 3)
            ),
        ],
    )


GROUPS: dict[str, int | str | None] = {
    "the tensor": "tensor", "a row (channel)": None, "128": 128, "64": 64, "32": 32, "16": 16,
}  # fmt: skip
SCALE_BITS = 16  # a scale is stored in FP16
SHAPE = (64, 1024)
EDGES = np.linspace(-1, 1, 42)


@cache
def _weights(outlier: int) -> Floats:
    """Normal weights whose rows differ in size, one weight in 1,024 larger by the factor `outlier`."""
    rng = np.random.default_rng(9)
    w = rng.standard_normal(SHAPE) * np.geomspace(0.5, 2, SHAPE[0])[:, None]
    w.ravel()[rng.choice(w.size, w.size // 1024, replace=False)] *= outlier
    return w


@cache
def _granular(group: int | str | None, bits: int, outlier: int) -> tuple[float, float, Floats]:
    """SQNR over the ordinary weights, dB; bits stored per weight; histogram of their errors, % per bin."""
    w = _weights(outlier)
    quantised = rtn(w, bits, group=group)
    ordinary = np.abs(w) < 4.5 * np.geomspace(0.5, 2, SHAPE[0])[:, None]
    error = (quantised.values - w)[ordinary]
    sqnr = 10 * np.log10((w[ordinary] ** 2).sum() / (error**2).sum())
    stored = bits + SCALE_BITS * quantised.scales.size / w.size
    counts = np.histogram(np.clip(error, -0.999, 0.999), EDGES)[0]
    return float(sqnr), stored, 100 * counts / counts.sum()


@explorable(
    "granularity",
    label="How many weights may share a scale?",
    hint="Raise the outliers. Which granularity keeps its error, and what does it pay in bits?",
    group=Choice(GROUPS, default="tensor", label="One scale for"),
    bits=Slider(3, 8, default=4, unit="bit", label="Weights"),
    outlier=Slider(1, 32, log2=True, default=8, unit="x", label="Outliers larger by"),
)
def granularity(group: int | str | None, bits: int, outlier: int) -> Scene:
    """Histogram of the errors of quantised weights, for scales shared by more or fewer of them."""
    sqnr, stored, counts = _granular(group, bits, outlier)
    finest = _granular(16, bits, outlier)[2]
    centre, width = (EDGES[1:] + EDGES[:-1]) / 2, float(EDGES[1] - EDGES[0])
    marks: list[Mark] = [
        Bar(x=float(c), y1=float(y), width=0.9 * width, role="error", term=f"{y:.1f} % of the weights")
        for c, y in zip(centre, counts, strict=True)
        if y > 0
    ]
    marks.append(
        Area(x=centre, y0=np.zeros_like(centre), y1=finest, role="idle", ghost=True, term="16 share")
    )
    marks.append(Text(x=0.3, y=84, text="grey: 16 share a scale"))
    marks.append(Text(x=0.3, y=92, text="bars at the ends: 1 or more", role="error"))
    name = next(label for label, value in GROUPS.items() if value == group)
    readout = (
        f"One scale for {name if isinstance(group, str) or group is None else name + ' weights'}: "
        f"{significant(sqnr)} dB over the ordinary weights, {stored:.4g} bits a weight, "
        f"of which {stored - bits:.2g} for scales."
    )
    return Scene(
        title="One large weight coarsens the step of all that share its scale",
        x=Axis(label="Error of a weight (their deviation is about 1)", lo=-1.05, hi=1.05),
        y=Axis(label="Weights", unit="% per bin", lo=0, hi=100),
        marks=marks,
        readout=readout,
        alt=f"Histogram of quantisation errors, outliers {outlier} times larger. {readout}",
        table=[
            ("one scale for", "signal to noise", "bits a weight"),
            *(
                (label, f"{_granular(g, bits, outlier)[0]:.1f} dB", f"{_granular(g, bits, outlier)[1]:.3f}")
                for label, g in GROUPS.items()
            ),
        ],
    )
