"""How long does a grader take for a student? `edgelib grade` beside nbgrader, on the same answers.

Both grade the solutions of the exercises. nbgrader (from PyPI, in an environment of its own) runs one
notebook in a kernel; edgelib runs all exercises in its sandbox.
"""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import nbformat
import numpy

from edgelib.exercises.blocks import replace_solutions, solution_cells
from edgelib.grading.classroom import Submission, course, grade_student
from edgelib.grading.load import ROOT, sources
from edgelib.grading.nbgrader import export
from tests.benchmarks.environment import environment

NBGRADER = {"nbgrader": "0.9.6", "numpy": numpy.__version__, "platformdirs": "4.14.7", "jupytext": "1.19.6"}
SECRET = b"of a benchmark, not of a course"
EXERCISE = "ex2"


def solved() -> Submission:
    """A student who has copied all solutions."""
    notebooks = {}
    for source in sources():
        released = nbformat.read(ROOT / "exercises" / f"{source.stem}.ipynb", as_version=4)
        answers = {
            cell.metadata["edge"]["answer"]: replace_solutions(cell.source, None)
            for cell in solution_cells(source)
            if "answer" in cell.metadata.get("edge", {})
        }
        for cell in released.cells:
            cell.source = answers.get(cell.metadata.get("edge", {}).get("answer"), cell.source)
        notebooks[source.stem] = nbformat.writes(released).encode()
    return Submission("ann", notebooks, {})


def ours(submission: Submission) -> None:
    """Grade every exercise of one student."""
    result = grade_student(submission, SECRET)
    assert result["total"] == 100 and len(result["exercises"]) == len(course())


@contextmanager
def nbgrader_course() -> Iterator[tuple[list[str], Path]]:
    """The command that grades one exercise of one student again, and where to run it."""
    command = [str(environment(NBGRADER)), "-m", "nbgrader"]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        export(folder / "source", SECRET)
        run([*command, "generate_assignment", EXERCISE], folder)
        shutil.copytree(folder / "source" / EXERCISE, folder / "submitted" / "ann" / EXERCISE)
        yield [*command, "autograde", EXERCISE, "--force"], folder


def run(command: list[str], folder: Path) -> None:
    """Run a command of nbgrader, with this checkout's edgelib and with the tools of its own environment."""
    tools = os.pathsep.join([str(Path(command[0]).parent), os.environ.get("PATH", "")])
    surroundings = os.environ | {"PYTHONPATH": str(ROOT), "PATH": tools}
    subprocess.run(command, cwd=folder, check=True, capture_output=True, env=surroundings)
