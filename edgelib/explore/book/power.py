"""Watts against the clock, the law that makes a low clock cheap, and when to sleep.

Capacitance and leakage of the core are assumed: round figures of the right size, because no maker publishes
them. Voltages are those of the Linux kernel's table for the RK3588.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgelib.explore import Choice, Slider, explorable
from edgelib.explore.scene import Area, Axis, Dot, Line, Mark, Scene, Text
from edgelib.hardware.power import (
    RK3588_A76,
    break_even_s,
    dynamic_power,
    leakage_power,
    lowest_frequency,
    period_energy,
    switching_energy,
)
from edgelib.metrics import predict
from edgelib.metrics.energy import BYTES, EnergyPer, energy_of, implied_energy, memory_power_W
from edgelib.units import GB, si, significant

Floats = NDArray[np.float64]

CORES, CAPACITANCE_F, LEAKAGE_A = 4, 0.5e-9, 0.1  # per core; assumed
FREQ, VOLTS = np.array(RK3588_A76.freq_Hz), np.array(RK3588_A76.volts)


@explorable(
    "power-stack",
    label="What does a higher clock cost?",
    hint="Lower the clock from 2.4 to 1.2 GHz: half the speed. Watch what happens to the power, and why.",
    clock=Slider(1.2, 2.4, step=0.1, default=2.4, unit="GHz", label="Clock"),
    activity=Slider(0.1, 1.0, step=0.1, default=1.0, label="Share that switches"),
    leakage=Slider(0, 0.5, step=0.05, default=0.1, unit="A", label="Leakage per core"),
    traffic=Slider(0, 34, step=2, default=10, unit="GB/s", label="Memory traffic"),
)
def power_stack(clock: float, activity: float, leakage: float, traffic: float) -> Scene:
    """Leakage, memory and dynamic power of four Cortex-A76 along their voltage curve."""
    f = np.linspace(FREQ[0], FREQ[-1], 49)
    volts = RK3588_A76.volts_at(f)
    memory = memory_power_W(energy_of("lpddr5"), traffic * GB)
    leaks = CORES * leakage_power(volts, leakage)
    dynamic = CORES * dynamic_power(CAPACITANCE_F, volts, f, activity)
    here = float(RK3588_A76.volts_at(clock * 1e9))
    now = CORES * dynamic_power(CAPACITANCE_F, here, clock * 1e9, activity)
    leak = CORES * leakage_power(here, leakage)
    per_cycle = switching_energy(CAPACITANCE_F, here, activity)
    least = switching_energy(CAPACITANCE_F, VOLTS[0], activity)
    top = now + leak + memory
    linear = leaks[0] + memory + dynamic[0] * f / f[0]
    marks: list[Mark] = [
        Area(x=f / 1e9, y0=np.zeros_like(f), y1=leaks, role="idle", term="leakage: V I"),
        Area(x=f / 1e9, y0=leaks, y1=leaks + memory, role="memory", term="memory: bytes/s x energy per byte"),
        Area(
            x=f / 1e9,
            y0=leaks + memory,
            y1=leaks + memory + dynamic,
            role="compute",
            term="dynamic: activity x C V^2 f",
        ),
        Line(x=f / 1e9, y=linear, role="error", width=1.5, ghost=True, label="linear in f"),
        Text(x=2.2, y=leaks[-1] + memory + 0.5 * dynamic[20], text="dynamic", role="compute", anchor="end"),
        Text(x=2.42, y=leaks[-1] + memory / 2, text="memory", role="memory"),
        Text(x=2.42, y=leaks[-1] / 2, text="leakage", role="idle"),
        Line(x=[clock, clock], y=[0, top], width=1.5),
        Dot(x=clock, y=top, size=6, label=f"{here:.2f} V, {significant(top)} W"),
    ]
    readout = (
        f"{clock:g} GHz at {here:.2f} V: {significant(now)} W dynamic, {significant(memory)} W memory, "
        f"{significant(leak)} W leakage. A cycle of a core takes {si(per_cycle, 'J')}, "
        f"{per_cycle / least:.2f} times what it takes at {FREQ[0] / 1e9:g} GHz."
    )
    return Scene(
        title="Twice the clock takes more than four times the power",
        x=Axis(label="Clock", unit="GHz", lo=1.2, hi=2.7),
        y=Axis(label="Power of four cores and memory", unit="W", lo=0, hi=9),
        marks=marks,
        readout=readout,
        alt=f"Stacked power of four Cortex-A76 of an RK3588 against clock. {readout}",
        table=[
            ("clock", "voltage", "dynamic", "leakage", "memory"),
            *(
                (
                    f"{g / 1e9:g} GHz",
                    f"{v:g} V",
                    si(CORES * dynamic_power(CAPACITANCE_F, v, g, activity), "W"),
                    si(CORES * leakage_power(v, leakage), "W"),
                    si(memory, "W"),
                )
                for g, v in zip(FREQ, VOLTS, strict=True)
            ),
        ],
    )


@explorable(
    "three-watts",
    label="200 pJ per what?",
    hint="The chapter gives a DRAM read 200 pJ and the memory 1.0 W. Find the word that reconciles them.",
    per=Choice(list(BYTES), default="byte", label="200 pJ per"),
    energy=Slider(10, 400, step=10, default=200, unit="pJ", label="DRAM read"),
    bandwidth=Slider(6.4, 51.2, step=6.4, default=25.6, unit="GB/s", label="Traffic"),
)
def three_watts(per: str, energy: float, bandwidth: float) -> Scene:
    """Power of a memory at one bandwidth, for four readings of an energy without a width."""
    lanes = list(BYTES)
    watts = {name: memory_power_W(EnergyPer(energy, name), bandwidth * GB) for name in lanes}
    implied = implied_energy(1.0, bandwidth * GB)
    marks: list[Mark] = [
        Line(x=[3, 3], y=[-0.5, 3.5], role="error", width=2),
        Text(x=3.3, y=3.35, text="the whole phone: 3 W", role="error"),
        Line(x=[1, 1], y=[-0.5, 3.5], role="idle", width=2),
        Text(x=0.9, y=3.35, text="memory as printed: 1.0 W", role="idle", anchor="end"),
        *(
            Dot(
                x=watts[name],
                y=lane,
                role="memory" if name == per else "idle",
                size=9 if name == per else 5,
                label=si(watts[name], "W"),
                term=f"{energy:g} pJ per {name} x {bandwidth:g} GB/s",
            )
            for lane, name in enumerate(lanes)
        ),
    ]
    verdict = "more than the whole phone" if watts[per] > 3 else "less than the whole phone"
    readout = (
        f"{energy:g} pJ per {per} at {bandwidth:g} GB/s is {significant(watts[per])} W, {verdict}. "
        f"1.0 W would be {significant(implied.pJ)} pJ per byte, "
        f"{significant(implied.to('bit').pJ, 2)} per bit."
    )
    return Scene(
        title="An energy without a width can be wrong by a factor of 64",
        x=Axis(label="Power of the memory", unit="W", lo=0.02, hi=400, log=True),
        y=Axis(label="Energy per", categories=tuple(lanes)),
        marks=marks,
        readout=readout,
        alt=f"Memory power for four readings of an energy. {readout}",
        table=[
            ("read as", "power", "against 1.0 W"),
            *((f"{energy:g} pJ per {n}", si(w, "W"), f"{significant(w)} x") for n, w in watts.items()),
        ],
    )


LAWS = {"C V² f": 2, "printed, linear in V and f": 1, "linear in f": 0}  # exponent of V
EFFICIENCY = 0.74  # of the data sheet's bandwidth, as for the CPUs of edgelib/data/runtimes.csv


def _token(ops_per_cycle: float) -> tuple[Floats, float, float, float]:
    """LLaMA-3.2 1B, 4 bits, on four A76: seconds per token at each clock; bytes, operations, cycles."""
    estimate = predict("llama-3.2-1b", "RK3588/NPU", weights="q4_0", context=256, runtime="ideal")
    size = estimate.value("weight_bytes") + estimate.value("kv_bytes")
    ops = estimate.value("decode_ops")
    cycles = ops / ops_per_cycle  # of all cores together
    seconds = np.maximum(size / (EFFICIENCY * estimate.engine.bandwidth), cycles / (CORES * FREQ))
    return seconds, size, ops, cycles


@explorable(
    "energy-delay",
    label="Which clock makes a token cheapest?",
    hint="Take the platform's power to 0, then to 4 W. Then choose the printed law and look for the saving.",
    target=Slider(12, 34, step=2, default=18, unit="tok/s", label="Target"),
    ops_per_cycle=Slider(8, 32, log2=True, default=8, unit="OP", label="Work per cycle and core"),
    platform=Slider(0, 4, step=0.5, default=1.5, unit="W", label="Everything else"),
    law=Choice(LAWS, label="Law"),
)
def energy_delay(target: float, ops_per_cycle: float, platform: float, law: int) -> Scene:
    """Energy against time of one token at seven operating points, and the slowest that is fast enough."""
    seconds, size, _, cycles = _token(ops_per_cycle)
    memory = energy_of("lpddr5").of_bytes(size)

    def joules(exponent: int) -> Floats:
        """Switching (V^2, V or 1, equal at 1 V), leakage and platform while it lasts, and the memory."""
        leak = CORES * leakage_power(VOLTS, LEAKAGE_A)
        switching = CAPACITANCE_F * VOLTS**exponent * cycles
        return np.asarray(switching + (leak + platform) * seconds + memory)

    energy = joules(law)
    best = int(energy.argmin())
    rates = 1 / seconds
    try:
        chosen = lowest_frequency(RK3588_A76, lambda f: np.interp(f, FREQ, rates), target)
    except ValueError:
        chosen = None
    pick = len(FREQ) - 1 if chosen is None else int(np.searchsorted(FREQ, chosen))
    ms = 1e3 * seconds
    marks: list[Mark] = [
        Line(x=ms, y=joules(2), role="idle", width=1.5, ghost=True),
        Line(
            x=ms, y=energy, role="compute", width=2, term="switching + (leakage + platform) x time + memory"
        ),
        *(
            Dot(x=t, y=e, role="compute", size=4, term=f"{f / 1e9:g} GHz, {v:g} V: {si(float(e), 'J')}")
            for t, e, f, v in zip(ms, energy, FREQ, VOLTS, strict=True)
        ),
        Line(x=[1e3 / target] * 2, y=[0, 0.38], role="error", width=1.5),
        Text(x=1e3 / target, y=0.395, text=f"{target:g} tok/s", role="error", anchor="middle"),
        Dot(x=ms[pick], y=energy[pick], role="error", size=8, label=f"{FREQ[pick] / 1e9:g} GHz"),
    ]
    if best != pick:
        marks.append(Dot(x=ms[best], y=energy[best], role="activations", size=8, label="cheapest"))
    first = (
        f"{target:g} tok/s is out of reach; at most {significant(float(rates[-1]))}."
        if chosen is None
        else f"{target:g} tok/s needs {FREQ[pick] / 1e9:g} GHz: {si(float(energy[pick]), 'J')} per token."
    )
    span = float(CAPACITANCE_F * cycles * (VOLTS[-1] ** law - VOLTS[0] ** law))
    readout = (
        f"{first} Cheapest is {FREQ[best] / 1e9:g} GHz with {si(float(energy[best]), 'J')}. "
        f"From the highest clock to the lowest, switching saves {si(span, 'J')}."
    )
    return Scene(
        title="Slower saves switching energy, until the waiting costs more",
        x=Axis(label="Time per token", unit="ms", lo=20, hi=90),
        y=Axis(label="Energy per token", unit="J", lo=0, hi=0.42),
        marks=marks,
        readout=readout,
        alt=f"Energy against time per token, LLaMA-3.2 1B (4 bits) on four Cortex-A76. {readout}",
        table=[
            ("clock", "voltage", "tok/s", "J per token"),
            *(
                (f"{f / 1e9:g} GHz", f"{v:g} V", significant(float(1 / t)), f"{e:.3f}")
                for f, v, t, e in zip(FREQ, VOLTS, seconds, energy, strict=True)
            ),
        ],
    )


PERIOD_S = 10.0


@explorable(
    "race-to-idle",
    label="Sprint and sleep, or walk?",
    hint="Take everything else to 0 W: is sleep still worth it? Then make waking dear.",
    tokens=Slider(16, 128, log2=True, default=64, unit="tokens", label="Answer every 10 s"),
    platform=Slider(0, 3, step=0.25, default=1.5, unit="W", label="Everything else, awake"),
    asleep=Slider(0, 0.25, step=0.05, default=0.1, unit="W", label="Asleep"),
    wake=Slider(0, 4, step=0.25, default=0.5, unit="J", label="Falling asleep and waking"),
)
def race_to_idle(tokens: int, platform: float, asleep: float, wake: float) -> Scene:
    """Power over one period: the highest clock and then sleep, against the lowest clock and awake."""
    seconds, _, _, cycles = _token(8)
    busy = tokens * seconds[[0, -1]]
    volts = VOLTS[[0, -1]]
    work = CAPACITANCE_F * volts**2 * cycles * tokens / busy  # switching, over the time it takes
    walk_W, race_W = work + CORES * leakage_power(volts, LEAKAGE_A) + platform
    awake = platform + CORES * leakage_power(VOLTS[0], LEAKAGE_A)
    race = period_energy(race_W, busy[1], PERIOD_S, asleep, wake)
    walk = period_energy(walk_W, busy[0], PERIOD_S, awake)
    winner, loser = ("Sprinting", "walking") if race < walk else ("Walking", "sprinting")
    pause = (
        f"sleeping pays after {significant(break_even_s(awake, asleep, wake), 2)} s"
        if wake
        else ("sleeping pays at once")
    )
    steps = {
        "walk": ([0, busy[0], busy[0], PERIOD_S], [walk_W, walk_W, awake, awake]),
        "race": ([0, busy[1], busy[1], PERIOD_S], [race_W, race_W, asleep, asleep]),
    }
    marks: list[Mark] = [
        Area(x=steps["walk"][0], y0=[0] * 4, y1=steps["walk"][1], role="activations", term="1.2 GHz, awake"),
        Area(
            x=steps["race"][0], y0=[0] * 4, y1=steps["race"][1], role="compute", term="2.4 GHz, then asleep"
        ),
        Line(x=steps["walk"][0], y=steps["walk"][1], role="activations"),
        Line(x=steps["race"][0], y=steps["race"][1], role="compute"),
        Text(x=busy[1] + 0.15, y=race_W - 0.3, text=f"sprint {si(race, 'J')}", role="compute"),
        Text(x=PERIOD_S, y=awake + 0.3, text=f"walk {si(walk, 'J')}", role="activations", anchor="end"),
    ]
    readout = (
        f"{winner} costs {si(min(race, walk), 'J')}, {loser} {si(max(race, walk), 'J')} every 10 s; {pause}. "
        f"The sprint lasts {significant(float(busy[1]))} s, the walk {significant(float(busy[0]))} s."
    )
    return Scene(
        title="A sprint pays when the rest of the phone sleeps after it",
        x=Axis(label="Time", unit="s", lo=0, hi=PERIOD_S),
        y=Axis(label="Power", unit="W", lo=0, hi=9),
        marks=marks,
        readout=readout,
        alt=f"Power over 10 seconds for {tokens} tokens of LLaMA-3.2 1B on four Cortex-A76. {readout}",
        table=[
            ("policy", "busy", "power while busy", "energy"),
            ("sprint", f"{busy[1]:.2f} s", si(float(race_W), "W"), si(race, "J")),
            ("walk", f"{busy[0]:.2f} s", si(float(walk_W), "W"), si(walk, "J")),
        ],
    )
