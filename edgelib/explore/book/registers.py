"""Whose registers are these? A matrix tile in 32 vector registers, and the roles of a call."""

from __future__ import annotations

from edgelib.explore import Choice, Slider, Toggle, explorable
from edgelib.explore.scene import Axis, Cell, Mark, Scene, Span, Text
from edgelib.hardware.registers import KERNELS, ROLE_NAMES, VECTOR_REGISTERS, role, tile
from edgelib.units import significant

ACROSS = 8  # registers in a row of the picture


def _map(held: list[tuple[str, str]], beyond: int) -> list[Mark]:
    """32 cells, and a row of those that do not exist."""
    marks: list[Mark] = []
    for k in range(VECTOR_REGISTERS):
        text, kind = held[k] if k < len(held) else (f"v{k}", "idle")
        x, y = k % ACROSS, 5 - k // ACROSS
        shade = 0.15 if kind == "idle" else 1.0
        marks.append(Cell(x=x, y=y, text=text, role=kind, opacity=shade, term=f"v{k}: {text}"))
    marks += [
        Cell(x=k, y=1, text="spill", role="error", term="stored and loaded in every step")
        for k in range(min(beyond, ACROSS))
    ]
    return marks


@explorable(
    "register-tile",
    label="Which tile fits into 32 registers?",
    hint="Grow the tile until it spills, and watch the operations per byte. Then change the instruction.",
    rows=Slider(2, 16, step=2, default=12, label="Rows"),
    cols=Slider(4, 24, step=4, default=12, label="Columns"),
    kernel=Choice(list(KERNELS), default="int8 SDOT", label="Instruction"),
    stream=Toggle(label="Keep one register of B"),
)
def register_tile(rows: int, cols: int, kernel: str, stream: bool) -> Scene:
    """The vector registers of a micro-tile, and those that are missing."""
    block = tile(kernel, int(rows), int(cols), stream)
    held = [(f"a{k}", "weights") for k in range(block.a_registers)]
    held += [(f"b{k}", "activations") for k in range(block.b_registers)]
    held += [(f"c{k}", "compute") for k in range(block.accumulators)]
    marks = _map(held, block.spilled)
    if block.spilled:
        marks.append(Text(x=7.45, y=0, text=f"{block.spilled} too many", role="error", anchor="end"))
    else:
        marks.append(Text(x=7.45, y=0, text=f"{32 - block.used} free", anchor="end"))
    marks.append(
        Text(
            x=-0.45,
            y=0,
            text=f"{block.accumulators} sums + {block.a_registers} of A + {block.b_registers} of B",
        )
    )
    ideal = 2 * block.macs / block.loaded_B
    lost = (
        f"{block.spilled} accumulators spill, and {significant(ideal)} OP/B shrink to "
        f"{significant(block.ops_per_byte)}"
        if block.spilled
        else f"nothing spills; {significant(block.ops_per_byte)} operations per byte read from L1"
    )
    readout = f"{int(rows)} x {int(cols)} results take {block.used} of 32 registers: {lost}."
    sizes = ((4, 4), (8, 8), (8, 12), (8, 16), (12, 12), (16, 24))
    tiles = [tile(kernel, r, c, stream) for r, c in sizes]
    return Scene(
        title="A tile is good until it spills, and then it is worse than a small one",
        x=Axis(label="Register within its row of eight", lo=-0.6, hi=7.6),
        y=Axis(
            label="Vector registers",
            categories=("in all", "missing", "v24-v31", "v16-v23", "v8-v15", "v0-v7"),
        ),
        marks=marks,
        readout=readout,
        alt=f"Map of the vector registers of a tile, {kernel}. {readout}",
        table=[
            ("tile", "registers", "spilled", "OP per byte", "MACs per load"),
            *(
                (
                    f"{t.rows} x {t.cols}",
                    str(t.used),
                    str(t.spilled),
                    significant(t.ops_per_byte),
                    significant(t.macs_per_load),
                )
                for t in tiles
            ),
        ],
    )


SHADES = {
    "argument": ("activations", "arg"),
    "indirect result": ("error", "ind"),
    "temporary": ("compute", "tmp"),
    "veneer scratch": ("error", "IP"),
    "platform": ("error", "plat"),
    "callee-saved": ("weights", "save"),
    "frame pointer": ("kv", "FP"),
    "link": ("memory", "LR"),
    "callee-saved (low half)": ("weights", "low"),
}


def _answer(register: str, guess: str) -> str:
    """What a reader learns from a guess."""
    true = role(register)
    # A vector register has no special role but the half that is saved.
    right = guess == true.name.split(" (")[0]
    text = f"{register} {'is right' if right else 'is wrong'}: {true.name}, {true.text}."
    return text + (f" Trap: {true.trap}." if true.trap else "")


@explorable(
    "abi-roles",
    label="Whose register is it?",
    hint="Choose a register, commit to a role, read the verdict. Do not miss X8, X16, X18 and V8.",
    number=Slider(0, 31, default=18, label="Register number"),
    bank=Choice({"X (general)": "X", "V (vector)": "V"}, label="File"),
    guess=Choice(list(ROLE_NAMES), default="temporary", label="Your answer"),
)
def abi_roles(number: int, bank: str, guess: str) -> Scene:
    """One register and one guess at its role in a call; the others show what the chapter prints."""
    number = int(number) if bank == "V" else min(int(number), 30)
    register = f"{bank}{number}"
    true = role(register)
    right = guess == true.name.split(" (")[0]
    marks: list[Mark] = []
    for k in range(32 if bank == "V" else 31):
        x, y = k % ACROSS, 4 - k // ACROSS
        chosen = k == number
        shade, short = SHADES[role(f"{bank}{k}").name] if chosen else ("idle", "?")
        marks.append(
            Cell(
                x=x,
                y=y,
                text=f"{bank}{k}\n{short}",
                role=shade if chosen else "idle",
                opacity=1.0 if chosen else 0.15,
                term=f"{bank}{k}: choose it to see",
            )
        )
    verdict = "right" if right else "wrong"
    marks.append(Text(x=-0.45, y=0, text=f"{register} = {guess}?", role="ink"))
    marks.append(
        Span(x0=6.4, x1=7.45, y=0, height=0.6, role="activations" if right else "error", label=verdict)
    )
    return Scene(
        title="Four registers of the general file are not what they seem",
        x=Axis(label="Register within its row of eight", lo=-0.6, hi=7.6),
        y=Axis(label="Registers", categories=("answer", "24-31", "16-23", "8-15", "0-7")),
        marks=marks,
        readout=_answer(register, guess),
        alt=f"Registers of the {bank} file; {register} was guessed to be {guess}. {_answer(register, guess)}",
        table=[
            ("register", "role", "who restores it"),
            *(
                (name, role(first).name, role(first).saved_by)
                for name, first in (
                    ("X0-X7", "X0"),
                    ("X8", "X8"),
                    ("X9-X15", "X9"),
                    ("X16, X17", "X16"),
                    ("X18", "X18"),
                    ("X19-X28", "X19"),
                    ("X29", "X29"),
                    ("X30", "X30"),
                    ("V0-V7", "V0"),
                    ("V8-V15", "V8"),
                    ("V16-V31", "V16"),
                )
            ),
        ],
    )
