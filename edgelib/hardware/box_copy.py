r"""What does a DMA engine copy? Boxes of bytes with strides, chained descriptors, and what they cannot do.

A descriptor names a source, a destination, a number of rows, the bytes of a row, and the distance from one
row to the next on either side. An engine walks a chain of them without the processor. It moves bytes in
their order; it does not take a row apart.
Descriptor fields of the Hexagon user DMA: one-dimensional, 24 bits of length; two-dimensional before V75, 16
bits each for row bytes, rows and strides; from V75 on also 24 bits for row bytes and strides, 16 for rows.
Sources: LLVM, clang/lib/Headers/hexagon_types.h (hexagon_udma_descriptor_type0_s, type1_s);
qualcomm/hexagon-mlir, UserDMADescriptors.h (the 24-bit layout, and the note that the old one cuts strides to
16 bits in silence).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from math import ceil

import numpy as np
from numpy.typing import NDArray

from edgelib.errors import choice, integer

Bytes = NDArray[np.uint8]

# Bits of (row bytes, rows, strides) in a descriptor; strides of a linear one do not exist.
LAYOUTS = {"1-D": (24, 0, 0), "2-D": (16, 16, 16), "2-D wide": (24, 16, 24)}
BURST_B = 32  # the least that LPDDR5 moves: burst length 16 on a 16-bit channel (JEDEC JESD209-5)


@dataclass(frozen=True)
class Box:
    """A copy of `rows` rows of `row_B` bytes.

    source, target : addresses of the first byte.   source_stride, target_stride : bytes from one row's first
    byte to the next row's; at least 0, and any value if there is one row.
    """

    source: int
    target: int
    rows: int
    row_B: int
    source_stride: int
    target_stride: int

    def __post_init__(self) -> None:
        for name in ("source", "target", "source_stride", "target_stride"):
            integer(name, getattr(self, name))
        for name in ("rows", "row_B"):
            integer(name, getattr(self, name), at_least=1)

    @property
    def size_B(self) -> int:
        """Bytes moved."""
        return self.rows * self.row_B

    def descriptors(self, layout: str = "2-D") -> int:
        """How many descriptors of a layout ("1-D", "2-D", "2-D wide") the box takes.

        Rows and row bytes that are too large for their fields are cut into pieces. A stride that does not fit
        cannot be cut: each row is then a copy of its own. Rows that touch on both sides are one long row.
        """
        width_bits, rows_bits, stride_bits = LAYOUTS[choice("layout", layout, LAYOUTS)]
        widest: int = 2**width_bits - 1
        most: int = 2**rows_bits - 1
        if self.source_stride == self.target_stride == self.row_B and layout == "1-D":
            return ceil(self.size_B / widest)
        pieces = ceil(self.row_B / widest)
        if rows_bits == 0 or max(self.source_stride, self.target_stride) >= 2**stride_bits:
            return pieces * self.rows
        return pieces * ceil(self.rows / most)

    def truncated(self, layout: str = "2-D") -> Box:
        """What an engine does that is given a stride too large for its field: the upper bits are lost."""
        bits = LAYOUTS[choice("layout", layout, ("2-D", "2-D wide"))][2]
        return replace(
            self, source_stride=self.source_stride % 2**bits, target_stride=self.target_stride % 2**bits
        )


def run_chain(memory: Bytes, chain: Iterable[Box]) -> Bytes:
    """`memory`, uint8[n], after the copies of `chain` one after the other; the argument is left alone.

    Raises
    ------
    ValueError : not a row of bytes, or a box that leaves the memory; the message says by how much.
    """
    if not isinstance(memory, np.ndarray) or memory.dtype != np.uint8 or memory.ndim != 1:
        raise ValueError(f"memory = {memory!r}: expected a one-dimensional array of uint8")
    after = memory.copy()
    for number, box in enumerate(chain):
        rows = np.arange(box.rows)[:, None]
        column = np.arange(box.row_B)
        reads = box.source + rows * box.source_stride + column
        writes = box.target + rows * box.target_stride + column
        for side, addresses in (("source", reads), ("target", writes)):
            beyond = int(addresses.max()) + 1 - after.size
            if beyond > 0:
                raise ValueError(
                    f"box {number}: its {side} ends {beyond} bytes behind a memory of {after.size}"
                )
        after[writes] = after[reads]
    return after


def tile_box(
    shape: tuple[int, int], corner: tuple[int, int], tile: tuple[int, int], item_B: int = 1, target: int = 0
) -> Box:
    """The box that packs a tile of a row-major matrix at address 0 densely at `target`.

    shape, tile : (rows, columns).   corner : (row, column) of the tile's first element.   item_B : bytes.
    """
    for name, pair, least in (("shape", shape, 1), ("corner", corner, 0), ("tile", tile, 1)):
        for size in pair:
            integer(name, size, at_least=least)
    for axis in range(2):
        if corner[axis] + tile[axis] > shape[axis]:
            raise ValueError(f"tile = {tile!r} at {corner!r}: expected it inside of shape = {shape!r}")
    pitch = shape[1] * integer("item_B", item_B, at_least=1)
    row = tile[1] * item_B
    return Box(corner[0] * pitch + corner[1] * item_B, target, tile[0], row, pitch, row)


def transpose_chain(shape: tuple[int, int], item_B: int = 1, target: int = 0) -> list[Box]:
    """A chain that does transpose a matrix: one box per column, whose "rows" are single elements.

    It is legal, and it is why nobody does it: see `transpose_traffic_B`.
    """
    rows, columns = (integer("shape", size, at_least=1) for size in shape)
    item = integer("item_B", item_B, at_least=1)
    return [
        Box(column * item, target + column * rows * item, rows, item, columns * item, item)
        for column in range(columns)
    ]


def transpose_traffic_B(shape: tuple[int, int], item_B: int = 1, burst_B: int = BURST_B) -> int:
    """Bytes that the memory moves to read such a chain: a whole burst for each element."""
    rows, columns = (integer("shape", size, at_least=1) for size in shape)
    burst = integer("burst_B", burst_B, at_least=1)
    return rows * columns * ceil(integer("item_B", item_B, at_least=1) / burst) * burst
