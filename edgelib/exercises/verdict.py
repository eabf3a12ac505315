"""What does a judge say of a plan or a policy? A score, reasons, and the misconceptions it can see."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module


@dataclass(frozen=True)
class Verdict:
    """A judge's opinion of one answer on one instance.

    score : from 0 to 1; 1 only where every constraint holds.
    lines : what was measured against what, for the learner to read.
    codes : misconceptions that the judge diagnosed ("kv-forgotten"); an exercise explains each in words.
    """

    score: float
    lines: tuple[str, ...]
    codes: tuple[str, ...] = ()


class Unjudgeable(ValueError):
    """An answer that is no plan, or a policy whose reply is no choice; the message says what was expected."""


Judge = Callable[..., Verdict]


def judge_named(name: str) -> Judge:
    """The judge "module.function" of `edgelib.exercises.judges`."""
    module, _, function = name.partition(".")
    judge: Judge = getattr(import_module(f"edgelib.exercises.judges.{module}"), function)
    return judge
