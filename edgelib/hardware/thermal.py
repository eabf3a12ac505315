r"""How long can a device without a fan run fast? A heat capacity, a resistance to the air, a throttle.

One node: $C \, dT/dt = P - (T - T_{air}) / R$. Constant power warms it exponentially towards
$T_{air} + R P$ with time constant $R C$. A governor with hysteresis slows the work down at a limit and
speeds it up again some kelvin below.
Source of the model: Skadron et al., "Temperature-Aware Microarchitecture", ISCA 2003 (one of its nodes).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, log

import numpy as np
from numpy.typing import NDArray

from edgelib.errors import Number, nonnegative, positive, real, scalar

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Body:
    """resistance_K_W : K/W to the air.   capacity_J_K : J/K.   air_C : temperature of the air, C."""

    resistance_K_W: float
    capacity_J_K: float
    air_C: float = 25.0

    def __post_init__(self) -> None:
        scalar("resistance_K_W", positive("resistance_K_W", self.resistance_K_W))
        scalar("capacity_J_K", positive("capacity_J_K", self.capacity_J_K))
        scalar("air_C", self.air_C)

    @property
    def time_constant_s(self) -> float:
        """R C, s: after it, 63 % of a change is done."""
        return self.resistance_K_W * self.capacity_J_K

    def steady_C(self, power_W: Number) -> Number:
        """Temperature in the end, $T_{air} + R P$, C."""
        return self.air_C + self.resistance_K_W * nonnegative("power_W", power_W)

    def sustained_W(self, limit_C: float) -> float:
        """The power that ends exactly at `limit_C`, W; 0 if the air is warmer."""
        return max(0.0, float(scalar("limit_C", limit_C) - self.air_C) / self.resistance_K_W)

    def temperature_C(self, power_W: Number, seconds: Number, start_C: Number | None = None) -> Number:
        r"""Closed form at constant power: $T_\infty + (T_0 - T_\infty) e^{-t / RC}$, C. Arrays broadcast.

        start_C : temperature at t = 0; that of the air if left out.
        """
        end = self.steady_C(power_W)
        start = self.air_C if start_C is None else real("start_C", start_C)
        return end + (start - end) * np.exp(-nonnegative("seconds", seconds) / self.time_constant_s)

    def seconds_to(self, limit_C: float, power_W: float) -> float:
        """Time from air temperature to `limit_C`, s: 0 if it is there already, infinite if never."""
        rise = scalar("limit_C", limit_C) - self.air_C
        final = self.resistance_K_W * scalar("power_W", nonnegative("power_W", power_W))
        if rise <= 0:
            return 0.0
        return inf if final <= rise else -self.time_constant_s * log(1 - rise / final)


@dataclass(frozen=True)
class Throttle:
    """A governor with two settings and a hysteresis.

    fast, slow : (W, rate); rate is any speed, tok/s say, and slow draws less than fast.
    At limit_C it slows down; at limit_C - hysteresis_K it speeds up again.
    """

    fast: tuple[float, float]
    slow: tuple[float, float]
    limit_C: float
    hysteresis_K: float

    def __post_init__(self) -> None:
        for name in ("fast", "slow"):
            nonnegative(name, getattr(self, name))
        if self.slow[0] >= self.fast[0]:
            raise ValueError(f"slow = {self.slow!r}: expected less power than fast = {self.fast!r}")
        scalar("limit_C", self.limit_C)
        nonnegative("hysteresis_K", self.hysteresis_K)


@dataclass(frozen=True, eq=False)
class Trace:
    """What happened: arrays float[steps + 1] over time; power and rate hold until the next entry."""

    time_s: Floats
    temperature_C: Floats
    power_W: Floats
    rate: Floats

    @property
    def mean_rate(self) -> float:
        """Mean over the whole time."""
        return float(self.rate[:-1].mean())


def simulate(body: Body, throttle: Throttle, seconds: float, step_s: float = 0.1) -> Trace:
    """Run for `seconds` from air temperature, in explicit (Euler) steps of `step_s`.

    The temperature exceeds the limit by at most one step at full power.

    Raises
    ------
    ValueError : even the slow setting heats beyond the limit, so that no governor of this kind holds it;
        or a step longer than the time constant.
    """
    seconds = scalar("seconds", positive("seconds", seconds))
    step_s = scalar("step_s", positive("step_s", step_s))
    if body.steady_C(throttle.slow[0]) > throttle.limit_C:
        most = body.sustained_W(throttle.limit_C)
        raise ValueError(f"slow = {throttle.slow!r}: expected at most {most:.3g} W, or the limit is passed")
    if step_s > body.time_constant_s:
        raise ValueError(f"step_s = {step_s!r}: expected at most R C = {body.time_constant_s:g} s")
    steps = int(np.ceil(seconds / step_s))
    temperature = np.empty(steps + 1)
    fast = np.empty(steps + 1, dtype=bool)
    now, running_fast = body.air_C, True
    for i in range(steps + 1):
        if now >= throttle.limit_C:
            running_fast = False
        elif now <= throttle.limit_C - throttle.hysteresis_K:
            running_fast = True
        temperature[i], fast[i] = now, running_fast
        power = throttle.fast[0] if running_fast else throttle.slow[0]
        now += step_s * (power - (now - body.air_C) / body.resistance_K_W) / body.capacity_J_K
    (fast_W, fast_rate), (slow_W, slow_rate) = throttle.fast, throttle.slow
    return Trace(
        time_s=np.arange(steps + 1, dtype=np.float64) * float(step_s),
        temperature_C=temperature,
        power_W=np.where(fast, fast_W, slow_W),
        rate=np.where(fast, fast_rate, slow_rate),
    )


def sustained_rate(body: Body, throttle: Throttle) -> float:
    r"""Mean rate in the long run, for a narrow hysteresis.

    The share s of fast time keeps the mean power at what the body sheds at the limit:
    $s P_f + (1 - s) P_s = (T_{limit} - T_{air}) / R$, $s$ cut to 0..1; the rate is $s r_f + (1 - s) r_s$.
    """
    (fast_W, fast_rate), (slow_W, slow_rate) = throttle.fast, throttle.slow
    share = (body.sustained_W(throttle.limit_C) - slow_W) / (fast_W - slow_W)
    share = min(1.0, max(0.0, share))
    return share * fast_rate + (1 - share) * slow_rate
