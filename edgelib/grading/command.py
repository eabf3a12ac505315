"""`edgelib grade`: a class from a folder of notebooks to a table of marks."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from edgelib.errors import choice, integer
from edgelib.exercises.compare import describe, plain
from edgelib.grading.classroom import (
    Graded,
    course,
    grade_class,
    printable,
    read_secret,
    submissions,
)
from edgelib.grading.draw import LEAST_SECRET_BYTES, draw
from edgelib.grading.judge import visible
from edgelib.grading.report import write_pages, write_tables
from edgelib.grading.sandbox import GraderFault, Sandbox
from edgelib.grading.selftest import self_test
from edgelib.grading.similarity import Pair, similar, write_similar
from edgelib.grading.spec import Compared, Part
from edgelib.grading.submission import Cell, Unreadable, code_cells

REFUSED = 2


def run_self_test(as_json: bool) -> int:
    """Print what the self-test found; 1 if a check failed."""
    checks = self_test()
    if as_json:
        print(json.dumps([asdict(check) for check in checks]))
    else:
        for check in checks:
            print(f"{'passed' if check.passed else 'FAILED'}  {check.name} ({check.detail})")
    return 0 if all(check.passed for check in checks) else 1


def run(
    folder: Path,
    secret_file: Path,
    out: Path,
    processes: int,
    scheduler: str | None,
    explain: str | None,
    exercises: str | None,
    as_json: bool,
) -> int:
    """Grade `folder`; 1 if the grader failed for a student, 2 if it refused to start."""
    try:
        processes = integer("-j", processes, 1)
        secret = read_secret(secret_file)
        if len(secret) < LEAST_SECRET_BYTES:
            raise ValueError(
                f"--secret-file: {len(secret)} bytes; expected at least {LEAST_SECRET_BYTES} random ones"
            )
        assigned = _assigned(exercises)
        check_writable(out)
        if scheduler is None:
            with Sandbox():
                pass  # no sandbox, no grading
        database = out.with_suffix(".sqlite")
        graded = grade_class(folder, secret, database, processes, scheduler, _progress, assigned)
        if explain is not None:
            return _explain(graded, secret, explain, as_json)
    except (GraderFault, ValueError, OSError) as error:
        print(f"edgelib grade refuses: {error}", file=sys.stderr)
        if isinstance(error, GraderFault):
            print(_HELP, file=sys.stderr)
        return REFUSED
    files = write_tables(graded, out)
    pages = write_pages(graded, out.with_name(f"{out.stem}_feedback"))
    pairs = _pairs(folder, assigned)
    files.append(write_similar(pairs, out.with_suffix(".similar.csv")))
    if as_json:
        summary = {
            "graded": len(graded.results),
            "faults": graded.faults,
            "files": [str(path) for path in files],
            "pages": len(pages),
            "similar": len(pairs),
        }
        print(json.dumps(summary))
    else:
        print(
            f"{len(graded.results)} submissions graded, {len(graded.faults)} not; {len(pairs)} similar pairs"
        )
        print("\n".join([*(f"wrote {path}" for path in files), f"wrote {len(pages)} feedback pages"]))
        for student, fault in graded.faults.items():
            print(f"not graded: {visible(student)}: {visible(fault)}")
    return 1 if graded.faults else 0


def _assigned(exercises: str | None) -> list[str]:
    """The exercises that count: those named, "ex2,ex4", or all."""
    names = list(course()) if exercises is None else exercises.split(",")
    wanted = {choice("--exercises", name, course()) for name in names}
    return [name for name in course() if name in wanted]


_HELP = """\
Student code is only ever run inside bubblewrap with user namespaces.
On Debian or Ubuntu: apt install bubblewrap. Where the kernel forbids user namespaces, allow them:
sysctl kernel.unprivileged_userns_clone=1 (Debian), kernel.apparmor_restrict_unprivileged_userns=0 (Ubuntu),
or run a container with --security-opt seccomp=unconfined. On macOS and Windows, use a Linux virtual machine.
Then: edgelib grade --self-test"""


def _progress(done: int, everyone: int, student: str) -> None:
    """A bar on a terminal, a line for every tenth elsewhere."""
    share = done / everyone
    if sys.stderr.isatty():
        bar = "#" * round(30 * share)
        print(
            f"\r[{bar:<30}] {done}/{everyone} {visible(student)[:30]:<30}",
            end="",
            file=sys.stderr,
            flush=True,
        )
        if done == everyone:
            print(file=sys.stderr)
    elif done == everyone or done * 10 // everyone > (done - 1) * 10 // everyone:
        print(f"{done}/{everyone} graded", file=sys.stderr, flush=True)


def _explain(graded: Graded, secret: bytes, student: str, as_json: bool) -> int:
    """Why one student has these marks: the inputs, what was expected, what was said."""
    student = choice("--explain", printable(student), [*graded.results, *graded.faults])
    if student in graded.faults:
        print(f"{visible(student)} has no marks: {visible(graded.faults[student])}")
        return 1
    result = graded.results[student]
    if as_json:
        print(json.dumps(result))
        return 0
    print(f"{visible(student)}: {result['total']:g} %")
    for name, marked in result["exercises"].items():
        print(f"\n{name}: {marked['percent']:g} %" + "".join(f"\n  flag: {flag}" for flag in marked["flags"]))
        exercise = course()[name][0]
        for part in marked["parts"]:
            print(f"  {part['part']}: {100 * part['mark']:.0f} %, {part['status']}")
            print("".join(f"     {line}\n" for line in part["lines"]), end="")
            spec = next(p for p in exercise.parts if isinstance(p, Part) and p.name == part["part"])
            for arguments in draw(spec, name, secret, student):
                print(f"     {_instance(spec, arguments)}")
    return 0


def _instance(part: Part, arguments: dict[str, Any]) -> str:
    text = ", ".join(f"{key}={describe(plain(value))}" for key, value in arguments.items())
    if isinstance(part, Compared):
        return f"{part.answer}({text}): expected {describe(plain(part.reference(**arguments)))}"
    return f"instance: {text}"


def _pairs(folder: Path, assigned: list[str]) -> list[Pair]:
    """Answers that look alike, over all exercises that count."""
    handed_in = submissions(folder, assigned)
    pairs: list[Pair] = []
    for name in assigned:
        exercise, released = course()[name]
        answers: dict[str, dict[str, list[Cell]]] = {}
        letters = {part.answer: part.name for part in exercise.parts if isinstance(part, Part)}
        for one in handed_in:
            try:
                cells = code_cells(one.notebooks[name])
            except (KeyError, Unreadable):
                continue  # not handed in, or said already to be unreadable
            for cell in cells:
                if cell.answer in letters:
                    answers.setdefault(letters[cell.answer], {}).setdefault(one.student, []).append(cell)
        pairs += similar(name, answers, released)
    return pairs


def check_writable(path: Path) -> None:
    """Before an hour of grading: can the table be written?

    Raises
    ------
    OSError : it cannot.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder; expected the name of a table")
    if not os.access(path.parent, os.W_OK):
        raise PermissionError(f"cannot write into {path.parent}")
