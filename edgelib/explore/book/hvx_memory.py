"""What works where? Gather needs VTCM, aligned loads drop address bits, and INT4 weights share bytes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgelib.explore import Choice, Slider, explorable
from edgelib.explore.scene import Axis, Cell, Dot, Line, Mark, Scene, Text
from edgelib.isa import Trace, hvx
from edgelib.kernels import hvx_kernels

Array = NDArray[Any]

WORDS = np.arange(32, dtype=np.int32)  # what lies in memory: word k is k
SHOWN = 16  # words drawn
OPERATIONS = {
    "multiply-accumulate (vrmpy)": "mac",
    "permute (vdelta)": "permute",
    "reduce (vror, vadd)": "reduce",
    "gather (vgather)": "gather",
    "scatter (vscatter)": "scatter",
}
COSTS = {
    "mac": "128 multiply-adds in one instruction",
    "permute": "128 bytes moved in one instruction, nothing computed",
    "reduce": "31 useful additions in 10 instructions: there is no sum across lanes",
    "gather": "32 words read in one instruction",
    "scatter": "32 words written in one instruction",
}


def operate(operation: str, place: str, number: int) -> Array:
    """The result of one of OPERATIONS on WORDS in "vtcm" or "ddr", as words; ValueError if refused."""
    places = (4 * ((number * np.arange(32)) % 32)).astype(np.int32)
    if operation == "gather":
        return hvx.vgather(WORDS.view(np.uint8), places, memory=place)
    if operation == "scatter":
        return hvx.vscatter(np.zeros(128, np.uint8), places, WORDS, memory=place).view(np.int32)
    words = hvx.vmem(WORDS)
    if operation == "mac":
        return hvx.vrmpy(words.view(np.uint8), np.array([number, 0, 0, 0], np.int8))
    if operation == "permute":
        return hvx.vdelta(words, np.full(128, 4 * number, np.uint8))
    for distance in (64, 32, 16, 8, 4):
        words = hvx.vadd(words, hvx.vror(words, distance))
    return words


@explorable(
    "hvx-operation",
    label="Which operation may use which memory?",
    hint="Move the table to VTCM. Then try the other operations: which of them mind DDR?",
    operation=Choice(OPERATIONS, default="gather", label="Operation"),
    place=Choice({"DDR": "ddr", "VTCM": "vtcm"}, label="Operands lie in"),
    number=Slider(1, 15, step=2, default=5, label="Stride, factor or mask"),
)
def hvx_operation(operation: str, place: str, number: int) -> Scene:
    """Sixteen of the 32 words before and after one operation, or why it is refused."""
    refused, result = "", np.zeros(32, np.int32)
    with Trace() as trace:
        try:
            result = operate(operation, place, number)
        except ValueError as error:
            refused = str(error).split(",")[0]
    control = {
        "mac": [f"x {number}"] * SHOWN,
        "permute": [f"^ {number}"] * SHOWN,
        "reduce": ["+"] * SHOWN,
        "gather": [f"{4 * ((number * k) % 32)}" for k in range(SHOWN)],
        "scatter": [f"{4 * ((number * k) % 32)}" for k in range(SHOWN)],
    }[operation]
    marks: list[Mark] = []
    for k in range(SHOWN):
        marks.append(Cell(x=k, y=3, text=str(WORDS[k]), role="memory", opacity=0.5, width=0.95))
        marks.append(Cell(x=k, y=2, text=control[k], role="idle", opacity=0.25, width=0.95))
        good: dict[str, Any] = dict(text=str(result[k]), role="compute", opacity=0.5)
        bad: dict[str, Any] = dict(text="?", role="error", opacity=0.5)
        marks.append(Cell(x=k, y=1, width=0.95, **(bad if refused else good)))
    names = ", ".join(f"{n} {name}" for name, n in trace.counts.items())
    marks.append(Text(x=7.5, y=0, text=f"error: {refused}" if refused else names, anchor="middle"))
    shown = {"ddr": "DDR", "vtcm": "VTCM"}[place]
    if refused:
        readout = f"Refused: {refused}. Copy the table to VTCM first, by vector loads and stores or by DMA."
    else:
        readout = f"{COSTS[operation].capitalize()}; operands in {shown}"
        readout += ", read through L2." if place == "ddr" else "."
    return Scene(
        title="Vector loads read any memory; gather and scatter know VTCM only",
        x=Axis(label="Word (16 of 32 shown)", lo=-0.5, hi=SHOWN - 0.5),
        y=Axis(label="Words", categories=("", "result", "control", "operand")),
        marks=marks,
        readout=readout,
        alt=f"{operation} with operands in {shown}. {readout}",
        table=[
            ("word", "operand", "control", "result"),
            *(
                (str(k), str(WORDS[k]), control[k], "refused" if refused else str(result[k]))
                for k in range(SHOWN)
            ),
        ],
    )


_RNG = np.random.default_rng(5)
_ZEROS = _RNG.integers(-128, 128, 384) * (_RNG.random(384) < 0.1)
BUFFERS: dict[str, Array] = {
    "random weights": _RNG.integers(-128, 128, 384).astype(np.int8),
    "a pattern of 32 bytes": np.tile(_RNG.integers(-128, 128, 32).astype(np.int8), 12),
    "nine zeros of ten": _ZEROS.astype(np.int8),
    "one value": np.full(384, 7, np.int8),
}
LOADS = {"vmem": hvx.vmem, "vmemu": hvx.vmemu}


def wrong_bytes(buffer: str, load: str) -> Array:
    """How many of 128 loaded bytes are not the wanted ones: a pointer 0 to 127 past a multiple of 128."""
    memory = BUFFERS[buffer]
    address = 128 + np.arange(128)
    wanted = memory[address[:, None] + np.arange(128)]
    return np.asarray((LOADS[load](memory, address) != wanted).sum(axis=1))


@explorable(
    "hvx-unaligned",
    label="What does a vector load do with an unaligned pointer?",
    hint="Move the pointer by one byte. Then load other data: which test would not have noticed?",
    offset=Slider(0, 127, default=8, unit="bytes", label="Pointer past a multiple of 128"),
    load=Choice(list(LOADS), label="Load"),
    buffer=Choice(list(BUFFERS), label="Data"),
)
def hvx_unaligned(offset: int, load: str, buffer: str) -> Scene:
    """Wrong bytes of both loads against the offset, and the first bytes at one offset."""
    memory = BUFFERS[buffer]
    got, wanted = LOADS[load](memory, 128 + offset), memory[128 + offset :][:128]
    counts = wrong_bytes(buffer, load)
    marks: list[Mark] = []
    for name in LOADS:
        here = name == load
        role = "error" if name == "vmem" else "activations"
        marks.append(Line(x=range(128), y=wrong_bytes(buffer, name), role=role, ghost=not here, label=name))
    marks.append(Dot(x=offset, y=counts[offset], role="error" if counts[offset] else "activations"))
    for k in range(10):
        right = got[k] == wanted[k]
        place: dict[str, Any] = dict(x=25 + 11 * k, width=10.6, height=22)
        marks.append(Cell(y=203, text=str(wanted[k]), role="memory", opacity=0.4, **place))
        good: dict[str, Any] = dict(role="activations" if right else "error", opacity=0.5)
        marks.append(Cell(y=175, text=str(got[k]), **good, **place))
    marks += [Text(x=1, y=203, text="wanted"), Text(x=1, y=175, text="loaded")]
    start = 128 if load == "vmem" else 128 + offset
    readout = (
        f"v0 = {load}(r0), r0 = {128 + offset}: bytes {start} to {start + 127} come, "
        f"{counts[offset]} of 128 wrong. No fault, no flag."
    )
    return Scene(
        title="An aligned load from an unaligned pointer is silently another load",
        x=Axis(label="Pointer past a multiple of 128", unit="bytes", lo=0, hi=140),
        y=Axis(label="Wrong bytes of 128", lo=-5, hi=220),
        marks=marks,
        readout=readout,
        alt=f"Wrong bytes against the offset of the pointer, {buffer}. {readout}",
        table=[
            ("offset", *LOADS),
            *((str(k), *(str(wrong_bytes(buffer, n)[k]) for n in LOADS)) for k in (0, 1, 8, 32, 64, 127)),
        ],
    )


_INT4 = np.random.default_rng(9).integers(-8, 8, 256)


@explorable(
    "int4-packing",
    label="Where is the second half of a byte?",
    hint="Let neighbours share a byte: the file reads more naturally, and unpacking takes one step more.",
    layout=Choice({"j and j + 128": "halves", "2 j and 2 j + 1": "neighbours"}, label="Values in byte j"),
    byte=Slider(0, 127, default=5, label="Byte j"),
    low=Slider(-8, 7, default=-3, label="Value in the low half"),
    high=Slider(-8, 7, default=6, label="Value in the high half"),
)
def int4_packing(layout: str, byte: int, low: int, high: int) -> Scene:
    """One byte of packed INT4, bit by bit, through the instructions that unpack it."""
    first, second = (byte, byte + 128) if layout == "halves" else (2 * byte, 2 * byte + 1)
    values = _INT4.copy()
    values[[first, second]] = low, high
    packed = hvx_kernels.pack_int4(values, layout)
    with Trace() as trace:
        again = hvx_kernels.unpack_int4(packed, layout)
    raw = int(packed[byte])
    marks: list[Mark] = []
    for bit in range(8):
        for y, number in ((4, raw), (3, raw & 15), (2, raw >> 4)):
            nibble = "weights" if (bit < 4 and y != 2) else "kv"
            blank = y in (3, 2) and bit >= 4
            role, shade = ("idle", 0.15) if blank else (nibble, 0.5)
            marks.append(Cell(x=7 - bit, y=y, text=str(number >> bit & 1), role=role, opacity=shade))
    marks.append(Cell(x=1.5, y=5, width=3.9, text=f"{high} + 8 = {high + 8}", role="kv", opacity=0.5))
    marks.append(Cell(x=5.5, y=5, width=3.9, text=f"{low} + 8 = {low + 8}", role="weights", opacity=0.5))
    marks.append(Cell(x=1.5, y=1, width=3.9, text=f"value {second}: {again[second]}", role="kv", opacity=0.5))
    marks.append(
        Cell(x=5.5, y=1, width=3.9, text=f"value {first}: {again[first]}", role="weights", opacity=0.5)
    )
    for k in range(8):
        j = byte // 8 * 8 + k
        pair = f"{j + 128}|{j}" if layout == "halves" else f"{2 * j + 1}|{2 * j}"
        here = j == byte
        style: dict[str, Any] = dict(role="highlight" if here else "memory", opacity=0.9 if here else 0.35)
        marks.append(Cell(x=k, y=0, text=pair, term=f"byte {j}", **style))
    executed = sum(trace.counts[name] for name in ("vand", "vlsr", "vsub", "vshuff"))
    exact = "exact" if np.array_equal(again, values) else "NOT exact"
    readout = (
        f"Byte {byte} is {raw:#04x}: 128 bytes hold 256 values (512 bytes in FP16). Round trip {exact}; "
        f"{executed} instructions unpack all 256."
    )
    return Scene(
        title="Two values share a byte; the layout decides what unpacking costs",
        x=Axis(label="Bit (7 to 0), and below the bytes of the same eighth", categories=("",) * 8),
        y=Axis(
            label="One byte, taken apart",
            categories=("bytes hold", "vsub 8", "vlsr by 4", "vand 0x0f", "bits", "stored"),
        ),
        marks=marks,
        readout=readout,
        alt=f"The bits of one packed byte and the steps that unpack it. {readout}",
        table=[
            ("value", "stored", "byte", "bits", "unpacked"),
            (str(low), str(low + 8), str(byte), "3 to 0", str(again[first])),
            (str(high), str(high + 8), str(byte), "7 to 4", str(again[second])),
        ],
    )
