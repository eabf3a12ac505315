"""What do the instructions of Arm's NEON unit compute, bit for bit?

    d = neon.sdot(d, n, m)          # sdot v0.4s, v1.16b, v2.16b

A register is the last axis of an array; a batch of registers is one call, and counts as so many instructions.
Results are new arrays, never written in place (but `st1` writes to memory).
"""

from edgelib.isa.neon.atomic import cas, ldadd, swp
from edgelib.isa.neon.floating import bfcvtn, bfdot, bfmmla, fadd_h, faddp, fmla, fmlal, fmlal2
from edgelib.isa.neon.integer import (
    addv,
    dup,
    mla,
    sdot,
    sdot_lane,
    smmla,
    sqrdmulh,
    sqxtn,
    udot,
    ummla,
    usdot,
    usmmla,
)
from edgelib.isa.neon.memory import ld1, st1
from edgelib.isa.neon.table import tbl, tbx

__all__ = [
    "addv",
    "bfcvtn",
    "bfdot",
    "bfmmla",
    "cas",
    "dup",
    "fadd_h",
    "faddp",
    "fmla",
    "fmlal",
    "fmlal2",
    "ld1",
    "ldadd",
    "mla",
    "sdot",
    "sdot_lane",
    "smmla",
    "sqrdmulh",
    "sqxtn",
    "st1",
    "swp",
    "tbl",
    "tbx",
    "udot",
    "ummla",
    "usdot",
    "usmmla",
]
