"""Exercise 3: a second solution earns the same, misconceptions are told, no quantisation earns nothing."""

from __future__ import annotations

import math
import re
import sys
import time
from fractions import Fraction
from pathlib import Path
from statistics import NormalDist
from typing import Any

import gguf
import numpy as np
import pytest

from edgelib.exercises.blocks import solution_cells
from edgelib.exercises.compare import agrees, plain
from edgelib.exercises.judges import quantise as judges
from edgelib.exercises.verdict import Unjudgeable
from edgelib.grading.draw import draw
from edgelib.grading.load import ROOT, load_spec
from edgelib.grading.spec import Exercise
from edgelib.grading.submission import Cell
from edgelib.kernels.quantize import rtn
from edgelib.workloads import weight_format
from tests.grading import proof

LETTERS = ("a", "b", "c", "d", "e")
COMPARED = ("a", "b", "d")


@pytest.fixture(autouse=True)
def reader_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGELIB_HOME", str(tmp_path / "reader"))


@pytest.fixture(scope="module")
def ex3() -> Exercise:
    return load_spec("ex3")


@pytest.fixture(scope="module")
def spec(ex3: Exercise) -> Any:
    first: Any = ex3.parts[0]
    return sys.modules[first.reference.__module__]


def part(exercise: Exercise, letter: str) -> Any:
    return next(p for p in proof.parts_of(exercise) if p.name == letter)


# Another method for each: all codes tried; sums by hand; codes and scale fitted in turn; row by row; formats
# in order of size, rounded by hand. No numpy anywhere.
SECOND = {
    "a": """
def quantise(x, scale, bits):
    codes = range(1 - 2 ** (bits - 1), 2 ** (bits - 1))
    code = min(codes, key=lambda c: abs(x - c * scale))
    return [code, scale * code, abs(scale * code - x)]
""",
    "b": """
import math

def report(values, scale, bits):
    end = 2 ** (bits - 1) - 1
    signal, noise, beyond = 0.0, 0.0, 0
    for x in values:
        code = math.floor(abs(x) / scale + 0.5)
        if code > end:
            code, beyond = end, beyond + 1
        signal += x * x
        noise += (abs(x) - code * scale) ** 2
    db = 20 * math.log10(math.sqrt(signal / noise))
    return [db, beyond / len(values), (db - 1.76) / 6.02]
""",
    "c": """
def best_scale(values, bits):
    top = 2 ** (bits - 1) - 1
    sizes = [abs(x) for x in values]
    best = (float("inf"), None)
    for part in range(20, 110, 5):
        scale = max(sizes) / top * part / 100
        for _ in range(12):  # the best scale of these codes, the best codes of that scale
            codes = [min(top, int(x / scale + 0.5)) for x in sizes]
            scale = sum(x * c for x, c in zip(sizes, codes)) / sum(c * c for c in codes)
        noise = sum((x - scale * min(top, int(x / scale + 0.5))) ** 2 for x in sizes)
        best = min(best, (noise, scale))
    return best[1]
""",
    "d": """
from math import log10

def granularity(weights, bits):
    top = 2 ** (bits - 1) - 1
    loud = max(max(max(row), -min(row)) for row in weights)
    total = [0.0, 0.0, 0.0]
    worst = 1e9
    for row in weights:
        own = max(max(row), -min(row)) / top
        square = sum(x * x for x in row)
        one = sum((x - round(x * top / loud) * loud / top) ** 2 for x in row)
        many = sum((x - round(x / own) * own) ** 2 for x in row)
        worst = min(worst, 10 * log10(square / one))
        total = [total[0] + square, total[1] + one, total[2] + many]
    return 10 * log10(total[0] / total[1]), 10 * log10(total[0] / total[2]), worst
""",
    "e": """
def noise(row, bits, zero):
    low, high = min(0, min(row)), max(0, max(row))
    first, last = (0, 2**bits - 1) if zero else (1 - 2 ** (bits - 1), 2 ** (bits - 1) - 1)
    step = (high - low) / last if zero else max(high, -low) / last
    shift = round(-low / step) if zero else 0
    return sum((x - step * (min(last, max(first, round(x / step) + shift)) - shift)) ** 2 for x in row)

def cheapest(weights, target_db):
    allowed = sum(x * x for row in weights for x in row) / 10 ** (target_db / 10)
    formats = [(bits + (16 + bits * zero) / group, bits, group, bool(zero))
               for bits in range(2, 9) for group in (8, 16, 32, 64, 128) for zero in (0, 1)]
    for _, bits, group, zero in sorted(formats):
        groups = (row[i : i + group] for row in weights for i in range(0, len(row), group))
        if sum(noise(one, bits, zero) for one in groups) <= allowed:
            return [bits, group, zero]
""",
}


@pytest.mark.parametrize("which", ["written", "second"])
def test_two_solutions_earn_full_marks_for_every_student(which: str, ex3: Exercise) -> None:
    own = [cell.source for cell in proof.written("ex3") if cell.answer]
    imports = "import numpy as np\nfrom edgelib.kernels.quantize import rtn"
    space = proof.defined([imports, *own] if which == "written" else SECOND.values())
    for one in proof.parts_of(ex3):
        for student in proof.FEW if which == "written" else proof.FEW[:12]:
            mark = proof.marked(ex3, one, space, student)
            assert (mark.mark, mark.status) == (1, "full"), (one.name, student, mark)


def test_the_second_solution_agrees_with_the_reference_to_rounding(ex3: Exercise) -> None:
    space = proof.defined(SECOND.values())
    for letter in COMPARED:
        one = part(ex3, letter)
        for student in proof.FEW:
            for x in draw(one, "ex3", proof.SECRET, student):
                assert agrees(plain(space[one.answer](**x)), plain(one.reference(**x)), 1e-9), (letter, x)


def test_the_real_grader_gives_full_marks_to_both() -> None:
    names = ("quantise", "report", "best_scale", "granularity", "cheapest")
    second = [Cell(source, name) for name, source in zip(names, SECOND.values(), strict=True)]
    for cells in (proof.written("ex3"), second):
        result = proof.sandboxed("ex3", cells)
        assert {name: mark.mark for name, mark in result.parts.items()} == dict.fromkeys(LETTERS, 1.0), result
        assert result.flags == []


def test_the_untouched_notebook_is_not_attempted() -> None:
    result = proof.sandboxed("ex3", proof.starter("ex3"))
    assert {mark.status for mark in result.parts.values()} == {"not attempted"}
    assert {mark.mark for mark in result.parts.values()} == {0.0}


@pytest.mark.parametrize("letter", LETTERS)
def test_no_mutant_passes_for_any_student(letter: str, ex3: Exercise) -> None:
    proof.assert_no_mutant_passes(ex3, part(ex3, letter), proof.MANY if letter in COMPARED else proof.FEW)


@pytest.mark.parametrize("letter", ["c", "e"])
def test_every_student_meets_an_input_on_which_each_idea_is_wrong(letter: str, ex3: Exercise) -> None:
    """What the judge would do to the mutants of all students, without asking it."""
    one = part(ex3, letter)
    for student in proof.MANY:
        inputs = draw(one, "ex3", proof.SECRET, student)
        for mutant in one.mutants:
            assert any(_falls_short(x, x["ideas"][mutant.code]) for x in inputs), (student, mutant.name)


def _falls_short(x: dict[str, Any], idea: Any) -> bool:
    if "values" in x:
        v, top = np.array(x["values"]), 2 ** (x["bits"] - 1) - 1
        error = v - idea * np.clip(np.round(v / idea), -top, top)
        return x["best_db"] - 10 * np.log10((v**2).sum() / (error**2).sum()) > 1.5 * judges.FULL_DB
    bits, group, zero = idea
    w = np.array(x["weights"])
    error = w - rtn(w, bits, group, symmetric=not zero).values
    reached = 10 * np.log10((w**2).sum() / (error**2).sum()) >= x["target_db"]
    return not reached or bits + (16 + bits * zero) / group > x["fewest"] + 0.01


@pytest.mark.parametrize("letter", LETTERS)
def test_every_mutant_is_told_what_it_is(letter: str, ex3: Exercise) -> None:
    proof.assert_mutants_are_told(ex3, part(ex3, letter), proof.FEW[:20])


@pytest.mark.parametrize("letter", LETTERS)
def test_every_student_has_inputs_of_their_own(letter: str, ex3: Exercise) -> None:
    proof.assert_inputs_differ(ex3, part(ex3, letter), proof.MANY if letter in COMPARED else proof.FEW)


@pytest.mark.parametrize("letter", LETTERS)
def test_garbage_is_refused(letter: str, ex3: Exercise) -> None:
    more: list[Any] = [
        [1, 2, 3, 4], [1.0, float("nan"), 2.0], [16, 0.16], "0.01", [0.01], 1e308, [4, 32], [4, 32, 1],
        [4.5, 32, True], [4, 33, True], [16, 32, False], [10**400, 32, True], [True, 32, True],
        [4, 32, "no"], [4, [32], True], [float("nan"), 32, True], {"bits": 4, "group": 32, "zero": True},
    ]  # fmt: skip
    proof.assert_garbage_is_refused(ex3, part(ex3, letter), more)


# ---------------------------------------------------------------- no quantisation, no believed claim


def test_no_quantisation_earns_nothing(ex3: Exercise) -> None:
    """A published grader passed a quantiser that did nothing. Here the value itself, no error, and a step too
    small to round anything all fail."""
    idle = {
        "quantise": lambda x, scale, bits: (round(x / scale), x, 0.0),
        "report": lambda values, scale, bits: (300.0, 0.0, 50.0),
        "best_scale": lambda values, bits: 1e-12,
        "granularity": lambda weights, bits: (300.0, 300.0, 300.0),
        "cheapest": lambda weights, target_db: (16, 128, False),
    }
    for one in proof.parts_of(ex3):
        assert proof.marked(ex3, one, idle, "eve").mark == 0, one.name


def test_a_claimed_error_is_not_believed(ex3: Exercise) -> None:
    c, e = part(ex3, "c"), part(ex3, "e")
    for claim in ([0.01, 0.0], {"scale": 0.01, "mse": 0.0}):
        with pytest.raises(Unjudgeable, match="expected one number greater than 0"):
            judges.scale(lambda values, bits, claim=claim: claim, **c.public[0])
    with pytest.raises(Unjudgeable, match="expected three things: bits, group, zero point"):
        judges.storage(lambda weights, target_db: (2, 128, False, 99.0), **e.public[0])
    with pytest.raises(Unjudgeable, match="a group of 8, 16, 32, 64, 128"):
        judges.storage(lambda weights, target_db: (2, 4, False), **e.public[0])


def test_a_function_cannot_change_what_it_is_judged_on(ex3: Exercise) -> None:
    def zeros(values: list[float], bits: int) -> float:
        values[:] = [0.0] * len(values)
        return 1e9

    def loud(weights: list[list[float]], target_db: float) -> tuple[int, int, bool]:
        for row in weights:
            row[:] = [1.0] * len(row)
        return 2, 128, False

    for x in part(ex3, "c").public:
        assert judges.scale(zeros, **x).score == 0
    for x in part(ex3, "e").public:
        assert judges.storage(loud, **x).score == 0


def test_a_scale_is_paid_by_what_it_loses(ex3: Exercise) -> None:
    """Scales around the best: whole, half, nothing, as the decibels fall."""
    x = part(ex3, "c").public[0]
    best = part(ex3, "c").reference(x["values"], x["bits"])

    def score(factor: float) -> float:
        return judges.scale(lambda values, bits: best * factor, **x).score

    assert [score(f) for f in (1e-9, 0.8, 0.9, 0.95, 1, 1.05, 1.2, 1.3, 1e9)] == [
        0,
        0,
        0.5,
        1,
        1,
        1,
        0.5,
        0,
        0,
    ]
    for tiny in (5e-324, 1e-300):
        assert judges.scale(lambda values, bits, s=tiny: s, **x).score == 0


def test_a_format_is_paid_by_the_bits_it_stores(ex3: Exercise) -> None:
    x = part(ex3, "e").public[1]  # 5.65625 bit are enough
    assert x["fewest"] == 5.65625
    scores = [
        judges.storage(lambda weights, target_db, f=choice: f, **x).score
        for choice in ((5, 32, True), (5, 16, False), (6, 32, True), (8, 128, False), (5, 128, False))
    ]
    assert scores == [1, pytest.approx(1 - 0.34375), pytest.approx(1 - 1.03125, abs=0.04), 0, 0]


# ---------------------------------------------------------------- against what we did not write


def test_codes_are_the_nearest_in_exact_fractions(ex3: Exercise) -> None:
    """No input is near a tie or a code, where rules or rounding could differ; both ends are met."""
    a = part(ex3, "a")
    for student in proof.MANY[:300]:
        ends = set()
        for x in draw(a, "ex3", proof.SECRET, student):
            place = Fraction(x["x"]) / Fraction(x["scale"])
            top = 2 ** (x["bits"] - 1) - 1
            distance = abs(place - round(place))
            assert Fraction(9, 100) < distance < Fraction(41, 100)
            code, _, error = a.reference(**x)
            assert code == max(-top, min(top, round(place)))
            assert error == pytest.approx(
                abs(float(Fraction(x["x"]) - code * Fraction(x["scale"]))), rel=1e-9
            )
            ends.add((code > 0) - (code < 0) if abs(place) > top + 1 else 0)
        assert ends == {-1, 0, 1}


def test_ties_go_to_even_as_ieee_and_numpy_have_it(ex3: Exercise) -> None:
    """The convention that no input depends on."""
    a = part(ex3, "a").reference
    assert [a(t, 1.0, 8)[0] for t in (0.5, 1.5, 2.5, -0.5, -2.5)] == [0, 2, 2, 0, -2]
    assert np.rint([0.5, 1.5, 2.5, -0.5, -2.5]).tolist() == [0, 2, 2, 0, -2]


def test_decibels_of_evenly_spread_numbers_are_step_squared_over_12(ex3: Exercise) -> None:
    b = part(ex3, "b").reference
    scale, bits = 0.01, 8
    x = (np.arange(255 * 40) + 0.5) / (255 * 40) * 2.55 - 1.275  # 40 in each step, none clipped
    db, cut, effective = b(x, scale, bits)
    assert cut == 0
    assert db == pytest.approx(10 * math.log10((x**2).mean() / (scale**2 / 12)), abs=0.01)
    assert db == pytest.approx(20 * math.log10(255), abs=0.01)  # 255 steps: 6.02 dB for each doubling
    assert effective == pytest.approx((db - 1.76) / 6.02)


def test_a_sine_that_fills_the_range_has_as_many_effective_bits_as_bits(ex3: Exercise) -> None:
    b = part(ex3, "b").reference
    sine = np.sin(np.linspace(0, 2 * np.pi, 100_003))
    for bits in (12, 14):
        assert b(sine, 1 / (2 ** (bits - 1) - 0.5), bits)[2] == pytest.approx(bits, abs=0.01)


# Max, Quantizing for minimum distortion, IRE Transactions on Information Theory 1960, table II
@pytest.mark.parametrize(("bits", "levels", "step"), [(2, 3, 1.224), (3, 7, 0.6508), (4, 15, 0.3534)])
def test_the_best_scale_of_a_bell_is_published(bits: int, levels: int, step: float, ex3: Exercise) -> None:
    n, c = 20_001, part(ex3, "c")
    bell = [NormalDist().inv_cdf((i + 0.5) / n) for i in range(n)]
    assert 2**bits - 1 == levels
    assert c.reference(bell, bits) == pytest.approx(step, rel=0.01)


@pytest.mark.parametrize(("name", "bits"), [("q8_0", 8), ("q4_0", 4)])
def test_stored_bits_are_those_of_published_formats(name: str, bits: int, spec: Any) -> None:
    block, size = gguf.GGML_QUANT_SIZES[gguf.GGMLQuantizationType[name.upper()]]
    assert spec.stored_bits(bits, block, False) == 8 * size / block == weight_format(name).bits
    assert spec.stored_bits(4, 128, True) == weight_format("awq_g128").bits


def test_the_spec_measures_formats_as_the_library_rounds_them(ex3: Exercise, spec: Any) -> None:
    for student in proof.FEW[:3]:
        for x in draw(part(ex3, "e"), "ex3", proof.SECRET, student):
            w = np.array(x["weights"])
            found = dict(spec._formats(tuple(map(tuple, x["weights"]))))
            assert len(found) == 70
            for (bits, group, zero), db in found.items():
                error = w - rtn(w, bits, group, symmetric=not zero).values
                assert db == pytest.approx(10 * np.log10((w**2).sum() / (error**2).sum()), rel=1e-9)


# ---------------------------------------------------------------- inputs that can be solved


def test_no_input_of_part_b_or_d_is_in_doubt(ex3: Exercise) -> None:
    b, d = part(ex3, "b"), part(ex3, "d")
    for student in proof.MANY[:300]:
        shares = []
        for x in [*b.public, *draw(b, "ex3", proof.SECRET, student)]:
            top = 2 ** (x["bits"] - 1) - 1
            places = abs(np.array(x["values"])) / x["scale"]
            assert not ((places > top + 0.01) & (places < top + 0.99)).any()  # clipped, or not, by any rule
            db, cut, effective = b.reference(**x)
            assert db > 5 and effective > 0.5
            shares.append(cut)
        assert max(shares) > 0.05
        for x in [*d.public, *draw(d, "ex3", proof.SECRET, student)]:
            one, many, worst = d.reference(**x)
            assert 2 < worst < one < many


def test_a_coarse_search_is_enough(ex3: Exercise) -> None:
    """Steps of one per cent, as the hint says; and what they find is not much better than best_db."""
    c = part(ex3, "c")
    for student in proof.MANY[:150]:
        for x in draw(c, "ex3", proof.SECRET, student):
            v, top = np.array(x["values"]), 2 ** (x["bits"] - 1) - 1
            scales = (np.arange(1, 116) / 100 * abs(v).max() / top)[:, None]
            noise = ((v - scales * np.clip(np.round(v / scales), -top, top)) ** 2).sum(axis=1)
            db = 10 * np.log10((v**2).sum() / noise.min())
            assert -0.05 < x["best_db"] - db < judges.FULL_DB, (student, x["bits"])


def test_formats_of_every_kind_are_the_cheapest_for_somebody(ex3: Exercise) -> None:
    e = part(ex3, "e")
    chosen = set()
    for student in proof.FEW:
        for x in draw(e, "ex3", proof.SECRET, student):
            choice = e.reference(x["weights"], x["target_db"])
            chosen.add(choice)
            w = np.array(x["weights"])
            error = w - rtn(w, choice[0], choice[1], symmetric=not choice[2]).values
            assert 10 * np.log10((w**2).sum() / (error**2).sum()) > x["target_db"] + 0.01
    assert {zero for _, _, zero in chosen} == {True, False}
    assert len({bits for bits, _, _ in chosen}) >= 3 and len({group for _, group, _ in chosen}) >= 4


def test_marking_is_quick(ex3: Exercise) -> None:
    space = proof.defined(
        ["import numpy as np\nfrom edgelib.kernels.quantize import rtn"]
        + [cell.source for cell in proof.written("ex3") if cell.answer]
    )
    inputs = {one.name: draw(one, "ex3", proof.SECRET, "ada") for one in proof.parts_of(ex3)}
    best = 9.0
    for _ in range(5):
        start = time.process_time()
        for one in proof.parts_of(ex3):
            proof.judge_part(one, inputs[one.name], proof.fake_ask(space))
        best = min(best, time.process_time() - start)
    assert best < 0.15


# ---------------------------------------------------------------- the notebook


def test_public_references_are_the_printed_figures(ex3: Exercise) -> None:
    a = part(ex3, "a")
    assert a.public[0] == {"x": 0.157, "scale": 0.01, "bits": 8}
    code, value, error = a.reference(**a.public[0])
    assert (code, value, error) == (16, pytest.approx(0.16), pytest.approx(0.003))
    assert round(100 * error / 0.157, 3) == 1.911  # Ex3.02, claims.csv
    saturated = a.reference(**a.public[2])
    assert saturated[:2] == (-127, pytest.approx(-1.27))  # Ex3.03: the range ends at 1.27


def test_the_numbers_of_the_prose_are_printed_or_stated(capsys: pytest.CaptureFixture[str]) -> None:
    """Figures of the model answer and of the text around the cells, against what the cells print."""
    cells = solution_cells(ROOT / "solutions" / "ex3.md")
    solved = [cell.source for cell in proof.written("ex3")] + [
        cell.source
        for cell in cells
        if cell.cell_type == "code" and cell.metadata.get("edge", {}).get("solution")
    ]
    proof.defined(s for s in solved if "one_number_or_the_tensor()" not in s and ".check(" not in s)
    printed = capsys.readouterr().out
    for text in ("code 16, value 0.16, error 0.003, 1.911%", "1.9: 1.90, the code is 190",
                 "0.157, error 0.000", "0% clipped, 16.8 dB (2.5 bits)", "20% clipped, 10.9 dB",
                 "0.3: 0% clipped, 40.4 dB", "at 0.0006 41.2 dB, 24.4 more", "0.8 more",
                 "1.5 of 8 bits", "zero point False: 8.5"):  # fmt: skip
        assert text in printed, text
    prose = " ".join(cell.source for cell in cells if cell.cell_type == "markdown")
    for text in (
        "16.8 dB",
        "2.5;",
        "20 % are clipped, 10.9 dB",
        "it is 40 dB",
        "0.0006 keeps 41 dB",
        "wastes 24",
    ):
        assert text in prose, text


def test_the_package_and_the_notebook_carry_no_solution() -> None:
    hidden = set()
    for cell in solution_cells(ROOT / "solutions" / "ex3.md"):
        blocks = re.findall(r"### BEGIN SOLUTION\n(.*?)### END SOLUTION", cell.source, re.DOTALL)
        hidden |= {line.strip() for block in blocks for line in block.splitlines() if len(line.strip()) > 25}
    assert len(hidden) > 15
    notebook = (ROOT / "exercises" / "ex3.ipynb").read_text(encoding="utf-8")
    package = [path.read_text(encoding="utf-8") for path in (ROOT / "edgelib").rglob("*.py")]
    package.append((ROOT / "edgelib" / "data" / "exercises" / "ex3.json").read_text(encoding="utf-8"))
    for line in hidden:
        quoted = line.replace('"', '\\"')
        assert quoted not in notebook and all(line not in text and quoted not in text for text in package), (
            line
        )
