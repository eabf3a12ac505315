"""`exercises build` is deterministic, fresh, and refuses sources that would leak or break."""

from __future__ import annotations

import shutil
from pathlib import Path

import nbformat
import pytest

from edgelib.grading.build import build, main
from edgelib.grading.load import ROOT, sources

GENERATED = ["exercises/ex2.ipynb", "edgelib/data/exercises/ex2.json"]
NAMES = [source.stem for source in sources()]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A checkout with sources and nothing generated."""
    shutil.copytree(ROOT / "solutions", tmp_path / "solutions", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def test_what_is_committed_is_fresh(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(check=True) == 0
    assert capsys.readouterr().out == ""


def test_the_same_source_gives_the_same_bytes(root: Path) -> None:
    generated = [
        path for name in NAMES for path in (f"exercises/{name}.ipynb", f"edgelib/data/exercises/{name}.json")
    ]
    assert set(GENERATED) <= set(generated)
    assert sorted(build(check=False, root=root)) == sorted(generated)
    for name in generated:
        assert (root / name).read_bytes() == (ROOT / name).read_bytes()
    assert build(check=False, root=root) == []


@pytest.mark.parametrize("name", GENERATED)
def test_a_stale_or_missing_file_is_listed_and_rebuilt(
    name: str, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    build(check=False, root=root)
    path = root / name
    fresh = path.read_bytes()
    for damage in (lambda: path.write_bytes(fresh + b" "), path.unlink):
        damage()
        assert main(check=True, root=root) == 1
        assert capsys.readouterr().out.splitlines() == [f"stale {name}", "run: edgelib exercises build"]
        assert main(check=False, root=root) == 0
        assert path.read_bytes() == fresh
        assert capsys.readouterr().out == f"wrote {name}\n"


def test_what_has_no_source_any_more_goes_and_what_is_not_ours_stays(root: Path) -> None:
    build(check=False, root=root)
    left_over, copy = root / "exercises" / "ex9.ipynb", root / "exercises" / "ex2-mine.ipynb"
    for path in (left_over, copy):
        shutil.copy(root / GENERATED[0], path)
    assert build(check=True, root=root) == ["exercises/ex9.ipynb"]
    assert left_over.exists()
    build(check=False, root=root)
    assert copy.exists() and not left_over.exists()


def test_a_notebook_that_somebody_works_in_is_not_overwritten(root: Path) -> None:
    build(check=False, root=root)
    path = root / GENERATED[0]
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[1].execution_count = 1
    nbformat.write(notebook, path)
    before = path.read_bytes()
    assert build(check=True, root=root) == [GENERATED[0]]
    with pytest.raises(ValueError, match=r"ex2\.ipynb has been worked in"):
        build(check=False, root=root)
    assert path.read_bytes() == before


def test_the_notebook_is_valid_and_without_outputs() -> None:
    notebook = nbformat.read(ROOT / GENERATED[0], as_version=nbformat.NO_CONVERT)
    nbformat.validate(notebook)
    ids = [cell.id for cell in notebook.cells]
    assert len(set(ids)) == len(ids)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(cell.outputs == [] and cell.execution_count is None for cell in code)
    answers = {c.metadata["edge"]["answer"]: c.source for c in code if "answer" in c.metadata.get("edge", {})}
    assert answers["weight_bits"] == "weight_bits = ..."
    assert answers["tps_bound"].splitlines()[1] == '    raise NotImplementedError("write tps_bound")'


def test_an_id_survives_a_new_cell_before_it(root: Path) -> None:
    build(check=False, root=root)
    before = {c.source: c.id for c in nbformat.read(root / GENERATED[0], as_version=4).cells}
    edit(root, "## a. One", "A new paragraph.\n\n+++\n\n## a. One")
    build(check=False, root=root)
    after = {c.source: c.id for c in nbformat.read(root / GENERATED[0], as_version=4).cells}
    common = before.keys() & after.keys()
    assert len(common) > 10 and all(before[source] == after[source] for source in common)


def edit(root: Path, old: str, new: str, name: str = "ex2.md") -> None:
    path = root / "solutions" / name
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("    ### END SOLUTION\n", "", "cell 4, the last BEGIN SOLUTION has no END"),
        ("    ### BEGIN SOLUTION\n", "", "cell 4, line 4: END SOLUTION outside"),
        ("    ### BEGIN SOLUTION\n", "    ### BEGIN SOLUTION\n" * 2, "BEGIN SOLUTION inside"),
        ("    ### BEGIN SOLUTION\n", "    # Begin Solution\n", "write '### BEGIN SOLUTION'"),
        ("answer: tps_bound}", "answer: tps}", "its answer cells are"),
        ("part: d, answer: bound}", "part: d}", "its answer cells are"),
        ("ex2.c.check(tps_bound_kv)", "", r"no cell calls ex2\.c\.check"),
        ("### BEGIN SOLUTION\nweight_bits = 14e9 * 8 / 7e9\n", "x = 16\n### BEGIN SOLUTION\n", None),
        ("    ### BEGIN SOLUTION\n    bytes_per_token = parameters * weight_bits / 8\n    return bandwidth / "
         "bytes_per_token\n    ### END SOLUTION\n", "    pass\n", "tps_bound has no solution block"),
    ],
)  # fmt: skip
def test_bad_sources_are_refused(old: str, new: str, message: str | None, root: Path) -> None:
    edit(root, old, new)
    if message is None:  # text around a block stays: the author's choice
        assert build(check=False, root=root)
        return
    with pytest.raises(ValueError, match=message) as raised:
        build(check=False, root=root)
    assert "ex2.md" in str(raised.value)


def test_mutants_that_public_inputs_cannot_tell_apart_are_refused(root: Path) -> None:
    edit(root, '"weight_bits": 16})', '"weight_bits": 8})', "ex2.py")
    with pytest.raises(ValueError, match="part a: public inputs do not tell mutant 3"):
        build(check=False, root=root)


def test_without_sources_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"holds no ex\*\.md"):
        build(check=True, root=tmp_path)
