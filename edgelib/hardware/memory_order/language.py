"""How is a program of a few loads and stores written down? A small subset of A64, one line per thread.

Threads are separated by `|`, instructions by `;`. Locations are names (x, y), registers r0, r1, ...

| written | means |
| --- | --- |
| `LDR r0, x`, `LDAR r0, x`, `LDAPR r0, x` | load; with acquire; with the weaker acquire of Armv8.3 (RCpc) |
| `STR 1, x`, `STLR 1, x` | store; with release |
| `STR r0, x`, `STR 1{r0}, x` | the value comes from r0; the value is 1, computed from r0: a data dependency |
| `LDR r1, x[r0]`, `STR 1, x[r0]` | the address is computed from r0: an address dependency |
| `CBNZ r0` | a branch on r0 to the next line: all that follows depends on it by control |
| `DMB ISH`, `DMB ISHLD`, `DMB ISHST` | barrier: all; loads before, all after; stores before and after |
| `DSB SY`, `ISB` | orders as DMB does; refetches what follows |
| `SWP r0, 1, x`, `LDADD r0, 1, x` | x becomes 1, x grows by 1; r0 is the old value; suffix A, L or AL |
| `CAS r0, 0, 1, x` | x becomes 1 if it is 0; r0 is the old value; suffix A, L or AL |

A register `xzr` throws the old value away; the read then orders nothing, as on Arm.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

BARRIERS = {
    "DMB ISH": "full",
    "DMB SY": "full",
    "DMB ISHLD": "ld",
    "DMB LD": "ld",
    "DMB ISHST": "st",
    "DMB ST": "st",
    "DSB SY": "full",
    "DSB ISH": "full",
    "DSB LD": "ld",
    "DSB ST": "st",
    "ISB": "isb",
}
_REGISTER = r"r\d+"
_PLACE = re.compile(rf"(?P<place>[a-z]\w*?)(?:\[(?P<address>{_REGISTER})\])?$")
_VALUE = re.compile(rf"(?:(?P<register>{_REGISTER})|(?P<number>\d+)(?:\{{(?P<data>{_REGISTER})\}})?)$")
_ATOMIC = re.compile(r"(?P<op>SWP|LDADD|CAS)(?P<order>A|L|AL)?$")
_KINDS = "LDR, LDAR, LDAPR, STR, STLR, SWP, LDADD, CAS, CBNZ, ISB, " + ", ".join(
    name for name in BARRIERS if " " in name
)


@dataclass(frozen=True)
class Instruction:
    """One line.

    kind : "load", "store", "swp", "ldadd", "cas", "barrier" or "branch".   text : as written.
    place : location.   register : destination, or the register that a branch tests.
    value : what is stored or added: a number, or the name of a register.   expected : of a CAS.
    acquire : "", "A" or "Q" (the weak one).   release : bool.   barrier : "full", "ld", "st" or "isb".
    address, data : registers that the address and the value are computed from.
    """

    kind: str
    text: str
    place: str = ""
    register: str = ""
    value: int | str = 0
    expected: int = 0
    acquire: str = ""
    release: bool = False
    barrier: str = ""
    address: str = ""
    data: str = ""


@dataclass(frozen=True)
class Program:
    """threads : instructions of each thread.   start : values in memory at the start, 0 if left out."""

    threads: tuple[tuple[Instruction, ...], ...]
    start: Mapping[str, int] = field(default_factory=dict)

    @property
    def places(self) -> tuple[str, ...]:
        """The locations, in order of their names."""
        used = {i.place for thread in self.threads for i in thread if i.place}
        return tuple(sorted(used | set(self.start)))

    def __str__(self) -> str:
        return " | ".join("; ".join(i.text for i in thread) for thread in self.threads)


def parse(text: str, start: Mapping[str, int] | None = None) -> Program:
    """The program that `text` describes: `parse("STR 1, x; STR 1, y | LDR r0, y; LDR r1, x")`.

    Raises
    ------
    ValueError : an instruction that is not in the table above, or a register read before it was loaded.
    """
    threads = []
    for number, line in enumerate(text.split("|")):
        thread = tuple(_instruction(part.strip()) for part in line.split(";") if part.strip())
        loaded: set[str] = set()
        for i in thread:
            source = {i.address, i.data, i.value if isinstance(i.value, str) else ""}
            unknown = (source | {i.register if i.kind == "branch" else ""}) - loaded - {""}
            if unknown:
                raise ValueError(f"thread {number}, {i.text!r}: {min(unknown)} is read before it is loaded")
            if i.kind != "branch" and i.register:
                if i.register in loaded:
                    raise ValueError(f"thread {number}, {i.text!r}: {i.register} is loaded twice")
                loaded.add(i.register)
        threads.append(thread)
    return Program(tuple(threads), dict(start or {}))


def _instruction(text: str) -> Instruction:
    if " ".join(text.split()) in BARRIERS:
        return Instruction("barrier", text, barrier=BARRIERS[" ".join(text.split())])
    name, _, rest = text.partition(" ")
    operands = [part.strip() for part in rest.split(",")]
    try:
        return _memory(text, name, operands)
    except (ValueError, TypeError):
        raise ValueError(f"instruction {text!r} is unknown; accepted: {_KINDS}") from None


def _memory(text: str, name: str, operands: list[str]) -> Instruction:
    """A load, store, atomic or branch; ValueError or TypeError for whatever does not match."""
    if name == "CBNZ":
        (register,) = operands
        return Instruction("branch", text, register=_register(register))
    if name in ("LDR", "LDAR", "LDAPR"):
        register, where = operands
        order = {"LDR": "", "LDAR": "A", "LDAPR": "Q"}[name]
        found = _place(where)
        return Instruction(
            "load", text, found["place"], _register(register), acquire=order, address=found["address"]
        )
    if name in ("STR", "STLR"):
        value, where = operands
        return Instruction("store", text, release=name == "STLR", **_value(value), **_place(where))  # type: ignore[arg-type]
    atomic = _ATOMIC.match(name)
    if not atomic:
        raise ValueError
    register, *middle, value, where = operands
    order = atomic["order"] or ""
    kind = atomic["op"].lower()
    if len(middle) != (kind == "cas"):
        raise ValueError
    kept = "" if register == "xzr" else _register(register)
    return Instruction(
        kind,
        text,
        register=kept,
        expected=int(middle[0]) if middle else 0,
        acquire="A" if "A" in order and kept else "",  # without a destination there is no acquire
        release="L" in order,
        **_value(value),  # type: ignore[arg-type]
        **_place(where),
    )


def _register(text: str) -> str:
    if not re.fullmatch(_REGISTER, text):
        raise ValueError
    return text


def _place(text: str) -> dict[str, str]:
    found = _PLACE.match(text)
    if not found or re.fullmatch(_REGISTER, found["place"]):
        raise ValueError
    return {"place": found["place"], "address": found["address"] or ""}


def _value(text: str) -> dict[str, int | str]:
    found = _VALUE.match(text)
    if not found:
        raise ValueError
    if found["register"]:
        return {"value": found["register"], "data": found["register"]}
    return {"value": int(found["number"]), "data": found["data"] or ""}
