"""Which instructions fit one packet, and how does a scheduler fill packets?"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from textwrap import wrap

from edgelib.explore import Choice, Step, Toggle, explorable
from edgelib.explore.scene import Axis, Cell, Mark, Scene, Text
from edgelib.hardware.vliw import Schedule, Verdict, check_packet, pack
from edgelib.isa.hexagon_forms import PIPES
from edgelib.isa.hexagon_syntax import Instruction, SyntaxFault, parse_instruction

ROLES = {
    "alu": "activations",
    "multiply": "compute",
    "vector": "compute",
    "load": "memory",
    "vload": "memory",
    "store": "kv",
    "vstore": "kv",
    "branch": "highlight",
    "control": "highlight",
}
EMPTY = "(empty)"
MENU = [
    "v0=vmem(r0++#1)",
    "v1=vmem(r2++#1)",
    "v2.w+=vrmpy(v0.ub,r1.b)",
    "v4.w+=vrmpy(v5.ub,v6.b)",
    "v9:8.h=vmpy(v5.ub,v6.b)",
    "v7.h=vasl(v5.h,r9)",
    "vmem(r3++#1)=v3",
    "r1=memw(r2++#4)",
    "r4=add(r5,r6)",
    "r7=mpyi(r5,r6)",
    "p0=cmp.gt(r4,#0)",
    EMPTY,
]
SLOT_AXIS = Axis(label="Slot", categories=("3", "2", "1", "0"))
PACKET_AXIS = Axis(label="Part of the machine", categories=("rule", "vector pipes", "issue slots"))


def broken(text: str) -> str:
    """An instruction on up to two short lines, for a cell."""
    if len(text) <= 13:
        return text
    condition = re.match(r"if ?\([^)]*\) ?", text)
    if condition:
        return condition[0].strip() + "\n" + text[condition.end() :]
    at = text.index("=") if text.startswith(("vmem", "mem")) else text.index("(")
    return text[:at] + "\n" + text[at:]


def sentences(texts: Sequence[str], y: float, colour: str) -> list[Mark]:
    """As many sentences as fit into four lines of the width of four cells."""
    lines: list[str] = []
    for text in texts:
        more = wrap(text, 66)
        if len(lines) + len(more) <= 4:
            lines += more
    return [Text(x=-0.45, y=y + 0.36 - 0.22 * k, text=line, role=colour) for k, line in enumerate(lines)]


def packet_marks(texts: list[str], verdict: Verdict) -> list[Mark]:
    """Slots and pipes of a packet; where it is not legal, its instructions in the order written."""
    marks: list[Mark] = []
    places = verdict.slots if verdict.legal else tuple(range(3, -1, -1))[: len(texts)]
    for text, slot in zip(texts, places, strict=False):
        colour = "error" if blamed(text, verdict) else _colour(text)
        marks.append(Cell(x=3 - slot, y=2, text=broken(text), role=colour, width=0.96, term=_term(text)))
    if not verdict.legal:
        marks.append(
            Text(x=1.5, y=1.42, text="no slots given: in the order written", role="idle", anchor="middle")
        )
    for slot in {0, 1, 2, 3} - set(places):
        marks.append(Cell(x=3 - slot, y=2, text="empty", role="idle", width=0.96, opacity=0.2))
    held = {pipe: text for text, pipes in zip(texts, verdict.pipes, strict=False) for pipe in pipes}
    for k, pipe in enumerate(PIPES):
        text = held.get(pipe, "")
        marks.append(
            Cell(
                x=k,
                y=1,
                text=f"{pipe}\n{_name(text)}" if text else pipe,
                role=_colour(text) if text else "idle",
                width=0.96,
                height=0.6,
                opacity=1.0 if text else 0.2,
                term=text,
            )
        )
    return marks


@cache
def _parsed(text: str) -> Instruction | None:
    """The instruction, or None if V68 has none such."""
    try:
        return parse_instruction(text)
    except SyntaxFault:
        return None


def _colour(text: str) -> str:
    """What kind of unit an instruction occupies."""
    instruction = _parsed(text)
    return ROLES.get(instruction.form.unit.family, "idle") if instruction else "error"


def blamed(text: str, verdict: Verdict) -> bool:
    """Whether a broken rule names the instruction."""
    instruction = _parsed(text)
    return instruction is None or any(instruction.text in reason for reason in verdict.reasons)


def plain(verdict: Verdict) -> list[str]:
    """The broken rules for a picture: without the marks that set code apart, and without other forms."""
    return [reason.replace("`", "").split(" Nearest:")[0] for reason in verdict.reasons]


def _name(text: str) -> str:
    instruction = _parsed(text)
    return instruction.name if instruction else ""


def _slots(text: str) -> str:
    instruction = _parsed(text)
    return ", ".join(map(str, sorted(instruction.form.unit.slots))) if instruction else "none"


def _term(text: str) -> str:
    instruction = _parsed(text)
    return (
        f"{instruction.form.unit.meaning}: slots {_slots(text)}" if instruction else "no instruction of V68"
    )


def packet_scene(title: str, texts: list[str], verdict: Verdict, alt: str) -> Scene:
    """The picture of one judged packet."""
    reasons = plain(verdict)
    more = f" And {len(reasons) - 1} more." if len(reasons) > 1 else ""
    fine = f"{len(texts)} of 4 slots at work in one cycle."
    readout = f"Illegal. {reasons[0]}{more}" if reasons else f"Legal: {fine}"
    return Scene(
        title=title,
        x=SLOT_AXIS,
        y=PACKET_AXIS,
        marks=[
            *packet_marks(texts, verdict),
            *sentences(reasons or [fine], 0, "error" if reasons else "ink"),
        ],
        readout=readout,
        alt=f"{alt} {readout}",
        table=[
            ("instruction", "slots it may take", "slot", "vector pipes"),
            *(
                (
                    text,
                    _slots(text),
                    str(verdict.slots[k]) if k < len(verdict.slots) else "-",
                    " + ".join(sorted(verdict.pipes[k]))
                    if k < len(verdict.pipes) and verdict.pipes[k]
                    else "-",
                )
                for k, text in enumerate(texts)
            ),
        ],
    )


@explorable(
    "packet-builder",
    label="Which four instructions fit one packet?",
    hint="Take the second load away. Then find two vector multiplications that fit, and two that do not.",
    first=Choice(MENU, default=MENU[0], label="First"),
    second=Choice(MENU, default=MENU[2], label="Second"),
    third=Choice(MENU, default=MENU[1], label="Third"),
    fourth=Choice(MENU, default=MENU[6], label="Fourth"),
)
def packet_builder(first: str, second: str, third: str, fourth: str) -> Scene:
    """Four instructions of your choice on the slots and vector pipes of a Hexagon V68."""
    texts = [text for text in (first, second, third, fourth) if text != EMPTY] or ["nop"]
    verdict = check_packet("{" + "\n".join(texts) + "}")
    title = (
        f"Every instruction finds a slot and its pipes: {len(texts)} in one cycle"
        if verdict.legal
        else "Four places, and still these instructions do not fit"
    )
    return packet_scene(title, texts, verdict, f"A packet of {len(texts)} instructions.")


STEPS = {"#128, as printed": "#128", "#1, one vector": "#1"}
COMPARISONS = {
    "vcmp.gt with #0, printed": "p1=vcmp.gt(v4.h,#0)",
    "p1=vcmp.gt(v4.h,v5.h)": "p1=vcmp.gt(v4.h,v5.h)",
    "q1=vcmp.gt(v4.h,v5.h)": "q1=vcmp.gt(v4.h,v5.h)",
    "p1=cmp.gt(r5,#0)": "p1=cmp.gt(r5,#0)",
}
PREDICATES = {"p0": "p0", "p1": "p1", "p1.new": "p1.new"}


@explorable(
    "chapter-packet",
    label="Which line of the chapter's packet does not exist?",
    hint="Repair the load first, then try the four comparisons. Does a store wait for p1?",
    step=Choice(STEPS, label="The load steps by"),
    comparison=Choice(COMPARISONS, label="Compare"),
    predicate=Choice(PREDICATES, label="Store if"),
)
def chapter_packet(step: str, comparison: str, predicate: str) -> Scene:
    """The example packet of the chapter with its load, comparison and store chosen."""
    texts = [f"v0=vmem(r0++{step})", "v2.w=vrmpy(v1.ub,r3.b)", f"if ({predicate}) vmem(r4)=v3", comparison]
    verdict = check_packet("{" + "\n".join(texts) + "}")
    count = len(verdict.reasons)
    title = (
        "Legal: load, multiply, store and compare in one cycle"
        if verdict.legal
        else f"The packet breaks {count} rule{'s' * (count > 1)}"
    )
    return packet_scene(title, texts, verdict, "The chapter's example of a packet.")


PROGRAMS = {
    "two steps of a dot product": (
        "v0=vmem(r0++#1)", "r1=memw(r2++#4)", "v2.w+=vrmpy(v0.ub,r1.b)", "v3=vmem(r0++#1)",
        "r4=memw(r2++#4)", "v2.w+=vrmpy(v3.ub,r4.b)", "vmem(r6++#1)=v2", "r5=add(r5,#-1)",
    ),
    "add two vectors, unrolled": (
        "v0=vmem(r0++#1)", "v1=vmem(r1++#1)", "v2.w=vadd(v0.w,v1.w)", "vmem(r2++#1)=v2",
        "v3=vmem(r0++#1)", "v4=vmem(r1++#1)", "v5.w=vadd(v3.w,v4.w)", "vmem(r2++#1)=v5",
    ),
    "a polynomial": (
        "r1=mpyi(r0,r0)", "r2=mpyi(r1,r0)", "r3=mpyi(r4,r2)", "r5=mpyi(r6,r1)",
        "r7=mpyi(r8,r0)", "r9=add(r3,r5)", "r10=add(r7,r11)", "r12=add(r9,r10)",
    ),
    "the larger of two": (
        "r0=memw(r4+#0)", "r1=memw(r4+#4)", "p0=cmp.gt(r0,r1)", "if (!p0) r0=r1",
        "memw(r5+#0)=r0", "r4=add(r4,#8)", "r5=add(r5,#4)", "r6=add(r6,#1)",
    ),
}  # fmt: skip


@cache
def _packed(program: str, forward: bool) -> Schedule:
    return pack(PROGRAMS[program], forward)


@explorable(
    "packet-schedule",
    label="How full are the packets a compiler makes?",
    hint="Step through the packets. Then let values be handed on: which program gains, and which cannot?",
    program=Choice(list(PROGRAMS), label="Program"),
    forward=Toggle(label="Hand values on (.cur, .new)"),
    step=Step(8, default=4, label="Packets issued"),
)
def packet_schedule(program: str, forward: bool, step: int) -> Scene:
    """Slots against packets for a list schedule; the packet being issued is marked."""
    schedule = _packed(program, forward)
    total = len(schedule.packets)
    shown = min(step, total)
    marks: list[Mark] = []
    for row, (packet, verdict) in enumerate(zip(schedule.packets, schedule.verdicts, strict=True)):
        for text, slot in zip(packet, verdict.slots, strict=True):
            now = row == shown - 1
            marks.append(
                Cell(
                    x=3 - slot,
                    y=7 - row,
                    text=broken(text),
                    role=_colour(text) if row < shown else "idle",
                    width=0.97,
                    height=0.86,
                    opacity=1.0 if now else 0.55 if row < shown else 0.15,
                    term=_term(text),
                )
            )
    issued = sum(len(packet) for packet in schedule.packets[:shown])
    readout = (
        f"{schedule.instructions} instructions in {total} packets: IPC {schedule.ipc:.2f}. "
        f"Issued: {issued} in {shown}."
    )
    empty = 1 - schedule.ipc / 4
    return Scene(
        title=f"Dependences and scarce units leave {100 * empty:.0f} % of the slots empty",
        x=SLOT_AXIS,
        y=Axis(label="Packet", categories=tuple(str(k) for k in range(8, 0, -1))),
        marks=marks,
        readout=readout,
        alt=f"Schedule of {program}. {readout}",
        table=[
            ("packet", "instructions", "text"),
            *((str(k + 1), str(len(p)), "; ".join(p)) for k, p in enumerate(schedule.packets)),
        ],
    )
