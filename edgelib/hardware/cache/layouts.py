r"""In which line does an element lie, and how many bytes are fetched for those that are wanted?

Memory moves in lines. A layout says where an element lies; an access pattern says which are wanted; together
they say how many of the fetched bytes were useful:

- `nchw`: $((n C + c) H + h) W + w$, each channel an image of its own;
- `nhwc`: $((n H + h) W + w) C + c$, the channels of a pixel side by side;
- `morton` (Z-order): the bits of row and column in turn, so that every aligned square of $2^k \times 2^k$
  elements is contiguous.

Source of the curve: Morton, A Computer Oriented Geodetic Data Base, IBM 1966.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edgelib.errors import choice, integer

Ints = NDArray[np.int64]
LINE = 64
LAYOUTS = ("nhwc", "nchw")


def tensor_offset(
    layout: str, shape: tuple[int, int, int, int], n: ArrayLike, c: ArrayLike, h: ArrayLike, w: ArrayLike
) -> Ints:
    """Position of element (n, c, h, w) in memory, in elements. Indexes broadcast.

    shape : (N, C, H, W), whatever the layout.
    """
    choice("layout", layout, LAYOUTS)
    if len(shape) != 4:
        raise ValueError(f"shape = {shape!r}: expected (N, C, H, W)")
    _, channels, height, width = sizes = [integer("shape", size, at_least=1) for size in shape]
    n, c, h, w = (_index(a, i, size) for a, i, size in zip("nchw", (n, c, h, w), sizes, strict=True))
    if layout == "nchw":
        return np.asarray(((n * channels + c) * height + h) * width + w)
    return np.asarray(((n * height + h) * width + w) * channels + c)


def row_major(rows: int, columns: int, row: ArrayLike, column: ArrayLike) -> Ints:
    """Position of (row, column) in a matrix stored row after row, in elements."""
    return _index("row", row, integer("rows", rows, 1)) * columns + _index(
        "column", column, integer("columns", columns, 1)
    )


def morton(row: ArrayLike, column: ArrayLike) -> Ints:
    r"""Position of (row, column) on the Z-order curve: bit 2k is bit k of the column, bit 2k + 1 of the row.

    row, column : 0 to $2^{20} - 1$.   morton(3, 5) = 0b011011 = 27.
    """
    return _spread(_index("row", row, 1 << 20)) << 1 | _spread(_index("column", column, 1 << 20))


def _spread(x: Ints) -> Ints:
    """A zero between any two bits, by doubling."""
    for shift, mask in ((16, 0x0000FFFF0000FFFF), (8, 0x00FF00FF00FF00FF), (4, 0x0F0F0F0F0F0F0F0F)):
        x = (x | x << shift) & mask
    x = (x | x << 2) & 0x3333333333333333
    return (x | x << 1) & 0x5555555555555555


@dataclass(frozen=True)
class Fetched:
    """Lines and bytes of one access pattern.

    lines : fetched.   useful : bytes wanted.   line : bytes per line.
    """

    lines: int
    useful: int
    line: int = LINE

    @property
    def bytes(self) -> int:
        """Bytes that move."""
        return self.lines * self.line

    @property
    def waste(self) -> float:
        """Bytes moved per useful byte, at least 1."""
        return self.bytes / self.useful


def fetched(offsets: ArrayLike, itemsize: int, line: int = LINE, base: int = 0) -> Fetched:
    """What the elements at `offsets` (in elements of `itemsize` bytes) cost, each line fetched once.

    base : byte address of element 0; misaligned tensors touch more lines.
    """
    item, line = integer("itemsize", itemsize, at_least=1), integer("line", line, at_least=1)
    elements = np.unique(_index("offsets", offsets, 1 << 48))
    if not elements.size:
        raise ValueError("offsets is empty: expected at least one element")
    first = integer("base", base) + elements * item
    span = (item - 1) // line + 2  # lines that one element can touch, at most
    touched = first[:, None] // line + np.arange(span)
    inside = touched <= ((first + item - 1) // line)[:, None]
    return Fetched(int(np.unique(touched[inside]).size), int(elements.size * item), line)


@dataclass(frozen=True)
class Sharing:
    """Objects of several threads in the same lines.

    stride : bytes from one object to the next.   padding : bytes added to each.
    lines : touched by all.   shared : those that two or more threads write.
    pairs : pairs of threads that share a line: each of their writes takes the line away from the other.
    """

    stride: int
    padding: int
    lines: int
    shared: int
    pairs: int


def false_sharing(size: int, threads: int, align: int = 1, line: int = LINE) -> Sharing:
    r"""One object of `size` bytes per thread, in an array that starts at a line.

    align : the stride is `size` rounded up to a multiple of it, $\lceil \text{size} / a \rceil a$; 64 is
    a line.
    """
    size, threads = integer("size", size, at_least=1), integer("threads", threads, at_least=1)
    align, line = integer("align", align, at_least=1), integer("line", line, at_least=1)
    stride = -(-size // align) * align
    first = np.arange(threads) * stride
    low, high = first // line, (first + size - 1) // line
    a, b = np.triu_indices(threads, k=1)
    pairs = int((low[b] <= high[a]).sum())  # b lies behind a
    users = np.bincount(np.concatenate([np.arange(i, j + 1) for i, j in zip(low, high, strict=True)]))
    return Sharing(stride, stride - size, int((users > 0).sum()), int((users > 1).sum()), pairs)


def _index(argument: str, value: ArrayLike, below: int) -> Ints:
    array = np.asarray(value)
    if array.size and (array.dtype.kind not in "iu" or array.min() < 0 or array.max() >= below):
        raise ValueError(f"{argument} = {value!r}: expected whole numbers from 0 to {below - 1}")
    return array.astype(np.int64)
