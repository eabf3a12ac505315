"""What can one compute unit of a device do, and who says so?

An Engine is a CPU cluster, a GPU or an NPU of a named device, with the figures that have been
published for it. Figures are SI: B/s, OP/s, Hz, W.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache

from edgelib.data import Figure, table
from edgelib.errors import Number, UnknownFigure, choice, positive
from edgelib.hardware.cores import width

KINDS = ("cpu", "gpu", "npu")

# figure name -> (unit in the catalogue, SI unit, factor)
_UNITS = {
    "bandwidth": ("GB/s", "B/s", 1e9),
    "peak_int8": ("TOPS", "OP/s", 1e12),
    "peak_fp16": ("TFLOPS", "OP/s", 1e12),
    "clock": ("GHz", "Hz", 1e9),
    "threads": ("threads", "threads", 1),
    "simd_pipes": ("pipes", "pipes", 1),
}


@dataclass(frozen=True, eq=False)
class Engine:
    """One compute unit.

    name : "M1-7c/GPU".   kind : "cpu", "gpu" or "npu".   device : the chip or board it is part of.
    figures : published figures by name, in SI: bandwidth, peak_int8, peak_fp16, clock; for a CPU also
    threads (performance cores) and simd_pipes (128-bit pipes per core).
    """

    name: str
    kind: str
    device: str = ""
    figures: Mapping[str, Figure] = field(default_factory=dict)

    def __post_init__(self) -> None:
        choice("kind", self.kind, KINDS)
        for name, figure in self.figures.items():
            choice("figure", name, _UNITS)
            positive(f"{self.name} {name}", figure.value)

    def figure(self, name: str) -> Figure:
        """The figure with its provenance; UnknownFigure if nobody has published it."""
        choice("figure", name, _UNITS)
        if name not in self.figures:
            known = ", ".join(self.figures) or "nothing"
            raise UnknownFigure(f"{name} of {self.name} is unpublished; known: {known}")
        return self.figures[name]

    @property
    def bandwidth(self) -> float:
        """Memory bandwidth on the data sheet, B/s."""
        return self.figure("bandwidth").value

    @property
    def peak_name(self) -> str:
        """The figure that counts as the peak: peak_int8 where only that is known, else peak_fp16."""
        published = self.figures.keys() & {"peak_fp16", "peak_int8"}
        return "peak_int8" if published == {"peak_int8"} else "peak_fp16"

    @property
    def peak(self) -> Figure:
        """Peak arithmetic rate for 16-bit floats, or for 8-bit integers where only that is known."""
        return self.figure(self.peak_name)

    def having(self, **figures: Number) -> Engine:
        """This engine with some figures replaced: `engine.having(bandwidth=100e9)`, SI units.

        Arrays are accepted, for sweeps over hardware that does not exist.
        """
        changed = dict(self.figures)
        for name, value in figures.items():
            choice("figure", name, _UNITS)
            changed[name] = Figure(positive(name, value), _UNITS[name][1], "set by hand", "low")
        return replace(self, figures=changed)


def engine_from_row(row: Mapping[str, str]) -> Engine:
    """An engine from one wide row: device_unit, soc, unit, clock_GHz, bandwidth_GBps,
    peak_int8_TOPS, peak_fp16_TFLOPS, with *_provenance and source. Empty cells are unpublished."""
    columns = {
        "bandwidth": ("bandwidth_GBps", "bandwidth_provenance"),
        "peak_int8": ("peak_int8_TOPS", "peak_provenance"),
        "peak_fp16": ("peak_fp16_TFLOPS", "peak_provenance"),
        "clock": ("clock_GHz", "source"),
    }
    name = row["device_unit"]
    figures = {}
    for figure, (column, provenance) in columns.items():
        if row.get(column):
            _, unit, factor = _UNITS[figure]
            note = row.get(provenance) or ""
            confidence = "low" if "recalled" in note else "medium"
            value = positive(f"{name} {column}", _number(name, column, row[column]) * factor)
            figures[figure] = Figure(value, unit, row.get("source") or "not stated", confidence, note)
    if row["unit"].lower() == "cpu":
        figures |= width(row.get("soc") or "", row.get("cores") or "", row.get("source") or "not stated")
    return Engine(name, row["unit"].lower(), row.get("soc") or "", figures)


def _number(name: str, column: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"{name} {column} = {text!r}: expected a number, or nothing") from None


@cache
def _catalogue() -> dict[str, Engine]:
    figures: dict[str, dict[str, Figure]] = {}
    facts = {}
    for row in table("engines"):
        name = row["engine"]
        facts[name] = (row["kind"], row["device"])
        known = figures.setdefault(name, {})
        if row["figure"] in _UNITS:
            unit, si_unit, factor = _UNITS[row["figure"]]
            if row["unit"] != unit:
                raise ValueError(f"{name} {row['figure']} is in {row['unit']!r}, expected {unit!r}")
            known[row["figure"]] = Figure(
                float(row["value"]) * factor, si_unit, row["source"], row["confidence"], row["note"]
            )
        elif row["figure"] == "cores" and row["kind"] == "cpu":
            known |= width(row["device"], row["value"], row["source"])
    return {name: Engine(name, *facts[name], figures[name]) for name in facts}


@dataclass(frozen=True)
class Device:
    """A chip or board: compute units that share one memory."""

    name: str
    engines: tuple[Engine, ...]

    def engine(self, kind: str) -> Engine:
        """Its unit of one kind; UnknownName if the catalogue has none."""
        kinds = {unit.kind: unit for unit in self.engines}
        return kinds[choice(f"kind of {self.name}", kind, kinds)]


def device_names() -> tuple[str, ...]:
    """Names of all devices in the catalogue."""
    return tuple(dict.fromkeys(unit.device for unit in _catalogue().values()))


def device(name: str) -> Device:
    """The device called `name` with all its compute units; UnknownName lists the nearest names."""
    choice("device", name, device_names())
    return Device(name, tuple(unit for unit in _catalogue().values() if unit.device == name))


def engine_names() -> tuple[str, ...]:
    """Names of all compute units in the catalogue."""
    return tuple(_catalogue())


def engine(name: str) -> Engine:
    """The compute unit called `name`; UnknownName lists the nearest names."""
    return _catalogue()[choice("engine", name, _catalogue())]
