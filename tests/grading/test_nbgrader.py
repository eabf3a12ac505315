"""The exported assignments are what nbgrader expects, and their hidden tests tell right from wrong.

nbgrader 0.9.6 itself made releases of them and graded a reference (full) and an empty one (none); it is
not among the tools of this test, which runs the same cells.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat
import pytest

from edgelib.exercises.blocks import replace_solutions
from edgelib.grading.load import load_spec, sources
from edgelib.grading.nbgrader import SCHEMA, export
from edgelib.grading.spec import Part

NAMES = [source.stem for source in sources()]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    paths = export(tmp_path_factory.mktemp("source"), b"0123456789abcdef")
    assert [path.parts[-2:] for path in paths] == [(name, f"{name}.ipynb") for name in NAMES]
    return {path.stem: nbformat.read(path, as_version=4) for path in paths}


def run(cells: list[Any], keep_solutions: bool) -> dict[str, bool]:
    """Which test cells pass."""
    space: dict[str, Any] = {}
    passed = {}
    for cell in cells:
        meta = cell.metadata.get("nbgrader")
        if cell.cell_type != "code" or (meta is None and "import" not in cell.source):
            continue
        stub = None if keep_solutions else lambda indentation: f"{indentation}pass"
        try:
            exec(replace_solutions(cell.source, stub), space)
            ok = True
        except Exception:
            ok = False
        if meta and meta["grade"]:
            passed[meta["grade_id"]] = ok
    return passed


@pytest.mark.parametrize("name", NAMES)
def test_hidden_tests_pass_the_reference_and_nothing_else(name: str, written: dict[str, Any]) -> None:
    parts = [part.name for part in load_spec(name).parts if isinstance(part, Part)]
    expected = [f"test-{name}-{part}" for part in parts]
    assert run(written[name].cells, keep_solutions=True) == dict.fromkeys(expected, True)
    assert run(written[name].cells, keep_solutions=False) == dict.fromkeys(expected, False)


@pytest.mark.parametrize("name", NAMES)
def test_metadata(name: str, written: dict[str, Any]) -> None:
    metadata = [cell.metadata["nbgrader"] for cell in written[name].cells if "nbgrader" in cell.metadata]
    ids = [meta["grade_id"] for meta in metadata]
    assert len(ids) == len(set(ids))
    for meta in metadata:
        assert meta["schema_version"] == SCHEMA and meta["grade"] == meta["locked"] != meta["solution"]
        assert (meta.get("points") == 1) == meta["grade"]


def test_the_same_secret_gives_the_same_bytes(tmp_path: Path) -> None:
    first, second = (export(tmp_path / side, b"0123456789abcdef") for side in "ab")
    assert [p.read_bytes() for p in first] == [p.read_bytes() for p in second]
