"""Which core executes which of these instructions? By architecture version (what must be there) and by core.

Versions: GNU assembler manual, "AArch64 Extensions" (minimum version, enabled by default from), high.
Cores: LLVM, lib/Target/AArch64/AArch64Processors.td (ProcessorFeatures), read in 2026, medium; GCC 12's table
of cores says the same of every core that it knows (tested).
"""

from __future__ import annotations

from typing import NamedTuple

from edgelib.explore import Choice, Toggle, explorable
from edgelib.explore.scene import Axis, Cell, Mark, Scene

VERSIONS = ("8.0", "8.1", "8.2", "8.4", "8.6", "9.0", "9.2")


class Feature(NamedTuple):
    """An extension: its instructions, the version that first allows it, and those that require it."""

    instructions: str
    may: str
    must: str  # of Armv8; "" where no Armv8 version requires it
    must9: str  # of Armv9


FEATURES = {
    "base": Feature("FMLA .4s and .2d, MLA, TBL", "8.0", "8.0", "9.0"),
    "lse": Feature("LDADD, SWP, CAS", "8.0", "8.1", "9.0"),
    "fp16": Feature("FMLA .8h", "8.2", "", "9.0"),
    "dotprod": Feature("SDOT, UDOT", "8.2", "8.4", "9.0"),
    "fp16fml": Feature("FMLAL, FMLAL2", "8.2", "", "9.0"),
    "i8mm": Feature("SMMLA, USDOT", "8.2", "8.6", "9.2"),
    "bf16": Feature("BFDOT, BFMMLA", "8.2", "8.6", "9.2"),
}
ROWS = {
    "fp32, fp64, int": "base",
    "atomics": "lse",
    "fp16": "fp16",
    "int8 dot": "dotprod",
    "fp16 into fp32": "fp16fml",
    "int8 matrix": "i8mm",
    "bf16": "bf16",
}

_DOT = frozenset({"base", "lse", "fp16", "dotprod"})
_ALL = frozenset(FEATURES)
CORES: dict[str, tuple[str, frozenset[str]]] = {  # version, extensions
    "A53": ("8.0", frozenset({"base"})),
    "A72": ("8.0", frozenset({"base"})),
    "A55": ("8.2", _DOT),
    "A76": ("8.2", _DOT),
    "A77": ("8.2", _DOT),
    "A78": ("8.2", _DOT),
    "X1": ("8.2", _DOT),
    "A510": ("9.0", _ALL),
    "A710": ("9.0", _ALL),
    "X2": ("9.0", _ALL),
    "A715": ("9.0", _ALL),
    "X3": ("9.0", _ALL),
    "A520": ("9.2", _ALL),
    "A720": ("9.2", _ALL),
    "X4": ("9.2", _ALL),
    "M1": ("8.4", _DOT | {"fp16fml"}),
    "M2": ("8.6", _ALL),
}
SHOWN = ("A53", "A55", "A76", "A78", "X1", "A510", "A710", "X2", "X4", "M1", "M2")


def required(feature: str, version: str) -> str:
    """What version X of the architecture says of an extension: "must", "may" or "no"."""
    entry = FEATURES[feature]
    must = entry.must9 if version >= "9" else entry.must
    if must and version >= must:
        return "must"
    return "may" if version >= entry.may else "no"


@explorable(
    "dtype-support",
    label="Which cores execute which data types?",
    hint="Go from Armv8.2 to 8.6: what was allowed becomes required. But a core's version alone does not "
    "tell: compare A78 and A510, and ask the chip before you use SMMLA.",
    version=Choice({f"Armv{v}": v for v in VERSIONS}, default="8.2", label="Architecture"),
    row=Choice(list(ROWS), default="int8 matrix", label="Data type"),
    older=Toggle(default=False, label="Only cores of this version or older"),
)
def dtype_support(version: str, row: str, older: bool) -> Scene:
    """Matrix of data types and cores, with what the chosen version of the architecture demands."""
    names = tuple(reversed(ROWS))
    marks: list[Mark] = []
    for y, name in enumerate(names):
        feature, chosen = ROWS[name], name == row
        rule = required(feature, version)
        role = {"must": "weights", "may": "kv", "no": "idle"}[rule]
        marks.append(Cell(x=0, y=y, text=rule, role=role, opacity=0.65 if rule != "no" else 0.15, width=0.96))
        for x, core in enumerate(SHOWN, start=1):
            made_for, has = CORES[core]
            if older and made_for > version:
                continue
            there = feature in has
            role = (
                "highlight" if chosen and there else "activations" if there else "error" if chosen else "idle"
            )
            marks.append(
                Cell(
                    x=x,
                    y=y,
                    text="yes" if there else "no",
                    role=role,
                    opacity=(0.85 if chosen else 0.5) if there else (0.5 if chosen else 0.12),
                    width=0.96,
                    term=f"{core}, Armv{made_for}-A: {FEATURES[feature].instructions}",
                )
            )
    feature = ROWS[row]
    rule = {"must": "requires", "may": "allows", "no": "does not know"}[required(feature, version)]
    without = [core for core in SHOWN if feature not in CORES[core][1]]
    readout = (
        f"{row} ({FEATURES[feature].instructions}): Armv{version}-A {rule} it. "
        f"Cores without it: {', '.join(without) or 'none of these'}."
    )
    return Scene(
        title="The Cortex-A78 has SDOT and FP16, but neither SMMLA nor BF16",
        x=Axis(label="Core (Cortex A and X, Apple M)", categories=("rule", *SHOWN)),
        y=Axis(label="Data type", categories=names),
        marks=marks,
        readout=readout,
        alt=f"Support of seven data types in {len(SHOWN)} cores. {readout}",
        table=[
            ("core", "version", *ROWS),
            *(
                (core, f"Armv{made}-A", *("yes" if f in has else "no" for f in ROWS.values()))
                for core, (made, has) in CORES.items()
            ),
        ],
    )
