"""How often to call, what to share, and how long a chain of units should be."""

from __future__ import annotations

import numpy as np

from edgelib.explore import Choice, Slider, Toggle, explorable
from edgelib.explore.scene import Axis, Bar, Dot, Line, Mark, Scene, Text
from edgelib.hardware.fastrpc import MECHANISMS, hand_over, min_ops_per_call, pipelined, token_s
from edgelib.hardware.hexagon import general_figure
from edgelib.units import GB, KIB, si, significant

OPS = int(general_figure("offload", "llamacpp_ops").value)
CALLS = {
    "queue, 17 µs (measured)": 17e-6,
    "FastRPC, 87 µs (measured)": 87e-6,
    "QoS asks for 300 µs": 300e-6,
    "processor asleep, 3 ms": 3e-3,
}
EACH = [2**k for k in range(10)]


@explorable(
    "rpc-share",
    label="How many operators belong into one call?",
    hint="One operator per call: how much of a token is travelling? Then put the whole token into a call.",
    overhead=Choice(CALLS, default=87e-6, label="A call costs"),
    each=Slider(1, 512, log2=True, default=1, label="Operators per call"),
    op_us=Slider(4, 256, log2=True, default=32, unit="µs", label="One operator"),
    queued=Toggle(label="Do not wait for answers"),
)
def rpc_share(overhead: float, each: int, op_us: float, queued: bool) -> Scene:
    """Share of a token's time that is not work, over operators per call."""
    op = op_us * 1e-6
    work = OPS * op

    def share(k: int, wait: bool) -> float:
        total = token_s(OPS, k, op, overhead, wait)
        return 100 * (total - work) / total

    here = share(each, queued)
    lost = token_s(OPS, each, op, overhead, queued) - work
    needed = min_ops_per_call(overhead, op)
    marks: list[Mark] = [
        Line(x=[0.8, 700], y=[5, 5], role="idle", width=1, ghost=True, label="5 %"),
        Line(x=EACH, y=[share(k, not queued) for k in EACH], role="idle", width=1.5, ghost=True),
        Text(x=2.2, y=share(2, not queued) + 4, text="waiting" if queued else "queued", role="idle"),
        Line(x=EACH, y=[share(k, queued) for k in EACH], role="error", term="overhead / (overhead + work)"),
        Dot(x=each, y=here, role="error", size=8, label=f"{significant(here, 2)} %"),
    ]
    readout = (
        f"{si(lost, 's')} of {si(work + lost, 's')} per token are overhead, {-(-OPS // each)} calls. "
        f"With waiting, less than 5 % takes {needed:,} operators per call."
    )
    return Scene(
        title="Calling for each operator can cost more than the operators",
        x=Axis(label="Operators per call", lo=0.8, hi=700, log=True),
        y=Axis(label="Overhead", unit="% of the time", lo=0, hi=105),
        marks=marks,
        readout=readout,
        alt=f"Share of a token's time that goes into calls, {OPS} operators. {readout}",
        table=[
            ("operators per call", "waiting", "queued"),
            *((str(k), f"{share(k, False):.1f} %", f"{share(k, True):.1f} %") for k in EACH),
        ],
    )


SHARING = {
    "copy in and back": "copy",
    "shared, cached": "cached",
    "shared, I/O coherent": "coherent",
    "shared, uncached": "uncached",
}


@explorable(
    "shared-buffer",
    label="What does handing a buffer over cost?",
    hint="Let the CPU have written only a few lines. Which mechanism notices?",
    mechanism=Choice(SHARING, default="cached", label="Mechanism"),
    size=Slider(16, 4096, log2=True, default=512, unit="KiB", label="Buffer"),
    dirty=Slider(0, 100, step=10, default=100, unit="%", label="Lines that the CPU wrote"),
)
def shared_buffer(mechanism: str, size: int, dirty: float) -> Scene:
    """Copies, cache lines and the least time for four ways of sharing a buffer."""
    costs = {name: hand_over(name, size * KIB, 50 * GB, dirty / 100) for name in MECHANISMS}
    marks: list[Mark] = []
    for k, (name, cost) in enumerate(costs.items()):
        marks.append(
            Bar(
                x=k,
                y0=0.1,
                y1=max(cost.seconds * 1e6, 0.1001),
                role="error" if name == mechanism else "idle",
                label=si(cost.seconds, "s"),
                term=f"{MECHANISMS[name]}: {cost.copies} copies, {cost.cleaned:,} lines cleaned",
            )
        )
    here, text = costs[mechanism], MECHANISMS[mechanism]
    readout = (
        f"{text[0].upper()}{text[1:]}: {here.copies} copies, {here.cleaned:,} lines written back, "
        f"{here.invalidated:,} dropped, at least {si(here.seconds, 's')} at 50 GB/s."
    )
    return Scene(
        title="Zero copy is not zero cost where caches are not coherent",
        x=Axis(label="Mechanism", categories=("copy", "cached", "I/O coherent", "uncached")),
        y=Axis(label="At least", unit="µs", lo=0.1, hi=10000, log=True),
        marks=marks,
        readout=readout,
        alt=f"Least time to hand a buffer to a DSP and back. {readout}",
        table=[
            ("mechanism", "copies", "cleaned", "dropped", "at least"),
            *(
                (MECHANISMS[n], str(c.copies), f"{c.cleaned:,}", f"{c.invalidated:,}", si(c.seconds, "s"))
                for n, c in costs.items()
            ),
        ],
    )


CHAINS = {
    "twelve equal operators": (100e-6,) * 12,
    "one operator is half of it": (*(50e-6,) * 6, 600e-6, *(60e-6,) * 5),
}
DEPTHS = tuple(range(1, 7))


@explorable(
    "pipeline-depth",
    label="How deep should a pipeline be?",
    hint="The chapter says 3 to 4. Start with one sequence, then have several under way.",
    flight=Slider(1, 8, default=1, label="Sequences under way"),
    handoff=Slider(0, 200, step=20, default=80, unit="µs", label="Hand-over"),
    chain=Choice(CHAINS, label="Work"),
)
def pipeline_depth(flight: int, handoff: float, chain: tuple[float, ...]) -> Scene:
    """Throughput and latency against the number of units in a row."""
    runs = {d: pipelined(chain, d, handoff * 1e-6, flight) for d in DEPTHS}
    first = runs[1]
    rates = np.array([runs[d].rate / first.rate for d in DEPTHS])
    waits = np.array([runs[d].latency_s / first.latency_s for d in DEPTHS])
    knee = DEPTHS[int(np.argmax(rates > 0.95 * rates.max()))]
    marks: list[Mark] = [
        Line(x=DEPTHS, y=rates, role="compute", label="throughput"),
        Line(x=DEPTHS, y=waits, role="error", label="latency"),
        Dot(x=knee, y=float(rates[knee - 1]), role="compute", size=9),
    ]
    reason = (
        "a token needs the one before, so depth only adds hand-overs"
        if flight == 1
        else f"the longest stage takes {si(max(runs[knee].stages_s), 's')}"
    )
    readout = (
        f"Best from depth {knee} on: {rates[knee - 1]:.2f} times the throughput at "
        f"{waits[knee - 1]:.2f} times the latency; {reason}."
    )
    return Scene(
        title="The best depth follows from the work, not from a rule",
        x=Axis(label="Units in a row", lo=0.8, hi=7.2),
        y=Axis(label="Relative to one unit", lo=0, hi=6.2),
        marks=marks,
        readout=readout,
        alt=f"Throughput and latency of a pipeline over its depth. {readout}",
        table=[
            ("depth", "throughput", "latency", "longest stage"),
            *(
                (str(d), f"{r:.2f}", f"{w:.2f}", si(max(runs[d].stages_s), "s"))
                for d, r, w in zip(DEPTHS, rates, waits, strict=True)
            ),
        ],
    )
