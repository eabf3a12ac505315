"""From one source to what learners get: `exercises/exN.ipynb` and `edgelib/data/exercises/exN.json`.

The notebook is `solutions/exN.md` without its solutions; the data are what the spec `solutions/exN.py` gives
on public inputs. Both are deterministic, so that a test can tell when they are stale.
"""

from __future__ import annotations

import hashlib
import json
import re
from functools import partial
from pathlib import Path
from typing import Any

import nbformat

from edgelib.exercises.blocks import replace_solutions, solution_cells
from edgelib.exercises.compare import agrees, plain
from edgelib.exercises.verdict import judge_named
from edgelib.grading.load import ROOT, load_spec, sources
from edgelib.grading.spec import Compared, Exercise, Judged, Mutant, Open, Part, Plan


def main(check: bool, root: Path = ROOT) -> int:
    """Build the exercises, or with `check` only say what is stale; the exit code of the command."""
    changed = build(check, root)
    for path in changed:
        print(f"{'stale' if check else 'wrote'} {path}")
    if check and changed:
        print("run: edgelib exercises build")
    return 1 if check and changed else 0


def build(check: bool, root: Path = ROOT) -> list[str]:
    """The generated files that are stale, relative to `root`; without `check` they are written (or removed).

    Raises
    ------
    ValueError : a source that cannot become an exercise; the message names the file and the place.
    """
    wanted: dict[Path, str] = {}
    for source in sources(root):
        exercise = load_spec(source.stem, root)
        try:
            wanted[root / "exercises" / f"{source.stem}.ipynb"] = notebook_text(source, exercise)
            wanted[root / "edgelib" / "data" / "exercises" / f"{source.stem}.json"] = data_text(exercise)
        except ValueError as error:
            raise ValueError(f"{source}: {error}") from error
    notebooks = (path for path in (root / "exercises").glob("*.ipynb") if re.fullmatch(r"ex\d+", path.stem))
    existing = {*notebooks, *(root / "edgelib" / "data" / "exercises").glob("*.json")}
    changed = [path for path in sorted(existing | wanted.keys()) if _read(path) != wanted.get(path)]
    for path in changed if not check else []:
        if path.suffix == ".ipynb" and re.search(r'"execution_count": \d', _read(path) or ""):
            raise ValueError(f"{path} has been worked in; move it away, then build again")
        if path in wanted:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(wanted[path].encode())  # bytes: no CRLF on Windows
        else:
            path.unlink()
    return [path.relative_to(root).as_posix() for path in changed]


def _read(path: Path) -> str | None:
    return path.read_bytes().decode(errors="replace") if path.exists() else None


def notebook_text(source: Path, exercise: Exercise) -> str:
    """The learner's notebook of `solutions/exN.md` as JSON text."""
    cells: list[Any] = []
    seen: dict[str, int] = {}
    for number, cell in enumerate(solution_cells(source), start=1):
        edge = cell.metadata.get("edge", {})
        if edge.get("solution"):
            continue
        try:
            text = replace_solutions(cell.source, partial(_stub, edge))
        except ValueError as error:
            raise ValueError(f"cell {number}, {error}") from None
        if "answer" in edge and text == cell.source:
            raise ValueError(f"cell {number}: the answer {edge['answer']} has no solution block")
        repeat = seen[text] = seen.get(text, -1) + 1
        clean = nbformat.from_dict({"cell_type": cell.cell_type, "metadata": cell.metadata, "source": text})
        clean.id = hashlib.sha256(f"{exercise.name}/{repeat}/{text}".encode()).hexdigest()[:12]
        if cell.cell_type == "code":
            clean.update(outputs=[], execution_count=None)
        cells.append(clean)
    _check_cells(cells, exercise)
    notebook = nbformat.v4.new_notebook(
        cells=cells,
        metadata={
            "edge": {"exercise": exercise.name},
            "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        },
    )
    nbformat.validate(notebook)
    return str(nbformat.writes(notebook, version=nbformat.NO_CONVERT)).rstrip("\n") + "\n"


def _stub(edge: dict[str, str], indentation: str) -> str:
    """What a learner finds in place of a solution. Outside a function it must not stop "Run all"."""
    if "answer" not in edge:
        return "# your code here"
    return (
        f'raise NotImplementedError("write {edge["answer"]}")' if indentation else f"{edge['answer']} = ..."
    )


def _check_cells(cells: list[Any], exercise: Exercise) -> None:
    """Every checked part has one answer cell, as its spec says, and a check cell after it."""
    answers = [cell.metadata["edge"] for cell in cells if "answer" in cell.metadata.get("edge", {})]
    expected = [
        {"exercise": exercise.name, "part": part.name, "answer": part.answer}
        for part in exercise.parts
        if isinstance(part, Part)
    ]
    if answers != expected:
        raise ValueError(f"its answer cells are {answers}; its spec says {expected}")
    text = "\n".join(cell.source for cell in cells if cell.cell_type == "code")
    for edge in expected:
        call = f"{exercise.name}.{edge['part']}.check({edge['answer']})"
        if call not in text:
            raise ValueError(f"no cell calls {call}")


def data_text(exercise: Exercise) -> str:
    """What `edgelib.exercises` may know of an exercise, as JSON text: public inputs and what they give."""
    parts = {part.name: _part_data(part) for part in exercise.parts}
    content = {"title": exercise.title, "parts": parts}
    return json.dumps(content, ensure_ascii=False, indent=1, allow_nan=False) + "\n"


def _part_data(part: Part | Open) -> dict[str, Any]:
    if isinstance(part, Open):
        return {"kind": part.kind, "hints": list(part.hints)}
    if isinstance(part, Judged):
        return _judged_data(part)
    if not isinstance(part, Compared):
        raise ValueError(f"part {part.name}: nothing is known about public data of kind {part.kind!r}")
    expected = [plain(part.reference(**arguments)) for arguments in part.public]
    mutants = [{"message": mutant.message, "values": _mutant_values(part, mutant)} for mutant in part.mutants]
    answers = [expected, *(mutant["values"] for mutant in mutants)]
    for later, values in enumerate(answers):
        for earlier in answers[:later]:
            if all(
                agrees(got, other, 3 * part.tolerance) for got, other in zip(values, earlier, strict=True)
            ):
                raise ValueError(
                    f"part {part.name}: public inputs do not tell mutant {later} from what is before it"
                )
    return {
        "kind": part.kind,
        "answer": part.answer,
        "unit": part.unit,
        "returns": part.returns,
        "tolerance": part.tolerance,
        "public": [{"arguments": a, "expected": e} for a, e in zip(part.public, expected, strict=True)],
        "mutants": mutants,
        "hints": list(part.hints),
    }


def _mutant_values(part: Compared, mutant: Mutant) -> list[Any]:
    return [plain(mutant.answer(**arguments)) for arguments in part.public]


def _judged_data(part: Judged) -> dict[str, Any]:
    """Public instances of a plan or policy; the judge has to see the reference and each mutant as it is."""
    judge = judge_named(part.judge)

    def verdicts(maker: Any) -> list[Any]:
        answer = plain(maker()) if isinstance(part, Plan) else maker
        return [judge(answer, **arguments) for arguments in part.public]

    if any(verdict.score < 1 for verdict in verdicts(part.reference)):
        raise ValueError(f"part {part.name}: the reference does not earn full marks on the public instances")
    for mutant in part.mutants:
        seen = verdicts(mutant.answer)
        if all(verdict.score == 1 for verdict in seen):
            raise ValueError(f"part {part.name}: mutant {mutant.name!r} earns full marks in public")
        if not any(mutant.code in verdict.codes for verdict in seen):
            raise ValueError(f"part {part.name}: the judge does not see {mutant.code!r} in {mutant.name!r}")
    return {
        "kind": part.kind,
        "answer": part.answer,
        "unit": part.unit,
        "returns": part.returns,
        "judge": part.judge,
        "public": [{"arguments": arguments} for arguments in part.public],
        "mutants": [{"code": mutant.code, "message": mutant.message} for mutant in part.mutants],
        "hints": list(part.hints),
    }
