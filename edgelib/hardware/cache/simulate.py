r"""Does this access hit? An exact simulator of one set-associative cache.

An address is cut into tag, set and offset: the line is $\lfloor a / \text{line} \rfloor$, its set is
$\text{line number} \bmod \text{sets}$. Each set keeps `ways` lines; a miss brings the line in, for a
store as for a load (write-allocate), and evicts one by the policy:

- `lru`: the line whose last use is longest ago;
- `fifo`: the line that came first, used or not.

Sets do not know of each other. So the trace is sorted by set, and all sets are stepped together, one
access of each at a time, as arrays; the sets of a small cache go one after the other instead, each an
`lru_cache` of Python's standard library (FIFO: a dictionary). Both give the same answer.
Source of the model: Hennessy and Patterson, Computer Architecture: A Quantitative Approach, appendix B.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from functools import lru_cache
from itertools import count
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edgelib.errors import choice, integer

Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]

POLICIES = ("lru", "fifo")
_IN_STEP = 20  # sets per way from which stepping them together is faster (measured)


@dataclass(frozen=True)
class Cache:
    """A set-associative cache with write-allocate.

    size : bytes.   ways : lines per set; `size / line` is fully associative, 1 is direct mapped.
    line : bytes per line, a power of two.   policy : "lru" or "fifo".

    Raises
    ------
    ValueError : a line that is not a power of two, or a size that is no whole number of sets of ways x line.
    """

    size: int
    ways: int
    line: int
    policy: str = "lru"

    def __post_init__(self) -> None:
        for name in ("size", "ways", "line"):
            object.__setattr__(self, name, integer(name, getattr(self, name), at_least=1))
        if not _power_of_two(self.line):
            raise ValueError(f"line = {self.line}: expected a power of two, in bytes")
        if self.size % (self.ways * self.line):
            raise ValueError(
                f"size = {self.size}, ways = {self.ways}, line = {self.line}: "
                f"{self.size / (self.ways * self.line):g} sets, size / (ways x line), expected a whole number"
            )
        choice("policy", self.policy, POLICIES)

    @property
    def sets(self) -> int:
        """size / (ways line)."""
        return self.size // (self.ways * self.line)

    def run(self, addresses: ArrayLike) -> tuple[Any, Any]:
        """Hits and misses of a trace on an empty cache.

        addresses : byte addresses, whole numbers >= 0, [..., accesses]; each access lies in one line.

        Returns
        -------
        (hits, misses) : two ints; for [..., accesses] with leading dimensions, int64 arrays [...].
            hits + misses is the number of accesses.
        """
        mask = self.hit_mask(addresses)
        hits = mask.sum(axis=-1)
        if mask.ndim == 1:
            return int(hits), int(mask.size - hits)
        return hits, mask.shape[-1] - hits

    def hit_mask(self, addresses: ArrayLike) -> Mask:
        """For each access of the trace, in its order: was it a hit? Shape of `addresses`."""
        lines = _checked(addresses) >> (self.line.bit_length() - 1)
        if lines.ndim == 1:
            return self._hits(lines)
        rows = [self._hits(row) for row in lines.reshape(-1, lines.shape[-1])]
        return np.array(rows, dtype=bool).reshape(lines.shape)

    def _hits(self, lines: Ints) -> Mask:
        hit = np.ones(lines.size, dtype=bool)
        # The line that was just used is there, whatever the policy, and using it again changes nothing.
        fresh = np.flatnonzero(_changes(lines))
        lines = lines[fresh]
        where = lines % self.sets  # some last-level caches have 3, 5 or 12 slices: no power of two
        order = np.argsort(where.astype(np.uint16 if self.sets <= 1 << 16 else np.int64), kind="stable")
        fresh, lines, where = fresh[order], lines[order], where[order]
        keep = _changes(lines)  # the same, now within a set; lines of two sets always differ
        fresh, lines, where = fresh[keep], lines[keep], where[keep]
        if self.ways == 1:
            hit[fresh] = False
        elif self.ways == 2 and self.policy == "lru":
            # Neighbours differ, so the other line of the set is the one used two accesses ago.
            again = np.zeros(lines.size, dtype=bool)
            again[2:] = lines[2:] == lines[:-2]
            hit[fresh] = again
        elif lines.size:
            hit[fresh] = self._walk(lines, where)
        return hit

    def _walk(self, lines: Ints, where: Ints) -> Mask:
        """Hits of a trace that is sorted by set."""
        starts = np.flatnonzero(_changes(where))
        lengths = np.diff(np.append(starts, lines.size))
        if lines.size / lengths.max() >= _IN_STEP * self.ways:
            return _in_step(lines, starts, lengths, self.ways, self.policy)
        ends = (starts + lengths).tolist()
        sets = [lines[start:end].tolist() for start, end in zip(starts.tolist(), ends, strict=True)]
        return np.concatenate([_one_set(trace, self.ways, self.policy) for trace in sets])


def _in_step(lines: Ints, starts: Ints, lengths: Ints, ways: int, policy: str) -> Mask:
    """All sets at once: step t takes the t-th access of every set that has one.

    `kept[w]` holds a line of each set, the next to be evicted last. A line that enters at the top pushes the
    others down, as far as the place it came from (LRU), or off the end.
    """
    longest_first = np.argsort(-lengths, kind="stable")
    starts, lengths = starts[longest_first], lengths[longest_first]
    active = np.searchsorted(-lengths, -np.arange(int(lengths[0])), side="left")
    kept = np.full((ways, starts.size), -1, dtype=np.int64)
    hits = np.empty(lines.size, dtype=bool)
    for t, live in enumerate(active.tolist()):
        at = starts[:live] + t
        wanted = lines[at]
        pushed = wanted
        found = np.zeros(live, dtype=bool)
        if policy == "fifo":
            for way in kept:
                found |= way[:live] == wanted
        for way in kept:
            old = way[:live].copy()
            np.copyto(way[:live], pushed, where=~found)
            if policy == "lru":
                found |= old == wanted
            pushed = old
        hits[at] = found
    return hits


def _one_set(trace: list[int], ways: int, policy: str) -> Mask:
    """The hits of one set."""
    if policy == "fifo":
        return _first_in_first_out(trace, ways)
    serial = count().__next__

    @lru_cache(maxsize=ways)  # the standard library's own set of `ways` lines
    def bring(_line: int) -> int:
        return serial()  # called for a line that is not there

    brought = np.fromiter(map(bring, trace), dtype=np.int64, count=len(trace))
    return ~_grows(brought)


def _grows(brought: Ints) -> Mask:
    """True where a serial number was given out for the first time; they are given out in order."""
    new = np.ones(brought.size, dtype=bool)
    new[1:] = brought[1:] > np.maximum.accumulate(brought)[:-1]
    return new


def _first_in_first_out(trace: list[int], ways: int) -> Mask:
    """The dictionary keeps lines in the order in which they came, the next to be evicted first."""
    kept: OrderedDict[int, None] = OrderedDict()
    hits = bytearray()  # a byte per access: quicker to append to and to read back than a list
    for line in trace:
        here = line in kept
        hits.append(here)
        if not here:
            if len(kept) == ways:
                kept.popitem(last=False)
            kept[line] = None
    return np.frombuffer(hits, dtype=bool)


def _changes(values: Ints) -> Mask:
    """True where a value differs from the one before it, and at the first."""
    changed = np.ones(values.size, dtype=bool)
    np.not_equal(values[1:], values[:-1], out=changed[1:])
    return changed


def _power_of_two(number: int) -> bool:
    return number > 0 and number & (number - 1) == 0


def _checked(addresses: ArrayLike) -> Ints:
    try:
        array = np.asarray(addresses)
    except ValueError:
        array = np.asarray(None)
    if array.size == 0 and array.ndim:
        return np.zeros(array.shape, dtype=np.int64)
    if array.dtype.kind not in "iu" or array.ndim == 0:
        raise ValueError(f"addresses = {addresses!r}: expected an array of whole numbers, byte addresses")
    if array.min() < 0 or array.max() >= 2**63:
        raise ValueError(
            f"addresses from {array.min()} to {array.max()}: expected byte addresses from 0 below 2**63"
        )
    return array.astype(np.int64)
