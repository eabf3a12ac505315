"""Inside a Hexagon: threads that take turns, a memory that holds what it is told, and peaks from parts.

Figures with their sources: `data/hexagon.csv`. Clocks are unpublished, so they are sliders.
"""

from __future__ import annotations

import numpy as np

from edgelib.explore import Choice, Slider, explorable
from edgelib.explore.scene import Axis, Bar, Dot, Line, Mark, Scene, Span, Text
from edgelib.hardware.hardware_threads import (
    ISSUES,
    POLICIES,
    READY,
    interleave,
    threads_needed,
    utilisation,
)
from edgelib.hardware.hexagon import hexagon, hexagon_names, hvx_macs_per_cycle
from edgelib.hardware.unroll_limits import HVX_REGISTERS, unroll_limits
from edgelib.units import KIB, MIB, significant
from edgelib.workloads import transformer, weight_format

CYCLES, MOST = 96, 12


@explorable(
    "hardware-threads",
    label="How many threads hide this latency?",
    hint="Give it as many threads as it asks for. Then let the threads take turns in every cycle.",
    threads=Slider(1, MOST, default=4, label="Threads"),
    compute=Slider(1, 8, default=4, label="Packets between two waits"),
    latency=Slider(0, 40, step=4, default=20, unit="cycles", label="Each wait"),
    policy=Choice(
        {"when the thread stalls": POLICIES[0], "in every cycle": POLICIES[1]}, label="Next thread"
    ),
)
def hardware_threads(threads: int, compute: int, latency: int, policy: str) -> Scene:
    """Which thread issues in which cycle."""
    run = interleave(threads, compute, latency, CYCLES * 4, policy)
    share = run.share(CYCLES)
    marks: list[Mark] = []
    for thread in range(threads):
        row, y = run.state[thread], MOST - thread
        start = 0
        for cycle in range(1, CYCLES + 1):
            if cycle < CYCLES and row[cycle] == row[start]:
                continue
            role = {ISSUES: "compute", READY: "highlight"}.get(int(row[start]), "idle")
            height = 0.75 if role == "compute" else 0.25
            marks.append(Span(x0=start, x1=cycle, y=y, role=role, height=height))
            start = cycle
    issues = (run.state[:, :CYCLES] == ISSUES).any(axis=0)
    lost = np.flatnonzero(~issues)
    for idle in np.split(lost, np.flatnonzero(np.diff(lost) > 1) + 1):
        if idle.size:
            marks.append(Span(x0=idle[0], x1=idle[-1] + 1, y=0, role="error", height=0.75))
    bound = float(utilisation(threads, compute, latency))
    needed = int(threads_needed(compute, latency))
    loss = " Threads that compute together also wait together." if bound - share > 0.02 else ""
    readout = (
        f"{significant(100 * share)} % of the cycles issue; at most {significant(100 * bound)} % = "
        f"min(1, {threads} x {compute} / {compute + latency}). Enough: {needed}.{loss}"
    )
    names = tuple(str(k) for k in range(MOST, 0, -1))
    return Scene(
        title="Threads hide a wait only if there are enough of them",
        x=Axis(label="Cycle", lo=0, hi=CYCLES),
        y=Axis(label="Thread (orange: issues, yellow: could, grey: waits)", categories=("lost", *names)),
        marks=marks,
        readout=readout,
        alt=f"Timeline of {threads} hardware threads that issue {compute} packets and wait. {readout}",
        table=[
            ("threads", "upper bound"),
            *((str(n), f"{100 * float(utilisation(n, compute, latency)):.0f} %") for n in range(1, MOST + 1)),
        ],
    )


_SMALL = transformer("llama-3.2-1b")
PIECES = {
    "128 x 4096 weights, INT8": 128 * 4096,
    "keys and values of a layer, 2048 tokens": int(_SMALL.kv_bytes_per_token() / _SMALL.layers * 2048),
    "a whole layer of a 1B model, INT4": int(
        _SMALL.layer_params / _SMALL.layers * weight_format("int4_g128").bits / 8
    ),
}


@explorable(
    "vtcm-by-chip",
    label="What fits into a VTCM?",
    hint="Compare chips of one version: how large is the VTCM of V68, and of V81?",
    piece=Choice(PIECES, label="What shall fit"),
    copies=Slider(1, 4, default=2, label="How many of it"),
)
def vtcm_by_chip(piece: int, copies: int) -> Scene:
    """VTCM sizes of the catalogue, and what fits."""
    chips = [hexagon(name) for name in hexagon_names() if "vtcm" in hexagon(name).figures]
    chips.sort(key=lambda chip: (int(chip.version[1:]), chip.vtcm_B), reverse=True)
    need = piece * copies
    marks: list[Mark] = [Line(x=[need / KIB] * 2, y=[-0.5, len(chips) - 0.5], role="error", width=1.5)]
    rows = []
    for lane, chip in enumerate(chips):
        fits = int(chip.vtcm_B // piece)
        role = "activations" if chip.vtcm_B >= need else "idle"
        source = chip.figure("vtcm").source
        marks.append(Span(x0=64, x1=chip.vtcm_B / KIB, y=lane, role=role, height=0.6, term=source))
        marks.append(Text(x=chip.vtcm_B / KIB * 1.15, y=lane, text=f"{fits} fit" if fits else "none fits"))
        rows.append((chip.name, chip.version, f"{chip.vtcm_B / KIB:,.0f} KiB", str(fits), source))
    enough = sum(chip.vtcm_B >= need for chip in chips)
    readout = (
        f"{copies} x {piece / KIB:,.0f} KiB fit into {enough} of {len(chips)} configurations. "
        "Of version V81 there are 2, 4, 8 and 16 MiB."
    )
    return Scene(
        title="A version does not say how large the VTCM is",
        x=Axis(label="VTCM", unit="KiB", lo=64, hi=65536, log=True),
        y=Axis(label="Configuration", categories=tuple(f"{c.version} {c.name}" for c in chips)),
        marks=marks,
        readout=readout,
        alt=f"Sizes of the VTCM of {len(chips)} Hexagon configurations. {readout}",
        table=[("configuration", "version", "VTCM", "fit", "source"), *rows[::-1]],
    )


PRINTED = {
    "printed: HTA": 0.614,
    "printed: GEMM reaches": 1.3,
    "printed: total": 1.5,
}
PUBLISHED = {"published: SoC, all units": 15.0}


@explorable(
    "tops-from-parts",
    label="Which parts give 614 GOPS and 1.5 TOPS?",
    hint="Find settings that make a unit 0.614. What is the total then? V66 has four contexts.",
    contexts=Slider(1, 8, default=4, label="Vector contexts"),
    resources=Choice({"128 (one multiplier)": 1, "256 (both)": 2}, default=2, label="MAC per packet"),
    clock=Slider(0.8, 1.6, step=0.1, default=1.2, unit="GHz", label="Clock (unpublished)"),
    counting=Choice({"2 operations": 2, "1 operation": 1}, label="A MAC is"),
)
def tops_from_parts(contexts: int, resources: int, clock: float, counting: int) -> Scene:
    """Peak of vector and tensor unit from contexts, multipliers and clock, beside what is printed."""
    macs = float(hvx_macs_per_cycle(contexts, resources))
    vector, tensor = (counting * m * clock / 1e3 for m in (macs, 512.0))
    parts = {"vector unit": vector, "512-MAC HTA": tensor, "both": vector + tensor}
    lanes = [*PUBLISHED, *PRINTED, *parts]
    marks: list[Mark] = []
    for name, value in (PRINTED | PUBLISHED).items():
        role = "error" if name in PRINTED else "idle"
        marks.append(Line(x=[value, value], y=[-0.5, 6.5], role=role, width=1, ghost=True))
        marks.append(Dot(x=value, y=lanes.index(name), role=role, label=f"{value:g}"))
    for name, value in parts.items():
        near = [p for p, q in PRINTED.items() if abs(value / q - 1) < 0.03]
        text = f"{significant(value)}" + (f" = {near[0].split(': ')[1]}?" if near else "")
        marks.append(Dot(x=value, y=lanes.index(name), role="compute", size=8, label=text))
    readout = (
        f"At most {macs:,.0f} MAC per cycle at {clock:g} GHz give {significant(vector)} TOPS, "
        f"an HTA of 512 another {significant(tensor)}, together {significant(vector + tensor)} TOPS."
    )
    return Scene(
        title="With four contexts nothing gives 614 GOPS and 1.5 TOPS",
        x=Axis(label="Peak, INT8", unit="TOPS", lo=0.1, hi=30, log=True),
        y=Axis(label="From parts, and quoted", categories=tuple(lanes)),
        marks=marks,
        readout=readout,
        alt=f"Peaks of a Hexagon from its parts beside the printed ones. {readout}",
        table=[
            ("what", "TOPS"),
            *((name, significant(value)) for name, value in (parts | PRINTED | PUBLISHED).items()),
        ],
    )


MEMORIES = {
    "L1, 16 KiB (the chapter)": 16 * KIB,
    "VTCM, 256 KiB": 256 * KIB,
    "L2, 1 MiB": MIB,
}


@explorable(
    "unroll-limits",
    label="How often can a loop be unrolled?",
    hint="Take the memory that vector loads really use. Which resource binds then?",
    registers=Slider(1, 16, default=3, label="Vector registers per iteration"),
    data=Slider(128, 8192, log2=True, default=4096, unit="B", label="Data per iteration"),
    instructions=Slider(2, 256, log2=True, default=8, label="Instructions per iteration"),
    memory=Choice(MEMORIES, label="Streams from"),
)
def unroll_factor(registers: int, data: int, instructions: int, memory: int) -> Scene:
    """Three limits of an unroll factor; the least binds."""
    limits = unroll_limits(HVX_REGISTERS, registers, memory, data, 32 * KIB, instructions)
    names = {"registers": "32 registers", "memory": "memory", "instructions": "32 KiB of code"}
    marks: list[Mark] = []
    for k, (key, name) in enumerate(names.items()):
        value = getattr(limits, key)
        role = "error" if key in limits.binding else "idle"
        marks.append(
            Bar(x=k, y0=0.5, y1=value, role=role, label=f"{value:,}", term=f"{name}: floor of {value}")
        )
    binding = " and ".join(names[key] for key in limits.binding)
    readout = f"{limits.factor} times, bound by {binding}."
    return Scene(
        title="The scarcest of three resources limits unrolling",
        x=Axis(label="Resource", categories=tuple(names.values())),
        y=Axis(label="Iterations that fit", lo=0.5, hi=20000, log=True),
        marks=marks,
        readout=readout,
        alt=f"Iterations that fit into registers, memory and instruction cache. {readout}",
        table=[("resource", "fits"), *((name, f"{getattr(limits, key):,}") for key, name in names.items())],
    )
