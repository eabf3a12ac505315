"""Moving data beside the computation: buffers, a map of the VTCM, and boxes that an engine copies."""

from __future__ import annotations

from edgelib.explore import Choice, Slider, explorable
from edgelib.explore.scene import Axis, Cell, Line, Mark, Scene, Span, Text
from edgelib.hardware.box_copy import Box
from edgelib.hardware.dma import BUSES, Timeline, buffered, steady_s
from edgelib.hardware.vtcm import DoesNotFit, partition
from edgelib.units import GB, KIB, MIB, si, significant
from edgelib.workloads import transformer

ROLES = {"load": "memory", "compute": "compute", "store": "activations"}
CLOCK_GHZ = 1.0  # assumed: the clock of a Hexagon is unpublished


def _spans(timeline: Timeline, lanes: dict[str, int], scale: float, until: float) -> list[Mark]:
    """The events that begin before `until`, one lane per unit; the letter is the buffer."""
    return [
        Span(
            x0=event.start * scale,
            x1=event.end * scale,
            y=lanes[event.stage],
            role=ROLES[event.stage],
            height=0.6,
            label="ABC"[event.buffer] if (event.end - event.start) * scale > 0.03 * until else "",
            term=f"{event.stage} tile {event.tile} in buffer {'ABC'[event.buffer]}",
        )
        for event in timeline.events
        if event.end * scale <= until
    ]


SHOWN_US = 240.0


@explorable(
    "tile-buffers",
    label="What does a second buffer hide?",
    hint="Go from one buffer to two, then to three. Then make the computation shorter than the load.",
    tile=Slider(64, 1024, log2=True, default=512, unit="KiB", label="Tile"),
    bandwidth=Slider(10, 60, step=5, default=25, unit="GB/s", label="DDR"),
    compute=Slider(4, 64, step=4, default=24, unit="k cycles", label="Computation per tile"),
    buffers=Slider(1, 3, default=1, label="Buffers"),
)
def tile_buffers(tile: int, bandwidth: float, compute: float, buffers: int) -> Scene:
    """Loads and computations of tiles with one, two or three buffers."""
    load_s = tile * KIB / (bandwidth * GB)
    compute_s = compute * 1e3 / (CLOCK_GHZ * 1e9)
    timeline = buffered(40, load_s, compute_s, 0.0, buffers)
    marks = _spans(timeline, {"load": 1, "compute": 0}, 1e6, SHOWN_US)
    per_tile = {n: steady_s(load_s, compute_s, 0.0, n) for n in (1, 2, 3)}
    longer = "the load" if load_s > compute_s else "the computation"
    reason = "load and computation add up" if buffers == 1 else f"{longer} alone"
    readout = (
        f"{si(per_tile[buffers], 's')} per tile, {reason}: load {si(load_s, 's')}, "
        f"computation {si(compute_s, 's')}. Two buffers: {per_tile[1] / per_tile[2]:.2f} times one. "
        f"{significant(100 * timeline.overlap, 2)} % of the loading is hidden. "
        f"The buffers take {buffers * tile:,} KiB."
    )
    return Scene(
        title="Two buffers take the longer of load and computation",
        x=Axis(label="Time", unit="µs", lo=0, hi=SHOWN_US),
        y=Axis(label="Unit", categories=("compute", "load")),
        marks=marks,
        readout=readout,
        alt=f"Timeline of loads and computations, number of buffers: {buffers}. {readout}",
        table=[
            ("buffers", "per tile", "memory for tiles"),
            *((str(n), si(t, "s"), f"{n * tile:,} KiB") for n, t in per_tile.items()),
        ],
    )


@explorable(
    "three-stages",
    label="When is a third buffer worth its memory?",
    hint="The chapter wants three buffers for load, compute and store. Give the stores a bus of their own.",
    compute=Slider(0.5, 4, step=0.5, default=1, unit="x load", label="Computation"),
    store=Slider(0, 2, step=0.25, default=1, unit="x load", label="Store"),
    buffers=Slider(1, 3, default=2, label="Buffers"),
    bus=Choice({"one for both": BUSES[0], "one each": BUSES[1]}, label="Bus for loads and stores"),
)
def three_stages(compute: float, store: float, buffers: int, bus: str) -> Scene:
    """Load, compute and store with one or two buses."""
    timeline = buffered(60, 1.0, compute, store, buffers, bus)
    marks = _spans(timeline, {"load": 2, "compute": 1, "store": 0}, 1.0, 24.0)
    rates = {n: steady_s(1.0, compute, store, n, bus) for n in (1, 2, 3)}
    gain = rates[2] / rates[3]
    worth = f"makes it {gain:.2f} times as fast" if gain > 1 else "gains nothing"
    readout = f"A tile takes {significant(rates[buffers])} times its load. A third buffer {worth}."
    return Scene(
        title="If stores share the bus with loads, two buffers are enough",
        x=Axis(label="Time", unit="times one load", lo=0, hi=24),
        y=Axis(label="Stage", categories=("store", "compute", "load")),
        marks=marks,
        readout=readout,
        alt=f"Timeline of load, compute and store, number of buffers: {buffers}. {readout}",
        table=[
            ("buffers", *(f"{name} bus" for name in BUSES)),
            *(
                (str(n), *(significant(steady_s(1.0, compute, store, n, b)) for b in BUSES))
                for n in (1, 2, 3)
            ),
        ],
    )


_MODEL = transformer("llama-3.2-1b")
CAPACITIES = {"256 KiB": 256 * KIB, "2 MiB": 2 * MIB, "4 MiB": 4 * MIB, "8 MiB": 8 * MIB, "16 MiB": 16 * MIB}


@explorable(
    "vtcm-map",
    label="Who gets which part of the VTCM?",
    hint="Keep the context of one layer resident. How long may it be, and in which VTCM?",
    capacity=Choice(CAPACITIES, default=4 * MIB, label="VTCM"),
    weights=Slider(0, 4096, log2=True, default=1024, unit="KiB", label="Weights that stay"),
    tile=Slider(64, 2048, log2=True, default=512, unit="KiB", label="Tile (two of them)"),
    tokens=Slider(0, 4096, log2=True, default=2048, unit="tokens", label="Keys and values of a layer"),
)
def vtcm_map(capacity: int, weights: int, tile: int, tokens: int) -> Scene:
    """A partition of the VTCM: resident weights, two tiles, a ring of keys and values."""
    kv = int(_MODEL.kv_bytes_per_token() / _MODEL.layers)
    sizes = {
        "weights": weights * KIB,
        "tile A": tile * KIB,
        "tile B": tile * KIB,
        "keys and values": tokens * kv,
    }
    roles = {"weights": "weights", "tile A": "activations", "tile B": "activations", "keys and values": "kv"}
    try:
        laid, missing = partition(capacity, sizes), 0
    except DoesNotFit as error:
        missing = error.missing_B
        laid = partition(capacity + missing, sizes)
    marks: list[Mark] = [
        Span(
            x0=100 * region.start / capacity,
            x1=min(250.0, 100 * region.end / capacity),
            y=3 - list(sizes).index(region.name),
            role=roles[region.name],
            height=0.6,
            label=f"{region.size_B // KIB:,} KiB",
            term=f"{region.name}: bytes {region.start:,} to {region.end:,}",
        )
        for region in laid.regions
        if region.size_B and region.start < 2.5 * capacity
    ]
    marks.append(Line(x=[100, 100], y=[-0.5, 3.5], role="error", width=2))
    state = (
        f"{missing:,} bytes are missing: it does not fit."
        if missing
        else f"It fits, {laid.free_B // KIB:,} KiB are left."
    )
    readout = f"{laid.used_B // KIB:,} KiB for a VTCM of {capacity // KIB:,} KiB. {state}"
    return Scene(
        title="A VTCM is no cache: what does not fit is an error",
        x=Axis(label="Share of the VTCM", unit="%", lo=0, hi=250),
        y=Axis(label="Region", categories=tuple(reversed(sizes))),
        marks=[*marks, Text(x=103, y=3.3, text="end of the VTCM", role="error")],
        readout=readout,
        alt=f"Map of a VTCM with weights, two tiles and a KV ring. {readout}",
        table=[
            ("region", "bytes", "from"),
            *((r.name, f"{r.size_B:,}", f"{r.start:,}") for r in laid.regions),
        ],
    )


ROWS, COLUMNS = 8, 16
DIGITS = "0123456789abcdefghijklmnopqrstuv"


@explorable(
    "dma-box",
    label="What does one descriptor copy?",
    hint="Try every stride. Then give the real matrix rows of 128 KiB: what does the old layout do?",
    rows=Slider(1, 4, default=3, label="Rows of the box"),
    width=Slider(1, 8, default=4, label="Elements per row"),
    stride=Choice(
        {
            "next row": COLUMNS,
            "every second row": 2 * COLUMNS,
            "a diagonal": COLUMNS + 1,
            "one element on": 1,
        },
        label="From row to row",
    ),
    pitch=Slider(4096, 131072, log2=True, default=4096, unit="B", label="A row of the real matrix"),
)
def dma_box(rows: int, width: int, stride: int, pitch: int) -> Scene:
    """A box in a matrix and its dense copy; descriptors for the same box in a large matrix."""
    box = Box(17, 0, rows, width, stride, width)
    order = {box.source + r * stride + c: r * width + c for r in range(rows) for c in range(width)}
    marks: list[Mark] = []
    for address in range(ROWS * COLUMNS):
        chosen = address in order
        marks.append(
            Cell(
                x=address % COLUMNS,
                y=ROWS - 1 - address // COLUMNS,
                text=DIGITS[order[address]] if chosen else "",
                role="memory" if chosen else "idle",
                opacity=1.0 if chosen else 0.15,
            )
        )
    for k in range(box.size_B):
        marks.append(Cell(x=18 + k % width, y=ROWS - 1 - k // width, text=DIGITS[k], role="activations"))
    real_stride = pitch * max(1, round(stride / COLUMNS)) if stride > 1 else 1
    real = Box(0, 0, 64, 128, real_stride, 128)
    old, wide, linear = (real.descriptors(layout) for layout in ("2-D", "2-D wide", "1-D"))
    lost = real.truncated("2-D").source_stride
    warning = f" Cut to 16 bits, the stride would be {lost:,}." if lost != real_stride else ""
    readout = (
        f"{box.size_B} bytes in their order (0 to 9, then a to v). In the real matrix, 64 rows of 128 B at a "
        f"stride of {real_stride:,} B take {old} descriptor{'s' * (old > 1)} of 16 bits, {wide} of 24 bits, "
        f"{linear} without 2-D.{warning}"
    )
    return Scene(
        title="A descriptor copies rows at a stride and never transposes",
        x=Axis(label="Column of the matrix; from 18 on: of the copy", lo=-0.7, hi=26.5),
        y=Axis(label="Row", categories=tuple(str(r) for r in reversed(range(ROWS)))),
        marks=marks,
        readout=readout,
        alt=f"A box of {rows} by {width} elements copied out of a matrix. {readout}",
        table=[
            ("layout", "descriptors for 64 rows of 128 B"),
            ("2-D, 16 bits", str(old)),
            ("2-D, 24 bits", str(wide)),
            ("1-D chain", str(linear)),
        ],
    )
