"""How long does a charge last? Capacity, a mix of uses, hours."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from edgelib.errors import Number, nonnegative, positive


@dataclass(frozen=True)
class Battery:
    """capacity_mAh and volts as printed on the cell; usable : share that a device takes out, 0..1."""

    capacity_mAh: float
    volts: float
    usable: float = 1.0

    def __post_init__(self) -> None:
        positive("capacity_mAh", self.capacity_mAh)
        positive("volts", self.volts)
        if positive("usable", self.usable) > 1:
            raise ValueError(f"usable = {self.usable!r}: expected a share above 0, up to 1")

    @property
    def energy_J(self) -> float:
        """Joules in a full charge: mAh x V x 3.6."""
        return self.capacity_mAh * self.volts * self.usable * 3.6

    @property
    def energy_Wh(self) -> float:
        """Watt-hours in a full charge. 3000 mAh at 3.7 V: 11.1 Wh."""
        return self.energy_J / 3600

    def hours(self, power_W: Number) -> Number:
        """Hours at a constant power. 11.1 Wh at 3 W: 3.7 h. power_W : > 0, any shape."""
        return self.energy_Wh / positive("power_W", power_W)


def mean_power_W(mix: Iterable[tuple[Number, Number]]) -> Number:
    """Mean power of a mix of uses, W: pairs of (W, share of the time), shares >= 0 that sum to 1.

    Raises
    ------
    ValueError : shares that do not sum to 1 (within 1e-9).
    """
    pairs = [(nonnegative("power_W", p), nonnegative("share", s)) for p, s in mix]
    total = sum(share for _, share in pairs)
    if abs(total - 1) > 1e-9:
        raise ValueError(f"mix: the shares sum to {total:g}, expected 1")
    return sum(power * share for power, share in pairs)
