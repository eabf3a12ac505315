r"""How much must be in flight to hide the memory's latency? Little's law, for a window and for a prefetch.

A memory that delivers $B$ bytes per second after a latency $L$ is kept busy by $B \cdot L$ bytes in flight.
Source: Little, "A Proof for the Queuing Formula L = λW", Operations Research 9(3), 1961.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgelib.errors import Number, fraction, integer, nonnegative, positive

LINE = 64  # bytes of a cache line


def needed_B(bandwidth: Number, latency_s: Number) -> Number:
    r"""Bytes in flight that keep a memory busy, $B \cdot L$. Arrays broadcast."""
    return positive("bandwidth", bandwidth) * positive("latency_s", latency_s)


def needed_lines(bandwidth: Number, latency_s: Number, line: int = LINE) -> Number:
    r"""Cache lines in flight that keep a memory busy, $\lceil B L / \text{line} \rceil$.

    25.6 GB/s at 114 ns: 46 lines of 64 bytes.
    """
    return np.ceil(needed_B(bandwidth, latency_s) / integer("line", line, at_least=1))


def window_B(rob: Number, load_share: Number, load_B: Number = 16) -> Number:
    """Bytes that the loads of a full window ask for: rob x share of loads x bytes per load.

    An upper limit: the number of outstanding misses, which is not published for most cores, can be lower,
    and loads of one line share a miss.
    """
    loads = positive("rob", rob) * fraction("load_share", load_share)
    return loads * positive("load_B", load_B)


def window_bandwidth(rob: Number, load_share: Number, latency_s: Number, load_B: Number = 16) -> Number:
    """Bandwidth that a window sustains without any prefetch: bytes in flight / latency, B/s."""
    return window_B(rob, load_share, load_B) / positive("latency_s", latency_s)


@dataclass(frozen=True)
class Prefetch:
    """The window for a prefetch instruction in a loop that streams.

    distance_B : how far ahead is just in time.   iterations : the same in whole iterations.
    latest_B : how far ahead is still useful: further, and the line is evicted before its use.
    """

    distance_B: float
    iterations: int
    latest_B: float

    @property
    def possible(self) -> bool:
        """Whether some distance is both early and late enough."""
        return self.iterations > 0 and self.distance_B <= self.latest_B


def prefetch_window(
    latency_s: float, iteration_s: float, bytes_per_iteration: float, room_B: float
) -> Prefetch:
    r"""How far ahead must a loop prefetch, and how far may it?

    $n = \lceil L / t_{iteration} \rceil$ iterations, $n \cdot$ bytes ahead; at most the room that the stream
    has in the cache.

    room_B : bytes of the cache that the stream may fill.
    """
    iterations = int(np.ceil(positive("latency_s", latency_s) / positive("iteration_s", iteration_s) - 1e-9))
    ahead = iterations * positive("bytes_per_iteration", bytes_per_iteration)
    return Prefetch(float(ahead), iterations, float(positive("room_B", room_B)))


def prefetched_stall_s(latency_s: Number, iteration_s: Number, iterations_ahead: Number) -> Number:
    r"""Wait per iteration that a prefetch so many iterations ahead leaves, in the long run.

    Each iteration first asks for the line of the one $n$ later, then waits for its own, asked for $n$
    iterations before. Where it waits at all, $n + 1$ iterations take the latency and one iteration's time,
    so the wait is $\max(0, (L - n t) / (n + 1))$ each; without prefetch ($n = 0$) the whole latency.
    """
    ahead = nonnegative("iterations_ahead", iterations_ahead)
    latency, step = positive("latency_s", latency_s), positive("iteration_s", iteration_s)
    return np.maximum(0.0, (latency - ahead * step) / (ahead + 1))
