r"""Can a line be asked for before it is wanted? Three simple prefetchers and what they are worth.

Every `gap` cycles the program touches the next address of its trace; a line arrives `latency` cycles
after it was asked for. A prefetcher watches the addresses and asks for more lines:

- `next line`: at each line that was not touched before, the line `distance` further on;
- `stride`: after two equal steps, the address `distance` steps ahead;
- `region`: at a miss, the whole aligned region of 2 KB around it.

Each first touch of a line is then a miss (nobody asked), late (asked for, still on its way) or covered
(there in time). With n lines touched,
coverage = (covered + late) / n, accuracy = prefetched lines that were touched / prefetched lines, and
timeliness = covered / (covered + late).

The cache is taken as large enough, and the memory takes any number of requests. Makers do not disclose
how theirs work: these are the textbook kinds, and no tool of others exists to check them against. The
tests use closed forms: over n lines in a row, next line covers all but the first `distance`; so coverage
= 1 - distance / n.
Source of the kinds and measures: Mittal, A Survey of Recent Prefetching Techniques, ACM Computing Surveys
2016.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edgelib.errors import choice, integer

KINDS = ("none", "next line", "stride", "region")
REGION = 2048
AGAIN, MISS, LATE, COVERED = range(4)


@dataclass(frozen=True, eq=False)
class Prefetched:
    """What happened.

    outcome : int8[n], per access: AGAIN (the line was touched before), MISS, LATE or COVERED.
    wait : int64[n], cycles that the program waits for the line.
    issued, used : lines asked for by the prefetcher; those of them that were touched.
    """

    outcome: NDArray[np.int8]
    wait: NDArray[np.int64]
    issued: int
    used: int

    def count(self, outcome: int) -> int:
        """Accesses with this outcome."""
        return int((self.outcome == outcome).sum())

    @property
    def coverage(self) -> float:
        """Share of the touched lines that the prefetcher asked for, in time or late; 0 for an empty trace."""
        first = self.count(MISS) + self.count(LATE) + self.count(COVERED)
        return (self.count(LATE) + self.count(COVERED)) / first if first else 0.0

    @property
    def accuracy(self) -> float:
        """Share of the prefetched lines that were touched; 1 if none was prefetched."""
        return self.used / self.issued if self.issued else 1.0

    @property
    def timeliness(self) -> float:
        """Share of the useful prefetches that came in time; 1 if none was useful."""
        useful = self.count(LATE) + self.count(COVERED)
        return self.count(COVERED) / useful if useful else 1.0


def prefetch(
    addresses: ArrayLike, kind: str, distance: int = 1, latency: int = 300, gap: int = 20, line: int = 64
) -> Prefetched:
    """Run one prefetcher over a trace.

    addresses : byte addresses int[n].   distance : lines (`next line`) or steps (`stride`) ahead.
    latency : cycles until a line is there.   gap : cycles of work between two accesses.

    A program that waits is late for all that follows: time is the sum of gaps and waits.
    """
    trace = np.asarray(addresses)
    if trace.ndim != 1 or (trace.size and (trace.dtype.kind not in "iu" or trace.min() < 0)):
        raise ValueError(f"addresses = {addresses!r}: expected whole numbers >= 0 in one dimension")
    choice("kind", kind, KINDS)
    distance = integer("distance", distance, at_least=1)
    latency, gap = integer("latency", latency), integer("gap", gap, at_least=1)
    line = integer("line", line, at_least=1)
    arrives: dict[int, int] = {}  # line -> cycle in which it is there
    asked: set[int] = set()  # by the prefetcher
    touched: set[int] = set()
    outcome, wait = np.zeros(trace.size, dtype=np.int8), np.zeros(trace.size, dtype=np.int64)
    now, before, step = 0, -1, 0
    for i, address in enumerate(trace.tolist()):
        number, new_step = address // line, address - before if before >= 0 else 0
        first = number not in touched
        missed = number not in arrives
        if missed:
            arrives[number] = now + latency
        if first:
            late = arrives[number] > now
            outcome[i] = MISS if missed else LATE if late else COVERED
        touched.add(number)
        wait[i] = max(0, arrives[number] - now)
        for wanted in _wishes(kind, address, line, distance, first, missed, step, new_step):
            if wanted >= 0 and wanted not in arrives:
                arrives[wanted] = now + latency
                asked.add(wanted)
        now += int(wait[i]) + gap
        before, step = address, new_step
    return Prefetched(outcome, wait, len(asked), len(asked & touched))


def _wishes(
    kind: str, address: int, line: int, distance: int, first: bool, missed: bool, step: int, new_step: int
) -> Iterator[int]:
    """Lines that the prefetcher asks for after it has seen `address`."""
    if kind == "next line" and first:
        yield address // line + distance
    elif kind == "stride" and step == new_step != 0:
        yield (address + distance * step) // line
    elif kind == "region" and missed:
        start = address // REGION * REGION
        yield from range(start // line, -(-(start + REGION) // line))
