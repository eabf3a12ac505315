"""What bytes does llama.cpp store for 32 weights?

    format  bytes  value of code q          how the 32 codes are kept
    q4_0       18  d (q - 8)                d, 16 bytes of two codes each
    q4_1       20  d q + m                  d, m, 16 bytes of two codes each
    q5_0       22  d (q - 16)               d, the 32 fifth bits, 16 bytes of two lower halves each
    q8_0       34  d q                      d, 32 signed bytes

d and m are float16. Two codes in a byte: i in the lower half, i + 16 in the upper. q4_0 and q5_0 give
the weight that is largest in magnitude the code 0; an equal weight of the other sign does not fit and
is clipped by one step. Source: ggml's block structures; the bytes are those of the `gguf` package.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from edgelib.errors import choice, real

BLOCK = 32
LARGEST = float(np.finfo(np.float32).max) / 2  # so that a difference of two weights fits float32
BYTES = {"q4_0": 18, "q4_1": 20, "q5_0": 22, "q8_0": 34}

Bytes = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]


def q4_0(w: npt.ArrayLike) -> Bytes:
    """uint8[..., n / 32 * 18] of float[..., n]. ValueError: n no multiple of 32, a scale above float16."""
    blocks = _blocks(w)
    scale = _largest(blocks) / np.float32(-8)
    return _joined(_half(scale), _pairs(_codes(blocks, scale, 8, 15)))


def q4_1(w: npt.ArrayLike) -> Bytes:
    """uint8[..., n / 32 * 20] of float[..., n]. Errors as q4_0."""
    blocks = _blocks(w)
    low = blocks.min(axis=-1, keepdims=True)
    scale = (blocks.max(axis=-1, keepdims=True) - low) / np.float32(15)
    return _joined(_half(scale), _half(low), _pairs(_codes(blocks - low, scale, 0, 15)))


def q5_0(w: npt.ArrayLike) -> Bytes:
    """uint8[..., n / 32 * 22] of float[..., n]. Errors as q4_0."""
    blocks = _blocks(w)
    scale = _largest(blocks) / np.float32(-16)
    codes = _codes(blocks, scale, 16, 31)
    return _joined(
        _half(scale),
        np.packbits(codes >> np.uint8(4), axis=-1, bitorder="little"),
        _pairs(codes & np.uint8(15)),
    )


def q8_0(w: npt.ArrayLike) -> Bytes:
    """uint8[..., n / 32 * 34] of float[..., n]. Errors as q4_0."""
    blocks = _blocks(w)
    scale = abs(blocks).max(axis=-1, keepdims=True) / np.float32(127)
    x = blocks * _inverse(scale)
    whole = np.floor(abs(x))
    codes = np.sign(x) * (whole + np.floor(2 * (abs(x) - whole)))  # halves away from zero
    return _joined(_half(scale), codes.astype(np.int8).view(np.uint8))


def dequantize(packed: npt.ArrayLike, name: str) -> Floats:
    """float32[..., n] of the bytes of format `name`, uint8[..., n / 32 * bytes].

    ValueError : an unknown name, no bytes, or not a whole number of blocks.
    """
    size = BYTES[choice("name", name, BYTES)]
    raw = np.asarray(packed)
    if raw.dtype != np.uint8 or raw.ndim == 0 or raw.shape[-1] == 0 or raw.shape[-1] % size:
        raise ValueError(f"packed is {raw.dtype}{raw.shape}: expected uint8 in blocks of {size} bytes")
    blocks = np.ascontiguousarray(raw).reshape(*raw.shape[:-1], -1, size)
    scale, rest = _float(blocks[..., :2]), blocks[..., 2:]
    if name == "q8_0":
        values = scale * rest.view(np.int8)
    elif name == "q4_0":
        values = scale * (_unpaired(rest).astype(np.float32) - 8)
    elif name == "q4_1":
        values = scale * _unpaired(rest[..., 2:]).astype(np.float32) + _float(rest[..., :2])
    else:
        fifth = np.unpackbits(rest[..., :4], axis=-1, bitorder="little")
        values = scale * ((_unpaired(rest[..., 4:]) | fifth << np.uint8(4)).astype(np.float32) - 16)
    return np.asarray(values.reshape(*raw.shape[:-1], -1), dtype=np.float32)


def _blocks(w: Any) -> Floats:
    """float32[..., n / 32, 32]: llama.cpp rounds in float32, and so does this."""
    array = np.asarray(real("w", w))
    if array.ndim == 0 or array.shape[-1] == 0 or array.shape[-1] % BLOCK:
        raise ValueError(f"w has shape {array.shape}: expected a last axis that is a multiple of {BLOCK}")
    if abs(array).max() > LARGEST:
        raise ValueError(f"w reaches {abs(array).max():.3g}: expected numbers of at most {LARGEST:.3g}")
    return array.astype(np.float32).reshape(*array.shape[:-1], -1, BLOCK)


def _largest(blocks: Floats) -> Floats:
    """The weight of largest magnitude, with its sign."""
    return np.take_along_axis(blocks, abs(blocks).argmax(axis=-1, keepdims=True), axis=-1)


def _inverse(scale: Floats) -> Floats:
    """1 / scale; 0 where that is no float32: such a scale is stored as 0, so codes do not matter."""
    fits = abs(scale) > 1 / np.finfo(np.float32).max
    return np.divide(1, scale, out=np.zeros_like(scale), where=fits)


def _codes(x: Floats, scale: Floats, offset: int, last: int) -> Bytes:
    codes = np.trunc(x * _inverse(scale) + np.float32(offset + 0.5))
    return np.asarray(np.clip(codes, 0, last), dtype=np.uint8)


def _pairs(codes: Bytes) -> Bytes:
    lower, upper = codes[..., : BLOCK // 2], codes[..., BLOCK // 2 :]
    return np.asarray(lower | upper << np.uint8(4), dtype=np.uint8)


def _unpaired(pairs: Bytes) -> Bytes:
    return np.asarray(np.concatenate([pairs & np.uint8(15), pairs >> np.uint8(4)], axis=-1), dtype=np.uint8)


def _half(x: Floats) -> Bytes:
    """A float16 as two bytes."""
    if abs(x).max() > np.finfo(np.float16).max:
        raise ValueError(f"w needs a scale of {abs(x).max():.3g}: expected one that fits float16 (65504)")
    return x.astype(np.float16).view(np.uint8)


def _float(two: Bytes) -> Floats:
    return np.ascontiguousarray(two).view(np.float16).astype(np.float32)


def _joined(*parts: Bytes) -> Bytes:
    """The parts of each block side by side, the blocks of a row in one line."""
    blocks: Bytes = np.concatenate(parts, axis=-1)
    return blocks.reshape(*blocks.shape[:-2], -1)
