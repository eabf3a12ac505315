r"""How long does a load take, and who serves it? Levels of caches in front of a DRAM.

A load that misses in one level goes to the next; the level that has the line serves it, after that level's
load-to-use latency. The average over a trace is $\sum_l p_l t_l$, p the share that level l serves. A
*pointer chase* (each load needs the address that the one before it brought) shows these latencies bare:
nothing overlaps. Then the average of a working set grows in steps as it outgrows one cache after another.

Left out: the TLB, the system level cache, hardware prefetchers, and caches that are not LRU. All of them
round the steps of a real measurement.
Source: Hennessy and Patterson, Computer Architecture, section 2.1; lmbench `lat_mem_rd` for the chase.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edgelib.data import Figure
from edgelib.errors import Number, choice, integer, positive, scalar
from edgelib.hardware.cache.simulate import Cache

Ints = NDArray[np.int64]
LINE = 64


@dataclass(frozen=True)
class Level:
    """A cache and its load-to-use latency, a Figure in "cycles" (of the core) or "ns" (its own clock)."""

    name: str
    cache: Cache
    latency: Figure

    def __post_init__(self) -> None:
        choice(f"latency of {self.name}", self.latency.unit, ("cycles", "ns"))


@dataclass(frozen=True)
class Memory:
    """A core's view of memory.

    clock_Hz : of the core.   levels : caches, the nearest first, with growing sizes.   dram : latency in ns.
    """

    name: str
    clock_Hz: float
    levels: tuple[Level, ...]
    dram: Figure

    def __post_init__(self) -> None:
        scalar("clock_Hz", positive("clock_Hz", self.clock_Hz))
        sizes = [level.cache.size for level in self.levels]
        if not sizes or sizes != sorted(set(sizes)):
            raise ValueError(f"levels of {self.name} have {sizes} bytes: expected at least one, growing")

    @property
    def names(self) -> tuple[str, ...]:
        """Who can serve a load: the levels, then DRAM."""
        return (*(level.name for level in self.levels), "DRAM")

    @property
    def latencies_s(self) -> NDArray[np.float64]:
        """Seconds to the core, one entry per name."""
        figures = [*(level.latency for level in self.levels), self.dram]
        return np.array([f.value / self.clock_Hz if f.unit == "cycles" else f.value * 1e-9 for f in figures])

    def served(self, addresses: ArrayLike) -> Ints:
        """For each access of a trace (byte addresses [n]): the index in `names` of the level that serves it.

        All levels start empty; a line that a level fetches stays in it until it is evicted there.
        """
        rest = np.asarray(addresses)
        by = np.full(rest.shape, len(self.levels), dtype=np.int64)
        where = np.arange(rest.size)
        for index, level in enumerate(self.levels):
            hit = level.cache.hit_mask(rest)
            by[where[hit]] = index
            rest, where = rest[~hit], where[~hit]
        return by

    def average_s(self, addresses: ArrayLike) -> float:
        """Mean latency of the loads of a trace, one after the other, s."""
        return float(self.latencies_s[self.served(addresses)].mean())

    def chase_s(self, working_set: Number) -> Number:
        r"""Latency per load of an endless pointer chase over `working_set` contiguous bytes, s. Arrays
        allowed.

        Closed form for LRU. A chase visits every line once a round, and N contiguous lines spread evenly
        over S sets: r = N mod S of them get one line more than the others. A set with no more lines than
        ways keeps them all; with more, LRU evicts each line just before it is wanted again. So the share
        of loads that miss a level is 0 up to its size, $r (W + 1) / N$ on a short ramp, then 1.

        Raises
        ------
        ValueError : a level that is not at least twice as large as the one before; its ramps would overlap.
        """
        size = np.asarray(positive("working_set", working_set), dtype=float)
        caches = [level.cache for level in self.levels]
        for small, large in pairwise(caches):
            if large.size < 2 * small.size:
                raise ValueError(f"levels of {self.name}: expected each to be at least twice the one before")
        missed = [np.ones_like(size), *(_chase_misses(cache, size) for cache in caches), np.zeros_like(size)]
        seconds = sum(
            (before - after) * t
            for (before, after), t in zip(pairwise(missed), self.latencies_s, strict=True)
        )
        return float(seconds) if size.ndim == 0 else seconds


def _chase_misses(cache: Cache, working_set: NDArray[np.float64]) -> NDArray[np.float64]:
    """Share of the loads of a steady pointer chase that miss this cache."""
    lines = np.ceil(working_set / cache.line)
    full, more = np.divmod(lines, cache.sets)
    ramp = more * (cache.ways + 1) / lines
    return np.where(full > cache.ways, 1.0, np.where(full == cache.ways, np.minimum(ramp, 1.0), 0.0))


def chase(working_set: int, rounds: int, seed: int = 0, line: int = LINE) -> Ints:
    """Addresses of a pointer chase: every line of the working set once a round, in a random cycle.

    Returns
    -------
    int64[rounds working_set / line].
    """
    lines = integer("working_set", working_set, at_least=line) // integer("line", line, at_least=1)
    order = np.random.default_rng(seed).permutation(lines) * line
    return np.tile(order, integer("rounds", rounds, at_least=1))


def lines_in_flight(bandwidth: float, latency_s: float, line: int = LINE) -> float:
    r"""Little's law: $\text{bandwidth} \cdot \text{latency} / \text{line}$ lines must be under way at once.

    bandwidth : B/s.   latency_s : s.
    """
    rate = scalar("bandwidth", positive("bandwidth", bandwidth))
    seconds = scalar("latency_s", positive("latency_s", latency_s))
    return float(rate * seconds / integer("line", line, at_least=1))


_PAGE3 = "AnandTech, Snapdragon 888 vs Exynos 2100 (2021), page 3, full random latency"
_PAGE1 = "AnandTech, Snapdragon 888 vs Exynos 2100 (2021), page 1"
_L1 = Figure(4, "cycles", "Arm Cortex-A78 Software Optimization Guide (load latency 4)", "medium")
_L2 = Figure(
    9,
    "cycles",
    "WikiChip, Cortex-A76: the fastest load to use in L2",
    "medium",
    "of the A76; taken for the A78",
)
_L3 = Figure(5, "ns", _PAGE3, "medium", "4 to 6 ns, which the author calls unusually fast")
_DRAM = Figure(114, "ns", _PAGE3, "medium", "128 MB deep, so with TLB misses")
_CHAPTER = "the chapter, as printed"


def _printed(cycles: float, note: str = "") -> Figure:
    return Figure(cycles, "cycles", _CHAPTER, "low", note)


# Sizes: _PAGE1; the L1 of the A78 may be 32 or 64 KiB, and is assumed to be 64.
MEMORIES: Mapping[str, Memory] = MappingProxyType(
    {
        "Snapdragon 888, Cortex-X1": Memory(
            "Snapdragon 888, Cortex-X1",
            2.84e9,
            (
                Level("L1", Cache(64 << 10, 4, LINE), _L1),
                Level("L2", Cache(1 << 20, 8, LINE), _L2),
                Level("L3", Cache(4 << 20, 16, LINE), _L3),
            ),
            _DRAM,
        ),
        "Snapdragon 888, Cortex-A78": Memory(
            "Snapdragon 888, Cortex-A78",
            2.42e9,
            (
                Level("L1", Cache(64 << 10, 4, LINE), _L1),
                Level("L2", Cache(512 << 10, 8, LINE), _L2),
                Level("L3", Cache(4 << 20, 16, LINE), _L3),
            ),
            _DRAM,
        ),
        "as the chapter prints it": Memory(
            "as the chapter prints it",
            3.0e9,
            (
                Level("L1", Cache(128 << 10, 4, LINE), _printed(4)),
                Level("L2", Cache(2 << 20, 8, LINE), _printed(9)),
                Level("L3", Cache(8 << 20, 16, LINE), _printed(25, "20 to 30")),
            ),
            _printed(125, "100 to 150"),
        ),
    }
)
