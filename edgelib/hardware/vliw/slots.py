"""Does a packet fit the machine? Its instructions on four issue slots, its vector instructions on four pipes.

Both questions are a matching: give each instruction a slot of its own, and each vector instruction the pipes
it holds for a cycle, so that nothing is used twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from edgelib.isa.hexagon_forms import PIPES, SLOTS
from edgelib.isa.hexagon_packets import Packet
from edgelib.isa.hexagon_syntax import Instruction

LOADS = ("load", "vload", "zload")
STORES = ("store", "vstore", "system")


@dataclass(frozen=True)
class Placement:
    """slots : the slot of each instruction.   pipes : the vector pipes each one holds."""

    slots: tuple[int, ...]
    pipes: tuple[frozenset[str], ...]


def count(packet: Sequence[Instruction], *kinds: str) -> int:
    """How many instructions of the packet have one of these kinds of memory access."""
    return sum(i.form.unit.memory in kinds for i in packet)


def branches(packet: Sequence[Instruction]) -> list[int]:
    """Positions of the instructions that may change the program counter."""
    return [k for k, i in enumerate(packet) if i.form.flags & {"branch", "call", "return"}]


def allowed_slots(packet: Packet) -> tuple[list[frozenset[int]], str]:
    """The slots that each instruction may take in this company, and a sentence if one has none.

    A lone memory access must be in slot 0; two stores keep their order, the first in slot 1; some
    instructions forbid a store, or anything but 32-bit arithmetic, in slot 1.
    """
    instructions = packet.instructions
    may = [i.form.unit.slots for i in instructions]
    only0 = [slots == {0} for slots in may]
    if any("slot1alu" in i.form.flags for i in instructions):
        may = [s if i.form.unit.name == "ALU32" else s - {1} for s, i in zip(may, instructions, strict=True)]
    if any("noslot1store" in i.form.flags for i in instructions):
        may = [
            s - {1} if i.form.unit.memory in ("store", "vstore", "memop") else s
            for s, i in zip(may, instructions, strict=True)
        ]
    loads = count(instructions, *LOADS, "memop")
    stores = count(instructions, *STORES, "memop")
    memops = count(instructions, "memop")
    memory = loads + stores - memops + count(instructions, "newvalue")
    fixed_stores = sum(o for o, i in zip(only0, instructions, strict=True) if i.form.unit.memory in STORES)
    turn = {1}
    for k, instruction in enumerate(instructions):
        unit = instruction.form.unit
        if unit.memory in (*LOADS, "memop") and not unit.name.startswith("GATHER"):
            if loads == memory == 1 and not memops:
                may[k] &= {0}
            elif packet.ordered:
                if not turn:
                    return may, "Too many memory accesses to keep in order (:mem_noshuf)."
                may[k] &= turn
                turn = {0} if turn == {1} else set()
        if unit.memory in ("store", "vstore", "memop"):
            if not fixed_stores:
                others = any(o and instructions[j].form is not instruction.form for j, o in enumerate(only0))
                movable = loads == 0 or (not packet.ordered and not others)
                if stores == 1 and movable:
                    may[k] &= {0}
                elif not turn:
                    return may, f"{stores} stores in one packet; slots 1 and 0 take two."
                else:
                    may[k] &= turn
                    turn = {0} if turn == {1} else set()
            if memops and stores > 1:
                return may, "A store beside an instruction that changes memory in place; that one is alone."
    return may, ""


def place(packet: Packet) -> tuple[Placement | None, str]:
    """Slots and pipes for every instruction, or None and the sentence that says what is short."""
    instructions = packet.instructions
    may, fault = allowed_slots(packet)
    if fault:
        return None, fault
    blocked = frozenset[int]().union(*(i.form.unit.blocks for i in instructions))
    free = [s - blocked for s in may]
    jumps = branches(instructions)
    slots = _slots(free, jumps)
    if slots is None:
        return None, _short_of_slots(packet, free, jumps, blocked)
    ways = [i.form.unit.pipes for i in instructions]
    pipes = _pipes(ways)
    if pipes is None:
        return None, _short_of_pipes(instructions, ways)
    return Placement(slots, pipes), ""


def _slots(may: Sequence[frozenset[int]], jumps: Sequence[int]) -> tuple[int, ...] | None:
    """A slot for each, all different; of two branches the first in the higher slot."""

    def extend(chosen: tuple[int, ...]) -> tuple[int, ...] | None:
        if len(chosen) == len(may):
            return chosen
        k = len(chosen)
        for slot in sorted(may[k] - set(chosen), reverse=True):
            if k in jumps[1:] and slot > chosen[jumps[0]]:
                continue
            done = extend((*chosen, slot))
            if done is not None:
                return done
        return None

    return extend(())


def _pipes(ways: Sequence[tuple[frozenset[str], ...]]) -> tuple[frozenset[str], ...] | None:
    """Pipes for each vector instruction, no pipe held twice."""

    def extend(chosen: tuple[frozenset[str], ...]) -> tuple[frozenset[str], ...] | None:
        if len(chosen) == len(ways):
            return chosen
        busy = frozenset[str]().union(*chosen)
        for way in ways[len(chosen)] or (frozenset[str](),):
            if not way & busy:
                done = extend((*chosen, way))
                if done is not None:
                    return done
        return None

    return extend(())


def listed(items: Sequence[str]) -> str:
    """`a, b and c`."""
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}"


def _short_of_slots(
    packet: Packet, may: Sequence[frozenset[int]], jumps: Sequence[int], blocked: frozenset[int]
) -> str:
    """The smallest set of instructions that wants fewer slots than it has members (Hall's theorem)."""
    instructions = packet.instructions
    for size in range(1, len(instructions) + 1):
        for group in combinations(range(len(instructions)), size):
            union = frozenset[int]().union(*(may[k] for k in group))
            if len(union) < size:
                names = listed([f"`{instructions[k].text}`" for k in group])
                if not union:
                    why = (
                        f" while slot {listed([str(b) for b in sorted(blocked)])} stays empty"
                        if blocked
                        else ""
                    )
                    return f"{names} may go in no slot{why}."
                if len(union) == len(SLOTS):
                    return f"{size} instructions do not fit the 4 slots."
                where = f"slot{'s' * (len(union) > 1)} {listed([str(s) for s in sorted(union)])}"
                verb = "needs" if size == 1 else f"are {size} instructions for"
                return f"{names} {verb} {where} only."
    names = listed([f"`{instructions[k].text}`" for k in jumps])
    return f"{names}: the first branch must be in a higher slot than the second, and cannot be."


def _short_of_pipes(instructions: Sequence[Instruction], ways: Sequence[tuple[frozenset[str], ...]]) -> str:
    """The smallest set of vector instructions that the four pipes cannot serve together."""
    busy = [k for k, way in enumerate(ways) if way]
    for size in range(1, len(busy) + 1):
        for group in combinations(busy, size):
            if _pipes([ways[k] for k in group]) is None:
                wants = listed(
                    [
                        f"`{instructions[k].text}` ({' or '.join('+'.join(sorted(w)) for w in ways[k])})"
                        if len(ways[k]) < len(PIPES)
                        else f"`{instructions[k].text}` (any pipe)"
                        for k in group
                    ]
                )
                return f"The vector pipes do not suffice for {wants}."
    raise AssertionError("every group fits, yet the packet does not")
