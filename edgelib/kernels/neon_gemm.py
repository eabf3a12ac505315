r"""How is an INT8 matrix product written for NEON? The real loops, in calls of `edgelib.isa.neon`.

A GEMV uses every weight once: one load, one SDOT. A GEMM keeps a tile of the result in registers, so that a
loaded register is used several times: with r rows and c columns of accumulators, r + c loads feed r c SDOTs.
The tile may not exceed the 32 registers. SMMLA does twice the work of an SDOT, from the same registers,
if both operands are packed in pairs of rows.
Rows, columns and depth are filled up with zeros to whole tiles, as packed weights are in real runtimes.
Layouts as in XNNPACK's "4x16c4 neondot" and "8x8c8 neoni8mm" micro-kernels.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edgelib.errors import choice, integer
from edgelib.isa import neon
from edgelib.isa.trace import record

Bytes = NDArray[np.int8]
Words = NDArray[np.int32]
REGISTERS = 32  # V0 .. V31
LONGEST = (2**31 - 1) // 2**14  # products of -128 x -128 that an int32 surely holds: 131,071
ROWS = 4  # rows of a GEMV that share one load of x


def gemv_sdot(weights: ArrayLike, x: ArrayLike) -> Words:
    r"""$y = W x$: four rows at a time, 16 products an instruction.

    weights int8[rows, columns];   x int8[columns], columns <= 131,071.   Returns int32[rows].
    """
    w, v = _matrix("weights", weights), _int8("x", x)
    if v.shape != w.shape[1:]:
        raise ValueError(f"x has shape {v.shape}: expected {w.shape[1:]}, the columns of weights")
    rows, columns = w.shape[0], _up(w.shape[1], 16)
    w_memory, x_memory = _filled(w, rows, columns).ravel(), _filled(v[None], 1, columns).ravel()
    y = np.zeros(rows, np.int32)
    for row in range(0, rows, ROWS):
        block = np.arange(row, min(row + ROWS, rows))
        sums = neon.dup(np.zeros(len(block)), np.int32)  # a register for each row
        for k in range(0, columns, 16):
            x16 = neon.ld1(x_memory, k)
            sums = neon.sdot(sums, neon.ld1(w_memory, block * columns + k), x16)
        y[block] = neon.addv(sums)
        record("str", len(block), stored_B=4 * len(block))
    return y


def pack_sdot(b: ArrayLike) -> NDArray[np.int8]:
    """B [depth, columns] as registers [columns/4, depth/4, 16]: 4 columns x 4 deep, by columns."""
    matrix = _matrix("b", b)
    depth, columns = _up(matrix.shape[0], 16), _up(matrix.shape[1], 4)
    tiles = _filled(matrix, depth, columns).reshape(depth // 4, 4, columns // 4, 4)
    return np.ascontiguousarray(tiles.transpose(2, 0, 3, 1)).reshape(columns // 4, depth // 4, 16)


def gemm_sdot(a: ArrayLike, b: ArrayLike, rows: int = 4, vectors: int = 4) -> Words:
    r"""$C = A B$ with SDOT by element: `rows` x `vectors` accumulators of four columns each.

    a int8[M, K];   b int8[K, N], K <= 131,071.   Returns int32[M, N].
    rows, vectors : the register tile; rows x vectors + rows + vectors <= 32.
    """
    left, right = _operands(a, b, rows, vectors)
    (m, depth), n = left.shape, right.shape[1]
    height, k_end = _up(m, rows), _up(depth, 16)
    panels = _up(_up(n, 4) // 4, vectors)  # groups of four columns, whole tiles
    a_memory = _filled(left, height, k_end).ravel()
    b_memory = pack_sdot(_filled(right, depth, 4 * panels)).ravel()
    c_memory = np.zeros(height * 4 * panels, np.int32)
    for i in range(0, height, rows):
        row = np.arange(i, i + rows)[:, None]
        for j in range(0, panels, vectors):
            panel = np.arange(j, j + vectors)
            c = neon.dup(np.zeros((rows, vectors)), np.int32)
            for k in range(0, k_end, 16):
                a16 = neon.ld1(a_memory, row * k_end + k)
                for lane in range(4):
                    b16 = neon.ld1(b_memory, (panel * k_end + k + 4 * lane) * 4)
                    c = neon.sdot_lane(c, b16, a16, lane)
            neon.st1(c_memory, c, row * 4 * panels + 4 * panel)
    return c_memory.reshape(height, -1)[:m, :n]


def pack_smmla(b: ArrayLike) -> NDArray[np.int8]:
    """B [depth, columns] as registers [columns/2, depth/8, 16]: two columns of eight, one after the other."""
    matrix = _matrix("b", b)
    depth, columns = _up(matrix.shape[0], 8), _up(matrix.shape[1], 2)
    tiles = _filled(matrix, depth, columns).reshape(depth // 8, 8, columns // 2, 2)
    return np.ascontiguousarray(tiles.transpose(2, 0, 3, 1)).reshape(columns // 2, depth // 8, 16)


def gemm_smmla(a: ArrayLike, b: ArrayLike, rows: int = 4, vectors: int = 4) -> Words:
    r"""$C = A B$ with SMMLA: `rows` x `vectors` accumulators, each 2 x 2 results (8 x 8 by default).

    a int8[M, K];   b int8[K, N], K <= 131,071.   Returns int32[M, N]. Needs FEAT_I8MM: not on Cortex-A78.
    rows, vectors : the register tile, in pairs; vectors even; rows x vectors + rows + vectors <= 32.
    """
    left, right = _operands(a, b, rows, vectors)
    if vectors % 2:
        raise ValueError(f"vectors = {vectors}: expected an even number, as two blocks make a row of four")
    (m, depth), n = left.shape, right.shape[1]
    pairs, panels, k_end = _up(_up(m, 2) // 2, rows), _up(_up(n, 2) // 2, vectors), _up(depth, 8)
    a_memory = pack_smmla(_filled(left, 2 * pairs, depth).T).ravel()
    b_memory = pack_smmla(_filled(right, depth, 2 * panels)).ravel()
    c_memory = np.zeros(4 * pairs * panels, np.int32)
    for i in range(0, pairs, rows):
        pair = np.arange(i, i + rows)[:, None]
        for j in range(0, panels, vectors):
            panel = np.arange(j, j + vectors)
            c = neon.dup(np.zeros((rows, vectors)), np.int32)
            for k in range(0, k_end, 8):
                a16 = neon.ld1(a_memory, (pair * k_end + k) * 2)
                b16 = neon.ld1(b_memory, (panel * k_end + k) * 2)
                c = neon.smmla(c, a16, b16)
            for half, part in enumerate(_unzip(c)):  # the upper and the lower row of each pair
                neon.st1(c_memory, part, (2 * pair + half) * 2 * panels + 2 * panel[::2])
    return c_memory.reshape(2 * pairs, -1)[:m, :n]


def _unzip(c: Words) -> tuple[Words, Words]:
    """2 x 2 blocks [..., vectors, 4] to rows: ZIP1 and ZIP2 of 64-bit halves of neighbouring registers."""
    left, right = c[..., ::2, :], c[..., 1::2, :]
    for mnemonic in ("zip1", "zip2"):
        record(mnemonic, left[..., 0].size)
    upper, lower = (
        np.concatenate([left[..., h], right[..., h]], axis=-1) for h in (slice(0, 2), slice(2, 4))
    )
    return upper, lower


def instructions(kernel: str, m: int, n: int, k: int, rows: int = 4, vectors: int = 4) -> Counter[str]:
    r"""Closed form of what a trace counts for $[m, k] \times [k, n]$.

    kernel : "gemv_sdot" (m times, weights [n, k]; its tile is fixed), "gemm_sdot" or "gemm_smmla".
    With $t$ tiles, depth $K$: SDOT $t\, r c K/4$, loads $t (r K/16 + c K/4)$; SMMLA $t\, r c K/8$, loads
    $t (r + c) K/8$. Loops, addresses and branches are not counted.
    """
    choice("kernel", kernel, ("gemv_sdot", "gemm_sdot", "gemm_smmla"))
    m, n, k = (integer(name, v, 1) for name, v in (("m", m), ("n", n), ("k", k)))
    _tile(rows, vectors)
    if kernel == "gemv_sdot":
        turns = _up(k, 16) // 16
        each = {"sdot": n * turns, "ld1": (n + _up(n, ROWS) // ROWS) * turns, "dup": n, "addv": n, "str": n}
        return Counter({name: m * count for name, count in each.items()})
    if kernel == "gemm_sdot":
        depth, tiles = _up(k, 16), (_up(m, rows) // rows) * (_up(n, 4 * vectors) // (4 * vectors))
        loads, products, name = rows * depth // 16 + vectors * depth // 4, depth // 4, "sdot"
    else:
        depth, tiles = _up(k, 8), (_up(m, 2 * rows) // (2 * rows)) * (_up(n, 2 * vectors) // (2 * vectors))
        loads, products, name = (rows + vectors) * depth // 8, depth // 8, "smmla"
    size = tiles * rows * vectors
    counts = Counter({name: size * products, "ld1": tiles * loads, "dup": size, "st1": size})
    if kernel == "gemm_smmla":
        counts.update(zip1=size // 2, zip2=size // 2)
    return counts


def _up(size: int, step: int) -> int:
    """`size` rounded up to a multiple of `step`."""
    return -(-size // step) * step


def _int8(argument: str, value: ArrayLike) -> Bytes:
    array = np.asarray(value)
    if array.dtype != np.int8 or array.size == 0:
        raise ValueError(
            f"{argument} has dtype {array.dtype} and shape {array.shape}: expected int8, not empty"
        )
    if array.shape[-1] > LONGEST and argument != "b":
        raise ValueError(
            f"{argument} has {array.shape[-1]} columns: expected at most {LONGEST}, or int32 overflows"
        )
    return array


def _matrix(argument: str, value: ArrayLike) -> Bytes:
    array = _int8(argument, value)
    if array.ndim != 2:
        raise ValueError(f"{argument} has shape {array.shape}: expected two dimensions")
    return array


def _tile(rows: Any, vectors: Any) -> None:
    rows, vectors = integer("rows", rows, 1), integer("vectors", vectors, 1)
    needed = rows * vectors + rows + vectors
    if needed > REGISTERS:
        raise ValueError(
            f"rows = {rows}, vectors = {vectors}: {needed} registers; "
            f"expected at most {REGISTERS}, or they spill"
        )


def _operands(a: ArrayLike, b: ArrayLike, rows: int, vectors: int) -> tuple[Bytes, Bytes]:
    _tile(rows, vectors)
    left, right = _matrix("a", a), _matrix("b", b)
    if left.shape[1] != right.shape[0]:
        raise ValueError(f"a has shape {left.shape}, b {right.shape}: expected a's columns to be b's rows")
    return left, right


def _filled(matrix: Bytes, rows: int, columns: int) -> Bytes:
    """`matrix` with zeros below and to the right."""
    out = np.zeros((rows, columns), np.int8)
    out[: matrix.shape[0], : matrix.shape[1]] = matrix
    return out
