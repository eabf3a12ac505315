"""Which arrays are HVX registers? 128 bytes on the last axis; a pair has 256, a scalar register 4."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgelib.isa.neon.registers import issue

Array = NDArray[Any]
BYTES = 128  # one vector register, V0 to V31, in 128-byte mode

# The types of a lane, as the assembler writes them. There is no 64-bit one.
LANES: dict[np.dtype[Any], str] = {
    np.dtype(np.uint8): "ub",
    np.dtype(np.int8): "b",
    np.dtype(np.uint16): "uh",
    np.dtype(np.int16): "h",
    np.dtype(np.uint32): "uw",
    np.dtype(np.int32): "w",
}

__all__ = ["BYTES", "LANES", "Array", "as_bytes", "control", "issue", "kind", "like", "scalar", "vector"]


def vector(argument: str, value: Any, *kinds: str, size: int = BYTES) -> Array:
    """`value`, if it is an array of lanes with `size` bytes on its last axis.

    kinds : accepted lane types ("ub", "h", ...); none: any of LANES.

    Raises
    ------
    ValueError : it is not; the message names the argument, what came, and what is accepted. Nothing is
        converted: a register has no type of its own, so the caller says by `astype` or `view` what is meant.
    """
    accepted = [dtype for dtype, name in LANES.items() if name in kinds or not kinds]
    wanted = " or ".join(f"{dtype.name}[..., {size // dtype.itemsize}]" for dtype in accepted)
    if not isinstance(value, np.ndarray):
        raise ValueError(f"{argument} = {value!r:.60}: expected an array {wanted}")
    right = value.dtype in accepted and value.ndim > 0 and value.shape[-1] * value.itemsize == size
    if not right:
        raise ValueError(
            f"{argument} is {value.dtype.name} with shape {list(value.shape)}: expected {wanted}"
        )
    return value


def scalar(argument: str, value: Any, *kinds: str) -> Array:
    """A scalar register R0 to R31 whose lanes matter: `vector` with 4 bytes."""
    return vector(argument, value, *kinds, size=4)


def control(argument: str, value: Any) -> Array:
    """A scalar register that holds a number: an integer, or an array [...] of them, as int64[..., 1]."""
    number = np.asarray(value)
    if number.dtype.kind not in "iu" or (number.dtype == np.uint64 and (number >> np.uint64(63)).any()):
        raise ValueError(f"{argument} = {value!r:.60}: expected an integer, or an array of them")
    return number.astype(np.int64)[..., np.newaxis]


def kind(value: Array) -> str:
    """The lane type as the assembler writes it: int16 is "h"."""
    return LANES[value.dtype]


def as_bytes(value: Array) -> Array:
    """The bytes of a register, lowest address first: uint8[..., 128]."""
    return np.ascontiguousarray(value).view(np.uint8)


def like(raw: Array, other: Array) -> Array:
    """Bytes as lanes of the type of `other`."""
    return np.ascontiguousarray(raw).view(other.dtype)
