"""What is inside a core, and what peak follows? Widths with their sources, INT8 roofs, unequal cores."""

from __future__ import annotations

import numpy as np

from edgelib.explore import Choice, Slider, explorable
from edgelib.explore.scene import Axis, Bar, Cell, Dot, Line, Mark, Scene, Span, Text
from edgelib.hardware.microarchitecture import executes, figure, has, peak
from edgelib.hardware.pipeline.sharing import SPLITS, share
from edgelib.hardware.roofline import attainable, ridge
from edgelib.units import counted, si, significant

CORES = {f"Cortex-{n}": f"cortex-{n.lower()}" for n in ("A78", "X1", "X2", "X3", "X4")}
WIDTHS = {
    "decode": "decode_width",
    "dispatch": "dispatch_width",
    "window / 32": "rob",
    "SIMD pipes": "simd_pipes",
    "L1 data, 16 KiB": "l1d_max",
    "L2, 256 KiB": "l2_max",
    "L3, 4 MiB": "l3_max",
}
SCALE = {"rob": 32, "l1d_max": 16 * 2**10, "l2_max": 256 * 2**10, "l3_max": 4 * 2**20}
# What the chapter prints, where it prints a number for one of these (claims 1.1.1.41 to 1.1.1.55).
PRINTED = {
    ("cortex-a78", "decode_width"): 5,
    ("cortex-a78", "simd_pipes"): 4,
    ("cortex-x2", "decode_width"): 10,
    ("cortex-x2", "rob"): 224,
    ("cortex-x3", "l1d_max"): 128 * 2**10,
    ("cortex-x4", "l1d_max"): 128 * 2**10,
}


def _written(name: str, value: float) -> str:
    if name in ("l1d_max", "l2_max"):
        return f"{value / 2**10:g} KiB"
    return f"{value / 2**20:g} MiB" if name == "l3_max" else f"{value:g}"


@explorable(
    "core-widths",
    label="What is inside this core?",
    hint="Go from A78 to X4. The thick lines are what the chapter prints. The table under the picture names "
    "each source.",
    which=Choice(CORES, label="Core"),
    other=Choice(CORES, default="cortex-x4", label="Beside"),
)
def core_widths(which: str, other: str) -> Scene:
    """Widths and sizes of two cores side by side, and the chapter's figures where they differ."""
    marks: list[Mark] = []
    wrong = []
    for x, (label, name) in enumerate(WIDTHS.items()):
        unit = SCALE.get(name, 1)
        for shift, core, role in ((-0.2, which, "compute"), (0.2, other, "idle")):
            value = figure(core, name).value
            marks.append(
                Bar(
                    x=x + shift,
                    y1=value / unit,
                    width=0.36,
                    role=role,
                    label="",
                    term=f"{core}: {label} {_written(name, value)} ({figure(core, name).confidence})",
                )
            )
            marks.append(
                Text(
                    x=x + shift,
                    y=value / unit + 0.45,
                    text=f"{value / unit:g}",
                    anchor="middle",
                )
            )
        printed, known = PRINTED.get((which, name)), figure(which, name).value
        if printed and printed != known:
            wrong.append(f"{label.split(',')[0].split(' /')[0]} {_written(name, printed)}")
            marks.append(Line(x=[x - 0.4, x], y=[printed / unit] * 2, role="error", width=3, label="chapter"))
    title = {v: k for k, v in CORES.items()}
    rate = peak(which, "sdot")
    readout = (
        f"{title[which]}: {significant(rate.macs_per_cycle)} INT8 MAC per cycle with SDOT, "
        f"{si(rate.ops_s, 'OP/s')} at {figure(which, 'clock_max').value / 1e9:g} GHz; "
        f"{title[other]}: {significant(peak(other, 'sdot').macs_per_cycle)}. "
        + (f"The chapter prints {', '.join(wrong)}." if wrong else "No figure of the chapter differs.")
    )
    return Scene(
        title="The SIMD pipes stopped growing with the X1; decode and window did not",
        x=Axis(label="Figure and its unit", categories=tuple(WIDTHS)),
        y=Axis(label="In units of the figure", lo=0, hi=14),
        marks=marks,
        readout=readout,
        alt=f"Widths and cache sizes of {title[which]} and {title[other]}. {readout}",
        table=[
            ("figure", title[which], title[other], "confidence", "source"),
            *(
                (
                    label,
                    _written(name, figure(which, name).value),
                    _written(name, figure(other, name).value),
                    figure(which, name).confidence,
                    figure(which, name).source,
                )
                for label, name in WIDTHS.items()
            ),
        ],
    )


DTYPES = {
    "FP32 FMLA": "fmla",
    "FP16 FMLA": "fmla8h",
    "INT8 SDOT": "sdot",
    "INT8 SMMLA": "smmla",
    "BF16 BFMMLA": "bfmmla",
}


@explorable(
    "core-peaks",
    label="How many multiply-adds per cycle, and by which instruction?",
    hint="Look for the cells that are not numbers: the core lacks it, or nobody has published it.",
    clock=Slider(1.0, 3.4, step=0.1, default=3.0, unit="GHz", label="Clock"),
    cores=Slider(1, 8, default=1, label="Cores"),
    which=Choice(CORES, label="Read out"),
)
def core_peaks(clock: float, cores: int, which: str) -> Scene:
    """MAC per cycle of each core and instruction, and the operations per second they make."""
    marks: list[Mark] = []
    rows = []
    names = list(CORES)
    for y, (label, op) in enumerate(reversed(DTYPES.items())):
        row = [label]
        for x, core in enumerate(CORES.values()):
            if not executes(core, op):
                text, role, shade = "lacks it", "idle", 0.15
            elif not has(core, f"mac_per_cycle.{op}"):
                text, role, shade = "unpublished", "idle", 0.4
            else:
                rate = peak(core, op, clock * 1e9, int(cores))
                text = f"{rate.macs_per_cycle / int(cores):g} MAC\n{rate.ops_s / 1e9:,.0f} GOP/s"
                low = figure(core, f"mac_per_cycle.{op}").confidence == "low"
                role, shade = ("weights" if core == which else "compute"), 0.5 if low else 1.0
            marks.append(Cell(x=x, y=y, text=text, role=role, opacity=shade, term=f"{names[x]}, {label}"))
            row.append(text.replace("\n", ", "))
        rows.append(tuple(row))
    rate = peak(which, "sdot", clock * 1e9, int(cores))
    readout = (
        f"{ {v: k for k, v in CORES.items()}[which] }, SDOT: {rate.macs_per_cycle / int(cores):g} MAC or "
        f"{rate.ops_per_cycle / int(cores):g} OP per cycle and core, {rate.macs_s / 1e9:,.0f} GMAC/s or "
        f"{rate.ops_s / 1e9:,.0f} GOP/s with {counted(int(cores), 'core')} at {clock:g} GHz. "
        "Pale cells are assumed."
    )
    return Scene(
        title="128 operations per cycle are an X1's; a Cortex-A78 has 64",
        x=Axis(label="Core", categories=tuple(CORES)),
        y=Axis(label="Instruction", categories=tuple(reversed(DTYPES))),
        marks=marks,
        readout=readout,
        alt=f"Multiply-adds per cycle by core and instruction. {readout}",
        table=[("instruction", *names), *reversed(rows)],
    )


@explorable(
    "int8-roofline",
    label="Does decode care how many INT8 operations a core has?",
    hint="Take four cores, then the chapter's peak: what happens to the decode dot? Then move the prompt.",
    which=Choice(CORES, label="Core"),
    cores=Slider(1, 4, default=1, label="Cores"),
    clock=Slider(1.0, 3.4, step=0.2, default=3.0, unit="GHz", label="Clock"),
    tokens=Slider(1, 128, log2=True, default=16, unit="tokens", label="Prompt in one pass"),
)
def int8_roofline(which: str, cores: int, clock: float, tokens: int) -> Scene:
    """Roofline of INT8 on 25.6 GB/s with the marks of decode (2 OP per byte) and of prefill."""
    bandwidth = 25.6e9
    rate = peak(which, "sdot", clock * 1e9, int(cores)).ops_s
    corner = float(ridge(rate, bandwidth))
    x = np.logspace(-0.3, 2.7, 61)
    decode, prefill = (float(attainable(2 * n, rate, bandwidth)) for n in (1, int(tokens)))
    share = 100 * decode / rate
    readout = (
        f"Peak {si(rate, 'OP/s')}, corner at {significant(corner)} OP/B. Decode at 2 OP/B reaches at most "
        f"{significant(share, 2)} % of it; {counted(int(tokens), 'token')} in one pass "
        f"{significant(100 * prefill / rate, 2)} %, by {'compute' if 2 * tokens >= corner else 'memory'}."
    )
    return Scene(
        title="In decode the INT8 peak is out of reach, whatever it is",
        x=Axis(label="Arithmetic intensity", unit="OP/B", lo=0.5, hi=500, log=True),
        y=Axis(label="Attainable", unit="OP/s", lo=1e10, hi=4e12, log=True),
        marks=[
            Line(
                x=x, y=attainable(x, rate, bandwidth), role="compute", term="min(peak, intensity x 25.6 GB/s)"
            ),
            Line(x=[corner, corner], y=[1e10, rate], role="idle", ghost=True, width=1.5, label="corner"),
            Dot(x=2, y=decode, role="weights", size=7, label=f"decode {si(decode, 'OP/s')}"),
            Dot(x=2 * tokens, y=prefill, role="activations", size=7, label=f"prefill {si(prefill, 'OP/s')}"),
        ],
        readout=readout,
        alt=f"INT8 roofline of CPU cores that share 25.6 GB/s. {readout}",
        table=[
            ("tokens in one pass", "intensity", "attainable", "of the peak"),
            *(
                (
                    str(n),
                    f"{2 * n} OP/B",
                    si(float(attainable(2 * n, rate, bandwidth)), "OP/s"),
                    f"{100 * float(attainable(2 * n, rate, bandwidth)) / rate:.0f} %",
                )
                for n in (1, 2, 4, 8, 16, 64)
            ),
        ],
    )


BIG, WORK = 4.0, 64.0  # speed of a big core, work units; both arbitrary: only ratios are shown


@explorable(
    "big-little",
    label="Do four more small cores help?",
    hint="Take the small cores away. Then bring them back and hand out the work by speed, or in pieces.",
    little=Slider(0, 4, default=4, label="Small cores beside four big ones"),
    speed=Slider(20, 100, step=10, default=20, unit="% of a big core", label="Speed of a small core"),
    split=Choice(
        {"equal parts": SPLITS[0], "by speed": SPLITS[1], "32 pieces as they come": SPLITS[2]}, label="Split"
    ),
)
def big_little(little: int, speed: float, split: str) -> Scene:
    """A parallel loop on four big and some small cores: who works until when."""
    speeds = [BIG] * 4 + [BIG * speed / 100] * int(little)
    done, alone = share(speeds, WORK, split), share([BIG] * 4, WORK, split)
    unit = 100 / (WORK / (4 * BIG))  # time of four big cores, perfectly split, is 100
    marks: list[Mark] = []
    names = [f"big {k + 1}" for k in range(4)] + [f"small {k + 1}" for k in range(4)]
    ends = {piece.core: piece.end for piece in done.pieces}
    for piece in done.pieces:
        marks.append(
            Span(
                x0=piece.start * unit,
                x1=piece.end * unit,
                y=7 - piece.core,
                role="compute" if piece.core < 4 else "kv",
                term=f"{names[piece.core]}: {significant(100 * piece.work / WORK)} % of the work",
            )
        )
    for core, end in ends.items():
        if done.makespan * unit - end * unit > 1:
            marks.append(
                Span(
                    x0=end * unit,
                    x1=done.makespan * unit,
                    y=7 - core,
                    role="idle",
                    ghost=True,
                    height=0.4,
                    term="waits for the slowest",
                )
            )
    marks.append(Line(x=[100, 100], y=[-0.5, 7.5], role="error", width=1.5))
    marks.append(Text(x=101, y=7.4, text="four big cores", role="error"))
    gain = alone.makespan / done.makespan
    counts = [sum(p.core == core for p in done.pieces) for core in range(len(speeds))]
    readout = (
        f"{significant(done.makespan * unit)} % of the time of four big cores: {significant(gain)} times "
        f"their speed. {significant(100 * done.efficiency)} % of the cores' power is used; a big core takes "
        f"{counts[0]} piece{'s' * (counts[0] > 1)}."
    )
    return Scene(
        title=f"Equal parts make {len(speeds)} cores as slow as the slowest"
        if gain < 1
        else f"Shared out like this, {len(speeds)} cores do the work of {significant(4 * gain, 2)} big ones",
        x=Axis(label="Time", unit="% of four big cores", lo=0, hi=260),
        y=Axis(label="Core", categories=tuple(reversed(names))),
        marks=marks,
        readout=readout,
        alt=f"Timeline of a parallel loop on four big and {int(little)} small cores. {readout}",
        table=[
            ("split", "time", "speed", "efficiency"),
            *(
                (
                    name,
                    f"{share(speeds, WORK, s).makespan * unit:.0f} %",
                    significant(alone.makespan / share(speeds, WORK, s).makespan),
                    f"{100 * share(speeds, WORK, s).efficiency:.0f} %",
                )
                for name, s in (("equal", SPLITS[0]), ("by speed", SPLITS[1]), ("32 pieces", SPLITS[2]))
            ),
        ],
    )
