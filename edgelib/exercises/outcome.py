"""What does a learner see? Messages, as stable text and as plain HTML, and the record of progress."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import Any, Literal

from edgelib.exercises.figure import told
from edgelib.exercises.verdict import Measure
from edgelib.store import Store

Status = Literal["not attempted", "error", "wrong", "public checks passed"]
PASSED: Status = "public checks passed"


@dataclass(frozen=True, repr=False)
class Message:
    """A title, sentences, a block of code where there is one, and what a picture shows."""

    title: str
    lines: tuple[str, ...] = ()
    code: str = ""
    measures: tuple[Measure, ...] = ()

    def __repr__(self) -> str:
        return "\n".join([self.title, *self.lines, *([self.code] if self.code else [])])

    def _repr_html_(self) -> str:
        # everything is escaped: names, values and exception texts come from anywhere
        parts = [f"<p><strong>{escape(self.title)}</strong></p>"]
        parts += [f"<p>{text}</p>" for text in told(self.lines, self.measures)]
        parts += [f"<pre>{escape(self.code)}</pre>"] if self.code else []
        return f'<div class="edgelib-message" role="status">{"".join(parts)}</div>'


@dataclass(frozen=True, repr=False)
class Outcome(Message):
    """The result of one check; `part` is a name such as "ex2.a"."""

    part: str = ""
    status: Status = "not attempted"

    def as_dict(self) -> dict[str, Any]:
        return {"part": self.part, "status": self.status, "lines": list(self.lines), "code": self.code}


def outcome(part: str, status: Status, *lines: str, code: str = "") -> Outcome:
    """An Outcome with its title."""
    return Outcome(title=f"{part}: {status}", lines=lines, code=code, part=part, status=status)


_RECORD = Store("exercises.json")


def record(result: Outcome) -> None:
    """Keep a result for the progress table: the latest one, but a part once passed stays passed."""
    if _RECORD.read().get(result.part) != PASSED:
        _RECORD.update(result.part, result.status)


def recorded() -> dict[str, Any]:
    """The status of every part that was ever checked: {"ex2.a": "wrong", ...}."""
    return _RECORD.read()
