"""What are the classic questions? Litmus tests by name, each with the outcome that it asks about.

Names as in Alglave, Maranget and Tautschnig, Herding Cats, TOPLAS 2014: MP is message passing, SB store
buffering, LB load buffering, WRC write-to-read causality, IRIW independent reads of independent writes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from edgelib.errors import choice
from edgelib.hardware.memory_order.executions import Outcome
from edgelib.hardware.memory_order.language import Program, parse


@dataclass(frozen=True)
class Shape:
    """A program and the outcome in question, as a part of `Outcome`."""

    name: str
    question: str
    text: str
    asked: Mapping[str, int]

    @property
    def program(self) -> Program:
        """The program, without barriers."""
        return parse(self.text)

    def seen(self, outcomes: frozenset[Outcome]) -> bool:
        """Is the outcome in question among these?"""
        return any(self.asked.items() <= dict(outcome).items() for outcome in outcomes)


def _shapes(*rows: tuple[str, str, str, dict[str, int]]) -> Mapping[str, Shape]:
    return MappingProxyType({row[0]: Shape(*row) for row in rows})


SHAPES = _shapes(
    (
        "MP",
        "The flag is up: may the data be old?",
        "STR 1, x; STR 1, y | LDR r0, y; LDR r1, x",
        {"1:r0": 1, "1:r1": 0},
    ),
    (
        "SB",
        "May both miss what the other wrote?",
        "STR 1, x; LDR r0, y | STR 1, y; LDR r0, x",
        {"0:r0": 0, "1:r0": 0},
    ),
    (
        "LB",
        "May both see what the other wrote later?",
        "LDR r0, x; STR 1, y | LDR r0, y; STR 1, x",
        {"0:r0": 1, "1:r0": 1},
    ),
    ("S", "May a store be overtaken?", "STR 2, x; STR 1, y | LDR r0, y; STR 1, x", {"1:r0": 1, "[x]": 2}),
    (
        "R",
        "May a load pass the last store?",
        "STR 1, x; STR 1, y | STR 2, y; LDR r0, x",
        {"1:r0": 0, "[y]": 2},
    ),
    ("2+2W", "May both lose?", "STR 2, x; STR 1, y | STR 2, y; STR 1, x", {"[x]": 2, "[y]": 2}),
    (
        "WRC",
        "Does news travel on?",
        "STR 1, x | LDR r0, x; STR 1, y | LDR r0, y; LDR r1, x",
        {"1:r0": 1, "2:r0": 1, "2:r1": 0},
    ),
    (
        "IRIW",
        "May two readers disagree on the order?",
        "STR 1, x | LDR r0, x; LDR r1, y | STR 1, y | LDR r0, y; LDR r1, x",
        {"1:r0": 1, "1:r1": 0, "3:r0": 1, "3:r1": 0},
    ),
    ("CoRR", "May a value grow old again?", "STR 1, x | LDR r0, x; LDR r1, x", {"1:r0": 1, "1:r1": 0}),
)


def shape(name: str) -> Shape:
    """The shape of this name; UnknownName if there is none."""
    return SHAPES[choice("shape", name, SHAPES)]
