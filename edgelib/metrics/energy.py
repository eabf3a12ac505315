r"""How many joules does a token cost, and where do they go?

$E = ops \cdot E_{op} + bytes \cdot (E_{SRAM} + E_{DRAM}) + P_{static} T$. An energy is always the energy of
something: of an operation, a bit, a byte, a word. An `EnergyPer` carries that word and has no default for
it, so joules come out only with the right factor. Figures: `data/energy.csv`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from edgelib.data import table
from edgelib.errors import Number, choice, nonnegative, positive
from edgelib.metrics.graph import Explanation, Given, Graph, quantity
from edgelib.metrics.predict import Estimate

BYTES = {"bit": 1 / 8, "byte": 1, "32-bit word": 4, "64-bit word": 8}
OPS = {"OP": 1, "MAC": 2}


@dataclass(frozen=True)
class EnergyPer:
    """`pJ` picojoules per `per`: one of bit, byte, 32-bit word, 64-bit word, or OP, MAC.

    low, high : the published range, where there is one.
    """

    pJ: Number
    per: str
    source: str = "set by hand"
    low: float | None = None
    high: float | None = None

    def __post_init__(self) -> None:
        nonnegative("pJ", self.pJ)
        choice("per", self.per, [*BYTES, *OPS])

    def of_bytes(self, size_B: Number) -> Number:
        """Joules for moving `size_B` bytes; ValueError for the energy of an operation."""
        return self.to("byte").pJ * 1e-12 * nonnegative("size_B", size_B)

    def of_ops(self, ops: Number) -> Number:
        """Joules for `ops` operations (a MAC is two); ValueError for the energy of an access."""
        return self.to("OP").pJ * 1e-12 * nonnegative("ops", ops)

    def to(self, per: str) -> EnergyPer:
        """The same energy per another amount of the same kind: 200 pJ/byte is 25 pJ/bit."""
        kind = BYTES if self.per in BYTES else OPS
        choice("per", per, kind)
        factor = kind[per] / kind[self.per]
        low, high = (None if end is None else end * factor for end in (self.low, self.high))
        return EnergyPer(self.pJ * factor, per, self.source, low, high)


@cache
def _catalogue() -> dict[str, EnergyPer]:
    figures = {
        row["name"]: EnergyPer(
            float(row["value"]),
            row["per"],
            f"{row['source']} ({row['confidence']} confidence)",
            float(row["low"]) if row["low"] else None,
            float(row["high"]) if row["high"] else None,
        )
        for row in table("energy")
    }
    for kind in ("int8", "int32", "fp16", "fp32"):
        add, multiply = figures[f"{kind}_add"], figures[f"{kind}_mul"]
        figures[f"{kind}_mac"] = EnergyPer(add.pJ + multiply.pJ, "MAC", multiply.source)
    return figures


def energy_names() -> tuple[str, ...]:
    """Names of all energies in the catalogue, multiply-accumulates included."""
    return tuple(_catalogue())


def energy_of(name: str) -> EnergyPer:
    """The energy called `name`: "lpddr5", "sram_1MiB", "int8_mac"; UnknownName lists the nearest."""
    return _catalogue()[choice("energy", name, _catalogue())]


def memory_power_W(cost: EnergyPer, bandwidth: Number) -> Number:
    """Watts of reading `bandwidth` B/s. 200 pJ/byte at 25.6 GB/s: 5.12 W."""
    return cost.of_bytes(bandwidth)


def implied_energy(power_W: Number, bandwidth: Number) -> EnergyPer:
    """Energy per byte that a memory of `power_W` has at `bandwidth` B/s. 1 W at 25.6 GB/s: 39 pJ/byte."""
    return EnergyPer(nonnegative("power_W", power_W) / positive("bandwidth", bandwidth) * 1e12, "byte")


# ------------------------------------------------------------------ one decoded token


@quantity("J")
def compute_J(decode_ops: Number, J_per_op: Number, batch: Number) -> Number:
    """Arithmetic of one token."""
    return decode_ops * J_per_op / batch


@quantity("J")
def sram_J(weight_bytes: Number, kv_bytes: Number, sram_J_per_B: Number, batch: Number) -> Number:
    """Every byte passes the on-chip memory once: the least that any schedule can do."""
    return (weight_bytes + kv_bytes) * sram_J_per_B / batch


@quantity("J")
def dram_J(weight_bytes: Number, kv_bytes: Number, dram_J_per_B: Number, batch: Number) -> Number:
    """Every byte is read from memory once; the weights serve the whole batch."""
    return (weight_bytes + kv_bytes) * dram_J_per_B / batch


@quantity("J")
def static_J(static_W: Number, decode_s: Number, batch: Number) -> Number:
    """Whatever draws power while the step lasts: leakage, refresh, regulators, a screen."""
    return static_W * decode_s / batch


@quantity("J")
def token_J(compute_J: Number, sram_J: Number, dram_J: Number, static_J: Number) -> Number:
    """All of it."""
    return compute_J + sram_J + dram_J + static_J


_GRAPH = Graph([compute_J, sram_J, dram_J, static_J, token_J])
_TRAFFIC = {"weight_bytes": "B", "kv_bytes": "B", "decode_ops": "OP"}


def explain_energy(
    estimate: Estimate,
    *,
    arithmetic: EnergyPer | str = "fp16_mac",
    sram: EnergyPer | str = "sram_1MiB",
    dram: EnergyPer | str = "lpddr5",
    static_W: Number = 0.0,
) -> Explanation:
    """Joules per decoded token with the tree below it; arguments as in `energy_per_token`."""
    costs = {}
    for name, cost, per in (
        ("J_per_op", arithmetic, "OP"),
        ("sram_J_per_B", sram, "byte"),
        ("dram_J_per_B", dram, "byte"),
    ):
        cost = energy_of(cost) if isinstance(cost, str) else cost
        if not isinstance(cost, EnergyPer):
            raise ValueError(f"{name}: {cost!r}: expected an EnergyPer or a name in the catalogue")
        costs[name] = Given(cost.to(per).pJ * 1e-12, "J/OP" if per == "OP" else "J/B", cost.source)
    static_W = nonnegative("static_W", static_W)
    given = {
        **{name: Given(estimate.value(name), unit, "the prediction") for name, unit in _TRAFFIC.items()},
        **costs,
        "batch": Given(estimate.request["batch"], "sequences", "the request"),
        "static_W": Given(static_W, "W", "set by hand"),
        # Without static power the time does not matter, and may rest on an unpublished figure.
        "decode_s": Given(estimate.decode_s, "s", "the prediction")
        if np.any(np.asarray(static_W) > 0)
        else Given(0.0, "s", "not needed without static power"),
    }
    return _GRAPH.explain("token_J", given)


def energy_per_token(
    estimate: Estimate,
    *,
    arithmetic: EnergyPer | str = "fp16_mac",
    sram: EnergyPer | str = "sram_1MiB",
    dram: EnergyPer | str = "lpddr5",
    static_W: Number = 0.0,
) -> dict[str, Number]:
    """Joules per decoded token in parts: "compute", "sram", "dram", "static".

    Parameters
    ----------
    estimate : from `predict`; bytes, operations and seconds per step are taken from it.
    arithmetic, sram, dram : energies, or their names in the catalogue.
    static_W : power that is drawn whatever the engine does, W. Nobody publishes it per engine, so it is 0
        unless you give it, and the sum is then the least that the data alone cost, not what a wall plug sees.

    Raises
    ------
    ValueError : an unknown energy, or the energy of an access where that of an operation is meant.
    """
    tree = explain_energy(estimate, arithmetic=arithmetic, sram=sram, dram=dram, static_W=static_W)
    return {part.name.removesuffix("_J"): part.value for part in tree.inputs}
