"""How long does a grader take for a student? `edgelib grade` beside nbgrader, on the same answers.

Both grade the solutions of the exercises. nbgrader (from PyPI, in an environment of its own) runs one
notebook in a kernel; edgelib runs all exercises in its sandbox.
"""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy

from edgelib.grading.classroom import Submission, course, grade_class, grade_student
from edgelib.grading.load import ROOT
from edgelib.grading.nbgrader import export
from tests.benchmarks.environment import environment
from tests.grading import generated_class as generated

NBGRADER = {"nbgrader": "0.9.6", "numpy": numpy.__version__, "platformdirs": "4.14.7", "jupytext": "1.19.6"}
SECRET = b"of a benchmark, not of a course"
EXERCISE = "ex2"


def solved() -> Submission:
    """A student who has copied all solutions."""
    names = generated.exercises()
    solved = {name: generated.notebook(name, generated.solved(name)) for name in names}
    return Submission("ann", tuple(names), solved, {})


def ours(submission: Submission) -> None:
    """Grade every exercise of one student."""
    result = grade_student(submission, SECRET)
    assert result["total"] == 100 and len(result["exercises"]) == len(course())


def class_seconds(students: int, processes: int) -> float:
    """Seconds for a class, from folders to results; one of ten students is hostile, one file is damaged."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        expected = generated.make_class(folder / "class", students)
        start = time.perf_counter()
        graded = grade_class(folder / "class", SECRET, folder / "grades.sqlite", processes)
        seconds = time.perf_counter() - start
    assert graded.faults == {} and graded.results.keys() == expected.keys()
    return seconds


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
