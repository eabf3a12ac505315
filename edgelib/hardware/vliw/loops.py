r"""What does a hardware loop save? The counter and the branch that a software loop executes each time.

`loop0(.L,#n)` sets a start and a count once; the packet marked `:endloop0` then jumps back without an
instruction. With b packets in the body, e packets more for counter and branch, and m cycles lost where the
last branch is guessed wrong,

$$T_{hardware} = 1 + n b, \qquad T_{software} = 1 + n (b + e) + m,$$

one cycle a packet and one packet to set up either. What a wrong guess costs is not published.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from edgelib.errors import Number, at_least_one, nonnegative
from edgelib.hardware.vliw.scheduler import pack

COUNTER = ("r31=add(r31,#-1)", "p3=cmp.gt(r31,#0)", "if (p3) jump:t .L")


@dataclass(frozen=True)
class LoopCost:
    """hardware, software : cycles of the whole loop, numbers or arrays."""

    hardware: Number
    software: Number

    @property
    def saved(self) -> Number:
        """Share of the software loop's cycles that the hardware loop saves."""
        return 1 - np.asarray(self.hardware) / np.asarray(self.software)


def loop_cycles(body: Number, trips: Number, overhead: Number = 1, miss: Number = 0) -> LoopCost:
    """Cycles of a loop with and without loop0; arrays broadcast.

    body packets an iteration, trips iterations, overhead packets an iteration for counter and branch (see
    `branch_overhead`), miss cycles lost at the end.

    Raises
    ------
    ValueError : body or trips below 1, overhead or miss negative.
    """
    body, trips = at_least_one("body", body), at_least_one("trips", trips)
    overhead, miss = nonnegative("overhead", overhead), nonnegative("miss", miss)
    times = np.asarray(trips, float)
    hardware, software = 1 + times * body, 1 + times * (np.add(body, overhead)) + miss
    return LoopCost(hardware, software)


def branch_overhead(body: Iterable[str], forward: bool = False) -> int:
    """Packets that counter, comparison and branch add to a body, free slots used. Uses r31, p3 and `.L`."""
    texts = list(body)
    return len(pack([*texts, *COUNTER], forward).packets) - len(pack(texts, forward).packets)
