"""What does a judge say of a plan or a policy? A score, reasons, and the misconceptions it can see."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module


@dataclass(frozen=True)
class Measure:
    """One constraint in a picture of a verdict.

    text : what was measured against what, "speed: 3.6 token/s, at least 5 token/s; missed by 28 %".
    times : how many times as good as asked: 1 is exactly kept, 2 twice as good, 0.5 half; finite and above 0,
        or None where nothing could be measured.
    met : whether it counts as kept.
    """

    text: str
    times: float | None
    met: bool


@dataclass(frozen=True)
class Verdict:
    """A judge's opinion of one answer on one instance.

    score : from 0 to 1; 1 only where every constraint holds.
    lines : what was measured against what, for the learner to read.
    codes : misconceptions that the judge diagnosed ("kv-forgotten"); an exercise explains each in words.
    measures : the constraints, for a picture.
    """

    score: float
    lines: tuple[str, ...]
    codes: tuple[str, ...] = ()
    measures: tuple[Measure, ...] = ()


class Unjudgeable(ValueError):
    """An answer that is no plan, or a policy whose reply is no choice; the message says what was expected."""


Judge = Callable[..., Verdict]


def judge_named(name: str) -> Judge:
    """The judge "module.function" of `edgelib.exercises.judges`."""
    module, _, function = name.partition(".")
    judge: Judge = getattr(import_module(f"edgelib.exercises.judges.{module}"), function)
    return judge
