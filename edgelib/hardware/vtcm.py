"""What fits into a memory that nobody else fills? Partitions of a VTCM, and rings inside of one.

A tightly coupled memory is not a cache: what stands where, and when it is replaced, is the program's
business, and what does not fit is an error instead of a miss.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgelib.errors import Number, integer, nonnegative

VECTOR_B = 128  # an HVX vector; aligned loads and stores drop the address bits below it


class DoesNotFit(ValueError):
    """A partition that is larger than its memory. missing_B : bytes by which it is."""

    def __init__(self, message: str, missing_B: int) -> None:
        super().__init__(message)
        self.missing_B = missing_B


@dataclass(frozen=True)
class Region:
    """Bytes start .. end - 1 of a memory."""

    name: str
    start: int
    end: int

    @property
    def size_B(self) -> int:
        """Bytes, padding to whole vectors included."""
        return self.end - self.start


@dataclass(frozen=True)
class Partition:
    """Regions one behind the other in a memory of `capacity_B` bytes."""

    regions: tuple[Region, ...]
    capacity_B: int

    @property
    def used_B(self) -> int:
        """Bytes up to the end of the last region."""
        return self.regions[-1].end if self.regions else 0

    @property
    def free_B(self) -> int:
        """Bytes that are left."""
        return self.capacity_B - self.used_B


def partition(capacity_B: int, sizes_B: Mapping[str, int], align_B: int = VECTOR_B) -> Partition:
    """Lay regions out in order; each takes a multiple of `align_B`, so that the next one is aligned too.

    Raises
    ------
    DoesNotFit (a ValueError) : the message and `missing_B` say how many bytes are missing.
    """
    capacity = integer("capacity_B", capacity_B, at_least=1)
    align = integer("align_B", align_B, at_least=1)
    regions: list[Region] = []
    end = 0
    for name, size in sizes_B.items():
        start = end
        end += -(-integer(f"sizes_B[{name!r}]", size) // align) * align
        regions.append(Region(name, start, end))
    if end > capacity:
        largest = max(regions, key=lambda region: region.size_B)
        raise DoesNotFit(
            f"sizes_B = {dict(sizes_B)!r}: {end:,} bytes do not fit into {capacity:,}; "
            f"{end - capacity:,} are missing, and the largest region is {largest.name!r}",
            end - capacity,
        )
    return Partition(tuple(regions), capacity)


def ring_slot(position: Number, slots: int) -> NDArray[np.int64]:
    """Slot of token `position` (int, any shape, >= 0) in a ring of any length: position mod slots."""
    tokens = np.asarray(nonnegative("position", position))
    if np.any(tokens != np.floor(tokens)):
        raise ValueError(f"position = {position!r}: expected whole numbers")
    return tokens.astype(np.int64) % integer("slots", slots, at_least=1)


def ring_slot_masked(position: Number, slots: int) -> NDArray[np.int64]:
    """The same with one AND instead of a division: position & (slots - 1), for a power of two.

    Raises
    ------
    ValueError : `slots` is no power of two, for which the mask would skip slots.
    """
    count = integer("slots", slots, at_least=1)
    if count & (count - 1):
        raise ValueError(f"slots = {slots!r}: expected a power of two, or use ring_slot")
    tokens = np.asarray(nonnegative("position", position))
    if np.any(tokens != np.floor(tokens)):
        raise ValueError(f"position = {position!r}: expected whole numbers")
    return tokens.astype(np.int64) & (count - 1)
