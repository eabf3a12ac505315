"""What mark does one student get? All exercises in one sandbox; whatever breaks is tried again apart.

1. Every exercise in one sandbox, one process each. An answer is asked for right after the last cell that
   defines it, so that a later cell cannot spoil it.
2. An exercise that did not end cleanly: again, in a sandbox of its own.
3. Still not: again, without the cell or the part at which it broke.
4. A part that still has no mark: again, without the answer cells of the other parts.

All of it shares one budget of time, so a hostile submission costs the class that much and no more.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from edgelib.grading import sandbox
from edgelib.grading.draw import draw
from edgelib.grading.judge import Ask, PartMark, judge_part
from edgelib.grading.sandbox import Broken, Sandbox
from edgelib.grading.spec import Exercise, Part
from edgelib.grading.submission import Cell

BUDGET_S = 15.0


@dataclass(frozen=True)
class Task:
    """An exercise as one student handed it in, with what the course released."""

    exercise: Exercise
    cells: list[Cell]
    released: list[Cell]

    @property
    def parts(self) -> list[Part]:
        """The parts that are marked automatically."""
        return [part for part in self.exercise.parts if isinstance(part, Part)]


@dataclass
class ExerciseMark:
    """The marks of one exercise, and what was odd about it."""

    exercise: str
    parts: dict[str, PartMark] = field(default_factory=dict)
    flags: list[str] = field(default_factory=list)


class _Broke(Exception):
    """A run ended early: at which cell (its index) or in which part."""

    def __init__(self, how: str, cell: int | None = None, part: str | None = None) -> None:
        super().__init__(how)
        self.cell, self.part = cell, part


def grade(tasks: list[Task], secret: bytes, student: str, budget_s: float = BUDGET_S) -> list[ExerciseMark]:
    """The marks of one student's exercises.

    Raises
    ------
    GraderFault : a sandbox did not start; no mark follows.
    """
    deadline = time.monotonic() + budget_s
    attempts = [_Attempt(task, secret, student, deadline) for task in tasks]
    with Sandbox() as box:
        for attempt in attempts:
            if not attempt.run(box):
                break
    for attempt in attempts:
        attempt.finish()
    return [attempt.mark for attempt in attempts]


class _Attempt:
    """One exercise of one student: runs it as often as it takes, within the deadline."""

    def __init__(self, task: Task, secret: bytes, student: str, deadline: float) -> None:
        self.task, self.secret, self.student, self.deadline = task, secret, student, deadline
        self.mark = ExerciseMark(task.exercise.name)
        self._cells = task.cells
        self._broke: _Broke | None = None

    def run(self, box: Sandbox, parts: list[Part] | None = None) -> bool:
        """Mark `parts` (all that have no mark) in `box`; whether that ended cleanly."""
        try:
            self._run(box, self._open() if parts is None else parts)
            self._broke = None
        except _Broke as broke:
            self._broke = broke
        return self._broke is None

    def finish(self) -> None:
        """Try again apart what has no mark yet."""
        if self._open() and self._in_time():
            self.mark.parts.clear()  # what another exercise may have disturbed
            with Sandbox() as box:
                self.run(box)
        for _ in self.task.parts:
            if self._open() and self._broke and self._in_time():
                self._leave_out(self._broke)
                with Sandbox() as box:
                    self.run(box)
        everything = self._cells
        for part in self._open():
            others = {other.answer for other in self.task.parts} - {part.answer}
            self._cells = [cell for cell in everything if cell.answer not in others]
            if self._in_time():
                with Sandbox() as box:
                    self.run(box, [part])
        for part in self._open():
            line = "Your code did not let the grader finish, or took too long."
            self.mark.parts[part.name] = PartMark(part.name, 0.0, "error", (line,))

    def _open(self) -> list[Part]:
        return [part for part in self.task.parts if part.name not in self.mark.parts]

    def _in_time(self) -> bool:
        return time.monotonic() < self.deadline

    def _leave_out(self, broke: _Broke) -> None:
        self.mark.flags.append(str(broke))
        if broke.part is not None:
            line = f"Your code did not return: {broke}."
            self.mark.parts[broke.part] = PartMark(broke.part, 0.0, "error", (line,))
        elif broke.cell is not None:
            self._cells = [cell for index, cell in enumerate(self._cells) if index != broke.cell]

    def _run(self, box: Sandbox, parts: list[Part]) -> None:
        """Run the cells, and mark each part as soon as its answer is complete."""
        cells, given = self._cells, {cell.source for cell in self.task.released}
        ask = partial(box.ask, self.deadline)
        try:
            begun = ask(
                begin=self.task.exercise.name,
                cells=[(cell.source, cell.answer, cell.source in given) for cell in cells],
                names=[part.answer for part in parts],
                patience_s=[sandbox.CELL_S, sandbox.CALL_S],
            )
            runs, ready = _indices(begun.get("runs"), len(cells)), _indices(begun.get("ready"), len(cells))
        except Broken as error:
            raise _Broke(str(error)) from None
        failed: dict[str, str] = {}
        again: list[Part] = []
        for index in [-1, *runs]:
            if index >= 0:
                try:
                    raised = ask(cell=index).get("error")
                except Broken as broken:
                    raise _Broke(f"{broken}, in code cell {index + 1}", cell=index) from None
                if raised is not None:
                    failed[cells[index].answer] = str(raised)[:300]
            for part, last in zip(parts, ready, strict=True):
                if last == index:
                    mark = self._mark(part, ask, failed)
                    if any("NameError" in line for line in mark.lines) and index != runs[-1]:
                        again.append(part)  # it uses something that is defined further down
                    else:
                        self.mark.parts[part.name] = mark
        for part in again:
            self.mark.parts[part.name] = self._mark(part, ask, failed)
        try:
            box.end(self.deadline)
        except Broken as broken:
            raise _Broke(f"{broken}, after the last cell") from None

    def _mark(self, part: Part, ask: Ask, failed: dict[str, str]) -> PartMark:
        instances = draw(part, self.task.exercise.name, self.secret, self.student)
        try:
            mark = judge_part(part, instances, ask)
        except Broken as broken:
            raise _Broke(f"{broken}, in {part.answer}", part=part.name) from None
        error = failed.get(part.answer, "")
        if mark.status == "not attempted" and error and "NotImplementedError" not in error:
            return PartMark(part.name, 0.0, "error", (f"The cell of {part.answer} stopped: {error}",))
        return mark


def _indices(value: Any, count: int) -> list[int]:
    if not isinstance(value, list) or not all(type(i) is int and -1 <= i < count for i in value):
        raise Broken("an answer of the wrong form")
    return value
