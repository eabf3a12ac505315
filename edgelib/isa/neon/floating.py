r"""What do NEON's floating-point instructions compute, to the last bit?

Each result is what the hardware gives with its default settings (FPCR = 0), NaN patterns included; how it is
rounded stands in `edgelib.isa.floats`. bfloat16 values are uint16 bit patterns, since numpy has no such type.
Sources: Arm Architecture Reference Manual DDI 0487 (FPMulAdd, BFDotAdd, BFMatMulAdd); tested against QEMU.
"""

from __future__ import annotations

import numpy as np

from edgelib.isa.floats import bf16_dot2, f16_to_f32, f32_to_bf16, fma16, fma32
from edgelib.isa.neon.registers import Array, issue, register


def fmla(d: Array, n: Array, m: Array) -> Array:
    r"""$\mathrm{round}(d + n m)$, one rounding, lane by lane.

    d, n, m all float16[..., 8] (FEAT_FP16) or all float32[..., 4].
    """
    if isinstance(d, np.ndarray) and d.dtype == np.float16:
        return fmla_8h(d, n, m)
    operands = {name: register(name, value, np.float32, 4) for name, value in dict(d=d, n=n, m=m).items()}
    issue("fmla", **operands)
    return fma32(n, m, d)


def fmla_8h(d: Array, n: Array, m: Array) -> Array:
    """`fmla` on eight halves: d, n, m float16[..., 8]. FEAT_FP16."""
    operands = {name: register(name, value, np.float16, 8) for name, value in dict(d=d, n=n, m=m).items()}
    issue("fmla", **operands)
    return fma16(n, m, d)


def fadd_h(n: Array, m: Array) -> Array:
    r"""$\mathrm{round}(n + m)$ of scalars in H registers: n, m float16[...] -> float16[...]. FEAT_FP16."""
    n, m = (np.asarray(value)[..., np.newaxis] for value in (n, m))
    n, m = register("n", n, np.float16, 1), register("m", m, np.float16, 1)
    issue("fadd", n=n, m=m)
    return fma16(m, np.ones(1, np.float16), n)[..., 0]  # m * 1 is exact: this is the sum, rounded once


def faddp(n: Array, m: Array) -> Array:
    r"""Neighbours added: $(n_0 + n_1,\ n_2 + n_3,\ m_0 + m_1,\ m_2 + m_3)$; n, m float32[..., 4]."""
    n, m = register("n", n, np.float32, 4), register("m", m, np.float32, 4)
    batch = issue("faddp", n=n, m=m)
    both = np.concatenate([np.broadcast_to(n, (*batch, 4)), np.broadcast_to(m, (*batch, 4))], axis=-1)
    return fma32(both[..., 1::2], np.ones(1, np.float32), both[..., ::2])


def _widening(mnemonic: str, d: Array, n: Array, m: Array, half: slice) -> Array:
    d = register("d", d, np.float32, 4)
    n, m = register("n", n, np.float16, 8), register("m", m, np.float16, 8)
    issue(mnemonic, d=d, n=n, m=m)
    return fma32(f16_to_f32(n[..., half]), f16_to_f32(m[..., half]), d)


def fmlal(d: Array, n: Array, m: Array) -> Array:
    r"""$d_l + n_l m_l$ for the lower halves of n and m, widened: d float32[..., 4]; n, m float16[..., 8].

    FEAT_FHM. One product per lane and no sum over neighbours: a multiply-add, not a dot product.
    """
    return _widening("fmlal", d, n, m, slice(0, 4))


def fmlal2(d: Array, n: Array, m: Array) -> Array:
    """`fmlal` on the upper halves of n and m (elements 4 to 7)."""
    return _widening("fmlal2", d, n, m, slice(4, 8))


def bfdot(d: Array, n: Array, m: Array) -> Array:
    r"""$d_l + (n_{2l} m_{2l} + n_{2l+1} m_{2l+1})$: d float32[..., 4]; n, m bfloat16 bits uint16[..., 8].

    FEAT_BF16. Each step is rounded to odd and subnormals are zeros, see `edgelib.isa.floats.bf16_dot2`.
    """
    d = register("d", d, np.float32, 4)
    n, m = register("n", n, np.uint16, 8), register("m", m, np.uint16, 8)
    issue("bfdot", d=d, n=n, m=m)
    return bf16_dot2(d, n[..., ::2], m[..., ::2], n[..., 1::2], m[..., 1::2])


def bfmmla(d: Array, n: Array, m: Array) -> Array:
    r"""$D_{ij} + \sum_{k=0}^{3} N_{ik} M_{jk}$, as two `bfdot` steps in a row. FEAT_BF16.

    d float32[..., 4] = D by rows (2x2); n, m uint16[..., 8] = two rows of four bfloat16 each.
    """
    d = register("d", d, np.float32, 4)
    n, m = register("n", n, np.uint16, 8), register("m", m, np.uint16, 8)
    batch = issue("bfmmla", d=d, n=n, m=m)
    rows = n.reshape(*n.shape[:-1], 2, 1, 4)
    columns = m.reshape(*m.shape[:-1], 1, 2, 4)
    total = np.broadcast_to(d, (*batch, 4)).reshape(*batch, 2, 2)
    for k in (0, 2):
        total = bf16_dot2(total, rows[..., k], columns[..., k], rows[..., k + 1], columns[..., k + 1])
    return total.reshape(*batch, 4)


def bfcvtn(n: Array) -> Array:
    """float32[..., 4] -> bfloat16 bits uint16[..., 4], to nearest even (the lower half of a register)."""
    n = register("n", n, np.float32, 4)
    issue("bfcvtn", n=n)
    return f32_to_bf16(n)
