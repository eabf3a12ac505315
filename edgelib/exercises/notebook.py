"""How far is this exercise notebook? Runs it in a fresh kernel and checks each part on its public inputs.

It runs the code of the notebook without a sandbox: for a learner's own notebook on a learner's own machine.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from edgelib.exercises import load
from edgelib.exercises.outcome import Outcome, outcome
from edgelib.exercises.part import CheckedPart

_REPORT = """\
from IPython.display import display as _display
import edgelib.exercises as _exercises
_display({{"application/json": _exercises.load({exercise!r}).parts[{letter!r}].check(
    globals().get({answer!r})).as_dict()}}, raw=True)
"""


def check_notebook(path: str | Path, timeout_s: int = 60) -> list[Outcome]:
    """The outcome of every checked part of the exercise in the notebook at `path`.

    Each cell, and each check, may take `timeout_s` seconds; then it is interrupted and the next one runs.

    Raises
    ------
    ValueError : the file is not a notebook, or not one of an exercise of this book.
    FileNotFoundError : there is no such file.
    """
    import nbformat
    from nbclient import NotebookClient

    path = Path(path)
    try:
        notebook = nbformat.read(path, as_version=4)
    except OSError:
        raise
    except Exception as error:  # nbformat raises whatever a damaged file leads to
        raise ValueError(f"{path} is not a notebook that can be read ({type(error).__name__})") from None
    exercise = load(_exercise_name(path, notebook))
    checked = [part for part in exercise.parts.values() if isinstance(part, CheckedPart)]

    own_cells = len(notebook.cells)
    for part in checked:
        letter = part.name.partition(".")[2]
        source = _REPORT.format(exercise=exercise.name, letter=letter, answer=part.answer)
        notebook.cells.append(nbformat.v4.new_code_cell(source))
    NotebookClient(
        notebook,
        timeout=timeout_s,
        interrupt_on_timeout=True,
        allow_errors=True,
        kernel_name="python3",
        resources={"metadata": {"path": str(path.resolve().parent)}},
    ).execute()

    return [
        _result(part, notebook.cells[:own_cells], report)
        for part, report in zip(checked, notebook.cells[own_cells:], strict=True)
    ]


def _exercise_name(path: Path, notebook: Any) -> str:
    for metadata in [notebook.metadata, *(cell.metadata for cell in notebook.cells)]:
        if "exercise" in metadata.get("edge", {}):
            return str(metadata["edge"]["exercise"])
    raise ValueError(f"{path} does not say which exercise it is; start again from a fresh copy of exercises/")


def _result(part: CheckedPart, cells: list[Any], report: Any) -> Outcome:
    """The outcome that the report cell shows; the error of the answer's own cell comes first."""
    letter = part.name.partition(".")[2]
    own = [c for c in cells if c.metadata.get("edge", {}).get("part") == letter and c.cell_type == "code"]
    for cell in [*own, report]:
        for output in cell.outputs:
            if output.output_type == "error":
                text = f"The cell stopped with {output.ename}: {output.evalue[:300]}"
                return outcome(part.name, "error", text)
            data = output.get("data", {}).get("application/json")
            if cell is report and data is not None:
                return outcome(data["part"], data["status"], *data["lines"], code=data["code"])
    return outcome(part.name, "error", "The kernel died or did not answer in time.")
