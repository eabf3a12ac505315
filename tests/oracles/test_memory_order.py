"""Litmus outcomes against published verdicts for Arm, and against interleavings written out."""

import csv
import itertools
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgelib.hardware.memory_order import SHAPES, arm, parse, sequential, shape
from edgelib.hardware.memory_order.atomics import (
    expected_retries,
    increment_with_exclusives,
    retries_in_step,
)
from edgelib.hardware.memory_order.ring_queue import (
    broken_schedules,
    pool_trace,
    queue_mistakes,
    queue_trace,
    taken_twice,
)
from tests.oracles.diy import build

with open(Path(__file__).parents[1] / "golden" / "litmus_armv8.csv", encoding="utf-8") as file:
    VERDICTS = {row["test"]: row["allowed"] == "1" for row in csv.DictReader(file)}


def seen(outcomes, asked):
    return any(asked.items() <= dict(outcome).items() for outcome in outcomes)


@pytest.mark.parametrize("name", VERDICTS)
def test_arm_gives_the_published_verdict(name):
    """385 tests of Dat3M's list for aarch64.cat: 2 to 4 threads, barriers, acquire, release, dependencies."""
    text, asked = build(name)
    assert seen(arm(parse(text)), asked) == VERDICTS[name], text
    assert not seen(sequential(parse(text)), asked), "each of these asks for a cycle"


# herdtools7, catalogue/aarch64/tests: the programs and kinds.txt. Name: program, outcome, start, allowed.
CATALOGUE = {
    "CoRR": ("STR 1, x | LDR r0, x; LDR r1, x", {"1:r0": 1, "1:r1": 0}, {}, False),
    "CoRW1": ("LDR r0, x; STR 1, x", {"0:r0": 1}, {}, False),
    "CoRW2": ("STR 1, x | LDR r0, x; STR 2, x", {"1:r0": 1, "[x]": 1}, {}, False),
    "CoWR": ("STR 1, x; LDR r0, x | STR 2, x", {"0:r0": 2, "[x]": 1}, {}, False),
    "CoWW": ("STR 1, x; STR 2, x", {"[x]": 1}, {}, False),
    "SB+dmb.sy+rel-acq": (
        "STR 1, x; DMB SY; LDR r0, y | STLR 1, y; LDAR r0, x", {"0:r0": 0, "1:r0": 0}, {}, False
    ),
    "SB+dmb.sy+rel-acqpc": (
        "STR 1, x; DMB SY; LDR r0, y | STLR 1, y; LDAPR r0, x", {"0:r0": 0, "1:r0": 0}, {}, True
    ),
    "MP+rel+acqpc": ("STR 1, x; STLR 1, y | LDAPR r0, y; LDR r1, x", {"1:r0": 1, "1:r1": 0}, {}, False),
    "MP+rel+LDADD-dmb.ld": (
        "STR 1, x; STLR 1, y | LDADD r0, 1, y; DMB LD; LDR r1, x", {"[y]": 2, "1:r1": 0}, {}, False
    ),
    "MP+rel+LDADDnoret-dmb.ld": (
        "STR 1, x; STLR 1, y | LDADD xzr, 1, y; DMB LD; LDR r1, x", {"[y]": 2, "1:r1": 0}, {}, True
    ),
    "MP+rel+SWPacq": (
        "STR 1, x; STLR 1, y | SWPA r0, 2, y; LDR r1, x", {"[y]": 2, "1:r1": 0}, {}, False
    ),
    "MP+rel+SWPacq-noret": (
        "STR 1, x; STLR 1, y | SWPA xzr, 2, y; LDR r1, x", {"[y]": 2, "1:r1": 0}, {}, True
    ),
    "MP+rel+swp-acq": (
        "STR 1, x; STLR 1, y | SWP r0, 2, y; LDAR r2, y; LDR r1, x", {"1:r0": 1, "1:r1": 0}, {}, False
    ),
    "MP+rel+CASacq-ok": (
        "STR 1, x; STLR 0, y | CASA r0, 0, 1, y; LDR r1, x", {"[y]": 1, "1:r1": 0}, {"y": 2}, False
    ),
    "MP+rel+addr-lrs-acq": (
        "STR 1, x; STLR 1, y | LDR r0, y; STR 1, z[r0]; LDAR r2, z; LDR r1, x",
        {"1:r0": 1, "1:r1": 0}, {}, False
    ),
    "LB+rel+LDADD": (
        "LDR r0, y; STLR 1, x | LDR r1, x; LDADD r2, 1{r1}, y", {"1:r1": 1, "0:r0": 1}, {}, False
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CATALOGUE)
def test_arms_own_catalogue(name):
    text, asked, start, allowed = CATALOGUE[name]
    assert seen(arm(parse(text, start)), asked) == allowed


def test_all_outcomes_of_message_passing_are_those_of_herd():
    """herd/tests/diycross/AArch64/MP.litmus.expected: four states, the last in question seen once."""
    states = {(dict(o)["1:r0"], dict(o)["1:r1"]) for o in arm(shape("MP").program)}
    assert states == {(0, 0), (0, 1), (1, 0), (1, 1)}


def test_an_acquire_release_atomic_is_a_full_barrier():
    """Arm since 2022 (herdtools7, change 322): SWPAL orders its store before all that follows."""
    text = "{op} r1, 1, x; LDR r0, y | {op} r1, 1, y; LDR r0, x"
    both_miss = {"0:r0": 0, "1:r0": 0}
    assert not seen(arm(parse(text.format(op="SWPAL"))), both_miss)
    assert seen(arm(parse(text.format(op="SWPA"))), both_miss)


# ------------------------------------------------------------------ interleavings, written out


def interleavings(lengths):
    """All merges of threads with so many instructions."""
    if not any(lengths):
        yield ()
    for t, n in enumerate(lengths):
        if n:
            for rest in interleavings([m - (k == t) for k, m in enumerate(lengths)]):
                yield (t, *rest)


def run_interleaved(program, order):
    memory, registers, position = {p: program.start.get(p, 0) for p in program.places}, {}, Counter()
    for t in order:
        i = program.threads[t][position[t]]
        position[t] += 1
        value = registers[t, i.value] if isinstance(i.value, str) else i.value
        if i.kind in ("load", "swp", "ldadd", "cas") and i.register:
            registers[t, i.register] = memory[i.place]
        if i.kind in ("store", "swp") or (i.kind == "cas" and memory[i.place] == i.expected):
            memory[i.place] = value
        elif i.kind == "ldadd":
            memory[i.place] += value
    return {f"{t}:{r}": v for (t, r), v in registers.items()} | {f"[{p}]": v for p, v in memory.items()}


def by_interleaving(program):
    everything = [
        run_interleaved(program, order) for order in set(interleavings([len(t) for t in program.threads]))
    ]
    shown = [name for name, _ in next(iter(sequential(program)))]
    return {tuple((name, outcome[name]) for name in shown) for outcome in everything}


PLAIN = ["STR 1, x", "STR 2, x", "STR 1, y", "STLR 2, y", "LDR {r}, x", "LDR {r}, y", "LDAR {r}, y"]
ATOMIC = ["LDADD {r}, 1, x", "SWPAL {r}, 3, y", "CAS {r}, 0, 2, x"]


@st.composite
def programs(draw, threads=3):
    """Two threads of up to three lines, or three of up to two; at most one line is an atomic."""
    texts = []
    count = draw(st.integers(2, threads))
    for thread in range(count):
        lines = draw(st.lists(st.sampled_from(PLAIN), min_size=1, max_size=3 if count == 2 else 2))
        if thread == 0 and draw(st.booleans()):
            lines[0] = draw(st.sampled_from(ATOMIC))
        texts.append([line.format(r=f"r{k}") for k, line in enumerate(lines)])
    return texts


def written(texts):
    return parse(" | ".join("; ".join(lines) for lines in texts))


@settings(max_examples=60, deadline=None)
@given(programs())
def test_sequential_consistency_is_interleaving(texts):
    program = written(texts)
    assert {tuple(o) for o in sequential(program)} == by_interleaving(program)


@settings(max_examples=60, deadline=None)
@given(programs())
def test_arm_allows_whatever_interleaving_does(texts):
    program = written(texts)
    assert sequential(program) <= arm(program)


@settings(max_examples=60, deadline=None)
@given(programs(), st.data())
def test_a_barrier_never_adds_an_outcome(texts, data):
    before = arm(written(texts))
    thread = data.draw(st.integers(0, len(texts) - 1))
    place = data.draw(st.integers(0, len(texts[thread])))
    barrier = data.draw(st.sampled_from(["DMB ISH", "DMB ISHLD", "DMB ISHST", "DSB SY", "ISB"]))
    texts[thread].insert(place, barrier)
    assert arm(written(texts)) <= before


@settings(max_examples=60, deadline=None)
@given(programs(threads=2))
def test_full_barriers_everywhere_give_sequential_consistency(texts):
    fenced = [list(itertools.chain.from_iterable((line, "DMB ISH") for line in lines)) for lines in texts]
    assert arm(written(fenced)) == sequential(written(texts))


@pytest.mark.parametrize("name", SHAPES)
def test_the_shapes_ask_for_what_interleaving_never_does(name):
    assert not SHAPES[name].seen(sequential(SHAPES[name].program))
    assert SHAPES[name].seen(arm(SHAPES[name].program)) == (name != "CoRR")


def test_no_value_out_of_thin_air():
    outcomes = arm(parse("LDR r0, x; STR r0, y | LDR r0, y; STR r0, x"))
    assert {v for o in outcomes for _, v in o} == {0}


# ------------------------------------------------------------------ atomics


@pytest.mark.parametrize("threads", [2, 3, 5, 8])
def test_retries_are_what_the_scheduler_gives_on_average(threads):
    runs = [increment_with_exclusives(threads, seed) for seed in range(2000)]
    assert {counter for counter, _ in runs} == {threads}
    failed = np.array([f for _, f in runs])
    assert failed.mean() == pytest.approx(expected_retries(threads), abs=4 * failed.std() / 2000**0.5)


def test_retries_by_hand():
    """Two threads: both load before one stores in half of the runs. In step: 3 + 2 + 1 losers of four."""
    assert [expected_retries(1), expected_retries(2)] == [0, 0.5]
    assert [retries_in_step(n) for n in (1, 2, 4)] == [0, 1, 6]


# ------------------------------------------------------------------ the queue and the pool


def test_the_queue_needs_acquire_and_release():
    assert queue_mistakes("relaxed") == {"unwritten": True, "overwritten": True}
    assert queue_mistakes("acquire-release") == {"unwritten": False, "overwritten": False}


@given(st.integers(1, 5), st.text(alphabet="pt", max_size=40))
def test_the_ring_is_a_queue(capacity, schedule):
    """The same letters on a list; nothing is lost, doubled or reordered."""
    inside, put, taken = [], 0, 0
    for letter, step in zip(schedule, queue_trace(capacity, schedule)[1:], strict=True):
        if letter == "p" and len(inside) < capacity:
            inside.append(put)
            put += 1
        elif letter == "t" and inside:
            assert inside.pop(0) == taken
            taken += 1
        assert (step.head, step.tail) == (taken, put)
        assert sorted(item for item in step.slots if item is not None) == inside


def test_a_counter_ends_the_aba_problem():
    assert broken_schedules(tagged=False) == ["01111110", "10111110"]
    assert broken_schedules(tagged=True) == []


@given(st.text(alphabet="01", max_size=12))
def test_no_schedule_breaks_the_pool_with_a_counter(schedule):
    last = pool_trace(schedule, tagged=True)[-1]
    assert not taken_twice(last)
    assert sorted([*last.free, *last.used[0], *last.used[1]]) == ["A", "B", "C"]
