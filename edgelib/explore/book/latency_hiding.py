"""What must be under way so that nobody waits? A window of loads, a prefetch, a software pipeline."""

from __future__ import annotations

from functools import cache

import numpy as np

from edgelib.explore import Choice, Slider, explorable
from edgelib.explore.scene import Axis, Cell, Dot, Line, Mark, Scene, Span, Text
from edgelib.hardware.microarchitecture import figure
from edgelib.hardware.pipeline.hiding import (
    needed_B,
    needed_lines,
    prefetch_window,
    prefetched_stall_s,
    window_B,
    window_bandwidth,
)
from edgelib.hardware.pipeline.modulo import Schedule, rec_mii, res_mii, schedule
from edgelib.hardware.pipeline.unroll import dot_loop, registers, unroll
from edgelib.units import si, significant

ROBS = {
    "Cortex-A78": "cortex-a78",
    "Cortex-X1": "cortex-x1",
    "Cortex-X3": "cortex-x3",
    "Cortex-X4": "cortex-x4",
}


@explorable(
    "window-little",
    label="Can the window hide the memory?",
    hint="Even a window full of loads falls short on a Cortex-A78. Try a larger window, or a nearer memory.",
    latency=Slider(20, 200, step=2, default=114, unit="ns", label="Memory latency"),
    rob=Slider(64, 512, step=32, default=160, unit="entries", label="Window (reorder buffer)"),
    loads=Slider(10, 100, step=10, default=100, unit="%", label="Loads among the instructions"),
    clock=Slider(1.0, 3.4, step=0.2, default=3.0, unit="GHz", label="Clock"),
)
def window_little(latency: float, rob: int, loads: float, clock: float) -> Scene:
    """Bytes that a full window asks for, against bytes that 25.6 GB/s need in flight."""
    bandwidth, delay = 25.6e9, latency * 1e-9
    need, held = float(needed_B(bandwidth, delay)), float(window_B(rob, loads / 100))
    reach = min(bandwidth, float(window_bandwidth(rob, loads / 100, delay)))
    sizes = np.arange(64, 513, 8)
    marks: list[Mark] = [
        Line(x=[0, 512], y=[need, need], role="memory", width=2, term="bandwidth x latency"),
        Text(x=8, y=need + 260, text=f"needed: {si(need, 'B')}", role="memory"),
        Line(x=sizes, y=window_B(sizes, loads / 100), role="compute", term="window x loads x 16 B"),
        Dot(x=rob, y=held, role="error", size=7, label=f"{si(held, 'B')}"),
    ]
    marks += [
        Text(x=figure(c, "rob").value, y=500, text=name.split("-")[1], anchor="middle")
        for name, c in ROBS.items()
    ]
    cycles = f"{latency:g} ns are {significant(latency * clock)} cycles"
    marks.append(Text(x=8, y=8100, text=cycles))
    lines = int(needed_lines(bandwidth, delay))
    readout = (
        f"{lines} lines of 64 B must be in flight; a window of {int(rob)} holds at most "
        f"{significant(held / 64)}, good for {si(reach, 'B/s')} of 25.6. Six instructions a cycle fill the "
        f"window in {significant(rob / 6)} cycles; the memory takes {significant(latency * clock)}."
    )
    return Scene(
        title=f"A window of {int(rob)} "
        + ("covers this memory" if held >= need else "is too small for the memory: someone must prefetch"),
        x=Axis(label="Window", unit="entries", lo=0, hi=512),
        y=Axis(label="Bytes in flight", unit="B", lo=0, hi=8500),
        marks=marks,
        readout=readout,
        alt=f"Bytes in flight against the size of the window. {readout}",
        table=[
            ("core", "window", "bytes at most", "bandwidth without prefetch"),
            *(
                (
                    name,
                    f"{figure(c, 'rob').value:g}",
                    si(float(window_B(figure(c, "rob").value, loads / 100)), "B"),
                    si(
                        min(bandwidth, float(window_bandwidth(figure(c, "rob").value, loads / 100, delay))),
                        "B/s",
                    ),
                )
                for name, c in ROBS.items()
            ),
        ],
    )


LEVELS = {"DRAM, 114 ns": 114.0, "L3, 10 ns (assumed)": 10.0, "L2, 9 cycles at 3 GHz": 3.0}
AHEAD = 96  # iterations on the axis


@explorable(
    "prefetch-window",
    label="How far ahead must PRFM look?",
    hint="#256 with 64 bytes per iteration is 4 iterations ahead. Which memory is that enough for?",
    ahead=Slider(0, 96, step=4, default=4, unit="iterations", label="Distance"),
    latency=Choice(LEVELS, label="Data come from"),
    rate=Slider(3.2, 25.6, step=3.2, default=25.6, unit="GB/s", label="The loop consumes"),
    room=Slider(1, 32, log2=True, default=4, unit="KiB", label="Room in L1 for the stream"),
)
def prefetch_distance(ahead: int, latency: float, rate: float, room: int) -> Scene:
    """Wait per iteration of 64 bytes against the prefetch distance."""
    step = 64 / rate  # ns per iteration
    window = prefetch_window(latency, step, 64, room * 1024)
    x = np.arange(0, AHEAD + 1)
    stall = prefetched_stall_s(latency, step, x)
    latest = min(AHEAD, room * 16)
    here = float(prefetched_stall_s(latency, step, ahead))
    late = ahead > room * 16
    first = min(window.iterations, AHEAD)
    marks: list[Mark] = [
        Line(x=x, y=stall, role="compute", term="max(0, (L - n t) / (n + 1))"),
        Dot(x=ahead, y=here, role="error", size=7, label=f"{significant(here)} ns" if here else "no wait"),
    ]
    if first <= latest:
        marks.append(Span(x0=first, x1=latest, y=6, height=7, role="activations", label="in time"))
    if latest < AHEAD:
        marks.append(Span(x0=latest, x1=AHEAD, y=6, height=7, role="idle", label="evicted"))
    readout = (
        f"Just in time: {window.iterations} iterations, {int(window.distance_B):,} B ahead; too far beyond "
        f"{room * 1024:,} B. At {int(ahead)} ({int(ahead) * 64:,} B) an iteration of {significant(step)} ns "
        + ("finds its line evicted." if late else f"waits {significant(here)} ns.")
    )
    return Scene(
        title="A prefetch of 256 bytes comes too late for the memory, and in time for the L2",
        x=Axis(label="Prefetch distance", unit="iterations of 64 B", lo=0, hi=AHEAD),
        y=Axis(label="Wait per iteration", unit="ns", lo=0, hi=120),
        marks=marks,
        readout=readout,
        alt=f"Wait per iteration against prefetch distance. {readout}",
        table=[
            ("data come from", "iterations ahead", "bytes ahead"),
            *(
                (
                    name,
                    str(prefetch_window(ns, step, 64, 1024).iterations),
                    f"{int(prefetch_window(ns, step, 64, 1024).distance_B):,}",
                )
                for name, ns in LEVELS.items()
            ),
        ],
    )


PIPED = {"Cortex-A78": "cortex-a78", "Cortex-X3": "cortex-x3"}
STAGES = 5  # most iterations drawn


@cache
def _piped(on: str, op: str, factor: int) -> Schedule:
    return schedule(unroll(dot_loop(on, op), factor))


@explorable(
    "modulo-schedule",
    label="How often can a loop start a new iteration?",
    hint="Unroll until the interval per product stops falling: then the load pipes are full. What do the "
    "registers do meanwhile?",
    factor=Slider(1, 6, default=1, label="Unrolled by"),
    on=Choice(PIPED, label="Core"),
    op=Choice({"FMLA": "fmla", "SDOT": "sdot"}, label="Instruction"),
    shown=Slider(1, STAGES, default=3, label="Iterations drawn"),
)
def modulo_schedule(factor: int, on: str, op: str, shown: int) -> Scene:
    """A software-pipelined dot product: overlapping iterations, one column per cycle."""
    factor, found = int(factor), _piped(on, op, int(factor))
    need, loop = registers(found), found.loop
    marks: list[Mark] = []
    roles = {"L": "memory", "V": "compute", "I": "idle", "B": "idle"}
    for iteration in range(int(shown)):
        for kind, lane in (("L", 2), ("V", 1), ("I", 0), ("B", 0)):
            at: dict[int, int] = {}
            for node in loop.nodes:
                if node.resource == kind:
                    start = found.time[node.name] + found.ii * iteration
                    at[start] = at.get(start, 0) + 1
            for start, count in at.items():
                y = 3 * (STAGES - 1 - iteration) + lane
                marks.append(
                    Cell(
                        x=start + 0.5,
                        y=y,
                        text=str(count),
                        role=roles[kind],
                        width=0.92,
                        height=0.86,
                        term=f"iteration {iteration + 1}, cycle {start}: {count} x {kind}",
                    )
                )
    for k in range(int(shown)):
        marks.append(
            Line(x=[k * found.ii] * 2, y=[-0.5, 3 * STAGES - 0.5], role="error", width=1, ghost=True)
        )
    single = _piped(on, op, 1)
    readout = (
        f"A new iteration every {found.ii} cycles: {significant(found.ii / factor)} per product (not "
        f"unrolled: {single.ii}). Bounds: resources {res_mii(loop)}, recurrence {rec_mii(loop)}. "
        f"{found.stages} iterations overlap; {need.named} registers; "
        f"{significant(100 * (1 - 1 / factor), 2)} % of the branches saved."
    )
    return Scene(
        title="Unrolling pays until the load pipes are full",
        x=Axis(label="Cycle", lo=0, hi=40),
        y=Axis(label="Iteration: loads, multiply-adds, rest", categories=_lanes()),
        marks=marks,
        readout=readout,
        alt=f"Modulo schedule of a dot product. {readout}",
        table=[
            ("unrolled by", "interval", "per product", "registers", "stages"),
            *(
                (
                    str(u),
                    str(_piped(on, op, u).ii),
                    significant(_piped(on, op, u).ii / u),
                    str(registers(_piped(on, op, u)).named),
                    str(_piped(on, op, u).stages),
                )
                for u in range(1, 7)
            ),
        ],
    )


def _lanes() -> tuple[str, ...]:
    return tuple(f"{lane} {STAGES - row}" for row in range(STAGES) for lane in ("rest", "multiply", "load"))
