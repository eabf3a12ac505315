"""Which instructions may a Hexagon issue together, who decides it, and what does a packet cost?

`check_packet` judges a packet of assembler; `pack` does the compiler's part, a list scheduler;
`loop_cycles` counts what a hardware loop saves; `gemm_loop` repairs the chapter's kernel.
"""

from edgelib.hardware.vliw.loops import LoopCost, branch_overhead, loop_cycles
from edgelib.hardware.vliw.rules import Verdict, check, check_packet
from edgelib.hardware.vliw.scheduler import Schedule, pack, shortest

__all__ = [
    "LoopCost",
    "Schedule",
    "Verdict",
    "branch_overhead",
    "check",
    "check_packet",
    "loop_cycles",
    "pack",
    "shortest",
]
