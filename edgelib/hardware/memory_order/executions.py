"""Which executions of a small program can be written down at all? Each choice of sources and of orders.

A load reads from some store to its location, the start included; the stores to a location take effect in some
order. Every combination is a candidate; the models of `litmus` decide which can happen.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from math import factorial, prod

from edgelib.hardware.memory_order.language import Instruction, Program

Outcome = tuple[tuple[str, int], ...]
Pairs = set[tuple[int, int]]
MOST = 200_000  # candidate executions


@dataclass(frozen=True)
class Event:
    """A load ("R"), a store ("W") or a barrier ("F") of one instruction; thread -1 is the start."""

    kind: str
    thread: int
    place: str
    instruction: Instruction

    def is_a(self, kinds: str) -> bool:
        """R, W, A (acquire), Q (weak acquire), L (release)."""
        i = self.instruction
        return any(
            k == self.kind
            or (self.kind == "R" and k == i.acquire)
            or (k == "L" and self.kind == "W" and i.release)
            for k in kinds
        )


@dataclass(frozen=True)
class Candidate:
    """One candidate execution. Pairs are indexes into `events`; `po` is transitive."""

    events: tuple[Event, ...]
    po: Pairs
    rf: Pairs
    co: Pairs
    fr: Pairs
    rmw: Pairs
    addr: Pairs
    data: Pairs
    ctrl: Pairs
    outcome: Outcome

    def external(self, pairs: Pairs) -> Pairs:
        """Pairs of two threads."""
        return {(a, b) for a, b in pairs if self.events[a].thread != self.events[b].thread}

    def internal(self, pairs: Pairs) -> Pairs:
        """Pairs within a thread."""
        return pairs - self.external(pairs)


def candidates(program: Program) -> Iterator[Candidate]:
    """Every candidate execution whose values are consistent.

    Raises
    ------
    ValueError : a program with more than 200,000 of them.
    """
    compare = [
        (t, n) for t, thread in enumerate(program.threads) for n, i in enumerate(thread) if i.kind == "cas"
    ]
    for succeeds in product([True, False], repeat=len(compare)):
        failed = {where for where, ok in zip(compare, succeeds, strict=True) if not ok}
        yield from _with(program, failed)


def _with(program: Program, failed: set[tuple[int, int]]) -> Iterator[Candidate]:
    """The candidates in which just the CAS at `failed` (thread, line) do not store."""
    start = Instruction("store", "start")
    events = [Event("W", -1, place, start) for place in program.places]
    lines: list[tuple[int, int]] = [(-1, n) for n in range(len(events))]
    for t, thread in enumerate(program.threads):
        for n, i in enumerate(thread):
            kinds = {"load": "R", "store": "W", "barrier": "F", "branch": ""}.get(i.kind, "RW")
            for kind in kinds.replace("W", "") if (t, n) in failed else kinds:
                events.append(Event(kind, t, i.place, i))
                lines.append((t, n))
    n_events = range(len(events))
    po = {(a, b) for a in n_events for b in n_events if a < b and events[a].thread == events[b].thread >= 0}
    rmw = {(a, a + 1) for a in n_events[:-1] if lines[a] == lines[a + 1]}
    wires = _wires(program, events, lines)
    reads = [e for e in n_events if events[e].kind == "R"]
    stores: dict[str, list[int]] = {place: [] for place in program.places}
    for n, e in enumerate(events):
        if e.kind == "W":
            stores[e.place].append(n)
    # Stores of one thread to one place take effect in its order; other candidates no model allows.
    rows = {place: _by_thread(own[1:], events) for place, own in stores.items()}
    count = prod(len(stores[events[r].place]) for r in reads)
    for threads in rows.values():
        count *= factorial(sum(map(len, threads))) // prod(factorial(len(own)) for own in threads)
    if count > MOST:
        raise ValueError(f"the program has {count:,} candidate executions: expected at most {MOST:,}")
    for chosen in product(*(stores[events[r].place] for r in reads)):
        source = dict(zip(reads, chosen, strict=True))
        values = _values(program, events, wires[3], source)
        if values is None or any(
            (values[r] == events[r].instruction.expected) == (lines[r] in failed)
            for r in reads
            if events[r].instruction.kind == "cas"
        ):
            continue
        for order in product(*(list(_merges(threads)) for threads in rows.values())):
            lasts: dict[str, int] = {}
            co: Pairs = set()
            fr: Pairs = set()
            for place, rest in zip(stores, order, strict=True):
                row = [stores[place][0], *rest]
                lasts[place] = row[-1]
                rank = {w: k for k, w in enumerate(row)}
                co |= {(a, b) for a in row for b in row if rank[a] < rank[b]}
                fr |= {(r, b) for r, w in source.items() if w in rank for b in row if rank[w] < rank[b]}
            yield Candidate(
                tuple(events), po, {(w, r) for r, w in source.items()}, co, fr, rmw, *wires[:3],
                _outcome(program, events, values, lasts),
            )  # fmt: skip


def _by_thread(stores: list[int], events: list[Event]) -> list[tuple[int, ...]]:
    threads = sorted({events[n].thread for n in stores})
    return [tuple(n for n in stores if events[n].thread == t) for t in threads]


def _merges(rows: list[tuple[int, ...]]) -> Iterator[tuple[int, ...]]:
    """All orders of the rows' elements that keep the order within each row."""
    if not any(rows):
        yield ()
    for k, row in enumerate(rows):
        if row:
            for rest in _merges([*rows[:k], row[1:], *rows[k + 1 :]]):
                yield (row[0], *rest)


def _wires(
    program: Program, events: list[Event], lines: list[tuple[int, int]]
) -> tuple[Pairs, Pairs, Pairs, dict[tuple[int, str], int]]:
    """addr, data, ctrl, and which event loads each register."""
    loads = {
        (e.thread, e.instruction.register): n
        for n, e in enumerate(events)
        if e.kind == "R" and e.instruction.register
    }
    addr, data, ctrl = (set[tuple[int, int]]() for _ in range(3))
    for n, e in enumerate(events):
        if e.instruction.address:
            addr.add((loads[e.thread, e.instruction.address], n))
        if e.instruction.data and e.kind == "W":
            data.add((loads[e.thread, e.instruction.data], n))
    for t, thread in enumerate(program.threads):
        for line, i in enumerate(thread):
            if i.kind == "branch":
                test = loads[t, i.register]
                ctrl |= {(test, n) for n, (tt, later) in enumerate(lines) if tt == t and later > line}
    return addr, data, ctrl, loads


def _values(
    program: Program, events: list[Event], loads: dict[tuple[int, str], int], source: dict[int, int]
) -> dict[int, int] | None:
    """The value of each event; None if values would depend on themselves (out of thin air)."""
    known: dict[int, int] = {}
    open_: set[int] = set()

    def value(n: int) -> int | None:
        if n in known:
            return known[n]
        if n in open_:
            return None
        open_.add(n)
        e = events[n]
        i = e.instruction
        result: int | None
        if e.kind == "R":
            result = value(source[n])
        elif e.thread < 0:
            result = program.start.get(e.place, 0)
        else:
            result = i.value if isinstance(i.value, int) else value(loads[e.thread, i.value])
            if i.kind == "ldadd" and result is not None:
                old = value(n - 1)
                result = None if old is None else old + result
        open_.remove(n)
        if result is not None:
            known[n] = result
        return result

    for n, e in enumerate(events):
        if e.kind in "RW" and value(n) is None:
            return None
    return known


def _outcome(program: Program, events: list[Event], values: dict[int, int], last: dict[str, int]) -> Outcome:
    """Registers, and the memory where more than one store, or a conditional one, could be last."""
    shown = [
        (f"{e.thread}:{e.instruction.register}", values[n])
        for n, e in enumerate(events)
        if e.kind == "R" and e.instruction.register
    ]
    writers = [i for thread in program.threads for i in thread if i.kind in ("store", "swp", "ldadd", "cas")]
    for place, n in last.items():
        here = [i for i in writers if i.place == place]
        if len(here) > 1 or any(i.kind in ("cas", "ldadd") or isinstance(i.value, str) for i in here):
            shown.append((f"[{place}]", values[n]))
    return tuple(sorted(shown))
