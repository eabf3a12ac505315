"""What every exercise has to show: its answers earn full marks, its mutants do not, garbage breaks nothing.

Helpers for test_exN.py. `marked` runs an answer in this process, fast enough for a thousand students;
`sandboxed` runs notebook cells as the grader does.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

from edgelib.exercises import _DATA, CheckedPart
from edgelib.exercises.blocks import replace_solutions, solution_cells
from edgelib.exercises.compare import Malformed, agrees, plain
from edgelib.grading.draw import draw
from edgelib.grading.grade import ExerciseMark, Task, grade
from edgelib.grading.judge import PartMark, judge_part
from edgelib.grading.load import ROOT, load_spec
from edgelib.grading.spec import Compared, Exercise, Function, Judged, Mutant, Part, Plan, Policy
from edgelib.grading.submission import Cell, code_cells

SECRET = b"sixteen bytes or more of a course"
FEW = [f"student-{number}" for number in range(50)]
MANY = [f"student-{number}" for number in range(1000)]
CLEARLY = 10  # times the tolerance: a mutant this far off is not a matter of rounding

GARBAGE: list[Any] = [
    True,
    0,
    -1,
    10**400,
    float("nan"),
    float("-inf"),
    "",
    "x" * 100_000,
    [],
    [[]],
    [[[[[[[]]]]]]],
    [None] * 1000,
    {},
    {"": 1},
    {"score": 1},
    {"x" * 1000: None},
]


def parts_of(exercise: Exercise) -> list[Part]:
    """The parts that are marked automatically."""
    return [part for part in exercise.parts if isinstance(part, Part)]


def answer_space(part: Part, answer: Any) -> dict[str, Any]:
    """A notebook in which `answer` is what was handed in for `part`."""
    return {part.answer: answer}


def mutant_answer(part: Part, mutant: Mutant) -> Any:
    """What a student with this misconception hands in."""
    return mutant.answer if isinstance(part, Function | Policy) else mutant.answer()


def fake_ask(space: dict[str, Any]) -> Callable[..., dict[str, Any]]:
    """Answers of the sandbox's runner, without a sandbox."""

    def ask(get: str = "", call: str = "", arguments: dict[str, Any] | None = None) -> dict[str, Any]:
        if get and get not in space:
            return {"kind": "missing"}
        if get and callable(space[get]):
            return {"kind": "function"}
        try:
            if get:
                return {"kind": "value", "value": _crossed(space[get])}
            return {"value": _crossed(space[call](**json.loads(json.dumps(arguments))))}
        except Exception as error:
            unfinished = isinstance(error, NotImplementedError)
            return {
                "kind": "error",
                "error": f"{type(error).__name__}: {error}"[:300],
                "unfinished": unfinished,
            }

    return ask


def _crossed(value: Any) -> Any:
    try:
        return json.loads(json.dumps(plain(value)))
    except Malformed as error:
        raise TypeError(f"the answer is {error}") from None


def marked(exercise: Exercise, part: Part, space: dict[str, Any], student: str) -> PartMark:
    """The mark of `student` in `part`, on that student's own inputs."""
    return judge_part(part, draw(part, exercise.name, SECRET, student), fake_ask(space))


def written(name: str) -> list[Cell]:
    """The code cells of solutions/exN.md, solved; explorables and help are left out."""
    cells = solution_cells(ROOT / "solutions" / f"{name}.md")
    return [
        Cell(replace_solutions(cell.source, None), cell.metadata.get("edge", {}).get("answer", ""))
        for cell in cells
        if cell.cell_type == "code" and not cell.metadata.get("edge", {}).get("solution")
    ]


def starter(name: str) -> list[Cell]:
    """The code cells of the released notebook, untouched."""
    return code_cells((ROOT / "exercises" / f"{name}.ipynb").read_bytes())


def defined(sources: Iterable[str]) -> dict[str, Any]:
    """What the cells define when they run one after the other."""
    space: dict[str, Any] = {}
    for source in sources:
        exec(source, space)
    return space


def sandboxed(name: str, cells: list[Cell], student: str = "ann") -> ExerciseMark:
    """The marks that the real grader gives for these cells."""
    return grade([Task(load_spec(name), cells, starter(name))], SECRET, student)[0]


def public_part(name: str, letter: str) -> CheckedPart:
    """A part as a learner has it, from the public data."""
    data = json.loads((_DATA / f"{name}.json").read_text(encoding="utf-8"))
    return CheckedPart(name, letter, data["parts"][letter])


def assert_inputs_differ(exercise: Exercise, part: Part, students: list[str]) -> None:
    """Every student gets inputs of their own, and the same ones again."""
    drawn = {json.dumps(draw(part, exercise.name, SECRET, student)) for student in students}
    assert len(drawn) == len(students), part.name
    again = [draw(part, exercise.name, SECRET, students[0]) for _ in range(2)]
    assert again[0] == again[1]


def assert_no_mutant_passes(exercise: Exercise, part: Part, students: list[str]) -> None:
    """No misconception earns full marks, whatever the inputs: not even by rounding, where values count."""
    for student in students:
        inputs = draw(part, exercise.name, SECRET, student)
        for mutant in part.mutants:
            if isinstance(part, Compared):
                right = [_agrees(part, mutant, x) for x in inputs]
                assert not all(right), (part.name, mutant.name, inputs)
            else:
                space = answer_space(part, mutant_answer(part, mutant))
                mark = judge_part(part, inputs, fake_ask(space))
                assert mark.mark < 1, (part.name, mutant.name, student, mark)


def _agrees(part: Compared, mutant: Mutant, arguments: dict[str, Any]) -> bool:
    got, expected = plain(mutant.answer(**arguments)), plain(part.reference(**arguments))
    try:
        return agrees(got, expected, CLEARLY * part.tolerance)
    except Malformed:
        return False


def assert_mutants_are_told(exercise: Exercise, part: Part, students: list[str]) -> None:
    """Grader and public check tell each misconception what it is; values get no other message."""
    messages = [mutant.message for mutant in part.mutants]
    assert len(set(messages)) == len(messages)
    for mutant in part.mutants:
        answer = mutant_answer(part, mutant)
        outcome = public_part(exercise.name, part.name).check(answer)
        assert outcome.status == "wrong", (part.name, mutant.name, outcome)
        told = [[line for line in outcome.lines if line in messages]]
        for student in students:
            mark = marked(exercise, part, answer_space(part, answer), student)
            told.append([line for line in mark.lines if line in messages])
        for lines in told:
            assert mutant.message in lines, (part.name, mutant.name, lines)
            assert isinstance(part, Judged) or lines == [mutant.message], (part.name, mutant.name, lines)


def assert_garbage_is_refused(exercise: Exercise, part: Part, more: Iterable[Any] = ()) -> None:
    """Whatever is handed in, the grader gives no mark and no exception, and the public check a short text."""
    for answer in [*GARBAGE, *more]:
        handed_in = (lambda value: lambda **_: value)(answer)  # a function that returns it
        space = {part.answer: answer if isinstance(part, Plan) or not _takes_function(part) else handed_in}
        mark = marked(exercise, part, space, "eve")
        assert mark.mark < 1 and mark.status in ("error", "wrong", "not attempted", "partial"), (answer, mark)
        assert all(len(line) < 1000 for line in mark.lines)
        outcome = public_part(exercise.name, part.name).check(space[part.answer])
        assert outcome.status in ("error", "wrong", "not attempted"), (answer, outcome)
    for space in ({}, {part.answer: None}):
        assert marked(exercise, part, space, "eve").status in ("not attempted", "error")


def _takes_function(part: Part) -> bool:
    return isinstance(part, Function | Policy)
