r"""Which instructions does a program put into one packet? Assembler text to packets.

`{ r0=add(r1,r2) \n v0.cur=vmem(r3++#1) }:endloop0` is a packet of two instructions that ends a hardware loop.
Instructions stand on lines of their own or between semicolons; `//`, or `#` at the start of a line, begins a
comment; a line outside braces is a packet of one; `.L:` names the packet after it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from edgelib.isa.hexagon_syntax import Instruction, SyntaxFault, parse_instruction


@dataclass(frozen=True)
class Packet:
    """Instructions that execute together.

    loops : which hardware loops end here, a subset of {0, 1}.   ordered : `:mem_noshuf` is set.
    """

    instructions: tuple[Instruction, ...]
    loops: frozenset[int] = frozenset()
    ordered: bool = False
    labels: tuple[str, ...] = field(default=(), compare=False)

    @property
    def words(self) -> int:
        """32-bit words: one an instruction, one more a constant extender."""
        return len(self.instructions) + sum(i.extended for i in self.instructions)


def split_packets(asm: str) -> Iterator[tuple[list[str], str, tuple[str, ...]]]:
    """(instruction texts, text after the brace, labels before) of each packet of a program.

    Raises
    ------
    SyntaxFault : braces that do not match.
    """
    text = re.sub(r"/\*.*?\*/", " ", asm, flags=re.S)
    text = "\n".join(re.split(r"//|^\s*#", line)[0] for line in text.splitlines())
    text = re.sub(r"}((?:\s*:\s*\w+)*)", lambda m: "\n}" + re.sub(r"\s", "", m[1]) + "\n", text)
    inside, lines, labels = False, list[str](), list[str]()
    for line in re.split(r"[\n;]", text.replace("{", "\n{\n")):
        line = line.strip()
        label = re.fullmatch(r"([\w.$]+):", line)
        if label:
            labels.append(label[1])
        elif line == "{":
            if inside:
                raise SyntaxFault("A packet opens inside a packet: a } is missing.")
            inside, lines = True, []
        elif line.startswith("}"):
            if not inside:
                raise SyntaxFault("A } closes a packet that was never opened.")
            inside = False
            yield lines, line[1:].strip().lower(), tuple(labels)
            labels = []
        elif line and inside:
            lines.append(line)
        elif line.startswith(":"):
            raise SyntaxFault(f"`{line}` stands alone; it belongs behind the }} of a loop's last packet.")
        elif line:
            yield [line], "", tuple(labels)
            labels = []
    if inside:
        raise SyntaxFault("A packet is not closed: a } is missing.")


def parse_packets(asm: str) -> tuple[Packet, ...]:
    """Every packet of a program, its labels attached to the packet that follows them."""
    packets = []
    for lines, tail, labels in split_packets(asm):
        marks = [mark for mark in tail.replace(" ", "").split(":") if mark]
        loops: set[int] = set()
        for mark in marks:
            loops |= {"endloop0": {0}, "endloop1": {1}, "endloop01": {0, 1}}.get(mark, set())
            if mark not in ("endloop0", "endloop1", "endloop01", "mem_noshuf", "mem_shuf"):
                raise SyntaxFault(f"`:{mark}` cannot end a packet; :endloop0, :endloop1, :mem_noshuf can.")
        instructions = tuple(parse_instruction(line) for line in lines)
        packets.append(Packet(instructions, frozenset(loops), "mem_noshuf" in marks, labels))
    return tuple(packets)
