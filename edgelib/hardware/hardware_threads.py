r"""How do hardware threads hide the latency of memory? A cycle-by-cycle model of one issue stage.

Each thread issues $C$ packets, one per cycle, then waits $L$ cycles for memory, and again. With $n$ threads

$$u = \min\left(1, \frac{n C}{C + L}\right)$$

is the share of cycles that issue something, and no order of issue does better. A stage that stays with a
thread until it stalls reaches it exactly. One that takes turns every cycle can fall short near saturation:
threads that compute together also wait together. So can latencies that vary.
Source: Agarwal, "Performance tradeoffs in multithreaded processors", IEEE TPDS 3(5), 1992.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgelib.errors import Number, choice, integer, nonnegative, positive

POLICIES = ("until it stalls", "every cycle")
WAITS, READY, ISSUES = 0, 1, 2


def utilisation(threads: Number, compute: Number, latency: Number, width: Number = 1) -> Number:
    r"""Upper bound of the share of issue slots in use, $\min(1, n C / (w (C + L)))$, at most $n / w$.

    threads : n, > 0.   compute : C cycles, > 0.   latency : L cycles, >= 0.   width : w threads that issue in
    one cycle. Arrays broadcast.
    """
    n, c, w = positive("threads", threads), positive("compute", compute), positive("width", width)
    return np.minimum(1.0, n * c / (w * (c + nonnegative("latency", latency))))


def threads_needed(compute: Number, latency: Number) -> Number:
    r"""Threads that hide the latency, $\lceil (C + L) / C \rceil$: 4 cycles of work, 20 of waiting: 6."""
    c = positive("compute", compute)
    return np.ceil((c + nonnegative("latency", latency)) / c)


@dataclass(frozen=True, eq=False)
class Interleaving:
    """What each thread did: state int8[threads, cycles], WAITS, READY (but not chosen) or ISSUES."""

    state: NDArray[np.int8]

    def share(self, skip: int = 0) -> float:
        """Share of cycles from `skip` on in which some thread issues."""
        return float((self.state[:, integer("skip", skip) :] == ISSUES).any(axis=0).mean())


def interleave(
    threads: int,
    compute: int,
    latency: int,
    cycles: int,
    policy: str = "until it stalls",
    jitter: float = 0.0,
    seed: int = 0,
) -> Interleaving:
    """Run `cycles` cycles from a common start; one packet issues per cycle.

    policy : "until it stalls" stays with a thread while it can issue; "every cycle" goes on to the next
    thread.
    jitter : 0..1, each wait is drawn uniformly from latency (1 - jitter) .. latency (1 + jitter).

    Raises
    ------
    UnknownName : another policy.   ValueError : a count below 1, a jitter outside 0..1.
    """
    n, work = integer("threads", threads, at_least=1), integer("compute", compute, at_least=1)
    wait, length = integer("latency", latency), integer("cycles", cycles, at_least=1)
    choice("policy", policy, POLICIES)
    if not 0 <= nonnegative("jitter", jitter) <= 1:
        raise ValueError(f"jitter = {jitter!r}: expected a fraction from 0 to 1")
    spread, rng = round(jitter * wait), np.random.default_rng(seed)
    state = np.full((n, length), WAITS, dtype=np.int8)
    ready_at, left, turn = [0] * n, [work] * n, 0
    for cycle in range(length):
        ready = [t for t in range(n) if ready_at[t] <= cycle]
        state[ready, cycle] = READY
        if not ready:
            continue
        chosen = min(ready, key=lambda t: (t - turn) % n)
        state[chosen, cycle] = ISSUES
        left[chosen] -= 1
        turn = chosen if policy == POLICIES[0] else (chosen + 1) % n
        if left[chosen] == 0:
            delay = wait + (int(rng.integers(-spread, spread + 1)) if spread else 0)
            left[chosen], ready_at[chosen] = work, cycle + 1 + delay
            turn = (chosen + 1) % n
    return Interleaving(state)
