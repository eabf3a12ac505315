"""Where do the marks go? Tables for a lecturer and a learning platform, a page for each student."""

from __future__ import annotations

import csv
import io
import os
import re
import tempfile
from collections.abc import Iterable
from hashlib import sha256
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote

from edgelib.exercises.figure import told
from edgelib.exercises.verdict import Measure
from edgelib.grading.classroom import Graded

EXERCISES = tuple(f"ex{n}" for n in range(1, 9))
# At the start, and after what some spreadsheets split at; in full width as well.
_FORMULA = re.compile("(^|[;\t\r\n])(?=\\s*[=+@\uff1d\uff0b\uff0d\uff20\t\r\n-])")


def cell(text: str) -> str:
    """Text that no spreadsheet takes for a formula."""
    return _FORMULA.sub(r"\1'", text)


def write_tables(graded: Graded, out: Path) -> list[Path]:
    """`out` and, beside it, the same marks for Canvas and Moodle."""
    tables = {
        out: _table(graded),
        out.with_suffix(".canvas.csv"): _canvas(graded),
        out.with_suffix(".moodle.csv"): _moodle(graded),
    }
    for path, rows in tables.items():
        write(path, _csv(rows))
    return list(tables)


def write(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=".edgelib-")
    with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
        file.write(text)
    os.replace(name, path)


def _csv(rows: Iterable[Iterable[str]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def _marks(result: dict[str, Any]) -> list[str]:
    exercises = result["exercises"]
    return [f"{exercises[name]['percent']:g}" if name in exercises else "" for name in EXERCISES]


def _flags(result: dict[str, Any]) -> str:
    return "; ".join(f"{name}: {flag}" for name, one in result["exercises"].items() for flag in one["flags"])


def _table(graded: Graded) -> list[list[str]]:
    """`student, ex1..ex8, total, flags`; percent. A student whom the grader failed has no marks, not zero."""
    rows = {
        student: [cell(student), *_marks(result), f"{result['total']:g}", cell(_flags(result))]
        for student, result in graded.results.items()
    }
    for student, fault in graded.faults.items():
        rows[student] = [cell(student), *[""] * (len(EXERCISES) + 1), cell(f"grader fault: {fault}")]
    return [["student", *EXERCISES, "total", "flags"], *(rows[student] for student in sorted(rows))]


def _canvas(graded: Graded) -> list[list[str]]:
    """As Canvas imports a gradebook: five columns that name the student, then the points possible."""
    names = sorted({name for result in graded.results.values() for name in result["exercises"]})
    head = ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", *names]
    points = ["Points Possible", "", "", "", "", *["100"] * len(names)]
    rows = [
        [cell(student), "", "", cell(student), "", *(f"{result['exercises'][n]['percent']:g}" for n in names)]
        for student, result in graded.results.items()
    ]
    return [head, points, *rows]


def _moodle(graded: Graded) -> list[list[str]]:
    """As Moodle imports grades: the user name, a column for each item, a feedback column."""
    names = sorted({name for result in graded.results.values() for name in result["exercises"]})
    rows = [
        [
            cell(student),
            *(f"{result['exercises'][n]['percent']:g}" for n in names),
            cell(_flags(result)),
        ]
        for student, result in graded.results.items()
    ]
    return [["Username", *names, "Feedback"], *rows]


# ---------------------------------------------------------------- a page for each student

_STYLE = """
body { font: 16px/1.5 sans-serif; max-width: 46rem; margin: 2rem auto; padding: 0 1rem }
:root { color-scheme: light dark }
table { border-collapse: collapse; width: 100% }
th, td { text-align: left; padding: .4rem .6rem; vertical-align: top }
tr + tr { border-top: 1px solid #8886 } meter { width: 8rem }
"""


def page_name(student: str) -> str:
    """A file name for a student: readable, safe on every system, never two the same."""
    return f"{quote(student, safe=' ')[:80]}-{sha256(student.encode()).hexdigest()[:8]}.html"


def write_pages(graded: Graded, folder: Path) -> list[Path]:
    """A feedback page for every student who has marks."""
    pages = {folder / page_name(student): page(result) for student, result in graded.results.items()}
    for path, text in pages.items():
        write(path, text)
    return list(pages)


def page(result: dict[str, Any]) -> str:
    """One student's marks with reasons, as HTML; every text in it is escaped."""
    sections = "".join(_section(name, one) for name, one in result["exercises"].items())
    title = f"Feedback for {escape(result['student'])}"
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f"<style>{_STYLE}</style></head><body><h1>{title}</h1>"
        f"<p>Total: <strong>{result['total']:g} %</strong></p>{sections}</body></html>\n"
    )


def _section(name: str, exercise: dict[str, Any]) -> str:
    percent = exercise["percent"]
    flags = "".join(f"<p>{escape(flag)}</p>" for flag in exercise["flags"])
    rows = "".join(
        f"<tr><th scope='row'>{escape(part['part'])}</th><td>{100 * part['mark']:.0f} %</td>"
        f"<td>{escape(part['status'])}</td><td>{_why(part)}</td></tr>"
        for part in exercise["parts"]
    )
    table = (
        f"<table><tr><th>part</th><th>mark</th><th>result</th><th>why</th></tr>{rows}</table>" if rows else ""
    )
    return (
        f"<h2>{escape(name)}: {percent:g} % "
        f'<meter min="0" max="100" value="{percent:g}">{percent:g} %</meter></h2>{flags}{table}'
    )


def _why(part: dict[str, Any]) -> str:
    """The reasons for a mark, and a picture of them where the part has constraints."""
    return "<br>".join(told(part["lines"], [Measure(**one) for one in part["measures"]]))
