"""The real path: a notebook in a fresh kernel, from the untouched starter to a full solution."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from edgelib.exercises.notebook import check_notebook
from edgelib.grading.load import ROOT

STARTER = ROOT / "exercises" / "ex2.ipynb"
PARTS = "abcde"
PASSED = ["public checks passed"] * len(PARTS)


def hand_in(folder: Path, answers: dict[str, str]) -> Path:
    """The starter with its answer cells filled in."""
    notebook = nbformat.read(STARTER, as_version=4)
    for cell in notebook.cells:
        edge = cell.metadata.get("edge", {})
        if "answer" in edge and edge["part"] in answers:
            cell.source = answers[edge["part"]]
    nbformat.write(notebook, folder / "ex2.ipynb")
    return folder / "ex2.ipynb"


def test_the_starter_runs_to_its_end_and_nothing_is_attempted() -> None:
    notebook = nbformat.read(STARTER, as_version=4)
    NotebookClient(notebook, timeout=60, kernel_name="python3").execute()  # raises if any cell does
    shown = [
        output.data["text/plain"]
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if output.output_type == "execute_result"
    ]
    assert [text.splitlines()[0] for text in shown] == [f"ex2.{part}: not attempted" for part in PARTS]
    assert [result.status for result in check_notebook(STARTER)] == ["not attempted"] * len(PARTS)


@pytest.mark.parametrize("which", ["written", "second"])
def test_a_right_notebook_passes(which: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    results = check_notebook(hand_in(tmp_path, request.getfixturevalue(which)))
    assert [result.status for result in results] == PASSED
    assert [result.part for result in results] == [f"ex2.{part}" for part in PARTS]


def test_every_part_is_judged_by_itself(tmp_path: Path, written: dict[str, str]) -> None:
    signature = written["a"].splitlines()[0]
    answers = {
        "a": f"{signature}\n    while True:\n        pass",
        "b": "weight_bits = 8",
        "c": "def tps_bound_kv(:\n    pass",
        "d": written["d"],
    }
    path = hand_in(tmp_path, answers)
    before = path.read_bytes()
    a, b, c, d, e = check_notebook(path, timeout_s=3)
    assert (a.status, b.status, c.status, d.status) == ("error", "wrong", "error", PASSED[0])
    assert e.status == "not attempted"
    assert "in time" in repr(a) or "KeyboardInterrupt" in repr(a)
    assert "what the label says" in repr(b)
    assert "SyntaxError" in repr(c)
    assert path.read_bytes() == before


@pytest.mark.parametrize("content", ["", "{}", "not json", '{"cells": 3}', "\ufeff[]"])
def test_what_is_not_a_notebook_is_said_to_be_none(content: str, tmp_path: Path) -> None:
    path = tmp_path / "ex2.ipynb"
    path.write_text(content, encoding="utf-16" if content.startswith("\ufeff") else "utf-8")
    with pytest.raises(ValueError, match=r"ex2\.ipynb is not a notebook"):
        check_notebook(path)


def test_a_notebook_of_something_else_is_refused(tmp_path: Path) -> None:
    nbformat.write(nbformat.v4.new_notebook(), tmp_path / "x.ipynb")
    with pytest.raises(ValueError, match="does not say which exercise"):
        check_notebook(tmp_path / "x.ipynb")
    with pytest.raises(FileNotFoundError):
        check_notebook(tmp_path / "none.ipynb")
