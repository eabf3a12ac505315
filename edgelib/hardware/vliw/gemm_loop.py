r"""What is wrong with the chapter's GEMM packet, and when does it compute a product?

The loop is to compute a column of $C = A B$: 32 rows, $c_l = \sum_k a_{l,k} b_k$ with a uint8 and b int8.
A lies in memory in blocks of four columns, 32 rows a vector, so that one `vrmpy` adds four products to each
of the 32 sums. Five repairs turn the printed packet into one that does; each leaves the others to be done.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgelib.errors import choice, integer
from edgelib.hardware.vliw.rules import Verdict, check_packet
from edgelib.isa.hexagon_machine import Machine

ROWS, BLOCK = 32, 4
REPAIRS = {
    "step": "v0=vmem(r0++#128): the count is in vectors, so one step is #1",
    "one-load": "v1=vmem(...): a second vector load; a packet has room for one",
    "cur": "v0 is loaded and multiplied in one packet: without .cur the old v0 is multiplied",
    "operand": "r1 is multiplied and nothing ever loads it; r1=memw(r2++#4) does",
    "store": "v3 is stored and nothing computes it; the sums are in v2, complete after the loop",
}
_A, _B, _C, _OLD = 0, 16384, 20480, 0x5A


@dataclass(frozen=True)
class Trial:
    """What became of a program that is to compute A b.

    verdict : of its packets.   result, exact : int32[32], what the machine stored at r3, and A b; result is
    None if a packet is not legal, because then no Hexagon runs it.
    """

    program: str
    verdict: Verdict
    result: NDArray[np.int32] | None
    exact: NDArray[np.int32]

    @property
    def max_error(self) -> int | None:
        """Largest error of the 32 sums; None if there is no result."""
        return None if self.result is None else int(abs(self.result.astype(np.int64) - self.exact).max())


def gemm_packet(repairs: Iterable[str]) -> str:
    """The chapter's packet with some of `REPAIRS` made."""
    done = {choice("repairs", repair, REPAIRS) for repair in repairs}
    one = "#1" if "step" in done else "#128"
    lines = [
        f"v0{'.cur' * ('cur' in done)}=vmem(r0++{one})",
        "v2.w+=vrmpy(v0.ub,r1.b)",
    ]
    if "operand" in done:
        lines.append("r1=memw(r2++#4)")
    if "one-load" not in done:
        lines.append(f"v1=vmem(r2++{one})")
    if "store" not in done:
        lines.append(f"if (p0) vmem(r3++{one})=v3")
    return "{ " + "\n  ".join(lines) + " }"


def gemm_program(repairs: Iterable[str], depth: int = 16) -> str:
    """The packet as a loop over `depth` columns of A, with what has to stand before and after it.

    The first word of b is loaded before the loop: the packet multiplies by the old r1 and loads the next.
    """
    done = set(repairs)
    trips = integer("depth", depth, BLOCK) // BLOCK
    setup = f"{{ loop0(.L,#{trips})\n  r1=memw(r2++#4)\n  v2=vxor(v2,v2)\n  p0=cmp.eq(r0,r0) }}"
    end = "\n{ vmem(r3+#0)=v2 }" if "store" in done else ""
    return f"{setup}\n.L:\n{gemm_packet(done)}:endloop0{end}"


def operands(depth: int = 16, seed: int = 0) -> tuple[NDArray[np.uint8], NDArray[np.int8]]:
    """A uint8[32, depth] and b int8[depth], random."""
    if integer("depth", depth, BLOCK) % BLOCK:
        raise ValueError(f"depth = {depth}: expected a multiple of {BLOCK}")
    rng = np.random.default_rng(seed)
    return rng.integers(0, 16, (ROWS, depth), dtype=np.uint8), rng.integers(-8, 8, depth, dtype=np.int8)


def judge(program: str, depth: int = 16, seed: int = 0) -> Trial:
    """Check every packet of a program; if all are legal, run it on random A and b and compare with numpy.

    Finds r0 at A, r2 at b and r3 where the sums belong.

    Raises
    ------
    ValueError : a depth that is no multiple of 4; a program that never ends or leaves the memory.
    """
    a, b = operands(depth, seed)
    exact = (a.astype(np.int32) @ b.astype(np.int32)).astype(np.int32)
    verdict = check_packet(program)
    return Trial(program, verdict, run(program, a, b) if verdict.legal else None, exact)


def attempt(repairs: Iterable[str], depth: int = 16, seed: int = 0) -> Trial:
    """The chapter's loop with these repairs, judged."""
    return judge(gemm_program(list(repairs), depth), depth, seed)


def run(program: str, a: NDArray[np.uint8], b: NDArray[np.int8]) -> NDArray[np.int32]:
    """Execute a loop on A (uint8[32, depth], r0), b (int8[depth], r2) and return what lies at r3, int32[32].

    Registers and the result's place hold old values, as they would.
    """
    machine = machine_with(a, b)
    machine.run(program)
    return stored(machine)


def machine_with(a: NDArray[np.uint8], b: NDArray[np.int8]) -> Machine:
    """A machine that finds A at r0, b at r2 and room for the sums at r3."""
    depth = a.shape[1]
    machine = Machine(32768)
    machine.memory[:] = _OLD
    machine.v[:] = 1
    blocks = a.reshape(ROWS, depth // BLOCK, BLOCK).transpose(1, 0, 2)
    machine.memory[_A : _A + a.size] = blocks.ravel()
    machine.memory[_B : _B + depth] = b.view(np.uint8)
    machine.r[0], machine.r[2], machine.r[3] = _A, _B, _C
    return machine


def stored(machine: Machine) -> NDArray[np.int32]:
    """What lies where the sums belong, int32[32]."""
    return machine.memory[_C : _C + 4 * ROWS].view(np.int32).copy()
