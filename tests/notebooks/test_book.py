"""The notebooks that are stored are the ones that the text gives: current, executed, clean."""

import re
from pathlib import Path

import pytest
from nbformat import NotebookNode

from book.build import BOOK, essence, notebook_of, orphans, read_text, texts
from tests.notebooks.book import NOTEBOOKS, read

MAX_LINES = 15
HARD_MAX_LINES = 20
# JupyterLab shows MyST's own syntax as text: directives, labels, and roles, which end at a code span.
BLOCK = re.compile(r"^\s*(?::::|```\{|\([\w-]+\)=\s*$)", re.MULTILINE)
CODE_SPAN = re.compile(r"`[^`\n]+`")
ROLE = re.compile(r"\{[a-z][\w:-]*\}`")


def code_cells(name: str) -> list[NotebookNode]:
    return [cell for cell in read(name).cells if cell.cell_type == "code"]


def test_every_notebook_has_a_text() -> None:
    assert NOTEBOOKS, "an empty book passes every other test here: run `make book`"
    assert orphans(BOOK) == []


@pytest.mark.parametrize("text", texts(BOOK), ids=lambda text: text.stem)
def test_notebook_equals_its_text(text: Path) -> None:
    path = notebook_of(text, BOOK)
    assert path.exists(), "run `make book`"
    assert essence(read(path.relative_to(BOOK).as_posix())) == essence(read_text(text, BOOK)), (
        "run `make book`"
    )


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_every_cell_ran_in_order_without_error_or_warning(name: str) -> None:
    cells = code_cells(name)
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    outputs = [output for cell in cells for output in cell.outputs]
    assert [
        output for output in outputs if output.output_type == "error" or output.get("name") == "stderr"
    ] == []


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_code_cells_fit_a_reading(name: str) -> None:
    lines = [len(cell.source.splitlines()) for cell in code_cells(name)]
    assert max(lines, default=0) <= HARD_MAX_LINES
    assert sum(length > MAX_LINES for length in lines) <= len(lines) / 10, (
        f"above {MAX_LINES} lines is for exceptions"
    )


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_no_widget_state_or_machine_is_stored(name: str) -> None:
    notebook = read(name)
    assert set(notebook.metadata) == {"kernelspec", "language_info"}
    shown = [mime for cell in code_cells(name) for output in cell.outputs for mime in output.get("data", {})]
    assert [mime for mime in shown if "widget" in mime] == []
    text = "\n".join(str(output) for cell in code_cells(name) for output in cell.outputs)
    assert not re.search(r"\bat 0x[0-9a-f]{6,}", text), "a memory address is never the same twice"


def myst(source: str) -> list[str]:
    """The MyST syntax in a Markdown cell."""
    return BLOCK.findall(source) + ROLE.findall(CODE_SPAN.sub("`", source))


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_prose_is_plain_markdown(name: str) -> None:
    prose = [cell.source for cell in read(name).cells if cell.cell_type == "markdown"]
    assert [found for source in prose for found in myst(source)] == []


@pytest.mark.parametrize(
    ("source", "is_myst"),
    [
        ("```{note}\ntext\n```", True),
        (":::{note}", True),
        ("(label)=\n# Title", True),
        ("see {ref}`label`", True),
        ("```python\nx = {1}\n```", False),
        ("$\\frac{a}{b}$ and `{x}` and `a`{b}", False),
    ],
)
def test_what_is_myst(source: str, is_myst: bool) -> None:
    assert bool(myst(source)) is is_myst
