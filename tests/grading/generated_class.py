"""A class of students who do what students do, and what each of them deserves.

Every exercise of the book is handed in: solved, begun, untouched, wrong, broken, damaged or hostile. The
marks follow from how each notebook was made, not from grading it.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path

import nbformat

from edgelib.exercises import names as exercises
from edgelib.grading.load import ROOT
from tests.grading import proof

NAMES = (
    "lovelace",
    "turing",
    "hopper",
    "zuse",
    "名前",
    "o'brien, mary",
    "=1+1",
)  # then student-7, student-8, ...
KINDS = (
    "solved",
    "begun",
    "solved",
    "untouched",
    "leaves",
    "wrong",
    "solved",
    "raises",
    "damaged",
    "missing",
)
LOOPING = 13  # this one student's first answer never ends: it costs the class its own time, and no more

Expected = dict[str, float]  # per cent by exercise


@cache
def solved(exercise: str) -> dict[str, str]:
    """The source of each answer cell of `solutions/exN.md`, by the name that it defines, in order."""
    return {cell.answer: cell.source for cell in proof.written(exercise) if cell.answer}


def notebook(exercise: str, answers: Mapping[str, str]) -> bytes:
    """The released notebook with these answer cells filled in."""
    released = nbformat.read(ROOT / "exercises" / f"{exercise}.ipynb", as_version=4)
    for cell in released.cells:
        cell.source = answers.get(cell.metadata.get("edge", {}).get("answer"), cell.source)
    return nbformat.writes(released).encode()


def make_class(folder: Path, students: int) -> dict[str, Expected]:
    """Write `students` submissions below `folder`; the marks that each has to get."""
    expected = {}
    for number in range(students):
        name = NAMES[number] if number < len(NAMES) else f"student-{number}"
        kind = "loops" if number == LOOPING else KINDS[number % len(KINDS)]
        (folder / name).mkdir(parents=True)
        expected[name] = {}
        for exercise in exercises():
            content, percent = _handed_in(exercise, kind)
            expected[name][exercise] = percent
            if content is not None:
                (folder / name / f"{exercise}.ipynb").write_bytes(content)
    return expected


def _handed_in(exercise: str, kind: str) -> tuple[bytes | None, float]:
    """What a student of this kind hands in, None for nothing, and the per cent it deserves."""
    right = solved(exercise)
    first, share = next(iter(right)), 100 / len(right)
    at_first = exercise == exercises()[0]
    if kind == "damaged" and at_first:
        return notebook(exercise, right)[:-100], 0.0
    if kind == "missing" and not at_first:
        return None, 0.0
    if kind == "begun":
        return notebook(exercise, {first: right[first]}), share
    if kind == "untouched":
        return notebook(exercise, {}), 0.0
    if kind == "wrong":
        return notebook(exercise, {name: _wrong(name, source) for name, source in right.items()}), 0.0
    if kind == "raises":
        return notebook(exercise, {name: f"{name} = undefined" for name in right}), 0.0
    if kind in ("leaves", "loops") and at_first:
        attack = "import os\nos._exit(0)" if kind == "leaves" else "while True:\n    pass"
        return notebook(exercise, {**right, first: attack}), 100 - share
    return notebook(exercise, right), 100.0


def _wrong(name: str, source: str) -> str:
    """An answer of the right kind and no sense."""
    return f"def {name}(*_, **__):\n    return 0" if f"def {name}(" in source else f"{name} = 0"
