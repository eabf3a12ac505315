"""For courses that live in nbgrader: the exercises as its source assignments.

`OUT/exN/exN.ipynb` in nbgrader's format (schema 3), hidden tests drawn once for the course. nbgrader runs
tests in the student's own kernel, where they can be forged, and everybody has the same inputs: where marks
matter, use `edgelib grade`.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import nbformat

from edgelib.exercises.blocks import replace_solutions, solution_cells
from edgelib.exercises.compare import plain
from edgelib.grading.draw import draw
from edgelib.grading.load import ROOT, load_spec, sources
from edgelib.grading.report import write
from edgelib.grading.spec import Compared, Exercise, Function, Judged, Part, Plan

SCHEMA = 3
STUDENT = "everybody"

_COMPARED = """\
### BEGIN HIDDEN TESTS
from edgelib.exercises.compare import agrees, plain
for arguments, expected in {cases!r}:
    assert agrees(plain({call}), expected, {tolerance!r}), "{answer} is wrong for a hidden input"
### END HIDDEN TESTS"""
_JUDGED = """\
### BEGIN HIDDEN TESTS
from edgelib.exercises.compare import plain
from edgelib.exercises.verdict import judge_named
for arguments in {cases!r}:
    assert judge_named({judge!r})({given}, **arguments).score == 1, "{answer} fails a hidden instance"
### END HIDDEN TESTS"""


def export(out: Path, secret: bytes, root: Path = ROOT) -> list[Path]:
    """Write every exercise as a source assignment below `out`; the paths written."""
    written = []
    for source in sources(root):
        exercise = load_spec(source.stem, root)
        path = out / exercise.name / f"{exercise.name}.ipynb"
        write(path, str(nbformat.writes(assignment(source, exercise, secret))))
        written.append(path)
    return written


def assignment(source: Path, exercise: Exercise, secret: bytes) -> Any:
    """One exercise as a notebook with nbgrader's metadata: an answer cell and a test cell for each part."""
    parts = {part.answer: part for part in exercise.parts if isinstance(part, Part)}
    cells = []
    for cell in solution_cells(source):
        edge = cell.metadata.get("edge", {})
        if edge.get("solution"):
            continue
        if cell.cell_type == "markdown":
            cells.append(nbformat.v4.new_markdown_cell(cell.source))
            continue
        code = nbformat.v4.new_code_cell(cell.source)
        cells.append(code)
        if "answer" in edge:
            code.metadata = {"edge": edge, **_metadata(f"{exercise.name}-{edge['part']}", solution=True)}
            test = nbformat.v4.new_code_cell(_test(parts[edge["answer"]], exercise.name, secret))
            test.metadata = _metadata(f"test-{exercise.name}-{edge['part']}", solution=False)
            cells.append(test)
        elif replace_solutions(cell.source, None) != cell.source:  # a place to play, without marks
            code.metadata = _metadata(f"{exercise.name}-free-{len(cells)}", solution=True)
    for number, cell in enumerate(cells):
        cell.id = hashlib.sha256(f"{exercise.name}/{number}".encode()).hexdigest()[:12]
    kernel = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
    notebook = nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})
    nbformat.validate(notebook)
    return notebook


def _metadata(name: str, solution: bool) -> dict[str, Any]:
    grade = {} if solution else {"points": 1}
    return {
        "nbgrader": {
            "grade_id": name,
            "schema_version": SCHEMA,
            "solution": solution,
            "grade": not solution,
            "locked": not solution,
            "task": False,
            **grade,
        }
    }


def _test(part: Part, exercise: str, secret: bytes) -> str:
    instances = draw(part, exercise, secret, STUDENT)
    check = f"{exercise}.{part.name}.check({part.answer})"
    if isinstance(part, Compared):
        cases = [(arguments, plain(part.reference(**arguments))) for arguments in instances]
        call = f"{part.answer}(**arguments)" if isinstance(part, Function) else part.answer
        hidden = _COMPARED.format(cases=cases, call=call, tolerance=part.tolerance, answer=part.answer)
    elif isinstance(part, Judged):
        given = f"plain({part.answer})" if isinstance(part, Plan) else part.answer
        hidden = _JUDGED.format(cases=instances, judge=part.judge, given=given, answer=part.answer)
    else:
        raise TypeError(f"part {part.name}: no test for {type(part).__name__}")
    return f"print({check})\n{hidden}"
