"""How does HVX do one thing in some bytes and another in others? Predicates Q0 to Q3: one bit per byte.

They are predicates (谓词), the results of comparisons. Nothing in them is predicted (预测).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from edgelib.isa.hvx.registers import BYTES, Array, as_bytes, control, issue, kind, like, vector


def predicate(argument: str, value: Any) -> Array:
    """`value`, if it is an array of booleans [..., 128]."""
    if not isinstance(value, np.ndarray) or value.dtype != bool or value.shape[-1:] != (BYTES,):
        got = f"{value.dtype.name} {list(value.shape)}" if isinstance(value, np.ndarray) else repr(value)[:60]
        raise ValueError(f"{argument} is {got}: expected bool[..., {BYTES}], one for each byte")
    return value


def vcmp_gt(u: Array, v: Array) -> Array:
    """u > v in each lane, repeated for every byte of the lane: bool[..., 128].

    u, v vectors of the same lane type. There is no form with an immediate, and none that writes P0 to P3.
    """
    u = vector("u", u)
    v = vector("v", v, kind(u))
    issue("vcmp.gt", u=u, v=v)
    return np.repeat(u > v, u.itemsize, axis=-1)


def vmux(q: Array, u: Array, v: Array) -> Array:
    """Each byte from u where q is set, else from v. u, v of the same lane type; q bool[..., 128]."""
    q, u = predicate("q", q), vector("u", u)
    v = vector("v", v, kind(u))
    issue("vmux", q=q, u=as_bytes(u), v=as_bytes(v))
    return like(np.where(q, as_bytes(u), as_bytes(v)), u)


def vsetq(r: Any) -> Array:
    """The first r bytes, r modulo 128 (so that 128 sets none): an integer or [...] -> bool[..., 128]."""
    number = control("r", r)
    issue("vsetq", r=number)
    return np.arange(BYTES) < number % BYTES


def prefixsum(q: Array) -> Array:
    r"""$d_k = \sum_{i \le k} q_i$ modulo 256, how many are set up to this byte: uint8[..., 128]."""
    q = predicate("q", q)
    issue("prefixsum", q=q)
    return np.cumsum(q, axis=-1, dtype=np.uint8)
