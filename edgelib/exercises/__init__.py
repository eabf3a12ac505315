"""How do I try an exercise of the book? `from edgelib.exercises import ex2`, then `ex2.a.check(...)`.

`ex2.a.check(answer)` tries an answer on public inputs, `ex2.a.hint()` gives the next hint,
`ex2.a.solution()` shows a solution where there is one, `progress()` shows what has passed so far.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from edgelib.exercises.outcome import PASSED, recorded
from edgelib.exercises.part import CheckedPart, Part

if TYPE_CHECKING:
    ex2: Exercise

_DATA = Path(__file__).resolve().parents[1] / "data" / "exercises"


class Exercise:
    """One exercise; its parts are attributes: `ex2.a`, `ex2.b`, ..."""

    def __init__(self, name: str, title: str, parts: dict[str, Part]) -> None:
        self.name, self.title, self.parts = name, title, parts

    def __getattr__(self, letter: str) -> CheckedPart:
        part = self.__dict__.get("parts", {}).get(letter)
        if part is None:
            raise AttributeError(f"{self.name} has no part {letter!r}; it has {', '.join(self.parts)}")
        return part  # type: ignore[no-any-return]

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self.parts]

    def __repr__(self) -> str:
        return f"<{self.name}, {self.title}: parts {', '.join(self.parts)}>"


def names() -> list[str]:
    """The exercises there are: ["ex2", ...]."""
    return sorted(
        entry.name.removesuffix(".json") for entry in _DATA.iterdir() if entry.name.endswith(".json")
    )


@cache
def load(name: str) -> Exercise:
    """The exercise called `name`; always the same object, so that hints go on where they stopped.

    Raises
    ------
    ValueError : there is no such exercise.
    """
    if name not in names():
        raise ValueError(f"there is no exercise {name!r}; there are {', '.join(names())}")
    data = json.loads((_DATA / f"{name}.json").read_text(encoding="utf-8"))
    parts = {
        letter: (Part if part["kind"] == "open" else CheckedPart)(name, letter, part)
        for letter, part in data["parts"].items()
    }
    return Exercise(name, data["title"], parts)


@dataclass(frozen=True, repr=False)
class Progress:
    """Status of every checked part of every exercise: {"ex2.a": "wrong", ...}."""

    status: dict[str, str]

    def __repr__(self) -> str:
        rows = [f"{part}: {status}" for part, status in self.status.items()]
        return "\n".join([*rows, f"{self.passed} of {len(self.status)} parts pass their public checks"])

    def _repr_html_(self) -> str:
        rows = "".join(f"<tr><td>{escape(p)}</td><td>{escape(s)}</td></tr>" for p, s in self.status.items())
        caption = f"{self.passed} of {len(self.status)} parts pass their public checks"
        return f"<table><caption>{caption}</caption><tr><th>part</th><th>status</th></tr>{rows}</table>"

    @property
    def passed(self) -> int:
        return sum(status == PASSED for status in self.status.values())


def progress() -> Progress:
    """How far the reader of this computer has come."""
    seen = recorded()
    parts = [
        part.name for name in names() for part in load(name).parts.values() if isinstance(part, CheckedPart)
    ]
    return Progress({part: str(seen.get(part, "not attempted")) for part in parts})


def __getattr__(name: str) -> Exercise:
    if name in names():
        return load(name)
    raise AttributeError(f"edgelib.exercises has no {name!r}; there are the exercises {', '.join(names())}")
