r"""How does a compiler fill the packets? A list scheduler, and the shortest schedule of a short program.

The program is a list of instructions to be executed one after the other. In a packet all registers are read
before any is written, so an instruction may share a packet with one whose old operand it overwrites, and may
not share one with the producer of its operand, unless that hands the value on (`.new`, `.cur`).
IPC is instructions over packets; one packet a cycle is the most a thread reaches.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from edgelib.errors import integer
from edgelib.hardware.vliw.rules import Verdict, check
from edgelib.hardware.vliw.slots import branches
from edgelib.isa.hexagon_packets import Packet
from edgelib.isa.hexagon_syntax import Instruction, SyntaxFault, parse_instruction

_TOUCHES = ("load", "vload", "zload", "memop")
_CHANGES = ("store", "vstore", "memop", "system")


@dataclass(frozen=True)
class Schedule:
    """packets : instructions by packet, as they are written there.   order : their places in the program."""

    packets: tuple[tuple[str, ...], ...]
    order: tuple[tuple[int, ...], ...]
    verdicts: tuple[Verdict, ...]

    @property
    def instructions(self) -> int:
        """How many there are."""
        return sum(map(len, self.packets))

    @property
    def ipc(self) -> float:
        """Instructions per packet."""
        return self.instructions / len(self.packets)

    @property
    def asm(self) -> str:
        """The schedule as assembler text."""
        return "\n".join("{ " + "\n  ".join(packet) + " }" for packet in self.packets)


def dependences(program: Sequence[Instruction]) -> dict[tuple[int, int], str]:
    """Why instruction j must not overtake i: "after" (a later packet) or "with" (the same one will do)."""
    found = {}
    for j, late in enumerate(program):
        for i, early in enumerate(program[:j]):
            reads, condition = set(late.reads), late.condition
            if condition:
                reads.add(condition[0])
            kinds = early.form.unit.memory, late.form.unit.memory
            after = (
                reads & set(early.writes)
                or (set(early.writes) & set(late.writes) and not _opposite(early, late))
                or branches([early])
                or (kinds[0] in _CHANGES and kinds[1] in _TOUCHES)
            )
            asked = {early.condition[0]} if early.condition else set[str]()
            beside = (
                (set(early.reads) | asked) & set(late.writes)
                or branches([late])
                or (kinds[1] in _CHANGES and kinds[0] in (*_TOUCHES, *_CHANGES))
            )
            if after or beside:
                found[i, j] = "after" if after else "with"
    return found


def _opposite(one: Instruction, other: Instruction) -> bool:
    a, b = one.condition, other.condition
    return bool(a and b and a[0] == b[0] and a[1] != b[1] and a[2] == b[2])


def pack(program: Iterable[str], forward: bool = False) -> Schedule:
    """Fill packet after packet, each time with the instruction that most others wait for.

    forward : let a packet hand values on, as `memw(r0)=r5.new`, `if (p0.new)`, `v0.cur=vmem(...)`.
    Never more packets than instructions.

    Raises
    ------
    ValueError : no instruction, or one that is no legal packet by itself.
    """
    texts, parsed = _read(program)
    needs = dependences(parsed)
    height = _heights(len(parsed), needs)
    done: set[int] = set()
    packets: list[dict[int, str]] = []
    while len(done) < len(parsed):
        here: dict[int, str] = {}
        for k in sorted(set(range(len(parsed))) - done, key=lambda k: (-height[k], k)):
            before = {i: why for (i, j), why in needs.items() if j == k and i not in done}
            if not set(before) <= set(here):
                continue
            for attempt in _attempts(k, here, texts, parsed, before, forward):
                if _check(attempt).legal:
                    here = attempt
                    break
        packets.append(here)
        done |= here.keys()
    return _schedule(packets)


def _attempts(
    k: int,
    here: dict[int, str],
    texts: Sequence[str],
    parsed: Sequence[Instruction],
    before: dict[int, str],
    forward: bool,
) -> list[dict[int, str]]:
    """The packet with instruction k added, as it is or with its operands handed on."""
    makers = [i for i, why in before.items() if why == "after"]
    plain = {**here, k: texts[k]}
    if not makers:
        return [plain]
    if not forward or len(makers) > 1:
        return []
    maker = makers[0]
    handed = set(parsed[maker].writes) & (set(parsed[k].reads) | {(parsed[k].condition or ("",))[0]})
    if len(handed) != 1 or set(parsed[maker].writes) & set(parsed[k].writes) or branches([parsed[maker]]):
        return []
    register = handed.pop()
    if parsed[maker].form.unit.memory == "vload" and register[0] == "v":
        others = [i for i in here if i != maker and register in parsed[i].reads]
        current = re.sub(rf"^(if\s*\([^)]*\)\s*)?{register}\s*=", rf"\g<1>{register}.cur=", here[maker])
        return [] if others else [{**plain, maker: current}]
    if register[0] == "p":
        return [{**plain, k: re.sub(rf"\b{register}\)", f"{register}.new)", texts[k], count=1)}]
    store = re.sub(rf"=\s*{register}\s*$", f"={register}.new", texts[k])
    return [{**plain, k: store}] if store != texts[k] and parsed[k].reads.count(register) == 1 else []


def _read(program: Iterable[str]) -> tuple[list[str], list[Instruction]]:
    texts = list(program)
    try:
        parsed = [parse_instruction(text) for text in texts]
    except SyntaxFault as fault:
        raise ValueError(f"program: {fault}") from None
    if not parsed:
        raise ValueError("program is empty: expected at least one instruction")
    for text, instruction in zip(texts, parsed, strict=True):
        verdict = check(Packet((instruction,)))
        if not verdict.legal:
            raise ValueError(f"program: `{text}` is no packet by itself: {verdict.reasons[0]}")
    return texts, parsed


def _heights(size: int, needs: dict[tuple[int, int], str]) -> list[int]:
    """Packets that must follow an instruction: the longest way to the end."""
    height = [0] * size
    for i in reversed(range(size)):
        for (early, late), why in needs.items():
            if early == i:
                height[i] = max(height[i], height[late] + (why == "after"))
    return height


def _check(packet: dict[int, str]) -> Verdict:
    try:
        return check(Packet(tuple(parse_instruction(packet[k]) for k in sorted(packet))))
    except SyntaxFault as fault:
        return Verdict(False, (str(fault),))


def _schedule(packets: Sequence[dict[int, str]]) -> Schedule:
    order = tuple(tuple(sorted(packet)) for packet in packets)
    texts = tuple(tuple(packet[k] for k in sorted(packet)) for packet in packets)
    return Schedule(texts, order, tuple(_check(packet) for packet in packets))


def shortest(program: Iterable[str], most: int = 10) -> int:
    """Fewest packets of any schedule without hand-on, by trying all: at most `most` instructions."""
    texts, parsed = _read(program)
    if len(parsed) > integer("most", most, 1):
        raise ValueError(f"program has {len(parsed)} instructions: expected at most {most}")
    needs = dependences(parsed)
    everything = frozenset(range(len(parsed)))
    reached, steps = {frozenset[int]()}, 0
    while everything not in reached:
        steps += 1
        following = set()
        for done in reached:
            for chosen in _legal_sets(done, texts, needs):
                following.add(done | chosen)
        reached = following
    return steps


def _legal_sets(
    done: frozenset[int], texts: Sequence[str], needs: dict[tuple[int, int], str]
) -> set[frozenset[int]]:
    """Every legal packet that may come next."""
    found, grow = set[frozenset[int]](), [frozenset[int]()]
    while grow:
        here = grow.pop()
        for k in set(range(len(texts))) - done - here:
            before = {i: why for (i, j), why in needs.items() if j == k and i not in done}
            larger = here | {k}
            if larger in found or any(i not in here or why == "after" for i, why in before.items()):
                continue
            if _check({i: texts[i] for i in larger}).legal:
                found.add(larger)
                grow.append(larger)
    return found
