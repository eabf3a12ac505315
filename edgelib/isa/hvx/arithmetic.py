"""How do lanes add, shift, saturate and narrow in HVX? No flags, no traps: an instruction wraps or saturates.

The chapter's "VSATUR" is not among them. Saturation is `vsat`, `vpack(...):sat`, or `:sat` after an addition.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from edgelib.isa.hvx.registers import BYTES, Array, as_bytes, control, issue, kind, like, vector

VSAT: dict[str, Any] = {"w": np.int16, "uw": np.uint16, "h": np.uint8}
NARROWER: dict[str, dict[str, Any]] = {
    "h": {"ub": np.uint8, "b": np.int8},
    "w": {"uh": np.uint16, "h": np.int16},
}


def _pair_of_equals(u: Array, v: Array) -> tuple[Array, Array]:
    u = vector("u", u)
    return u, vector("v", v, kind(u))


def _sum(mnemonic: str, u: Array, v: Array, sign: int, sat: bool) -> Array:
    u, v = _pair_of_equals(u, v)
    issue(mnemonic + ":sat" * sat, u=u, v=v)
    exact = u.astype(np.int64) + sign * v.astype(np.int64)
    if sat:
        exact = np.clip(exact, np.iinfo(u.dtype).min, np.iinfo(u.dtype).max)
    return np.asarray(exact.astype(u.dtype))


def vadd(u: Array, v: Array, sat: bool = False) -> Array:
    """u + v in every lane: modulo 2^8, 2^16 or 2^32, or, with `sat`, clipped to the range of the type.

    u, v vectors of the same lane type.
    """
    return _sum("vadd", u, v, 1, sat)


def vsub(u: Array, v: Array, sat: bool = False) -> Array:
    """u - v, as `vadd`."""
    return _sum("vsub", u, v, -1, sat)


def vand(u: Array, v: Array) -> Array:
    """The bits that both have: any lane types, the result has u's."""
    u, v = vector("u", u), vector("v", v)
    issue("vand", u=as_bytes(u), v=as_bytes(v))
    return like(as_bytes(u) & as_bytes(v), u)


def vor(u: Array, v: Array) -> Array:
    """The bits that either has: any lane types, the result has u's."""
    u, v = vector("u", u), vector("v", v)
    issue("vor", u=as_bytes(u), v=as_bytes(v))
    return like(as_bytes(u) | as_bytes(v), u)


def vlsr(u: Array, r: Any) -> Array:
    """Each lane shifted right by r, zeros coming in: u uint8, uint16 or uint32 lanes.

    r an integer or [...], taken modulo the bits of a lane.
    """
    u, amount = vector("u", u, "ub", "uh", "uw"), control("r", r)
    issue("vlsr", u=u, r=amount)
    return np.asarray(u >> (amount & (8 * u.itemsize - 1)).astype(u.dtype))


def vasl(u: Array, r: Any) -> Array:
    """Each lane shifted left by r: u int16 or int32 lanes; r modulo the lane's bits. No form for bytes."""
    u, amount = vector("u", u, "h", "w"), control("r", r)
    issue("vasl", u=u, r=amount)
    return np.asarray(u << (amount & (8 * u.itemsize - 1)).astype(u.dtype))


def vsplat(value: Any, dtype: Any) -> Array:
    """A number in every lane: [...] -> dtype[..., 128 / itemsize]; `value` is cut to the lane's bits."""
    number, lane = control("value", value), np.dtype(dtype)
    vector("dtype", np.empty(BYTES // lane.itemsize, lane))
    issue("vsplat", value=number)
    return np.repeat(number.astype(lane), BYTES // lane.itemsize, axis=-1)


def _clipped(value: Array, to: Any) -> Array:
    return np.clip(value, np.iinfo(to).min, np.iinfo(to).max).astype(to)


def vsat(u: Array, v: Array) -> Array:
    """Both vectors clipped to the next narrower type and interleaved: v in the even lanes, u in the odd.

    u, v int32[..., 32] -> int16[..., 64], uint32 -> uint16, or int16[..., 64] -> uint8[..., 128].
    The order undoes that of `vmpy`.
    """
    u = vector("u", u, *VSAT)
    v, to = vector("v", v, kind(u)), VSAT[kind(u)]
    batch = issue("vsat", u=u, v=v)
    both = np.stack(np.broadcast_arrays(_clipped(v, to), _clipped(u, to)), axis=-1)
    return both.reshape(*batch, 2 * u.shape[-1])


def vpack(u: Array, v: Array, dtype: Any) -> Array:
    """vpack(u, v):sat. Both vectors clipped to the type `dtype` and laid end to end: v first, then u.

    u, v int32[..., 32] -> int16 or uint16 [..., 64]; int16[..., 64] -> int8 or uint8 [..., 128].
    """
    u = vector("u", u, "w", "h")
    v, to = vector("v", v, kind(u)), np.dtype(dtype)
    if to not in NARROWER[kind(u)].values():
        accepted = " or ".join(np.dtype(narrow).name for narrow in NARROWER[kind(u)].values())
        raise ValueError(f"dtype = {to.name}: expected {accepted}, half as wide as {u.dtype.name}")
    batch = issue("vpack:sat", u=u, v=v)
    halves = (np.broadcast_to(_clipped(x, to), (*batch, x.shape[-1])) for x in (v, u))
    return np.concatenate(list(halves), axis=-1)
