"""How is a class graded? Every folder of a student, once, in parallel, resumable; then one table.

`FOLDER/<student>/exN.ipynb`. The marks depend on the notebooks, the exercises and the secret, not on the
order, the number of processes or a grader that was killed in between.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import unicodedata
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from edgelib import __version__
from edgelib.grading.grade import Task, grade
from edgelib.grading.load import ROOT, load_spec, sources
from edgelib.grading.results import Results
from edgelib.grading.sandbox import GraderFault
from edgelib.grading.spec import Exercise
from edgelib.grading.submission import Cell, Unreadable, code_cells, read_file

Progress = Callable[[int, int, str], None]  # done, all, student


@dataclass(frozen=True)
class Submission:
    """What lies in one student's folder: the bytes of each notebook, or why they cannot be read.

    assigned : the exercises that count; one that is missing earns nothing.
    """

    student: str
    assigned: tuple[str, ...]
    notebooks: dict[str, bytes]
    problems: dict[str, str]


def submissions(folder: Path, exercises: list[str]) -> list[Submission]:
    """Every student's submission, sorted by name.

    Raises
    ------
    ValueError : `folder` is no folder, or holds no folder of a student.
    """
    if not folder.is_dir():
        raise ValueError(f"FOLDER = {str(folder)!r} is no folder; expected FOLDER/<student>/exN.ipynb")
    entries = [e for e in os.scandir(folder) if e.is_dir() and e.name != ".ipynb_checkpoints"]
    names = students([entry.name for entry in entries])
    found = []
    for entry in sorted(entries, key=lambda entry: names[entry.name]):
        if entry.is_symlink():
            problem = dict.fromkeys(exercises, "the student's folder is a symbolic link; it is not followed")
            found.append(Submission(names[entry.name], tuple(exercises), {}, problem))
        else:
            found.append(_read(Path(entry.path), names[entry.name], exercises))
    if not found:
        raise ValueError(f"FOLDER = {str(folder)!r} holds no folders; expected FOLDER/<student>/exN.ipynb")
    return found


def _read(folder: Path, student: str, exercises: list[str]) -> Submission:
    submission = Submission(student, tuple(exercises), {}, {})
    for name in exercises:
        try:
            submission.notebooks[name] = read_file(folder / f"{name}.ipynb")
        except FileNotFoundError:
            continue
        except Unreadable as error:
            submission.problems[name] = str(error)
    return submission


def printable(name: str) -> str:
    """A file name as text that every program can store: bytes that are no UTF-8 are written out."""
    return unicodedata.normalize("NFC", os.fsencode(name).decode("utf-8", "backslashreplace"))


def students(folders: list[str]) -> dict[str, str]:
    """The name of the student for each folder, never two the same: one must not get the mark of another.

    Of two folders whose names look the same, the one that is written as it looks has the name; that of the
    other ends with a digest of its bytes.
    """
    names: dict[str, str] = {}
    for folder in sorted(folders, key=lambda folder: (printable(folder) != folder, folder)):
        name = printable(folder)
        while name in names.values():
            name = f"{name} ({hashlib.sha256(os.fsencode(folder)).hexdigest()[:8]})"
        names[folder] = name
    return names


def read_secret(path: Path) -> bytes:
    """The secret of the course, without the newline that editors add."""
    return path.read_bytes().strip()


# ---------------------------------------------------------------- one student


@cache
def course(root: Path = ROOT) -> dict[str, tuple[Exercise, list[Cell]]]:
    """Every exercise with the code cells that were released."""
    names = [source.stem for source in sources(root)]
    return {
        name: (load_spec(name, root), code_cells((root / "exercises" / f"{name}.ipynb").read_bytes()))
        for name in names
    }


def grade_student(submission: Submission, secret: bytes) -> dict[str, Any]:
    """The result of one student as plain data.

    Raises
    ------
    GraderFault : the sandbox did not work; there is no result.
    """
    problems, tasks = dict(submission.problems), []
    for name, content in submission.notebooks.items():
        exercise, released = course()[name]
        try:
            tasks.append(Task(exercise, code_cells(content), released))
        except Unreadable as error:
            problems[name] = str(error)
    marks = {mark.exercise: mark for mark in grade(tasks, secret, submission.student)} if tasks else {}
    exercises: dict[str, Any] = {}
    for name in submission.assigned:
        if name in marks:
            parts = [asdict(part) for part in marks[name].parts.values()]
            parts.sort(key=lambda part: str(part["part"]))
            percent = round(100 * sum(part["mark"] for part in parts) / len(parts), 2)
            exercises[name] = {"percent": percent, "parts": parts, "flags": marks[name].flags}
        else:
            flag = problems.get(name, "not handed in")
            exercises[name] = {"percent": 0.0, "parts": [], "flags": [flag]}
    total = round(sum(result["percent"] for result in exercises.values()) / len(exercises), 2)
    return {"student": submission.student, "exercises": exercises, "total": total}


# ---------------------------------------------------------------- a class


def fingerprint(submission: Submission, secret: bytes, root: Path = ROOT) -> str:
    """Of all that a result follows from; another value means: grade again."""
    keyed = hmac.new(secret, digestmod=hashlib.sha256)
    keyed.update(_course_digest(root))
    notebooks = {name: hashlib.sha256(data).hexdigest() for name, data in submission.notebooks.items()}
    follows_from = [submission.student, submission.assigned, notebooks, submission.problems]
    keyed.update(json.dumps(follows_from, sort_keys=True).encode())
    return keyed.hexdigest()


@cache
def _course_digest(root: Path) -> bytes:
    digest = hashlib.sha256(__version__.encode())
    for source in sources(root):
        for path in (source, source.with_suffix(".py"), root / "exercises" / f"{source.stem}.ipynb"):
            digest.update(path.read_bytes())
    library = root / "edgelib"  # judges, models and their figures decide marks too
    for path in sorted([*library.rglob("*.py"), *(library / "data").rglob("*.csv")]):
        digest.update(path.read_bytes())
    return digest.digest()


@dataclass(frozen=True)
class Graded:
    """The results of a class by student, and the students for whom the grader failed, with the reason."""

    results: dict[str, dict[str, Any]]
    faults: dict[str, str]


def grade_class(
    folder: Path,
    secret: bytes,
    database: Path,
    processes: int = 1,
    scheduler: str | None = None,
    progress: Progress = lambda *_: None,
    assigned: list[str] | None = None,
) -> Graded:
    """Grade every submission that has no result yet.

    Parameters
    ----------
    assigned : the exercises that count, all if None.
    processes : how many submissions at a time on this machine.
    scheduler : address of a dask.distributed scheduler whose workers grade instead; each needs this checkout
        and bubblewrap.
    """
    everyone = submissions(folder, list(course()) if assigned is None else assigned)
    results: dict[str, dict[str, Any]] = {}
    faults: dict[str, str] = {}
    with Results(database) as kept, _executor(processes, scheduler) as executor:
        prints = {one.student: fingerprint(one, secret) for one in everyone}
        waiting: dict[Future[dict[str, Any]], str] = {}
        for one in everyone:
            known = kept.get(one.student, prints[one.student])
            if known is not None:
                results[one.student] = known
            else:
                waiting[executor.submit(_grade_or_fault, one, secret)] = one.student
        for done in as_completed(waiting):
            student = waiting.pop(done)
            try:
                results[student] = done.result()
                kept.put(student, prints[student], results[student])
            except (GraderFault, BrokenExecutor) as fault:
                faults[student] = str(fault)
            progress(len(results) + len(faults), len(everyone), student)
    return Graded(dict(sorted(results.items())), dict(sorted(faults.items())))


def _grade_or_fault(submission: Submission, secret: bytes) -> dict[str, Any]:
    """`grade_student`; whatever else goes wrong is a fault with this one, and the class goes on.

    Raises
    ------
    GraderFault : there is no result.
    """
    try:
        return grade_student(submission, secret)
    except GraderFault:
        raise
    except Exception as error:
        raise GraderFault(f"{type(error).__name__}: {error}") from error


def _settle(turns: Any) -> None:
    """Keep this process and its sandboxes on one processor: the threads of one student then slow no other."""
    with turns.get_lock():
        turn = turns.value
        turns.value += 1
    processors = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {processors[turn % len(processors)]})


@contextmanager
def _executor(processes: int, scheduler: str | None) -> Iterator[Executor]:
    if scheduler is None:
        spawn = get_context("spawn")
        settle = (_settle, (spawn.Value("i", 0),)) if processes > 1 else (None, ())
        with ProcessPoolExecutor(processes, spawn, *settle) as executor:
            yield executor
        return
    from distributed import Client  # an extra of this package: classroom

    client: Any = Client  # it publishes no types
    with client(scheduler) as connected, connected.get_executor() as executor:
        yield executor
