"""The handheld and its traces: bad input is named, traces are as promised, figures agree with the text."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from edgelib.explore.book.drain import battery_drain, power_states
from edgelib.hardware.power import break_even_s
from edgelib.planning.battery_policy import (
    CELL,
    DOCUMENTS,
    KINDS,
    Decision,
    Query,
    Trace,
    careless,
    decision_of,
    query_trace,
    simulate,
)
from edgelib.planning.handheld import HANDHELD, answer_cost


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"prompt": 0}, "prompt = 0: expected 1 to 8,192 tokens"),
        ({"prompt": True}, "prompt = True"),
        ({"answer": float("nan")}, "answer = nan: expected 1 to 8,192 tokens"),
        ({"answer": "40"}, "answer = '40'"),
        ({"precision": "q4"}, "precision = 'q4' is unknown; did you mean q4_0"),
        ({"precision": ["q4_0"]}, "precision = ['q4_0'] is unknown"),
        ({"clock": 7}, "clock = 7: expected a whole number from 0 to 6"),
        ({"clock": True}, "clock = True"),
        ({"clock": 1.0}, "clock = 1.0"),
    ],
)
def test_a_bad_argument_is_named(change: dict[str, Any], named: str) -> None:
    good: dict[str, Any] = {"prompt": 100, "answer": 40, "precision": "q4_0", "clock": 1}
    answer_cost(**good)
    with pytest.raises(ValueError, match=re.escape(named)):
        answer_cost(**{**good, **change})


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"idle_W": 0}, "idle_W = 0: expected a number greater than 0"),
        ({"asleep_W": 1.0}, "asleep_W = 1.0: expected less than idle_W"),
        ({"wake_J": -1}, "wake_J = -1: expected a number of at least 0"),
        ({"stalled": 1.5}, "stalled = 1.5: expected a fraction"),
        ({"cores": 0}, "cores = 0: expected a whole number of at least 1"),
        ({"leak_A": float("inf")}, "leak_A = inf"),
    ],
)
def test_a_bad_device_is_named(change: dict[str, Any], named: str) -> None:
    with pytest.raises(ValueError, match=re.escape(named)):
        replace(HANDHELD, **change)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"seed": -1}, "seed = -1: expected a whole number of at least 0"),
        ({"queries": 0}, "queries = 0: expected a whole number of at least 1"),
        ({"hard": 1.2}, "hard = 1.2: expected a fraction"),
        ({"chat": 0.95}, "chat = 0.95: expected at most 0.88"),
    ],
)
def test_a_bad_trace_is_named(change: dict[str, Any], named: str) -> None:
    with pytest.raises(ValueError, match=re.escape(named)):
        query_trace(**{"seed": 1, **change})


@pytest.mark.parametrize("said", [None, "sleep", 3, [], {}, ("q4_0", 0, "idle"), {"precision": "q4_0"}])
def test_what_is_no_decision_is_refused(said: Any) -> None:
    with pytest.raises(ValueError, match="expected a dict such as"):
        decision_of(said)
    with pytest.raises(ValueError, match="expected a dict such as"):
        simulate(query_trace(1), lambda query, state: said)


@pytest.mark.parametrize("seed", range(20))
def test_a_trace_has_the_shares_it_says(seed: int) -> None:
    trace = query_trace(seed, 100, hard=0.22, chat=0.28)
    assert trace == query_trace(seed, 100, hard=0.22, chat=0.28) != query_trace(seed + 1)
    queries = trace.queries
    assert abs(sum(q.hard for q in queries) - 22) <= 1
    prompts = [q.prompt for q in queries]
    documents = [p for p in prompts if p >= KINDS["document"][0][0]]
    assert len(documents) == round(DOCUMENTS * 100)
    urgent = [q for q in queries if q.deadline_s < answer_cost(q.prompt, q.answer, "q8_0", 0)[0] + 0.31
              and q.prompt <= KINDS["follow-up"][0][1]]  # fmt: skip
    assert len(urgent) >= 28 and queries[0].prompt >= KINDS["question"][0][0]
    # A guess at the difficulty that is a good one, and knows nothing of lengths.
    signal, hard = np.array([q.signal for q in queries]), np.array([q.hard for q in queries])
    assert signal.min() >= 0 and signal.max() <= 1
    assert signal[hard].mean() > 0.6 and signal[~hard].mean() < 0.3
    assert abs(np.corrcoef(prompts, hard)[0, 1]) < 0.2


def test_small_traces_exist_too() -> None:
    for queries in (1, 2, 3):
        for chat in (0.0, 0.5):
            trace = query_trace(5, queries, chat=chat)
            assert len(trace.queries) == queries
            assert simulate(trace, careless).in_time == 1
    assert simulate(query_trace(5, 2, hard=0), careless).hard_served == 1  # nobody to serve


def test_a_query_waits_while_the_one_before_is_answered() -> None:
    """Two queries at once: the second is told how long it has waited, and falling asleep has to wait too."""
    queries = tuple(Query(t, 100, 40, 0.5, 60.0, 60.0, False) for t in (0.0, 1.0))
    states = []

    def policy(query: Any, state: Any) -> Decision:
        states.append(state)
        return Decision("q8_0", 0, "sleep")

    run = simulate(Trace(queries, 5.0), policy)
    seconds, _ = answer_cost(100, 40, "q8_0", 0)
    assert states[1] == {"asleep": False, "queued_s": seconds - 1, "time_s": seconds}
    assert [a.wait_s for a in run.answered] == pytest.approx([seconds, 2 * seconds - 1])
    assert {phase.state for _, phase in run.segments} == {"prefill", "decode"}
    assert run.mean_W == pytest.approx(run.joules / (2 * seconds))  # the work took longer than the trace


def test_a_policy_cannot_change_what_the_next_one_is_told() -> None:
    def spoiling(query: Any, state: Any) -> Decision:
        query.clear()
        state.clear()
        return careless(query, state)

    assert simulate(query_trace(1), spoiling).joules == simulate(query_trace(1), careless).joules


def test_the_table_adds_up() -> None:
    text = str(simulate(query_trace(1), careless))
    rows = [[int(n) for n in re.findall(r"(\d+) [sJ]", line)] for line in text.splitlines()[1:6]]
    assert all(abs(sum(parts[1:4]) - parts[4]) <= 2 for parts in rows)
    run = simulate(query_trace(1), careless)
    assert f"{run.mean_W:.2f} W on average, a charge lasts {CELL.energy_Wh / run.mean_W:.2f} h" in text


def test_the_picture_of_a_charge_says_what_the_loop_says() -> None:
    scene = battery_drain.scene(precision="q8_0", clock=6, rest="idle")
    run = simulate(query_trace(1), careless)
    assert f"last {run.hours:.1f} h" in scene.readout and "Both promises hold" in scene.readout
    for precision in ("q4_0", "q8_0"):
        for clock in range(7):
            for rest in ("idle", "sleep"):
                told = battery_drain.scene(precision=precision, clock=clock, rest=rest).readout
                assert "misses the goal" in told or "Broken" in told, told  # as the title says


def test_the_picture_of_a_minute_says_when_sleep_pays() -> None:
    """Below the break-even, counted from the end of the answer, the awake device takes fewer joules."""
    pays = break_even_s(HANDHELD.idle_W, HANDHELD.asleep_W, HANDHELD.wake_J)
    slowest, _ = answer_cost(100, 40, "q8_0", 0)
    for pause in power_states.controls["pause"].values:
        scene = power_states.scene(precision="q8_0", clock=0, rest="sleep", pause=pause)
        own = float(scene.readout.split()[0])
        awake = float(scene.readout.rsplit(" J.", 1)[0].split()[-1])
        period = slowest + HANDHELD.wake_s + pause
        count = int(60 / period) + 1
        gained = (period - slowest) - pays * (count - 1) / count  # its first query finds it awake
        assert (own < awake) == (gained > 0), (pause, scene.readout)
