r"""How much does a matrix product read from DRAM when it is cut into tiles?

C [M, N] += A [M, K] B [K, N]. A tile of C of $t_m \times t_n$ stays in the cache while the k loop streams
strips of A and B past it. Every column of tiles reads all of A, every row of tiles all of B:

$\text{bytes} = b (M K \lceil N / t_n \rceil + K N \lceil M / t_m \rceil + 2 M N)$

A tile of $t$ rows gives each byte of B t uses. With one row (a matrix-vector product, batch 1) each byte has
one use, and no tile can change that.
Source: Goto and van de Geijn, Anatomy of High-Performance Matrix Multiplication, ACM TOMS 2008.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgelib.errors import integer

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Tiling:
    """C [M, N] = A [M, K] B [K, N], cut into tiles of [tm, tn], k in steps of tk; `itemsize` bytes an
    element."""

    M: int
    N: int
    K: int
    tm: int
    tn: int
    tk: int
    itemsize: int = 1

    def __post_init__(self) -> None:
        for name in ("M", "N", "K", "tm", "tn", "tk", "itemsize"):
            integer(name, getattr(self, name), at_least=1)
        for name, tile in (("M", "tm"), ("N", "tn"), ("K", "tk")):
            if getattr(self, tile) > getattr(self, name):
                raise ValueError(
                    f"{tile} = {getattr(self, tile)}: expected at most {name} = {getattr(self, name)}"
                )

    @property
    def tile_bytes(self) -> int:
        """What must be in the cache together: a block of A, one of B and one of C."""
        return (self.tm * self.tk + self.tk * self.tn + self.tm * self.tn) * self.itemsize

    @property
    def dram_bytes(self) -> int:
        """Bytes from and to DRAM if the tile fits: A, B, and C read and written once."""
        columns, rows = -(-self.N // self.tn), -(-self.M // self.tm)
        a, b, c = self.M * self.K * columns, self.K * self.N * rows, 2 * self.M * self.N
        return (a + b + c) * self.itemsize

    @property
    def least_bytes(self) -> int:
        """Each matrix once: no tiling moves less."""
        return (self.M * self.K + self.K * self.N + 2 * self.M * self.N) * self.itemsize

    def fits(self, cache_bytes: int) -> bool:
        """Do the three blocks fit into the cache together?"""
        return self.tile_bytes <= integer("cache_bytes", cache_bytes, at_least=1)


def trace(tiling: Tiling) -> Ints:
    """Every address that the loops touch, in order: for a cache simulator. Small matrices only.

    A at 0, then B, then C, all row-major. Tiles of C outside, k blocks inside them; in a block, for each
    (i, k): a[i, k], then b[k, j] and c[i, j] for all j.

    Raises
    ------
    ValueError : more than 50 million accesses.
    """
    t, size = tiling, tiling.itemsize
    if t.M * t.N * t.K > 25_000_000:
        raise ValueError(f"M N K = {t.M * t.N * t.K}: expected at most 25,000,000 products to trace")
    at_b, at_c = t.M * t.K, t.M * t.K + t.K * t.N
    parts: list[Ints] = []
    for i0 in range(0, t.M, t.tm):
        for j0 in range(0, t.N, t.tn):
            for k0 in range(0, t.K, t.tk):
                i = np.arange(i0, min(i0 + t.tm, t.M))[:, None, None]
                k = np.arange(k0, min(k0 + t.tk, t.K))[None, :, None]
                j = np.arange(j0, min(j0 + t.tn, t.N))[None, None, :]
                b = np.broadcast_to(at_b + k * t.N + j, (i.size, k.size, j.size))
                c = np.broadcast_to(at_c + i * t.N + j, (i.size, k.size, j.size))
                a = np.broadcast_to(i * t.K + k, (i.size, k.size, 1))
                inner = np.stack([b, c], axis=-1).reshape(i.size, k.size, -1)
                parts.append(np.concatenate([a, inner], axis=-1).ravel())
    return np.concatenate(parts) * size
