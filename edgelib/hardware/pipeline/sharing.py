"""How should unequal cores share one loop? Equal parts, parts by speed, or small pieces as they come."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass

from edgelib.errors import choice, integer, nonnegative, positive

SPLITS = ("equal", "proportional", "dynamic")


@dataclass(frozen=True)
class Piece:
    """`work` units on core number `core`, from start to end (seconds)."""

    core: int
    start: float
    end: float
    work: float


@dataclass(frozen=True)
class Shared:
    """A finished parallel loop.

    pieces : in order of their start.   makespan : until the last core is done, s.
    efficiency : useful share of the cores' time, weighted by speed: work / (makespan x sum of speeds).
    """

    pieces: tuple[Piece, ...]
    makespan: float
    efficiency: float


def share(
    speeds: Sequence[float], work: float, split: str, pieces: int = 32, overhead_s: float = 0.0
) -> Shared:
    r"""Run `work` units on cores of given speeds (units per second).

    split : "equal" gives each core the same; "proportional" gives $w_i = W s_i / \sum s$; "dynamic" cuts
        the work into `pieces` equal pieces, and a core that is done takes the next (OpenMP's
        schedule(dynamic)).
    overhead_s : cost of taking one piece.

    No split beats $W / \sum s$, and dynamic ends at most one piece of the slowest core later (plus overhead).
    """
    for speed in speeds:
        positive("speeds", speed)
    if not len(speeds):
        raise ValueError(f"speeds = {speeds!r}: expected at least one core")
    positive("work", work)
    nonnegative("overhead_s", overhead_s)
    choice("split", split, SPLITS)
    total = float(sum(speeds))
    if split == "dynamic":
        done = _dynamic(speeds, work, integer("pieces", pieces, at_least=1), overhead_s)
    else:
        parts = [work / len(speeds) if split == "equal" else work * s / total for s in speeds]
        done = [
            Piece(i, 0.0, overhead_s + w / s, w) for i, (w, s) in enumerate(zip(parts, speeds, strict=True))
        ]
    makespan = max(piece.end for piece in done)
    return Shared(tuple(done), makespan, work / (makespan * total))


def _dynamic(speeds: Sequence[float], work: float, pieces: int, overhead_s: float) -> list[Piece]:
    """Each core takes the next piece when it is free; of several free ones the fastest."""
    free = [(0.0, -speed, core) for core, speed in enumerate(speeds)]
    heapq.heapify(free)
    done = []
    for _ in range(pieces):
        start, negative, core = heapq.heappop(free)
        end = start + overhead_s + work / pieces / speeds[core]
        done.append(Piece(core, start, end, work / pieces))
        heapq.heappush(free, (end, negative, core))
    return done
