"""What does this instruction do, bit for bit? `neon`, `sve`, `sme` (Arm) and `hvx` (Hexagon) in numpy.

Every function takes whole registers as arrays and accepts leading batch dimensions: one call then stands for
that many executed instructions, and an active `Trace` counts them so.
"""

from edgelib.isa.trace import Trace

__all__ = ["Trace"]
