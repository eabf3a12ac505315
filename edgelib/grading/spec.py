"""What is an exercise, to those who write and grade it? The classes of `solutions/exN.py`.

| class | the student hands in | judged by |
| --- | --- | --- |
| `Value` | a value | comparison with `reference()` |
| `Function` | a function | comparison with `reference(**arguments)` on every instance |
| `Plan` | a plan (a dict or dataclass) | a judge of `edgelib.exercises.judges`, on every instance |
| `Policy` | a function | a judge that calls it many times, on every instance |
| `Open` | prose | a person |

Every part names its misconceptions (mutants) and grades its hints.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

Arguments = dict[str, Any]  # by name, and JSON can hold them
LEAST_MUTANTS, LEAST_HINTS = 4, 3


@dataclass(frozen=True)
class Mutant:
    """A wrong answer that people give; `message` says which idea leads to it, not what is right."""

    name: str
    answer: Callable[..., Any]
    message: str
    code: str = ""  # of a plan or policy: the diagnosis of the judge that this message explains


def no_arguments(_: np.random.Generator) -> list[Arguments]:
    """The instances of a value: one, the same for everybody."""
    return [{}]


@dataclass(frozen=True, kw_only=True)
class Part:
    """What all checked parts have.

    Parameters
    ----------
    name : the letter of the part.
    answer : the variable that the answer cell defines.
    unit : unit of a number in the answer, as it is printed after one.
    returns : what the answer has to be, in words; completes "Expected: ".
    hints : from a nudge to nearly the solution.
    public : the inputs that learners see.
    instances : draws the inputs of one student's grade.
    """

    kind: ClassVar[str]
    name: str
    answer: str
    unit: str
    returns: str
    hints: tuple[str, ...]
    mutants: tuple[Mutant, ...]
    public: tuple[Arguments, ...] = ({},)
    instances: Callable[[np.random.Generator], list[Arguments]] = no_arguments

    def __post_init__(self) -> None:
        if len(self.hints) < LEAST_HINTS:
            raise ValueError(f"part {self.name}: {len(self.hints)} hints; expected at least {LEAST_HINTS}")
        if len({mutant.name for mutant in self.mutants}) < LEAST_MUTANTS:
            raise ValueError(
                f"part {self.name}: expected at least {LEAST_MUTANTS} mutants of different names"
            )


@dataclass(frozen=True, kw_only=True)
class Compared(Part):
    """A part with one right answer, up to `tolerance` relative to it."""

    reference: Callable[..., Any]
    tolerance: float = 1e-3


class Value(Compared):
    """The answer is a value."""

    kind = "value"


class Function(Compared):
    """The answer is a function of named arguments."""

    kind = "function"


@dataclass(frozen=True, kw_only=True)
class Judged(Part):
    """A part that many answers solve: a judge of the library scores each on its merits.

    judge : "module.function" in `edgelib.exercises.judges`; called with the answer and an instance.
    reference : of a plan, a function without arguments that makes one; of a policy, the policy.
    A mutant's `answer` is of the same form; its `code` is among those of the judge's verdict on it.
    """

    judge: str
    reference: Callable[..., Any]

    def __post_init__(self) -> None:
        super().__post_init__()
        codes = [mutant.code for mutant in self.mutants]
        if not all(codes) or len(set(codes)) < len(codes):
            raise ValueError(f"part {self.name}: mutant codes {codes}; expected one for each, all different")


class Plan(Judged):
    """The answer is a plan: plain data."""

    kind = "plan"


class Policy(Judged):
    """The answer is a function that a simulator calls again and again."""

    kind = "policy"


@dataclass(frozen=True, kw_only=True)
class Open:
    """A question answered in prose; rubric and model answer are in `solutions/exN.md`."""

    kind: ClassVar[str] = "open"
    name: str
    hints: tuple[str, ...]


@dataclass(frozen=True)
class Exercise:
    """An exercise: its name is that of its files, `ex2`."""

    name: str
    title: str
    parts: tuple[Part | Open, ...]
