"""Which arrays are NEON registers? The last axis holds the lanes of one register, all others are a batch."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from edgelib.isa.trace import record

Array = NDArray[Any]
BYTES = 16  # one vector register, V0 to V31


def register(argument: str, value: Array, dtype: DTypeLike, lanes: int) -> Array:
    """`value`, if it is an array of `dtype` whose last axis has `lanes` elements.

    Raises
    ------
    ValueError : it is not; the message names the argument, what came, and what is accepted. Nothing is
        converted: a register has no type of its own, so the caller says by `astype` or `view` what is meant.
    """
    wanted = f"expected an array of {np.dtype(dtype).name} with shape [..., {lanes}]"
    if not isinstance(value, np.ndarray):
        raise ValueError(f"{argument} = {value!r:.60}: {wanted}")
    if value.dtype != dtype or value.ndim == 0 or value.shape[-1] != lanes:
        raise ValueError(f"{argument} is {value.dtype.name} with shape {list(value.shape)}: {wanted}")
    return value


def issue(mnemonic: str, **operands: Array) -> tuple[int, ...]:
    """Record one instruction per register of the batch; return the batch's shape.

    Raises
    ------
    ValueError : the batches of the operands do not broadcast.
    """
    try:
        batch = np.broadcast_shapes(*(value.shape[:-1] for value in operands.values()))
    except ValueError:
        shapes = ", ".join(f"{name} {list(value.shape)}" for name, value in operands.items())
        raise ValueError(f"{shapes}: expected batches (all axes but the last) that broadcast") from None
    record(mnemonic, prod(batch))
    return batch
