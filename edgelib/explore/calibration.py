"""How well does a learner know what they do not know?

Of many 90 % intervals, 90 % should hold their answer. Fewer means overconfidence, more means caution.
"""

from __future__ import annotations

from math import log10, sqrt

from edgelib.errors import integer
from edgelib.explore.prediction import Prediction, load
from edgelib.explore.scene import Area, Axis, Dot, Line, Mark, Scene, Span, Text
from edgelib.units import significant

STATED = 90.0  # per cent
_Z95 = 1.959964  # two-sided 95 % quantile of the normal distribution
_SHOWN = 14  # predictions in the picture of errors
_WIDEST = 1000.0  # times


def progress() -> list[str]:
    """Ids of all committed predictions, oldest first."""
    return list(load()[0])


def wilson(hits: int, n: int, z: float = _Z95) -> tuple[float, float]:
    r"""Wilson score interval of the share p = hits / n, as fractions.

    $\left(p + \frac{z^2}{2n} \pm z\sqrt{\frac{p(1-p)}{n} + \frac{z^2}{4n^2}}\right) / (1 + z^2/n)$

    Source: E. B. Wilson, J. Am. Stat. Assoc. 22 (1927) 209.

    Raises
    ------
    ValueError : n < 1, or hits outside 0..n.
    """
    n, hits = integer("n", n, at_least=1), integer("hits", hits)
    if hits > n:
        raise ValueError(f"hits = {hits}: expected at most n = {n}")
    share = hits / n
    centre = share + z * z / (2 * n)
    spread = z * sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return (max(centre - spread, 0.0) / (1 + z * z / n), min((centre + spread) / (1 + z * z / n), 1.0))


def calibration() -> Scene:
    """The share of intervals that held their answer, after each prediction, against the stated 90 %."""
    made = list(load()[0].values())
    x = Axis(label="Predictions committed", lo=0, hi=max(10, len(made) + 1))
    y = Axis(label="Intervals that held the answer", unit="%", lo=0, hi=100)
    stated = Line(
        x=(x.lo, x.hi),
        y=(STATED, STATED),
        ghost=True,
        label="stated: 90 %",
        term="what 90 % intervals promise",
    )
    if not made:
        words = "Your share of hits appears here with your first prediction."
        return Scene(
            title="How far can you trust your own estimates?",
            x=x,
            y=y,
            marks=[stated, Text(x=x.hi / 2, y=45, text=words, anchor="middle")],
            readout="no prediction yet",
            alt="Calibration: no prediction yet. Here appears how many 90 % intervals held the answer.",
        )
    counts = list(range(1, len(made) + 1))
    hits = [sum(p.inside for p in made[:n]) for n in counts]
    low, high = zip(*(wilson(h, n) for h, n in zip(hits, counts, strict=True)), strict=True)
    share = [100 * h / n for h, n in zip(hits, counts, strict=True)]
    found = (
        f"{hits[-1]} of {len(made)} intervals held the answer: {share[-1]:.0f} %, "
        f"with 95 % confidence {100 * low[-1]:.0f} to {100 * high[-1]:.0f} %; stated 90 %"
    )
    band = Area(
        x=counts,
        y0=[100 * v for v in low],
        y1=[100 * v for v in high],
        role="activations",
        term="95 % Wilson interval of your share",
    )
    line = Line(x=counts, y=share, role="activations", term="answers inside / predictions")
    end = Dot(x=counts[-1], y=share[-1], role="activations", label="your share", term=found)
    return Scene(
        title=_finding(100 * low[-1], 100 * high[-1]),
        x=x,
        y=y,
        marks=[band, stated, line, end],
        readout=found,
        alt=f"Calibration: {found}.",
        table=_table(made),
    )


def prediction_errors() -> Scene:
    """Every prediction as a multiple of its answer: the best guess, and the interval around it."""
    made = [p for p in load()[0].values() if p.error_factor is not None][-_SHOWN:]
    x = Axis(label="Prediction / answer", lo=1 / _WIDEST, hi=_WIDEST, log=True)
    y = Axis(label="Prediction", categories=tuple(p.id for p in made) or ("none yet",))
    truth = Line(x=(1, 1), y=(y.lo, y.hi), ghost=True, label="the answer", term="prediction / answer = 1")
    if not made:
        return Scene(
            title="By what factor are your guesses off?",
            x=x,
            y=y,
            marks=[truth, Text(x=1.3, y=-0.2, text="Your guesses appear here, one row each.")],
            readout="no prediction yet",
            alt="Errors: no prediction yet. Your guesses appear here as multiples of their answers.",
        )
    marks: list[Mark] = []
    for row, p in enumerate(made):
        role = "activations" if p.inside else "error"
        low = max(p.low / p.answer, x.lo / 10)  # an interval may begin at or below zero
        term = f"{p.question} You: {p.best:g} ({p.low:g} to {p.high:g}); answer: {p.answer:g} {p.unit}"
        marks.append(Span(x0=low, x1=max(p.high / p.answer, low), y=row, height=0.3, role=role))
        marks.append(Dot(x=p.best / p.answer, y=row, role=role, term=term))
    factors = sorted(p.error_factor or 1.0 for p in made)
    typical = significant((factors[(len(factors) - 1) // 2] * factors[len(factors) // 2]) ** 0.5)
    found = f"typical guess off by a factor of {typical}, worst by {significant(factors[-1])}"
    return Scene(
        title="An interval that misses the line was too narrow",
        x=x,
        y=y,
        marks=[truth, *marks],
        readout=found,
        alt=f"Errors of {len(made)} predictions: {found}.",
        table=_table(made),
    )


def _finding(low: float, high: float) -> str:
    if high < STATED:
        return "Your intervals are too narrow: you know less than you think"
    if low > STATED:
        return "Your intervals are wider than they need to be"
    return "So far your intervals are consistent with the 90 % they state"


def _table(made: list[Prediction]) -> list[list[str]]:
    """One row for each prediction; the last column is log10 of the error factor."""
    head = ["Prediction", "Low", "Best", "High", "Answer", "Unit", "Inside", "log10 error"]
    rows = [
        [
            p.id,
            *(f"{v:g}" for v in (p.low, p.best, p.high, p.answer)),
            p.unit,
            "yes" if p.inside else "no",
            "" if p.error_factor is None else f"{log10(p.error_factor):.2f}",
        ]
        for p in made
    ]
    return [head, *rows]
