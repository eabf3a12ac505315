r"""How often does an atomic increment try again? Load-exclusive / store-exclusive against one LSE
instruction.

Before Armv8.1 an increment was a loop: `LDXR` reads and reserves, `STXR` writes if the reservation still
stands, and the loop starts again if another core wrote in between (LL/SC). `LDADD` (LSE) sends the
addition to whoever holds the line and never tries again.

n threads, one increment each. A scheduler picks any unfinished thread, all alike; it takes its next step:
`LDXR`, or `STXR`. With i threads about to load, v holding a valid reservation and s a lost one, k = i + v
+ s, the expected number of failed `STXR` to come is

$E(i, v, s) = \frac{i}{k} E(i-1, v+1, s) + \frac{v}{k} E(i, 0, s+v-1) + \frac{s}{k} (1 + E(i+1, v, s-1))$

In step (all load, then all store) one thread gets through a round: $n (n - 1) / 2$ failures. Real cores
favour whoever holds the line, so both are models, not predictions.
Source of the instructions: Arm Architecture Reference Manual for A-profile, B2.9 (exclusives), C6 (LDADD).
"""

from __future__ import annotations

from functools import cache

import numpy as np

from edgelib.errors import integer


def expected_retries(threads: int) -> float:
    """Expected failed STXR of all threads together, random scheduler. 1 thread: 0."""
    return _expected(integer("threads", threads, at_least=1), 0, 0)


def retries_in_step(threads: int) -> int:
    """Failed STXR if all threads load, then all store, and so on: n (n - 1) / 2."""
    n = integer("threads", threads, at_least=1)
    return n * (n - 1) // 2


@cache
def _expected(load: int, valid: int, lost: int) -> float:
    k = load + valid + lost
    total = 0.0
    if load:
        total += load * _expected(load - 1, valid + 1, lost)
    if valid and k > 1:
        total += valid * _expected(load, 0, lost + valid - 1)
    if lost:
        total += lost * (1 + _expected(load + 1, valid, lost - 1))
    return total / k


def increment_with_exclusives(threads: int, seed: int = 0) -> tuple[int, int]:
    """One run of the random scheduler: (counter at the end, failed STXR)."""
    rng = np.random.default_rng(seed)
    waiting = list(range(integer("threads", threads, at_least=1)))
    held: dict[int, int] = {}  # thread -> value it read
    reserved: set[int] = set()
    counter = failed = 0
    while waiting:
        thread = waiting[int(rng.integers(len(waiting)))]
        if thread not in held:
            held[thread] = counter
            reserved.add(thread)
        elif thread in reserved:
            counter = held.pop(thread) + 1
            reserved.clear()
            waiting.remove(thread)
        else:
            del held[thread]
            failed += 1
    return counter, failed
