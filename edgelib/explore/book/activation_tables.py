"""Functions from tables: entries in registers, exp inside a softmax, and straight pieces."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from edgelib.explore import Choice, Slider, explorable
from edgelib.explore.scene import Area, Axis, Dot, Line, Mark, Scene, Text
from edgelib.kernels.activation_tables import (
    INTERPOLATIONS,
    divergence,
    knots,
    look_ups,
    max_error,
    pieces_error,
    segments_bound,
    softmax,
    softmax_by_table,
    table,
)
from edgelib.units import significant

NAMES = {"SiLU": "silu", "GELU": "gelu", "exp": "exp", "sigmoid": "sigmoid", "tanh": "tanh"}
SHOWN = {name: label for label, name in NAMES.items()}
MAGNIFIED = 10  # how much larger the error is drawn
ENTRIES = (16, 32, 64, 128, 256)


@cache
def _error(name: str, entries: int, interpolation: str, bits: int) -> float:
    return max_error(table(name, entries, bits=bits), interpolation)


@explorable(
    "activation-table",
    label="How large a table does SiLU need?",
    hint="Interpolate, then double the entries. Where does the error stop falling? What are 16 bits worth?",
    name=Choice(NAMES, label="Function"),
    entries=Slider(16, 256, log2=True, default=16, unit="entries", label="Table"),
    interpolation=Choice({"nearest entry": "nearest", "straight line": "linear"}, label="Between entries"),
    bits=Choice({"8 bit": 8, "16 bit": 16}, label="Each entry"),
)
def activation_table(name: str, entries: int, interpolation: str, bits: int) -> Scene:
    """A function, the same from a table in NEON registers, and the difference, magnified."""
    marks, off = _read(name, entries, interpolation, bits)
    registers = entries * bits // 8 // 16
    reads = look_ups(entries) * (bits // 8) * (2 if interpolation == "linear" else 1)
    held = (
        "All 32 registers hold"
        if registers == 32
        else f"{registers} of 32 registers hold{'s' * (registers == 1)}"
    )
    readout = f"{off} {held} the table; 16 values take {reads} TBL or TBX."
    return Scene(
        title="More entries help until the rounding of each entry shows",
        x=Axis(label="Place in the range", lo=0, hi=1),
        y=Axis(label="Share of the largest value", unit="%", lo=-110, hi=118),
        marks=marks,
        readout=readout,
        alt=f"{SHOWN[name]} and its table of {entries} entries. {readout}",
        table=[
            ("entries", "nearest, 8 bit", "line, 8 bit", "nearest, 16 bit", "line, 16 bit"),
            *(
                (str(n), *(f"{_error(name, n, i, b):.2g}" for b in (8, 16) for i in INTERPOLATIONS))
                for n in ENTRIES
            ),
        ],
    )


def _read(name: str, entries: int, interpolation: str, bits: int) -> tuple[list[Mark], str]:
    """A function and what a table says instead, both as shares of the largest value; the error in words."""
    of = table(name, entries, bits=bits)
    x = np.linspace(of.lo, of.hi, 321)
    exact, read = of.function.f(x), of(x, interpolation)
    place, top = (x - of.lo) / (of.hi - of.lo), float(np.abs(exact).max())
    off, error = 100 * np.abs(read - exact) / top, _error(name, entries, interpolation, bits)
    marks: list[Mark] = [
        Area(x=place, y0=np.zeros_like(x), y1=MAGNIFIED * off, role="error", term="|table - function|"),
        Line(x=place, y=100 * exact / top, ghost=True, width=1.5, term="the function"),
        Line(x=place, y=100 * read / top, role="activations", term="from the table"),
        Text(x=0.02, y=-30, text=f"error x {MAGNIFIED}", role="error"),
        Text(x=0.02, y=107, text=f"{SHOWN[name]} from {of.lo:g} to {of.hi:g}"),
    ]
    return (
        marks,
        f"Off by at most {significant(error, 2)}, {significant(100 * error / top, 2)} % of the largest.",
    )


HVX_NAMES = {label: name for label, name in NAMES.items() if name != "tanh"}


@explorable(
    "vlut-table",
    label="How large a table does SiLU need on HVX?",
    hint="Double the entries until the steps are gone. Which costs fewer look-ups, more entries or a line?",
    name=Choice(HVX_NAMES, label="Function"),
    entries=Slider(32, 256, log2=True, default=32, unit="entries", label="Table of bytes"),
    interpolation=Choice({"nearest entry": "nearest", "straight line": "linear"}, label="Between entries"),
)
def vlut_table(name: str, entries: int, interpolation: str) -> Scene:
    """A function from a table of bytes in HVX registers, 32 entries a VLUT32."""
    marks, off = _read(name, entries, interpolation, 8)
    look_ups_32 = entries // 32 * (2 if interpolation == "linear" else 1)
    registers = -(-entries // 128)
    readout = (
        f"{off} {registers} register{'s hold' if registers > 1 else ' holds'} the table; "
        f"128 values take {look_ups_32} VLUT32."
    )
    return Scene(
        title="A table of bytes is limited by its steps, then by its bytes",
        x=Axis(label="Place in the range", lo=0, hi=1),
        y=Axis(label="Share of the largest value", unit="%", lo=-40, hi=115),
        marks=marks,
        readout=readout,
        alt=f"{SHOWN[name]} and its table of {entries} bytes. {readout}",
        table=[
            ("entries", "VLUT32", "nearest entry", "straight line"),
            *(
                (str(n), str(n // 32), *(f"{_error(name, n, i, 8):.2g}" for i in INTERPOLATIONS))
                for n in ENTRIES
                if n >= 32
            ),
        ],
    )


SPANS = {"4": 4, "8": 8, "16": 16, "32": 32}
SIZES = 2 ** np.arange(3, 11)
SCORES = 16384  # of all queries together: a move of any slider costs the same


@cache
def _scores(keys: int) -> NDArray[np.float64]:
    """Scores of some queries: one key stands out by 8, the others are normal with deviation 2."""
    scores = np.random.default_rng(7).normal(0, 2, (SCORES // keys, keys))
    scores[:, 0] = scores[:, 1:].max(axis=-1) + 8
    return scores


@cache
def _exact(keys: int) -> NDArray[np.float64]:
    return softmax(_scores(keys))


@cache
def _softmax_errors(keys: int, entries: int, span: int, interpolation: str) -> tuple[float, float]:
    """Largest error of a probability, and the mean divergence in nat."""
    exact = _exact(keys)
    got = softmax_by_table(_scores(keys), entries, span, interpolation)
    return float(np.abs(got - exact).max()), float(max(divergence(exact, got).mean(), 1e-12))


@explorable(
    "softmax-table",
    label="How much table does a softmax need?",
    hint="256 entries, and still wrong? Lengthen the range. What does a longer context do to a short one?",
    entries=Slider(8, 1024, log2=True, default=256, unit="entries", label="Table of exp"),
    span=Choice(SPANS, default=8, label="Range below the maximum"),
    interpolation=Choice({"straight line": "linear", "nearest entry": "nearest"}, label="Between entries"),
    keys=Slider(64, 4096, log2=True, default=1024, unit="keys", label="Attention over"),
)
def softmax_table(entries: int, span: int, interpolation: str, keys: int) -> Scene:
    """Divergence of a softmax with a tabulated exp from the exact one, against the size of the table."""
    marks: list[Mark] = []
    for other in SPANS.values():
        y = [_softmax_errors(keys, int(n), other, interpolation)[1] for n in SIZES]
        here = other == span
        role = "activations" if here else "idle"
        name = f"to -{other}"
        marks.append(Line(x=SIZES, y=y, role=role, width=2.5 if here else 1.3, label=name, ghost=not here))
    error, kl = _softmax_errors(keys, entries, span, interpolation)
    marks.append(Dot(x=entries, y=kl, role="activations", size=7))
    exact = _exact(keys)[:, 1:].sum(axis=-1).mean()
    rest = softmax_by_table(_scores(keys), entries, span, interpolation)[:, 1:].sum(axis=-1).mean()
    readout = (
        f"Divergence {significant(kl, 2) if kl > 1e-4 else f'{kl:.0e}'} nat, one probability off by up to "
        f"{significant(error, 2) if error > 1e-4 else f'{error:.0e}'}. "
        f"All keys but the first together get {significant(100 * float(rest), 2)} %, "
        f"exactly {significant(100 * float(exact), 2)} %."
    )
    return Scene(
        title="A table that ends too early is worse than one that is too coarse",
        x=Axis(label="Entries", lo=6, hi=3000, log=True),
        y=Axis(label="Divergence from the exact softmax", unit="nat", lo=1e-13, hi=10, log=True),
        marks=marks,
        readout=readout,
        alt=f"Divergence of a tabulated softmax over {keys} keys against its entries. {readout}",
        table=[
            ("entries", *(f"range {name}" for name in SPANS)),
            *(
                (
                    str(n),
                    *(f"{_softmax_errors(keys, int(n), s, interpolation)[1]:.1e}" for s in SPANS.values()),
                )
                for n in SIZES
            ),
        ],
    )


PIECES = 2 ** np.arange(1, 10)


@cache
def _pieces(name: str, segments: int, bent: bool) -> float:
    return pieces_error(name, knots(name, segments, bent))


@explorable(
    "piecewise-linear",
    label="What do twice as many pieces buy?",
    hint="Two steps to the right, and the error is a sixteenth. Then let pieces be short where it bends.",
    segments=Slider(2, 512, log2=True, default=16, unit="pieces", label="Straight pieces"),
    name=Choice(NAMES, label="Function"),
    bent=Choice({"equally long": False, "short where it bends": True}, label="Pieces"),
)
def piecewise_linear(segments: int, name: str, bent: bool) -> Scene:
    """Largest error of straight pieces against their number, beside the bound h^2/8 max|f''|."""
    y, other = ([_pieces(name, int(n), b) for n in PIECES] for b in (bent, not bent))
    bound = segments_bound(name, PIECES)
    here = _pieces(name, segments, bent)
    slope = float(np.polyfit(np.log(PIECES[4:]), np.log(y[4:]), 1)[0])
    marks: list[Mark] = [
        Line(x=PIECES, y=bound, width=1.3, ghost=True, term="h²/8 max|f''|, equally long pieces"),
        Line(
            x=PIECES,
            y=other,
            role="idle",
            width=1.5,
            ghost=True,
            label="equally long" if bent else "short where it bends",
        ),
        Line(x=PIECES, y=y, role="activations", label=f"slope {slope:.2f}"),
        Dot(x=segments, y=here, role="activations", size=7),
        Text(x=2.1, y=1.8 * float(bound[0]), text="bound, equal pieces"),
    ]
    readout = (
        f"{SHOWN[name]} in {segments} pieces: off by at most {here:.2g}; "
        f"the bound for equal pieces is {float(segments_bound(name, segments)):.2g}. "
        f"Twice as many pieces, about a quarter of the error."
    )
    return Scene(
        title="The error of straight pieces falls with the square of their number",
        x=Axis(label="Pieces", lo=1.5, hi=4000, log=True),
        y=Axis(label="Largest error", lo=1e-7, hi=10, log=True),
        marks=marks,
        readout=readout,
        alt=f"Error of a piecewise linear {SHOWN[name]} against the number of pieces. {readout}",
        table=[
            ("pieces", "equally long", "short where it bends", "bound for equal pieces"),
            *(
                (
                    str(n),
                    f"{_pieces(name, int(n), False):.2g}",
                    f"{_pieces(name, int(n), True):.2g}",
                    f"{b:.2g}",
                )
                for n, b in zip(PIECES, bound, strict=True)
            ),
        ],
    )
