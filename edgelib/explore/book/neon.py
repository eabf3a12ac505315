"""What is in a register, and what does SDOT do with it, lane by lane and then row by row?"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgelib.explore import Choice, Slider, Step, Toggle, explorable
from edgelib.explore.scene import Axis, Cell, Mark, Scene, Text
from edgelib.isa import Trace, neon
from edgelib.isa.floats import bf16_to_f32, f32_to_bf16
from edgelib.units import counted

Array = NDArray[Any]

LANES = ("weights", "compute", "activations", "kv")  # a colour for each 32-bit lane

_NUMBERS = np.array([1, -2, 0.5, 100, 0.1, 3, -1, 65504], np.float32)
CONTENTS: dict[str, Array] = {
    "four float32": _NUMBERS[:4],
    "eight float16": _NUMBERS.astype(np.float16),
    "eight bfloat16": f32_to_bf16(_NUMBERS),
    "sixteen int8": np.arange(-8, 8, dtype=np.int8),
    "four int32": np.array([1, -1, 256, 65536], np.int32),
}
VIEWS = {  # arrangement and type: how numpy reads the bytes, bytes of a lane
    "16b i8": ("<i1", 1),
    "8h i16": ("<i2", 2),
    "4s i32": ("<i4", 4),
    "2d i64": ("<i8", 8),
    "8h f16": ("<f2", 2),
    "8h bf16": ("bf16", 2),
    "4s f32": ("<f4", 4),
}


def _read(raw: Array, kind: str) -> list[Any]:
    """The lanes of 16 bytes, as Python numbers."""
    lanes = bf16_to_f32(raw.view("<u2")) if kind == "bf16" else raw.view(kind)
    return [lane.item() for lane in lanes]


def short(value: float | int) -> str:
    """A lane's value in the width of a lane: 1.7e38, -6.1e-5, 100."""
    if isinstance(value, int):
        return str(value)
    return f"{value:.3g}".replace("e+0", "e").replace("e+", "e").replace("e-0", "e-").replace("nan", "NaN")


def _memory(contents: str, order: str) -> Array:
    """The 16 bytes as a file holds them."""
    values = CONTENTS[contents]
    stored = values.byteswap() if order == "big-endian" else values
    return np.frombuffer(stored.tobytes(), np.uint8)


@explorable(
    "register-views",
    label="What do the 16 bytes of a register mean?",
    hint="Move along the bytes: the yellow cells all contain the same one. Then load a big-endian file.",
    contents=Choice(list(CONTENTS), label="What was stored"),
    order=Choice(["little-endian", "big-endian"], label="Byte order of the file"),
    byte=Slider(0, 15, default=3, label="Byte"),
)
def register_views(contents: str, order: str, byte: int) -> Scene:
    """One register, read in seven arrangements, the lanes that hold one byte marked."""
    raw = _memory(contents, order)
    rows = tuple(reversed([*VIEWS, "memory"]))
    marks: list[Mark] = []
    table = [("arrangement", "lanes")]
    for name, (kind, width) in VIEWS.items():
        values = _read(raw, kind)
        table.append((name, ", ".join(map(short, values))))
        for lane, value in enumerate(values):
            here = lane == byte // width
            marks.append(
                Cell(
                    x=(lane + 0.5) * width - 0.5,
                    y=rows.index(name),
                    text=short(value),
                    width=width - 0.02,
                    role="highlight" if here else "activations" if kind[1] == "i" else "kv",
                    opacity=0.9 if here else (0.35, 0.18)[lane % 2],
                    term=f"lane {lane}: bytes {lane * width} to {(lane + 1) * width - 1}",
                )
            )
    for i, value in enumerate(raw.tolist()):
        role = "highlight" if i == byte else "memory"
        marks.append(
            Cell(x=i, y=rows.index("memory"), text=f"{value:02x}", role=role, opacity=0.6, width=0.98)
        )
    table.append(("memory", " ".join(f"{v:02x}" for v in raw.tolist())))
    singles = ", ".join(map(short, _read(raw, "<f4")))
    readout = (
        f"Byte {byte} ({raw[byte]:#04x}) holds bits {8 * (byte % 4)} to {8 * (byte % 4) + 7} of 32-bit lane "
        f"{byte // 4}. Read as float32, the register is {singles}."
    )
    return Scene(
        title="A register holds 128 bits; the instruction decides what they mean",
        x=Axis(label="Byte of the register (and of memory, lowest address first)", lo=-0.5, hi=15.5),
        y=Axis(label="Arrangement", categories=rows),
        marks=marks,
        readout=readout,
        alt=f"{contents} stored {order}, as seven arrangements of one register. {readout}",
        table=table,
    )


N = np.array([3, -1, 4, 1, -5, 9, 2, -6, 5, 3, -5, 8, 100, -128, 127, -1], np.int8)
M = np.array([2, 7, 1, -8, 2, 8, 1, 8, -2, 8, 4, 5, 90, -128, 127, -1], np.int8)
D = np.array([1000, 0, 7, 5], np.int32)
SIGNS = {"sdot": (np.int8, np.int8), "udot": (np.uint8, np.uint8), "usdot": (np.uint8, np.int8)}


def _dot(name: str, n: Array, m: Array) -> Array:
    """The chosen instruction on the same bytes; its sums as integers."""
    total = D.view(np.uint32) if name == "udot" else D
    return np.asarray(getattr(neon, name)(total, n, m))


@explorable(
    "sdot-lanes",
    label="What does one SDOT compute?",
    hint="Step through the four lanes. Edit a byte of n (0 to 15) or m (16 to 31): one lane moves. "
    "Then read the same bytes as unsigned.",
    step=Step(4, default=4, label="Lanes done"),
    instruction=Choice(list(SIGNS), label="Instruction"),
    byte=Slider(0, 31, default=13, label="Byte to edit"),
    value=Slider(-128, 127, step=15, default=-128, label="Its value"),
)
def sdot_lanes(step: int, instruction: str, byte: int, value: int) -> Scene:
    """Operands, products and sums of one dot product instruction; lanes done so far."""
    both = np.concatenate([N, M])
    both[byte] = value
    n, m = (half.view(kind) for half, kind in zip(both.reshape(2, 16), SIGNS[instruction], strict=True))
    start = D.view(np.uint32) if instruction == "udot" else D
    after = _dot(instruction, n, m)
    rows = ("d after", "sum of", "m", "n", "d before")
    marks: list[Mark] = []
    for lane in range(4):
        done, current = lane < step, lane == step - 1
        role, shade = LANES[lane], 0.6 if current else 0.35 if done else 0.12
        products = [int(a) * int(b) for a, b in zip(n[4 * lane :][:4], m[4 * lane :][:4], strict=True)]
        terms = [f"{p:+d}" for p in products]
        wide: dict[str, Any] = dict(x=4 * lane + 1.5, width=3.9, role=role, opacity=shade)
        marks.append(Cell(y=4, text=str(start[lane]), **wide))
        marks.append(Cell(y=1, text=f"{''.join(terms[:2])}\n{''.join(terms[2:])}" * done, **wide))
        marks.append(Cell(y=0, text=str(after[lane]) * done, term=f"{start[lane]} {' '.join(terms)}", **wide))
        for i in range(4 * lane, 4 * lane + 4):
            for y, operand, offset in ((3, n, 0), (2, m, 16)):
                edited = byte == i + offset
                style: dict[str, Any] = dict(
                    role="highlight" if edited else role, opacity=0.9 if edited else shade
                )
                marks.append(Cell(x=i, y=y, text=str(operand[i]), width=0.98, **style))
    exact = start.astype(int) + (n.astype(int) * m.astype(int)).reshape(4, 4).sum(axis=1)
    verdict = "as exact arithmetic says" if np.array_equal(exact[:step], after[:step]) else "wrapped around"
    sums = f"Sums {', '.join(str(v) for v in after[:step])}, {verdict}" if step else "No sum yet"
    readout = (
        f"{instruction} v0.4s, v1.16b, v2.16b does 16 multiply-adds at once; shown are {4 * step}. {sums}."
    )
    return Scene(
        title="One SDOT is four dot products of four bytes each",
        x=Axis(label="Byte of v1 and v2", lo=-0.5, hi=15.5),
        y=Axis(label="Register", categories=rows),
        marks=marks,
        readout=readout,
        alt=f"Operands, products and sums of one {instruction}. {readout}",
        table=[
            ("lane", "n", "m", "d before", "d after"),
            *(
                (
                    str(k),
                    " ".join(map(str, n[4 * k : 4 * k + 4])),
                    " ".join(map(str, m[4 * k : 4 * k + 4])),
                    str(start[k]),
                    str(after[k]),
                )
                for k in range(4)
            ),
        ],
    )


W = np.random.default_rng(4).integers(-9, 10, (4, 16)).astype(np.int8)
X = np.random.default_rng(5).integers(-9, 10, 16).astype(np.int8)


def gemv_program(columns: int) -> list[str]:
    """The instructions of y = W x for four rows: text, one a line."""
    body = [
        line
        for k in range(columns // 4)
        for line in ("ld1 {v1.16b},[x0],#16", f"sdot v0.4s,v1.16b,v2.4b[{k}]")
    ]
    return ["movi v0.4s,#0", "ld1 {v2.16b},[x1]", *body, "st1 {v0.4s},[x2]"]


def run_gemv(columns: int, packed: bool, instructions: int) -> tuple[Array, Array, Trace]:
    """The sums after so many instructions, what v1 holds (positions in W, row-major), and the trace."""
    blocks = np.arange(4 * columns).reshape(4, -1, 4)  # row, block of four columns, column
    order = (blocks.swapaxes(0, 1) if packed else blocks).ravel()
    memory = W[:, :columns].ravel()[order]
    inputs, y = np.zeros(16, np.int8), np.zeros(4, np.int32)
    total, v1, v2 = np.zeros(4, np.int32), np.zeros(16, np.int8), np.zeros(16, np.int8)
    inputs[:columns] = X[:columns]
    held = np.empty(0, int)
    with Trace() as trace:
        for line in gemv_program(columns)[:instructions]:
            if line.startswith("movi"):
                total = neon.dup(0, np.int32)
            elif line.startswith("ld1 {v2"):
                v2 = neon.ld1(inputs)
            elif line.startswith("ld1"):
                at = 16 * (trace.counts["ld1"] - 1)
                v1, held = neon.ld1(memory, at), order[at : at + 16]
            elif line.startswith("sdot"):
                total = neon.sdot_lane(total, v1, v2, trace.counts["sdot"])
            else:
                neon.st1(y, total)
    return total, held, trace


@explorable(
    "sdot-gemv",
    label="How many instructions does a small matrix times a vector take?",
    hint="Step through the program. Then store the matrix row by row, unpacked: the same instructions, "
    "wrong sums. With 4 columns there is nothing to pack.",
    step=Step(10, default=10, label="Instructions done"),
    columns=Slider(4, 16, step=4, default=16, label="Columns"),
    packed=Toggle(default=True, label="Weights packed in 4 x 4 blocks"),
)
def sdot_gemv(step: int, columns: int, packed: bool) -> Scene:
    """Four rows of W times x by SDOT with a lane of x; program, registers, sums."""
    program = gemv_program(columns)
    step = min(step, len(program) - 1)
    total, held, trace = run_gemv(columns, packed, step + 1)
    sdots = trace.counts["sdot"]
    lane = sdots if program[step].startswith("ld1 {v1") else sdots - 1
    exact = W[:, :columns].astype(int) @ X[:columns].astype(int)
    marks: list[Mark] = []
    for k in range(columns):
        live = sdots > 0 and k // 4 == lane
        marks.append(Cell(x=k, y=4, text=str(X[k]), role="activations", opacity=1.0 if live else 0.3))
        for row in range(4):
            inside = columns * row + k in held
            style: dict[str, Any] = dict(role=LANES[0], opacity=1.0 if inside else 0.2)
            marks.append(Cell(x=k, y=3 - row, text=str(W[row, k]), **style))
    finished = sdots == columns // 4
    for row in range(4):
        wrong = finished and total[row] != exact[row]
        marks.append(
            Cell(
                x=16.6,
                y=3 - row,
                width=1.9,
                text=str(total[row]),
                role="error" if wrong else "compute",
                opacity=0.9 if finished else 0.45,
                term=f"row {row}: exact {exact[row]}",
            )
        )
    marks.append(Text(x=16.6, y=3.8, text="v0", anchor="middle"))
    for i, line in enumerate(program):
        y = 4.3 - 0.465 * i
        if i == step:
            marks.append(Cell(x=23.2, y=y, width=10.4, height=0.42, role="highlight", opacity=0.9))
        marks.append(Text(x=18.2, y=y, text=line))
    wrong_rows = int((total != exact).sum()) if finished else 0
    verdict = (
        f"{wrong_rows} of 4 sums are wrong"
        if wrong_rows
        else "all sums exact"
        if finished
        else "not yet done"
    )
    macs = 16 * sdots
    readout = (
        f"{sdots} SDOT for {macs} multiply-adds (1/16 of a scalar loop's); "
        f"{counted(trace.instructions, 'instruction')} in all, {trace.loaded_B} bytes loaded: {verdict}."
    )
    return Scene(
        title="One SDOT replaces sixteen scalar multiply-adds, if the weights are packed for it",
        x=Axis(label="Columns of W and x, then the sums, then the program", categories=("",) * 29),
        y=Axis(label="Row", categories=("row 3", "row 2", "row 1", "row 0", "x")),
        marks=marks,
        readout=readout,
        alt=f"Matrix of 4 rows and {columns} columns times a vector by SDOT, instruction {step + 1} of "
        f"{len(program)}. {readout}",
        table=[
            ("row", "sum so far", "exact"),
            *((str(r), str(total[r]), str(exact[r])) for r in range(4)),
        ],
    )
