"""book/build.py: what it stores, what it builds again, and that it fails aloud."""

import json
import os
from pathlib import Path

import nbformat
import pytest

from book.build import WIDGET, main

HEADER = """---
jupytext:
  text_representation:
    format_name: myst
kernelspec:
  name: python3
  display_name: Python 3
---

# A title

"""
PAGE = """```{code-cell}
import os, pathlib, sys
print("in", pathlib.Path.cwd().name)
sys.stdout.flush()
print("record in", os.environ["EDGELIB_HOME"] == @EDGELIB_HOME@)
```

A sentence.

```{code-cell}
:tags: [a-tag]

display({"text/plain": "a slider", "@WIDGET@": {"model_id": os.urandom(8).hex()}}, raw=True)
```
"""


@pytest.fixture
def text(tmp_path: Path) -> Path:
    path = tmp_path / "text" / "1_part" / "1_page.md"
    path.parent.mkdir(parents=True)
    page = PAGE.replace("@WIDGET@", WIDGET).replace("@EDGELIB_HOME@", repr(os.environ["EDGELIB_HOME"]))
    path.write_text(HEADER + page)
    return path


@pytest.fixture
def notebook(tmp_path: Path) -> Path:
    return tmp_path / "1_part" / "1_page.ipynb"


def test_executed_clean_and_the_same_each_time(text: Path, notebook: Path, tmp_path: Path) -> None:
    assert main([], tmp_path) == 0
    first = notebook.read_bytes()
    assert main(["--force"], tmp_path) == 0
    assert notebook.read_bytes() == first

    stored = nbformat.read(notebook, as_version=4)
    nbformat.validate(stored)
    printed, slider = (cell.outputs for cell in stored.cells if cell.cell_type == "code")
    assert [output.text for output in printed] == ["in 1_part\nrecord in False\n"]
    assert [output.data for output in slider] == [{"text/plain": "a slider"}]
    assert [cell.metadata for cell in stored.cells] == [{}, {}, {}, {"tags": ["a-tag"]}]


def test_builds_only_what_changed(
    text: Path, notebook: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def output_of(*arguments: str, status: int = 0) -> str:
        assert main(arguments, tmp_path) == status
        return capsys.readouterr().out.strip()

    assert output_of("--check", status=1) == "stale: 1_part/1_page.ipynb"
    assert output_of() == "built 1_part/1_page.ipynb"
    assert output_of() == ""
    assert output_of("--check") == "up to date"
    assert output_of("--force", str(notebook)) == "built 1_part/1_page.ipynb"
    for old, new in [("A sentence.", "Another."), ("a-tag", "b-tag")]:
        text.write_text(text.read_text().replace(old, new))
        assert output_of("--check", str(text), status=1) == "stale: 1_part/1_page.ipynb"
        assert output_of(str(text)) == "built 1_part/1_page.ipynb"
    text.unlink()
    assert output_of("--check", status=1) == "no text: 1_part/1_page.ipynb"


def test_a_failing_cell_is_reported_and_keeps_the_old_notebook(
    text: Path, notebook: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    notebook.parent.mkdir()
    notebook.write_text(json.dumps({"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}))
    before = notebook.read_bytes()
    text.write_text(HEADER + "```{code-cell}\n1 / 0\n```\n")
    assert main([], tmp_path) == 1
    assert "ZeroDivisionError" in capsys.readouterr().err
    assert notebook.read_bytes() == before


def test_a_name_outside_the_book_is_refused(text: Path, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="2"):
        main([str(tmp_path / "nowhere.md")], tmp_path)
