"""Rounding inside a range, clipping outside, and where the range should end."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from edgelib.explore import Choice, Slider, explorable
from edgelib.explore.scene import Area, Axis, Bar, Dot, Line, Mark, Scene, Text
from edgelib.kernels.clipping import LAWS, measured_mse, noise, optimal_clip, sqnr_db, staircase, step
from edgelib.units import significant

WEIGHTS = {"bell (Gaussian)": "gaussian", "long tails (Laplace)": "laplace", "flat (uniform)": "uniform"}
SIGMA = "standard deviations"


@explorable(
    "quantiser-staircase",
    label="How far can a rounded weight be from itself?",
    hint="Add a bit: the band halves. Pull the range in: outside it, no bit helps.",
    bits=Slider(1, 8, default=3, unit="bit", label="Bits"),
    clip=Slider(0.5, 4, step=0.25, default=2.5, label="Range, plus and minus"),
)
def quantiser_staircase(bits: int, clip: float) -> Scene:
    """The staircase Q(x) and its error x - Q(x) over -4..4."""
    delta = float(step(bits, clip))
    x = np.linspace(-4, 4, 1601) + 1e-6  # off the edges of the cells
    value = staircase(x, bits, clip)
    outside = 4 - clip + delta / 2
    readout = (
        f"{2**bits} values, step {significant(delta)}: inside the range the error is at most "
        f"{significant(delta / 2)}, half a step; at 4 it is {significant(outside)}."
    )
    marks: list[Mark] = [
        Area(x=[-clip, clip], y0=[-delta / 2] * 2, y1=[delta / 2] * 2, role="idle", term="half a step"),
        Line(x=[-4, 4], y=[-4, 4], role="idle", width=1, ghost=True, term="x itself"),
        Line(x=x, y=value, role="weights", width=2, term="Q(x), the middle of the cell of x"),
        Line(x=x, y=x - value, role="error", width=1.5, term="x - Q(x)"),
        Text(x=4.1, y=float(value[-1]), text="Q(x)", role="weights"),
        Text(x=4.1, y=outside, text="error", role="error"),
    ]
    return Scene(
        title="Rounding is bounded by half a step, clipping by nothing",
        x=Axis(label="Weight x", unit=SIGMA, lo=-4.2, hi=5.2),
        y=Axis(label="Q(x) and error", unit=SIGMA, lo=-4.2, hi=4.6),
        marks=marks,
        readout=readout,
        alt=f"Staircase of a {bits} bit quantiser with range {clip:g}. {readout}",
        table=[
            ("quantity", "value"),
            ("step", significant(delta)),
            ("largest error inside", significant(float(abs(x - value)[abs(x) < clip].max()))),
            ("error at 4", significant(outside)),
        ],
    )


@cache
def _errors(bits: int, clip: float, law: str) -> tuple[NDArray[np.float64], float]:
    """Share of the weights by error in steps, 48 bins of -1.5 .. 1.5, and the share further out."""
    x: NDArray[np.float64] = (np.arange(-60_000, 60_000, dtype=float) + 0.5) * (18 / 60_000)
    error = (x - staircase(x, bits, clip)) / float(step(bits, clip))
    mass = LAWS[law].density(x) * (18 / 60_000)
    counts = np.histogram(error, bins=48, range=(-1.5, 1.5), weights=mass)[0]
    return np.asarray(counts, dtype=float), float(mass[abs(error) > 1.5].sum())


@explorable(
    "rounding-error-histogram",
    label="Is every rounding error equally likely?",
    hint="Compare 1 bit and 4. Then pull the range in until the error grows tails.",
    law=Choice(WEIGHTS, label="Weights"),
    bits=Slider(1, 8, default=3, unit="bit", label="Bits"),
    clip=Slider(0.5, 8, step=0.25, default=2, label="Range, plus and minus"),
)
def error_histogram(law: str, bits: int, clip: float) -> Scene:
    """Distribution of the error in units of the step, against the uniform density."""
    shares, beyond = _errors(bits, clip, law)
    delta = float(step(bits, clip))
    assumed, real = delta**2 / 12, float(measured_mse(clip, bits, law))
    density = shares / (3 / 48)
    centres = -1.5 + (np.arange(48) + 0.5) * (3 / 48)
    inside = float(shares[16:32].sum())
    marks: list[Mark] = [
        Bar(
            x=float(c),
            y1=float(d),
            width=0.055,
            role="weights" if abs(c) < 0.5 else "error",
            term=f"errors around {c:.2f} steps: {100 * s:.2g} % of the weights",
        )
        for c, d, s in zip(centres, density, shares, strict=True)
    ]
    marks += [
        Line(x=[-0.5, -0.5, 0.5, 0.5], y=[0, 1, 1, 0], role="ink", width=1.5, ghost=True, term="uniform"),
        Text(x=0, y=1.12, text="uniform: variance 1/12", anchor="middle"),
    ]
    readout = (
        f"{significant(100 * inside)} % within half a step. Mean square error {significant(real)}, "
        f"step squared over 12 says {significant(assumed)}."
    )
    return Scene(
        title="Inside the range the error is flat, so its variance is step²/12",
        x=Axis(label="Error x - Q(x)", unit="steps", lo=-1.6, hi=1.6),
        y=Axis(label="Density", lo=0, hi=1.8),
        marks=marks,
        readout=readout,
        alt=f"Histogram of rounding errors at {bits} bit, range {clip:g}. {readout}",
        table=[
            ("quantity", "value"),
            ("within half a step", f"{100 * inside:.2f} %"),
            ("beyond 1.5 steps", f"{100 * beyond:.2f} %"),
            ("step squared / 12", significant(assumed)),
            ("mean square error", significant(real)),
        ],
    )


CLIPS = np.linspace(0.25, 8, 63)


@cache
def _curve(bits: int, law: str) -> tuple[float, NDArray[np.float64]]:
    """The best clip of the formula, and the measured error over CLIPS."""
    return optimal_clip(bits, law), measured_mse(CLIPS, bits, law)


@explorable(
    "clip-curve",
    label="Where should the range end?",
    hint="Drag the range from the right to the left and watch which of the two errors you pay. "
    "Then add bits: the best range widens.",
    law=Choice(WEIGHTS, default="laplace", label="Weights"),
    bits=Slider(2, 8, default=4, unit="bit", label="Bits"),
    clip=Slider(0.25, 8, step=0.25, default=7, label="Range, plus and minus"),
)
def clip_curve(law: str, bits: int, clip: float) -> Scene:
    """Rounding and clipping error against the range, their sum, and what the staircase really loses."""
    best, measured = _curve(bits, law)
    rounding, clipped = noise(CLIPS, bits, law)
    here, lost = float(measured_mse(clip, bits, law)), float(measured_mse(best, bits, law))
    db, best_db = float(sqnr_db(here)), float(sqnr_db(lost))
    seen = clipped > 1e-7
    readout = (
        f"Range {clip:g}: {significant(db)} dB. Best range {significant(best)}: {significant(best_db)} dB; "
        f"the difference is worth {significant((best_db - db) / 6.02, 2)} bit."
    )
    return Scene(
        title="Cutting off the largest weights makes the sum of errors smaller",
        x=Axis(label="Range, plus and minus", unit=SIGMA, lo=0, hi=9.6),
        y=Axis(label="Mean square error", unit="variances", lo=1e-6, hi=3, log=True),
        marks=[
            Line(x=CLIPS, y=rounding, role="weights", label="rounding", term="step^2 / 12"),
            Line(
                x=CLIPS[seen],
                y=clipped[seen],
                role="memory",
                label="clipping",
                term="2 integral (x - a)^2 f(x) dx from a",
            ),
            Line(x=CLIPS, y=rounding + clipped, role="ink", width=1.5, ghost=True, term="their sum"),
            Line(x=CLIPS, y=measured, role="activations", width=2, term="measured on the staircase"),
            Dot(x=best, y=lost, role="activations", size=7, label=f"best {significant(best)}"),
            Dot(x=clip, y=here, role="error", size=7, label=f"{significant(db)} dB"),
        ],
        readout=readout,
        alt=f"Mean square error of a {bits} bit quantiser against its range. {readout}",
        table=[
            ("range", "rounding", "clipping", "measured", "dB"),
            *(
                (f"{a:g}", f"{r:.2e}", f"{c:.2e}", f"{m:.2e}", f"{-10 * np.log10(m):.1f}")
                for a, r, c, m in zip(CLIPS[::4], rounding[::4], clipped[::4], measured[::4], strict=True)
            ),
        ],
    )
