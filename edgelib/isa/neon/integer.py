r"""What do NEON's integer multiply instructions compute? Dot products, 2x2 matrix products, saturation.

Registers are arrays: d int32[..., 4], n and m int8[..., 16]. Leading axes are a batch, one instruction each,
and broadcast. Sums wrap modulo $2^{32}$, as the adders do. Wrong types or shapes raise ValueError.
Sources: Arm Architecture Reference Manual DDI 0487 (A64 SIMD instructions); tested against QEMU bit for bit.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from edgelib.errors import integer
from edgelib.isa.neon.registers import Array, issue, register


def _dot(
    mnemonic: str, d: Array, n: Array, m: Array, sum_type: Any, n_type: DTypeLike, m_type: DTypeLike
) -> Array:
    """Four products per 32-bit lane."""
    d = register("d", d, sum_type, 4)
    n, m = register("n", n, n_type, 16), register("m", m, m_type, 16)
    issue(mnemonic, d=d, n=n, m=m)
    four = (4, 4)  # lanes, bytes of a lane
    products = np.einsum(
        "...li,...li->...l",
        n.reshape(*n.shape[:-1], *four),
        m.reshape(*m.shape[:-1], *four),
        dtype=sum_type,
    )
    return np.asarray(d + products)


def sdot(d: Array, n: Array, m: Array) -> Array:
    r"""$d_l + \sum_{i=0}^{3} n_{4l+i}\, m_{4l+i}$ for the four lanes $l$; signed bytes. FEAT_DotProd.

    d int32[..., 4]; n, m int8[..., 16]. 16 multiply-adds, 32 operations.
    """
    return _dot("sdot", d, n, m, np.int32, np.int8, np.int8)


def udot(d: Array, n: Array, m: Array) -> Array:
    """`sdot` for unsigned bytes: d uint32[..., 4]; n, m uint8[..., 16]. FEAT_DotProd."""
    return _dot("udot", d, n, m, np.uint32, np.uint8, np.uint8)


def usdot(d: Array, n: Array, m: Array) -> Array:
    """`sdot` for mixed signs: d int32[..., 4]; n uint8[..., 16]; m int8[..., 16]. FEAT_I8MM."""
    return _dot("usdot", d, n, m, np.int32, np.uint8, np.int8)


def sdot_lane(d: Array, n: Array, m: Array, lane: int) -> Array:
    r"""$d_l + \sum_i n_{4l+i}\, m_{4 \cdot lane + i}$: the same four bytes of m for every lane; lane 0 to 3.

    The form that a matrix-vector product uses: four rows of weights in n, four inputs in one lane of m.
    """
    lane = integer("lane", lane)
    if lane > 3:
        raise ValueError(f"lane = {lane}: expected 0, 1, 2 or 3")
    m = register("m", m, np.int8, 16)
    return sdot(d, n, np.tile(m[..., 4 * lane : 4 * lane + 4], 4))


def _matrix(
    mnemonic: str, d: Array, n: Array, m: Array, sum_type: Any, n_type: DTypeLike, m_type: DTypeLike
) -> Array:
    """2x8 times 8x2, the second operand stored by columns."""
    d = register("d", d, sum_type, 4)
    n, m = register("n", n, n_type, 16), register("m", m, m_type, 16)
    batch = issue(mnemonic, d=d, n=n, m=m)
    product = np.einsum(
        "...ik,...jk->...ij",
        n.reshape(*n.shape[:-1], 2, 8),
        m.reshape(*m.shape[:-1], 2, 8),
        dtype=sum_type,
    )
    return np.asarray(np.broadcast_to(d, (*batch, 4)) + product.reshape(*product.shape[:-2], 4))


def smmla(d: Array, n: Array, m: Array) -> Array:
    r"""$D_{ij} + \sum_{k=0}^{7} N_{ik}\, M_{jk}$, that is $D + N M^T$; signed bytes. FEAT_I8MM.

    d int32[..., 4] = D by rows (2x2); n, m int8[..., 16] = two rows of eight each, so m holds the *columns*
    of the right-hand matrix. 32 multiply-adds.
    """
    return _matrix("smmla", d, n, m, np.int32, np.int8, np.int8)


def ummla(d: Array, n: Array, m: Array) -> Array:
    """`smmla` for unsigned bytes: d uint32[..., 4]; n, m uint8[..., 16]. FEAT_I8MM."""
    return _matrix("ummla", d, n, m, np.uint32, np.uint8, np.uint8)


def usmmla(d: Array, n: Array, m: Array) -> Array:
    """`smmla` for mixed signs: d int32[..., 4]; n uint8[..., 16]; m int8[..., 16]. FEAT_I8MM."""
    return _matrix("usmmla", d, n, m, np.int32, np.uint8, np.int8)


def mla(d: Array, n: Array, m: Array) -> Array:
    r"""$d + n m$ modulo $2^{32}$ in each of four lanes: d, n, m int32[..., 4]."""
    operands = {name: register(name, value, np.int32, 4) for name, value in dict(d=d, n=n, m=m).items()}
    issue("mla", **operands)
    return np.asarray(d + n * m)


def sqrdmulh(n: Array, m: Array) -> Array:
    r"""$\mathrm{sat}\lfloor (2 n m + 2^{31}) / 2^{32} \rfloor$: n, m int32[..., 4] -> int32[..., 4].

    The rounded upper half of the doubled product: a fixed-point multiplication, used to rescale int32 sums
    to int8. Only $(-2^{31})^2$ saturates.
    """
    operands = {name: register(name, value, np.int32, 4) for name, value in dict(n=n, m=m).items()}
    issue("sqrdmulh", **operands)
    high = (n.astype(np.int64) * m.astype(np.int64) + (1 << 30)) >> 31
    return np.asarray(np.minimum(high, np.iinfo(np.int32).max).astype(np.int32))


def sqxtn(n: Array) -> Array:
    """Each int16 clipped to -128..127: n int16[..., 8] -> int8[..., 8] (the lower half of a register)."""
    n = register("n", n, np.int16, 8)
    issue("sqxtn", n=n)
    return np.asarray(np.clip(n, -128, 127).astype(np.int8))


def addv(n: Array) -> Array:
    r"""$\sum_l n_l$ modulo $2^{32}$, the sum across the lanes: n int32[..., 4] -> int32[...]."""
    n = register("n", n, np.int32, 4)
    issue("addv", n=n)
    return np.asarray(n.sum(axis=-1, dtype=np.int32))


def dup(value: Any, dtype: DTypeLike) -> Array:
    """`value` in every lane of a register: [...] -> dtype[..., 16 / itemsize]."""
    kind = np.dtype(dtype)
    if kind.kind not in "iuf" or kind.itemsize > 8:
        raise ValueError(f"dtype = {kind.name}: expected integers or floats of 1, 2, 4 or 8 bytes")
    one = np.asarray(value).astype(kind)[..., np.newaxis]
    issue("dup", value=one)
    return np.repeat(one, 16 // kind.itemsize, axis=-1)
