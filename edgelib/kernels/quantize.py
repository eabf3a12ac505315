r"""How does a weight become a few bits? Round to nearest, with one step for a group of weights.

$code = round(w / \Delta) + zero$, $\hat w = \Delta (code - zero)$: inside the range the error is at most
$\Delta / 2$. The formats that llama.cpp stores (`q4_0 q4_1 q5_0 q8_0`) are in `block_formats`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from edgelib.errors import integer, real
from edgelib.kernels.block_formats import dequantize, q4_0, q4_1, q5_0, q8_0

__all__ = ["Quantized", "dequantize", "q4_0", "q4_1", "q5_0", "q8_0", "rtn"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
MAX_BITS = 16


class Quantized(NamedTuple):
    """Weights after quantisation, and what is stored.

    values : float[..., rows, columns], what the kernels multiply with.
    scales : float[..., rows, groups], the step of each group; [..., 1, 1] with one for the tensor.
    zeros : int, as scales: the code that stands for 0 (0 where symmetric).
    codes : int[..., rows, columns], what is stored.
    """

    values: Floats
    scales: Floats
    zeros: Ints
    codes: Ints


def rtn(w: npt.ArrayLike, bits: int, group: int | str | None = None, symmetric: bool = True) -> Quantized:
    r"""Round to nearest.

    Symmetric: $\Delta = \max|w| / (2^{b-1} - 1)$, codes $-(2^{b-1} - 1) .. 2^{b-1} - 1$, zero = 0.
    Asymmetric: $\Delta = (\max(w, 0) - \min(w, 0)) / (2^b - 1)$, codes $0 .. 2^b - 1$, zero a code.

    Parameters
    ----------
    w : float[..., rows, columns] or float[columns]; a row is one output channel.
    bits : 2..16 (asymmetric: 1..16).
    group : how many neighbours in a row share a step: a divisor of the columns, None for the whole row
        (per channel), "tensor" for all rows together.

    Raises
    ------
    ValueError : w is no array of finite numbers, bits or group out of range.
    """
    array = np.asarray(real("w", w), dtype=float)
    if array.ndim == 0 or array.size == 0:
        raise ValueError(f"w has shape {array.shape}: expected at least one row of weights")
    bits = integer("bits", bits, 2 if symmetric else 1)
    if bits > MAX_BITS:
        raise ValueError(f"bits = {bits}: expected at most {MAX_BITS}")
    shared = _grouped(array, group)
    high = np.maximum(shared.max(axis=-1, keepdims=True), 0)
    low = np.minimum(shared.min(axis=-1, keepdims=True), 0)
    if symmetric:
        top = 2 ** (bits - 1) - 1
        first, last = -top, top
        scales = np.maximum(high, -low) / top
    else:
        first, last = 0, 2**bits - 1
        scales = high / last - low / last
    zeros = np.zeros_like(scales) if symmetric else np.rint(_divide(-low, scales))
    codes = np.clip(np.rint(_divide(shared, scales)) + zeros, first, last)
    values = scales * (codes - zeros)
    small = (*array.shape[:-2], 1, 1) if group == "tensor" and array.ndim > 1 else (*array.shape[:-1], -1)
    return Quantized(
        values.reshape(array.shape),
        scales.reshape(small),
        zeros.reshape(small).astype(np.int64),
        codes.reshape(array.shape).astype(np.int64),
    )


def _grouped(w: Floats, group: Any) -> Floats:
    """`w` with the weights that share a step on the last axis."""
    columns = w.shape[-1]
    if group is None:
        return w
    if isinstance(group, str):
        if group != "tensor":
            raise ValueError(f'group = {group!r}: expected a whole number, None or "tensor"')
        return w.reshape(*w.shape[:-2], -1)
    group = integer("group", group, 1)
    if columns % group:
        raise ValueError(f"group = {group}: expected a divisor of the {columns} columns of w")
    return w.reshape(*w.shape[:-1], columns // group, group)


def _divide(a: Floats, b: Floats) -> Floats:
    """a / b, and 0 where b is 0 (a group of zeros)."""
    return np.divide(a, b, out=np.zeros(np.broadcast_shapes(a.shape, b.shape)), where=b > 0)
