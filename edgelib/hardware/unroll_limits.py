r"""How often can a loop be unrolled? Three resources, and the scarcest decides.

$$u = \min\left(\left\lfloor \frac{R}{r} \right\rfloor, \left\lfloor \frac{M}{d} \right\rfloor,
\left\lfloor \frac{I}{i} \right\rfloor\right)$$

vector registers, bytes of the memory that the loop streams from, and bytes of the instruction cache, each
over what one iteration takes. A rule of thumb: it says how much fits, not how much helps.
On Hexagon the memory is the L2 or the VTCM: vector loads bypass the L1 data cache (V65 HVX manual, chapter
4).
"""

from __future__ import annotations

from dataclasses import dataclass

from edgelib.errors import integer

HVX_REGISTERS = 32  # V0 to V31 (HVX Programmer's Reference Manual)
INSTRUCTION_B = 4


@dataclass(frozen=True)
class Limits:
    """Whole iterations that each resource holds."""

    registers: int
    memory: int
    instructions: int

    @property
    def factor(self) -> int:
        """The unroll factor, the least of the three; 0 if not even one iteration fits."""
        return min(self.registers, self.memory, self.instructions)

    @property
    def binding(self) -> tuple[str, ...]:
        """The names of the resources that allow no more."""
        return tuple(name for name, value in vars(self).items() if value == self.factor)


def unroll_limits(
    registers: int,
    registers_each: int,
    memory_B: int,
    memory_each_B: int,
    instructions_B: int,
    instructions_each: int,
) -> Limits:
    """The three limits.

    registers : available.   memory_B, instructions_B : capacities in bytes.   *_each : what one iteration
    takes, registers, bytes and instructions of 4 bytes, >= 1.
    """
    return Limits(
        integer("registers", registers) // integer("registers_each", registers_each, at_least=1),
        integer("memory_B", memory_B) // integer("memory_each_B", memory_each_B, at_least=1),
        integer("instructions_B", instructions_B)
        // (INSTRUCTION_B * integer("instructions_each", instructions_each, at_least=1)),
    )
