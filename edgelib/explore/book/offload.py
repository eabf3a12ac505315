"""A DSP among other units: attention on two of them, layers on four, and what a hand-over costs.

Rates of units are assumed, round figures: nobody publishes them side by side. What a call costs is in
`data/hexagon.csv` with its source.
"""

from __future__ import annotations

from functools import cache

from edgelib.explore import Choice, Slider, Toggle, explorable
from edgelib.explore.scene import Axis, Dot, Line, Mark, Scene, Span
from edgelib.hardware.dma import buffered
from edgelib.hardware.fastrpc import Hop
from edgelib.hardware.hexagon import general_figure
from edgelib.planning.unit_mapping import (
    SOFTMAX_OPS,
    Mapped,
    Step,
    Unit,
    best_mapping,
    layer_steps,
    map_layers,
)
from edgelib.units import GB, KIB, si, significant
from edgelib.workloads import transformer, weight_format

HEADS, HEAD_DIM, PAIRS = 8, 64, 128 * 2048  # 128 queries against 2,048 keys


@explorable(
    "attention-units",
    label="Which unit does attention wait for?",
    hint="Make the tensor unit faster. When does the softmax become the slowest part?",
    tensor=Slider(2, 16, log2=True, default=4, unit="TOPS", label="Tensor unit"),
    vector=Slider(32, 512, log2=True, default=64, unit="GOPS", label="Softmax, vector unit"),
    flight=Slider(1, 3, default=1, label="Heads in flight"),
)
def attention_units(tensor: float, vector: float, flight: int) -> Scene:
    """Scores and values on the tensor unit, softmax on the vector unit, head by head."""
    product_s = 2 * HEAD_DIM * PAIRS / (tensor * 1e12)
    softmax_s = SOFTMAX_OPS * PAIRS / (vector * 1e9)
    timeline = buffered(HEADS, product_s, softmax_s, product_s, flight)
    names = {"load": "scores", "compute": "softmax", "store": "values"}
    roles = {"load": "weights", "compute": "compute", "store": "kv"}
    marks: list[Mark] = [
        Span(
            x0=event.start * 1e6,
            x1=event.end * 1e6,
            y=0 if event.stage == "compute" else 1,
            role=roles[event.stage],
            height=0.6,
            label=str(event.tile + 1) if (event.end - event.start) * 1e6 > 12 else "",
            term=f"head {event.tile + 1}: {names[event.stage]}, {si(event.end - event.start, 's')}",
        )
        for event in timeline.events
    ]
    path = 2 * product_s + softmax_s
    work = {"tensor unit": HEADS * 2 * product_s, "vector unit": HEADS * softmax_s}
    slowest = max(work, key=lambda unit: work[unit])
    busy = 100 * work["tensor unit"] / timeline.seconds
    readout = (
        f"{HEADS} heads in {si(timeline.seconds, 's')}; the critical path of one is {si(path, 's')}, and "
        f"the {slowest} alone works for {si(work[slowest], 's')}. The tensor unit is busy "
        f"{significant(busy, 2)} % of the time."
    )
    return Scene(
        title="A faster tensor unit leaves attention to the softmax",
        x=Axis(label="Time", unit="µs", lo=0, hi=600),
        y=Axis(
            label="Unit (number: head; dark blue: scores, light: values)", categories=("vector", "tensor")
        ),
        marks=marks,
        readout=readout,
        alt=f"Timeline of eight attention heads on a tensor and a vector unit. {readout}",
        table=[
            ("heads in flight", "eight heads"),
            *(
                (str(n), si(buffered(HEADS, product_s, softmax_s, product_s, n).seconds, "s"))
                for n in (1, 2, 3)
            ),
        ],
    )


# OP/s in products, OP/s elsewhere, B/s; assumed. The three blocks of a Hexagon share their memory (AnandTech
# 16271, since V68).
UNITS = {
    "CPU": Unit("CPU", 0.5e12, 0.05e12, 45e9, "CPU"),
    "vector unit": Unit("vector unit", 1.2e12, 0.15e12, 50e9, "DSP"),
    "tensor unit": Unit("tensor unit", 10e12, 0.0, 50e9, "DSP"),
    "GPU": Unit("GPU", 2e12, 0.5e12, 60e9, "GPU"),
}
PHASES = {"one token": 1, "a prompt of 512": 512}
CALL_S = general_figure("offload", "fastrpc").value
MODEL = transformer("llama-3.2-1b")


@cache
def _steps(tokens: int) -> tuple[Step, ...]:
    return layer_steps(MODEL, weight_format("int8"), tokens, 2048)


@cache
def _best(tokens: int) -> tuple[dict[str, str], Mapped]:
    return best_mapping(_steps(tokens), UNITS, MODEL.layers, CALL_S)


@explorable(
    "layer-to-unit",
    label="Which unit should run which layer?",
    hint="The chapter mixes units within attention. Put the vector work on the CPU: what does it cost?",
    linear=Choice(list(UNITS), default="tensor unit", label="Linear layers"),
    attention=Choice(list(UNITS), default="tensor unit", label="Attention products"),
    vector=Choice(list(UNITS), default="CPU", label="Softmax, norms, activation"),
    phase=Choice(PHASES, default=1, label="Phase"),
)
def layer_to_unit(linear: str, attention: str, vector: str, phase: int) -> Scene:
    """Time of each class of layers, and of handing over, for a mapping; the best mapping as a ghost."""
    chosen = {"linear": linear, "attention": attention, "vector": vector}
    here = map_layers(_steps(phase), UNITS, chosen, MODEL.layers, CALL_S)
    names, best = _best(phase)
    lanes = ("all", "hand-overs", "softmax, norms", "attention", "linear")
    roles = ("error", "memory", "activations", "kv", "weights")

    def values(mapped: Mapped) -> tuple[float, ...]:
        s = mapped.seconds
        return mapped.total_s, mapped.handover_s, s["vector"], s["attention"], s["linear"]

    marks: list[Mark] = []
    for lane, (now, least) in enumerate(zip(values(here), values(best), strict=True)):
        for seconds, ghost in ((least, True), (now, False)):
            if seconds > 0:
                marks.append(
                    Dot(
                        x=seconds * 1e3,
                        y=lane,
                        role="idle" if ghost else roles[lane],
                        size=5 if ghost else 9,
                        ghost=ghost,
                        label="" if ghost else si(seconds, "s"),
                        term=f"{lanes[lane]}: {si(seconds, 's')}{' with the best mapping' if ghost else ''}",
                    )
                )
    bad = f" Not possible: {here.violations[0]}; the CPU does it." if here.violations else ""
    readout = (
        f"{si(here.total_s, 's')}, {here.handovers} hand-overs; the best mapping takes "
        f"{si(best.total_s, 's')} ({', '.join(f'{kind}: {unit}' for kind, unit in names.items())}).{bad}"
    )
    return Scene(
        title="A hand-over can cost more than the layer that it carries",
        x=Axis(label="Time, all 16 layers", unit="ms", lo=0.01, hi=10000, log=True),
        y=Axis(label="Where the time goes (grey: best mapping)", categories=lanes),
        marks=marks,
        readout=readout,
        alt=f"Time per class of layers of LLaMA-3.2 1B mapped to units. {readout}",
        table=[
            ("class", "unit", "time", "best"),
            *(
                (kind, unit, si(here.seconds[kind], "s"), si(best.seconds[kind], "s"))
                for kind, unit in chosen.items()
            ),
            ("hand-overs", "", si(here.handover_s, "s"), si(best.handover_s, "s")),
        ],
    )


ROUTES = {
    "CPU, DSP, NPU, GPU": ("CPU", "DSP", "NPU", "GPU"),
    "CPU, DSP + tensor, GPU": ("CPU", "DSP", "GPU"),
    "CPU, DSP + tensor": ("CPU", "DSP"),
}
SYNCS = {
    "queue, 17 µs": "dspqueue_min",
    "call, 87 µs": "fastrpc",
    "QoS asks for 300 µs": "fastrpc_qos",
}
WORK_US, BUS = 600.0, 50 * GB  # all work of the route, and the memory; assumed


@explorable(
    "unit-hops",
    label="What do hops between units cost?",
    hint="Since V68 the tensor unit is in the DSP: take that hop away. Then share buffers.",
    route=Choice(ROUTES, label="Route"),
    size=Slider(64, 4096, log2=True, default=1024, unit="KiB", label="Tensor handed over"),
    copied=Toggle(default=True, label="Copied at each hop"),
    sync=Choice(SYNCS, default="fastrpc", label="Signal"),
)
def unit_hops(route: tuple[str, ...], size: int, copied: bool, sync: str) -> Scene:
    """The same work on two, three or four units, with hops between them and back to the CPU."""
    signal = general_figure("offload", sync).value
    hop = 1e6 * Hop(size * KIB, signal, copied).seconds(BUS)
    lanes = ("GPU", "NPU", "DSP", "CPU")
    marks: list[Mark] = []
    now, each = 0.0, WORK_US / len(route)
    for k, unit in enumerate(route):
        y = lanes.index(unit)
        marks.append(Span(x0=now, x1=now + each, y=y, role="compute", height=0.5, term=f"work on the {unit}"))
        now += each
        back = lanes.index(route[(k + 1) % len(route)])
        marks.append(
            Line(x=[now, now + hop], y=[y, back], role="error", width=2.5, term=f"hop: {hop:.0f} µs")
        )
        now += hop
    lost = hop * len(route)
    readout = (
        f"{lost / 1e3:.2f} ms of {now / 1e3:.2f} ms are lost in {len(route)} hops, the way back included: "
        f"each is {hop:.0f} µs, {signal * 1e6:.0f} µs of them the signal."
    )
    return Scene(
        title=f"Hops take {100 * lost / now:.0f} % of the time, and the work is the same",
        x=Axis(label="Time", unit="µs", lo=0, hi=2600),
        y=Axis(label="Unit", categories=lanes),
        marks=marks,
        readout=readout,
        alt=f"Timeline of work that travels over {', '.join(route)}. {readout}",
        table=[
            ("route", "hops", "lost"),
            *((name, str(len(units)), f"{hop * len(units) / 1e3:.2f} ms") for name, units in ROUTES.items()),
        ],
    )
