"""The handheld against metrics.predict, closed forms, Benini's formula, and all policies of short traces."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgelib.grading.load import load_spec
from edgelib.hardware.device import engine
from edgelib.hardware.power import RK3588_A76, break_even_s, period_energy
from edgelib.metrics import predict
from edgelib.metrics.energy import energy_per_token
from edgelib.planning.battery_policy import (
    KINDS,
    Decision,
    Query,
    Trace,
    careless,
    query_trace,
    simulate,
)
from edgelib.planning.handheld import HANDHELD, PRECISIONS, answer_cost

CLOCKS = range(HANDHELD.clocks)
tokens = st.integers(1, 2000)
precisions = st.sampled_from(PRECISIONS)
clocks = st.integers(0, HANDHELD.clocks - 1)


def reference() -> Any:
    part: Any = load_spec("ex5").parts[3]
    return part.reference


def always(precision: str, clock: int, rest: str) -> Any:
    return lambda query, state: Decision(precision, clock, rest)


@settings(max_examples=60, deadline=None)
@given(prompt=tokens, answer=tokens, precision=precisions, clock=clocks)
def test_seconds_and_joules_of_memory_are_those_of_the_library(
    prompt: int, answer: int, precision: str, clock: int
) -> None:
    cpu = engine("RPi5/CPU").having(clock=RK3588_A76.freq_Hz[clock])
    e = predict("llama-3.2-1b", cpu, weights=precision, prompt=prompt, generate=answer, runtime="packed")
    prefill, decode = HANDHELD.phases(prompt, answer, precision, clock)
    assert prefill.seconds == pytest.approx(e.value("prefill_s"), rel=1e-9)
    assert decode.seconds == pytest.approx(answer * e.decode_s, rel=1e-9)
    token = energy_per_token(e, dram="lpddr4_3200")["dram"]
    assert decode.memory_J == pytest.approx(answer * token, rel=1e-9)


def test_power_by_hand() -> None:
    """A long prompt at 2.4 GHz and 1 V: four cores of 0.35 nF, 0.2 A of leakage, 1 W of the rest."""
    prefill, _ = HANDHELD.phases(1000, 1, "q8_0", 6)
    watts = 4 * 0.35e-9 * 1.0**2 * 2.4e9 + 1.0 * 0.2
    assert prefill.cores_J / prefill.seconds == pytest.approx(watts, rel=1e-3)  # less while nothing computes
    assert prefill.system_J / prefill.seconds == pytest.approx(1.0)
    # Decoding reads 17.1 GB/s x 0.565 at 8 x 9.2 pJ per byte, except in the fixed time per layer.
    _, decode = HANDHELD.phases(100, 50, "q4_0", 0)
    assert decode.memory_J / decode.seconds == pytest.approx(17.1e9 * 0.565 * 73.6e-12, rel=5e-3)


def test_what_should_surprise() -> None:
    """A lower clock costs decode no time; 4 bits save joules, not watts; a prompt has a best clock."""
    for precision in PRECISIONS:
        decode = [HANDHELD.phases(100, 50, precision, c)[1] for c in CLOCKS]
        assert len({phase.seconds for phase in decode}) == 1
        assert all(np.diff([phase.joules for phase in decode]) > 0)
        prefill = [HANDHELD.phases(800, 1, precision, c)[0] for c in CLOCKS]
        assert all(np.diff([phase.seconds for phase in prefill]) < 0)
        assert 0 < int(np.argmin([phase.joules for phase in prefill])) < HANDHELD.clocks - 1
    for clock in CLOCKS:
        q4, q8 = (HANDHELD.phases(100, 50, p, clock)[1] for p in PRECISIONS)
        assert 0.95 < (q4.joules / q4.seconds) / (q8.joules / q8.seconds) < 1.1
        assert 0.55 < q4.joules / q8.joules < 0.65  # (4.5 bits, and 6.56 for the output matrix) to 8.5


@pytest.mark.parametrize("policy", ["careless", "reference", "sleepy and slow"])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_energy_and_time_are_conserved(policy: str, seed: int) -> None:
    trace = query_trace(seed)
    chosen = {
        "careless": careless,
        "reference": reference(),
        "sleepy and slow": always("q8_0", 0, "sleep"),
    }[policy]
    run = simulate(trace, chosen)
    now = 0.0
    for start, phase in run.segments:  # no gap and no overlap
        assert start == pytest.approx(now) and phase.seconds >= 0
        now = start + phase.seconds
    assert now == pytest.approx(trace.end_s)
    states, parts = run.by_state().values(), ("cores_J", "memory_J", "system_J")
    assert sum(phase.seconds for phase in states) == pytest.approx(trace.end_s)
    assert sum(getattr(phase, part) for phase in states for part in parts) == pytest.approx(
        run.mean_W * trace.end_s
    )
    assert run.joules == pytest.approx(run.mean_W * trace.end_s)
    assert 3600 * run.hours * run.mean_W == pytest.approx(3 * 3.7 * 3600)
    answers = sum(answer_cost(a.query.prompt, a.query.answer, a.decision.precision, a.decision.clock)[1]
                  for a in run.answered)  # fmt: skip
    busy = run.by_state()["prefill"].joules + run.by_state()["decode"].joules
    assert busy == pytest.approx(answers)


def same(count: int, period: float, prompt: int = 100, answer: int = 40) -> Trace:
    queries = [Query(n * period, prompt, answer, 0.5, period, period, False) for n in range(count)]
    return Trace(tuple(queries), count * period)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 6), st.floats(0.01, 100), precisions, clocks)
def test_identical_queries_have_a_closed_form(count: int, pause: float, precision: str, clock: int) -> None:
    seconds, joules = answer_cost(100, 40, precision, clock)
    period = seconds + HANDHELD.wake_s + pause
    trace = same(count, period)
    awake = period_energy(joules / seconds, seconds, period, HANDHELD.idle_W)
    assert simulate(trace, always(precision, clock, "idle")).joules == pytest.approx(count * awake)
    asleep = period_energy(joules / seconds, seconds, period, HANDHELD.asleep_W, HANDHELD.wake_J)
    run = simulate(trace, always(precision, clock, "sleep"))
    assert run.joules == pytest.approx(count * asleep - HANDHELD.wake_J)  # the first finds it awake
    waits = [seconds] + [HANDHELD.wake_s + seconds] * (count - 1)
    assert [a.wait_s for a in run.answered] == pytest.approx(waits)


@settings(max_examples=30, deadline=None)
@given(st.floats(0.2, 2), st.floats(0, 0.15), st.floats(0.5, 20))
def test_the_pause_that_pays_is_beninis(idle_W: float, asleep_W: float, wake_J: float) -> None:
    """Bisect for the pause at which sleeping through it and staying awake take the same energy."""
    device = replace(HANDHELD, idle_W=idle_W, asleep_W=asleep_W, wake_J=wake_J)
    seconds, _ = answer_cost(100, 40, "q4_0", 0, device)

    def saved(pause: float) -> float:
        period = seconds + pause
        queries = [Query(n * period, 100, 40, 0.5, period, period, False) for n in range(2)]
        trace = Trace(tuple(queries), 2 * period + 100)

        def policy(first: str) -> Any:
            rest = {True: first, False: "sleep"}
            return lambda query, state: Decision("q4_0", 0, rest[state["time_s"] == 0])

        asleep, awake = (simulate(trace, policy(rest), device).joules for rest in ("sleep", "idle"))
        return awake - asleep

    low, high = 1e-6, 1e4
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (low, middle) if saved(middle) > 0 else (middle, high)
    assert low == pytest.approx(break_even_s(idle_W, asleep_W, wake_J), rel=1e-6)


def kept(run: Any) -> bool:
    return bool(run.in_time == 1 and run.hard_served == 1)


def every_plan(trace: Trace, precisions: list[tuple[str, ...]]) -> list[Any]:
    """Each way to answer a trace that keeps both promises entirely."""
    options = [list(itertools.product(p, CLOCKS, ("idle", "sleep"))) for p in precisions]
    runs = []
    for plan in itertools.product(*options):
        left = iter(plan)
        runs.append(simulate(trace, lambda query, state, left=left: Decision(*next(left))))
    return [run for run in runs if kept(run)]


@pytest.mark.parametrize("seed", range(12))
def test_no_plan_of_a_short_trace_beats_the_reference_by_much(seed: int) -> None:
    """The best of 14^3 plans, chosen with the whole future known, bounds what a policy can do."""
    trace = query_trace(seed, queries=3, hard=1 / 3)
    least = [("q8_0",) if q.hard else ("q4_0",) for q in trace.queries]
    best = min(run.joules for run in every_plan(trace, least))
    run = simulate(trace, reference())
    if kept(run):
        assert best <= run.joules * (1 + 1e-12)
    assert run.joules < 1.07 * best


def test_the_best_plan_never_uses_more_precision_than_promised() -> None:
    """All 28^2 plans of two queries: the restriction above costs nothing."""
    for seed in range(8):
        trace = query_trace(seed, queries=2, hard=0.5)
        least = [("q8_0",) if q.hard else ("q4_0",) for q in trace.queries]
        free = min(run.joules for run in every_plan(trace, [PRECISIONS] * 2))
        assert free == pytest.approx(min(run.joules for run in every_plan(trace, least)))


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 2**53),
    st.sampled_from(["idle_W", "asleep_W", "wake_J", "capacitance_F", "leak_A", "stalled"]),
    st.floats(1, 1.9),
)
def test_more_power_anywhere_never_lengthens_the_life(seed: int, name: str, factor: float) -> None:
    trace = query_trace(seed, queries=20)
    dearer = replace(HANDHELD, **{name: factor * getattr(HANDHELD, name)})
    for policy in (careless, reference(), always("q4_0", 2, "sleep")):
        assert simulate(trace, policy, dearer).hours <= simulate(trace, policy).hours * (1 + 1e-12)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**53), st.floats(0, 20))
def test_more_patience_never_costs_joules(seed: int, more_s: float) -> None:
    """The clocks of the reference with longer deadlines; it sleeps after every answer, and nobody queues."""
    own = reference()

    def policy(query: Any, state: Any) -> Any:
        return {**own(query, state), "precision": "q4_0", "rest": "sleep"}

    trace = query_trace(seed, queries=20)
    apart = [q._replace(time_s=q.time_s + 100 * n, signal=0.0) for n, q in enumerate(trace.queries)]
    patient = [q._replace(deadline_s=q.deadline_s + more_s) for q in apart]
    end = apart[-1].time_s + 200
    runs = [simulate(Trace(tuple(queries), end), policy) for queries in (apart, patient)]
    assert runs[1].joules <= runs[0].joules * (1 + 1e-12) and runs[1].in_time >= runs[0].in_time


@settings(max_examples=60, deadline=None)
@given(tokens, tokens, clocks)
def test_fewer_bits_are_never_slower_or_dearer(prompt: int, answer: int, clock: int) -> None:
    q4, q8 = (answer_cost(prompt, answer, precision, clock) for precision in PRECISIONS)
    assert q4[0] <= q8[0] and q4[1] <= q8[1]


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**53))
def test_careless_keeps_every_promise_and_nobody_in_time_makes_the_next_wait(seed: int) -> None:
    trace = query_trace(seed)
    before = simulate(trace, careless)
    assert before.in_time == before.hard_served == 1
    for query, after in zip(trace.queries, [*trace.queries[1:], None], strict=True):
        until = trace.end_s if after is None else after.time_s
        assert until > query.time_s + query.deadline_s
        assert (query.prompt, query.answer) <= tuple(high for _, high in KINDS["document"])
