r"""What do HVX's multiply instructions compute? Dot products of four or two inside each lane; nothing across.

Vectors are arrays of 128 bytes, scalar registers of 4; leading axes are a batch, one instruction each, and
broadcast. The lane types choose the form, and forms that the assembler does not know raise ValueError.
Sums wrap unless the name says `sat`. Source: Qualcomm Hexagon HVX Programmer's Reference Manual 80-N2040;
tested against QEMU bit for bit.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from edgelib.isa.hvx.registers import BYTES, Array, issue, kind, scalar, vector

# (u, v): lane type of the sum. In a scalar form every lane meets the same four bytes.
VRMPY_VECTOR = {("ub", "b"): np.int32, ("b", "b"): np.int32, ("ub", "ub"): np.uint32}
VRMPY_SCALAR = {("ub", "b"): np.int32, ("ub", "ub"): np.uint32}


def _form(mnemonic: str, u: Array, v: Array, forms: dict[tuple[str, str], Any], other: str) -> Any:
    """The type of the result, if the assembler knows the form."""
    types = (kind(u), kind(v))
    if types not in forms:
        known = ", ".join(f"{mnemonic}(v.{a}, {other}.{b})" for a, b in forms)
        raise ValueError(f"{mnemonic}(v.{types[0]}, {other}.{types[1]}) does not exist: expected {known}")
    return forms[types]


def vrmpy(u: Array, v: Array, acc: Array | None = None) -> Array:
    r"""Vector reducing multiply: $d_l = acc_l + \sum_{i=0}^{3} u_{4l+i}\, v_{4l+i}$ for 32 lanes $l$.

    u uint8 or int8 [..., 128];   v a vector [..., 128], or a scalar register [..., 4] whose four bytes every
    lane uses.   acc int32[..., 32] (uint32 if both are unsigned), or None.
    Forms: ub x b, b x b, ub x ub; with a scalar ub x b and ub x ub only. Returns a new [..., 32].
    128 multiply-adds. It is no vector-matrix product: each lane sees only its own four bytes of u.
    """
    u = vector("u", u, "ub", "b")
    by_scalar = isinstance(v, np.ndarray) and v.ndim > 0 and v.shape[-1] == 4
    v = scalar("v", v, "ub", "b") if by_scalar else vector("v", v, "ub", "b")
    other, forms = ("r", VRMPY_SCALAR) if by_scalar else ("v", VRMPY_VECTOR)
    result = _form("vrmpy", u, v, forms, other)
    fours = v.reshape(*v.shape[:-1], 1 if by_scalar else BYTES // 4, 4)
    products = u.reshape(*u.shape[:-1], BYTES // 4, 4).astype(result) * fours.astype(result)
    return _accumulated("vrmpy", products.sum(axis=-1, dtype=result), acc)


def _accumulated(mnemonic: str, sums: Array, acc: Array | None) -> Array:
    """`sums`, added to `acc` if there is one; the instruction is recorded."""
    if acc is None:
        issue(mnemonic, result=sums)
        return sums
    acc = vector("acc", acc, kind(sums))
    issue(mnemonic, acc=acc, result=sums)
    return np.asarray(acc + sums)


def vdmpy(u: Array, r: Array, acc: Array | None = None) -> Array:
    r"""$d_l = acc_l + u_{2l}\, r_{2l \bmod 4} + u_{2l+1}\, r_{(2l+1) \bmod 4}$ modulo $2^{16}$, 64 lanes.

    u uint8[..., 128];   r int8[..., 4], a scalar register;   acc int16[..., 64] or None. 128 multiply-adds.
    Two products of 255 x -128 already leave the range of 16 bits: -65,280 wraps to 256.
    """
    u, r = vector("u", u, "ub"), scalar("r", r, "b")
    pairs = u.reshape(*u.shape[:-1], BYTES // 4, 2, 2).astype(np.int32) * r.reshape(
        *r.shape[:-1], 1, 2, 2
    ).astype(np.int32)
    sums = pairs.sum(axis=-1, dtype=np.int32)
    return _accumulated("vdmpy", sums.reshape(*sums.shape[:-2], BYTES // 2).astype(np.int16), acc)


def vdmpy_sat(u: Array, r: Array) -> Array:
    r"""$\mathrm{sat}_{32}(u_{2l}\, r_0 + u_{2l+1}\, r_1)$: vdmpy(v.h, r.h):sat.

    u int16[..., 64], r int16[..., 2] -> int32[..., 32]. Only four times $-2^{15}$ saturates.
    """
    u, r = vector("u", u, "h"), scalar("r", r, "h")
    sums = (u.reshape(*u.shape[:-1], BYTES // 4, 2).astype(np.int64) * r[..., np.newaxis, :]).sum(axis=-1)
    limits = np.iinfo(np.int32)
    return _accumulated("vdmpy:sat", np.clip(sums, limits.min, limits.max).astype(np.int32), None)


VMPY_VECTOR = {
    ("ub", "b"): np.int16,
    ("b", "b"): np.int16,
    ("ub", "ub"): np.uint16,
    ("h", "h"): np.int32,
    ("uh", "uh"): np.uint32,
}
VMPY_SCALAR = {
    ("ub", "b"): np.int16,
    ("ub", "ub"): np.uint16,
    ("h", "h"): np.int32,
    ("uh", "uh"): np.uint32,
}


def vmpy(u: Array, v: Array) -> Array:
    """All products, widened: a register pair, the products of even lanes in the lower register.

    u, v vectors of 8 or 16-bit lanes (v may be a scalar register, whose lanes repeat). Returns
    [..., 128] of 16-bit or [..., 64] of 32-bit lanes: 256 bytes, the lower register first.
    """
    u = vector("u", u, "ub", "b", "uh", "h")
    by_scalar = isinstance(v, np.ndarray) and v.ndim > 0 and v.shape[-1] * v.itemsize == 4
    take = scalar if by_scalar else vector
    v = take("v", v, "ub", "b", "uh", "h")
    other, forms = ("r", VMPY_SCALAR) if by_scalar else ("v", VMPY_VECTOR)
    result = _form("vmpy", u, v, forms, other)
    repeated = np.tile(v, u.shape[-1] // v.shape[-1])
    products = u.astype(result) * repeated.astype(result)
    issue("vmpy", u=u, v=repeated)
    return np.concatenate([products[..., ::2], products[..., 1::2]], axis=-1)
