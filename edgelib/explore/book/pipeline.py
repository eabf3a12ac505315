"""What does an instruction wait for? Issue slots of the chapter's two programs, and chains that fill them."""

from __future__ import annotations

from functools import cache

from edgelib.explore import Choice, Slider, Step, explorable
from edgelib.explore.scene import Axis, Bar, Dot, Line, Mark, Scene, Span, Text
from edgelib.hardware.microarchitecture import MACS, executes
from edgelib.hardware.pipeline import (
    Core,
    Instruction,
    Timeline,
    chain_throughput,
    core,
    required_chains,
    simulate,
    steady_cycles,
)
from edgelib.units import counted, significant

CORES = {
    "Cortex-A78": "cortex-a78",
    "Cortex-X3": "cortex-x3",
    "Cortex-X4": "cortex-x4",
    "Neoverse N1 (guide)": "neoverse-n1-guide",
    "Neoverse N2 (guide)": "neoverse-n2-guide",
    "Neoverse N1 (llvm-mca)": "neoverse-n1",
    "Cortex-A55 (llvm-mca)": "cortex-a55",
}
# The instruction that stands in for the chapter's MLA where its timing is not published.
MULTIPLIES = {"cortex-a78": "fmla"}
COUNT, LAST, RIGHT = 12, 30, 38  # instructions and last cycle shown; the program stands between
ROLES = ("compute", "weights", "activations", "kv", "memory", "error")


@cache
def _line(name: str, lanes: int) -> Timeline:
    """The first COUNT instructions of `lanes` interleaved accumulations."""
    op = MULTIPLIES.get(name, "mla")
    program = [Instruction(op, f"v{k % lanes}", ("v30", "v31")) for k in range(COUNT)]
    return simulate(program, name)


@explorable(
    "pipeline-slots",
    label="When does each multiply-add start?",
    hint="One chain is the chapter's first program, two its second. Step through the cycles; add chains "
    "until the pipes are full; compare the two tables of Neoverse N1.",
    cycle=Step(LAST, default=LAST, label="Cycle"),
    lanes=Slider(1, 6, default=2, label="Independent chains"),
    on=Choice(CORES, label="Core"),
)
def pipeline_slots(cycle: int, lanes: int, on: str) -> Scene:
    """Issue slots of twelve multiply-accumulates in interleaved chains, cycle by cycle."""
    lanes = int(lanes)
    line, op = _line(on, lanes), MULTIPLIES.get(on, "mla")
    marks: list[Mark] = []
    now = ""
    for k in range(COUNT):
        y, start, ready = COUNT - 1 - k, line.issue[k], line.ready[k]
        if line.dispatch[k] > cycle:
            continue
        if start > line.dispatch[k]:
            marks.append(
                Span(
                    x0=line.dispatch[k],
                    x1=min(start, cycle + 1, LAST),
                    y=y,
                    height=0.28,
                    role="idle",
                    ghost=True,
                    term=f"waits: {line.stall[k]}",
                )
            )
        if start <= min(cycle, LAST - 1):
            marks.append(
                Span(
                    x0=start,
                    x1=min(start + line.busy[k], LAST),
                    y=y,
                    role=ROLES[k % lanes],
                    height=0.75,
                    term=f"{line.instructions[k]} starts in cycle {start} on {line.pipe[k]}",
                )
            )
            marks.append(Line(x=[start, min(ready, LAST)], y=[y, y], role=ROLES[k % lanes], width=1.5))
        code = f"{op} v{k % lanes} += ..."
        marks.append(
            Text(x=LAST + 1, y=y, text=f"> {code}" if start == cycle else code, role=ROLES[k % lanes])
        )
        if start == cycle:
            now = f" Now: {line.instructions[k]} on {line.pipe[k]}."
    marks.append(Line(x=[cycle + 0.5] * 2, y=[-0.5, COUNT - 0.5], role="error", width=1))
    rate, need = chain_throughput(on, op, lanes), required_chains(on, op)
    pipes = len(core(on).operation(op).pipes)
    issued = sum(start <= cycle for start in line.issue)
    readout = (
        f"{op.upper()}, {lanes} chain{'s' * (lanes > 1)}: {significant(rate)} cycles per instruction in the "
        f"long run; {pipes} pipe{'s want' if pipes > 1 else ' wants'} {need}. By cycle {cycle}, {issued} of "
        f"{COUNT} have started.{now}"
    )
    return Scene(
        title="Two chains help only where the accumulator is slow",
        x=Axis(label="Cycle", lo=0, hi=RIGHT),
        y=Axis(label="Program", categories=tuple(f"{k + 1}" for k in reversed(range(COUNT)))),
        marks=marks,
        readout=readout,
        alt=f"Issue slots of {COUNT} multiply-accumulates. {readout}",
        table=[
            ("instruction", "starts", "ready", "pipe", "waited for"),
            *(
                (str(i), str(s), str(r), p, w or "nothing")
                for i, s, r, p, w in zip(
                    line.instructions, line.issue, line.ready, line.pipe, line.stall, strict=True
                )
            ),
        ],
    )


OPS = {"FMLA, FP32": "fmla", "SDOT, INT8": "sdot"}
# What a chain waits for between two links, in cycles: by the core's figures, or as somebody sets it.
LINKS = {"the core's forwarding": 0, "the full latency": -1, **{f"{n} cycles": n for n in (2, 4, 6, 8)}}
CHAINED = {
    "Cortex-A78": "cortex-a78",
    "Cortex-X3": "cortex-x3",
    "Cortex-X4": "cortex-x4",
    "Neoverse N2 (guide)": "neoverse-n2-guide",
    "Neoverse N2 (llvm-mca)": "neoverse-n2",
    "Cortex-A55 (llvm-mca)": "cortex-a55",
    "Apple 2013 (llvm-mca)": "apple-m1",
}


@explorable(
    "required-chains",
    label="How many accumulators fill the pipes?",
    hint="Two chains are what the chapter shows. Let a link wait the full latency: the core then wants twice "
    "as many, and that is what a table without it tells you.",
    lanes=Slider(1, 16, default=2, label="Independent chains"),
    on=Choice(CHAINED, label="Core"),
    op=Choice(OPS, label="Instruction"),
    link=Choice(LINKS, label="A link waits"),
)
def chains_needed(lanes: int, on: str, op: str, link: int) -> Scene:
    """Multiply-accumulate instructions per cycle against the number of independent accumulators."""
    unit = core(on)
    if link:
        cycles = link if link > 0 else unit.operation(op).latency
        unit = unit.retimed(op, latency=cycles, forward=None)
    timing = unit.operation(op)
    counts = list(range(1, 17))
    rates = [1 / chain_throughput(unit, op, n) for n in counts]
    here, need = rates[int(lanes) - 1], required_chains(unit, op)
    full = len(timing.pipes) / timing.busy
    shown = f"{timing.latency}" + (f" ({timing.forward})" if timing.forward else "")
    readout = (
        f"{counted(int(lanes), 'chain')}: {significant(here)} of {significant(full)} {op.upper()} per cycle, "
        f"{significant(here * MACS[op])} MAC. Latency {shown} x {len(timing.pipes)} pipes: {need} needed."
    )
    return Scene(
        title="Chains needed are latency times pipes",
        x=Axis(label="Independent chains", lo=0, hi=17),
        y=Axis(label="Instructions per cycle", lo=0, hi=4.4),
        marks=[
            Line(x=[0, 17], y=[full, full], role="memory", width=1.5, ghost=True, term="pipes / busy"),
            Text(
                x=0.2,
                y=full + 0.12,
                text=f"{len(timing.pipes)} pipe{'s' * (len(timing.pipes) > 1)}",
                role="memory",
            ),
            Line(x=counts, y=rates, role="compute", term="min(chains / latency, pipes)"),
            *(
                [
                    Line(
                        x=[need, need],
                        y=[0, full],
                        role="idle",
                        width=1.5,
                        ghost=True,
                        label=f"{need} needed",
                    )
                ]
                if need < 17
                else []
            ),
            Dot(x=lanes, y=here, role="error", size=7),
        ],
        readout=readout,
        alt=f"Instructions per cycle against independent chains. {readout}",
        table=[
            ("chains", "instructions per cycle", "cycles per instruction"),
            *((str(n), significant(r), significant(1 / r)) for n, r in zip(counts, rates, strict=True)),
        ],
    )


FRONT = {"MOP cache, 6 wide": 6, "decoders, 4 wide": 4, "chapter's 5": 5, "half, 2 wide": 2}
MIXES = {
    "dot product: 2 loads, 1 FMLA": (2, 1, "fmla"),
    "tile: 5 loads, 24 FMLA": (5, 24, "fmla"),
    "dot product: 2 loads, 1 SDOT": (2, 1, "sdot"),
    "tile: 5 loads, 24 SDOT": (5, 24, "sdot"),
}


def _mix(loads: int, macs: int, op: str) -> tuple[Instruction, ...]:
    """One step of a loop: loads first, then the multiply-accumulates that use them, a pointer and a branch.

    A dot product is unrolled so that four sums run; a tile has as many sums as multiply-accumulates.
    """
    copies = 4 if macs == 1 else 1
    steps = []
    for c in range(copies):
        first = 24 + c * loads if copies > 1 else 24
        steps += [Instruction("ldr", f"v{first + k}", ("x0",)) for k in range(loads)]
        for k in range(macs):
            a, b = f"v{first + k % loads}", f"v{first + (k + 1) % loads}"
            steps.append(Instruction(op, f"v{c * macs + k}", (a, b)))
    return (*steps, Instruction("add", "x0", ("x0",)), Instruction("b", "", ("x0",)))


@cache
def _mixed(name: str, width: int, rob: int, pipes: int, mix: tuple[int, int, str]) -> tuple[float, int]:
    """Cycles of one step in the long run, and instructions in it."""
    steps = _mix(*mix)
    return steady_cycles(steps, _changed(name, width, rob, pipes, mix[2]), 3), len(steps)


def _changed(name: str, width: int, rob: int, pipes: int, op: str) -> Core:
    known = core(name)
    return known.having(width=width, rob=rob).retimed(op, pipes=tuple(f"V{k}" for k in range(pipes)))


@explorable(
    "core-mix",
    label="What limits a real loop on a Cortex-A78?",
    hint="Four SIMD pipes are the chapter's. Take the tile, then give two pipes back. Then shrink the "
    "window: when does it begin to hurt?",
    mix=Choice(MIXES, label="Loop"),
    front=Choice(FRONT, label="Front end"),
    rob=Slider(8, 256, log2=True, default=128, unit="entries", label="Window (the core has 160)"),
    pipes=Slider(1, 4, default=4, label="SIMD pipes (the core has 2)"),
)
def core_mix(mix: tuple[int, int, str], front: int, rob: int, pipes: int) -> Scene:
    """MAC per cycle of a small loop on a Cortex-A78 whose width, window and SIMD pipes can be changed."""
    op = mix[2]
    assert executes("cortex-a78", op)
    real, _ = _mixed("cortex-a78", 6, 160, 2, mix)
    cycles, length = _mixed("cortex-a78", int(front), int(rob), int(pipes), mix)
    macs = sum(i.op == op for i in _mix(*mix)) * MACS[op]
    now, true = macs / cycles, macs / real
    peak, full = int(pipes) * MACS[op], 2 * MACS[op]
    scale = 100 / (4 * MACS[op])
    readout = (
        f"{significant(length / cycles)} instructions and {significant(now)} MAC per cycle, "
        f"{significant(100 * now / peak, 2)} % of the pipes; at 3 GHz {significant(6 * now)} GOPS. "
        f"The real core: {significant(true)} of {full} MAC."
    )
    return Scene(
        title="A dot product starves on loads whatever the pipes; a tile wants them all",
        x=Axis(label="Core", categories=("Cortex-A78", "yours")),
        y=Axis(label="Multiply-adds per cycle", unit="% of four SIMD pipes", lo=0, hi=115),
        marks=[
            Bar(x=0, y1=full * scale, role="idle", ghost=True, width=0.6, term="2 pipes"),
            Bar(x=0, y1=true * scale, role="compute", width=0.6),
            Text(x=0, y=full * scale + 4, text=f"{significant(true)} of {full} MAC", anchor="middle"),
            Bar(x=1, y1=peak * scale, role="idle", ghost=True, width=0.6, term=f"{int(pipes)} pipes"),
            Bar(x=1, y1=now * scale, role="weights", width=0.6),
            Text(x=1, y=peak * scale + 4, text=f"{significant(now)} of {peak} MAC", anchor="middle"),
        ],
        readout=readout,
        alt=f"Multiply-adds per cycle of a loop on a Cortex-A78 and a changed one. {readout}",
        table=[
            ("SIMD pipes", "MAC per cycle", "of the pipes"),
            *(
                (str(p), significant(m), f"{100 * m / (p * MACS[op]):.0f} %")
                for p in (1, 2, 3, 4)
                for m in (macs / _mixed("cortex-a78", int(front), int(rob), p, mix)[0],)
            ),
        ],
    )
