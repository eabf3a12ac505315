"""What mark does one student get? Each exercise in a process of its own; what breaks is repeated without it.

1. Every exercise once. An answer is asked for right after the last cell that defines it, so that a later cell
   cannot spoil it, and an answer that has its mark keeps it.
2. An exercise in which a part has no mark: again, without the cell or the part at which it broke. That part
   is a suspect, no more: a thread that an earlier cell left behind can break things at any time.
3. A part that still has no mark: again, without the answer cells of the other parts; then, and for a suspect
   at once, with nothing but its own and what the course released.
4. A part that earned nothing, the same way: an earlier cell may have spoiled it. The better mark counts.

All of it shares one budget of time, so a hostile submission costs the class that much and no more. Within it
everybody gets a share: half for the first time through, the same for every exercise and part that is left.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any, Self, TypeVar

from edgelib.grading import sandbox
from edgelib.grading.channel import Broken
from edgelib.grading.draw import draw
from edgelib.grading.judge import Ask, PartMark, judge_part
from edgelib.grading.reading import imported, only_imports, python
from edgelib.grading.sandbox import Sandbox
from edgelib.grading.spec import Exercise, Part
from edgelib.grading.submission import Cell

BUDGET_S = 15.0
STARTS_S = 5.0  # of starting sandboxes are the grader's time, not the student's
_MOST_FLAGS = 5
_T = TypeVar("_T")


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

    @property
    def modules(self) -> set[str]:
        """What the course's own cells import."""
        return {module for cell in self.released for module in _modules(cell.source)}


@cache
def _modules(source: str) -> frozenset[str]:
    """What a released cell imports, if that is all it does; the same for every student."""
    statements = python(source)[1]
    return frozenset(imported(statements) if only_imports(statements) else ())


@dataclass
class ExerciseMark:
    """The marks of one exercise, and what was odd about it."""

    exercise: str
    parts: dict[str, PartMark] = field(default_factory=dict)
    flags: list[str] = field(default_factory=list)


class _Broke(Exception):
    """A run ended early: at which cell (its index) or answer; `late` if its share of time was over."""

    def __init__(self, how: str, cell: int | None = None, answer: str | None = None) -> None:
        super().__init__(how)
        self.cell, self.answer, self.late = cell, answer, False


def grade(tasks: list[Task], secret: bytes, student: str, budget_s: float = BUDGET_S) -> list[ExerciseMark]:
    """The marks of one student's exercises.

    Raises
    ------
    GraderFault : a sandbox did not start; no mark follows.
    """
    with _Rooms(sorted({module for task in tasks for module in task.modules})) as rooms:
        attempts = [_Attempt(task, secret, student, rooms) for task in tasks]
        for attempt, share in rooms.shares(attempts, budget_s / 2):
            attempt.run(share)
        for attempt, share in rooms.shares([a for a in attempts if a.open or a.doubtful], budget_s):
            attempt.finish(share)
    return [attempt.mark for attempt in attempts]


class _Rooms:
    """A sandbox to run in, another where that is used up or not as it was; and the student's clock."""

    def __init__(self, modules: list[str]) -> None:
        self._modules = modules
        self._box = Sandbox(modules)
        self._start, self._starts = time.monotonic(), 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._box.close()

    def free(self) -> Sandbox:
        """A sandbox with a free place."""
        start = time.monotonic()
        if not self._box.free:
            self._box.close()
            self._box = Sandbox(self._modules)
            self._starts += time.monotonic() - start
        return self._box

    @property
    def now(self) -> float:
        """Seconds that this student has had."""
        return time.monotonic() - self._start - min(self._starts, STARTS_S)

    def shares(self, waiting: list[_T], end: float) -> Iterator[tuple[_T, float]]:
        """Each of `waiting` with the time at which it has to stop: an equal part of what is left then."""
        for left in range(len(waiting), 0, -1):
            yield waiting[-left], self.now + (end - self.now) / left


class _Attempt:
    """One exercise of one student: runs it as often as it takes, within its share of time."""

    def __init__(self, task: Task, secret: bytes, student: str, rooms: _Rooms) -> None:
        self.task, self.secret, self.student, self._rooms = task, secret, student, rooms
        self.mark = ExerciseMark(task.exercise.name)
        self._cells = task.cells
        self._given = {cell.source for cell in task.released}
        self._broke: _Broke | None = _Broke("no time was left")
        self._broke.late = True
        self._suspects: dict[str, str] = {}  # answers at which something broke, and how

    @property
    def open(self) -> list[Part]:
        """The parts that have no mark."""
        return [part for part in self.task.parts if part.name not in self.mark.parts]

    @property
    def doubtful(self) -> list[Part]:
        """The parts that earned nothing, and have an answer that other cells may have spoiled."""
        written = {cell.answer for cell in self.task.cells if cell.source not in self._given}
        marks = self.mark.parts
        nothing = [part for part in self.task.parts if part.name in marks and marks[part.name].mark == 0]
        return [part for part in nothing if part.answer in written and len(written) > 1]

    def run(self, end: float) -> None:
        """Mark every part, unless something breaks."""
        self._try(self.open, self._cells, end)

    def _try(self, parts: list[Part], cells: list[Cell], end: float) -> None:
        if self._rooms.now >= end:
            return
        box = self._rooms.free()
        deadline = time.monotonic() + end - self._rooms.now
        self._broke = None
        try:
            self._run(box, deadline, parts, cells)
        except _Broke as broke:
            self._broke = broke
            broke.late = time.monotonic() >= deadline
        finally:
            box.end()

    def finish(self, end: float) -> None:
        """Try again what has no mark yet, or none that is worth anything."""
        half = (self._rooms.now + end) / 2
        for _ in range(len(self.task.parts) + 1):
            if self._broke is None or self._rooms.now >= half:
                break
            if not self._broke.late:
                self._leave_out(self._broke)
            trusted = [part for part in self.open if part.answer not in self._suspects]
            if not trusted:
                break
            self._try(trusted, self._cells, half)
        for part, share in self._rooms.shares([*self.open, *self.doubtful], end):
            first = best = self.mark.parts.pop(part.name, None)
            for cells, until in self._rooms.shares(self._apart(part, first is not None), share):
                if best is None or best.mark == 0:
                    self._try([part], cells, until)
                    mark = self.mark.parts.pop(part.name, None)
                    best = mark if mark and (best is None or mark.mark > 0) else best
            if best is not None:
                self.mark.parts[part.name] = best
                if first is not None and best.mark > 0:
                    self._flag(f"{part.answer} is right alone, and not after the cells before it")
        for part in self.open:
            how = self._suspects.get(part.answer, "the grader could not finish, or it took too long")
            line = f"Your code did not return: {how}."
            self.mark.parts[part.name] = PartMark(part.name, 0.0, "error", (line,))

    def _apart(self, part: Part, tried: bool) -> list[list[Cell]]:
        """The cells that `part` may need, and fewer; the latter only if it was tried, or is a suspect."""
        others = {other.answer for other in self.task.parts} - {part.answer}
        fewer = [cell for cell in self._cells if cell.answer not in others]
        fewest = [
            cell for cell in self.task.cells if cell.answer == part.answer or cell.source in self._given
        ]
        if not any(cell.answer == part.answer for cell in fewest):
            return [fewer]
        return [fewest] if tried or part.answer in self._suspects else [fewer, fewest]

    def _flag(self, text: str) -> None:
        if text not in self.mark.flags and len(self.mark.flags) < _MOST_FLAGS:
            self.mark.flags.append(text)

    def _leave_out(self, broke: _Broke) -> None:
        """Go on without what broke, if that is known."""
        self._flag(str(broke))
        suspect = broke.answer
        if broke.cell is not None:
            suspect = self._cells[broke.cell].answer
            self._cells = [cell for index, cell in enumerate(self._cells) if index != broke.cell]
        if suspect is not None:
            self._suspects.setdefault(suspect, str(broke))

    def _run(self, box: Sandbox, deadline: float, parts: list[Part], cells: list[Cell]) -> None:
        """Run the cells, and mark each part as soon as its answer is complete."""
        ask = partial(box.ask, deadline)
        try:
            begun = box.begin(
                deadline,
                cells=[(cell.source, cell.answer, cell.source in self._given) for cell in cells],
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

    def _mark(self, part: Part, ask: Ask, failed: dict[str, str]) -> PartMark:
        instances = draw(part, self.task.exercise.name, self.secret, self.student)
        try:
            mark = judge_part(part, instances, ask)
        except Broken as broken:
            raise _Broke(f"{broken}, in {part.answer}", answer=part.answer) from None
        error = failed.get(part.answer, "")
        if mark.status == "not attempted" and error and "NotImplementedError" not in error:
            return PartMark(part.name, 0.0, "error", (f"The cell of {part.answer} stopped: {error}",))
        return mark


def _indices(value: Any, count: int) -> list[int]:
    if not isinstance(value, list) or not all(type(i) is int and -1 <= i < count for i in value):
        raise Broken("an answer of the wrong form")
    return value
