r"""What does it cost to have another unit do the work? Calls, queues, copies, caches, and a chain of units.

A call from the CPU to a DSP costs a fixed time $o$ whatever it does. With $k$ operators of $w$ seconds in a
call, the call spends $o / (o + k w)$ of its time on the way. A queue lets the next call travel while this
one is worked on, so that only the slower of the two counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from math import ceil

from edgelib.errors import Number, choice, fraction, integer, nonnegative, positive, real, scalar

CPU_LINE_B = 64


def rpc_share(overhead_s: Number, work_s: Number) -> Number:
    """Share of a call that is overhead, o / (o + w), 0..1. work_s : > 0. Arrays broadcast."""
    overhead = nonnegative("overhead_s", overhead_s)
    return overhead / (overhead + positive("work_s", work_s))


def min_ops_per_call(overhead_s: float, op_s: float, share: float = 0.05) -> int:
    """The fewest operators per call that keep the overhead below `share` of the time (0 < share < 1).

    88 us of overhead, operators of 20 us: 84.
    """
    overhead = scalar("overhead_s", nonnegative("overhead_s", overhead_s))
    op, limit = scalar("op_s", positive("op_s", op_s)), scalar("share", fraction("share", share))
    if not 0 < limit < 1:
        raise ValueError(f"share = {share!r}: expected a fraction between 0 and 1, both excluded")
    count = max(1, int(overhead * (1 - limit) / (limit * op)))
    while overhead / (overhead + count * op) >= limit:
        count += 1
    return count


def token_s(ops: int, ops_per_call: int, op_s: float, overhead_s: float, queued: bool = False) -> float:
    r"""Seconds for `ops` operators in calls of `ops_per_call`, with calls one after the other or queued.

    One after the other: $ops \cdot w + calls \cdot o$. Queued: nobody waits for an answer. A call is sent
    each $o / 2$ (half of the overhead is spent on either side), starts when it has arrived and the one
    before is done, and the last answer takes another $o / 2$.
    """
    total, each = integer("ops", ops, at_least=1), integer("ops_per_call", ops_per_call, at_least=1)
    op = float(scalar("op_s", positive("op_s", op_s)))
    overhead = float(scalar("overhead_s", nonnegative("overhead_s", overhead_s)))
    calls = [min(each, total - done) * op for done in range(0, total, each)]
    if not queued:
        return sum(calls) + len(calls) * overhead
    sent = finished = 0.0
    for work in calls:
        sent += overhead / 2
        finished = max(sent, finished) + work
    return finished + overhead / 2


@dataclass(frozen=True)
class Maintenance:
    """What handing a buffer over takes.

    copies : of the whole buffer.   cleaned, invalidated : cache lines written back, or dropped.
    """

    copies: int
    cleaned: int
    invalidated: int
    seconds: float


MECHANISMS = {
    "copy": "copy into a shared buffer and back",
    "cached": "shared buffer, cached, not coherent",
    "coherent": "shared buffer, cached, I/O coherent",
    "uncached": "shared buffer, uncached for the CPU",
}


def hand_over(
    mechanism: str, size_B: int, bandwidth: float, dirty: float = 1.0, uncached: float = 0.1
) -> Maintenance:
    """The least that it costs to give a buffer of `size_B` bytes to a DSP and to take it back.

    mechanism : "copy" moves it twice each way (read and write) and cleans the copy; "cached" writes dirty
        lines back before the call and drops all lines after it; "coherent" does nothing; "uncached" does
        nothing, but the CPU then writes and reads at `uncached` times the bandwidth, which is the time given.
    bandwidth : B/s of the memory.   dirty : share of lines that are dirty, 0..1.   uncached : > 0, <= 1.
    Time is bytes over bandwidth; instructions that walk the lines come on top.

    Raises
    ------
    UnknownName : another mechanism.   ValueError : a share outside 0..1, a rate that is not positive.
    """
    size = integer("size_B", size_B, at_least=1)
    rate = float(scalar("bandwidth", positive("bandwidth", bandwidth)))
    share = float(scalar("dirty", fraction("dirty", dirty)))
    slow = float(scalar("uncached", positive("uncached", fraction("uncached", uncached))))
    lines = ceil(size / CPU_LINE_B)
    written = ceil(share * lines)
    match choice("mechanism", mechanism, MECHANISMS):
        case "copy":
            return Maintenance(2, lines, lines, (4 * size + lines * CPU_LINE_B) / rate)
        case "cached":
            return Maintenance(0, written, lines, written * CPU_LINE_B / rate)
        case "coherent":
            return Maintenance(0, 0, 0, 0.0)
        case _:
            return Maintenance(0, 0, 0, 2 * size / (slow * rate) - 2 * size / rate)


@dataclass(frozen=True)
class Hop:
    """Handing `size_B` bytes to another unit. sync_s : the call or signal.   copied : or shared."""

    size_B: float
    sync_s: float
    copied: bool = False

    def seconds(self, bandwidth: float) -> float:
        """Seconds lost: the signal, and a read and a write of every byte if they are copied."""
        moved = 2 * nonnegative("size_B", self.size_B) if self.copied else 0.0
        return float(nonnegative("sync_s", self.sync_s) + moved / positive("bandwidth", bandwidth))


def best_stages(op_s: tuple[float, ...], depth: int) -> tuple[int, ...]:
    """Where to cut a chain of operators into `depth` stages so that the longest stage is shortest.

    Returns the end of each stage: (2, 5) cuts five operators behind the second. Exact, by dynamic
    programming.
    """
    times = [float(t) for t in real("op_s", list(op_s))]
    positive("op_s", times)
    count = integer("depth", depth, at_least=1)
    if count > len(times):
        raise ValueError(f"depth = {depth!r}: expected at most one stage per operator, {len(times)}")
    sums = [0.0]
    for time in times:
        sums.append(sums[-1] + time)

    @cache
    def cut(end: int, stages: int) -> tuple[float, tuple[int, ...]]:
        if stages == 1:
            return sums[end], (end,)
        return min(
            (max(cut(start, stages - 1)[0], sums[end] - sums[start]), (*cut(start, stages - 1)[1], end))
            for start in range(stages - 1, end)
        )

    return cut(len(times), count)[1]


@dataclass(frozen=True)
class Pipelined:
    """stages_s : time of each stage, hand-over included.   latency_s : of one item.   rate : items/s."""

    stages_s: tuple[float, ...]
    latency_s: float
    rate: float


def pipelined(op_s: tuple[float, ...], depth: int, handoff_s: float, in_flight: int) -> Pipelined:
    r"""A chain of operators on `depth` units, with `in_flight` items that do not wait for each other.

    Each stage but the last pays `handoff_s`. Latency is the sum of the stages; the rate is
    $\min(1 / \text{longest stage}, \text{in flight} / \text{latency})$: Little's law. Decoding one sequence
    is in_flight = 1, since a token needs the one before.
    """
    handoff = float(scalar("handoff_s", nonnegative("handoff_s", handoff_s)))
    items = integer("in_flight", in_flight, at_least=1)
    ends = best_stages(op_s, depth)
    starts = (0, *ends[:-1])
    stages = tuple(
        float(sum(op_s[a:b])) + (handoff if b < len(op_s) else 0.0) for a, b in zip(starts, ends, strict=True)
    )
    latency = sum(stages)
    return Pipelined(stages, latency, min(1 / max(stages), items / latency))
