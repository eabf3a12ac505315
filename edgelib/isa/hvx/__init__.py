"""What do the instructions of Hexagon's vector unit HVX compute, bit for bit? 128-byte mode.

    sums = hvx.vrmpy(u, weights, sums)          # v0.w += vrmpy(v2.ub, v3.b)

A vector register is 128 bytes on the last axis of an array, a register pair 256 (the lower register first), a
scalar register 4. A batch of registers is one call, and counts as so many instructions.
Results are new arrays, never written in place (but the stores write to memory).
"""

from edgelib.isa.hvx.arithmetic import vadd, vand, vasl, vlsr, vor, vpack, vsat, vsplat, vsub
from edgelib.isa.hvx.memory import vgather, vmem, vmem_store, vmemu, vmemu_store, vscatter
from edgelib.isa.hvx.multiply import vdmpy, vdmpy_sat, vmpy, vrmpy
from edgelib.isa.hvx.permute import (
    network,
    route,
    route_twice,
    table_set,
    vdeal,
    vdelta,
    vlut32,
    vrdelta,
    vror,
    vshuff,
)
from edgelib.isa.hvx.predicate import prefixsum, vcmp_gt, vmux, vsetq

__all__ = [
    "network",
    "prefixsum",
    "route",
    "route_twice",
    "table_set",
    "vadd",
    "vand",
    "vasl",
    "vcmp_gt",
    "vdeal",
    "vdelta",
    "vdmpy",
    "vdmpy_sat",
    "vgather",
    "vlsr",
    "vlut32",
    "vmem",
    "vmem_store",
    "vmemu",
    "vmemu_store",
    "vmpy",
    "vmux",
    "vor",
    "vpack",
    "vrdelta",
    "vrmpy",
    "vror",
    "vsat",
    "vscatter",
    "vsetq",
    "vshuff",
    "vsplat",
    "vsub",
]
