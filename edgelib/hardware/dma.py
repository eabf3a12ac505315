r"""How long does a kernel take that works on tiles in a small memory? Load, compute, store, and n buffers.

A tile is loaded into a buffer, worked on in place, and stored from it; only then is the buffer free for
another tile. There is one compute unit. Loads and stores go over the same memory bus, one at a time
(`bus="shared"`: a DRAM interface, which either reads or writes), or each over its own (`bus="separate"`). In
the long run a tile takes

$$\max\left(t_{bus},\ t_{compute},\ \frac{t_{load} + t_{compute} + t_{store}}{n}\right), \qquad
t_{bus} = t_{load} + t_{store} \text{ or } \max(t_{load}, t_{store}).$$

One buffer adds everything up. With two buffers and a shared bus the last term is never the largest: a third
buffer is worth something only if stores do not take the bus from loads.
"""

from __future__ import annotations

from dataclasses import dataclass

from edgelib.errors import choice, integer, nonnegative, scalar

BUSES = ("shared", "separate")
STAGES = ("load", "compute", "store")


def _times(load_s: float, compute_s: float, store_s: float) -> tuple[float, float, float]:
    load = float(scalar("load_s", nonnegative("load_s", load_s)))
    compute = float(scalar("compute_s", nonnegative("compute_s", compute_s)))
    store = float(scalar("store_s", nonnegative("store_s", store_s)))
    if load + compute + store == 0:
        raise ValueError("load_s, compute_s and store_s are all 0: expected at least one that takes time")
    return load, compute, store


def steady_s(
    load_s: float, compute_s: float, store_s: float = 0.0, buffers: int = 2, bus: str = "shared"
) -> float:
    """Seconds per tile in the long run: the formula of this module."""
    load, compute, store = _times(load_s, compute_s, store_s)
    moving = load + store if choice("bus", bus, BUSES) == "shared" else max(load, store)
    return max(moving, compute, (load + compute + store) / integer("buffers", buffers, at_least=1))


@dataclass(frozen=True)
class Event:
    """One stage of one tile in one buffer, from start to end, s."""

    stage: str
    tile: int
    buffer: int
    start: float
    end: float


@dataclass(frozen=True)
class Timeline:
    """Events in the order in which they start."""

    events: tuple[Event, ...]

    @property
    def seconds(self) -> float:
        """From the first load to the last end."""
        return max(event.end for event in self.events)

    @property
    def fill_s(self) -> float:
        """Until the first tile is computed on."""
        return min(event.start for event in self.events if event.stage == "compute")

    def busy_s(self, *stages: str) -> float:
        """Seconds in which at least one of these stages is running."""
        for stage in stages:
            choice("stage", stage, STAGES)
        total, until = 0.0, 0.0
        for event in sorted((e for e in self.events if e.stage in stages), key=lambda e: e.start):
            total += max(0.0, event.end - max(event.start, until))
            until = max(until, event.end)
        return total

    @property
    def overlap(self) -> float:
        """Share of the time that data are moving in which something is computed, 0..1; 1 if nothing moves."""
        moving, compute = self.busy_s("load", "store"), self.busy_s("compute")
        both = moving + compute - self.busy_s(*STAGES)
        return both / moving if moving else 1.0

    def per_tile_s(self) -> float:
        """Seconds from one tile's end to the next, mean over the middle half: no filling and no draining."""
        ends: dict[int, float] = {}
        for event in self.events:
            ends[event.tile] = max(ends.get(event.tile, 0.0), event.end)
        last = max(ends)
        if last < 4:
            raise ValueError(f"a timeline of {last + 1} tiles has no middle; expected at least 5")
        first, until = last // 4, 3 * last // 4
        return (ends[until] - ends[first]) / (until - first)


def buffered(
    tiles: int,
    load_s: float,
    compute_s: float,
    store_s: float = 0.0,
    buffers: int = 2,
    bus: str = "shared",
) -> Timeline:
    """Play the schedule: tile i uses buffer i mod `buffers`, and every unit does its jobs in a fixed order.

    The engine works through its chain as a program would write it: fill all buffers, and then, for each tile,
    store it and load the next one into the buffer that has become free.
    load_s, compute_s, store_s : seconds per tile, >= 0, not all 0. Stages without duration leave no event,
    except the computation.   bus : "shared" or "separate".

    Raises
    ------
    ValueError : a count below 1, a negative time, all times 0.   UnknownName : another bus.
    """
    durations = dict(zip(STAGES, _times(load_s, compute_s, store_s), strict=True))
    tiles, count = integer("tiles", tiles, at_least=1), integer("buffers", buffers, at_least=1)
    unit = {"load": "bus", "compute": "compute", "store": "bus"}
    if choice("bus", bus, BUSES) == "separate":
        unit["store"] = "store bus"
    free = dict.fromkeys(unit.values(), 0.0)
    done: dict[tuple[str, int], float] = {}
    events: list[Event] = []

    def run(stage: str, tile: int, ready: float) -> None:
        start = max(ready, free[unit[stage]])
        done[stage, tile] = free[unit[stage]] = start + durations[stage]
        if durations[stage] or stage == "compute":
            events.append(Event(stage, tile, tile % count, start, done[stage, tile]))

    for tile in range(min(count, tiles)):
        run("load", tile, 0.0)
    for tile in range(tiles):
        run("compute", tile, done["load", tile])
        run("store", tile, done["compute", tile])
        if tile + count < tiles:
            run("load", tile + count, done["store", tile])
    return Timeline(tuple(sorted(events, key=lambda e: (e.start, e.tile, STAGES.index(e.stage)))))
