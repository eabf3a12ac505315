r"""Does a repaired kernel compute what numpy computes, and where is it first wrong?

    bench("gemm", TASKS["gemm"].printed)

Two loops of the chapter, as it prints them, each with what it is to compute. The bench says which packets no
Hexagon accepts; if all are legal, it runs the program and compares each lane that it stores with numpy's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgelib.errors import choice
from edgelib.hardware.vliw.gemm_loop import gemm_program, machine_with, operands, stored
from edgelib.hardware.vliw.rules import check_packet
from edgelib.isa.hexagon_machine import Machine

Lanes = NDArray[Any]
SEEDS = (0, 1)  # two sets of operands: nothing is right by accident
LIMIT = 2000  # packets; the longest sensible program needs fewer than 100
SHOWN = 5
UNTOUCHED = {  # every byte of what nobody has written
    0x5A: "what lay in memory before: nothing was stored here",
    0x01: "what a vector register held before: nothing was computed into it",
}
OLD, REGISTER = UNTOUCHED
_VECTORS, _X, _Y = 8, 0, 2048


@dataclass(frozen=True)
class Task:
    """A kernel to repair.

    goal : what it computes, and where its registers point at the start.   printed : the chapter's text.
    machine : a machine with the operands of a seed, and what numpy makes of them.
    result : the lanes that the program has stored, in the order of numpy's.
    """

    goal: str
    printed: str
    machine: Callable[[int], tuple[Machine, Lanes]]
    result: Callable[[Machine], Lanes]


def _gemm(seed: int) -> tuple[Machine, Lanes]:
    a, b = operands(16, seed)
    return machine_with(a, b), a.astype(np.int32) @ b.astype(np.int32)


def _pairs(seed: int) -> tuple[Machine, Lanes]:
    rng = np.random.default_rng(seed)
    x = rng.integers(0, 256, 128 * _VECTORS, dtype=np.uint8)
    w = rng.integers(-64, 64, 4, dtype=np.int8)
    machine = Machine(4096)
    machine.memory[:], machine.v[:] = OLD, REGISTER
    machine.memory[_X : _X + x.size] = x
    machine.r[0], machine.r[1], machine.r[2] = _X, w.view(np.uint32)[0], _Y
    exact = (x.reshape(-1, 2, 2).astype(np.int32) * w.reshape(2, 2)).sum(axis=-1).ravel()
    return machine, exact


def _pair_sums(machine: Machine) -> Lanes:
    return machine.memory[_Y : _Y + 128 * _VECTORS].view(np.int16).copy()


TASKS = {
    "gemm": Task(
        "32 sums A b, one a lane: r0 at A, four columns a vector; r2 at b, four bytes a word; stored at r3",
        gemm_program([]),
        _gemm,
        stored,
    ),
    "dual": Task(
        "sums of two products: r0 at 8 vectors of bytes; r1 holds four weights, the first two for even "
        "lanes, the last two for odd ones; stored at r2, 16 bits a lane",
        "loop0(.Lloop_start,#8)\n.Lloop_start:\n  v0=vmem(r0++#128)\n  v1.h=vdmpy(v0.ub,r1.b)\n"
        "  vmem(r2++#128)=v1\n:endloop0",
        _pairs,
        _pair_sums,
    ),
}


@dataclass(frozen=True, repr=False)
class Report:
    """What the bench found.

    state : "refused" (no Hexagon accepts a packet), "stopped" (it never ends, or leaves the memory),
    "wrong" or "right".   text : why, for a reader.   first_wrong : the first lane that differs.
    """

    state: str
    text: str
    first_wrong: int | None = None

    def __repr__(self) -> str:
        return self.text


def bench(task: str, program: str) -> Report:
    """Judge a program for one of `TASKS`.

    Raises
    ------
    UnknownName : another task.   ValueError : a program that is no text, or has no instruction.
    """
    kernel = TASKS[choice("task", task, TASKS)]
    verdict = check_packet(program)
    if not verdict.legal:
        return Report("refused", "Refused:\n" + "\n".join(f"  {reason}" for reason in verdict.reasons))
    packets = 0
    for seed in SEEDS:
        machine, exact = kernel.machine(seed)
        try:
            packets = machine.run(program, LIMIT).packets
        except ValueError as error:
            return Report("stopped", f"Legal, but it stops: {error}")
        found = kernel.result(machine)
        wrong = np.flatnonzero(found != exact)
        if wrong.size:
            return _wrong(found, exact, wrong)
    return Report("right", f"Right: {exact.size} of {exact.size} lanes are numpy's, in {packets} packets.")


def _wrong(found: Lanes, exact: Lanes, wrong: Lanes) -> Report:
    first = int(wrong[0])
    lanes = range(min(first, exact.size - SHOWN), min(exact.size, first + SHOWN))
    rows = {"lane": [*lanes], "numpy": exact[lanes].tolist(), "yours": found[lanes].tolist()}
    table = "\n".join(f"  {name:<6}" + "".join(f"{v:>12,}" for v in row) for name, row in rows.items())
    head = f"Legal, and wrong in {wrong.size} of {exact.size} lanes, first in lane {first}:"
    held = {int(byte) for byte in found[first : first + 1].view(np.uint8)}
    note = UNTOUCHED.get(held.pop(), "") if len(held) == 1 else ""
    return Report("wrong", f"{head}\n{table}" + (f"\n  ({note})" if note else ""), first)
