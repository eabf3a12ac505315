"""Wake-ups, batches, counters and a list of advice: where the time and the joules of a DSP go.

Powers, wake energies and the untuned workload are assumed round figures; counter dumps are synthetic.
"""

from __future__ import annotations

from math import ceil

from edgelib.explore import Choice, Slider, explorable
from edgelib.explore.scene import Area, Axis, Dot, Line, Mark, Scene, Span, Text
from edgelib.hardware.counters import (
    CAUSES,
    CLASSES,
    REMEDIES,
    active_share,
    classify,
    shares,
    synthetic_dump,
)
from edgelib.hardware.power import break_even_s, period_energy
from edgelib.metrics.energy import energy_of
from edgelib.planning.dsp_tuning import POINTS, Workload, follow, gains, rank_correlation
from edgelib.units import si, significant
from edgelib.workloads import transformer, weight_format

QUERIES, BUSY_W, BUSY_S, AWAKE_W, ASLEEP_W = 12, 2.0, 1.0, 0.6, 0.05


@explorable(
    "dsp-wakes",
    label="What does a wake-up cost a query?",
    hint="Answer several queries in one burst. How long may a gap be before sleeping pays?",
    burst=Slider(1, 4, step=1, default=1, label="Queries answered together"),
    wake=Slider(0, 3, step=0.5, default=1.5, unit="J", label="To wake up and fall asleep"),
    gap=Slider(2, 12, step=2, default=4, unit="s", label="A query comes every"),
)
def dsp_wakes(burst: int, wake: float, gap: float) -> Scene:
    """Power over time, and energy per query with and without sleep."""
    burst = int(burst)
    period, busy = burst * gap, burst * BUSY_S
    asleep = float(period_energy(BUSY_W, busy, period, ASLEEP_W, wake)) / burst
    awake = float(period_energy(BUSY_W, busy, period, AWAKE_W)) / burst
    limit = float(break_even_s(AWAKE_W, ASLEEP_W, wake))
    sleeps = asleep < awake
    rest = ASLEEP_W if sleeps else AWAKE_W
    xs, ys = [0.0], [rest]
    for k in range(ceil(48 / period)):
        start = k * period
        xs += [start, start, start + busy, start + busy]
        ys += [rest, BUSY_W, BUSY_W, rest]
    xs, ys = [*xs, 48.0], [*ys, rest]
    marks: list[Mark] = [
        Line(x=[min(x, 48.0) for x in xs], y=ys, role="compute", term="power"),
        Text(x=49, y=BUSY_W, text="busy"),
        Text(x=49, y=rest, text="asleep" if sleeps else "awake"),
    ]
    if sleeps and wake:
        marks.append(Text(x=49, y=BUSY_W + 0.25, text="wake-up", role="error"))
        marks += [
            Dot(x=k * period, y=BUSY_W + 0.25, role="error", size=5, term=f"wake-up: {wake:g} J")
            for k in range(ceil(48 / period))
        ]
    readout = (
        f"{si(min(asleep, awake), 'J')} per query, {'asleep' if sleeps else 'awake'} in the gaps "
        f"({si(max(asleep, awake), 'J')} the other way). Sleeping pays from {significant(limit, 2)} s of gap "
        f"on; the gap is {period - busy:g} s, and a query waits up to {period - gap:g} s longer."
    )
    return Scene(
        title="A burst shares one wake-up among its queries",
        x=Axis(label="Time", unit="s", lo=0, hi=54),
        y=Axis(label="Power", unit="W", lo=0, hi=2.6),
        marks=marks,
        readout=readout,
        alt=f"Power of a DSP over 48 seconds of queries. {readout}",
        table=[
            ("queries per burst", "asleep between", "awake between"),
            *(
                (
                    str(n),
                    si(float(period_energy(BUSY_W, n * BUSY_S, n * gap, ASLEEP_W, wake)) / n, "J"),
                    si(float(period_energy(BUSY_W, n * BUSY_S, n * gap, AWAKE_W)) / n, "J"),
                )
                for n in (1, 2, 3, 4)
            ),
        ],
    )


BATCHES = [2**k for k in range(7)]
_MODEL = transformer("llama-3.2-1b")


@explorable(
    "batch-joules",
    label="Which joules does a batch share?",
    hint="At what batch do the keys and values cost more than the weights? Change the context.",
    batch=Slider(1, 64, log2=True, default=1, label="Sequences"),
    bits=Choice({"16 bit": "f16", "8 bit": "int8", "4 bit": "int4_g128"}, default="int8", label="Weights"),
    context=Slider(0, 8192, log2=True, default=1024, unit="tokens", label="Context of each"),
)
def batch_joules(batch: int, bits: str, context: int) -> Scene:
    """Energy per token: weights shared by the batch, keys and values and products not."""
    dram, mac = energy_of("lpddr5"), energy_of("int8_mac" if bits != "f16" else "fp16_mac")
    read = float(dram.of_bytes(_MODEL.layer_params * weight_format(bits).bits / 8))
    kv = float(dram.of_bytes(_MODEL.kv_bytes_per_token() * context))
    compute = float(mac.of_ops(2 * _MODEL.matmul_params))
    weights = [1e3 * read / b for b in BATCHES]
    base = [1e3 * compute] * len(BATCHES)
    middle = [1e3 * (compute + kv)] * len(BATCHES)
    top = [m + w for m, w in zip(middle, weights, strict=True)]
    here = 1e3 * (compute + kv + read / batch)
    marks: list[Mark] = [
        Area(x=BATCHES, y0=[0.0] * len(BATCHES), y1=base, role="compute", term="products"),
        Area(x=BATCHES, y0=base, y1=middle, role="kv", label="keys and values", term="keys and values"),
        Area(x=BATCHES, y0=middle, y1=top, role="weights", label="weights", term="weights / batch"),
        Line(x=BATCHES, y=top, role="weights", width=1.5),
        Dot(x=batch, y=here, role="error", size=8, label=f"{significant(here)} mJ"),
    ]
    readout = (
        f"{significant(here)} mJ per token: weights {significant(1e3 * read / batch)}, keys and values "
        f"{significant(1e3 * kv)}, products {significant(1e3 * compute)}. A batch saves at most "
        f"{(compute + kv + read) / (compute + kv):.1f} times."
    )
    return Scene(
        title="A batch shares the weights and nothing else",
        x=Axis(label="Sequences", lo=0.9, hi=80, log=True),
        y=Axis(label="Energy per token", unit="mJ", lo=0, hi=160),
        marks=marks,
        readout=readout,
        alt=f"Energy per token of LLaMA-3.2 1B over the batch. {readout}",
        table=[
            ("sequences", "weights", "keys and values", "products"),
            *(
                (str(b), *(f"{significant(v)} mJ" for v in (w, 1e3 * kv, 1e3 * compute)))
                for b, w in zip(BATCHES, weights, strict=True)
            ),
        ],
    )


DUMPS = {"kernel A": ("memory", 3), "kernel B": ("no work", 1), "kernel C": ("accumulator", 5)}
DUMPS |= {"kernel D": ("compute", 2), "kernel E": ("VTCM", 4), "kernel F": ("power", 7)}


@explorable(
    "counter-dump",
    label="What holds this kernel back?",
    hint="Read the shares, say what you think, and take the next kernel.",
    kernel=Choice(DUMPS, label="Dump of"),
    guess=Choice({"not yet": "", **{name: name for name in CLASSES}}, label="Your guess"),
)
def counter_dump(kernel: tuple[str, int], guess: str) -> Scene:
    """Counters of a synthetic kernel as shares of the active cycles, and a verdict on a guess."""
    dump = synthetic_dump(*kernel)
    parts, active = shares(dump), active_share(dump)
    lanes = ("active, of all", *reversed(["compute", *CAUSES]))
    events = {"compute": "HVX_PKT / 2"} | {name: " + ".join(list(e)) for name, e in CAUSES.items()}
    marks: list[Mark] = [
        Span(x0=0, x1=100 * active, y=0, role="idle", height=0.6),
        Text(x=100 * active + 1, y=0, text=f"{100 * active:.0f} %"),
    ]
    for name, value in parts.items():
        y = lanes.index(name)
        marks.append(Span(x0=0, x1=100 * value, y=y, role="compute", height=0.6, term=events[name]))
        marks.append(Text(x=100 * value + 1, y=y, text=f"{100 * value:.0f} %"))
    truth = classify(dump)
    verdict = (
        "Guess first."
        if not guess
        else f"Right: {truth}. Then {REMEDIES[truth]}."
        if guess == truth
        else f"It is not {guess!r}: look at the {'lowest line' if truth == 'no work' else 'longest bar'}."
    )
    readout = f"Active in {100 * active:.0f} % of the cycles. {verdict}"
    return Scene(
        title="Look first whether the unit has work at all, then at the longest stall",
        x=Axis(label="Share of the active cycles", unit="%", lo=0, hi=110),
        y=Axis(label="Issues, or waits for", categories=lanes),
        marks=marks,
        readout=readout,
        alt=f"Shares of a vector unit's cycles by cause. {readout}",
        table=[("event", "count"), *((name, f"{count:,}") for name, count in dump.items())],
    )


PHASES = {"one token": 1, "a prompt of 512": 512}
NUMBERED = {f"{k + 1} {point}": point for k, point in enumerate(POINTS)}


@explorable(
    "tuning-order",
    label="Which advice do you follow first?",
    hint="Choose three of the ten for one token. Then ask for a prompt with the same three.",
    phase=Choice(PHASES, label="Workload"),
    first=Choice(NUMBERED, default=POINTS[0], label="First"),
    second=Choice(NUMBERED, default=POINTS[1], label="Second"),
    third=Choice(NUMBERED, default=POINTS[2], label="Third"),
)
def tuning_order(phase: int, first: str, second: str, third: str) -> Scene:
    """Gain of each point of the chapter's list alone, and of your three together."""
    work = Workload(2.0 * _MODEL.layer_params, 2.0 * _MODEL.layer_params * phase)
    gain = gains(work)
    picks = list(dict.fromkeys([first, second, third]))
    order = [*picks, *(p for p in POINTS if p not in picks)]
    rank = rank_correlation([-order.index(p) for p in POINTS], [gain[p] for p in POINTS])
    lanes = tuple(reversed(POINTS))
    marks: list[Mark] = []
    for point in POINTS:
        y, role = lanes.index(point), "compute" if point in picks else "idle"
        marks.append(Span(x0=1, x1=max(gain[point], 1.01), y=y, role=role, height=0.6))
        marks.append(Text(x=gain[point] * 1.03 + 0.01, y=y, text=f"{gain[point]:.2f}"))
    yours = work.seconds / follow(work, picks).seconds
    most = work.seconds / follow(work, POINTS).seconds
    nothing = sum(value < 1.005 for value in gain.values())
    readout = (
        f"Your choice makes it {yours:.2f} times as fast, all ten {most:.2f} times. {nothing} gain "
        f"nothing alone. Rank correlation of your order with the gains: {rank:.2f}."
    )
    return Scene(
        title="What advice is worth depends on what binds",
        x=Axis(label="Times as fast, alone", lo=1, hi=12, log=True),
        y=Axis(label="Point of the list", categories=lanes),
        marks=marks,
        readout=readout,
        alt=f"Gain of ten tuning points on a model of a DSP. {readout}",
        table=[("point", "gain"), *((point, f"{gain[point]:.2f}") for point in POINTS)],
    )
