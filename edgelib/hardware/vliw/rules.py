r"""May these instructions share a packet? The rules of Hexagon V68, each broken one in a sentence.

A packet holds at most four words; each instruction needs a slot, each vector instruction its pipes; a
register is written once; what is used as `.new` is made in the packet; one vector load and one vector store;
branches in their order. Source: the packet checks of LLVM 14 (HexagonMCChecker, HexagonShuffler), which
Qualcomm maintains and this module is compared with; they implement the chapters on packets of Qualcomm,
"Hexagon V68 Programmer's Reference Manual", 80-N2040-46, and "V68 HVX Programmer's Reference Manual",
80-N2040-47.

Where LLVM 14 is laxer than its own instruction tables, the tables count: `vshuff`, `vdeal` and carries write
both of their results, a vector multiply with a register pair needs a multiplier, an unsigned number is not
negative.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field

from edgelib.hardware.vliw.slots import branches, count, listed
from edgelib.hardware.vliw.words import fit
from edgelib.isa.hexagon_packets import Packet, parse_packets, split_packets
from edgelib.isa.hexagon_syntax import Instruction, SyntaxFault, parse_instruction, singles

_LATE = "late"


@dataclass(frozen=True)
class Verdict:
    """What a packet is worth.

    legal : whether a Hexagon V68 may execute it.   reasons : the rules it breaks, as sentences.
    notes : legal but surely not meant.   slots, pipes : of each word in order, if legal.
    """

    legal: bool
    reasons: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    slots: tuple[int, ...] = field(default=(), compare=False)
    pipes: tuple[frozenset[str], ...] = field(default=(), compare=False)


def check_packet(asm: str) -> Verdict:
    """Judge a packet of Hexagon V68 assembler, as `{ r0=add(r1,r2)\\n v0.cur=vmem(r3++#1) }:endloop0`.

    Several packets, or lines without braces, are judged one by one: legal if all are.

    Raises
    ------
    ValueError : asm is no text, or holds no instruction.
    """
    if not isinstance(asm, str):
        raise ValueError(f"asm = {asm!r}: expected assembler text")
    faults = syntax_faults(asm)
    if faults:
        return Verdict(False, faults)
    packets = [packet for packet in parse_packets(asm) if packet.instructions]
    if not packets:
        raise ValueError(f"asm = {asm!r}: expected at least one instruction")
    verdicts = [check(packet) for packet in packets]
    if len(verdicts) == 1:
        return verdicts[0]
    reasons = tuple(r for v in verdicts for r in v.reasons)
    return Verdict(not reasons, reasons, tuple(n for v in verdicts for n in v.notes))


def syntax_faults(asm: str) -> tuple[str, ...]:
    """What keeps the text from being packets, one sentence for each line that is no instruction."""
    faults = []
    try:
        for lines, _, _ in split_packets(asm):
            for line in lines:
                try:
                    parse_instruction(line)
                except SyntaxFault as fault:
                    faults.append(str(fault))
        if not faults:
            parse_packets(asm)
    except SyntaxFault as fault:
        faults.append(str(fault))
    return tuple(faults)


def check(packet: Packet) -> Verdict:
    """Judge a packet that is already parsed."""
    reasons = [*registers(packet), *new_values(packet), *new_predicates(packet), *company(packet)]
    placement, fault = fit(packet)
    reasons += [fault] if fault else []
    if reasons or placement is None:
        return Verdict(False, tuple(dict.fromkeys(reasons)), notes(packet))
    return Verdict(True, (), notes(packet), placement.slots, placement.pipes)


def registers(packet: Packet) -> list[str]:
    """No register twice, except under opposite conditions; predicates of the same packet are ANDed."""
    writers: dict[str, list[Instruction]] = {}
    for instruction in packet.instructions:
        for register in instruction.writes[instruction.load_kind == "tmp" :]:
            writers.setdefault(register, []).append(instruction)
    found = []
    for register, by in writers.items():
        if register in ("pc", "c9"):
            found.append(f"`{by[0].text}` writes {register}; only branches do.")
        elif register == "p3:0" and any(r in writers for r in ("p0", "p1", "p2", "p3")):
            found.append(f"`{by[0].text}` writes all predicates, and another instruction writes one.")
        elif register[0] == "p" and len(by) > 1 and any(_LATE in i.form.flags for i in by):
            found.append(f"{register} comes late from one instruction and is written by another.")
        elif register[0] != "p" and len(by) > 1 and not _exclusive(by):
            texts = listed([f"`{i.text}`" for i in by])
            found.append(f"{register} is written twice: {texts}.")
        saturates = any("ovf" in i.form.flags for i in packet.instructions)
        if register == "usr" and saturates and any("usr=" in i.text for i in by):
            found.append("usr is written, and a saturating instruction sets its overflow bit.")
    for loop, names in ((0, {"lc0", "sa0"}), (1, {"lc1", "sa1"})):
        if loop in packet.loops and names & writers.keys():
            found.append(f"The end of loop {loop} counts it down, so the packet may not set it up.")
    for instruction in packet.instructions:
        if instruction.load_kind == "tmp":
            register = instruction.operands[0][1] if not instruction.condition else instruction.writes[0]
            for other in packet.instructions:
                body = re.sub(r"^if\([^)]*\)", "", other.form.shape)
                target = next((r for t, r in other.operands if t.written and t.kind == "V"), "")
                if re.match(r"V+(?:\.\w+)?[-+&|^]=", body) and register in singles(target):
                    found.append(
                        f"`{other.text}` adds to {register}, which lasts only for this packet (.tmp)."
                    )
    return found


def _exclusive(by: list[Instruction]) -> bool:
    """Whether at most one of the writers takes effect, as far as their conditions show."""
    conditions = Counter(i.condition[:2] if i.condition else None for i in by)
    if None in conditions or max(conditions.values()) > 1:
        return False
    opposed = any((p, not sense) in conditions for p, sense in conditions if p)  # type: ignore[misc]
    return not (opposed and len(by) > 2)


def new_values(packet: Packet) -> list[str]:
    """`r5.new` is the value another instruction of the packet is making, if that one may hand it on."""
    found = []
    for user in packet.instructions:
        register = user.new_value
        if register is None:
            continue
        if register == "vtmp":
            if not any(i.name == "vgather" for i in packet.instructions):
                found.append(f"`{user.text}` stores vtmp, but no vgather of the packet makes it.")
            continue
        makers = [i for i in packet.instructions if i is not user and register in i.writes]
        if not makers and register in user.writes:
            makers = [user]
        if not makers:
            found.append(
                f"`{user.text}` uses {register}.new, but no instruction of the packet makes {register}."
            )
            continue
        wanted = user.condition[:2] if user.condition else None
        same = [m for m in makers if (m.condition[:2] if m.condition else None) == wanted]
        maker = (same or makers[-1:])[0]
        given = maker.condition[:2] if maker.condition else None
        jump = user.form.unit.name == "NVJ"
        if given and (not wanted or jump or given != wanted):
            found.append(
                f"`{user.text}` uses {register}.new, which `{maker.text}` makes under another condition."
            )
        elif register in maker.hidden_writes and (maker.name, register) != ("allocframe", "r29"):
            found.append(
                f"`{user.text}` uses {register}.new; `{maker.text}`, which does not name it, keeps it."
            )
        elif any(
            t.kind == "R" and t.written and t.count == 2 and register in singles(r) for t, r in maker.operands
        ):
            found.append(
                f"`{user.text}` uses {register}.new; half of a pair (`{maker.text}`) is not handed on."
            )
        elif register in maker.address_writes:
            found.append(f"`{user.text}` uses {register}.new; an address (`{maker.text}`) is not handed on.")
        elif jump and "fp" in maker.form.flags:
            found.append(f"`{user.text}` jumps on {register}.new; a float (`{maker.text}`) comes too late.")
    return found


def new_predicates(packet: Packet) -> list[str]:
    """`p0.new` is the predicate that another instruction of the packet makes, unless it comes late."""
    found = []
    for user in packet.instructions:
        if not user.condition or not user.condition[2]:
            continue
        register = user.condition[0]
        makers = [i for i in packet.instructions if register in i.writes]
        if not makers:
            found.append(
                f"`{user.text}` asks {register}.new, but no instruction of the packet makes {register}."
            )
        elif any(_LATE in m.form.flags for m in makers):
            found.append(f"`{user.text}` asks {register}.new, which comes too late for this packet.")
        elif any("p3:0" in i.writes for i in packet.instructions):
            found.append(f"`{user.text}` asks {register}.new, while all predicates are written at once.")
    return found


def company(packet: Packet) -> list[str]:
    """Who may not travel with whom: loners, branches, loop ends, vector memory."""
    found, instructions = [], packet.instructions
    for one in instructions:
        others = [i for i in instructions if i is not one]
        if "solo" in one.form.flags and others:
            found.append(f"`{one.text}` must be alone in its packet.")
        elif "solo" in one.form.flags and packet.loops:  # encoded in the parse bits of a second word
            found.append(f"`{one.text}` must be alone, and the end of a loop needs at least two words.")
        if "soloax" in one.form.flags:
            for other in others:
                if other.form.unit.name not in ("ALU32", "XTYPE") or "fp" in other.form.flags:
                    found.append(
                        f"`{one.text}` may stand beside integer arithmetic only, not `{other.text}`."
                    )
    jumps = branches(instructions)
    if len(jumps) > 2:
        found.append(f"{len(jumps)} branches in one packet; two are the most.")
    if len(jumps) > 1:
        for place_, k in enumerate(jumps[:2]):
            flags, text = instructions[k].form.flags, instructions[k].text
            if "cof" in flags:
                found.append(f"`{text}` may not share a packet with another branch.")
            elif "cof2" in flags and place_ == 0:
                found.append(f"`{text}` always branches, so a branch after it is never reached.")
    if packet.loops and jumps:
        found.append(f"`{instructions[jumps[0]].text}` branches in the packet that ends a hardware loop.")
    for kind, word in (("vload", "loads"), ("vstore", "stores"), ("zload", "loads of Z")):
        number = count(instructions, kind)
        if number > 1:
            texts = listed([f"`{i.text}`" for i in instructions if i.form.unit.memory == kind])
            name = word if kind == "zload" else f"vector {word}"
            found.append(f"{number} {name}, {texts}; a packet has room for one.")
    return found


def notes(packet: Packet) -> tuple[str, ...]:
    """What is legal and surely not meant: a `.cur` or `.tmp` that nobody reads."""
    found = []
    for one in packet.instructions:
        if one.load_kind:
            register = next(r for t, r in one.operands if t.kind == "V")
            if not any(register in i.reads for i in packet.instructions if i is not one):
                found.append(
                    f"`{one.text}`: nothing in the packet uses {register}, so .{one.load_kind} is idle."
                )
    return tuple(found)
