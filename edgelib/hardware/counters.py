"""What do the performance counters of a vector unit say is slow? A first guess from one dump.

Event names and meanings: Hexagon V79 HVX Programmer's Reference Manual 80-N2040-61, "HVX PMU events". They
differ between versions. HVX_PKT counts each packet twice in 128-byte mode. The cycles in which the unit has
something to do are those of packets and those of stalls. What to do about an accumulator that was not made in
the context cycle before is as a developer quotes section 5.6 of that manual (Seunghui98/nntrainer, plan 105).
The two thresholds are rules of thumb of this book: less than half of the time active is a lack of work, and
a unit that issues in 70 % of its active cycles is busy.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from edgelib.errors import choice, nonnegative

EVENTS = {
    "HVX_PKT": "packets with vector instructions, counted twice",
    "HVX_LD_L2_OUTSTANDING": "stalled: a load is pending",
    "HVX_ST_L2_OUTSTANDING": "stalled: a store is not yet in L2",
    "HVX_VTCM_OUTSTANDING": "stalled: a VTCM transaction is pending",
    "HVX_REG_ORDER": "stalled: interlock on a register",
    "HVX_ACC_ORDER": "stalled: the accumulator was not made in the context cycle before",
    "HVX_VOLTAGE_UNDER": "throttled: voltage",
    "HVX_POWER_OVER": "throttled: power budget",
}
CAUSES = {
    "memory": ("HVX_LD_L2_OUTSTANDING", "HVX_ST_L2_OUTSTANDING"),
    "VTCM": ("HVX_VTCM_OUTSTANDING",),
    "registers": ("HVX_REG_ORDER",),
    "accumulator": ("HVX_ACC_ORDER",),
    "power": ("HVX_VOLTAGE_UNDER", "HVX_POWER_OVER"),
}
CLASSES = ("compute", *CAUSES, "no work")
REMEDIES = {
    "compute": "use wider instructions or the tensor unit",
    "memory": "bring the data to VTCM before, in larger pieces",
    "VTCM": "spread the accesses over banks, and scatter less",
    "registers": "put a packet between the maker of a vector and what multiplies or permutes it",
    "accumulator": "add to the same register in packets that follow each other",
    "power": "lower the clock or the voltage corner",
    "no work": "put more operators into a call, and queue calls",
}
ACTIVE, BUSY = 0.5, 0.7


def shares(dump: Mapping[str, float]) -> dict[str, float]:
    """Share of the active cycles that issue ("compute") or that wait for each cause; they add up to 1.

    dump : "cycles" and the counts of `EVENTS`, all of them.

    Raises
    ------
    ValueError : a count is missing or negative, nothing was counted, or more was active than there were
    cycles.
    """
    for name in ("cycles", *EVENTS):
        if name not in dump:
            raise ValueError(f"dump has no {name!r}: expected cycles and {', '.join(EVENTS)}")
        nonnegative(name, dump[name])
    parts = {"compute": dump["HVX_PKT"] / 2}
    parts |= {cause: float(sum(dump[event] for event in events)) for cause, events in CAUSES.items()}
    active = sum(parts.values())
    if not 0 < active <= dump["cycles"]:
        raise ValueError(
            f"active cycles {active:g}: expected more than 0, and at most cycles = {dump['cycles']:g}"
        )
    return {name: value / active for name, value in parts.items()}


def active_share(dump: Mapping[str, float]) -> float:
    """Share of all cycles in which the vector unit issues or stalls."""
    shares(dump)
    stalls = sum(dump[event] for events in CAUSES.values() for event in events)
    return float((dump["HVX_PKT"] / 2 + stalls) / dump["cycles"])


def classify(dump: Mapping[str, float]) -> str:
    """One of `CLASSES`: "no work" below half active, "compute" from 70 % issuing on, or the largest stall."""
    parts = shares(dump)
    if active_share(dump) < ACTIVE:
        return "no work"
    if parts["compute"] >= BUSY:
        return "compute"
    return max(CAUSES, key=lambda cause: parts[cause])


def synthetic_dump(cause: str, seed: int = 0, cycles: int = 1_000_000) -> dict[str, int]:
    """Counts as a kernel with this bottleneck could leave them: a mixture with one large part.

    Nothing is measured: shares are drawn at random, the dominant one is at least 40 % (compute: 70 %).
    """
    choice("cause", cause, CLASSES)
    rng = np.random.default_rng(seed)
    names = ["compute", *CAUSES]
    active = rng.uniform(0.05, 0.4) if cause == "no work" else rng.uniform(0.75, 0.98)
    main = "compute" if cause == "no work" else cause
    low, high = (0.72, 0.9) if main == "compute" else (0.42, 0.6)
    lead = rng.uniform(low, high)
    rest = rng.dirichlet(np.full(len(names) - 1, 4.0)) * (1 - lead)
    parts = dict(zip([n for n in names if n != main], rest, strict=True)) | {main: lead}
    dump = {"cycles": cycles, "HVX_PKT": 2 * int(parts["compute"] * active * cycles)}
    for name, events in CAUSES.items():
        for event, part in zip(events, rng.dirichlet(np.full(len(events), 3.0)), strict=True):
            dump[event] = int(part * parts[name] * active * cycles)
    return dump
