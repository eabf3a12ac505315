"""What can a core start in one cycle, and when is a result ready? Width, window, pipes, latencies.

The model: each cycle at most `width` instructions enter a window of `rob` entries, in order. An instruction
waits there until its operands are ready and one of its pipes is free, then occupies the pipe for `busy`
cycles. Its result is ready `latency` cycles after it started. A multiply-accumulate forwards its sum to the
accumulator of the same operation earlier, after `forward` cycles: Arm's guides write "4 (2)".
Entries leave the window in order, when their results are ready.

What it leaves out: caches and misses (a load takes its latency), branch mispredictions, memory order,
separate issue queues per pipe, limits of the register file, and writeback conflicts. It answers questions
about loops that run from the L1 cache; it is not a cycle-accurate simulator.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import ceil
from types import MappingProxyType
from typing import Any

from edgelib.errors import UnknownFigure, choice, integer
from edgelib.hardware.microarchitecture import NEEDS, core_names, executes, figure, has, operations, words

ACCUMULATES = frozenset({"mla", "fmla", "fmla8h", "sdot", "smmla", "bfmmla"})


@dataclass(frozen=True)
class Operation:
    """How one instruction runs: latency and forward in cycles, pipes by name, busy = cycles per pipe."""

    name: str
    latency: int
    pipes: tuple[str, ...]
    forward: int | None = None
    busy: int = 1

    def __post_init__(self) -> None:
        integer(f"latency of {self.name}", self.latency, at_least=1)
        integer(f"busy of {self.name}", self.busy, at_least=1)
        if self.forward is not None:
            integer(f"forward of {self.name}", self.forward, at_least=1)
            if self.forward > self.latency:
                raise ValueError(
                    f"forward = {self.forward!r} of {self.name}: expected at most the latency, {self.latency}"
                )
        if not self.pipes or len(set(self.pipes)) != len(self.pipes):
            raise ValueError(f"pipes = {self.pipes!r} of {self.name}: expected distinct names, at least one")

    @property
    def accumulates(self) -> bool:
        """Whether it reads its destination: a += b * c."""
        return self.name in ACCUMULATES

    @property
    def chain_latency(self) -> int:
        """Cycles from one link of an accumulation to the next."""
        return self.latency if self.forward is None else self.forward


@dataclass(frozen=True, eq=False)
class Core:
    """width : instructions per cycle into the window.   rob : entries of the window, None for no limit.

    in_order : instructions start in program order (and need no window).
    """

    name: str
    width: int
    operations: Mapping[str, Operation]
    rob: int | None = None
    in_order: bool = False

    def __post_init__(self) -> None:
        integer("width", self.width, at_least=1)
        if self.rob is not None:
            integer("rob", self.rob, at_least=1)
        object.__setattr__(self, "operations", MappingProxyType(dict(self.operations)))

    def operation(self, op: str) -> Operation:
        """The operation called `op`.

        Raises
        ------
        ValueError : this core does not have the instruction.
        UnknownFigure : it has it, and its timing is unpublished.
        """
        if op in self.operations:
            return self.operations[op]
        if op not in ACCUMULATES:
            choice("op", op, self.operations)
        if self.name in core_names() and not executes(self.name, op):
            raise ValueError(f"op = {op!r}: {self.name} lacks {NEEDS[op]}, expected an op that it executes")
        known = ", ".join(self.operations)
        raise UnknownFigure(f"timing of {op} on {self.name} is unpublished; known: {known}")

    def having(self, **changed: Any) -> Core:
        """This core with another width, rob or in_order, or other operations: `core.having(rob=32)`."""
        return replace(self, **changed)

    def retimed(self, op: str, **changed: Any) -> Core:
        """This core with one operation changed: `core.retimed("fmla", latency=3, forward=None)`."""
        new = replace(self.operation(op), **changed)
        return replace(self, operations={**self.operations, op: new})


def core(name: str) -> Core:
    """A core of the catalogue, ready to simulate.

    Names: "cortex-a78", "cortex-x3", "cortex-x4" (Arm's guides), "neoverse-n1-guide", "neoverse-n2-guide"
    (parts of Arm's guides as others transcribed them), and the models of llvm-mca 19: "cortex-a53",
    "cortex-a55", "cortex-a510", "neoverse-n1", "neoverse-n2", "apple-m1" (Apple's core of 2013), "a64fx".

    Raises
    ------
    UnknownName : not in the catalogue.
    UnknownFigure : its latencies are unpublished (Cortex-X1, X2).
    """
    names = operations(name)
    if not names:
        raise UnknownFigure(f"latencies of {name} are unpublished; timed cores: {', '.join(timed_cores())}")
    timed = {}
    for op in names:
        timed[op] = Operation(
            name=op,
            latency=int(figure(name, f"latency.{op}").value),
            pipes=words(name, f"pipes.{op}"),
            forward=int(figure(name, f"forward.{op}").value) if has(name, f"forward.{op}") else None,
            busy=int(figure(name, f"busy.{op}").value) if has(name, f"busy.{op}") else 1,
        )
    return Core(
        name=name,
        width=int(figure(name, "dispatch_width").value),
        operations=timed,
        rob=int(figure(name, "rob").value) if has(name, "rob") else None,
        in_order=has(name, "order"),
    )


def timed_cores() -> tuple[str, ...]:
    """Names of the cores that can be simulated."""
    return tuple(name for name in core_names() if operations(name))


def as_core(value: Core | str) -> Core:
    """A Core, or the one of that name."""
    return value if isinstance(value, Core) else core(value)


def required_chains(core: Core | str, op: str) -> int:
    r"""Independent accumulations that keep all pipes busy, $\lceil latency \cdot pipes / busy \rceil$.

    The latency is that of the accumulator where it is forwarded: Cortex-A78 needs 4 chains of FMLA, not 8.
    """
    timing = as_core(core).operation(op)
    return ceil(timing.chain_latency * len(timing.pipes) / timing.busy)


def chain_throughput(core: Core | str, op: str, chains: int) -> float:
    r"""Cycles per instruction of `chains` interleaved accumulations, in the long run.

    $\max(\text{latency} / chains,\; \text{busy} / pipes,\; 1 / width,\; \text{full latency} / rob)$

    The first is the dependence, the second the pipes, the third the front end; the last is Little's law
    for a window of `rob` entries (a bound: exact when the window holds the chains several times over).

    Raises
    ------
    ValueError : chains < 1, or an instruction that the core lacks.   UnknownFigure : timing unpublished.
    """
    unit = as_core(core)
    chains = integer("chains", chains, at_least=1)
    timing = unit.operation(op)
    bounds = [timing.chain_latency / chains, timing.busy / len(timing.pipes), 1 / unit.width]
    if unit.rob is not None and not unit.in_order:
        bounds.append(timing.latency / unit.rob)
    return max(bounds)
