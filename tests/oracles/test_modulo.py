"""Modulo schedules against their own rules, against exhaustive search, and against figures by hand."""

from itertools import product
from math import ceil

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgelib.errors import UnknownFigure, UnknownName
from edgelib.hardware.pipeline import Core, Instruction, Operation, core, steady_cycles
from edgelib.hardware.pipeline.modulo import Edge, Loop, Node, rec_mii, res_mii, schedule
from edgelib.hardware.pipeline.unroll import dot_loop, lifetimes, registers, unroll


@st.composite
def loops(draw, most=6, slowest=5):
    """Random loops without a cycle inside one iteration."""
    count = draw(st.integers(1, most))
    nodes = tuple(Node(f"n{k}", draw(st.sampled_from("LV"))) for k in range(count))
    edges = []
    for _ in range(draw(st.integers(0, 2 * count))):
        i, j = draw(st.integers(0, count - 1)), draw(st.integers(0, count - 1))
        back = 0 if i < j else draw(st.integers(1, 3))
        edges.append(Edge(f"n{i}", f"n{j}", draw(st.integers(0, slowest)), back))
    units = {"L": draw(st.integers(1, 3)), "V": draw(st.integers(1, 2))}
    return Loop(nodes, tuple(edges), units, draw(st.sampled_from([None, 1, 2, 4])))


def allowed(loop, times, ii):
    """Whether these start times may repeat every `ii` cycles: the definition, nothing else."""
    at = dict(zip((node.name for node in loop.nodes), times, strict=True))
    if any(at[e.to] + ii * e.distance < at[e.start] + e.latency for e in loop.edges):
        return False
    for row in range(ii):
        here = [node.resource for node in loop.nodes if at[node.name] % ii == row]
        if any(here.count(r) > n for r, n in loop.units.items()):
            return False
        if loop.width is not None and len(here) > loop.width:
            return False
    return True


@settings(deadline=None)
@given(loops(most=12))
def test_a_schedule_keeps_dependences_and_resources(loop):
    found = schedule(loop)
    times = [found.time[node.name] for node in loop.nodes]
    assert allowed(loop, times, found.ii)
    assert 0 <= min(times) < found.ii
    assert found.ii >= max(res_mii(loop), rec_mii(loop))
    assert found.stages == max(times) // found.ii + 1


@settings(deadline=None, max_examples=200)
@given(loops(most=3, slowest=3))
def test_the_interval_is_the_least_of_all(loop):
    """For every shorter interval, every combination of start times.

    In order of time, a gap of more than the longest latency plus ii between one start and the next can be
    closed by ii, and nothing breaks. So the last of n starts lies below ii + (n - 1) (latency + ii).
    """
    count = len(loop.nodes)
    for ii in range(1, schedule(loop).ii):
        horizon = range(ii + (count - 1) * (3 + ii))
        assert not any(allowed(loop, times, ii) for times in product(horizon, repeat=count))


def test_the_bounds_can_both_be_missed():
    """A loop whose least interval is above both bounds: two uses of one unit exactly ii apart collide."""
    loop = Loop(
        (Node("a", "V"), Node("b", "V"), Node("c", "L")),
        (Edge("a", "b", 2), Edge("b", "a", 0, 1)),
        {"V": 1, "L": 1},
    )
    assert (res_mii(loop), rec_mii(loop)) == (2, 2)
    assert schedule(loop).ii == 3
    with pytest.raises(ValueError, match="ii = 2: no schedule"):
        schedule(loop, 2)
    assert schedule(loop, 5).ii == 5


def test_figures_by_hand():
    """Two loads, one FMLA, 2 pointers, counter, branch: 7 instructions; 3 load pipes, 2 SIMD, 6 wide."""
    loop = dot_loop("cortex-a78", "fmla")
    assert (res_mii(loop), rec_mii(loop)) == (2, 2)  # 7 / 6; forwarding 2 / distance 1
    per = {u: schedule(unroll(loop, u)).ii / u for u in (1, 2, 3, 4, 6)}
    assert per == {u: max(ceil((3 * u + 4) / 6), ceil(2 * u / 3), 2) / u for u in per}
    one_by_one = core("cortex-a78").retimed("fmla", forward=None)
    assert rec_mii(dot_loop(one_by_one, "fmla")) == 4


@pytest.mark.parametrize("factor", [1, 2, 3, 4])
@pytest.mark.parametrize("op", ["fmla", "sdot"])
def test_the_pipeline_reaches_the_interval(op, factor):
    """An out-of-order core with a large window finds the same interval by itself."""
    text = []
    for c in range(factor):
        text += [
            Instruction("ldr", f"v{10 + c}", ("x0",)),
            Instruction("ldr", f"v{20 + c}", ("x1",)),
            Instruction(op, f"v{c}", (f"v{10 + c}", f"v{20 + c}")),
        ]
    text += [Instruction("add", x, (x,)) for x in ("x0", "x1", "x2")] + [Instruction("b", "", ("x2",))]
    unit = core("cortex-a78")
    found = schedule(unroll(dot_loop(unit, op), factor))
    rate = steady_cycles(text, unit)
    # The window may alternate between intervals, so it can be faster than a whole number of cycles.
    assert found.ii - 1 < rate <= found.ii


@settings(deadline=None)
@given(loops(most=8))
def test_registers_cover_every_live_value(loop):
    """Written out: instances of each value over many iterations, cycle by cycle."""
    found = schedule(loop)
    need = registers(found)
    lives = lifetimes(found)
    start, rounds = 40, 60
    alive = [
        sum(
            t + found.ii * m <= cycle < t + found.ii * m + lives[name]
            for name, t in found.time.items()
            for m in range(rounds)
        )
        for cycle in range(start * found.ii, (start + 1) * found.ii)
    ]
    assert need.max_live == max(alive) <= need.named
    for _name, length in lives.items():  # no value is overwritten within `copies` kernels
        assert ceil(length / found.ii) <= need.copies


def test_unrolling_keeps_the_dependences():
    loop = Loop(
        (Node("a", "V"), Node("b", "V"), Node("i", "V", overhead=True)),
        (Edge("a", "b", 2, 1), Edge("b", "b", 3, 1, splits=True), Edge("i", "a", 1, 1)),
        {"V": 2},
    )
    edges = {(e.start, e.to, e.distance) for e in unroll(loop, 2).edges}
    assert edges == {
        ("a.0", "b.1", 0),
        ("a.1", "b.0", 1),
        ("b.0", "b.0", 1),
        ("b.1", "b.1", 1),
        ("i", "a.0", 1),
        ("i", "a.1", 1),
    }
    assert [n.name for n in unroll(loop, 2).nodes] == ["a.0", "b.0", "a.1", "b.1", "i"]
    assert rec_mii(unroll(loop, 4)) == 3


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: Loop((), (), {"V": 1}), ValueError, "at least one"),
        (lambda: Loop((Node("a", "V"), Node("a", "V")), (), {"V": 1}), ValueError, "distinct"),
        (lambda: Loop((Node("a", "W"),), (), {"V": 1}), UnknownName, "resource of a"),
        (lambda: Loop((Node("a", "V"),), (Edge("a", "b", 1),), {"V": 1}), UnknownName, "edge.to"),
        (lambda: Loop((Node("a", "V"),), (Edge("a", "a", 1),), {"V": 1}), ValueError, "distance 0"),
        (lambda: Loop((Node("a", "V"),), (), {"V": 0}), ValueError, "units of V = 0"),
        (lambda: unroll(dot_loop("cortex-a78"), 0), ValueError, "factor = 0"),
        (lambda: dot_loop("cortex-a78", "fml"), UnknownName, "did you mean"),
        (lambda: dot_loop("cortex-a78", "mla"), UnknownFigure, "unpublished"),
        (lambda: schedule(dot_loop("cortex-a78"), 1), ValueError, "the bounds are 2 and 2"),
    ],
)
def test_bad_input_says_what_is_accepted(call, error, words):
    with pytest.raises(error, match=words):
        call()


def test_a_toy_core_can_be_scheduled_too():
    ops = {n: Operation(n, 1, ("P",)) for n in ("fmla", "ldr", "add", "b")}
    assert schedule(dot_loop(Core("toy", 1, ops))).ii == 7
