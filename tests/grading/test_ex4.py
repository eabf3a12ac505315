"""Exercise 4: a second solution earns the same, misconceptions are told, garbage earns nothing."""

from __future__ import annotations

import itertools
import re
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from edgelib.exercises.blocks import solution_cells
from edgelib.exercises.compare import agrees, plain
from edgelib.exercises.judges import plan as judge_plan
from edgelib.exercises.verdict import Unjudgeable
from edgelib.grading.draw import draw
from edgelib.grading.load import ROOT, load_spec
from edgelib.grading.spec import Exercise, Part
from edgelib.grading.submission import Cell
from edgelib.planning.plan import Plan
from edgelib.planning.target import PHONE_FIGURES, WISH
from tests.grading import proof

LETTERS = ("a", "b", "c", "d")


@pytest.fixture(autouse=True)
def reader_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGELIB_HOME", str(tmp_path / "reader"))


@pytest.fixture(scope="module")
def ex4() -> Exercise:
    return load_spec("ex4")


def part(exercise: Exercise, letter: str) -> Part:
    return next(p for p in proof.parts_of(exercise) if p.name == letter)


# Another method for each: exact bits, a file weight by weight, seconds instead of speeds, another model.
SECOND = {
    "a": """
from fractions import Fraction

def memory_left(parameters, weight_bits, group, memory, system, runtime, kv_bytes_per_token, context):
    groups = Fraction(parameters) / group
    bits = groups * (group * weight_bits + 16)
    used = bits + 8 * (Fraction(system) + Fraction(runtime) + kv_bytes_per_token * context)
    return float((8 * Fraction(memory) - used) / 8)
""",
    "b": """
def stored(weights, weight_bits, pruned):
    return sum(1 for _ in range(weights)) + weight_bits * (weights - pruned)

def pruned_bits(weight_bits, sparsity):
    dense = 1000
    bits = stored(dense, weight_bits, 0) / dense - sparsity * weight_bits
    low, high = 0.0, 1.0
    for _ in range(60):  # the sparsity at which nothing changes, by bisection
        middle = (low + high) / 2
        larger = 1 + weight_bits - middle * weight_bits > weight_bits
        low, high = (middle, high) if larger else (low, middle)
    return [bits, low]
""",
    "c": """
def bounds(**x):
    reading = x["parameters"] * x["weight_bits"] / (8 * x["bandwidth"])
    step = reading + x["context"] * x["kv_bytes_per_token"] / x["bandwidth"]
    wait = sorted([reading, x["prompt"] * x["parameters"] / (x["peak_ops"] / 2)])[1]
    name = {(0, 0): "none", (1, 0): "ttft", (0, 1): "speed", (1, 1): "both"}
    return wait, 1 / step, name[(int(wait > x["ttft_limit"]), int(step > 1 / x["speed_limit"]))]
""",
    "d": """
plan = {"model": "gemma-2-2b", "weights": "q4_0", "context": 4096, "unit": "npu",
        "techniques": ["prefix-cache", "flash-attention"]}
""",
}


@pytest.mark.parametrize("which", ["written", "second"])
def test_two_solutions_earn_full_marks_for_every_student(which: str, ex4: Exercise) -> None:
    own = [cell.source for cell in proof.written("ex4") if cell.answer]
    imports = "from edgelib.planning.plan import Plan\nfrom edgelib.planning.target import phone, wish\n"
    imports += "target, wanted = phone(), wish()"
    space = proof.defined([imports, *own] if which == "written" else SECOND.values())
    for one in proof.parts_of(ex4):
        for student in proof.FEW:
            mark = proof.marked(ex4, one, space, student)
            assert (mark.mark, mark.status) == (1, "full"), (one.name, mark)


def test_the_second_solution_agrees_with_the_reference_to_rounding(ex4: Exercise) -> None:
    space = proof.defined(SECOND.values())
    for letter in "abc":
        one: Any = part(ex4, letter)
        for student in proof.FEW:
            for x in draw(one, "ex4", proof.SECRET, student):
                assert agrees(plain(space[one.answer](**x)), plain(one.reference(**x)), 1e-9), (letter, x)


def test_the_real_grader_gives_full_marks_to_both() -> None:
    second = [Cell(source, part_answer) for part_answer, source in zip(
        ("memory_left", "pruned_bits", "bounds", "plan"), SECOND.values(), strict=True)]  # fmt: skip
    for cells in (proof.written("ex4"), second):
        result = proof.sandboxed("ex4", cells)
        assert {name: mark.mark for name, mark in result.parts.items()} == dict.fromkeys(LETTERS, 1.0), result
        assert result.flags == []


def test_the_untouched_notebook_is_not_attempted() -> None:
    result = proof.sandboxed("ex4", proof.starter("ex4"))
    assert {mark.status for mark in result.parts.values()} == {"not attempted"}
    assert {mark.mark for mark in result.parts.values()} == {0.0}


@pytest.mark.parametrize("letter", LETTERS)
def test_no_mutant_passes_for_any_student(letter: str, ex4: Exercise) -> None:
    proof.assert_no_mutant_passes(ex4, part(ex4, letter), proof.MANY if letter != "d" else proof.MANY[:200])


@pytest.mark.parametrize("letter", LETTERS)
def test_every_mutant_is_told_what_it_is(letter: str, ex4: Exercise) -> None:
    proof.assert_mutants_are_told(ex4, part(ex4, letter), proof.FEW[:20])


@pytest.mark.parametrize("letter", LETTERS)
def test_every_student_has_inputs_of_their_own(letter: str, ex4: Exercise) -> None:
    proof.assert_inputs_differ(ex4, part(ex4, letter), proof.MANY if letter != "b" else proof.FEW)


def test_a_plan_that_holds_at_the_worst_corner_holds_for_everybody() -> None:
    """Every drawn phone lies between two corners: the first is hard for a plan, the second is kind."""
    spec: Any = sys.modules[load_spec("ex4").parts[0].reference.__module__]
    hard = spec.phone_figures(spec.SYSTEM[1], 1 - spec.SPREAD, 1 - spec.SPREAD, "hard")
    kind = spec.phone_figures(spec.SYSTEM[0], 1 + spec.SPREAD, 1 + spec.SPREAD, "kind")
    assert judge_plan.judge(plain(spec.design()), hard, WISH).score == 1
    for mutant in spec.PART_D.mutants:
        assert judge_plan.judge(plain(mutant.answer()), kind, WISH).score < 1, mutant.name
    for student in proof.MANY:
        for x in draw(spec.PART_D, "ex4", proof.SECRET, student):
            assert spec.SYSTEM[0] <= x["device"]["system_B"] <= spec.SYSTEM[1] and x["request"] == WISH
            for unit, row in x["device"]["units"].items():
                stated = PHONE_FIGURES["units"][unit]
                for key in row.keys() & {"bandwidth", "clock", "peak_fp16", "peak_int8"}:
                    assert abs(row[key] / stated[key] - 1) <= spec.SPREAD + 1e-9


PLAN = {"model": "llama-3.2-3b", "weights": "q4_0", "context": 4096, "unit": "npu"}


@pytest.mark.parametrize("letter", LETTERS)
def test_garbage_is_refused(letter: str, ex4: Exercise) -> None:
    odd: list[Any] = [True, None, 0, -5, 2.5, float("nan"), 10**400, "", "z" * 10**5, [], [[]], {}, {"a": []}]
    odd += [["prefix-cache", 3], ["prefix-cache"] * 10**4, [None], 1e308, float("inf"), "llama-3.2-3b "]
    wrong: list[Any] = [{**PLAN, field: value} for field in judge_plan._FIELDS for value in odd]
    wrong += [{**PLAN, "more": 1}, {"model": "llama-3.2-3b"}, lambda: PLAN, object()]
    more = (
        [w for w in wrong if not _fine(w)] if letter == "d" else [[1, 2, 3, 4], [1.0, float("nan"), "none"]]
    )
    assert letter != "d" or len(more) > 100
    proof.assert_garbage_is_refused(ex4, part(ex4, letter), more)


def _fine(plan: Any) -> bool:
    """Odd, and a plan all the same: no draft, no window, a technique named often."""
    return isinstance(plan, dict) and (
        plan.get("draft", 1) is None or plan.get("window", 1) is None or plan.get("sparsity", 1) == 0
        or plan.get("techniques") in ([], ["prefix-cache"] * 10**4)
    )  # fmt: skip


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"model": "llama-3-3b"}, "model = 'llama-3-3b' is unknown; did you mean"),
        ({"weights": "q4_k_m"}, "npu takes q4_0, q8_0, mxfp4"),
        ({"unit": "tpu"}, "unit = 'tpu' is unknown"),
        ({"kv": "q2_k"}, "kv = 'q2_k' is unknown"),
        ({"context": 0}, "context = 0: expected a whole number of at least 1"),
        ({"context": 10**9}, "context is too large: expected at most 1,048,576 tokens"),
        ({"techniques": "prefix-cache"}, "techniques = 'prefix-cache': expected a tuple of names"),
        ({"draft": "tinyllama-1.1b"}, "draft = 'tinyllama-1.1b' is unknown; did you mean llama-3.2-1b"),
        ({"window": 0.5}, "window = 0.5"),
        ({"sparsity": 1}, "sparsity = 1: expected less"),
    ],
)
def test_a_bad_field_is_named_with_what_is_accepted(change: dict[str, Any], named: str) -> None:
    with pytest.raises(Unjudgeable, match=re.escape(named)):
        judge_plan.judge({**PLAN, **change}, PHONE_FIGURES, WISH)


def test_many_designs_work_on_every_phone(ex4: Exercise) -> None:
    """A small search: several models, caches and contexts pass; nothing depends on one answer."""
    one = part(ex4, "d")
    phones = draw(one, "ex4", proof.SECRET, "ada")
    names = (
        "llama-2-7b",
        "qwen3-4b",
        "phi-3.5-mini",
        "llama-3.2-3b",
        "qwen2.5-3b",
        "gemma-2-2b",
        "qwen2.5-1.5b",
    )
    space = itertools.product(names, ("q4_0", "q8_0"), ("f16", "q8_0"), (2048, 4096, 6144), ("npu", "gpu"))
    passed = set()
    for model, weights, kv, context, unit in space:
        plan = {"model": model, "weights": weights, "kv": kv, "context": context, "unit": unit,
                "techniques": ["prefix-cache"]}  # fmt: skip
        if all(judge_plan.judge(plan, **x).score == 1 for x in phones):
            passed.add((model, kv, context))
            assert unit == "npu" and weights == "q4_0" and context >= 4096
    assert {model for model, _, _ in passed} == {"llama-3.2-3b", "qwen2.5-3b", "gemma-2-2b"}
    assert len(passed) >= 8
    drafted = {
        **PLAN,
        "model": "qwen2.5-3b",
        "kv": "q8_0",
        "techniques": ["prefix-cache"],
        "draft": "qwen2-0.5b",
    }
    assert all(judge_plan.judge(drafted, **x).score == 1 for x in phones)


def test_a_plan_without_room_to_spare_loses_some_phones(ex4: Exercise) -> None:
    """A cache in 16 bits fits the stated phone, and for every student one does not have the room."""
    tight = {**PLAN, "techniques": ["prefix-cache"]}
    assert judge_plan.judge(tight, PHONE_FIGURES, WISH).score == 1
    for student in proof.FEW:
        mark = proof.marked(ex4, part(ex4, "d"), {"plan": tight}, student)
        assert 0.85 < mark.mark < 1 and mark.status == "partial"


def test_what_does_not_fit_earns_nothing_for_its_speed() -> None:
    """7B with a draft is quick enough and does not fit: 3 of 6 for size, loss and context."""
    fast = {**PLAN, "model": "llama-2-7b", "draft": "tinyllama-1.1b", "techniques": ["prefix-cache"]}
    verdict = judge_plan.judge(fast, PHONE_FIGURES, WISH)
    assert (
        Plan(**fast)
        .evaluate(judge_plan.target_from(PHONE_FIGURES), judge_plan.Requirements(**WISH))
        .margin("speed")
        .met
    )
    assert verdict.score == 0.5 and "weights-do-not-fit" in verdict.codes


def test_a_check_and_a_judge_are_quick(ex4: Exercise) -> None:
    one: Any = part(ex4, "d")
    phones = draw(one, "ex4", proof.SECRET, "ada")
    judge_plan.judge(plain(one.reference()), **phones[0])
    best = 1.0
    for _ in range(5):
        start = time.perf_counter()
        for x in phones:
            judge_plan.judge(plain(one.reference()), **x)
        best = min(best, time.perf_counter() - start)
    assert best < 0.02


def test_public_references_are_the_printed_figures(ex4: Exercise) -> None:
    a, b, c = (part(ex4, letter) for letter in "abc")
    pruned: Any = b
    bits, even = pruned.reference(weight_bits=4, sparsity=0.2)
    assert (bits, even) == (pytest.approx(4.2), 0.25)
    assert 13e9 * bits / 8 / 1e9 == pytest.approx(6.83, abs=0.01)  # errata 16; the chapter prints 5.2
    left: Any = a
    # 13e9 weights of 4.5 bits are 7.3125e9 B, 2,048 tokens of 819,200 B are 1,677,721,600 B
    assert left.reference(**left.public[0]) == 4 * 2**30 - 1.5e9 - 0.34e9 - 7.3125e9 - 1677721600
    bound: Any = c
    wait, speed, name = bound.reference(**bound.public[0])
    # 2 x 7e9 x 128 OP at 12 TOPS; 25.6 GB/s over 3.5 GB and 1 GiB
    assert (wait, name) == (pytest.approx(0.14933, abs=1e-5), "none")
    assert speed == pytest.approx(25.6 / (3.5 + 1.073741824))


def test_no_input_of_part_c_or_a_is_in_doubt(ex4: Exercise) -> None:
    a, c = (part(ex4, letter) for letter in "ac")
    bound: Any = c
    left: Any = a
    for student in proof.MANY[:300]:
        names = set()
        for x in draw(c, "ex4", proof.SECRET, student):
            wait, speed, name = bound.reference(**x)
            assert abs(wait / x["ttft_limit"] - 1) > 0.1 and abs(speed / x["speed_limit"] - 1) > 0.1
            names.add(name)
        assert names == {"none", "ttft", "speed", "both"}
        signs = set()
        for x in draw(a, "ex4", proof.SECRET, student):
            rest = left.reference(**x)
            assert abs(rest) > x["memory"] / 20
            signs.add(rest > 0)
        assert signs == {True, False}


def test_the_numbers_of_the_prose_are_printed_or_stated(capsys: pytest.CaptureFixture[str]) -> None:
    """Figures of the model answer and of the text around the cells, against what the cells print."""
    cells = solution_cells(ROOT / "solutions" / "ex4.md")
    solved = [cell.source for cell in proof.written("ex4")] + [
        cell.source
        for cell in cells
        if cell.cell_type == "code" and cell.metadata.get("edge", {}).get("solution")
    ]
    proof.defined(
        s for s in solved if "plan_dashboard()" not in s and "help(" not in s and ".check(" not in s
    )
    printed = capsys.readouterr().out
    for text in ("4,740 MiB", "5.25 GB", "4.20 bit", "6.83 GB", "82%", "96%", "3.7 tok/s", "4.4 tok/s",
                 "4.1 TOPS", "weights 7.37 GB", "first token 0.57 s", "first token 0.97 s, 3.6 tok/s",
                 "+7.49 %", "at most 2.79 GB", "1.65 s", "first token 0.44 s", "kv 0.32 GB"):  # fmt: skip
        assert text in printed, text
    assert round(7.37 / 2.79, 1) == 2.6 and 3 < 1.65 / 0.44 < 4
    assert 2.36 + 0.32 + 0.34 - 2.79 < 0.3 and 5 / 3.6 < 1.4 and 0.97 / 0.5 < 2


def test_the_package_and_the_notebook_carry_no_solution() -> None:
    hidden = set()
    for cell in solution_cells(ROOT / "solutions" / "ex4.md"):
        blocks = re.findall(r"### BEGIN SOLUTION\n(.*?)### END SOLUTION", cell.source, re.DOTALL)
        hidden |= {line.strip() for block in blocks for line in block.splitlines() if len(line.strip()) > 25}
    assert len(hidden) > 15
    notebook = (ROOT / "exercises" / "ex4.ipynb").read_text(encoding="utf-8")
    data = (ROOT / "edgelib" / "data" / "exercises" / "ex4.json").read_text(encoding="utf-8")
    for line in hidden:
        quoted = line.replace('"', '\\"')
        assert quoted not in notebook and quoted not in data, line
