"""What does serving several requests at once do to throughput, and to the one who waits?

A queue in front of one engine. Each request wants some output tokens; one engine step gives one
token to every request in the batch and takes `step_s(batch)` seconds. Prompts are not simulated
(see `chunked_prefill`).
Source: Yu et al., "Orca: A Distributed Serving System for Transformer-Based Generative Models", OSDI 2022.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from heapq import heappop, heappush
from math import ceil, inf

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edgelib.errors import Number, at_least_one, choice, integer, nonnegative, positive, scalar

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
StepTime = Callable[[int], float]  # batch -> seconds


@dataclass(frozen=True, eq=False)
class Requests:
    """arrival_s : float[n], not decreasing, seconds.   tokens : int[n], output tokens wanted, >= 1."""

    arrival_s: Floats
    tokens: Ints

    def __post_init__(self) -> None:
        arrival, tokens = (
            np.asarray(nonnegative("arrival_s", self.arrival_s)),
            positive("tokens", self.tokens),
        )
        if arrival.ndim != 1 or arrival.size == 0 or np.shape(tokens) != arrival.shape:
            raise ValueError(
                f"arrival_s and tokens have shapes {arrival.shape} and {np.shape(tokens)}: expected (n,) each"
            )
        if np.any(np.diff(arrival) < 0):
            raise ValueError("arrival_s decreases: expected requests in the order of arrival")
        if np.any(tokens % 1):
            raise ValueError(f"tokens = {tokens!r}: expected whole numbers of at least 1")
        object.__setattr__(self, "arrival_s", arrival)
        object.__setattr__(self, "tokens", tokens.astype(np.int64))


def poisson_requests(
    rate: float, count: int, tokens: float, seed: int = 0, lengths: str = "fixed"
) -> Requests:
    """`count` requests arriving at random, `rate` per second.

    tokens : output tokens each ("fixed") or on average ("geometric": every token may be the last).
    The same seed at another rate gives the same pattern, stretched.
    """
    rate = scalar("rate", positive("rate", rate))
    choice("lengths", lengths, ("fixed", "geometric"))
    rng = np.random.default_rng(integer("seed", seed))
    count = integer("count", count, 1)
    arrival = rng.standard_exponential(count).cumsum() / rate
    if lengths == "fixed":
        return Requests(arrival, np.full(count, integer("tokens", tokens, 1)))
    mean = scalar("tokens", at_least_one("tokens", tokens))
    return Requests(arrival, rng.geometric(1 / mean, count))


@dataclass(frozen=True, eq=False)
class Served:
    """What happened: one entry per request, then the number of requests in the batch over time."""

    requests: Requests
    start_s: Floats  # a slot was given
    first_token_s: Floats
    last_token_s: Floats
    finish_s: Floats  # the answer is out and the slot free
    slot: Ints  # 0..max_batch - 1
    trace_s: Floats  # [m + 1] times; between two of them the batch is constant
    trace_batch: Ints  # [m]

    @property
    def latency_s(self) -> Floats:
        """From arrival to answer, per request."""
        return self.finish_s - self.requests.arrival_s

    @property
    def throughput_tok_s(self) -> float:
        """Output tokens over the time from the first arrival to the last answer."""
        return float(self.requests.tokens.sum() / (self.finish_s.max() - self.requests.arrival_s[0]))

    def percentile_s(self, percent: Number) -> Number:
        """Latency that `percent` of the requests do not exceed: 50 for the median, 99 for the tail."""
        if np.any(np.asarray(nonnegative("percent", percent)) > 100):
            raise ValueError(f"percent = {percent!r}: expected a number from 0 to 100")
        return np.percentile(self.latency_s, percent)


def continuous(requests: Requests, max_batch: int, step_s: StepTime) -> Served:
    """Requests join at any step boundary while fewer than `max_batch` run, and leave when done.

    Between two boundaries at which somebody joins or leaves all steps are alike: they are skipped
    over in one go, so the cost is per request and not per token.
    """
    seconds = _step_table(step_s, max_batch)
    arrival, tokens = requests.arrival_s.tolist(), requests.tokens.tolist()
    count = len(arrival)
    start, first, finish, slot = [0.0] * count, [0.0] * count, [0.0] * count, [0] * count
    free = list(range(len(seconds) - 1))
    running: list[tuple[int, int]] = []  # heap of (step after which it leaves, request)
    trace: list[tuple[float, int]] = []
    now, step, joined = 0.0, 0, 0
    while joined < count or running:
        if not running and now < arrival[joined]:
            trace.append((now, 0))
            now = arrival[joined]
        newcomers = joined
        while joined < count and free and arrival[joined] <= now:
            heappush(running, (step + tokens[joined], joined))
            start[joined], slot[joined] = now, heappop(free)
            joined += 1
        one = seconds[len(running)]
        first[newcomers:joined] = [now + one] * (joined - newcomers)
        steps = running[0][0] - step
        if free and joined < count:
            steps = min(steps, max(1, ceil((arrival[joined] - now) / one)))
        trace.append((now, len(running)))
        step, now = step + steps, now + steps * one
        while running and running[0][0] == step:
            done = heappop(running)[1]
            finish[done] = now
            heappush(free, slot[done])
    return _served(requests, start, first, finish, finish, slot, trace, now)


def static(requests: Requests, max_batch: int, step_s: StepTime, timeout_s: float) -> Served:
    """Wait until `max_batch` requests are there or the oldest has waited `timeout_s`, then run them together.

    The batch keeps its size until its longest answer is done, and returns as a whole: a short
    answer holds its slot, idle, from `last_token_s` to `finish_s`.
    """
    seconds = _step_table(step_s, max_batch)
    timeout_s = scalar("timeout_s", nonnegative("timeout_s", timeout_s))
    arrival, tokens = requests.arrival_s.tolist(), requests.tokens.tolist()
    count, width = len(arrival), len(seconds) - 1
    start, first, last, finish, slot = ([0.0] * count for _ in range(5))
    trace: list[tuple[float, int]] = []
    now, done = 0.0, 0
    while done < count:
        full = arrival[done + width - 1] if done + width <= count else inf
        begin = max(now, min(full, arrival[done] + timeout_s))
        batch = range(done, min(done + width, int(np.searchsorted(arrival, begin, side="right"))))
        one = seconds[len(batch)]
        end = begin + one * max(tokens[i] for i in batch)
        for i in batch:
            start[i], first[i], last[i], finish[i] = begin, begin + one, begin + one * tokens[i], end
            slot[i] = i - done
        if begin > now:
            trace.append((now, 0))
        trace.append((begin, len(batch)))
        now, done = end, batch.stop
    return _served(requests, start, first, last, finish, slot, trace, now)


def _step_table(step_s: StepTime, max_batch: int) -> list[float]:
    """Seconds of one step by batch size; entry 0 is never used."""
    table = [inf]
    for batch in range(1, integer("max_batch", max_batch, 1) + 1):
        call = f"step_s({batch})"
        table.append(scalar(call, positive(call, step_s(batch))))
    return table


def _served(
    requests: Requests,
    start: list[float],
    first: list[float],
    last: list[float],
    finish: list[float],
    slot: ArrayLike,
    trace: list[tuple[float, int]],
    end: float,
) -> Served:
    times, batch = zip(*trace, strict=True)
    return Served(
        requests,
        np.array(start),
        np.array(first),
        np.array(last),
        np.array(finish),
        np.asarray(slot, dtype=np.int64),
        np.array([*times, end]),
        np.array(batch),
    )
