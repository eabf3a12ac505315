r"""What does a clock cost? Power and energy of a core against voltage and frequency, and of waiting.

Switching a capacitance C at voltage V takes C V^2 from the supply, so a core whose share a of C switches
in each cycle draws a C V^2 f, and an operation costs C V^2 however long it takes. A lower clock saves
energy only because it allows a lower voltage.
Sources: Chandrakasan, Sheng & Brodersen, "Low-Power CMOS Digital Design", IEEE JSSC 27(4), 1992;
Benini, Bogliolo & De Micheli, "A Survey of Design Techniques for System-Level Dynamic Power
Management", IEEE TVLSI 8(3), 2000 (break-even time).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgelib.errors import Number, fraction, nonnegative, positive, real

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class VoltageCurve:
    """Operating points of a core: the lowest voltage that each clock needs.

    freq_Hz, volts : same length, at least 2; frequencies increase, voltages never fall.
    """

    name: str
    freq_Hz: tuple[float, ...]
    volts: tuple[float, ...]
    source: str

    def __post_init__(self) -> None:
        f, v = np.asarray(positive("freq_Hz", self.freq_Hz)), np.asarray(positive("volts", self.volts))
        if f.ndim != 1 or f.size < 2 or f.shape != v.shape:
            raise ValueError(f"freq_Hz and volts have shapes {f.shape} and {v.shape}: expected (n,), n > 1")
        if np.any(np.diff(f) <= 0) or np.any(np.diff(v) < 0):
            raise ValueError(f"{self.name}: expected frequencies that rise and voltages that never fall")

    def volts_at(self, freq_Hz: Number) -> Number:
        """Voltage for a clock, linear between the points; ValueError outside of them. Any shape."""
        f = positive("freq_Hz", freq_Hz)
        low, high = self.freq_Hz[0], self.freq_Hz[-1]
        if np.any(np.asarray(f) < low) or np.any(np.asarray(f) > high):
            raise ValueError(f"freq_Hz = {freq_Hz!r}: {self.name} runs from {low:g} to {high:g} Hz")
        volts = np.interp(f, self.freq_Hz, self.volts)
        return volts if isinstance(f, np.ndarray) else float(volts)


RK3588_A76 = VoltageCurve(
    "RK3588 Cortex-A76",
    (1.2e9, 1.416e9, 1.608e9, 1.8e9, 2.016e9, 2.208e9, 2.4e9),
    (0.675, 0.725, 0.7625, 0.85, 0.925, 0.9875, 1.0),
    "Linux kernel, arch/arm64/boot/dts/rockchip/rk3588-opp.dtsi, cluster 1",
)


def switching_energy(capacitance_F: Number, volts: Number, activity: Number = 1.0) -> Number:
    r"""Joules per clock cycle, $\alpha C V^2$.

    capacitance_F : F, >= 0.   volts : V, > 0.   activity : share that switches, 0..1. Arrays broadcast.
    """
    volts = positive("volts", volts)
    return fraction("activity", activity) * nonnegative("capacitance_F", capacitance_F) * volts * volts


def dynamic_power(capacitance_F: Number, volts: Number, freq_Hz: Number, activity: Number = 1.0) -> Number:
    r"""Watts, $\alpha C V^2 f$. freq_Hz : > 0; the others as in `switching_energy`."""
    return switching_energy(capacitance_F, volts, activity) * positive("freq_Hz", freq_Hz)


def leakage_power(volts: Number, current_A: Number) -> Number:
    r"""Watts of a core that does nothing, $V I_{leak}$. volts : > 0.   current_A : A, >= 0.

    The current itself grows with voltage and temperature; give the one of your operating point.
    """
    return positive("volts", volts) * nonnegative("current_A", current_A)


def lowest_frequency(curve: VoltageCurve, rate: Callable[[Floats], Floats], target: float) -> float:
    """The lowest operating point, Hz, whose `rate(freq_Hz)` is at least `target`.

    rate : takes float[n] Hz and gives float[n] in the unit of `target` (tok/s, say).

    Raises
    ------
    ValueError : no operating point is fast enough; the message says how fast the fastest is.
    """
    target = positive("target", target)
    points = np.asarray(curve.freq_Hz)
    rates = np.asarray(real("rate(freq_Hz)", rate(points)))
    enough = rates >= target
    if not enough.any():
        raise ValueError(f"target = {target:g}: {curve.name} reaches at most {rates.max():g}")
    return float(points[enough.argmax()])


def period_energy(
    busy_W: Number, busy_s: Number, period_s: Number, rest_W: Number = 0.0, wake_J: Number = 0.0
) -> Number:
    r"""Joules of one period: work, then rest, $P t + P_{rest} (T - t) + E_{wake}$. Arrays broadcast.

    Race to idle is a large `busy_W` for a short `busy_s`; slow and steady is `busy_s = period_s`.

    Raises
    ------
    ValueError : the work takes longer than the period.
    """
    busy_s, period_s = nonnegative("busy_s", busy_s), positive("period_s", period_s)
    if np.any(np.asarray(busy_s) > np.asarray(period_s)):
        raise ValueError(f"busy_s = {busy_s!r}: expected at most the period of {period_s!r} s")
    rest = nonnegative("rest_W", rest_W) * (period_s - busy_s)
    return nonnegative("busy_W", busy_W) * busy_s + rest + nonnegative("wake_J", wake_J)


def break_even_s(awake_W: Number, asleep_W: Number, wake_J: Number) -> Number:
    r"""Shortest pause, s, for which falling asleep pays: $E_{wake} / (P_{awake} - P_{asleep})$.

    awake_W : power while waiting awake, above asleep_W >= 0.   wake_J : energy to sleep and wake, >= 0.
    """
    awake, asleep = positive("awake_W", awake_W), nonnegative("asleep_W", asleep_W)
    if np.any(np.asarray(awake) <= np.asarray(asleep)):
        raise ValueError(f"awake_W = {awake_W!r}: expected more than asleep_W = {asleep_W!r}")
    return nonnegative("wake_J", wake_J) / (awake - asleep)
