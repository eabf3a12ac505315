"""A class is graded once, whatever happens in between; names and files of any kind are survived."""

from __future__ import annotations

import csv
import json
import os
import random
import re
import signal
import sqlite3
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest

from edgelib.grading import classroom, command, report
from edgelib.grading.classroom import Graded, grade_class, grade_student, printable, submissions
from edgelib.grading.load import ROOT
from edgelib.grading.results import Results
from edgelib.grading.sandbox import GraderFault
from edgelib.grading.similarity import similar
from edgelib.grading.submission import LARGEST_B, Cell, Unreadable, code_cells, read_file
from tests.grading import generated_class

SECRET = b"0123456789abcdef"
RELEASED = (ROOT / "exercises" / "ex2.ipynb").read_bytes()


def notebook(answers: dict[str, str]) -> bytes:
    """Exercise 2 with these answer cells filled in."""
    return generated_class.notebook("ex2", answers)


@pytest.fixture(scope="module")
def right() -> dict[str, str]:
    return {
        "tps_bound": "def tps_bound(parameters, weight_bits, bandwidth):\n"
        "    return 8 * bandwidth / parameters / weight_bits",
        "weight_bits": "weight_bits = 16",
    }


@pytest.fixture
def folder(tmp_path: Path, right: dict[str, str]) -> Path:
    """Ann answers two of the parts, Bob none, Cem nothing at all."""
    for name, content in {"ann": notebook(right), "bob": RELEASED}.items():
        (tmp_path / "class" / name).mkdir(parents=True)
        (tmp_path / "class" / name / "ex2.ipynb").write_bytes(content)
    (tmp_path / "class" / "cem").mkdir()
    return tmp_path / "class"


def table(path: Path) -> dict[str, dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return {row["student"]: row for row in csv.DictReader(file)}


def parts_of_ex2() -> int:
    return len(classroom.course()["ex2"][0].parts) - 1  # the last one is prose


def run(folder: Path, *more: str, out: str = "grades.csv") -> subprocess.CompletedProcess[str]:
    secret = folder.parent / "secret"
    secret.write_bytes(SECRET + b"\n")
    arguments = ["grade", str(folder), "--secret-file", str(secret), "--out", str(folder.parent / out), *more]
    return subprocess.run([sys.executable, "-m", "edgelib", *arguments], capture_output=True, text=True)


def test_from_a_folder_to_a_table(folder: Path) -> None:
    done = run(folder, "--json")
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert summary["graded"] == 3 and summary["faults"] == {} and summary["pages"] == 3
    rows = table(folder.parent / "grades.csv")
    assert list(next(iter(rows.values()))) == ["student", *report.EXERCISES, "total", "flags"]
    assert float(rows["ann"]["ex2"]) == pytest.approx(200 / parts_of_ex2(), abs=0.01)
    assert rows["bob"]["ex2"] == "0" and rows["cem"]["ex2"] == "0"
    assert "ex2: not handed in" in rows["cem"]["flags"] and "ex2" not in rows["bob"]["flags"]
    assert [row for row in rows["ann"] if row.startswith("ex") and rows["ann"][row] == ""] == [
        name for name in report.EXERCISES if name not in classroom.course()
    ]
    with (folder.parent / "grades.canvas.csv").open(newline="") as file:
        canvas = list(csv.DictReader(file))
    assert canvas[0]["Student"] == "Points Possible" and canvas[0]["ex2"] == "100"
    assert {row["SIS Login ID"]: row["ex2"] for row in canvas[1:]} == {n: rows[n]["ex2"] for n in rows}
    with (folder.parent / "grades.moodle.csv").open(newline="") as file:
        assert {row["Username"]: row["ex2"] for row in csv.DictReader(file)} == {
            n: rows[n]["ex2"] for n in rows
        }
    explained = run(folder, "--explain", "ann")
    assert explained.returncode == 0 and "expected 16" in explained.stdout
    assert run(folder, "--explain", "nobody").returncode == command.REFUSED


def test_only_the_exercises_that_were_assigned_count(folder: Path, right: dict[str, str]) -> None:
    assert run(folder, "--exercises", "ex4,ex2").returncode == 0
    everything = table(folder.parent / "grades.csv")["ann"]
    assert everything["ex4"] == "0" and "ex4: not handed in" in everything["flags"]
    assert run(folder, "--exercises", "ex2").returncode == 0
    only = table(folder.parent / "grades.csv")["ann"]
    assert only["total"] == only["ex2"] == everything["ex2"] != "0" and only["flags"] == ""
    assert {only[name] for name in report.EXERCISES if name != "ex2"} == {""}
    refused = run(folder, "--exercises", "ex2,ex99")
    assert refused.returncode == command.REFUSED and "'ex99' is unknown" in refused.stderr


def test_serial_parallel_and_two_dask_workers_give_the_same_marks(
    folder: Path, right: dict[str, str]
) -> None:
    from distributed import LocalCluster

    for number in range(4):
        (folder / f"more{number}").mkdir()
        some = dict(list(right.items())[number % 2 :])
        (folder / f"more{number}" / "ex2.ipynb").write_bytes(notebook(some))
    serial = grade_class(folder, SECRET, folder.parent / "1.sqlite")
    parallel = grade_class(folder, SECRET, folder.parent / "2.sqlite", processes=2)
    local: Any = LocalCluster
    with local(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as cluster:
        dask = grade_class(folder, SECRET, folder.parent / "3.sqlite", scheduler=cluster.scheduler_address)
    assert serial == parallel == dask and len(serial.results) == 7


def test_a_killed_grader_goes_on_and_gives_the_same_bytes(folder: Path) -> None:
    for number in range(10):
        (folder / f"s{number}").mkdir()
        (folder / f"s{number}" / "ex2.ipynb").write_bytes((folder / "ann" / "ex2.ipynb").read_bytes())
    assert run(folder, out="whole.csv").returncode == 0
    database = folder.parent / "killed.sqlite"
    rng, seen = random.Random(7), 0
    for _ in range(4):
        arguments = ["grade", str(folder), "--secret-file", str(folder.parent / "secret")]
        process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "edgelib",
                *arguments,
                "--out",
                str(folder.parent / "killed.csv"),
                "-j",
                "2",
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        time.sleep(rng.uniform(1.0, 3.0))
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        if database.is_file():
            now = _count(database)
            assert now >= seen, "a result was lost"
            seen = now
    assert run(folder, out="killed.csv").returncode == 0
    assert (folder.parent / "killed.csv").read_bytes() == (folder.parent / "whole.csv").read_bytes()


def _count(database: Path) -> int:
    connection = sqlite3.connect(database)
    try:
        tables = connection.execute("SELECT name FROM sqlite_master WHERE name = 'result'").fetchall()
        return int(connection.execute("SELECT count(*) FROM result").fetchone()[0]) if tables else 0
    finally:
        connection.close()


def test_nothing_is_graded_twice_and_a_change_is_graded_again(
    folder: Path, right: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = grade_class(folder, SECRET, folder.parent / "g.sqlite")
    (folder / "bob" / "ex2.ipynb").write_bytes(notebook(right))
    graded: list[str] = []
    grade_class(
        folder, SECRET, folder.parent / "g.sqlite", progress=lambda done, everyone, name: graded.append(name)
    )
    assert graded == ["bob"]
    other = grade_class(folder, b"another secret of it", folder.parent / "g.sqlite")
    assert other.results["ann"]["total"] == first.results["ann"]["total"]


def test_a_fault_of_the_grader_is_no_zero(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    graded = Graded({}, {"ann": "the sandbox did not start"})
    files = report.write_tables(graded, folder.parent / "f.csv")
    row = table(files[0])["ann"]
    assert row["ex2"] == row["total"] == "" and "grader fault" in row["flags"]


def test_without_a_sandbox_it_refuses_and_says_what_to_do(folder: Path) -> None:
    secret = folder.parent / "secret"
    secret.write_bytes(SECRET)
    arguments = ["grade", str(folder), "--secret-file", str(secret), "--out", str(folder.parent / "g.csv")]
    environment = {**os.environ, "PATH": "/nowhere"}
    done = subprocess.run(
        [sys.executable, "-m", "edgelib", *arguments], capture_output=True, text=True, env=environment
    )
    assert done.returncode == command.REFUSED
    assert "apt install bubblewrap" in done.stderr and not (folder.parent / "g.csv").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("short secret", "at least 16"),
        ("no secret", "secret"),
        ("no folder", "is no folder"),
        ("empty folder", "holds no folders"),
        ("foreign database", "move it away"),
        ("no processes", "-j"),
        ("table is a folder", "is a folder"),
    ],
)
def test_bad_input_is_refused_by_name(change: str, message: str, folder: Path) -> None:
    secret, out, processes = folder.parent / "secret", folder.parent / "g.csv", 1
    secret.write_bytes(b"short" if change == "short secret" else SECRET)
    if change == "no secret":
        secret.unlink()
    if change == "foreign database":
        out.with_suffix(".sqlite").write_bytes(b"this is not a database at all, but long enough" * 50)
    if change == "table is a folder":
        out.mkdir()
    if change == "no processes":
        processes = 0
    if change in ("no folder", "empty folder"):
        folder = folder.parent / "other"
        if change == "empty folder":
            folder.mkdir()
    arguments = ["--secret-file", str(secret), "--out", str(out), "-j", str(processes)]
    done = subprocess.run(
        [sys.executable, "-m", "edgelib", "grade", str(folder), *arguments], capture_output=True, text=True
    )
    assert done.returncode == command.REFUSED and message in done.stderr and "Traceback" not in done.stderr


# ---------------------------------------------------------------- files


def handed_in(path: Path) -> dict[str, Any]:
    (one,) = submissions(path.parent, ["ex2"])
    result: dict[str, Any] = grade_student(one, SECRET)["exercises"]["ex2"]
    return result


BAD_FILES = {
    "empty": b"",
    "no JSON": b"{",
    "no notebook": b"[1, 2]",
    "no cells": b'{"cells": 3}',
    "deep": b"[" * 100_000,
    "huge number": b'{"cells": ' + b"9" * 10_000 + b"}",
    "cells of no kind": json.dumps({"cells": [1, None, [], {"cell_type": "code", "source": {}}]}).encode(),
    "binary": bytes(range(256)) * 10,
    "too many cells": json.dumps({"cells": [{}] * 5000}).encode(),
}


@pytest.mark.parametrize("kind", BAD_FILES)
def test_a_damaged_file_is_a_flag(kind: str, tmp_path: Path) -> None:
    student = tmp_path / "eve"
    student.mkdir()
    (student / "ex2.ipynb").write_bytes(BAD_FILES[kind])
    result = handed_in(student)
    assert result["percent"] == 0 and len(result["flags"]) == 1 and result["parts"] == []


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_every_unicode_encoding_is_read(encoding: str, tmp_path: Path, right: dict[str, str]) -> None:
    student = tmp_path / "ann"
    student.mkdir()
    (student / "ex2.ipynb").write_bytes(notebook(right).decode().encode(encoding))
    assert handed_in(student)["percent"] > 0


@pytest.mark.parametrize("kind", ["link", "link to nowhere", "folder", "pipe", "large", "device"])
def test_what_is_no_regular_file_is_not_opened(kind: str, tmp_path: Path, right: dict[str, str]) -> None:
    student, secret = tmp_path / "eve", tmp_path / "secret"
    student.mkdir()
    secret.write_bytes(notebook(right))
    path = student / "ex2.ipynb"
    if kind == "link":
        path.symlink_to(secret)
    elif kind == "link to nowhere":
        path.symlink_to(tmp_path / "nowhere")
    elif kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path = Path("/dev/zero")
    else:
        with path.open("wb") as file:
            file.truncate(LARGEST_B + 1)
    with pytest.raises(Unreadable):
        read_file(path)


def test_a_student_who_is_a_link_is_not_followed(folder: Path) -> None:
    (folder / "eve").symlink_to(folder / "ann")
    rows = grade_class(folder, SECRET, folder.parent / "g.sqlite").results
    assert rows["eve"]["total"] == 0 and "symbolic link" in rows["eve"]["exercises"]["ex2"]["flags"][0]


NAMES = [
    "=cmd|' /C calc'!A0",
    "+1",
    "-1",
    "@SUM(A1)",
    "\tx",
    "..%2f..%2fetc",
    "<script>alert(1)</script>",
    "a, b; c",
    '"quoted"',
    "名前",
    "e\u0301",
    "con",
    "x" * 200,
    b"\xff\xfe".decode("utf-8", "surrogateescape"),
    "new\nline",
]


def test_names_of_every_kind(tmp_path: Path) -> None:
    for name in NAMES:
        (tmp_path / "class" / name).mkdir(parents=True)
    graded = grade_class(tmp_path / "class", SECRET, tmp_path / "g.sqlite")
    assert len(graded.results) == len(NAMES)
    files = report.write_tables(graded, tmp_path / "g.csv")
    for path in files:
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.reader(file):
                assert not any(text.startswith(("=", "+", "-", "@", "\t", "\r", "\n")) for text in row)
    pages = report.write_pages(graded, tmp_path / "pages")
    assert len({page.name.lower() for page in pages}) == len(NAMES)
    assert all(page.parent == tmp_path / "pages" and len(page.name) < 255 for page in pages)
    assert all("<script>" not in page.read_text() for page in pages)


def test_two_students_never_share_a_name(tmp_path: Path, right: dict[str, str]) -> None:
    """Or the last one to be graded would have both marks."""
    for name, content in {"\u00e9": RELEASED, "e\u0301": notebook(right)}.items():
        (tmp_path / "class" / name).mkdir(parents=True)
        (tmp_path / "class" / name / "ex2.ipynb").write_bytes(content)
    (tmp_path / "class" / "\\xff").mkdir()
    (tmp_path / "class" / b"\xff".decode("utf-8", "surrogateescape")).mkdir()
    results = grade_class(tmp_path / "class", SECRET, tmp_path / "g.sqlite").results
    totals = {name: result["total"] for name, result in results.items()}
    assert len(totals) == 4 and totals["\u00e9"] == totals["\\xff"] == 0
    assert [name[:3] for name, total in totals.items() if total > 0] == ["\u00e9 ("]


HOSTILE_TEXT = r"\x1b[2J\r\u202e\ud800\x00<b>\n=1"


def test_the_words_of_a_student_are_shown_and_not_obeyed(folder: Path) -> None:
    source = f"def tps_bound(parameters, weight_bits, bandwidth):\n    raise ValueError('{HOSTILE_TEXT}')"
    (folder / "bob" / "ex2.ipynb").write_bytes(notebook({"tps_bound": source}))
    (folder / "bob").rename(folder / "\x1b[31mbob\r")
    done = run(folder)
    assert done.returncode == 0, done.stderr
    explained = run(folder, "--explain", "\x1b[31mbob\r")
    for text in (done.stdout, done.stderr, explained.stdout, explained.stderr):
        assert all(letter.isprintable() or letter == "\n" for letter in text)
    assert HOSTILE_TEXT in explained.stdout
    (page,) = (p for p in (folder.parent / "grades_feedback").iterdir() if "bob" in p.name)
    assert "\\ud800" in page.read_text() and "<b>" not in page.read_text()


def test_a_fault_in_one_submission_does_not_end_the_class(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Odd(Exception):
        def __init__(self, one: int, two: int) -> None:  # cannot be unpickled
            super().__init__("odd")

    def fail(*_: Any) -> Any:
        raise Odd(1, 2)

    monkeypatch.setattr(classroom, "grade", fail)
    one = submissions(folder, ["ex2"])[0]
    with pytest.raises(GraderFault, match="Odd: odd"):
        classroom._grade_or_fault(one, SECRET)
    monkeypatch.setattr(classroom, "_grade_or_fault", _leave)
    graded = grade_class(folder, SECRET, folder.parent / "g.sqlite")
    assert not graded.results and list(graded.faults) == ["ann", "bob", "cem"]


def _leave(*_: Any) -> Any:
    os._exit(1)


def test_two_graders_at_once_give_the_same_table(folder: Path) -> None:
    with ThreadPoolExecutor() as threads:
        done = list(threads.map(lambda _: run(folder), range(2)))
    assert [one.returncode for one in done] == [0, 0], [one.stderr for one in done]
    assert len(table(folder.parent / "grades.csv")) == 3


def test_students_graded_side_by_side_have_a_processor_each() -> None:
    with classroom._executor(2, None) as executor:
        seen = {executor.submit(_where).result() for _ in range(20)}
    assert seen <= {(processor,) for processor in os.sched_getaffinity(0)}


def _where() -> tuple[int, ...]:
    return tuple(os.sched_getaffinity(0))


def test_no_field_begins_as_a_formula_wherever_a_spreadsheet_splits() -> None:
    for text in ("=1", "x;=1", "\uff1d1", " \t=1", "a\n+b", "\r@"):
        pieces = re.split(r"[;\r\n]", report.cell(text))
        assert not any(piece.strip().startswith(tuple("=+-@\uff1d")) for piece in pieces)
    assert report.cell("ex2: a = b; ex4: c - d") == "ex2: a = b; ex4: c - d"


def test_printable_names_are_one_spelling() -> None:
    assert printable("e\u0301") == printable("\u00e9")
    assert printable(b"\xff".decode("utf-8", "surrogateescape")) == "\\xff"


def test_feedback_says_what_and_why(folder: Path) -> None:
    wrong = notebook({"tps_bound": "def tps_bound(parameters, weight_bits, bandwidth):\n    return 1/0"})
    (folder / "bob" / "ex2.ipynb").write_bytes(wrong)
    page = report.page(grade_class(folder, SECRET, folder.parent / "g.sqlite").results["bob"])
    assert "ZeroDivisionError" in page and "not attempted" in page


# ---------------------------------------------------------------- results, similarity


def test_many_may_open_new_results_at_once(tmp_path: Path) -> None:
    together = Barrier(8, timeout=20)

    def put(number: int) -> None:
        for file in range(15):
            together.wait()
            with Results(tmp_path / f"{file}.sqlite") as results:
                results.put(f"student {number}", "1", {"total": file})

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(put, range(8)))
    for file in range(15):
        with Results(tmp_path / f"{file}.sqlite") as results:
            assert [results.get(f"student {n}", "1") for n in range(8)] == [{"total": file}] * 8


def test_results_belong_to_what_they_follow_from(tmp_path: Path) -> None:
    with Results(tmp_path / "r.sqlite") as results:
        results.put("ann", "1", {"total": 3})
        assert results.get("ann", "1") == {"total": 3}
        assert results.get("ann", "2") is None and results.get("bob", "1") is None


LONG = """
def f(values, scale):
    total = 0
    for value in values:
        if value > scale:
            total += value / scale
        else:
            total -= scale / value
    return total * {constant}
"""


def test_renamed_copies_are_found_and_other_ideas_are_not() -> None:
    copied = LONG.replace("total", "t").replace("values", "numbers").replace("value", "v")
    other = "def f(values, scale):\n    import numpy as np\n    v = np.asarray(values)\n    up = v > scale\n"
    other += "    return 2 * (np.sum(v[up] / scale) - np.sum(scale / v[~up])) + np.zeros(3).sum()"
    answers = {"a": {"ann": [Cell(LONG)], "bob": [Cell(copied)], "cem": [Cell(other)]}}
    (pair,) = similar("ex2", answers, [])
    assert (pair.first, pair.second, pair.similarity) == ("ann", "bob", 1.0)


def test_pages_of_filling_do_not_keep_the_lecturer_waiting() -> None:
    filling = [Cell("x = [" + "1, 'a', b, " * 10_000 + f"]  # {n}\n" * 20) for n in range(20)]
    start = time.monotonic()
    text = Cell('x = """' + "\n" * 10**6)
    similar("ex2", {"a": {"ann": filling, "bob": filling, "eve": [text] * 3}}, [])
    assert time.monotonic() - start < 2


def test_what_was_released_is_nobodys() -> None:
    assert similar("ex2", {"a": {"ann": [Cell(LONG)], "bob": [Cell(LONG)]}}, [Cell(LONG)]) == []


def test_a_broken_sandbox_during_a_class_is_reported_per_student(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = submissions(folder, ["ex2"])[0]
    monkeypatch.setattr(classroom, "grade", _fault)
    with pytest.raises(GraderFault):
        grade_student(one, SECRET)


def _fault(*_: Any) -> Any:
    raise GraderFault("broken")


def test_code_cells_come_in_order() -> None:
    content = {
        "cells": [{"cell_type": "code", "source": ["a", "b"]}, {"cell_type": "markdown", "source": "c"}]
    }
    assert code_cells(json.dumps(content).encode()) == [Cell("ab")]
