r"""What does one outer product do? SME: two vectors meet in a square tile ZA, every row with every column.

A tile holds VL/4 x VL/4 words of 32 bits, VL the streaming vector length in bytes. An instruction takes
VL bytes twice and updates the whole tile: $(VL/4)^2$ words, each by 4 products of int8, 2 of a 16-bit
float, or 1 of float32. One predicate switches rows off, the other columns.
Results are new tiles; the argument is left alone. za may be any 32-bit dtype (its bits are what counts), and
the result has the same.
Source: Arm Architecture Reference Manual for A-profile, DDI 0487, "SME instructions" (SMOPA, USMOPA, FMOPA,
BFMOPA; FPMulAdd_ZA, FPDotAdd_ZA, BFDotAdd). FPCR = 0; a NaN that enters a tile is the default NaN.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edgelib.isa.floats import bf16_dot2, fma32
from edgelib.isa.neon.registers import issue
from edgelib.isa.sve import DEFAULT_NAN, add32, predicate, vector, vector_length

Tile = NDArray[Any]


class _Operands(NamedTuple):
    """Checked arguments, batch dimensions broadcast. rows, columns: which words are touched at all."""

    za: Tile
    pn: NDArray[np.bool_]
    pm: NDArray[np.bool_]
    n: NDArray[Any]
    m: NDArray[Any]


def macs(vl_bytes: int, element_bytes: int) -> int:
    r"""Multiply-accumulates of one instruction: $(VL/4)^2 \cdot 4 / \text{element bytes}$.

    VL = 16 bytes, int8: 64, four times an SDOT. VL = 64, int8: 1,024. They grow with the square of VL.
    """
    if element_bytes not in (1, 2, 4):
        raise ValueError(f"element_bytes = {element_bytes!r}: expected 1, 2 or 4")
    return (vector_length(vl_bytes) // 4) ** 2 * 4 // element_bytes


def _operands(mnemonic: str, za: Any, pn: Any, pm: Any, n: Any, m: Any, kinds: tuple[str, str]) -> _Operands:
    n, m = vector("n", n, kinds[0]), vector("m", m, kinds[1])
    lanes, words = n.shape[-1], n.shape[-1] * n.itemsize // 4
    if m.shape[-1] != lanes:
        raise ValueError(f"n has {lanes} elements and m {m.shape[-1]}: expected as many")
    pn, pm = predicate("pn", pn, lanes), predicate("pm", pm, lanes)
    tile = np.asarray(za)
    if tile.dtype.name not in ("int32", "uint32", "float32") or tile.shape[-2:] != (words, words):
        raise ValueError(
            f"za has dtype {tile.dtype} and shape {tile.shape}: expected 32-bit words [..., {words}, {words}]"
        )
    batch = issue(mnemonic, za=tile[..., 0], pn=pn, pm=pm, n=n, m=m)
    tile = np.broadcast_to(tile, (*batch, words, words))
    return _Operands(tile, *(np.broadcast_to(v, (*batch, lanes)) for v in (pn, pm, n, m)))


def _as(kind: str, tile: Tile) -> Tile:
    """The words of a tile, read as another 32-bit dtype."""
    return np.ascontiguousarray(tile).view(kind)


def _default_nan(tile: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.where(np.isnan(tile), DEFAULT_NAN.view(np.float32), tile)


def smopa(za: ArrayLike, pn: ArrayLike, pm: ArrayLike, n: ArrayLike, m: ArrayLike) -> Tile:
    r"""SMOPA: $za_{rc} + \sum_{k<4} n_{4r+k}\, m_{4c+k}$, int8 times int8, wrapping at 32 bits.

    za 32-bit words [..., VL/4, VL/4];   pn, pm bool[..., VL], one for each byte;   n, m int8[..., VL].
    A byte that is off counts as 0: a group of four may be active in part.
    """
    return _integer(_operands("smopa", za, pn, pm, n, m, ("int8", "int8")))


def usmopa(za: ArrayLike, pn: ArrayLike, pm: ArrayLike, n: ArrayLike, m: ArrayLike) -> Tile:
    """USMOPA: as `smopa`, with n uint8 (unsigned) and m int8 (signed)."""
    return _integer(_operands("usmopa", za, pn, pm, n, m, ("uint8", "int8")))


def _integer(args: _Operands) -> Tile:
    rows, columns = (
        np.where(p, v, v.dtype.type(0)).astype(np.int64).reshape(*v.shape[:-1], -1, 4)
        for p, v in ((args.pn, args.n), (args.pm, args.m))
    )
    total = _as("int32", args.za) + rows @ np.swapaxes(columns, -1, -2)
    return np.asarray(total.astype(np.int32).view(args.za.dtype))


def fmopa(za: ArrayLike, pn: ArrayLike, pm: ArrayLike, n: ArrayLike, m: ArrayLike) -> Tile:
    r"""FMOPA, float32: $\mathrm{round}(za_{rc} + n_r m_c)$, fused: one rounding.

    za 32-bit words [..., VL/4, VL/4];   pn, pm bool[..., VL/4];   n, m float32[..., VL/4].
    A word whose row or column is off keeps its bits.
    """
    args = _operands("fmopa", za, pn, pm, n, m, ("float32", "float32"))
    before = _as("float32", args.za)
    after = _default_nan(fma32(args.n[..., :, None], args.m[..., None, :], before))
    touched = args.pn[..., :, None] & args.pm[..., None, :]
    return np.where(touched, after.view(np.uint32), before.view(np.uint32)).view(args.za.dtype)


def fmopa_f16(za: ArrayLike, pn: ArrayLike, pm: ArrayLike, n: ArrayLike, m: ArrayLike) -> Tile:
    r"""FMOPA, float16 into float32: $za_{rc} + \mathrm{round}(n_{2r} m_{2c} + n_{2r+1} m_{2c+1})$.

    za 32-bit words [..., VL/4, VL/4];   pn, pm bool[..., VL/2];   n, m float16[..., VL/2].
    Two roundings: the sum of both products, then the addition. A value that is off counts as +0; where
    neither pair is complete, the word keeps its bits.
    """
    return _pairs("fmopa_f16", za, pn, pm, n, m, "float16")


def bfmopa(za: ArrayLike, pn: ArrayLike, pm: ArrayLike, n: ArrayLike, m: ArrayLike) -> Tile:
    """BFMOPA, bfloat16 into float32: as `fmopa_f16`, with the rounding of BFDOT: to odd, subnormals flushed.

    n, m bfloat16 bits as uint16[..., VL/2]; the rest as `fmopa_f16`.
    """
    return _pairs("bfmopa", za, pn, pm, n, m, "uint16")


def _pairs(mnemonic: str, za: Any, pn: Any, pm: Any, n: Any, m: Any, kind: str) -> Tile:
    args = _operands(mnemonic, za, pn, pm, n, m, (kind, kind))
    before = _as("float32", args.za)
    zero = np.zeros((), kind)[()]
    n_on, m_on = (np.where(p, v, zero) for p, v in ((args.pn, args.n), (args.pm, args.m)))
    # n0, n1 stand in rows, m0, m1 in columns: element 0 and 1 of each pair.
    n0, n1 = (n_on[..., k::2, None] for k in (0, 1))
    m0, m1 = (m_on[..., None, k::2] for k in (0, 1))
    if kind == "uint16":
        after = bf16_dot2(before, n0, m0, n1, m1)
    else:
        with np.errstate(all="ignore"):  # infinities and NaNs are results here
            wide = [v.astype(np.float64) for v in (n0, m0, n1, m1)]
            # Products have 22 bits: where float64 rounds their sum, the smaller cannot move a float32.
            both = (wide[0] * wide[1] + wide[2] * wide[3]).astype(np.float32)
            after = add32(before, both)
    complete = [args.pn[..., k::2, None] & args.pm[..., None, k::2] for k in (0, 1)]
    touched = complete[0] | complete[1]
    return np.where(touched, _default_nan(after).view(np.uint32), before.view(np.uint32)).view(args.za.dtype)
