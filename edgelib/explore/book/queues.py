"""How do threads share a queue or a pool without a lock? Two things to step through."""

from __future__ import annotations

from functools import cache

from edgelib.explore import Choice, Slider, Step, Toggle, explorable
from edgelib.explore.scene import Axis, Cell, Mark, Scene, Text
from edgelib.hardware.memory_order.ring_queue import (
    PoolStep,
    QueueStep,
    pool_trace,
    queue_mistakes,
    queue_trace,
    taken_twice,
)

SCHEDULES = {"in turn": "ptptptptptptptpt", "the producer is faster": "pptpptpptpptpptp"} | {
    "the consumer is faster": "pttpttpttpttpttp"
}
PUT = ("slots[tail % n] = item", "store-release tail + 1")
TAKE = ("load-acquire tail", "item = slots[head % n]", "store-release head + 1")


@cache
def _queue(capacity: int, schedule: str) -> tuple[QueueStep, ...]:
    return tuple(queue_trace(capacity, schedule))


@explorable(
    "ring-queue",
    label="Where are head and tail?",
    hint="Make the producer faster: what stops it from overwriting?",
    step=Step(16, default=6, label="Step"),
    capacity=Slider(2, 6, default=4, unit="slots", label="Capacity"),
    schedule=Choice(SCHEDULES, default=SCHEDULES["the producer is faster"], label="Who runs"),
)
def ring_queue(step: int, capacity: float, schedule: str) -> Scene:
    """One producer, one consumer: the slots after each step, with the line of code that ran."""
    size = int(capacity)
    trace = _queue(size, schedule)
    now = trace[step]
    marks: list[Mark] = []
    for slot in range(6):
        if slot >= size:
            marks.append(Cell(x=slot, y=1, role="idle", opacity=0.07))
            continue
        item = now.slots[slot]
        text = "" if item is None else str(item)
        role = "idle" if item is None else "kv"
        marks.append(Cell(x=slot, y=1, text=text, role=role, opacity=0.2 if item is None else 0.7))
        ends = [n for n, at in (("head", now.head), ("tail", now.tail)) if at % size == slot]
        if ends:
            marks.append(Text(x=slot, y=0, text=", ".join(ends), anchor="middle"))
    for row, (code, active) in enumerate(
        [*((c, "put" in now.text) for c in PUT), *((c, "take" in now.text) for c in TAKE)]
    ):
        x, y = (1, 4 - row) if row < 2 else (4, 6 - row)
        role = "highlight" if active else "idle"
        marks.append(
            Cell(x=x, y=y, text=code, width=2.8, height=0.8, role=role, opacity=0.7 if active else 0.12)
        )
    waits = sum("waits" in s.text for s in trace[1 : step + 1])
    wrong = queue_mistakes("relaxed")
    readout = (
        f"Step {step}: {now.text}. {now.tail - now.head} of {size} slots full; {now.head} items through, "
        f"{waits} steps waited. With plain loads and stores a slot "
        f"{'may' if wrong['unwritten'] else 'cannot'} be read before it is written."
    )
    return Scene(
        title="Tail moves after the slot is written, head after it is read: no lock",
        x=Axis(label="Slot", categories=tuple(str(k) for k in range(6))),
        y=Axis(label="Producer, consumer", categories=("ends", "slots", "line 3", "line 2", "line 1")),
        marks=marks,
        readout=readout,
        alt=f"Ring queue of {size} slots. {readout}",
        table=[
            ("step", "what happened", "head", "tail"),
            *((str(k), s.text, str(s.head), str(s.tail)) for k, s in enumerate(trace)),
        ],
    )


@cache
def _pool(tagged: bool) -> tuple[PoolStep, ...]:
    """The schedule that breaks the pool without a counter, padded to one length."""
    steps = pool_trace("01111110", tagged)
    return tuple(steps + [steps[-1]] * (11 - len(steps)))


@explorable(
    "aba",
    label="Is A still the A that was read?",
    hint="Step to the end without the counter, then with it.",
    step=Step(10, default=8, label="Step"),
    tagged=Toggle(label="A counter beside the head"),
)
def aba(step: int, tagged: bool) -> Scene:
    """A pool of three blocks; thread 0 is interrupted between its read and its compare-and-swap."""
    trace = _pool(tagged)
    now = trace[step]
    marks: list[Mark] = []
    rows = (("free list", now.free, 0), ("thread 1 uses", now.used[1], 1), ("thread 0 uses", now.used[0], 2))
    everything = [*now.free, *now.used[0], *now.used[1]]
    for _, blocks, y in rows:
        for k, block in enumerate(blocks):
            twice = everything.count(block) > 1
            role = "error" if twice else "kv" if y == 0 else "activations"
            marks.append(Cell(x=k, y=y, text=block, role=role, opacity=0.75))
    marks.append(Text(x=2.6, y=2.3, text=f"thread {now.thread}: {now.text}" if step else "start"))
    if tagged:
        marks.append(Text(x=2.6, y=1.9, text=f"counter {now.count}"))
    broken = taken_twice(now)
    ending = "A block is in two places: the pool is broken." if broken else "Every block is in one place."
    readout = f"Step {step}: thread {now.thread} {now.text}. {ending}" if step else f"Start. {ending}"
    return Scene(
        title="The compare finds the same name, not the same past"
        if not tagged
        else "The counter tells A from A",
        x=Axis(label="Place", lo=-0.6, hi=6.5),
        y=Axis(label="Blocks", categories=tuple(name for name, *_ in rows)),
        marks=marks,
        readout=readout,
        alt=f"Pool of three blocks without a lock. {readout}",
        table=[
            ("step", "thread", "what it did", "free"),
            *((str(k), str(s.thread), s.text, " ".join(s.free) or "-") for k, s in enumerate(trace)),
        ],
    )
