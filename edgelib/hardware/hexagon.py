r"""What is inside which Hexagon, who says so, and how many operations per second follow?

`data/hexagon.csv` holds three kinds of rows: configuration tables that Qualcomm contributed to QEMU
(`v66g_1024`, ...), chips of Qualcomm's table in ExecuTorch (`sm8650`, ...), and the cost of reaching a
Hexagon (`offload`). Sizes belong to a configuration, not to a version: V81 comes with 2, 4, 8 and 16 MiB of
VTCM. No table states a clock. It is unpublished, and so is every peak that needs one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from itertools import product

from edgelib.data import Figure, table
from edgelib.errors import Number, UnknownFigure, choice, integer, positive
from edgelib.hardware.microarchitecture import Peak, peak_from_parts

_SI = {
    "KiB": ("B", 2.0**10),
    "MiB": ("B", 2.0**20),
    "TOPS": ("OP/s", 1e12),
    "us": ("s", 1e-6),
}
_FIGURES = (
    *("threads", "hvx_contexts", "vtcm", "l2", "l2_line", "l1d", "l1i", "l1d_ways", "l1i_ways"),
    *("dma_version", "clock", "tensor", "soc_ai"),
)


@dataclass(frozen=True, eq=False)
class Hexagon:
    """One configuration: its name, the version of its instruction set ("V73"), and what is known of it."""

    name: str
    version: str
    figures: Mapping[str, Figure]

    def figure(self, name: str) -> Figure:
        """A figure in SI units with its source.

        name : threads, hvx_contexts, vtcm, l2, l2_line, l1d, l1i (B), l1d_ways, l1i_ways, dma_version, clock
            (Hz), tensor, soc_ai (OP/s).

        Raises
        ------
        UnknownFigure : it is unpublished, or no table states it.
        """
        choice("figure", name, _FIGURES)
        if name not in self.figures:
            raise UnknownFigure(f"{name} of {self.name} is unpublished; known: {', '.join(self.figures)}")
        return self.figures[name]

    @property
    def threads(self) -> int:
        """Hardware threads."""
        return int(self.figure("threads").value)

    @property
    def hvx_contexts(self) -> int:
        """Vector contexts of 128 bytes that work at the same time."""
        return int(self.figure("hvx_contexts").value)

    @property
    def vtcm_B(self) -> float:
        """Vector tightly coupled memory, bytes."""
        return self.figure("vtcm").value

    @property
    def has_user_dma(self) -> bool:
        """Whether programs may use the DMA engine (dma_version above 0)."""
        return self.figure("dma_version").value > 0


def _figure(row: Mapping[str, str]) -> Figure:
    unit, factor = _SI.get(row["unit"], (row["unit"], 1.0))
    value = float(row["value"]) * factor
    return Figure(value, unit, row["source"], row["confidence"], row["note"])


@cache
def _catalogue() -> dict[str, Hexagon]:
    versions: dict[str, str] = {}
    figures: dict[str, dict[str, Figure]] = {}
    for row in table("hexagon"):
        if row["version"]:
            versions[row["name"]] = row["version"]
            figures.setdefault(row["name"], {})[row["figure"]] = _figure(row)
    return {name: Hexagon(name, version, figures[name]) for name, version in versions.items()}


def hexagon_names() -> tuple[str, ...]:
    """Names of all configurations and chips in the catalogue."""
    return tuple(_catalogue())


def hexagon(name: str) -> Hexagon:
    """The configuration or chip called `name`; UnknownName lists the nearest names."""
    return _catalogue()[choice("hexagon", name, _catalogue())]


def general_figure(group: str, name: str) -> Figure:
    """A figure that belongs to no configuration: group "hvx" (instruction set) or "offload" (cost of a call).

    Times are in seconds.
    """
    rows = {
        r["figure"]: r for r in table("hexagon") if r["name"] == choice("group", group, ("hvx", "offload"))
    }
    return _figure(rows[choice("figure", name, rows)])


def hvx_macs_per_cycle(contexts: Number, resources: int = 2) -> Number:
    r"""int8 MAC per cycle, $contexts \cdot resources \cdot 128$: `resources` vrmpy in a packet, 1 or 2.

    V66, four contexts: 1,024.
    """
    if integer("resources", resources, at_least=1) > 2:
        raise ValueError(f"resources = {resources!r}: expected 1 or 2, a packet has two multiply resources")
    return positive("contexts", contexts) * resources * general_figure("hvx", "mac_per_vrmpy").value


def hvx_peak(contexts: Number, clock_Hz: Number, resources: int = 2) -> Peak:
    """Peak of the vector units for int8 at a clock that you supply, since no table states one."""
    return peak_from_parts(1, hvx_macs_per_cycle(contexts, resources), clock_Hz)


@dataclass(frozen=True)
class Reading:
    """One way to read a set of quoted totals: a clock per unit, and operations per MAC (1 or 2)."""

    vector_macs: int
    tensor_macs: int
    vector_Hz: float
    tensor_Hz: float
    ops_per_mac: int

    @property
    def vector(self) -> float:
        """Operations per second of the vector unit, as this reading counts them."""
        return self.ops_per_mac * self.vector_macs * self.vector_Hz

    @property
    def tensor(self) -> float:
        """Operations per second of the tensor unit, as this reading counts them."""
        return self.ops_per_mac * self.tensor_macs * self.tensor_Hz

    @property
    def total(self) -> float:
        """Both."""
        return self.vector + self.tensor


def readings(
    vector_macs: tuple[int, ...], tensor_macs: tuple[int, ...], clocks_Hz: tuple[float, ...]
) -> tuple[Reading, ...]:
    """Every combination of MACs per cycle, clocks and counting that a text leaves open."""
    for name, values in (
        ("vector_macs", vector_macs),
        ("tensor_macs", tensor_macs),
        ("clocks_Hz", clocks_Hz),
    ):
        positive(name, values)
    return tuple(Reading(*parts) for parts in product(vector_macs, tensor_macs, clocks_Hz, clocks_Hz, (1, 2)))
