"""Is a scale a good one? One number and a whole tensor, asked the same question."""

from __future__ import annotations

from functools import cache
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from edgelib.explore import Choice, Slider, explorable
from edgelib.explore.scene import Axis, Dot, Line, Scene
from edgelib.units import significant

Floats = NDArray[np.float64]

ONE = 0.157  # the chapter's number
TOP = 127  # 8 bits, symmetric
LOUDEST_DB = 55.0  # an exact hit has no noise at all; this is where the picture ends
TENSORS = {"small (spread 0.02)": 0.02, "medium (spread 0.3)": 0.3, "large (spread 1)": 1.0}
SCALES = np.array(
    sorted({*np.geomspace(2e-4, 1, 601), *(ONE / np.arange(1, TOP + 1))})
)  # and those that hit ONE


def bell(spread: float) -> Floats:
    """256 numbers that stand for a bell curve, and the one in question."""
    law = NormalDist(0, spread)
    return np.array([*(law.inv_cdf((n + 0.5) / 256) for n in range(256)), ONE])


def decibels(x: Floats, scales: Floats) -> Floats:
    """Signal to noise of x at each scale, cut at LOUDEST_DB."""
    steps = np.asarray(scales)[:, None]
    error = x - steps * np.clip(np.rint(x / steps), -TOP, TOP)
    noise = np.maximum((error**2).sum(axis=1), (x**2).sum() * 10 ** (-LOUDEST_DB / 10))
    return np.asarray(10 * np.log10((x**2).sum() / noise))


@cache
def _curves(spread: float) -> tuple[Floats, Floats]:
    return decibels(np.array([ONE]), SCALES), decibels(bell(spread), SCALES)


@explorable(
    "one-number-or-the-tensor",
    label="Who says that a scale is good?",
    hint="Set the scale to 157 thousandths: 0.157 is kept exactly. Then change the tensor around it.",
    tensor=Choice(TENSORS, default=0.02, label="Tensor"),
    thousandths=Slider(1, 200, default=10, unit="thousandths", label="Scale"),
)
def one_number_or_the_tensor(tensor: float, thousandths: int) -> Scene:
    """Decibels of 0.157 alone, and of a tensor that holds it, against the scale, at 8 bits."""
    scale = thousandths / 1000
    one, all_of_it = _curves(tensor)
    x = bell(tensor)
    alone, together = (float(decibels(v, np.array([scale]))[0]) for v in (np.array([ONE]), x))
    cut = 100 * float((abs(np.rint(x / scale)) > TOP).mean())
    best = int(all_of_it.argmax())
    exact = " or more" if alone == LOUDEST_DB else ""
    readout = (
        f"Scale {scale:g}: 0.157 alone keeps {significant(alone)} dB{exact}, the tensor around it "
        f"{significant(together)} dB with {significant(cut, 2)} % cut off. Its best scale is "
        f"{significant(SCALES[best], 2)}, {significant(all_of_it[best])} dB."
    )
    return Scene(
        title="One number approves of scales that its tensor cannot use",
        x=Axis(label="Scale", lo=SCALES[0], hi=SCALES[-1], log=True),
        y=Axis(label="Signal to noise", unit="dB", lo=0, hi=60),
        marks=[
            Line(x=SCALES, y=one, role="error", width=1, ghost=True, term="x^2 / error^2 of 0.157"),
            Line(x=SCALES, y=all_of_it, role="weights", term="sum of x^2 / sum of error^2"),
            Line(x=[scale, scale], y=[alone, together], role="idle", width=1.5),
            Dot(x=SCALES[best], y=float(all_of_it[best]), role="weights", size=4, label="best"),
            Dot(x=scale, y=alone, role="error", label="0.157"),
            Dot(x=scale, y=together, role="weights", label="tensor"),
        ],
        readout=readout,
        alt=f"Decibels against the scale at 8 bits, tensor of spread {tensor:g}. {readout}",
        table=[
            ("scale", "0.157 alone, dB", "tensor, dB"),
            *(
                (f"{s:.4f}", f"{o:.1f}", f"{t:.1f}")
                for s, o, t in list(zip(SCALES, one, all_of_it, strict=True))[::80]
            ),
        ],
    )
