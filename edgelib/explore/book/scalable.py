"""Vectors of any length: SVE's predicated loop, SME's tile, and the order of a sum."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from edgelib.explore import Choice, Slider, Step, explorable
from edgelib.explore.scene import Area, Axis, Cell, Dot, Line, Mark, Scene, Span, Text
from edgelib.isa import Trace, sme, sve
from edgelib.units import significant

LOOP = (
    "whilelt p0.b, x3, x2",
    "ld1b {z1.b}, p0/z, [x0, x3]",
    "ld1b {z2.b}, p0/z, [x1, x3]",
    "sdot z0.s, z1.b, z2.b",
    "incb x3",
    "whilelt p0.b, x3, x2",
    "b.first loop",
    "saddv d0, p1, z0.s",
)
TURNS = 5  # turns of the longest loop shown: 77 bytes, 16 at a time
BITS = {f"{bits:,} bit": bits for bits in (128, 256, 512, 1024, 2048)}


def _executed(turns: int) -> list[tuple[int, int]]:
    """(line, turn) of each instruction that is executed, in order."""
    body = [(line, turn) for turn in range(turns) for line in range(1, 7)]
    return [(0, 0), *body, (7, turns - 1)]


@explorable(
    "sve-loop",
    label="How does a loop end when the vector does not fit?",
    hint="Step to the last turn. Then take longer vectors: the same program, fewer turns, more idle lanes.",
    step=Step(6 * TURNS + 1, default=9, label="Instruction"),
    bits=Choice(BITS, default=512, label="Vector length"),
    size=Slider(5, 77, step=12, default=77, unit="bytes", label="Array"),
)
def sve_loop(step: int, bits: int, size: int) -> Scene:
    """A dot product of int8 arrays on vectors of 16 to 256 bytes, one instruction at a time."""
    vl = bits // 8
    turns = -(-size // vl)
    program = _executed(turns)
    line, now = program[min(step, len(program) - 1)]
    with Trace() as trace:
        value = int(sve.sdot_loop(np.ones(size, np.int8), np.ones(size, np.int8), vl))
    active = [int(sve.whilelt(turn * vl, size, vl).sum()) for turn in range(turns)]
    marks: list[Mark] = []
    for turn, lanes in enumerate(active):
        y = TURNS - 1 - turn
        started = turn < now or (turn == now and line > 0)
        role = "compute" if turn == now and line == 3 else "activations" if started else "idle"
        term = f"turn {turn + 1}: {lanes} of {vl} lanes active"
        if lanes < vl:
            marks.append(Span(x0=lanes, x1=vl, y=y, role="idle", height=0.35, ghost=True, term=term))
        marks.append(Span(x0=0, x1=lanes, y=y, role=role, height=0.6, ghost=not started, term=term))
    for i, text in enumerate(LOOP):
        executing = i == line
        where = 3.1 - 0.46 * i
        marks.append(Text(x=140, y=where, text=text, role="compute" if executing else "ink"))
        if executing:
            marks.append(Text(x=132, y=where, text="▶", role="compute"))
    marks.append(Text(x=130, y=3.1 - 0.46, text="loop:", anchor="end"))
    readout = (
        f"{size} bytes in {turns} turn{'s' * (turns > 1)} of {vl}, the last with {active[-1]} active lanes: "
        f"{significant(100 * size / (turns * vl))} % of the lanes used. No tail loop: {trace.instructions} "
        f"instructions, where NEON needs {size // 16} vector turns and {size % 16} single bytes."
    )
    return Scene(
        title="The loop's condition is the mask of its body, so no tail is left over",
        x=Axis(label="Byte lanes of a vector", lo=0, hi=260),
        y=Axis(label="Turn", categories=tuple(str(turn) for turn in range(TURNS, 0, -1))),
        marks=marks,
        readout=readout,
        alt=f"Active lanes of each turn of a predicated loop, executing {LOOP[line]}. {readout}",
        table=[
            ("turn", "active lanes", "of"),
            *((str(turn + 1), str(lanes), str(vl)) for turn, lanes in enumerate(active)),
            ("sum of products", str(value), ""),
        ],
    )


DEPTH, SIDE = 8, 16  # depth of the product shown, and the largest matrix


@cache
def _tiles(
    bits: int, size: int
) -> tuple[tuple[tuple[int, int, int], ...], NDArray[np.int64], NDArray[np.int32]]:
    """The SMOPAs in order (tile row, tile column, group of four), active MACs of each, and C after each."""
    rng = np.random.default_rng(4)
    a, b = rng.integers(-9, 10, (SIDE, DEPTH), np.int8)[:size], rng.integers(-9, 10, (DEPTH, SIDE), np.int8)
    b, d = b[:, :size], bits // 32
    across = -(-size // d)
    order = tuple((r, c, k) for r in range(across) for c in range(across) for k in range(DEPTH // 4))
    whole = np.zeros((across * d, across * d), np.int32)
    states, macs = [whole.copy()], []
    for r, c, k in order:
        rows, columns = (np.zeros((d, 4), np.int8) for _ in range(2))
        on_rows, on_columns = (sve.whilelt(4 * d * i, 4 * size, bits // 8) for i in (r, c))
        part = a[r * d : r * d + d, 4 * k : 4 * k + 4]
        rows[: len(part)] = part
        part = b[4 * k : 4 * k + 4, c * d : c * d + d].T
        columns[: len(part)] = part
        where = np.s_[r * d : r * d + d, c * d : c * d + d]
        whole[where] = sme.smopa(whole[where], on_rows, on_columns, rows.ravel(), columns.ravel())
        states.append(whole.copy())
        macs.append(int(on_rows.sum()) * int(on_columns.sum()) // 4)
    assert np.array_equal(whole[:size, :size], a.astype(int) @ b.astype(int))
    return order, np.array(macs), np.array([state[:size, :size] for state in states])


@explorable(
    "za-tile",
    label="What does one outer product do?",
    hint="Each step is one instruction and touches a whole tile. Double the vector: four times as much, "
    "if the matrix fills the tile.",
    step=Step(32, default=3, label="SMOPA"),
    bits=Slider(128, 512, log2=True, default=256, unit="bit", label="Vector length (streaming)"),
    size=Slider(6, 16, step=5, default=11, unit="rows and columns", label="Matrix"),
)
def za_tile(step: int, bits: int, size: int) -> Scene:
    """C = A B for int8, 8 deep, by SMOPA: a word is the sum of what its tile has received."""
    order, macs, states = _tiles(bits, size)
    d, done = bits // 32, min(step, len(order))
    received = np.zeros((SIDE, SIDE), int)
    for r, c, _ in order[:done]:
        received[r * d : r * d + d, c * d : c * d + d] += 1
    last = order[done - 1][:2] if done else None
    marks: list[Mark] = []
    for row in range(size):
        for column in range(size):
            here = (row // d, column // d) == last
            part = received[row, column] / (DEPTH // 4)
            after = f"after {received[row, column]} of {DEPTH // 4}"
            value = f"C[{row}, {column}] = {states[done, row, column]} {after}"
            role = "compute" if here else "activations" if part else "idle"
            shade = 0.15 + 0.85 * part
            marks.append(Cell(x=column, y=SIDE - 1 - row, role=role, opacity=shade, term=value))
    across = -(-size // d)
    for k in range(across + 1):
        edge, end = k * d - 0.5, across * d - 0.5
        marks.append(Line(x=[-0.5, end], y=[SIDE - 1 - edge] * 2, width=1.2, ghost=True))
        marks.append(Line(x=[edge] * 2, y=[SIDE - 0.5, SIDE - 1 - end], width=1.2, ghost=True))
    full = sme.macs(bits // 8, 1)
    lines = (
        f"tile {d} x {d} words",
        f"({bits}/32)² x 4 = {full:,} MAC",
        f"for this matrix: {len(order)} SMOPA",
        f"as SDOT: {-(-size * size * DEPTH // 16)} or more",
    )
    marks += [Text(x=17.2, y=14 - 1.6 * i, text=text) for i, text in enumerate(lines)]
    used = 100 * float(macs.sum()) / (full * len(order))
    now = f"{macs[done - 1]:,} of {full:,} MAC in the last one" if done else "nothing executed yet"
    readout = (
        f"{done} of {len(order)} SMOPA: {now}. Over the whole product {significant(used)} % of it works; "
        f"rows and columns beyond the matrix are switched off by predicates."
    )
    return Scene(
        title="One instruction updates a whole tile: every row meets every column",
        x=Axis(
            label="Column of C", categories=tuple(str(c) if c in (0, 4, 8, 12) else " " for c in range(28))
        ),
        y=Axis(label="Row of C", categories=tuple(str(r) for r in reversed(range(SIDE)))),
        marks=marks,
        readout=readout,
        alt=f"A {size} x {size} result filled by outer products in tiles of {d} x {d}. {readout}",
        table=[
            ("vector", "MAC per SMOPA", "SMOPA", "array used"),
            *(
                (
                    f"{b} bit",
                    f"{sme.macs(b // 8, 1):,}",
                    str(len(_tiles(b, size)[0])),
                    f"{100 * float(_tiles(b, size)[1].mean()) / sme.macs(b // 8, 1):.0f} %",
                )
                for b in (128, 256, 512)
            ),
        ],
    )


DATA = {"all positive": "uniform", "both signs": "normal"}
SIZES = 2 ** np.arange(6, 14)
TRIALS = 100


@cache
def _sums(data: str) -> tuple[NDArray[np.float32], NDArray[np.float64], NDArray[np.float64]]:
    """Random vectors [trials, longest]; their exact sums and sums of magnitudes for each of SIZES."""
    rng = np.random.default_rng(11)
    longest = int(SIZES[-1])
    z = rng.random((TRIALS, longest)) if data == "uniform" else rng.standard_normal((TRIALS, longest))
    z32 = z.astype(np.float32)
    running = np.cumsum(z32, axis=1, dtype=np.float64)[:, SIZES - 1]
    return z32, running, np.cumsum(np.abs(z32), axis=1, dtype=np.float64)[:, SIZES - 1]


@cache
def _errors(data: str, bits: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Root mean square error over sum of magnitudes, and share of sums that differ from the ordered one."""
    z, exact, size = _sums(data)
    ordered = np.add.accumulate(z, axis=1)[:, SIZES - 1]
    if bits == 32:
        got = ordered
    else:
        lanes = bits // 32
        chains = np.add.accumulate(z.reshape(TRIALS, -1, lanes), axis=1)[:, SIZES // lanes - 1]
        got = sve.faddv(np.ones(lanes, bool), chains)
    return np.sqrt((((got - exact) / size) ** 2).mean(axis=0)), (got != ordered).mean(axis=0)


@explorable(
    "sum-order",
    label="Does the same program give the same sum?",
    hint="Change the vector length: not one line of the program changes, the last digits do.",
    bits=Choice(BITS, default=128, label="Vector length"),
    size=Slider(64, 8192, log2=True, default=1024, unit="numbers", label="Sum of"),
    data=Choice(DATA, label="Numbers"),
)
def sum_order(bits: int, size: int, data: str) -> Scene:
    """Error of float32 sums: in order (FADDA), and in one chain per lane with FADDV at the end."""
    ordered, _ = _errors(data, 32)
    error, differs = _errors(data, bits)
    at = int(np.flatnonzero(size == SIZES)[0])
    widest = _errors(data, 2048)[0]
    marks: list[Mark] = [
        Area(
            x=SIZES,
            y0=widest,
            y1=_errors(data, 128)[0],
            role="idle",
            label="128 to 2,048 bit",
            term="128 to 2,048 bit",
        ),
        Line(x=SIZES, y=ordered, role="error"),
        Line(x=SIZES, y=error, role="compute"),
        Text(x=SIZES[-1] * 1.15, y=ordered[-1], text="in order", role="error"),
        Text(x=SIZES[-1] * 1.15, y=error[-1], text="lanes, then tree", role="compute"),
        Dot(x=size, y=error[at], role="compute", size=7),
        Dot(x=size, y=ordered[at], role="error", size=7),
    ]
    readout = (
        f"{100 * differs[at]:.0f} % of {TRIALS} sums of {size:,} numbers differ from the ordered sum; "
        f"their error is {significant(ordered[at] / error[at], 2)} times smaller: "
        f"{bits // 32} chains of {size // (bits // 32):,} additions instead of one of {size:,}."
    )
    return Scene(
        title="A wider vector gives other digits, and better ones",
        x=Axis(label="Numbers added", lo=50, hi=30000, log=True),
        y=Axis(label="Error / sum of magnitudes (root mean square)", lo=1e-9, hi=1e-5, log=True),
        marks=marks,
        readout=readout,
        alt=f"Error of float32 sums against their length, in order and by lanes. {readout}",
        table=[
            ("vector", "error", "differs from the ordered sum"),
            *(
                (name, f"{_errors(data, b)[0][at]:.1e}", f"{100 * _errors(data, b)[1][at]:.0f} %")
                for name, b in BITS.items()
            ),
        ],
    )
