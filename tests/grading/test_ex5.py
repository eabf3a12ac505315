"""Exercise 5: a second solution earns the same, misconceptions are told, garbage earns nothing."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

import pytest

from edgelib.exercises.blocks import solution_cells
from edgelib.exercises.compare import agrees, plain
from edgelib.exercises.judges import policy as judge_policy
from edgelib.exercises.verdict import Unjudgeable
from edgelib.grading.draw import draw
from edgelib.grading.load import ROOT, load_spec
from edgelib.grading.spec import Exercise, Part
from edgelib.grading.submission import Cell
from edgelib.planning.battery_policy import careless, query_trace, simulate
from tests.grading import proof

LETTERS = ("a", "b", "c", "d")
ANSWERS = ("hours", "promise", "per_charge", "policy")
PUBLIC = {"name": "query_trace(1)", "seed": 1}


@pytest.fixture(autouse=True)
def reader_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGELIB_HOME", str(tmp_path / "reader"))


@pytest.fixture(scope="module")
def ex5() -> Exercise:
    return load_spec("ex5")


def part(exercise: Exercise, letter: str) -> Part:
    return next(p for p in proof.parts_of(exercise) if p.name == letter)


# Another method for each: joules, exact fractions of a charge, bits; and a policy that calls nothing of the
# library: it has speeds read off the printed table, a rule for each choice, and keeps notes in a global.
SECOND = {
    "a": """
def hours(**x):
    joules = x["capacity_mAh"] * 3.6 * x["volts"]
    drawn = (x["inference_W"] + x["other_W"]) / x["efficiency"]  # before the converter
    return joules / drawn / 3600
""",
    "b": """
from fractions import Fraction

def promise(energy_Wh, power_W, low_W, low_share):
    E, P, low, share = map(Fraction, (energy_Wh, power_W, low_W, low_share))
    charge_per_hour = share * low / E + (1 - share) * P / E
    return [float(E / (E / P + E / P)), float(E / (3 * E / P)), float(1 / charge_per_hour)]
""",
    "c": """
def per_charge(*, tokens, parameters, weight_bits, bandwidth, power_W, battery_Wh):
    bits_per_second = 8 * bandwidth
    tokens_per_joule = bits_per_second / (parameters * weight_bits) / power_W
    return tokens / tokens_per_joule, tokens_per_joule * battery_Wh * 3600 / tokens
""",
    "d": """
GHZ = [1.2, 1.416, 1.608, 1.8, 2.016, 2.208, 2.4]
TOKEN_S = {"q4_0": 0.081, "q8_0": 0.139}  # decoding, at any clock
seen = []

def policy(query, state):
    if state["time_s"] == 0:
        seen.clear()
    seen.append(query["signal"])
    bits = "q8_0" if query["signal"] > 0.42 else "q4_0"
    left = query["deadline_s"] - state["queued_s"] - (2 if state["asleep"] else 0)
    reading = left - query["answer"] * TOKEN_S[bits]
    need = 0.0226 * query["prompt"] / max(reading, 0.01)  # GHz for a prompt in time
    clock = 1 if query["prompt"] > 200 else 0
    while clock < 6 and GHZ[clock] < need:
        clock += 1
    rest = "sleep" if query["next_query_s"] - query["deadline_s"] > 3.4 else "idle"
    return {"rest": rest, "clock": clock, "precision": bits}
""",
}


@pytest.mark.parametrize("which", ["written", "second"])
def test_two_solutions_earn_full_marks_for_every_student(which: str, ex5: Exercise) -> None:
    own = [cell.source for cell in proof.written("ex5") if cell.answer]
    imports = "from edgelib.planning.handheld import HANDHELD, answer_cost\n"
    imports += "from edgelib.hardware.power import break_even_s\n"
    space = proof.defined([imports, *own] if which == "written" else SECOND.values())
    for one in proof.parts_of(ex5):
        for student in proof.FEW:
            mark = proof.marked(ex5, one, space, student)
            assert (mark.mark, mark.status) == (1, "full"), (one.name, mark)


def test_the_second_solution_agrees_with_the_reference_to_rounding(ex5: Exercise) -> None:
    space = proof.defined(SECOND.values())
    for letter in "abc":
        one: Any = part(ex5, letter)
        for student in proof.FEW:
            for x in draw(one, "ex5", proof.SECRET, student):
                assert agrees(plain(space[one.answer](**x)), plain(one.reference(**x)), 1e-9), (letter, x)


def test_the_real_grader_gives_full_marks_to_both() -> None:
    second = [Cell(source, name) for name, source in zip(ANSWERS, SECOND.values(), strict=True)]
    for cells in (proof.written("ex5"), second):
        result = proof.sandboxed("ex5", cells)
        assert {name: mark.mark for name, mark in result.parts.items()} == dict.fromkeys(LETTERS, 1.0), result
        assert result.flags == []


def test_the_untouched_notebook_is_not_attempted() -> None:
    result = proof.sandboxed("ex5", proof.starter("ex5"))
    assert {mark.status for mark in result.parts.values()} == {"not attempted"}
    assert {mark.mark for mark in result.parts.values()} == {0.0}


@pytest.mark.parametrize("letter", LETTERS)
def test_no_mutant_passes_for_any_student(letter: str, ex5: Exercise) -> None:
    proof.assert_no_mutant_passes(ex5, part(ex5, letter), proof.MANY if letter != "d" else proof.MANY[:10])


def test_both_policies_double_the_charge_on_every_trace_and_no_mutant_does(ex5: Exercise) -> None:
    """On the first trace of a thousand students, with margins: a mutant that fails one has no full marks."""
    one: Any = part(ex5, "d")
    right = [one.reference, proof.defined(SECOND.values())["policy"]]
    for student in proof.MANY:
        x = draw(one, "ex5", proof.SECRET, student)[0]
        x.pop("name")
        trace = query_trace(**x)
        before = simulate(trace, careless).mean_W
        for policy in right:
            run = simulate(trace, policy)
            assert before / run.mean_W > 2.08 and run.in_time >= 0.97 and run.hard_served > 0.94, x
        for mutant in one.mutants:
            run = simulate(trace, mutant.answer)
            short, late = before / run.mean_W < 1.95, run.in_time < 0.94
            assert short or late or run.hard_served < 0.8, (mutant.name, x)


@pytest.mark.parametrize("letter", LETTERS)
def test_every_mutant_is_told_what_it_is(letter: str, ex5: Exercise) -> None:
    proof.assert_mutants_are_told(ex5, part(ex5, letter), proof.FEW[: 5 if letter == "d" else 20])


@pytest.mark.parametrize("letter", LETTERS)
def test_every_student_has_inputs_of_their_own(letter: str, ex5: Exercise) -> None:
    proof.assert_inputs_differ(ex5, part(ex5, letter), proof.MANY)


GOOD = {"precision": "q4_0", "clock": 0, "rest": "sleep"}


@pytest.mark.parametrize("letter", LETTERS)
def test_garbage_is_refused(letter: str, ex5: Exercise) -> None:
    odd: list[Any] = [
        True,
        False,
        None,
        -1,
        7,
        0.0,
        2.5,
        float("nan"),
        10**400,
        "",
        "z" * 10**5,
        [],
        [[]],
        {},
    ]
    odd += ["Q4_0", "sleep ", ["q4_0"], 1e308, float("inf")]
    more: list[Any] = [[1, 2, 3, 4], [1.0, float("nan"), 2.0]]
    if letter == "d":
        more = [{**GOOD, field: value} for field in GOOD for value in odd if (field, value) != ("clock", 0)]
        more += [{**GOOD, "more": 1}, {"precision": "q4_0"}, list(GOOD.values()), lambda: GOOD, object()]
        assert len(more) > 50
    proof.assert_garbage_is_refused(ex5, part(ex5, letter), more)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"precision": "q4"}, "precision = 'q4' is unknown; did you mean q4_0"),
        ({"clock": 7}, "clock = 7: expected a whole number from 0 to 6"),
        ({"clock": True}, "clock = True: expected a whole number from 0 to 6"),
        ({"clock": float("nan")}, "clock = nan: expected a whole number from 0 to 6"),
        ({"rest": "off"}, "rest = 'off' is unknown"),
        ({"watts": 1}, "expected a dict such as"),
    ],
)
def test_a_bad_reply_is_named_with_what_is_accepted(change: dict[str, Any], named: str) -> None:
    with pytest.raises(Unjudgeable, match=re.escape(named)) as caught:
        judge_policy.judge(lambda query, state: {**GOOD, **change}, **PUBLIC)
    assert "policy(query={'prompt': " in str(caught.value) and len(str(caught.value)) < 700


def test_a_bad_reply_late_in_the_trace_earns_nothing(ex5: Exercise) -> None:
    """Good for 250 queries, then an exception, or a reply out of range."""
    one: Any = part(ex5, "d")
    for spoilt in (lambda: 1 / 0, lambda: {**GOOD, "clock": 99}):
        calls: list[float] = []

        def policy(query: Any, state: Any, calls: Any = calls, spoilt: Any = spoilt) -> Any:
            calls.append(state["time_s"])
            return one.reference(query, state) if len(calls) <= 250 else spoilt()

        mark = proof.marked(ex5, one, {"policy": policy}, "ann")
        assert (mark.mark, mark.status, len(calls)) == (0, "error", 251)


def test_a_slow_policy_is_stopped_and_the_other_parts_keep_their_marks() -> None:
    cells = [cell for cell in proof.written("ex5") if cell.answer in ANSWERS[:3]]
    slow = "def policy(query, state):\n    while True:\n        pass"
    result = proof.sandboxed("ex5", [*cells, Cell(slow, "policy")])
    marks = {name: (mark.mark, mark.status) for name, mark in result.parts.items()}
    assert marks == {**dict.fromkeys("abc", (1.0, "full")), "d": (0.0, "error")}


def test_a_policy_is_told_neither_hardness_nor_future_and_is_asked_in_order(ex5: Exercise) -> None:
    """Two traces that differ only in what is hidden look the same to it; calls come in order of time."""
    seen: list[Any] = []

    def watching(query: Any, state: Any) -> Any:
        seen.append((query, state))
        return {**GOOD, "rest": "idle", "clock": 6}

    judge_policy.judge(watching, **PUBLIC)
    trace = query_trace(1)
    assert [q for q, _ in seen] == [query.told() for query in trace.queries]
    assert all(q.keys() == {"prompt", "answer", "signal", "deadline_s", "next_query_s"} for q, _ in seen)
    assert all(s.keys() == {"asleep", "queued_s", "time_s"} for _, s in seen)
    times = [s["time_s"] for _, s in seen]
    assert times == sorted(times) and times[0] == 0
    arrivals = [query.time_s for query in trace.queries] + [trace.end_s]
    guesses = [
        (query.next_query_s - query.deadline_s) / (arrivals[n + 1] - arrivals[n] - query.deadline_s)
        for n, query in enumerate(trace.queries)
    ]
    assert 0.7 <= min(guesses) < 0.75 and 1.35 < max(guesses) <= 1.4  # not the truth
    x = draw(part(ex5, "d"), "ex5", proof.SECRET, "ann")[0]
    assert x["seed"] > 2**40  # too many to try


def test_no_joule_counts_that_a_broken_promise_saved() -> None:
    """The setting that lasts longest breaks both promises and earns nothing at all."""
    verdict = judge_policy.judge(lambda query, state: GOOD, **PUBLIC)
    run = simulate(query_trace(1), lambda query, state: GOOD)
    assert run.hours > 2.2 * simulate(query_trace(1), careless).hours
    assert verdict.score == 0 and "always-q4" in verdict.codes and "sleeps-always" in verdict.codes
    kept = judge_policy.judge(careless, **PUBLIC)
    assert kept.score == pytest.approx(0.2) and kept.codes == ("changes-nothing",)


def test_a_judge_is_quick(ex5: Exercise) -> None:
    one: Any = part(ex5, "d")
    traces = draw(one, "ex5", proof.SECRET, "ada")
    answer = dict(GOOD)
    best = 1.0
    for _ in range(5):
        start = time.process_time()
        for x in traces:
            judge_policy.judge(lambda query, state: answer, **x)
        best = min(best, time.process_time() - start)
    assert best < 0.02


def test_public_references_are_the_printed_figures(ex5: Exercise) -> None:
    a, b, c = (part(ex5, letter) for letter in "abc")
    lasts: Any = a
    assert lasts.reference(**lasts.public[0]) == pytest.approx(3.7)  # Ex5.01, Ex5.02: 11.1 Wh at 3 W
    mix: Any = b
    twice, longer, hours = mix.reference(energy_Wh=11.1, power_W=3.0, low_W=1.5, low_share=2 / 3)
    assert (twice, longer) == (1.5, 1.0) and hours == pytest.approx(5.55)  # Ex5.03, Ex5.05
    costs: Any = c
    # 200 tokens x 1.2e9 x 8.5 bits / 8 / 20 GB/s = 12.75 s at 3 W; 11.1 Wh are 39,960 J
    assert costs.reference(**costs.public[0]) == (pytest.approx(38.25), pytest.approx(39960 / 38.25))


def test_the_numbers_of_the_prose_are_printed_or_stated(capsys: pytest.CaptureFixture[str]) -> None:
    """Figures of the model answer and of the text around the cells, against what the cells print."""
    cells = solution_cells(ROOT / "solutions" / "ex5.md")
    solved = [cell.source for cell in proof.written("ex5")] + [
        cell.source
        for cell in cells
        if cell.cell_type == "code" and cell.metadata.get("edge", {}).get("solution")
    ]
    proof.defined(s for s in solved if "_states()" not in s and "_drain()" not in s and ".check(" not in s)
    printed = capsys.readouterr().out
    for text in ("2.00 W, 5.55 h", "3.70 h", "7.4 h, 1.5 W", "11.1 h, 1.0 W", "4.0 W, 3.2 s, 12.8 J",
                 "3.8 W, 5.5 s, 21.0 J", "wake_s = 2", "clock 1: 1.416 GHz", "7.4 s on", "in 4 bits: 72%",
                 "late: 0.4%", "hard queries in 4 bits: 0.5%", "policy: mean wait 7.1 s",
                 "careless: mean wait 6.4 s", "+7.5% perplexity", "takes 18.4 J", "may take 9.2 s", "20% of",
                 "2 times wake_J: 1.79"):  # fmt: skip
        assert text in printed, text
    before, ours = (
        simulate(query_trace(1), p).mean_W for p in (careless, load_spec("ex5").parts[3].reference)
    )
    assert f"{before / ours:.2f}" == "2.20"


def test_the_package_and_the_notebook_carry_no_solution() -> None:
    hidden = set()
    for cell in solution_cells(ROOT / "solutions" / "ex5.md"):
        blocks = re.findall(r"### BEGIN SOLUTION\n(.*?)### END SOLUTION", cell.source, re.DOTALL)
        hidden |= {line.strip() for block in blocks for line in block.splitlines() if len(line.strip()) > 25}
    assert len(hidden) > 15
    notebook = (ROOT / "exercises" / "ex5.ipynb").read_text(encoding="utf-8")
    data = (ROOT / "edgelib" / "data" / "exercises" / "ex5.json").read_text(encoding="utf-8")
    for line in hidden:
        quoted = line.replace('"', '\\"')
        assert quoted not in notebook and quoted not in data, line
