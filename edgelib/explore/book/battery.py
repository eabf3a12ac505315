"""What heat does to a burst, and how long a charge lasts.

The thermal bodies are assumed: round figures that shed the sustained watts of the chapter (1.2.3.10).
"""

from __future__ import annotations

import numpy as np

from edgelib.explore import Choice, Slider, explorable
from edgelib.explore.scene import Axis, Line, Mark, Scene, Text
from edgelib.hardware.battery import Battery, mean_power_W
from edgelib.hardware.power import RK3588_A76, dynamic_power
from edgelib.hardware.thermal import Body, Throttle, simulate
from edgelib.units import si, significant

# Power at half the clock, relative to the full clock: what a governor falls back to.
SLOW_SHARE = float(
    dynamic_power(1.0, RK3588_A76.volts[0], RK3588_A76.freq_Hz[0])
    / dynamic_power(1.0, RK3588_A76.volts[-1], RK3588_A76.freq_Hz[-1])
)
LIMIT_C = 43.0  # a skin temperature that a hand still bears; assumed
BODIES = {"phone": (6.0, 60.0), "tablet": (2.4, 250.0), "laptop": (0.8, 400.0)}  # K/W, J/K; assumed


@explorable(
    "thermal-throttle",
    label="How fast is a phone after ten minutes?",
    hint="Burst at three times the sustained power. Where does the speed end, and what does the air change?",
    device=Choice(list(BODIES), label="Device"),
    burst=Slider(1, 3, step=0.25, default=2, unit="x", label="Burst, of sustained power at 25 °C"),
    air=Slider(5, 30, step=5, default=25, unit="°C", label="Air"),
    hysteresis=Slider(1, 5, step=1, default=2, unit="K", label="Hysteresis"),
)
def thermal_throttle(device: str, burst: float, air: float, hysteresis: float) -> Scene:
    """Temperature and speed over ten minutes under a governor that halves the clock at the limit."""
    body = Body(*BODIES[device], air)
    budget = Body(*BODIES[device], 25.0).sustained_W(LIMIT_C)
    power = burst * budget
    throttle = Throttle((power, 100.0), (SLOW_SHARE * power, 50.0), LIMIT_C, hysteresis)
    trace = simulate(body, throttle, 600, step_s=0.5)
    shown = slice(None, None, 4)
    minutes = trace.time_s[shown] / 60
    until = body.seconds_to(LIMIT_C, power)
    reached = f"The limit comes after {si(until, 's')}" if until < 600 else "The limit is not reached"
    last = float(trace.rate[-600:].mean())
    readout = (
        f"{significant(power)} W in a {device} that sheds {significant(body.sustained_W(LIMIT_C))} W at the "
        f"limit. {reached}; ten minutes average {significant(trace.mean_rate)} % of full speed, "
        f"the last five {significant(last)} %."
    )
    free = body.temperature_C(power, trace.time_s[shown])
    marks: list[Mark] = [
        Line(x=minutes, y=free, role="idle", width=1.5, ghost=True),
        Line(x=[0, 10], y=[LIMIT_C] * 2, role="error", width=1.5),
        Text(x=0.1, y=LIMIT_C + 4, text=f"limit {LIMIT_C:g} °C", role="error"),
        Line(x=minutes, y=trace.rate[shown], role="compute", width=1.5, term="speed: full or half clock"),
        Line(x=minutes, y=trace.temperature_C[shown], role="memory", term="temperature"),
        Text(x=10.1, y=float(trace.temperature_C[-1]), text="°C", role="memory"),
        Text(x=10.1, y=trace.mean_rate, text=f"mean {significant(trace.mean_rate, 2)} %", role="compute"),
    ]
    return Scene(
        title="A burst lasts minutes; then the case decides",
        x=Axis(label="Time", unit="min", lo=0, hi=11.5),
        y=Axis(label="Temperature (°C), speed (%)", lo=0, hi=110),
        marks=marks,
        readout=readout,
        alt=f"Temperature and speed of a {device} over ten minutes. {readout}",
        table=[
            ("minute", "temperature", "speed"),
            *(
                (
                    str(m),
                    f"{trace.temperature_C[120 * m]:.1f} °C",
                    f"{trace.rate[120 * (m - 1) : 120 * m].mean():.0f} %",
                )
                for m in range(1, 11)
            ),
        ],
    )


@explorable(
    "battery-life",
    label="How long does the phone last?",
    hint="The chapter lets a phone do nothing but infer, with its screen off. Give it a life.",
    inference=Slider(0.5, 6, step=0.5, default=3, unit="W", label="While inferring"),
    minutes=Slider(5, 60, step=5, default=20, unit="min", label="Inference per hour"),
    rest=Slider(0, 2, step=0.25, default=1, unit="W", label="Everything else, always"),
    capacity=Slider(2000, 6000, step=500, default=3000, unit="mAh", label="Battery at 3.7 V"),
)
def battery_life(inference: float, minutes: float, rest: float, capacity: float) -> Scene:
    """Charge over a day, inference in one stretch at the start of each hour."""
    battery = Battery(capacity, 3.7)
    share = minutes / 60
    mean = mean_power_W([(inference + rest, share), (rest, 1 - share)])
    starts = np.arange(24)
    hours = np.sort(np.concatenate([starts, starts + share, [24.0]]))
    spent = rest * hours + inference * np.minimum(
        np.floor(hours) * share + np.minimum(hours % 1, share), 24 * share
    )
    charge = 100 * (1 - spent / battery.energy_Wh)
    empty = float(np.interp(0, -charge, hours)) if charge[-1] < 0 else float(battery.hours(mean))
    shown = charge > 0
    marks: list[Mark] = [
        Line(x=[0, 3.7], y=[100, 0], role="idle", width=1.5, ghost=True, label="printed: 3.7 h"),
        Line(x=[0, 7.4], y=[100, 0], role="idle", width=1.5, ghost=True, label="1.5 W: 7.4 h"),
        Line(
            x=[*hours[shown], min(empty, 24.0)],
            y=[*charge[shown], max(0.0, float(charge[-1]))],
            role="memory",
            term="charge: energy left / energy full",
        ),
        Text(x=min(empty, 21.0) + 0.3, y=14, text=f"{significant(empty)} h", role="memory"),
    ]
    readout = (
        f"{battery.energy_Wh:.1f} Wh at {significant(mean)} W on average last {significant(empty)} h, "
        f"{significant(60 * empty * share, 2)} min of them inference. "
        f"Inference takes {significant(100 * inference * share / mean, 2)} % of the charge."
    )
    return Scene(
        title="The rest of the phone is on the same battery",
        x=Axis(label="Time", unit="h", lo=0, hi=24),
        y=Axis(label="Charge", unit="%", lo=0, hi=105),
        marks=marks,
        readout=readout,
        alt=f"Charge of a phone over time. {readout}",
        table=[
            ("minutes of inference per hour", "mean power", "lasts"),
            *(
                (
                    str(m),
                    si(rest + inference * m / 60, "W"),
                    f"{significant(float(battery.hours(rest + inference * m / 60)))} h",
                )
                for m in (5, 15, 30, 60)
            ),
        ],
    )
