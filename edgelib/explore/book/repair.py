"""Repairing the chapter's GEMM packet, and what a hardware loop saves."""

from __future__ import annotations

from functools import cache

import numpy as np

from edgelib.explore import Choice, Slider, Toggle, explorable
from edgelib.explore.book.packets import blamed, plain
from edgelib.explore.scene import Area, Axis, Dot, Line, Mark, Scene, Text
from edgelib.hardware.vliw import branch_overhead, loop_cycles, pack
from edgelib.hardware.vliw.gemm_loop import REPAIRS, ROWS, Trial, attempt, gemm_packet

LIMIT = 400  # sums beyond it are drawn at the edge


@cache
def _trial(*repairs: str) -> Trial:
    return attempt(repairs)


@explorable(
    "gemm-repair",
    label="How many repairs until the packet computes a product?",
    hint="Switch the repairs on from the top. When does it become legal, and when is it right?",
    step=Toggle(label="#128 becomes #1"),
    one_load=Toggle(label="One vector load"),
    cur=Toggle(label="v0 becomes v0.cur"),
    operand=Toggle(label="Load r1"),
    store=Toggle(label="Store v2, after the loop"),
)
def gemm_repair(step: bool, one_load: bool, cur: bool, operand: bool, store: bool) -> Scene:
    """The 32 sums that the loop stores against numpy, for any set of the five repairs."""
    wanted = dict(zip(REPAIRS, (step, one_load, cur, operand, store), strict=True))
    repairs = tuple(name for name, on in wanted.items() if on)
    trial = _trial(*repairs)
    lanes = np.arange(ROWS)
    marks: list[Mark] = [
        Line(x=lanes, y=trial.exact, role="idle", width=2, term="A b, computed by numpy"),
        Text(x=ROWS, y=float(trial.exact[-1]), text="numpy", role="idle"),
    ]
    written = [line.strip() for line in gemm_packet(repairs).strip("{} ").split("\n")]
    for k, line in enumerate(written):
        y, role = 345 - 48 * k, "error" if blamed(line, trial.verdict) else "ink"
        end = " }:endloop0" * (k == len(written) - 1)
        marks.append(Text(x=0, y=y, text="{ " + line + end if k == 0 else line + end, role=role))
    if store:
        marks.append(Text(x=0, y=345 - 48 * len(written), text="{ vmem(r3+#0)=v2 }"))
    left = len(REPAIRS) - len(repairs)
    faults = f"{left} of 5 faults left"
    if trial.result is None:
        title = f"{faults}: no Hexagon executes this packet"
        readout = f"No result. {plain(trial.verdict)[0]}"
    else:
        drawn = np.clip(trial.result.astype(float), -LIMIT, LIMIT)
        right = trial.result == trial.exact
        for lane, value, good in zip(lanes, drawn, right, strict=True):
            marks.append(
                Dot(x=float(lane), y=value, size=4, role="compute" if good else "error", term=f"row {lane}")
            )
        error, first = trial.max_error, int(np.argmin(right))
        readout = f"Largest error {error:,}; {int(right.sum())} of 32 sums are right."
        if error:
            readout += (
                f" First wrong lane: {first}, {trial.result[first]:,} instead of {trial.exact[first]:,}."
            )
        title = f"{faults}: the loop computes A b" if error == 0 else f"{faults}: legal, and wrong"
    return Scene(
        title=title,
        x=Axis(label="Row of A", unit="lane", lo=-1, hi=36),
        y=Axis(label="Sum", lo=-LIMIT - 20, hi=LIMIT + 20),
        marks=marks,
        readout=readout,
        alt=f"Result of the repaired GEMM packet. {faults}. {readout}",
        table=[
            ("repair", "made", "fault"),
            *((name, "yes" if wanted[name] else "no", fault) for name, fault in REPAIRS.items()),
        ],
    )


BODIES = {
    "multiply, add (1 packet)": ("r1=memw(r2++#4)", "r3=memw(r4++#4)", "r5+=mpyi(r6,r7)"),
    "load, use (2 packets)": ("r1=memw(r2++#4)", "r3=memw(r4++#4)", "r5+=mpyi(r1,r3)"),
    "a chain (4 packets)": ("r1=memw(r2++#4)", "r3=mpyi(r1,r4)", "r5=add(r3,r6)", "memw(r7++#4)=r5"),
}
TRIPS = np.arange(0, 65)


@explorable(
    "hardware-loop",
    label="What does a loop cost that counts in software?",
    hint="Take the longest body: where does its counter go? Then let values be handed on.",
    body=Choice(list(BODIES), label="Body"),
    forward=Toggle(label="Hand values on (.new)"),
    trips=Slider(1, 64, default=16, label="Iterations"),
)
def hardware_loop(body: str, forward: bool, trips: int) -> Scene:
    """Cycles against the trip count, with loop0 and with add, compare and jump in the free slots."""
    packets, overhead = _body(body, forward)
    cost = loop_cycles(packets, np.maximum(TRIPS, 1), overhead)
    here = loop_cycles(packets, trips, overhead)
    saved = float(here.saved)
    hardware, software = float(here.hardware), float(here.software)
    marks: list[Mark] = [
        Area(x=TRIPS[1:], y0=cost.hardware[1:], y1=cost.software[1:], role="idle", term="n e"),
        Line(
            x=TRIPS[1:], y=cost.software[1:], role="error", label="add, compare, jump", term="1 + n (b + e)"
        ),
        Line(x=TRIPS[1:], y=cost.hardware[1:], role="compute", label="loop0", term="1 + n b"),
        Dot(x=trips, y=software, role="error", size=6),
        Dot(x=trips, y=hardware, role="compute", size=6),
    ]
    readout = (
        f"{trips} iterations: {hardware:.0f} cycles with loop0, {software:.0f} without; "
        f"it saves {100 * saved:.0f} %."
    )
    title = (
        "Free slots hide counter and jump: loop0 saves nothing here"
        if overhead == 0
        else f"Counter and jump cost {overhead} packet{'s' * (overhead > 1)} an iteration, the body {packets}"
    )
    return Scene(
        title=title,
        x=Axis(label="Iterations", lo=0, hi=84),
        y=Axis(label="Cycles, one a packet", lo=0, hi=330),
        marks=marks,
        readout=readout,
        alt=f"Cycles of a loop against its iterations. {readout}",
        table=[
            ("iterations", "loop0", "software", "saved"),
            *(
                (str(n), f"{cost.hardware[n]:.0f}", f"{cost.software[n]:.0f}", f"{100 * cost.saved[n]:.0f} %")
                for n in (1, 4, 16, 64)
            ),
        ],
    )


@cache
def _body(name: str, forward: bool) -> tuple[int, int]:
    """Packets of a body, and packets that counter and branch add."""
    texts = BODIES[name]
    return len(pack(texts, forward).packets), branch_overhead(texts, forward)
