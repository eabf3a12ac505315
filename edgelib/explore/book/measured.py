"""Predicted against measured, and what each mechanism of the predictor is worth."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from edgelib.explore import Choice, explorable
from edgelib.explore.scene import Area, Axis, Bar, Dot, Line, Mark, Scene, Text
from edgelib.metrics.fit import held_out, observe
from edgelib.metrics.ladder import RUNGS, ladder
from edgelib.metrics.validate import read_cases
from edgelib.units import significant

KINDS = {"CPUs": "cpu", "GPUs": "gpu", "NPUs": "npu"}
KIND_ROLES = {"cpu": "compute", "gpu": "weights", "npu": "activations"}


@cache
def _unseen(kind: str, phase: str) -> tuple[NDArray[np.float64], NDArray[np.float64], list[str]]:
    """Measured rates, predictions without their own source, and who measured what."""
    seen = observe(read_cases()[0], kind, phase)
    who = [f"{source}, {engine}" for source, engine in zip(seen.sources, seen.engines, strict=True)]
    return seen.measured, seen.measured * held_out(seen), who


@explorable(
    "predicted-and-measured",
    label="How good is a prediction of what it has not seen?",
    hint="Each dot is a published measurement, predicted by constants that were fitted without its source.",
    kind=Choice(KINDS, default="gpu", label="Kind of engine"),
    phase=Choice({"decode": "decode", "prefill": "prefill"}, label="Phase"),
)
def predicted_and_measured(kind: str, phase: str) -> Scene:
    """Predicted against measured tokens per second, both logarithmic, each source held out in turn."""
    measured, predicted, who = _unseen(kind, phase)
    error = 100 * np.abs(predicted / measured - 1)
    ends = np.array([0.5, 20000.0])
    marks: list[Mark] = [
        Area(x=ends, y0=ends / 1.3, y1=ends * 1.3, role="idle", term="within a factor of 1.3"),
        Line(x=ends, y=ends, width=1.5, term="predicted = measured"),
        *(
            Dot(
                x=m,
                y=p,
                size=4,
                role=KIND_ROLES[kind],
                term=f"{w}: measured {m:g}, predicted {significant(p)}",
            )
            for m, p, w in zip(measured, predicted, who, strict=True)
        ),
        Text(x=0.7, y=9000, text="grey: within a factor of 1.3"),
    ]
    readout = (
        f"{len(measured)} measurements, unseen: median error {np.median(error):.1f} %, "
        f"90 % of them within {np.percentile(error, 90):.0f} %."
    )
    return Scene(
        title="Unseen sources: GPUs and NPUs hug the line, CPUs scatter",
        x=Axis(label="Measured", unit="tok/s", lo=0.5, hi=20000, log=True),
        y=Axis(label="Predicted", unit="tok/s", lo=0.5, hi=20000, log=True),
        marks=marks,
        readout=readout,
        alt=f"Predicted against measured {phase} on {kind}s. {readout}",
        table=[
            ("source", "measurements", "median error"),
            *(
                (source, str(int(mine.sum())), f"{np.median(error[mine]):.0f} %")
                for source in dict.fromkeys(w.split(",")[0] for w in who)
                for mine in [np.array([w.split(",")[0] == source for w in who])]
            ),
        ],
    )


@explorable(
    "mechanism-ladder",
    label="What is each mechanism worth?",
    hint="Choose a kind of engine: which rung repairs it? Then look at the worst tenth.",
    kind=Choice({"all": "all", **KINDS}, label="Kind of engine"),
    percentile=Choice({"median": 50, "90th percentile": 90}, label="Error"),
)
def mechanism_ladder(kind: str, percentile: int) -> Scene:
    """Errors on held-out sources as the predictor is built up."""
    errors = [rung.error_pct(kind, percentile) for rung in ladder()]
    short = ("bytes", "x constant", "per kind", "+ layers", "+ CPU", "+ runtimes")
    marks: list[Mark] = []
    for x, (rung, error) in enumerate(zip(RUNGS, errors, strict=True)):
        marks.append(Bar(x=x, y0=1, y1=error, role="error", term=f"{rung}: {error:.1f} %"))
        marks.append(Text(x=x, y=error * 1.25, text=f"{significant(error)} %", anchor="middle"))
    worth = max(range(1, len(errors)), key=lambda i: errors[i - 1] / errors[i])
    readout = (
        f"From {significant(errors[0])} % to {significant(errors[-1])} %; the largest step is "
        f'"{RUNGS[worth]}" (by a factor of {errors[worth - 1] / errors[worth]:.1f}).'
    )
    return Scene(
        title="Every rung has a physical meaning, and is judged unseen",
        x=Axis(label="Predictor", categories=short),
        y=Axis(label="Error on held-out sources", unit="%", lo=1, hi=10000, log=True),
        marks=marks,
        readout=readout,
        alt=f"Error of decode predictions on {kind} engines, rung by rung. {readout}",
        table=[("predictor", "error"), *((r, f"{e:.1f} %") for r, e in zip(RUNGS, errors, strict=True))],
    )
