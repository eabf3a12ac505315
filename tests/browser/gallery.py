"""Explorables that use every kind of mark, axis and control, for the browser test."""

from __future__ import annotations

import numpy as np

from edgelib.explore import Choice, Slider, Step, Toggle, explorable
from edgelib.explore.scene import ROLES, Area, Axis, Bar, Cell, Dot, Line, Mark, Scene, Span, Text

WORDS = ("The", "quick", "brown", "fox", "jumps", "over")


@explorable(
    "gallery-roofline",
    label="What bounds decode?",
    hint="Turn the weight bits from 16 to 2: what does the dot never reach?",
    engine=Choice({"Phone": (51.2e9, 1.9e12), "Laptop": (68e9, 2.1e12)}, label="Device"),
    bits=Slider(2, 16, default=8, unit="bit", label="Weight bits"),
    context=Slider(0, 32768, log2=True, unit="tokens", label="Context"),
    small=Toggle(label="KV cache in 8 bit"),
)
def roofline(engine: tuple[float, float], bits: int, context: int, small: bool) -> Scene:
    bandwidth, peak = engine
    moved = 6.6e9 * bits / 8 + context * 524288 / (2 if small else 1)
    intensity = (13.2e9 + context * 524288) / moved
    x = np.logspace(-1, 3, 60)
    roof = Line(x=(0.1, peak / bandwidth), y=(0.1 * bandwidth, peak), role="memory", label="memory")
    return Scene(
        title="Decode sits on the bandwidth roof at every precision",
        x=Axis(label="Arithmetic intensity", unit="OP/byte", lo=0.1, hi=1000, log=True),
        y=Axis(label="Attainable", unit="OP/s", lo=1e9, hi=1e13, log=True),
        marks=[
            Area(x=x.tolist(), y0=[0] * 60, y1=np.minimum(x * bandwidth, peak).tolist(), role="idle"),
            roof,
            Line(x=(peak / bandwidth, 1000), y=(peak, peak), role="compute", label="compute"),
            Line(x=(peak / bandwidth,) * 2, y=(1e9, peak), ghost=True, label="corner"),
            Dot(x=intensity, y=intensity * bandwidth, role="weights", label="one token", term="OP / bytes"),
            Text(x=300, y=3e9, text="compute bound", role="compute", anchor="middle", term="peak < OP/s"),
        ],
        readout=f"{bandwidth / moved:.2f} tok/s, bound by memory ({intensity:.2f} OP/byte)",
        alt=f"Roofline: {intensity:.3f} operations per byte with {bits} bit weights, {context} tokens.",
        table=[["", "GB"], ["moved", f"{moved / 1e9:.2f}"]],
    )


@explorable(
    "gallery-timeline",
    label="Who waits for whom?",
    hint="Step through it.",
    chunk=Slider(1, 6, default=3, label="Chunks"),
    step=Step(4, label="Time"),
)
def timeline(chunk: int, step: int) -> Scene:
    marks: list[Mark] = [
        Span(x0=2 * k, x1=2 * k + 1.8, y=1, role="compute", label=f"P{k + 1}") for k in range(chunk)
    ]
    marks += [
        Span(x0=2 * k + 1, x1=2 * k + 1.3, y=0, role="kv", label=f"decode {k + 1}", ghost=k == 2)
        for k in range(chunk)
    ]
    marks += [Line(x=(3 * step,) * 2, y=(-0.5, 2.5), role="error", label="now")]
    marks += [Span(x0=3, x1=9 + chunk, y=2, role="weights", label="weights arrive")]
    return Scene(
        title=f"With {chunk} chunks decoding waits for prefill",
        x=Axis(label="Time", unit="ms", lo=0, hi=15),
        y=Axis(label="Unit", categories=("GPU", "NPU", "Memory bus")),
        marks=marks,
        readout=f"{3 * step} ms, {chunk} chunks",
        alt=f"Timeline of {chunk} chunks at {3 * step} ms.",
    )


@explorable("gallery-table", label="Which tokens are kept?", kept=Slider(0, 6, default=2, label="Kept"))
def table(kept: int) -> Scene:
    roles = [role for role in ROLES if role != "highlight"]
    marks: list[Mark] = [
        Cell(
            x=i,
            y=j,
            text=word,
            role=roles[(i + j) % 8],
            opacity=1 if i < kept else 0.4,
            term=f"{word}, pass {j}",
        )
        for i, word in enumerate(WORDS)
        for j in range(3)
    ]
    bars = [Bar(x=6.5, y0=j - 0.5, y1=j, role=roles[j], label=f"{j}") for j in range(3)]
    return Scene(
        title="Kept tokens are solid",
        x=Axis(label="Position", lo=-0.6, hi=7),
        y=Axis(label="Pass", categories=("draft", "verify", "accept")),
        marks=[*marks, *bars],
        readout=f"{kept} kept",
        alt=f"Table of tokens, {kept} of them kept.",
    )


@explorable("gallery-error", label="What if it fails?", divisor=Slider(0, 3, default=1, label="Divisor"))
def failing(divisor: int) -> Scene:
    if divisor == 0:
        raise ZeroDivisionError("divisor = 0: expected at least 1")
    return Scene(
        title="A quotient",
        x=Axis(label="Divisor", lo=0, hi=4),
        y=Axis(label="Quotient", lo=0, hi=2),
        marks=[Dot(x=divisor, y=1 / divisor, label="1 / divisor")],
        readout=f"{1 / divisor:.2f}",
        alt=f"One divided by {divisor} is {1 / divisor:.2f}.",
    )
