"""The pipeline model against llvm-mca 19, closed forms, longest paths, and small event simulations.

llvm-mca is a second model, not the truth: it shows that latencies, pipes and widths are combined alike.
"""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgelib.errors import UnknownFigure, UnknownName
from edgelib.hardware.pipeline import (
    Core,
    Instruction,
    Operation,
    chain_throughput,
    chains,
    core,
    parse,
    required_chains,
    simulate,
    steady_cycles,
    timed_cores,
)

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "llvm_mca_19_chains.json").read_text())
CELLS = [
    (name, *key.split(" x"), cycles)
    for name, row in GOLDEN.items()
    for key, cycles in row.items()
    if " x" in key
]
# llvm-mca times these too, but the assembler refuses them for the core (LLVM 14, "instruction requires").
ABSENT = {
    "cortex-a53": {"fmla8h", "sdot", "smmla"},
    "cortex-a55": {"smmla"},
    "neoverse-n1": {"smmla"},
    "apple-m1": {"smmla"},
    "a64fx": {"sdot", "smmla"},
}


@pytest.mark.parametrize(("name", "op", "count", "cycles"), CELLS)
def test_chains_take_what_llvm_mca_says(name, op, count, cycles):
    """Its figure is total cycles over 1,000 rounds, so fill and drain add up to 0.007."""
    if op in ABSENT.get(name, ()):
        with pytest.raises(ValueError, match=f"{name} lacks"):
            chain_throughput(name, op, int(count))
        return
    assert chain_throughput(name, op, int(count)) == pytest.approx(cycles, abs=0.008)
    assert steady_cycles(chains(op, int(count)), name) / int(count) == pytest.approx(cycles, abs=0.008)


@pytest.mark.parametrize("name", GOLDEN)
def test_the_chapters_two_programs(name):
    dependent = "MLA v0, v1, v2\nMLA v0, v3, v4  // waits for v0"
    interleaved = "MLA v0, v1, v2\nMLA v5, v6, v7\nMLA v0, v3, v4\nMLA v5, v8, v9"
    row = GOLDEN[name]
    assert steady_cycles(dependent, name) / 2 == pytest.approx(row["mla dep(chapter)"], abs=0.008)
    assert steady_cycles(interleaved, name) / 4 == pytest.approx(row["mla 2 chains(chapter)"], abs=0.008)


def test_where_the_models_and_the_guides_differ():
    """The accumulator is forwarded on the chip, and llvm-mca 19's tables of N1 and N2 do not know it."""
    assert chain_throughput("neoverse-n1", "mla", 1) == 5 != chain_throughput("neoverse-n1-guide", "mla", 1)
    assert [chain_throughput("neoverse-n1-guide", "mla", n) for n in (1, 2)] == [2, 2]
    for op in ("fmla", "sdot", "smmla", "mla"):
        assert chain_throughput("neoverse-n2-guide", op, 1) < chain_throughput("neoverse-n2", op, 1)
        assert chain_throughput("neoverse-n2-guide", op, 16) == chain_throughput("neoverse-n2", op, 16)


def test_required_chains_of_the_guides():
    assert required_chains("cortex-a78", "fmla") == 2 * 2
    assert required_chains("cortex-a78", "sdot") == 1 * 2
    assert required_chains(core("cortex-a78").retimed("fmla", forward=None), "fmla") == 4 * 2
    assert required_chains("cortex-x3", "smmla") == 1 * 4
    assert required_chains("cortex-x3", "bfmmla") == 4 * 4
    assert required_chains("neoverse-n1-guide", "mla") == 1


OPERATIONS = st.builds(
    lambda latency, early, pipes, busy: Operation(
        "fmla",
        latency,
        tuple(f"P{k}" for k in range(pipes)),
        max(1, latency - early) if early else None,
        busy,
    ),
    st.integers(1, 10),
    st.integers(0, 6),
    st.integers(1, 4),
    st.integers(1, 3),
)


@settings(deadline=None)
@given(OPERATIONS, st.integers(1, 12), st.integers(1, 6), st.booleans())
def test_closed_form_is_the_limit_of_the_simulation(op, count, width, in_order):
    toy = Core("toy", width, {"fmla": op}, in_order=in_order)
    # 24 rounds hold whole periods of 1, 2, 3 and 4 pipes.
    simulated = steady_cycles(chains("fmla", count), toy, 24) / count
    assert simulated == pytest.approx(chain_throughput(toy, "fmla", count), abs=0.06 / count + 1e-9)


@settings(deadline=None)
@given(OPERATIONS, st.integers(1, 8), st.integers(1, 6), st.integers(1, 40))
def test_a_window_never_beats_littles_law(op, count, width, rob):
    toy = Core("toy", width, {"fmla": op}, rob=rob)
    simulated = steady_cycles(chains("fmla", count), toy, 24) / count
    bound = chain_throughput(toy, "fmla", count)
    once = op.latency / (48 * count)  # a window comes and goes at once: one too many in 48 rounds
    assert simulated >= bound - once - 1e-9
    if rob >= 2 * count * op.latency:
        assert simulated == pytest.approx(bound, abs=0.06 / count + 1e-9)


@pytest.mark.parametrize(("rob", "latency"), [(4, 8), (16, 40), (20, 25), (7, 21)])
def test_independent_loads_run_at_window_over_latency(rob, latency):
    """Nothing but the window limits: by Little's law one load per latency / rob cycles."""
    toy = Core("toy", 8, {"ldr": Operation("ldr", latency, ("L0", "L1", "L2"))}, rob=rob)
    loads = tuple(Instruction("ldr", f"v{k}", ("x0",)) for k in range(rob))
    assert steady_cycles(loads, toy, 12) / rob == pytest.approx(latency / rob)


NAMES = ("fmla", "add", "ldr")
PROGRAMS = st.lists(
    st.builds(
        lambda op, dest, a, b: Instruction(op, f"v{dest}", (f"v{a}", f"v{b}")),
        st.sampled_from(NAMES),
        *[st.integers(0, 5)] * 3,
    ),
    min_size=1,
    max_size=25,
)
TOY = {
    "fmla": Operation("fmla", 4, ("V0", "V1"), 2),
    "add": Operation("add", 1, ("V0", "I0")),
    "ldr": Operation("ldr", 5, ("L0",), busy=2),
}


def delays(program):
    """(consumer, producer, cycles between their starts), written down from the rules alone."""
    last, found = {}, []
    for k, one in enumerate(program):
        reads = set(one.sources) | ({one.dest} if one.op == "fmla" else set())
        for name in reads & set(last):
            made = program[last[name]]
            cycles = TOY[made.op].latency
            if one.op == made.op == "fmla" and name == one.dest and name not in one.sources:
                cycles = 2
            found.append((k, last[name], cycles))
        last[one.dest] = k
    return found


@given(PROGRAMS)
def test_without_limits_time_is_the_longest_path(program):
    wide = Core(
        "wide",
        100,
        {n: replace(op, pipes=tuple(f"{n}{k}" for k in range(60)), busy=1) for n, op in TOY.items()},
    )
    start = [0] * len(program)
    for consumer, producer, cycles in delays(program):
        start[consumer] = max(start[consumer], start[producer] + cycles)
    line = simulate(program, wide)
    assert list(line.issue) == start
    assert line.cycles == max(s + TOY[i.op].latency for s, i in zip(start, program, strict=True))


@given(PROGRAMS, st.integers(1, 4), st.integers(1, 12), st.booleans())
def test_a_timeline_keeps_every_rule(program, width, rob, in_order):
    line = simulate(program, Core("toy", width, TOY, rob=rob, in_order=in_order))
    for consumer, producer, cycles in delays(program):
        assert line.issue[consumer] >= line.issue[producer] + cycles
    assert all(d <= i for d, i in zip(line.dispatch, line.issue, strict=True))
    assert list(line.dispatch) == sorted(line.dispatch)
    assert max(np.bincount(line.dispatch)) <= width
    taken = set()
    for one, pipe, start in zip(program, line.pipe, line.issue, strict=True):
        assert pipe in TOY[one.op].pipes
        slots = {(pipe, start + c) for c in range(TOY[one.op].busy)}
        assert not slots & taken
        taken |= slots
    if in_order:
        assert list(line.issue) == sorted(line.issue)
        assert max(np.bincount(line.issue)) <= width
    else:  # an entry leaves when it and all before it are ready
        leaves = np.maximum.accumulate(line.ready)
        for k, entry in enumerate(line.dispatch):
            assert k - int((leaves[:k] <= entry).sum()) < rob
    assert line.ipc == pytest.approx(len(program) / max(line.ready))


def test_reasons_for_waiting():
    line = simulate("fmla v0, v1, v2\nfmla v0, v3, v4\nadd x1, x2\nfmla v5, v0, v6", "cortex-a78")
    assert line.issue == (0, 2, 0, 6)  # 2: forwarded to the accumulator; 6: read as a factor
    assert line.stall == ("", "operand v0", "", "operand v0")
    assert line.forwarded == (False, True, False, False)
    other = simulate("sdot v0, v1, v2\nfmla v0, v3, v4\nsdot v0, v1, v2", "cortex-a78")
    assert other.issue == (0, 2, 6)  # another operation's sum is not forwarded
    three = simulate("sdot v0, v30, v31\nsdot v1, v30, v31\nsdot v2, v30, v31", "cortex-a78")
    assert three.issue == (0, 0, 1) and three.stall[2] == "pipe"
    wide = simulate([Instruction("add", f"x{k}", ()) for k in range(12)], core("cortex-a78").having(width=2))
    assert wide.stall[-1] == "front end" and wide.issue[-1] == 5
    full = simulate(
        [Instruction("ldr", f"v{k}", ("x0",)) for k in range(6)], core("cortex-a78").having(rob=3)
    )
    assert full.stall[3:] == ("window full",) * 3 and full.issue == (0, 0, 0, 5, 5, 5)
    queue = simulate("fmla v0, v1, v2\nfmla v0, v1, v2\nfmla v3, v1, v2", "cortex-a55")
    assert queue.issue == (0, 4, 4) and queue.stall[2] == "order"


def test_the_program_is_read_as_arm_writes_it():
    text = (
        "FMLA v0.8h, v1.8h, v2.h[0] // half\nldr q3, [x0, #16]; str q3, [x10]\nsubs x0, x0, #0x10\nb.ne loop"
    )
    ops = [(i.op, i.dest, i.sources) for i in parse(text)]
    assert ops == [
        ("fmla8h", "v0", ("v1", "v2")),
        ("ldr", "v3", ("x0",)),
        ("str", "", ("v3", "x10")),
        ("add", "x0", ("x0",)),
        ("b", "", ()),
    ]
    assert simulate(text, "cortex-a78").issue[2] == 5  # the store waits for the load


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: core("cortex-a79"), UnknownName, "did you mean"),
        (lambda: core("cortex-x2"), UnknownFigure, "unpublished"),
        (lambda: chain_throughput("cortex-a78", "smmla", 4), ValueError, "lacks i8mm"),
        (lambda: chain_throughput("cortex-a78", "mla", 4), UnknownFigure, "timing of mla"),
        (lambda: chain_throughput("cortex-a78", "fmal", 4), UnknownName, "did you mean fmla"),
        (lambda: chain_throughput("cortex-a78", "fmla", 0), ValueError, "chains = 0"),
        (lambda: simulate("", "cortex-a78"), ValueError, "at least one instruction"),
        (lambda: simulate("ldr q0, [x0], #16", "cortex-a78"), ValueError, "no address update"),
        (lambda: simulate("mla", "neoverse-n1"), ValueError, "expected a mnemonic and registers"),
        (lambda: simulate("mla v0, v1, v2", "neoverse-n1", 0), ValueError, "iterations = 0"),
        (lambda: chains("mla", 31), ValueError, "at most 30"),
        (lambda: Operation("mla", 4, ("V0", "V0")), ValueError, "distinct"),
        (lambda: Operation("mla", 4, ("V0",), forward=5), ValueError, "at most the latency"),
        (lambda: Core("toy", 0, {}), ValueError, "width = 0"),
    ],
)
def test_bad_input_says_what_is_accepted(call, error, words):
    with pytest.raises(error, match=words):
        call()


def test_every_timed_core_runs_its_operations():
    for name in timed_cores():
        unit = core(name)
        for op in unit.operations:
            assert simulate([Instruction(op, "v0", ("v1", "v2"))], unit).cycles == unit.operation(op).latency
