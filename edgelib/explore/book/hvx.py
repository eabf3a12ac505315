"""Lanes of a vector register, VRMPY lane by lane, and names that do not exist."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgelib.explore import Choice, Slider, Step, Toggle, explorable
from edgelib.explore.scene import Axis, Cell, Mark, Scene, Text
from edgelib.isa import hvx

Array = NDArray[Any]

PER_ROW = 16  # bytes in a row of the grid
TYPES = {"8 bit (.b)": 1, "16 bit (.h)": 2, "32 bit (.w)": 4, "64 bit": 8}


@explorable(
    "hvx-lanes",
    label="How many numbers does a vector register hold?",
    hint="Widen the lanes to 64 bit: they would fit, but nothing computes with them. Then take a pair.",
    width=Choice(TYPES, default=1, label="Lane"),
    mode=Choice({"128 bytes": 128, "64 bytes (V60 to V65)": 64}, label="Mode"),
    pair=Toggle(default=False, label="Register pair"),
    byte=Slider(0, 255, step=15, default=90, label="Byte"),
)
def hvx_lanes(width: int, mode: int, pair: bool, byte: int) -> Scene:
    """The bytes of a vector register or pair as lanes, one of them marked."""
    size = mode * (1 + pair)
    rows = 256 // PER_ROW
    marks: list[Mark] = []
    for start in range(0, 256, width):
        inside, here = start < size, start // width == byte // width
        marks.append(
            Cell(
                x=start % PER_ROW + (width - 1) / 2,
                y=rows - 1 - start // PER_ROW,
                width=width - 0.06,
                height=0.94,
                text=str(start // width) if inside else "",
                role="highlight"
                if here and inside
                else "idle"
                if not inside
                else lane_role(start, mode, width),
                opacity=0.9 if here and inside else 0.4 if inside else 0.1,
                term=f"bytes {start} to {start + width - 1}" if inside else "not part of the register",
            )
        )
    lanes = size // width
    name = "v1:0" if pair else "v0"
    what = f"{name} holds {lanes} lanes of {8 * width} bit; one instruction works on all of them."
    if width == 8:
        what = f"{name} has room for {lanes} lanes of 64 bit, but no instruction adds or multiplies them."
        where = "Integer lanes are .b, .h and .w only."
    elif byte < size:
        lane = byte // width
        first = lane * width % mode
        which = f"Byte {byte} is in lane {lane}, which owns {width} bit{'s' * (width > 1)} of a predicate"
        where = f"{which}: Q0 bit{'s' * (width > 1)} {first}{f' to {first + width - 1}' * (width > 1)}."
        where = where.replace("Q0", "Q1" if byte >= mode else "Q0")
    else:
        where = f"Byte {byte} is outside: {name} ends with byte {size - 1}."
    readout = f"{what} {where}"
    return Scene(
        title="The instruction, not the register, says how wide a lane is",
        x=Axis(label="Byte within a row of 16", lo=-0.5, hi=PER_ROW - 0.5),
        y=Axis(label="Row starts at byte", categories=tuple(str(r * PER_ROW) for r in reversed(range(rows)))),
        marks=marks,
        readout=readout,
        alt=f"{name} in {mode}-byte mode as lanes of {8 * width} bit. {readout}",
        table=[
            ("lane", "per register", "per pair", "arithmetic"),
            *(
                (label, str(mode // w), str(2 * mode // w), "no" if w == 8 else "yes")
                for label, w in TYPES.items()
            ),
        ],
    )


def lane_role(start: int, mode: int, width: int) -> str:
    """The colour of a lane: of the lower or the upper register, or of what cannot be computed."""
    if width == 8:
        return "error"
    return "activations" if start < mode else "kv"


_RNG = np.random.default_rng(8)
U = _RNG.integers(0, 256, (32, 4)).astype(np.uint8)
V = _RNG.integers(-128, 128, (32, 4)).astype(np.int8)
R = np.array([3, -1, 4, 100], np.int8)
VRMPY = {
    "v0.w = vrmpy(v2.ub, r2.b)": (np.uint8, np.int8, True),
    "v0.w = vrmpy(v2.ub, v3.b)": (np.uint8, np.int8, False),
    "v0.w = vrmpy(v2.b, v3.b)": (np.int8, np.int8, False),
    "v0.uw = vrmpy(v2.ub, r2.ub)": (np.uint8, np.uint8, True),
}


def _vrmpy(form: str, u: Array, other: Array) -> Array:
    """The instruction on 32 x 4 bytes, and on 4 or 32 x 4."""
    u_type, v_type, _ = VRMPY[form]
    return hvx.vrmpy(u.reshape(128).view(u_type), other.reshape(-1).view(v_type))


@explorable(
    "vrmpy-lanes",
    label="What does one VRMPY compute?",
    hint="Edit a byte of Rt: all 32 sums move. A byte of Vu moves one. Where is the matrix?",
    step=Step(31, default=5, label="Lane"),
    form=Choice(list(VRMPY), label="Instruction"),
    byte=Slider(0, 7, default=5, label="Byte (0-3: v2, 4-7: other)"),
    value=Slider(-128, 127, step=15, default=-128, label="Its value"),
)
def vrmpy_lanes(step: int, form: str, byte: int, value: int) -> Scene:
    """Operands and products of one lane, the 32 sums, and which of them an edited byte moves."""
    u_type, v_type, by_scalar = VRMPY[form]
    before = _vrmpy(form, U, R if by_scalar else V)
    u, other = U.copy(), (R if by_scalar else V).copy()
    target = u[step] if byte < 4 else other if by_scalar else other[step]
    target[byte % 4] = np.array(value, np.int64).astype(target.dtype)
    after = _vrmpy(form, u, other)
    four_u = u[step].view(u_type).astype(int)
    four_v = (other if by_scalar else other[step]).view(v_type).astype(int)
    exact = u.view(u_type).astype(int) * other.view(v_type).astype(int)
    moved = after != before
    marks: list[Mark] = []
    second = "r2" if by_scalar else "v3"
    for i in range(4):
        for y, number, edited in ((6, four_u[i], byte == i), (5, four_v[i], byte == 4 + i)):
            role = "highlight" if edited else "activations" if y == 6 else "weights"
            marks.append(Cell(x=i, y=y, text=str(number), role=role, opacity=0.9 if edited else 0.35))
        marks.append(Cell(x=i, y=4, text=f"{four_u[i] * four_v[i]:+d}", role="compute", opacity=0.35))
    marks.append(Text(x=3.7, y=6, text=f"four bytes of v2, lane {step}"))
    marks.append(
        Text(x=3.7, y=5, text=f"{second}: " + ("the same four for all" if by_scalar else f"lane {step}"))
    )
    marks.append(Text(x=3.7, y=4, text=f"sum {after[step]}"))
    for lane in range(32):
        here = lane == step
        marks.append(
            Cell(
                x=lane % 8,
                y=3 - lane // 8,
                text=str(after[lane]),
                role="highlight" if here else "compute" if moved[lane] else "idle",
                opacity=0.9 if here else 0.6 if moved[lane] else 0.25,
                term=" ".join(f"{p:+d}" for p in exact[lane]),
            )
        )
    count = int(moved.sum())
    agrees = np.array_equal(after, exact.sum(axis=1))
    readout = (
        f"128 multiply-adds, 32 sums of four products each, {'as numpy says' if agrees else 'unlike numpy'}. "
        f"The edited byte moves {count} of the 32 sums. Lane {step}: {after[step]}."
    )
    return Scene(
        title="VRMPY is 32 dot products of four bytes, not a matrix product",
        x=Axis(label="Eight lanes in a row", categories=tuple(f"+{k}" for k in range(8))),
        y=Axis(
            label="Operands, then sums of lanes",
            categories=("24-31", "16-23", "8-15", "0-7", "products", second_name(), "v2"),
        ),
        marks=marks,
        readout=readout,
        alt=f"{form}, lane {step} in detail and all 32 sums. {readout}",
        table=[
            ("lane", "v2", second, "sum"),
            *(
                (
                    str(k),
                    " ".join(map(str, u[k].view(u_type))),
                    " ".join(map(str, (other if by_scalar else other[k]).view(v_type))),
                    str(after[k]),
                )
                for k in range(32)
            ),
        ],
    )


def second_name() -> str:
    """The second operand's row: a scalar register or a vector."""
    return "r2 or v3"


MEANINGS = {
    "vector times matrix": "matrix",
    "4-term dot product per lane": "four",
    "2-term dot product per lane": "two",
    "fast convolution": "convolution",
    "format conversion": "conversion",
    "saturation": "saturation",
    "no such instruction": "none",
}
ANSWERS = {"vrmpy": "four", "vdmpy": "two", "vconv": "none", "vsatur": "none"}
REAL = {  # lines that the assembler takes
    "vrmpy": ("v0.w = vrmpy(v2.ub,r2.b)",),
    "vdmpy": ("v0.h = vdmpy(v2.ub,r2.b)",),
    "vconv": ("v0.hf = v1:0.qf32", "v0.w = vrmpy(v2.ub,r2.b)"),
    "vsatur": ("v0.h = vsat(v1.w,v2.w)", "v0.ub = vpack(v1.h,v2.h):sat", "v0.h = vadd(v1.h,v2.h):sat"),
}
REMARKS = {
    "vrmpy": "vector reducing multiply",
    "vdmpy": "vector dual multiply",
    "vconv": "convolve with vrmpy, vtmpy",
    "vsatur": "vsat, vpack:sat, vadd:sat",
}


@explorable(
    "hvx-mnemonics",
    label="Which of the chapter's instructions exist?",
    hint="It starts with what the chapter says. Correct it until four of four are right.",
    vrmpy=Choice(MEANINGS, default="matrix", label="VRMPY"),
    vdmpy=Choice(MEANINGS, default="two", label="VDMPY"),
    vconv=Choice(MEANINGS, default="convolution", label="VCONV"),
    vsatur=Choice(MEANINGS, default="saturation", label="VSATUR"),
)
def hvx_mnemonics(vrmpy: str, vdmpy: str, vconv: str, vsatur: str) -> Scene:
    """Four names, what you say they do, and what the assembler says."""
    said = {"vrmpy": vrmpy, "vdmpy": vdmpy, "vconv": vconv, "vsatur": vsatur}
    words = {meaning: text for text, meaning in MEANINGS.items()}
    right = {name: said[name] == ANSWERS[name] for name in said}
    marks: list[Mark] = []
    table = [("name", "you say", "verdict", "what exists")]
    for y, name in enumerate(reversed(list(said))):
        verdict = "right" if right[name] else "wrong"
        style: dict[str, Any] = dict(role="activations" if right[name] else "error", opacity=0.5, y=y)
        marks.append(Cell(x=0.75, text=words[said[name]], width=2.35, **style))
        marks.append(Cell(x=2.3, text=verdict, width=0.65, **style))
        reveal = REMARKS[name] if right[name] else ""
        marks.append(Cell(x=3.55, y=y, text=reveal, width=1.75, role="compute", opacity=0.35))
        table.append((name.upper(), words[said[name]], verdict, "; ".join(REAL[name]) if right[name] else ""))
    score = sum(right.values())
    hints = []
    if said["vconv"] == "conversion":
        hints.append("LLVM names conversions V6_vconv_..., but no line of assembly says so")
    if not right["vrmpy"]:
        hints.append("in VRMPY a lane sees only its own four bytes")
    if score < 4 and not hints:
        hints.append("ask the assembler")
    readout = f"{score} of 4 right" + (f": {hints[0]}." if hints else ". Two of the four names do not exist.")
    return Scene(
        title="A name in a manual's style is not yet an instruction",
        x=Axis(label="You say, the verdict, what the assembler knows", categories=("", "", "", "", "")),
        y=Axis(label="Name in the chapter", categories=tuple(name.upper() for name in reversed(list(said)))),
        marks=marks,
        readout=readout,
        alt=f"A table of four instruction names with what you say they do. {readout}",
        table=table,
    )
