"""How many registers does a matrix tile take, and whose are they? AArch64's files and the rules of a call.

Roles: Procedure Call Standard for the Arm 64-bit Architecture (AAPCS64, github.com/ARM-software/abi-aa),
section "Machine Registers", table 2 and the text after it; read there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil

from edgelib.errors import choice, integer

VECTOR_REGISTERS = 32  # V0 to V31, 128 bits each (AAPCS64, "SIMD and Floating-Point Registers")
GENERAL_REGISTERS = 31  # X0 to X30, 64 bits each, besides SP (AAPCS64, "General-purpose Registers")
VECTOR_B = 16


@dataclass(frozen=True)
class Role:
    """What a register is for.

    saved_by : "caller" (a call may change it), "callee" (a function restores it), "nobody".
    text : what it is for.   trap : what goes wrong when one does not know.
    """

    name: str
    saved_by: str
    text: str
    trap: str = ""


_ARGUMENT = Role("argument", "caller", "arguments and results")
_INDIRECT = Role(
    "indirect result",
    "caller",
    "address of a result that is returned in memory",
    "a function that returns a large structure finds its address here: it is no plain temporary at a call",
)
_TEMPORARY = Role("temporary", "caller", "free between calls")
_VENEER = Role(
    "veneer scratch",
    "caller",
    "IP0 and IP1: the linker's veneers and the PLT may change them at any call",
    "a value kept here across a plain `bl` can be gone: the linker may insert code that uses it",
)
_PLATFORM = Role(
    "platform",
    "nobody",
    "the platform's register, if it wants one; a temporary otherwise",
    "Android keeps the shadow call stack here, Apple and Windows reserve it: restoring it is not enough",
)
_SAVED = Role("callee-saved", "callee", "restored before return")
_FRAME = Role("frame pointer", "callee", "address of the frame record")
_LINK = Role("link", "caller", "return address", "every `bl` overwrites it: save it before a call")

_V_ARGUMENT = Role("argument", "caller", "arguments and results")
_V_HALF = Role(
    "callee-saved (low half)",
    "callee",
    "bits 0 to 63 restored before return; the upper 64 bits are lost at any call",
    "a kernel that uses V8 to V15 must save D8 to D15, and a caller cannot keep 128 bits in them",
)
_V_TEMPORARY = Role("temporary", "caller", "free between calls")

ROLE_NAMES = (
    "argument",
    "indirect result",
    "temporary",
    "veneer scratch",
    "platform",
    "callee-saved",
    "frame pointer",
    "link",
)


def role(register: str) -> Role:
    """The role of "X0" to "X30" or "V0" to "V31" in a call (upper or lower case).

    Raises
    ------
    UnknownName : another name.
    """
    names = [f"X{k}" for k in range(GENERAL_REGISTERS)] + [f"V{k}" for k in range(VECTOR_REGISTERS)]
    name = choice("register", register.upper() if isinstance(register, str) else register, names)
    number = int(name[1:])
    if name[0] == "V":
        return _V_ARGUMENT if number < 8 else _V_HALF if number < 16 else _V_TEMPORARY
    if number in (29, 30):
        return (_FRAME, _LINK)[number - 29]
    if number >= 19:
        return _SAVED
    special = {8: _INDIRECT, 16: _VENEER, 17: _VENEER, 18: _PLATFORM}
    return _ARGUMENT if number < 8 else special.get(number, _TEMPORARY)


def score(answers: Mapping[str, str]) -> tuple[int, tuple[str, ...]]:
    """How many of X0 to X30 have their right role in `answers` (register -> role name), and which do not.

    A register that is left out counts as wrong.

    Raises
    ------
    UnknownName : a register or a role that does not exist.
    """
    for register, answer in answers.items():
        role(register)
        choice(f"role of {register}", answer, ROLE_NAMES)
    given = {register.upper(): answer for register, answer in answers.items()}
    names = [f"X{k}" for k in range(GENERAL_REGISTERS)]
    wrong = tuple(name for name in names if given.get(name) != role(name).name)
    return len(names) - len(wrong), wrong


@dataclass(frozen=True)
class Kernel:
    """How an instruction lays a tile into registers.

    op : instruction.   item_B : bytes of an element of A and B.   depth : steps of k per instruction.
    across : elements of a row (or column) in one operand register, at that depth.   sums : results in one
    accumulator register.   macs : multiply-accumulates per instruction.
    """

    op: str
    item_B: int
    depth: int
    across: int
    sums: int
    macs: int


KERNELS = {
    "fp32 FMLA": Kernel("fmla", 4, 1, 4, 4, 4),
    "fp16 FMLA": Kernel("fmla8h", 2, 1, 8, 8, 8),
    "int8 SDOT": Kernel("sdot", 1, 4, 4, 4, 16),
    "int8 SMMLA": Kernel("smmla", 1, 8, 2, 4, 32),
    "bf16 BFMMLA": Kernel("bfmmla", 2, 4, 2, 4, 16),
}


@dataclass(frozen=True)
class Tile:
    """A block of `rows` x `cols` results kept in registers while k runs.

    accumulators, a_registers, b_registers : vector registers.   spilled : accumulators beyond the 32.
    macs : per step of k (of `depth`).   loaded_B : bytes of A and B per step.
    spill_B : bytes of storing and loading spilled accumulators, per step.
    """

    kernel: str
    rows: int
    cols: int
    accumulators: int
    a_registers: int
    b_registers: int
    macs: int
    loaded_B: int

    @property
    def used(self) -> int:
        """Vector registers that the tile wants."""
        return self.accumulators + self.a_registers + self.b_registers

    @property
    def spilled(self) -> int:
        """Those that do not exist."""
        return max(0, self.used - VECTOR_REGISTERS)

    @property
    def spill_B(self) -> int:
        """One store and one load of 16 bytes for each, in every step."""
        return 2 * VECTOR_B * self.spilled

    @property
    def ops_per_byte(self) -> float:
        """Operations per byte of the L1 cache, spills included: 2 macs / bytes."""
        return 2 * self.macs / (self.loaded_B + self.spill_B)

    @property
    def macs_per_load(self) -> float:
        """Multiply-accumulate instructions per 16-byte access, spills included."""
        instructions = self.macs / KERNELS[self.kernel].macs
        return instructions / (ceil(self.loaded_B / VECTOR_B) + 2 * self.spilled)


def tile(kernel: str, rows: int, cols: int, stream: bool = False) -> Tile:
    r"""Registers of a micro-tile of a matrix product, A packed by rows, B by columns.

    Accumulators: $\lceil r / r_0 \rceil \cdot \lceil c / c_0 \rceil$ blocks, one register each
    ($1 \times 4$ sums for FMLA and SDOT, $2 \times 2$ for SMMLA). Per step of k the loads are
    $(r + c) \cdot depth \cdot item$ bytes, so the intensity is $2 r c / ((r + c) \cdot item)$ OP/B.

    kernel : key of KERNELS.   stream : keep A and one register of B, loaded just before its use.

    Raises
    ------
    ValueError : rows or cols < 1.
    """
    shape = KERNELS[choice("kernel", kernel, KERNELS)]
    rows, cols = integer("rows", rows, at_least=1), integer("cols", cols, at_least=1)
    paired = shape.across == 2  # a 2 x 2 block of sums
    down = ceil(rows / 2) if paired else rows
    right = ceil(cols / (2 if paired else shape.sums))
    return Tile(
        kernel=kernel,
        rows=rows,
        cols=cols,
        accumulators=down * right,
        a_registers=ceil(rows / shape.across),
        b_registers=1 if stream else ceil(cols / shape.across),
        macs=rows * cols * shape.depth,
        loaded_B=(rows + cols) * shape.depth * shape.item_B,
    )


def best_tile(kernel: str, stream: bool = False, most: int = 24) -> Tile:
    """The tile of the highest intensity that fits into 32 registers, full registers only (searched)."""
    shape = KERNELS[choice("kernel", kernel, KERNELS)]
    step = 2 if shape.across == 2 else shape.sums
    tiles = [
        tile(kernel, rows, cols, stream)
        for rows in range(step, most + 1, step)
        for cols in range(step, most + 1, step)
    ]
    return max((t for t in tiles if not t.spilled), key=lambda t: (t.ops_per_byte, -t.used))
