"""SMMLA wants its right-hand matrix by columns and loads less for it; TBL looks up sixteen bytes at once."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgelib.explore import Choice, Slider, Step, Toggle, explorable
from edgelib.explore.scene import Axis, Bar, Cell, Mark, Scene, Text
from edgelib.isa import Trace, neon
from edgelib.units import significant

Array = NDArray[Any]

_RNG = np.random.default_rng(6)
MATRICES: dict[str, tuple[Array, Array]] = {  # A [2, 8] and B [8, 2]
    "small numbers": (_RNG.integers(-9, 10, (2, 8)), _RNG.integers(-9, 10, (8, 2))),
    "whole int8 range": (_RNG.integers(-128, 128, (2, 8)), _RNG.integers(-128, 128, (8, 2))),
    "B all alike": (_RNG.integers(-9, 10, (2, 8)), np.full((8, 2), 3)),
}
ROWS, COLUMNS = ("weights", "activations"), ("compute", "memory")


@explorable(
    "smmla-packing",
    label="Why is the second operand of SMMLA stored by columns?",
    hint="Switch packing off: same bytes, wrong matrix. Then take a B of equal numbers: the error hides. "
    "Which test data would you trust?",
    matrices=Choice(list(MATRICES), label="Matrices"),
    packed=Toggle(default=False, label="B packed by columns"),
    byte=Slider(0, 15, default=3, label="Byte of B in memory"),
    value=Slider(-128, 127, step=15, default=7, label="Its value"),
)
def smmla_packing(matrices: str, packed: bool, byte: int, value: int) -> Scene:
    """n, B, m and the four sums of one SMMLA, against the exact product."""
    a, b = (x.astype(np.int8) for x in MATRICES[matrices])
    b.ravel()[byte] = value
    order = np.arange(16).reshape(8, 2).T.ravel() if packed else np.arange(16)  # bytes of B, as m holds them
    n, m = a.ravel(), b.ravel()[order]
    result = neon.smmla(np.zeros(4, np.int32), n, m)
    exact = (a.astype(int) @ b.astype(int)).ravel()
    marks: list[Mark] = []
    for i in range(16):
        marks.append(Cell(x=i, y=4, text=str(n[i]), width=0.98, role=ROWS[i // 8], opacity=0.4))
        for y, k in ((3, i), (2, int(order[i]))):
            role, shade = ("highlight", 0.9) if k == byte else (COLUMNS[k % 2], 0.4)
            term = f"B, row {k // 2}, column {k % 2}"
            size: dict[str, Any] = dict(width=0.98, height=0.6)
            marks.append(Cell(x=i, y=y, text=str(b.ravel()[k]), role=role, opacity=shade, term=term, **size))
    for half, x in ((0, 3.5), (1, 11.5)):
        marks.append(Text(x=x, y=2.5, text=f"taken for column {half}", anchor="middle"))
    wrong = int((result != exact).sum())
    for k in range(4):
        style: dict[str, Any] = dict(x=4 * k + 1.5, width=3.94)
        bad = result[k] != exact[k]
        role = "error" if bad else "idle"
        marks.append(Cell(y=1, text=str(result[k]), role=role, opacity=0.8 if bad else 0.35, **style))
        marks.append(
            Cell(y=0, text=str(exact[k]), role="idle", opacity=0.2, term=f"d{k // 2}{k % 2}", **style)
        )
    readout = (
        f"smmla v0.4s, v1.16b, v2.16b: 32 multiply-adds, D = N M^T. {wrong} of 4 sums are wrong"
        f"{'.' if wrong else ', B ' + ('is packed.' if packed else 'is not packed, and nobody noticed.')}"
    )
    return Scene(
        title="SMMLA multiplies by the transpose of what is in its second register",
        x=Axis(label="Byte of a register", lo=-0.5, hi=15.5),
        y=Axis(label="Register", categories=("exact", "D", "m", "B by row", "n = A")),
        marks=marks,
        readout=readout,
        alt=f"One SMMLA on {matrices}, B {'packed by columns' if packed else 'as stored by rows'}. {readout}",
        table=[
            ("element", "SMMLA", "exact"),
            *((f"d{k // 2}{k % 2}", str(result[k]), str(exact[k])) for k in range(4)),
        ],
    )


KERNELS = ("SDOT, vectors", "SDOT, lanes", "SMMLA")


def tile(kernel: str, rows: int, columns: int) -> tuple[Array, Array, Trace]:
    """One step of a register-blocked product of int8 matrices, executed: result, exact result, and the trace.

    rows, columns : registers of accumulators. A register holds 1 x 1 (SDOT on vectors, four partial sums),
    1 x 4 (SDOT with a lane) or 2 x 2 outputs (SMMLA).
    """
    height, width, depth = {"SDOT, vectors": (1, 1, 16), "SDOT, lanes": (1, 4, 16), "SMMLA": (2, 2, 8)}[
        kernel
    ]
    rng = np.random.default_rng(rows * 8 + columns)
    a = rng.integers(-128, 128, (rows * height, depth)).astype(np.int8)
    b = rng.integers(-128, 128, (depth, columns * width)).astype(np.int8)
    left, right = a.ravel(), b.T.ravel()  # B packed by columns
    if kernel == "SDOT, lanes":  # blocks of four columns and four rows
        right = b.reshape(4, 4, columns, 4).transpose(2, 0, 3, 1).ravel()
    out, zero = np.zeros((rows * height, columns * width), np.int64), np.zeros(4, np.int32)
    with Trace() as trace:
        n = neon.ld1(left, 16 * np.arange(rows))
        m = neon.ld1(right, 16 * np.arange(right.size // 16))
        for i in range(rows):
            for j in range(columns):
                if kernel == "SMMLA":
                    out[2 * i : 2 * i + 2, 2 * j : 2 * j + 2] = neon.smmla(zero, n[i], m[j]).reshape(2, 2)
                elif kernel == "SDOT, vectors":
                    out[i, j] = neon.sdot(zero, n[i], m[j]).sum()  # across the lanes only after the last step
                else:
                    total = zero
                    for k in range(4):
                        total = neon.sdot_lane(total, m[4 * j + k], n[i], k)
                    out[i, 4 * j : 4 * j + 4] = total
    return out, a.astype(int) @ b.astype(int), trace


@explorable(
    "smmla-loads",
    label="How much must be loaded for one multiply-add?",
    hint="A 1 x 1 tile loads as much as it multiplies. Grow the tile: every operand is used more often. "
    "Why can it not grow for ever?",
    rows=Slider(1, 4, default=1, label="Tile height in registers"),
    columns=Slider(1, 4, default=1, label="Tile width in registers"),
)
def smmla_loads(rows: int, columns: int) -> Scene:
    """Bytes loaded per multiply-accumulate of three int8 kernels, from the trace of one step."""
    marks: list[Mark] = []
    table = [("kernel", "loads", "products", "MAC", "bytes per MAC")]
    bytes_per_mac = []
    for x, kernel in enumerate(KERNELS):
        _, _, trace = tile(kernel, rows, columns)
        work = trace.counts["sdot"] + trace.counts["smmla"]
        macs = 16 * trace.counts["sdot"] + 32 * trace.counts["smmla"]
        bytes_per_mac.append(trace.loaded_B / macs)
        label = f"{significant(bytes_per_mac[-1])} B"
        marks.append(Bar(x=x, y1=bytes_per_mac[-1], role="memory", label=label, term="loaded bytes / MAC"))
        marks.append(Text(x=x, y=2.3, text=f"{macs // work} MAC each", anchor="middle"))
        row = (kernel, str(trace.counts["ld1"]), str(work), str(macs), f"{bytes_per_mac[-1]:.3f}")
        table.append(row)
    held = rows * columns
    readout = (
        f"{held} accumulator register{'s' if held > 1 else ''} of 32: per multiply-add SMMLA loads "
        f"{significant(bytes_per_mac[2])} bytes, SDOT {significant(bytes_per_mac[0])} on vectors and "
        f"{significant(bytes_per_mac[1])} by lanes."
    )
    return Scene(
        title="SMMLA halves the loads of SDOT on vectors, not those of SDOT by lanes",
        x=Axis(label="Kernel", categories=KERNELS),
        y=Axis(label="Loaded per multiply-add", unit="bytes", lo=0, hi=2.5),
        marks=marks,
        readout=readout,
        alt=f"Bytes loaded per multiply-add with a tile of {rows} x {columns} accumulators. {readout}",
        table=table,
    )


INDEX = (np.arange(16) * 4 + np.arange(16) % 4).astype(np.uint8)
KEPT = np.full(16, 77, np.uint8)


def silu_table(registers: int) -> Array:
    """16 SiLU(x) rounded to int8, as bytes; x from -4 to 4 in 16 k steps."""
    x = np.linspace(-4, 4, 16 * registers)
    return np.asarray(np.round(16 * x / (1 + np.exp(-x))).astype(np.int8)).view(np.uint8)


@explorable(
    "tbl-steps",
    label="What does TBL do with an index outside its table?",
    hint="Step through the lanes. Half of them look past the end: give the table more registers, or take "
    "TBX, which leaves the old byte (77).",
    step=Step(16, default=16, label="Lanes done"),
    registers=Slider(1, 4, default=2, label="Registers of the table"),
    shift=Slider(0, 64, step=16, default=0, label="Added to every index"),
    instruction=Choice(["tbl", "tbx"], label="Instruction"),
)
def tbl_steps(step: int, registers: int, shift: int, instruction: str) -> Scene:
    """Table, indexes and results of one look-up; lanes done so far."""
    table, index = silu_table(registers), INDEX + np.uint8(shift)
    found = neon.tbl(table, index) if instruction == "tbl" else neon.tbx(KEPT, table, index)
    inside = index < 16 * registers
    lane = max(step - 1, 0)
    used = {int(i) for i in index[:step]}
    marks: list[Mark] = []
    for entry in range(64):
        exists = entry < 16 * registers
        current = step > 0 and exists and entry == index[lane]
        role = "highlight" if current else "weights" if exists else "idle"
        shade = 0.9 if current else 0.6 if entry in used else 0.25 if exists else 0.08
        text = str(table.view(np.int8)[entry]) if exists else ""
        term = f"entry {entry}"
        marks.append(
            Cell(x=entry % 16, y=5 - entry // 16, text=text, width=0.98, role=role, opacity=shade, term=term)
        )
    for i in range(16):
        current, done = i == lane and step > 0, i < step
        role = "highlight" if current else "activations" if inside[i] else "error"
        marks.append(Cell(x=i, y=1, text=str(index[i]), width=0.98, role=role, opacity=0.7))
        text = str(found.view(np.int8)[i]) if done else ""
        role = "compute" if inside[i] else "error"
        marks.append(Cell(x=i, y=0, text=text, width=0.98, role=role, opacity=0.6 if done else 0.1))
    outside = int((~inside[:step]).sum())
    readout = (
        f"{instruction}: {step} of 16 look-ups done, {outside} outside the {16 * registers} entries "
        f"({'0 there' if instruction == 'tbl' else 'the old byte stays there'}). One instruction; "
        f"the table fills {registers} of 32 registers."
    )
    return Scene(
        title="Outside its table TBL answers 0, and TBX leaves what was there",
        x=Axis(label="Lane", lo=-0.5, hi=15.5),
        y=Axis(label="Register", categories=("result", "index", "table 3", "table 2", "table 1", "table 0")),
        marks=marks,
        readout=readout,
        alt=f"Look-up of 16 indexes in a table of {16 * registers} bytes (SiLU of -4 to 4). {readout}",
        table=[
            ("lane", "index", "result"),
            *((str(i), str(index[i]), str(found.view(np.int8)[i])) for i in range(16)),
        ],
    )
