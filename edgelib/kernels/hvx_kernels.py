r"""How is a matrix product with INT8 or INT4 weights written for HVX? The real loops, in calls of `isa.hvx`.

Vertical: a lane is an output. A register of weights holds 4 rows of depth for 32 outputs, and a scalar
register four inputs that all lanes use: vrmpy(weights.ub, r.b). Nothing crosses lanes, but the weights must
be packed. Horizontal: a register holds 128 consecutive weights of one output. Nothing is packed, but each
output ends as 32 partial sums, five rotations and five additions apart.

The scalar form takes unsigned weights, so they are stored with an offset (128, or 8 for INT4), and the offset
times the sum of the inputs is taken off at the end. Modulo $2^{32}$ that is exact.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edgelib.errors import choice, integer
from edgelib.isa import hvx
from edgelib.isa.trace import record

Bytes = NDArray[np.uint8]
Words = NDArray[np.int32]
VECTOR, LANES, REGISTERS = 128, 32, 32  # bytes and words of a register; registers V0 to V31
LONGEST = (2**31 - 1) // 2**14  # products of -128 x -128 that an int32 surely holds: 131,071
OFFSET = {8: 128, 4: 8}  # added to make weights unsigned
SHARING = 8  # rows of the horizontal kernel that share one load of x
LAYOUTS = ("halves", "neighbours")


def pack_int4(values: ArrayLike, layout: str = "halves") -> Bytes:
    """256 integers from -8 to 7 in 128 bytes, each stored as value + 8.

    values int[..., 256] -> uint8[..., 128].   layout : which two share byte j: "halves" j (low four bits) and
    j + 128 (high), "neighbours" 2 j (low) and 2 j + 1 (high).
    """
    array = np.asarray(values)
    if array.dtype.kind not in "iu" or array.shape[-1:] != (256,) or array.min() < -8 or array.max() > 7:
        raise ValueError("values: expected whole numbers from -8 to 7, in an array of shape [..., 256]")
    shifted = (array.astype(np.int16) + OFFSET[4]).astype(np.uint8)
    if choice("layout", layout, LAYOUTS) == "halves":
        low, high = shifted[..., :VECTOR], shifted[..., VECTOR:]
    else:
        low, high = shifted[..., ::2], shifted[..., 1::2]
    return np.asarray(low | high << 4, np.uint8)


def unpack_int4(packed: Bytes, layout: str = "halves") -> NDArray[np.int8]:
    """What was packed: uint8[..., 128] -> int8[..., 256], by vand, vlsr, vsub, and vshuff for neighbours."""
    choice("layout", layout, LAYOUTS)
    low = hvx.vand(packed, hvx.vsplat(0x0F, np.uint8)).view(np.int8)
    high = hvx.vlsr(packed, 4).view(np.int8)
    offset = hvx.vsplat(OFFSET[4], np.int8)
    low, high = hvx.vsub(low, offset), hvx.vsub(high, offset)
    if layout == "neighbours":
        return hvx.vshuff(high, low, -1)
    return np.concatenate([low, high], axis=-1)


def pack_weights(b: ArrayLike, bits: int = 8) -> Bytes:
    """Weights for the vertical kernels, offset: B int8[depth, columns] -> uint8[columns/32, turns, 128].

    Byte 4 l + i of turn t is B[4 t + i, 32 p + l]. With 4 bits (-8 to 7) a byte holds turn 2 t in its low and
    turn 2 t + 1 in its high half. Depth and columns are filled up with zeros.
    """
    matrix = _int8("b", b, 2)
    offset = OFFSET[_bits(bits)]
    if bits == 4 and (matrix.min() < -8 or matrix.max() > 7):
        raise ValueError(f"b holds {matrix.min()} to {matrix.max()}: expected -8 to 7 for bits = 4")
    depth, columns = _up(matrix.shape[0], 32 // bits), _up(matrix.shape[1], LANES)
    whole = np.zeros((depth, columns), np.int16)
    whole[: matrix.shape[0], : matrix.shape[1]] = matrix
    tiles = (whole + offset).astype(np.uint8).reshape(depth // 4, 4, columns // LANES, LANES)
    vectors = np.ascontiguousarray(tiles.transpose(2, 0, 3, 1)).reshape(columns // LANES, depth // 4, VECTOR)
    return vectors if bits == 8 else np.asarray(vectors[:, ::2] | vectors[:, 1::2] << 4, np.uint8)


def gemm(a: ArrayLike, b: ArrayLike, rows: int = 4, vectors: int = 4, bits: int = 8) -> Words:
    r"""$C = A B$ with vrmpy by scalar: `rows` x `vectors` accumulators of 32 columns each.

    a int8[M, K];   b int8[K, N], K <= 131,071, from -8 to 7 if bits = 4.   Returns int32[M, N].
    rows, vectors : the register tile; rows x vectors + vectors (twice that for 4 bits) + 2 <= 32.
    """
    left = _int8("a", a, 2)
    right = _int8("b", b, 2)
    if left.shape[1] != right.shape[0]:
        raise ValueError(f"a has shape {left.shape}, b {right.shape}: expected a's columns to be b's rows")
    _tile(rows, vectors, bits)
    (m, depth), n = left.shape, right.shape[1]
    packed = pack_weights(right, bits)
    panels, turns = _up(packed.shape[0], vectors), packed.shape[1]
    memory = np.zeros((panels, turns, VECTOR), np.uint8)
    memory[: packed.shape[0]] = packed
    a_memory = np.zeros((_up(m, rows), _up(depth, VECTOR)), np.int8)
    a_memory[:m, :depth] = left
    c_memory = np.zeros(a_memory.shape[0] * panels * LANES, np.int32)
    sums = OFFSET[bits] * _row_sums(a_memory)
    mask = hvx.vsplat(0x0F, np.uint8) if bits == 4 else None
    for i in range(0, len(a_memory), rows):
        row = np.arange(i, i + rows)
        for j in range(0, panels, vectors):
            panel = np.arange(j, j + vectors)
            c = hvx.vsplat(np.zeros((rows, vectors), int), np.int32)
            for k in range(turns):
                weights = hvx.vmem(memory.ravel(), (panel * turns + k) * VECTOR)
                if mask is None:
                    c = hvx.vrmpy(weights, _four(a_memory, row, 4 * k), c)
                else:
                    c = hvx.vrmpy(hvx.vand(weights, mask), _four(a_memory, row, 8 * k), c)
                    c = hvx.vrmpy(hvx.vlsr(weights, 4), _four(a_memory, row, 8 * k + 4), c)
            c = hvx.vsub(c, hvx.vsplat(sums[row, np.newaxis], np.int32))
            hvx.vmem_store(c_memory, (row[:, np.newaxis] * panels + panel) * VECTOR, c)
    return c_memory.reshape(len(a_memory), -1)[:m, :n]


def gemv(weights: ArrayLike, x: ArrayLike, vectors: int = 4, bits: int = 8) -> Words:
    """y = W x, vertical: weights int8[rows, columns], x int8[columns] -> int32[rows]. One row of `gemm`."""
    w, v = _int8("weights", weights, 2), _int8("x", x, 1)
    if v.shape != w.shape[1:]:
        raise ValueError(f"x has shape {v.shape}: expected {w.shape[1:]}, the columns of weights")
    return np.asarray(gemm(v[np.newaxis], w.T, rows=1, vectors=vectors, bits=bits)[0])


def gemv_horizontal(weights: ArrayLike, x: ArrayLike) -> Words:
    """y = W x, horizontal: 128 weights of one row a register, weights as they lie. int8 -> int32[rows]."""
    w, v = _int8("weights", weights, 2), _int8("x", x, 1)
    if v.shape != w.shape[1:]:
        raise ValueError(f"x has shape {v.shape}: expected {w.shape[1:]}, the columns of weights")
    rows, columns = w.shape[0], _up(w.shape[1], VECTOR)
    w_memory, x_memory = np.zeros((rows, columns), np.int8), np.zeros(columns, np.int8)
    w_memory[:, : w.shape[1]], x_memory[: v.size] = w, v
    y = np.zeros(rows, np.int32)
    for row in range(0, rows, SHARING):
        block = np.arange(row, min(row + SHARING, rows))
        sums = hvx.vsplat(0 * block, np.int32)
        for k in range(0, columns, VECTOR):
            x128 = hvx.vmem(x_memory, k)
            sums = hvx.vrmpy(hvx.vmem(w_memory.ravel(), block * columns + k), x128, sums)
        y[block] = _across(sums)
    record("memw_store", rows, stored_B=4 * rows)
    return y


def _across(sums: Words) -> Words:
    """The sum of the 32 lanes: rotate by half, add, five times. int32[..., 32] -> int32[...]."""
    for distance in (64, 32, 16, 8, 4):
        sums = hvx.vadd(sums, hvx.vror(sums, distance))
    return np.asarray(sums[..., 0])


def _row_sums(a_memory: NDArray[np.int8]) -> Words:
    """The sum of each row, by vrmpy with ones."""
    ones = hvx.vsplat(1, np.uint8)
    total = hvx.vsplat(np.zeros(len(a_memory), int), np.int32)
    rows, columns = np.arange(len(a_memory)), a_memory.shape[1]
    for k in range(0, columns, VECTOR):
        total = hvx.vrmpy(ones, hvx.vmem(a_memory.ravel(), rows * columns + k), total)
    return _across(total)


def _four(a_memory: NDArray[np.int8], row: NDArray[Any], at: int) -> NDArray[np.int8]:
    """Four inputs of each row in scalar registers: int8[rows, 1, 4]."""
    record("memw", len(row), loaded_B=4 * len(row))
    return a_memory[row, np.newaxis, at : at + 4]


def instructions(
    kernel: str, m: int, n: int, k: int, rows: int = 4, vectors: int = 4, bits: int = 8
) -> Counter[str]:
    r"""Closed form of what a trace counts for $[m, k] \times [k, n]$.

    kernel : "gemm", "gemv" (m = rows = 1), or "gemv_horizontal" (m times; weights [n, k]).
    With $t = \lceil m/r \rceil \lceil n/(32 v) \rceil$ tiles of $r v$ accumulators: $t\, r v K/4$ vrmpy and
    $t\, v K/4$ loads of weights (half of them with 4 bits). Loops, addresses and branches are not counted.
    """
    choice("kernel", kernel, ("gemm", "gemv", "gemv_horizontal"))
    m, n, k = (integer(name, value, 1) for name, value in (("m", m), ("n", n), ("k", k)))
    long = _up(k, VECTOR) // VECTOR
    if kernel == "gemv_horizontal":
        each = {"vrmpy": n * long, "vmem": (n + _up(n, SHARING) // SHARING) * long, "vsplat": n}
        each |= {"vror": 5 * n, "vadd": 5 * n, "memw_store": n}
        return Counter({name: m * count for name, count in each.items()})
    rows = 1 if kernel == "gemv" else rows
    _tile(rows, vectors, bits)
    height, turns = _up(m, rows), _up(k, 32 // bits) // 4
    tiles = height // rows * (_up(n, LANES * vectors) // (LANES * vectors))
    loads, size = tiles * vectors * turns * bits // 8, tiles * rows * vectors
    counts = Counter(
        {
            "vrmpy": size * turns + height * long,
            "vmem": loads + height * long,
            "memw": tiles * rows * turns,
            "vsplat": size + tiles * rows + height + 1 + (bits == 4),
            "vsub": size,
            "vmem_store": size,
            "vror": 5 * height,
            "vadd": 5 * height,
        }
    )
    return counts if bits == 8 else counts + Counter({"vand": loads, "vlsr": loads})


def _up(size: int, step: int) -> int:
    """`size` rounded up to a multiple of `step`."""
    return -(-size // step) * step


def _bits(bits: Any) -> int:
    if isinstance(bits, bool) or bits not in (8, 4):
        raise ValueError(f"bits = {bits!r}: expected 8 or 4")
    return int(bits)


def _int8(argument: str, value: ArrayLike, dimensions: int) -> NDArray[np.int8]:
    array = np.asarray(value)
    if array.dtype != np.int8 or array.ndim != dimensions or array.size == 0:
        raise ValueError(
            f"{argument} has dtype {array.dtype} and shape {array.shape}: expected int8 with "
            f"{dimensions} dimension{'s' * (dimensions > 1)}, not empty"
        )
    if argument != "b" and array.shape[-1] > LONGEST:
        raise ValueError(
            f"{argument} has {array.shape[-1]} columns: expected at most {LONGEST}, or int32 overflows"
        )
    return array


def _tile(rows: Any, vectors: Any, bits: Any) -> None:
    rows, vectors = integer("rows", rows, 1), integer("vectors", vectors, 1)
    needed = rows * vectors + vectors * (16 // _bits(bits) // 2) + 2
    if needed > REGISTERS:
        raise ValueError(
            f"rows = {rows}, vectors = {vectors}: {needed} registers; "
            f"expected at most {REGISTERS}, or they spill"
        )
