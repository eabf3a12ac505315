r"""Which advice is worth following? Ten points of a tuning list, each as a change of one term of one model.

$$T = \max\left(\frac{bytes}{B\, e},\ \frac{ops}{R\, u}\right) + calls \cdot o + s$$

A point changes the bytes, the share e of the bandwidth that is reached, the arithmetic rate R, the share u
of its cycles that issue, the calls, or the seconds s lost to shared lines. What it gains depends on which
term is longest: that is the lesson, the numbers are round and assumed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edgelib.errors import choice, nonnegative, positive, real

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Workload:
    """One pass over a model on a DSP that nobody has tuned yet.

    size_B, ops : what it reads and computes.   bandwidth : B/s.   reached : share of it, pattern only.
    rate : OP/s.   issuing : share of cycles that issue.   calls, call_s : to the DSP.   tile_B : per DMA
    transfer, each of which costs descriptor_s.   shared_s : lost to lines that two threads write.
    """

    size_B: float
    ops: float
    bandwidth: float = 60e9
    reached: float = 0.5
    rate: float = 0.6e12
    issuing: float = 0.3
    calls: int = 535
    call_s: float = 98e-6
    tile_B: float = 8192
    descriptor_s: float = 0.1e-6
    shared_s: float = 1e-3

    @property
    def parts(self) -> dict[str, float]:
        """Seconds of each term: memory, compute, calls, sharing; memory and compute overlap."""
        tile = self.tile_B / (self.bandwidth * self.reached)
        memory = self.size_B / (self.bandwidth * self.reached) * (tile + self.descriptor_s) / tile
        compute = self.ops / (self.rate * self.issuing)
        return {
            "memory": memory,
            "compute": compute,
            "calls": self.calls * self.call_s,
            "sharing": self.shared_s,
        }

    @property
    def seconds(self) -> float:
        """The whole pass."""
        parts = self.parts
        return max(parts["memory"], parts["compute"]) + parts["calls"] + parts["sharing"]


POINTS = (
    "full vector width",
    "tensor unit",
    "access pattern",
    "more threads",
    "fewer bits",
    "fewer calls",
    "larger DMA tiles",
    "no false sharing",
    "intrinsics",
    "profile first",
)


def tuned(work: Workload, point: str) -> Workload:
    """`work` after following one point: a factor on one term.

    Width doubles the rate; the tensor unit is 8 times as fast; a sequential pattern reaches 85 % of the
    bandwidth; threads raise the issuing share to 0.9; 16 to 8 bits halve the bytes; one call instead of
    many; tiles of 64 KiB; nothing lost to sharing. Intrinsics and a profile change no term: they tell and
    they save work.
    """
    match choice("point", point, POINTS):
        case "full vector width":
            return replace(work, rate=2 * work.rate)
        case "tensor unit":
            return replace(work, rate=8 * work.rate)
        case "access pattern":
            return replace(work, reached=0.85)
        case "more threads":
            return replace(work, issuing=0.9)
        case "fewer bits":
            return replace(work, size_B=work.size_B / 2)
        case "fewer calls":
            return replace(work, calls=1)
        case "larger DMA tiles":
            return replace(work, tile_B=65536.0)
        case "no false sharing":
            return replace(work, shared_s=0.0)
    return work


def gains(work: Workload) -> dict[str, float]:
    """How many times faster each point makes `work`, taken alone."""
    positive("size_B", work.size_B), nonnegative("ops", work.ops)
    return {point: work.seconds / tuned(work, point).seconds for point in POINTS}


def follow(work: Workload, points: Sequence[str]) -> Workload:
    """`work` after following several points, one after the other."""
    for point in points:
        work = tuned(work, point)
    return work


def _ranks(values: Floats) -> Floats:
    """Ranks from 1, ties get the mean of theirs."""
    below = (values[None, :] < values[:, None]).sum(axis=1)
    equal = (values[None, :] == values[:, None]).sum(axis=1)
    return np.asarray(below + (equal + 1) / 2, dtype=float)


def rank_correlation(first: ArrayLike, second: ArrayLike) -> float:
    """Spearman's rank correlation, -1..1, of two lists float[n], n > 1; ties share their mean rank.

    Raises
    ------
    ValueError : lists of different or too small length, or one whose values are all equal.
    """
    a, b = np.asarray(real("first", first), dtype=float), np.asarray(real("second", second), dtype=float)
    if a.ndim != 1 or a.shape != b.shape or a.size < 2:
        raise ValueError(f"first and second have shapes {a.shape} and {b.shape}: expected (n,), n > 1")
    x, y = _ranks(a), _ranks(b)
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        raise ValueError("all values of a list are equal: expected an order")
    return float(np.corrcoef(x, y)[0, 1])
