"""Which lines does a program touch? Tensor layouts, and objects of several threads in one line."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgelib.explore import Choice, Slider, explorable
from edgelib.explore.scene import Axis, Cell, Mark, Scene, Span, Text
from edgelib.hardware.cache.layouts import LINE, false_sharing, fetched, morton, tensor_offset
from edgelib.units import counted

Ints = NDArray[np.int64]
SHAPE = (1, 64, 16, 16)  # N, C, H, W; one byte each: 16 KiB, 256 lines
LAYOUTS = {
    "NHWC (channels last)": "nhwc",
    "NCHW (channels first)": "nchw",
    "channels first, each in Z-order": "morton",
}
WANTED = {
    "one pixel, all channels": (slice(0, 64), slice(5, 6), slice(5, 6)),
    "3 x 3 pixels, all channels": (slice(0, 64), slice(4, 7), slice(4, 7)),
    "one channel, all pixels": (slice(9, 10), slice(0, 16), slice(0, 16)),
    "one channel, 8 x 8 pixels": (slice(9, 10), slice(8, 16), slice(8, 16)),
    "one channel, one column": (slice(9, 10), slice(0, 16), slice(5, 6)),
}


def offsets(layout: str, wanted: str, stride: int) -> Ints:
    """Positions of the wanted elements; `stride` takes every so many-th pixel."""
    c, h, w = WANTED[wanted]
    grid = np.mgrid[c, h.start : h.stop : stride, w.start : w.stop : stride].reshape(3, -1)
    if layout == "morton":
        z_order: Ints = grid[0] * 256 + morton(grid[1], grid[2])
        return z_order
    places: Ints = tensor_offset(layout, SHAPE, 0, grid[0], grid[1], grid[2])
    return places


@explorable(
    "touched-lines",
    label="How many lines for how many bytes?",
    hint="Find a layout that is best for the pixel, and one for the channel. Is any good for both?",
    layout=Choice(LAYOUTS, default="nhwc", label="Layout"),
    wanted=Choice(list(WANTED), default="one channel, 8 x 8 pixels", label="Wanted"),
    stride=Slider(1, 4, log2=True, default=1, unit="pixels", label="Every"),
)
def touched_lines(layout: str, wanted: str, stride: float) -> Scene:
    """The 256 lines of a small tensor; each fetched one shows how many of its 64 bytes are wanted."""
    places = offsets(layout, wanted, int(stride))
    useful = np.bincount(places // LINE, minlength=256)
    cost = fetched(places, 1)
    marks: list[Mark] = [
        Cell(
            x=line % 16,
            y=15 - line // 16,
            text=str(count) if count else "",
            role="activations" if count == LINE else "memory" if count else "idle",
            opacity=0.25 + 0.6 * count / LINE if count else 0.12,
            term=f"line {line}: {count} of 64 bytes wanted",
        )
        for line, count in enumerate(useful.tolist())
    ]
    readout = (
        f"{counted(cost.useful, 'byte')} wanted, {counted(cost.lines, 'line')} fetched: "
        f"{cost.bytes:,} bytes, {cost.waste:.1f} for each that is used."
    )
    every = [(name, fetched(offsets(key, wanted, int(stride)), 1)) for name, key in LAYOUTS.items()]
    return Scene(
        title="A layout is good for one question: memory comes in lines of 64 bytes",
        x=Axis(label="Line within its row, along memory", lo=-0.5, hi=15.5),
        y=Axis(label="First line of the row", categories=tuple(str(16 * k) for k in reversed(range(16)))),
        marks=marks,
        readout=readout,
        alt=f"Heat map of the 256 lines of a tensor of 64 channels, 16 x 16 pixels, one byte each. {readout}",
        table=[
            ("layout", "wanted", "lines", "bytes fetched per byte used"),
            *((name, f"{f.useful:,}", str(f.lines), f"{f.waste:.1f}") for name, f in every),
        ],
    )


ALIGNS = {"as it comes": 1, "16 bytes": 16, "64 bytes (a line)": 64}


@explorable(
    "false-sharing",
    label="Whose line is it?",
    hint="Pad to a line and watch the orange go. What does it cost for a struct of 68 bytes?",
    size=Slider(4, 96, step=4, default=24, unit="B", label="One thread's struct"),
    threads=Slider(1, 8, default=4, unit="threads", label="Threads"),
    align=Choice(ALIGNS, label="Aligned to"),
)
def false_sharing_lines(size: float, threads: float, align: int) -> Scene:
    """Where the structs of an array lie in lines of 64 bytes, and which lines two threads write."""
    n, each = int(threads), int(size)
    result = false_sharing(each, n, align)
    pieces = [
        (t, line, max(start, line * LINE) - line * LINE, min(start + each, (line + 1) * LINE) - line * LINE)
        for t in range(n)
        for start in [t * result.stride]
        for line in range(start // LINE, (start + each - 1) // LINE + 1)
    ]
    owners = {line: {t for t, at, *_ in pieces if at == line} for _, line, *_ in pieces}
    marks: list[Mark] = []
    for t, line, low, high in pieces:
        shared = len(owners[line]) > 1
        marks.append(
            Span(
                x0=low,
                x1=high,
                y=15 - line,
                height=0.9,
                role="error" if shared else "activations",
                term=f"thread {t}, bytes {low} to {high - 1} of line {line}",
            )
        )
        if high - low >= 6:
            marks.append(Text(x=(low + high) / 2, y=15 - line, text=f"T{t}", anchor="middle"))
    readout = (
        f"{counted(result.pairs, 'pair')} of threads with a common line, {result.shared} of "
        f"{counted(result.lines, 'line')} contended; "
        f"{result.padding} bytes of padding per struct, {result.stride * n:,} bytes in all."
    )
    return Scene(
        title="Threads that share no data can still share a line",
        x=Axis(label="Byte within the line", lo=0, hi=64),
        y=Axis(label="Line", categories=tuple(str(15 - k) for k in range(16))),
        marks=marks,
        readout=readout,
        alt=f"Structs of {each} bytes of {n} threads laid over lines of 64 bytes. {readout}",
        table=[
            ("aligned to", "bytes apart", "padding", "pairs that share"),
            *(
                (name, str(r.stride), str(r.padding), str(r.pairs))
                for name, a in ALIGNS.items()
                for r in [false_sharing(each, n, a)]
            ),
        ],
    )
