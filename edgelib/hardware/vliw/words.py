"""Do the instructions of a packet fit four words? A comparison and its jump may share one; so may half-words.

Source: LLVM 14 (HexagonMCCompound, HexagonMCDuplexInfo), after Qualcomm's Programmer's Reference Manual, on
compound and duplex instructions.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations, permutations

from edgelib.hardware.vliw.slots import Placement, place
from edgelib.isa.hexagon_packets import Packet
from edgelib.isa.hexagon_syntax import Instruction, SyntaxFault, parse_instruction

WORDS = 4
# Which half-word may stand in slot 0 (key) beside which in slot 1. Source: LLVM 14, HexagonMCDuplexInfo.
_DUPLEX = {
    "DUP_A": {"DUP_A"},
    "DUP_L1": {"DUP_L1", "DUP_A"},
    "DUP_L2": {"DUP_L1", "DUP_L2", "DUP_A"},
    "DUP_S1": {"DUP_L1", "DUP_L2", "DUP_S1", "DUP_A"},
    "DUP_S2": {"DUP_L1", "DUP_L2", "DUP_S1", "DUP_S2", "DUP_A"},
}


def fit(packet: Packet) -> tuple[Placement | None, str]:
    """Slots, pipes and words, with two instructions merged into one word where that is what it takes."""
    first: tuple[Placement | None, str] | None = None
    for merged in [packet, *compounds(packet)]:
        if len(merged.instructions) > WORDS:
            result: tuple[Placement | None, str] = None, _too_long(merged)
        else:
            result = place(merged)
            if result[0] and merged.words > WORDS and not _duplexes(merged):
                result = None, _too_long(merged)
        if result[0]:
            return result
        first = first or result
    assert first is not None
    return first


def _too_long(packet: Packet) -> str:
    number, extra = len(packet.instructions), packet.words - len(packet.instructions)
    if not extra:
        return f"{number} instructions; a packet holds {WORDS}."
    plural = "s" if extra > 1 else ""
    extenders = f"{extra} constant extender{plural}"
    return f"{number} instructions and {extenders} make {packet.words} words; a packet holds {WORDS}."


def compounds(packet: Packet) -> list[Packet]:
    """The packets in which comparisons, or transfers, and the jumps they go with are one word each."""
    found = list[Packet]()
    for one, jump in permutations(packet.instructions, 2):
        if "branch" not in jump.form.flags or one.extended or one.form.unit.family == "branch":
            continue
        try:
            both = parse_instruction(f"{one.text}; {jump.text}")
        except SyntaxFault:
            continue
        rest = tuple(both if i is jump else i for i in packet.instructions if i is not one)
        merged = replace(packet, instructions=rest)
        found += [merged, *compounds(merged)]
    return found


def _duplexes(packet: Packet) -> bool:
    """Whether two instructions fit one word as half-words, with which the packet has four words.

    A duplex takes slots 0 and 1, so no other instruction of the packet may touch memory, and only an addition
    or a transfer in its slot 1 may have a constant extender.
    """
    if packet.words > WORDS + 1:
        return False
    for pair in combinations(packet.instructions, 2):
        others = [i for i in packet.instructions if i not in pair]
        if any(i.form.unit.memory for i in others):
            continue
        if any(_is_duplex(low, high) for low, high in (pair, pair[::-1])):
            return True
    return False


def _is_duplex(low: Instruction, high: Instruction) -> bool:
    """Whether `low` in slot 0 and `high` in slot 1 are one word."""
    try:
        zero, one = parse_instruction(low.text, duplex=True), parse_instruction(high.text, duplex=True)
    except SyntaxFault:
        return False
    if one.form.unit.name not in _DUPLEX[zero.form.unit.name] or low.extended or zero.extended:
        return False
    extendable = one.form.syntax.startswith(("Rx16=add(Rx16,#", "Rd16=#u"))
    if one.extended != high.extended or (high.extended and not extendable):
        return False
    return not (one.form.unit.name == "DUP_L2" and ("r31" in one.text or "return" in one.text))
