r"""Which instructions does Hexagon V68 have, and where may each one run? A table, one row a family of forms.

`edgelib/data/hexagon_instructions.csv` writes instructions as Qualcomm's manuals do: `Rd=add(Rs,#s16^)`.

| token | operand |
| --- | --- |
| `R V P Q M C G S` | scalar, vector, predicate, vector predicate, modifier, control, guest, system register |
| `Rdd Vdd Vdddd` | two or four registers, `r1:0`, `v1:0`, `v3:0` |
| `d e` | written; `x y` read and written; every other letter read |
| `Rd16 Rt8 Rdd8` | only r0-r7, r16-r23; only r0-r7; only r1:0-r7:6, r17:16-r23:22 |
| `Nt.new Os.new` | a scalar or a vector that another instruction of the packet makes |
| `#s11:2` | signed, 11 bits, in steps of $2^2$; `#u6` unsigned; `#m8` -255..255 |
| `#s16^` | may grow to 32 bits with a constant extender, `#u6!` always has one; `@r15:2^` a label |
| `{a/b}` | either; `<b/h>` either, and `~` repeats the choice |

`hexagon_classes.csv` says for each class which of the slots 0-3 issue it and which vector pipes it holds.
Source: the tables that Qualcomm contributes to LLVM (14.0.6, lib/Target/Hexagon), which name slots and pipes
per instruction; Qualcomm, "HVX Quick Reference", 80-N2040-35, for the vector classes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from edgelib.data import table

PIPES = ("MPY0", "MPY1", "SHIFT", "PERMUTE")  # the four vector pipes of one HVX context
SLOTS = (0, 1, 2, 3)


@dataclass(frozen=True)
class UnitClass:
    """Instructions that share their resources.

    slots : which may issue it.   blocks : slots that then stay empty.
    pipes : ways to run it, each a set of vector pipes held together; empty: none needed.
    memory : "", load, store, memop, system, newvalue, vload, vstore or zload.
    """

    name: str
    family: str
    slots: frozenset[int]
    blocks: frozenset[int]
    pipes: tuple[frozenset[str], ...]
    memory: str
    meaning: str
    source: str
    confidence: str


@dataclass(frozen=True)
class Token:
    """One operand in a form: its letters as printed, register class and width, or a range of numbers.

    kind : R V P Q M C G S for registers, # for a number, @ for a label.
    count : registers together (1, 2, 4).   bits, scale, signed, extend : of a number; extend is "", ^ or !.
    """

    name: str
    kind: str
    count: int = 1
    subset: int = 0
    fixed: str = ""
    bits: int = 0
    scale: int = 0
    signed: str = ""
    extend: str = ""

    @property
    def written(self) -> bool:
        """Whether the instruction writes this register."""
        return self.kind not in "#@" and not self.fixed and self.name[1] in "dexy"

    @property
    def read(self) -> bool:
        """Whether it reads it."""
        return self.kind not in "#@" and (bool(self.fixed) or self.name[1] not in "de")

    def range(self) -> tuple[int, int]:
        """Smallest and largest number, both multiples of 2**scale."""
        if self.signed == "m":
            return -((1 << self.bits) - 1), (1 << self.bits) - 1
        if self.signed == "s":
            return -(1 << (self.bits - 1)) << self.scale, ((1 << (self.bits - 1)) - 1) << self.scale
        return 0, ((1 << self.bits) - 1) << self.scale


@dataclass(frozen=True)
class Form:
    """One way to write one instruction.

    syntax : as in the table, alternatives chosen.   shape : the syntax without names and numbers, the key by
    which an instruction finds its form.   flags : see `hexagon_syntax`.
    """

    syntax: str
    unit: UnitClass
    flags: frozenset[str]
    tokens: tuple[Token, ...]
    shape: str


_OPERAND = re.compile(
    r"#(?P<sign>[sum])(?P<bits>\d+)(?::(?P<scale>\d))?(?P<extend>[\^!]?)"
    r"|@r(?P<label>\d+):\d(?P<labelx>\^?)"
    r"|#(?P<literal>-?\d+)"
    r"|\b(?P<register>(?P<kind>[RVPQMCGSNO])(?P<letters>(?P<one>[a-z])(?P=one)*)(?P<subset>16|8)?)(?![\w(])"
    r"|\b(?P<fixed>r29|r31|p[013])\b"
)


def _token(match: re.Match[str]) -> Token:
    part = match.groupdict()
    if part["bits"]:
        bits, scale = int(part["bits"]), int(part["scale"] or 0)
        return Token(match[0], "#", bits=bits, scale=scale, signed=part["sign"], extend=part["extend"])
    if part["label"]:
        return Token(match[0], "@", extend=part["labelx"])
    if part["literal"]:
        return Token(match[0], "#", fixed=part["literal"])
    if part["fixed"]:
        return Token(match[0], part["fixed"][0].upper(), fixed=part["fixed"])
    kind = {"N": "R", "O": "V"}.get(part["kind"], part["kind"])
    return Token(part["register"], kind, count=len(part["letters"]), subset=int(part["subset"] or 0))


def _shape(match: re.Match[str]) -> str:
    token = _token(match)
    return token.kind * (token.count if token.kind not in "#@" else 1)


def expand(syntax: str) -> Iterator[str]:
    """Every form that a row stands for: `{a/b}` chosen freely, `~` as `<a/b>` was chosen."""
    same = re.search(r"<([a-z0-9]+(?:/[a-z0-9]+)+)>", syntax)
    if same:
        for choice in same[1].split("/"):
            yield from expand(syntax.replace(same[0], choice, 1).replace("~", choice))
        return
    free = re.search(r"\{([^{}]*)\}", syntax)
    if free:
        for choice in free[1].split("/"):
            yield from expand(syntax[: free.start()] + choice + syntax[free.end() :])
        return
    yield syntax


@cache
def unit_classes() -> dict[str, UnitClass]:
    """Every class of instructions, by name."""
    return {
        row["class"]: UnitClass(
            name=row["class"],
            family=row["family"],
            slots=frozenset(map(int, row["slots"])),
            blocks=frozenset(map(int, row["blocks"])),
            pipes=tuple(frozenset(way.split("+")) for way in row["pipes"].split("/") if way),
            memory=row["memory"],
            meaning=row["meaning"],
            source=row["source"],
            confidence=row["confidence"],
        )
        for row in table("hexagon_classes")
    }


@cache
def forms() -> tuple[Form, ...]:
    """Every form of the table, in its order."""
    found = []
    for row in table("hexagon_instructions"):
        unit, flags = unit_classes()[row["class"]], frozenset(row["flags"].split())
        for syntax in expand(row["syntax"]):
            tokens = tuple(_token(m) for m in _OPERAND.finditer(syntax))
            shape = _OPERAND.sub(_shape, syntax).replace(" ", "").replace("++I:", "++i:")
            found.append(Form(syntax, unit, flags, tokens, shape))
    return tuple(found)


@cache
def by_shape(duplex: bool = False) -> dict[str, tuple[Form, ...]]:
    """The forms of each shape; with `duplex`, the half-word forms instead of the whole ones."""
    shapes: dict[str, tuple[Form, ...]] = {}
    for form in forms():
        if (form.unit.family == "duplex") == duplex:
            shapes[form.shape] = (*shapes.get(form.shape, ()), form)
    return shapes


@cache
def mnemonics() -> dict[str, tuple[Form, ...]]:
    """The forms of each name: `vmem`, `vcmp.gt`, `jump`, or `=` for a plain transfer."""
    names: dict[str, tuple[Form, ...]] = {}
    for form in forms():
        if form.unit.family != "duplex":
            name = mnemonic(form.syntax)
            names[name] = (*names.get(name, ()), form)
    return names


def mnemonic(text: str) -> str:
    """The name of an instruction: its first word that is neither `if` nor a register; "=" for a transfer."""
    body = re.sub(r"^\s*if\s*\(\s*!?[PQpq][^)]*\)", "", text)
    for word in re.findall(r"(?<![.:\w])(?:[a-z_]+\d*[a-z_][\w.]*|any8|all8)(?!\s*[.=]|\w)", body):
        if word not in ("if", "lr", "sp", "fp"):
            return str(word)
    return "="
