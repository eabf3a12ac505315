"""Spending fewer joules: precision by the token, units by the operator.

The units of the phone in `energy-schedule` are assumed, round figures of the right size: nobody publishes the
power of a phone's CPU, GPU and NPU side by side.
"""

from __future__ import annotations

from functools import cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from edgelib.explore import Choice, Slider, explorable
from edgelib.explore.book.joules import PHASES
from edgelib.explore.scene import Axis, Dot, Line, Mark, Scene, Span, Text
from edgelib.kernels.adaptive_precision import Mixture, mixed_energy, mixture, toy_text
from edgelib.metrics import predict
from edgelib.metrics.energy import energy_of, energy_per_token
from edgelib.planning.energy_schedule import Assignment, frontier, thriftiest
from edgelib.units import si, significant
from edgelib.workloads import transformer, weight_format

Floats = NDArray[np.float64]


GATES = {"run 4 bits, then 8 if unsure": "retry", "decide by the word before": "previous"}
THRESHOLDS = [0.25 * k for k in range(25)]


@cache
def _mixture(threshold: float, gate: str) -> Mixture:
    text = toy_text()
    return mixture(text[4], text[8], text[16], threshold, gate)


@cache
def _energies() -> tuple[float, float, float]:
    """Joules per token of LLaMA-2 7B in 4 and 8 bits, and bytes of both weight copies."""
    low, high = (
        predict("llama-2-7b", "SD8G3/NPU", weights=w, context=512, runtime="ideal") for w in ("q4_0", "q8_0")
    )
    joules = [float(sum(energy_per_token(e, arithmetic="int8_mac").values())) for e in (low, high)]
    return joules[0], joules[1], low.memory_B["weights"] + high.memory_B["weights"]


@explorable(
    "adaptive-precision",
    label="May easy words run in 4 bits?",
    hint="At which threshold does asking first cost more than always using 8 bits?",
    threshold=Slider(0, 6, step=0.25, default=0.75, unit="bit", label="Unsure above an entropy of"),
    gate=Choice(GATES, label="Gate"),
)
def adaptive_precision(threshold: float, gate: str) -> Scene:
    """Energy against divergence for a mixture of 4-bit and 8-bit words gated by entropy (toy model)."""
    coarse, fine, both = _energies()

    def point(threshold: float, gate: str) -> tuple[float, float]:
        """Divergence in millibits per word, and energy in per cent of always 8 bits."""
        mixed = _mixture(threshold, gate)
        return 1e3 * mixed.kl, 100 * mixed_energy(coarse, fine, mixed.share, gate) / fine

    other = "previous" if gate == "retry" else "retry"
    curve, ghost = (np.array([point(t, g) for t in THRESHOLDS]) for g in (gate, other))
    here = _mixture(threshold, gate)
    x, y = point(threshold, gate)
    fine_kl, coarse_kl = (1e3 * _mixture(t, "retry").kl for t in (0.0, 6.0))
    marks: list[Mark] = [
        Line(x=[0, 30], y=[100, 100], role="error", width=1.5),
        Line(x=ghost[:, 0], y=ghost[:, 1], role="idle", width=1.5, ghost=True),
        Line(x=curve[:, 0], y=curve[:, 1], role="weights", term="threshold from 0 to 6 bits"),
        Dot(x=fine_kl, y=100, role="activations", label="always 8 bits"),
        Dot(x=coarse_kl, y=100 * coarse / fine, role="activations", label="always 4 bits"),
        Dot(x=x, y=y, role="error", size=8, label=f"{significant(100 * here.share, 2)} % in 8 bits"),
    ]
    readout = (
        f"{significant(y)} % of the energy of always 8 bits, {significant(x, 2)} millibits of divergence, "
        f"{significant(100 * here.flips, 2)} % of the words changed. A retry pays below "
        f"{significant(100 * (1 - coarse / fine), 2)} % unsure words; both copies take {si(both, 'B')}."
    )
    return Scene(
        title="A gate that must first run the small weights can cost more than the large ones",
        x=Axis(label="Divergence from the original (KL)", unit="millibit", lo=0, hi=30),
        y=Axis(label="Energy per token", unit="% of 8 bits", lo=0, hi=170),
        marks=marks,
        readout=readout,
        alt=f"Energy against divergence of an entropy-gated mixture of precisions, toy model. {readout}",
        table=[
            ("threshold", "in 8 bits", "energy", "divergence", "words changed"),
            *(
                (
                    f"{t:g} bit",
                    f"{100 * _mixture(t, gate).share:.0f} %",
                    f"{point(t, gate)[1]:.0f} %",
                    f"{point(t, gate)[0]:.2f} mbit",
                    f"{100 * _mixture(t, gate).flips:.1f} %",
                )
                for t in (0.0, 0.5, 1.0, 2.0, 4.0, 6.0)
            ),
        ],
    )


# Bytes/s, OP/s in matrix products, OP/s in attention, W while busy; assumed.
UNITS = {
    "CPU": (45e9, 0.5e12, 0.3e12, 4.5),
    "GPU": (60e9, 4.0e12, 1.5e12, 4.0),
    "NPU": (50e9, 2.5e12, 0.3e12, 1.2),
}
OPERATORS = ("q k v", "attention", "output", "gate, up", "down")
MOVE_S, MOVE_J = 50e-6, 50e-6  # handing a tensor to another unit; assumed
LAYERS_SHOWN, CONTEXT = 2, 2048


def _layer(phase: str) -> tuple[Floats, Floats]:
    """Seconds and joules [operators, units] of two layers of LLaMA-3.2 1B, 8 bits, 2,048 tokens."""
    model, bits = transformer("llama-3.2-1b"), weight_format("int8").bits
    n = CONTEXT if phase == "prefill" else 1
    d, q, k = model.d_model, model.heads * model.head_dim, model.kv_heads * model.head_dim
    params = [d * (q + 2 * k), 0, q * d, 2 * d * model.d_ff, model.d_ff * d]
    keys = model.kv_bytes_per_token() / model.layers * CONTEXT
    dram = energy_of("lpddr5")
    seconds, joules = [], []
    for size in params:
        moved = size * bits / 8 if size else keys
        ops = 2 * size * n if size else 4 * q * n * (CONTEXT if n == 1 else CONTEXT / 2)
        times = [max(moved / bw, ops / (rate if size else slow)) for bw, rate, slow, _ in UNITS.values()]
        seconds.append(times)
        joules.append(
            [t * watts + dram.of_bytes(moved) for t, (*_, watts) in zip(times, UNITS.values(), strict=True)]
        )
    return np.array(seconds * LAYERS_SHOWN), np.array(joules * LAYERS_SHOWN)


@cache
def _plans(phase: str, dear: float) -> list[Assignment]:
    return frontier(*_layer(phase), MOVE_S * dear, MOVE_J * dear)


@explorable(
    "energy-schedule",
    label="Who should do what before the deadline?",
    hint="Tighten the deadline and watch operators leave the thrifty unit. Then make moving dear.",
    phase=Choice(PHASES, default="prefill", label="Phase"),
    slack=Slider(0, 100, step=10, default=100, unit="%", label="Deadline, from fastest to cheapest"),
    dear=Slider(0, 8, log2=True, default=1, unit="x 50 µs", label="Cost of changing the unit"),
)
def energy_schedule(phase: str, slack: float, dear: float) -> Scene:
    """Two layers on three units: the cheapest assignment that meets a deadline, as a timeline."""
    seconds, joules = _layer(phase)
    plans = _plans(phase, dear)
    deadline = plans[0].seconds + slack / 100 * (plans[-1].seconds - plans[0].seconds)
    best = thriftiest(plans, deadline * (1 + 1e-9))
    single = {name: float(joules[:, u].sum()) for u, name in enumerate(UNITS)}
    percent = 100 / float(seconds[:, list(UNITS).index("NPU")].sum())
    marks: list[Mark] = []
    now, last = 0.0, best.units[0]
    roles = {"attention": "kv", "q k v": "weights", "output": "weights"}
    for i, unit in enumerate(best.units):
        now += (MOVE_S * dear) * (unit != last)
        name = OPERATORS[i % len(OPERATORS)]
        end = now + float(seconds[i, unit])
        marks.append(
            Span(
                x0=now * percent,
                x1=end * percent,
                y=unit,
                role=roles.get(name, "compute"),
                height=0.6,
                label=name if (end - now) * percent > 9 and i < len(OPERATORS) else "",
                term=f"{name}: {si(end - now, 's')}, {si(float(joules[i, unit]), 'J')}",
            )
        )
        now, last = end, unit
    marks.append(Line(x=[deadline * percent] * 2, y=[-0.5, 2.5], role="error", width=1.5))
    marks.append(Text(x=deadline * percent + 1, y=2.42, text=f"deadline {si(deadline, 's')}", role="error"))
    marks += [
        Text(x=125, y=u, text=f"alone {si(single[name], 'J')}", anchor="start")
        for u, name in enumerate(UNITS)
    ]
    thrifty = min(single, key=lambda name: single[name])
    moves = sum(a != b for a, b in pairwise(best.units))
    readout = (
        f"{si(best.joules, 'J')} in {si(best.seconds, 's')}, {moves} times to another unit; "
        f"the {thrifty} alone would take {si(single[thrifty], 'J')}, "
        f"the CPU alone {si(single['CPU'], 'J')}. {len(plans)} plans are worth considering."
    )
    return Scene(
        title="The thrifty unit takes the matrices; attention goes where it is fast",
        x=Axis(label="Time", unit="% of the NPU alone", lo=0, hi=150),
        y=Axis(label="Unit", categories=tuple(UNITS)),
        marks=marks,
        readout=readout,
        alt=f"Timeline of two layers of LLaMA-3.2 1B on three units of a phone, {phase}. {readout}",
        table=[
            ("operator", "unit", "time", "energy"),
            *(
                (
                    OPERATORS[i % len(OPERATORS)],
                    list(UNITS)[u],
                    si(float(seconds[i, u]), "s"),
                    si(float(joules[i, u]), "J"),
                )
                for i, u in enumerate(best.units)
            ),
        ],
    )
