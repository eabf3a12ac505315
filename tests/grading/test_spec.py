"""The spec of exercise 2 is right, its misconceptions are wrong, every student gets a task of their own."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path
from typing import Any

import pytest

from edgelib.exercises import _DATA, CheckedPart
from edgelib.exercises.blocks import replace_solutions, solution_cells
from edgelib.exercises.compare import agrees, plain
from edgelib.grading.draw import draw, instance_seed
from edgelib.grading.load import ROOT, load_spec
from edgelib.grading.spec import Compared, Exercise, Function, Mutant

from .conftest import compared, names_of

SECRET = b"sixteen bytes or more of a course"
STUDENTS = [f"student-{number}" for number in range(200)]
CLEARLY = 10  # times the tolerance: a mutant this far off is not a matter of rounding


def public_part(name: str) -> CheckedPart:
    data = json.loads((_DATA / "ex2.json").read_text(encoding="utf-8"))
    return CheckedPart("ex2", name, data["parts"][name])


def as_handed_in(part: Compared, mutant: Mutant) -> Any:
    return mutant.answer if isinstance(part, Function) else mutant.answer()


def test_reference_gives_the_published_figures(ex2: Exercise) -> None:
    a, b, c, d, e = (part.reference for part in compared(ex2))
    # Exercise 2 of the source chapter prints 14.3; 12.4 adds 2,048 tokens of FP16 cache.
    assert a(parameters=7e9, weight_bits=8, bandwidth=100e9) == pytest.approx(14.29, abs=0.005)
    llama = {"parameters": 7e9, "weight_bits": 8, "bandwidth": 100e9}
    assert c(**llama, kv_bytes_per_token=524288, context=2048) == pytest.approx(12.4, abs=0.05)
    assert b() == 16
    # One token is 14e9 OP, so 2e12 OP/s are 142.86 tok/s; 10 sequences of 14.29 tok/s reach it.
    assert d(**llama, peak_ops=2e12, batch=9) == (pytest.approx(9 * 100 / 7), "memory")
    assert d(**llama, peak_ops=2e12, batch=11) == (pytest.approx(1000 / 7), "compute")
    # 7 ms of arithmetic for a token are 700 MB of reading, 2^19 bytes for each token of context.
    many = {**llama, "peak_ops": 2e12, "kv_bytes_per_token": 2**19, "context": 2048}
    assert e(**many, batch=1) == (pytest.approx(12.4, abs=0.05), "weights", pytest.approx(700e6 / 2**19))
    # 2,048 tokens are 2^30 bytes: 6.5 caches weigh as much as 7 GB
    assert [e(**many, batch=batch)[1] for batch in (6, 7, 10**6)] == ["weights", "cache", "cache"]
    assert e(**many, batch=10**9)[0] == pytest.approx(100e9 / 2**30)
    for context, binds in [(1335, "compute"), (1336, "cache")]:  # either side of 700e6 / 2^19 = 1335.1
        assert e(**{**many, "context": context}, batch=10**9)[1] == binds


def test_the_solutions_run_and_print_what_pencil_and_paper_give(capsys: pytest.CaptureFixture[str]) -> None:
    space: dict[str, Any] = {}
    for cell in solution_cells(ROOT / "solutions" / "ex2.md"):
        if cell.cell_type == "code":
            exec(replace_solutions(cell.source, None), space)
    printed = capsys.readouterr().out
    assert "16 bit: 7.14 tok/s" in printed  # 100 / 14
    assert f"8 bit: half speed at {7e9 / 2**19:,.0f} tokens, {100 / 14:.2f} tok/s" in printed
    assert f"4 bit: half speed at {3.5e9 / 2**19:,.0f} tokens, {100 / 7:.2f} tok/s" in printed
    # arithmetic intensity of a step, 16 * batch / bits OP per byte, meets 20 OP per byte of the device
    for model, bits in [("7e9", 8), ("7e9", 4), ("14e9", 8)]:
        assert f"{model} parameters, {bits} bit: arithmetic binds from batch {20 * bits // 16}\n" in printed
    # seconds: 0.07 for the weights; a sequence computes 0.007 and reads context * 2^19 / 1e11
    compute = {512: 0.07 / (0.007 - 512 * 2**19 / 1e11), 1024: 0.07 / (0.007 - 1024 * 2**19 / 1e11)}
    assert [int(batch) + 1 for batch in compute.values()] == [17, 43]
    assert "context 512: weights from batch 1, compute from batch 17\n" in printed
    assert "context 1024: weights from batch 1, cache from batch 14, compute from batch 43\n" in printed
    assert "context 2048: weights from batch 1, cache from batch 7\n" in printed
    for line in ("8 bit", "4 bit"):
        assert f"{line}: arithmetic can bind up to {700e6 / 2**19:,.0f} tokens\n" in printed
    assert f"a quarter of the bytes per token: {700e6 / 2**17:,.0f} tokens\n" in printed
    prose = (ROOT / "solutions" / "ex2.md").read_text(encoding="utf-8")
    assert "vectors 9.5 MB = 0.14% of the weights; attention scores 16.8 MB" in printed
    assert "they are 9.5 MB, which is 0.14 % of the 7 GB" in prose and "add 16.8 MB" in prose


@pytest.mark.parametrize("which", ["written", "second"])
def test_both_references_are_right_for_every_student(
    which: str, ex2: Exercise, request: pytest.FixtureRequest
) -> None:
    answers = names_of(request.getfixturevalue(which))
    for part in compared(ex2):
        answer = answers[part.answer]
        for student in STUDENTS:
            for arguments in draw(part, "ex2", SECRET, student):
                got = answer(**arguments) if callable(answer) else answer
                assert agrees(plain(got), plain(part.reference(**arguments)), 1e-9), (part.name, arguments)


def test_no_mutant_is_right_for_any_student(ex2: Exercise) -> None:
    for part in compared(ex2):
        for student in STUDENTS:
            inputs = draw(part, "ex2", SECRET, student)
            for mutant in part.mutants:
                right = [
                    agrees(
                        plain(mutant.answer(**arguments)),
                        plain(part.reference(**arguments)),
                        CLEARLY * part.tolerance,
                    )
                    for arguments in inputs
                ]
                assert not all(right), (part.name, mutant.name, inputs)


def test_every_student_has_inputs_of_their_own(ex2: Exercise) -> None:
    for part in compared(ex2):
        drawn = {json.dumps(draw(part, "ex2", SECRET, student)) for student in STUDENTS}
        assert len(drawn) == (len(STUDENTS) if isinstance(part, Function) else 1)
        assert draw(part, "ex2", SECRET, "ada") == draw(part, "ex2", SECRET, "ada")


def test_no_input_of_part_d_leaves_the_name_in_doubt(ex2: Exercise) -> None:
    part = compared(ex2)[3]
    for student in STUDENTS:
        labels = set()
        for x in draw(part, "ex2", SECRET, student):
            memory_s = x["parameters"] * x["weight_bits"] / 8 / x["bandwidth"]
            compute_s = 2 * x["parameters"] * x["batch"] / x["peak_ops"]
            assert abs(memory_s - compute_s) > 0.1 * max(memory_s, compute_s)
            labels.add(part.reference(**x)[1])
        assert labels == {"memory", "compute"}


def test_every_name_binds_in_part_e_and_none_is_in_doubt(ex2: Exercise) -> None:
    part = compared(ex2)[4]
    for student in STUDENTS:
        labels = []
        for x in draw(part, "ex2", SECRET, student):
            weights = x["parameters"] * x["weight_bits"] / 8
            caches = x["kv_bytes_per_token"] * x["context"] * x["batch"]
            compute = 2 * x["parameters"] * x["batch"] / x["peak_ops"] * x["bandwidth"]
            assert abs(weights - caches) > 0.1 * max(weights, caches)
            assert abs(weights + caches - compute) > 0.1 * max(weights + caches, compute)
            assert x["kv_bytes_per_token"] > 0 and x["peak_ops"] > 0
            labels.append(part.reference(**x)[1])
        assert sorted(labels) == ["cache", "cache", "compute", "compute", "weights"]


@pytest.mark.parametrize("index", range(5))
def test_every_mutant_is_wrong_and_told_its_own_misconception(index: int, ex2: Exercise) -> None:
    part = compared(ex2)[index]
    messages = [mutant.message for mutant in part.mutants]
    assert len(set(messages)) == len(messages) >= 4
    for mutant in part.mutants:
        result = public_part(part.name).check(as_handed_in(part, mutant))
        assert result.status == "wrong"
        assert [message for message in messages if message in result.lines] == [mutant.message]
    right = part.reference if isinstance(part, Function) else part.reference()
    assert public_part(part.name).check(right).status == "public checks passed"


def test_a_check_never_tells_the_expected_value(ex2: Exercise) -> None:
    for part in compared(ex2):
        checked = public_part(part.name)
        expected = [plain(part.reference(**arguments)) for arguments in part.public]
        for mutant in part.mutants:
            wrong = plain(mutant.answer(**part.public[0]))
            text = repr(checked.check(as_handed_in(part, mutant)))
            for value in expected if isinstance(part, Function) else []:
                number = value[0] if isinstance(value, list) else value
                assert f"{number:.4g}" not in text or number in (
                    wrong,
                    *(wrong if isinstance(wrong, list) else []),
                )


def test_the_package_and_the_notebooks_carry_no_solution(ex2: Exercise) -> None:
    secret_lines = set()
    for cell in solution_cells(ROOT / "solutions" / "ex2.md"):
        blocks = re.findall(r"### BEGIN SOLUTION\n(.*?)### END SOLUTION", cell.source, re.DOTALL)
        hidden = [cell.source] if cell.metadata.get("edge", {}).get("solution") else blocks
        secret_lines |= {line.strip() for block in hidden for line in block.splitlines()}
    for node in ast.walk(ast.parse((ROOT / "solutions" / "ex2.py").read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef):
            statements = node.body[1:] if ast.get_docstring(node) else node.body
            secret_lines |= {ast.unparse(statement).splitlines()[0] for statement in statements}
        elif isinstance(node, ast.Lambda):
            secret_lines.add(ast.unparse(node.body))
    secret_lines = {line for line in secret_lines if len(line) > 15}
    assert len(secret_lines) > 25
    public = [*(ROOT / "edgelib").rglob("*.py"), *(ROOT / "edgelib" / "data").rglob("*.json")]
    public += [path for path in (ROOT / "exercises").glob("*") if path.is_file()]
    for path in public:
        text = path.read_text(encoding="utf-8")
        assert [line for line in secret_lines if line in text] == [], path


def test_the_public_data_hold_public_inputs_only(ex2: Exercise) -> None:
    data = json.loads((_DATA / "ex2.json").read_text(encoding="utf-8"))
    for part in compared(ex2):
        public = data["parts"][part.name]
        assert [example["arguments"] for example in public["public"]] == list(part.public)
        assert {len(mutant["values"]) for mutant in public["mutants"]} == {len(part.public)}
        fields = {"kind", "answer", "unit", "returns", "tolerance", "public", "mutants", "hints"}
        assert public.keys() == fields


def test_seeds_depend_on_everything_and_on_nothing_else() -> None:
    base = instance_seed(SECRET, "ada", "ex2.a")
    assert base == instance_seed(SECRET, "ada", "ex2.a")
    others = [
        instance_seed(SECRET + b"!", "ada", "ex2.a"),
        instance_seed(SECRET, "bob", "ex2.a"),
        instance_seed(SECRET, "ada", "ex2.b"),
        instance_seed(SECRET, "adae", "x2.a"),
    ]
    assert len({base, *others}) == 5
    composed, decomposed = "zo\N{LATIN SMALL LETTER E WITH DIAERESIS}", "zoe\N{COMBINING DIAERESIS}"
    assert instance_seed(SECRET, composed, "ex2.a") == instance_seed(SECRET, decomposed, "ex2.a")
    # openssl: printf '["ada", "ex2.a"]' | openssl dgst -sha256 -hmac "$SECRET"
    assert f"{base:064x}" == "a3883d86794355862bed3cfc90cdc0604cd8a29b3647dff71e8b7c8493527d40"


@pytest.mark.parametrize(
    ("secret", "student", "part", "named"),
    [
        (b"short", "ada", "ex2.a", "secret"),
        ("a string of enough length", "ada", "ex2.a", "secret"),
        (SECRET, "", "ex2.a", "student"),
        (SECRET, None, "ex2.a", "student"),
        (SECRET, "ada", "", "part"),
    ],
)
def test_bad_seeds_are_refused(secret: Any, student: Any, part: Any, named: str) -> None:
    with pytest.raises(ValueError, match=f"^{named}.*expected"):
        instance_seed(secret, student, part)


def test_a_thin_spec_is_refused() -> None:
    mutants = tuple(Mutant(f"m{n}", float, f"message {n}") for n in range(4))
    common = {"name": "a", "answer": "x", "unit": "B", "returns": "a number", "reference": lambda: 0}
    Function(**common, hints=("1", "2", "3"), mutants=mutants)
    with pytest.raises(ValueError, match="2 hints"):
        Function(**common, hints=("1", "2"), mutants=mutants)
    with pytest.raises(ValueError, match="4 mutants"):
        Function(**common, hints=("1", "2", "3"), mutants=(mutants[0],) * 4)


def test_specs_that_cannot_be_loaded(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="there is no spec"):
        load_spec("ex99")
    (tmp_path / "solutions").mkdir()
    (tmp_path / "solutions" / "ex2.py").write_text("EXERCISE = 3\n")
    with pytest.raises(ValueError, match="must define EXERCISE"):
        load_spec("ex2", tmp_path)
