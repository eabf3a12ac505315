"""The lecturer's guide, followed to the letter on a class of 30: its commands are read from its own text."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from edgelib.grading.classroom import grade_class, read_secret
from edgelib.grading.load import ROOT
from edgelib.grading.report import page_name
from tests.grading.generated_class import LOOPING, Expected, exercises, make_class

GUIDE = (ROOT / "exercises" / "README.md").read_text(encoding="utf-8")
STUDENTS = 30


def commands() -> list[str]:
    """Every indented command line of the guide, in order."""
    found = re.findall(r"^ {4,}((?:edgelib|python3|chmod) .*)$", GUIDE, flags=re.MULTILINE)
    assert len(found) >= 6, "the guide has lost its commands, or this test their form"
    return found


def surroundings() -> dict[str, str]:
    """The environment in which `edgelib` is this checkout's."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    return {**os.environ, "PATH": path}


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("course")


@pytest.fixture(scope="module")
def deserved(course: Path) -> dict[str, Expected]:
    return make_class(course / "submissions", STUDENTS)


@pytest.fixture(scope="module")
def said(course: Path, deserved: dict[str, Expected]) -> dict[str, str]:
    """What each command of the guide printed; all of them must succeed."""
    printed = {}
    for command in commands():
        done = subprocess.run(
            ["/bin/sh", "-c", command],
            cwd=course,
            env=surroundings(),
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        printed[command] = done.stdout
    return printed


def rows(path: Path, key: str) -> dict[str, dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return {row[key].removeprefix("'"): row for row in csv.DictReader(file)}


def test_everybody_gets_what_the_notebook_deserves(
    course: Path, deserved: dict[str, Expected], said: dict[str, str]
) -> None:
    table = rows(course / "grades.csv", "student")
    assert table.keys() == deserved.keys() and len(table) == STUDENTS
    for student, expected in deserved.items():
        for name in exercises():
            got = float(table[student][name])
            assert got == pytest.approx(expected[name], abs=0.01), (student, name, table[student])
        mean = sum(expected.values()) / len(expected)
        assert float(table[student]["total"]) == pytest.approx(mean, abs=0.02)


def test_the_tables_for_platforms_say_the_same(course: Path, said: dict[str, str]) -> None:
    table = rows(course / "grades.csv", "student")
    canvas = rows(course / "grades.canvas.csv", "SIS Login ID")
    moodle = rows(course / "grades.moodle.csv", "Username")
    assert moodle.keys() == table.keys() and canvas.keys() == table.keys() | {""}
    for student, row in table.items():
        for name in exercises():
            assert row[name] == canvas[student][name] == moodle[student][name]


def test_every_student_has_a_page_with_reasons(
    course: Path, deserved: dict[str, Expected], said: dict[str, str]
) -> None:
    pages = {student: (course / "grades_feedback" / page_name(student)).read_text() for student in deserved}
    assert "not attempted" in pages["zuse"] and "<svg" in pages["lovelace"]
    assert all("<h2>" in page for page in pages.values())
    looping = pages[list(deserved)[LOOPING]]
    assert "stopped after" in looping


def test_flags_say_what_was_odd(course: Path, deserved: dict[str, Expected], said: dict[str, str]) -> None:
    flags = {student: row["flags"] for student, row in rows(course / "grades.csv", "student").items()}
    names = list(deserved)
    assert (
        flags["lovelace"] == "" and "not handed in" in flags[names[9]] and "not a notebook" in flags[names[8]]
    )
    assert "the process ended" in flags[names[4]] and "in code cell" in flags[names[4]]


def test_a_second_run_grades_nobody_again_and_writes_the_same(course: Path, said: dict[str, str]) -> None:
    table = (course / "grades.csv").read_bytes()
    before = _stored(course)
    (grade,) = [c for c in commands() if c.startswith("edgelib grade submissions") and "--explain" not in c]
    done = subprocess.run(
        [*grade.split(), "--json"],
        cwd=course,
        env=surroundings(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout)["graded"] == STUDENTS and "/30 graded" not in done.stderr
    assert _stored(course) == before and (course / "grades.csv").read_bytes() == table


def _stored(course: Path) -> list[tuple[str, str]]:
    connection = sqlite3.connect(course / "grades.sqlite")
    try:
        return connection.execute("SELECT student, data FROM result ORDER BY rowid").fetchall()
    finally:
        connection.close()


def test_one_process_and_two_dask_workers_give_the_marks_of_two_processes(
    course: Path, deserved: dict[str, Expected], said: dict[str, str]
) -> None:
    from distributed import LocalCluster

    few = course / "few"
    for student in list(deserved)[:10]:
        shutil.copytree(course / "submissions" / student, few / student)
    secret = read_secret(course / "course.secret")
    serial = grade_class(few, secret, course / "serial.sqlite")
    local: Any = LocalCluster
    with local(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as cluster:
        dask = grade_class(few, secret, course / "dask.sqlite", scheduler=cluster.scheduler_address)
    assert len(serial.results) == 10
    parallel = {student: json.loads(data) for student, data in _stored(course)}
    for student, result in serial.results.items():
        assert marks(result) == marks(dask.results[student]) == marks(parallel[student])


def marks(result: dict[str, Any]) -> dict[str, float]:
    """Every mark of a student; what was said of a hostile cell may depend on the clock."""
    return {
        f"{name}.{part['part']}": part["mark"]
        for name, one in result["exercises"].items()
        for part in one["parts"]
    }


def test_copies_are_named_and_the_secret_is_private(course: Path, said: dict[str, str]) -> None:
    with (course / "grades.similar.csv").open(encoding="utf-8", newline="") as file:
        pairs = list(csv.DictReader(file))
    assert pairs, "a third of the class handed in the same answers"
    assert (course / "course.secret").stat().st_mode & 0o077 == 0


def test_an_explanation_names_inputs_and_what_was_expected(said: dict[str, str]) -> None:
    (explained,) = [text for command, text in said.items() if "--explain" in command]
    assert explained.startswith("lovelace: 100 %") and "expected" in explained


def test_the_export_for_nbgrader_is_there(course: Path, said: dict[str, str]) -> None:
    for name in exercises():
        assert (course / "COURSE" / "source" / name / f"{name}.ipynb").is_file()
