r"""Can two threads share a queue without a lock, and many a pool? A ring queue, and a pool that is wrong.

*Ring queue*, one producer, one consumer: the producer writes the slot and then raises `tail`; the
consumer sees `tail`, reads the slot and then raises `head`, so that the slot may be used again. It is
correct if `tail` and `head` are stored with release and loaded with acquire; `queue_mistakes` lists what
goes wrong otherwise.

*Pool*: free blocks in a linked list. To take one, read the head A and its successor B, then CAS the head
from A to B. The CAS compares a name, not a history: if A was taken, B too, and A came back, the head is A
again and the CAS makes B the head, which somebody is using (the ABA problem). A counter beside the name
repairs it.
Sources: Lamport, Specifying Concurrent Program Modules, TOPLAS 1983 (the queue); Treiber, IBM RJ 5118,
1986, and the IBM System/370 Principles of Operation (ABA and the counter).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

from edgelib.errors import choice, integer
from edgelib.hardware.memory_order.language import Program, parse
from edgelib.hardware.memory_order.litmus import arm

ORDERS = {"relaxed": ("STR", "LDR"), "acquire-release": ("STLR", "LDAR")}


def queue_program(order: str) -> Program:
    """A queue of one slot: item 1 goes through, then the slot is used again for item 2.

    order : "relaxed" or "acquire-release", of `tail` and `head`.
    """
    store, load = ORDERS[choice("order", order, ORDERS)]
    return parse(
        f"STR 1, slot; {store} 1, tail; {load} r0, head; CBNZ r0; STR 2, slot"
        f" | {load} r0, tail; CBNZ r0; LDR r1, slot; {store} 1, head"
    )


def queue_mistakes(order: str) -> dict[str, bool]:
    """What Arm allows: "unwritten" (tail was up, and the slot still empty) and "overwritten" (the consumer
    had handed the slot back, and yet got the item that came after)."""
    outcomes = [dict(o) for o in arm(queue_program(order))]
    return {
        "unwritten": any(o["1:r0"] == 1 and o["1:r1"] == 0 for o in outcomes),
        "overwritten": any(o["1:r0"] == 1 and o["0:r0"] == 1 and o["1:r1"] == 2 for o in outcomes),
    }


@dataclass(frozen=True)
class QueueStep:
    """slots : what each holds, None if free.   head, tail : counts of items taken and put.   text : what
    happened."""

    text: str
    slots: tuple[int | None, ...]
    head: int
    tail: int


def queue_trace(capacity: int, schedule: str) -> list[QueueStep]:
    """Run a ring queue; one entry for the start and one per letter of `schedule`, "p" (put) or "t" (take).

    Item number n goes into slot n mod capacity. A put into a full queue and a take from an empty one wait.
    """
    capacity = integer("capacity", capacity, at_least=1)
    slots: list[int | None] = [None] * capacity
    head = tail = 0
    steps = [QueueStep("empty", tuple(slots), 0, 0)]
    for letter in schedule:
        choice("schedule", letter, ("p", "t"))
        if letter == "p" and tail - head < capacity:
            slots[tail % capacity] = tail
            text, tail = f"put {tail}", tail + 1
        elif letter == "t" and head < tail:
            slots[head % capacity] = None
            text, head = f"take {head}", head + 1
        else:
            text = "full: the producer waits" if letter == "p" else "empty: the consumer waits"
        steps.append(QueueStep(text, tuple(slots), head, tail))
    return steps


# ------------------------------------------------------------------ the pool


@dataclass(frozen=True)
class PoolStep:
    """After one step of one thread.

    thread : 0 or 1.   text : what it did.   free : the list from the head, as far as the links lead.
    used : blocks in use by each thread.   count : the counter beside the head.
    """

    thread: int
    text: str
    free: tuple[str, ...]
    used: tuple[tuple[str, ...], tuple[str, ...]]
    count: int


@dataclass
class _Pool:
    tagged: bool
    head: str
    link: dict[str, str]
    used: tuple[list[str], list[str]]
    count: int = 0

    def cas(self, old: tuple[str, int], new: str) -> bool:
        """Compare and swap of the head; the counter takes part if there is one."""
        if self.head != old[0] or (self.tagged and self.count != old[1]):
            return False
        self.head, self.count = new, self.count + 1
        return True

    def take(self, thread: int) -> Iterator[str]:
        while True:
            seen = self.head, self.count
            after = self.link.get(seen[0], "")
            yield f"reads head {seen[0] or '-'}, next {after or '-'}"
            if not seen[0]:
                return
            if self.cas(seen, after):
                self.used[thread].append(seen[0])
                yield f"CAS head {seen[0]} to {after or '-'}: done"
                return
            yield f"CAS head {seen[0]} to {after or '-'}: fails, again"

    def give(self, thread: int) -> Iterator[str]:
        """Give back the block that the thread took first."""
        if not self.used[thread]:
            return
        block = self.used[thread][0]
        while True:
            seen = self.head, self.count
            self.link[block] = seen[0]
            yield f"reads head {seen[0] or '-'}"
            if self.cas(seen, block):
                self.used[thread].remove(block)
                yield f"CAS head {seen[0] or '-'} to {block}: done"
                return
            yield f"CAS head to {block}: fails, again"


def pool_trace(schedule: str, tagged: bool) -> list[PoolStep]:
    """Free blocks A, B, C. Thread 0 takes one; thread 1 takes two and gives the first back.

    schedule : digits, which thread steps; once it is used up, thread 1 and then thread 0 run to their end.
    tagged : compare a counter beside the head.
    """
    pool = _Pool(tagged, "A", {"A": "B", "B": "C", "C": ""}, ([], []))
    work = [iter(pool.take(0)), _one_after_the_other(pool)]
    steps = [PoolStep(0, "start", *_state(pool))]
    for letter in schedule:
        thread = int(choice("schedule", letter, ("0", "1")))
        text = next(work[thread], None)
        if text is not None:
            steps.append(PoolStep(thread, text, *_state(pool)))
    for thread in (1, 0):
        steps += [PoolStep(thread, text, *_state(pool)) for text in work[thread]]
    return steps


def _one_after_the_other(pool: _Pool) -> Iterator[str]:
    yield from pool.take(1)
    yield from pool.take(1)
    yield from pool.give(1)


def _state(pool: _Pool) -> tuple[tuple[str, ...], tuple[tuple[str, ...], tuple[str, ...]], int]:
    free, block = [], pool.head
    while block and block not in free:
        free.append(block)
        block = pool.link.get(block, "")
    return tuple(free), (tuple(pool.used[0]), tuple(pool.used[1])), pool.count


def taken_twice(step: PoolStep) -> bool:
    """Is a block in use by both threads, or in use and free?"""
    mine, other = map(set, step.used)
    return bool(mine & other or (mine | other) & set(step.free))


def broken_schedules(tagged: bool, steps: int = 8) -> list[str]:
    """The schedules of 2 steps of thread 0 among `steps` after which a block is taken twice."""
    found = []
    for places in combinations(range(integer("steps", steps, at_least=2)), 2):
        schedule = "".join("0" if k in places else "1" for k in range(steps))
        if taken_twice(pool_trace(schedule, tagged)[-1]):
            found.append(schedule)
    return found
