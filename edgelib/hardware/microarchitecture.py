"""What is inside a CPU core, who says so, and what peak follows? Widths, pipes, latencies and caches by core.

One row of `data/microarchitecture.csv` per figure, with its source. A figure that is not there was not found
published: asking for it raises `UnknownFigure`, and nothing is guessed. Two kinds of rows stand there:

- cores by name (`cortex-a78`, `cortex-x1` ... `cortex-x4`), as the maker and public tables describe them;
- timing models: `neoverse-n1`, `apple-m1`, ... are the scheduling models that llvm-mca 19 uses, and
  `neoverse-n1-guide`, `neoverse-n2-guide` follow Arm's own guides where the two differ.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from edgelib.data import Figure, table
from edgelib.errors import Number, UnknownFigure, choice, positive

# Multiply-accumulates of one 128-bit instruction (Arm Architecture Reference Manual, DDI 0487).
MACS = {"fmla": 4, "fmla8h": 8, "mla": 4, "sdot": 16, "smmla": 32, "bfmmla": 16}
# Extension that an instruction needs, beyond Armv8.0-A.
NEEDS = {"fmla8h": "fp16", "sdot": "dotprod", "smmla": "i8mm", "bfmmla": "bf16"}

_SI = {"KiB": ("B", 2**10), "MiB": ("B", 2**20), "GHz": ("Hz", 10**9)}


@cache
def _rows() -> dict[str, dict[str, dict[str, str]]]:
    cores: dict[str, dict[str, dict[str, str]]] = {}
    for row in table("microarchitecture"):
        cores.setdefault(row["core"], {})[row["figure"]] = row
    return cores


def core_names() -> tuple[str, ...]:
    """Names of all cores and timing models in the catalogue."""
    return tuple(_rows())


def _row(core: str, name: str) -> dict[str, str]:
    known = _rows()[choice("core", core, _rows())]
    if name not in known:
        near = ", ".join(key for key in known if key.split(".")[0] == name.split(".")[0])
        raise UnknownFigure(
            f"{name} of {core} is unpublished; known: {near or ', '.join(sorted(known))}",
        )
    return known[name]


def has(core: str, name: str) -> bool:
    """Whether a figure of a core is known."""
    return name in _rows()[choice("core", core, _rows())]


def figure(core: str, name: str) -> Figure:
    """One figure of a core in SI units (B, Hz; counts and cycles as they are), with its source.

    name : "decode_width", "dispatch_width", "rob", "mop_cache", "simd_pipes", "loads_per_cycle",
        "stores_per_cycle", "l1d_min", "l1d_max", "l2_min", "l2_max", "l3_max", "clock_max",
        "mac_per_cycle.<op>", "latency.<op>", "forward.<op>" (to an accumulator), "busy.<op>".

    Raises
    ------
    UnknownName : a core that is not in the catalogue.
    UnknownFigure : nobody has published it, or it was not found.
    ValueError : the figure is a text; see `words`.
    """
    row = _row(core, name)
    unit, factor = _SI.get(row["unit"], (row["unit"], 1))
    try:
        value = float(row["value"]) * factor
    except ValueError:
        raise ValueError(
            f"figure = {name!r} of {core}: is a text, {row['value']!r}; ask `words` for it"
        ) from None
    return Figure(value, unit, row["source"], row["confidence"], row["note"])


def words(core: str, name: str) -> tuple[str, ...]:
    """A figure that is a list of words: "isa" (extensions), "pipes.<op>" (pipes that take it), "order"."""
    return tuple(_row(core, name)["value"].split())


def source(core: str, name: str) -> Figure:
    """The provenance of any figure, also of one that is a list of words (its value is then their number)."""
    row = _row(core, name)
    count = len(row["value"].split())
    return Figure(float(count), row["unit"], row["source"], row["confidence"], row["note"])


def operations(core: str) -> tuple[str, ...]:
    """Instructions whose latency is known for this core."""
    known = _rows()[choice("core", core, _rows())]
    return tuple(name.split(".")[1] for name in known if name.startswith("latency."))


def executes(core: str, op: str) -> bool:
    """Whether the core has the instruction at all: `executes("cortex-a78", "smmla")` is False."""
    return op not in NEEDS or NEEDS[op] in words(core, "isa")


@dataclass(frozen=True)
class Peak:
    """The arithmetic peak of some cores. A MAC is 2 OP, always.

    macs_per_cycle : of all cores together.   macs_s, ops_s : per second.
    """

    macs_per_cycle: float
    macs_s: float

    @property
    def ops_per_cycle(self) -> float:
        """Twice the MACs."""
        return 2 * self.macs_per_cycle

    @property
    def ops_s(self) -> float:
        """Twice the MACs per second."""
        return 2 * self.macs_s


def peak_from_parts(pipes: Number, macs: Number, clock_Hz: Number, cores: Number = 1) -> Peak:
    r"""Peak from its factors, $pipes \cdot macs \cdot f \cdot cores$ MAC/s; arrays broadcast.

    pipes : that take one such instruction each cycle.   macs : MAC per instruction (16 for SDOT).
    """
    per_cycle = positive("pipes", pipes) * positive("macs", macs) * positive("cores", cores)
    return Peak(per_cycle, per_cycle * positive("clock_Hz", clock_Hz))


def peak(core: str, op: str, clock_Hz: float | None = None, cores: int = 1) -> Peak:
    """Published peak of `cores` cores for one instruction; at the largest product clock if none is given.

    A core without the instruction has no such peak: ValueError. An unpublished one: UnknownFigure.
    """
    choice("op", op, MACS)
    if not executes(core, op):
        raise ValueError(f"op = {op!r}: {core} has no {NEEDS[op]} extension, expected an op it executes")
    per_cycle = figure(core, f"mac_per_cycle.{op}").value
    clock = figure(core, "clock_max").value if clock_Hz is None else clock_Hz
    return peak_from_parts(1, per_cycle, clock, cores)
