"""What does unrolling buy, and what does it cost in registers? Copies of a loop, and lifetimes of values."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

from edgelib.errors import choice, integer
from edgelib.hardware.pipeline.core import ACCUMULATES, Core, as_core
from edgelib.hardware.pipeline.modulo import Edge, Loop, Node, Schedule


def unroll(loop: Loop, factor: int) -> Loop:
    """`factor` copies of the body, named "mac.0", "mac.1", ...; overhead stays single.

    An edge of distance d leads from copy c to copy (c + d) mod factor, (c + d) div factor passes later; a
    sum that may be split stays within its copy.
    """
    factor = integer("factor", factor, at_least=1)
    single = {node.name for node in loop.nodes if node.overhead}
    nodes = [
        Node(f"{node.name}.{c}", node.resource, node.writes)
        for c in range(factor)
        for node in loop.nodes
        if not node.overhead
    ]
    nodes += [node for node in loop.nodes if node.overhead]
    edges = []
    for edge in loop.edges:
        if edge.start in single and edge.to in single:
            edges.append(edge)
            continue
        for c in range(factor):
            if edge.start in single or edge.to in single:
                start = edge.start if edge.start in single else f"{edge.start}.{c}"
                to = edge.to if edge.to in single else f"{edge.to}.{c}"
                edges.append(Edge(start, to, edge.latency, edge.distance))
            elif edge.splits:
                edges.append(Edge(f"{edge.start}.{c}", f"{edge.to}.{c}", edge.latency, edge.distance, True))
            else:
                passes, copy = divmod(c + edge.distance, factor)
                edges.append(Edge(f"{edge.start}.{c}", f"{edge.to}.{copy}", edge.latency, passes))
    return Loop(tuple(nodes), tuple(edges), loop.units, loop.width)


def dot_loop(core: Core | str, op: str = "fmla") -> Loop:
    """A dot product: two loads, one multiply-accumulate, two pointers, a counter and a branch per iteration.

    It needs the timing of "ldr", "add" and "b" besides that of `op`.
    """
    unit = as_core(core)
    mac, load, add, branch = (
        unit.operation(name) for name in (choice("op", op, ACCUMULATES), "ldr", "add", "b")
    )
    nodes = (
        Node("ldr a", "L"),
        Node("ldr b", "L"),
        Node(op, "V"),
        Node("add pa", "I", writes=False, overhead=True),
        Node("add pb", "I", writes=False, overhead=True),
        Node("subs", "I", writes=False, overhead=True),
        Node("b.ne", "B", writes=False, overhead=True),
    )
    edges = (
        Edge("ldr a", op, load.latency),
        Edge("ldr b", op, load.latency),
        Edge(op, op, mac.chain_latency, 1, splits=True),
        *(Edge(pointer, pointer, add.latency, 1) for pointer in ("add pa", "add pb", "subs")),
        Edge("add pa", "ldr a", add.latency, 1),
        Edge("add pb", "ldr b", add.latency, 1),
        Edge("subs", "b.ne", add.latency),
    )
    units = {"L": len(load.pipes), "V": len(mac.pipes), "I": len(add.pipes), "B": len(branch.pipes)}
    return Loop(nodes, edges, units, unit.width)


@dataclass(frozen=True)
class Registers:
    """Vector registers that a schedule needs.

    max_live : values alive at once, the least that any assignment needs.
    copies : kernels in a row with different names, so that no value is overwritten while it lives.
    named : registers with those copies, on a machine whose instructions name fixed registers (as NEON).
    """

    max_live: int
    copies: int
    named: int


def lifetimes(found: Schedule) -> dict[str, int]:
    """Cycles from the start of the writer to the start of its last reader, at least 1, by value."""
    lives = {}
    for node in found.loop.nodes:
        if node.writes:
            ends = [
                found.time[e.to] + found.ii * e.distance for e in found.loop.edges if e.start == node.name
            ]
            lives[node.name] = max([1, *(end - found.time[node.name] for end in ends)])
    return lives


def registers(found: Schedule) -> Registers:
    r"""Registers by Lam's modulo variable expansion.

    A value that lives $l$ cycles has $\lceil l / II \rceil$ instances under way; the kernel is copied as
    often as the longest needs, and each value takes the least divisor of that number that suffices.
    """
    lives = lifetimes(found)
    live = [0] * found.ii
    for name, length in lives.items():
        for cycle in range(length):
            live[(found.time[name] + cycle) % found.ii] += 1
    needs = [ceil(length / found.ii) for length in lives.values()]
    copies = max(needs, default=1)
    divisors = [d for d in range(1, copies + 1) if copies % d == 0]
    named = sum(next(d for d in divisors if d >= need) for need in needs)
    return Registers(max(live), copies, named)
