"""Joules per token: where they go, what saves them, and what a wall plug says."""

from __future__ import annotations

from functools import cache
from itertools import pairwise

import numpy as np

from edgelib.explore import Choice, Slider, Toggle, explorable
from edgelib.explore.book.devices import MODELS, WEIGHTS, name_of
from edgelib.explore.scene import Area, Axis, Bar, Dot, Line, Mark, Scene, Span, Text
from edgelib.metrics import predict
from edgelib.metrics.energy import BYTES, EnergyPer, energy_of, energy_per_token
from edgelib.metrics.measured_energy import MeasuredEnergy, measured_energy
from edgelib.metrics.traffic import dram_traffic_B
from edgelib.units import GB, si, significant
from edgelib.workloads import transformer, weight_format

PRINTED_PJ = {"arithmetic": 0.2, "sram": 5.0, "dram": 200.0}  # claims 1.2.3.04 to 1.2.3.06
TABLES = {
    "as printed: 0.2, 5, 200 pJ": "printed",
    "Horowitz 2014, 45 nm": "2014",
    "8-bit, LPDDR5 phone": "phone",
}


@explorable(
    "energy-per-token",
    label="Where do the joules of a token go?",
    hint="Read the printed table per bit, per byte, per word. Which bar never matters, whatever you choose?",
    per=Choice(list(BYTES), default="byte", label="Printed reads are per"),
    figures=Choice(TABLES, label="Energy table"),
    model=Choice(MODELS, label="Model"),
    weights=Choice(WEIGHTS, default="q8_0", label="Weights"),
)
def energy_by_component(per: str, figures: str, model: str, weights: str) -> Scene:
    """Energy of one decoded token in arithmetic, on-chip memory and DRAM, on a logarithmic axis."""
    estimate = predict(model, "SD8G3/NPU", weights=weights, context=512, runtime="ideal")

    def parts(width: str) -> dict[str, float]:
        """Joules by component; only the printed table depends on the width."""
        if figures == "printed":
            costs = {name: EnergyPer(PRINTED_PJ[name], width) for name in ("sram", "dram")}
            return energy_per_token(estimate, arithmetic=EnergyPer(PRINTED_PJ["arithmetic"], "MAC"), **costs)
        dram = "dram_2014" if figures == "2014" else "lpddr5"
        return energy_per_token(estimate, arithmetic="int8_mac", sram="sram_32KiB", dram=dram)

    chosen = parts(per)
    names = {"compute": "arithmetic", "sram": "on-chip memory", "dram": "DRAM"}
    roles = {"compute": "compute", "sram": "activations", "dram": "memory"}
    low = 1e-5
    marks: list[Mark] = []
    for lane, (key, name) in enumerate(names.items()):
        joules = chosen[key]
        marks.append(
            Span(x0=low, x1=joules, y=lane, role=roles[key], height=0.5, term=f"{name}: {si(joules, 'J')}")
        )
        if key != "compute":
            marks += [
                Dot(x=parts(width)[key], y=lane, role="idle", size=3, term=f"if per {width}")
                for width in BYTES
                if width != per and figures == "printed"
            ]
        marks.append(Text(x=joules * 1.25, y=lane - 0.36, text=si(joules, "J")))
    total = sum(chosen.values())
    share = chosen["dram"] / total
    readout = (
        f"{si(total, 'J')} per token, {significant(100 * share, 3)} % of it in DRAM; arithmetic is "
        f"{significant(100 * chosen['compute'] / total, 2)} %. A charge of 11.1 Wh would last "
        f"{significant(11.1 * 3600 / total, 2)} tokens of this kind alone."
    )
    return Scene(
        title="Whatever the width, arithmetic is the small part",
        x=Axis(label="Energy per token", unit="J", lo=low, hi=300, log=True),
        y=Axis(label="Part", categories=tuple(names.values())),
        marks=marks,
        readout=readout,
        alt=f"Energy of one token of {name_of(model, MODELS)} by component. {readout}",
        table=[
            ("reads are per", *names.values()),
            *((width, *(si(parts(width)[key], "J") for key in names)) for width in BYTES),
        ],
    )


PHASES = {"decode: 1 token": "decode", "prefill: the whole prompt": "prefill"}


@explorable(
    "energy-waterfall",
    label="What does each trick save, and in which phase?",
    hint="Switch from decode to prefill and watch which steps come alive. Then lengthen the prompt.",
    phase=Choice(PHASES, label="Phase"),
    tokens=Slider(256, 8192, log2=True, default=2048, unit="tokens", label="Prompt or context"),
    quantise=Toggle(default=True, label="4-bit weights"),
    fuse=Toggle(default=True, label="Fused operators"),
    tile=Toggle(default=True, label="Tiled attention"),
)
def energy_waterfall(phase: str, tokens: int, quantise: bool, fuse: bool, tile: bool) -> Scene:
    """DRAM energy of one pass of LLaMA-2 7B as tricks are added one after the other."""
    model, dram = transformer("llama-2-7b"), energy_of("lpddr5")
    new, offset = (tokens, 0) if phase == "prefill" else (1, tokens)

    def joules(quantise: bool, fuse: bool, tile: bool) -> float:
        """Energy of all bytes that cross the bus."""
        weights = weight_format("q4_0" if quantise else "f16")
        traffic = dram_traffic_B(model, weights, new, offset, fused=fuse, tiled=tile)
        return float(dram.of_bytes(sum(traffic.values())))

    steps = [
        joules(False, False, False),
        joules(quantise, False, False),
        joules(quantise, fuse, False),
        joules(quantise, fuse, tile),
    ]
    names = ("4-bit weights", "fusion", "tiling")
    percent = [100 * s / steps[0] for s in steps]
    marks: list[Mark] = [
        Bar(x=0, y1=100, role="memory", term="FP16, every result through memory"),
        Text(x=0, y=103, text=si(steps[0], "J"), anchor="middle"),
    ]
    saved = []
    for i, (before, after) in enumerate(pairwise(percent), start=1):
        saved.append(steps[i - 1] - steps[i])
        marks.append(
            Bar(
                x=i,
                y0=min(before, after),
                y1=max(before, after),
                role="activations",
                term=f"saved by {names[i - 1]}",
            )
        )
        marks.append(Line(x=[i - 1 + 0.35, i + 0.35], y=[before] * 2, role="idle", width=1.5))
        label = f"−{before - after:.1f} %" if after <= before else f"+{after - before:.1f} %"
        marks.append(Text(x=i, y=max(before, after) + 3, text=label, anchor="middle"))
    marks.append(Bar(x=4, y1=percent[-1], role="memory", term="what is left"))
    marks.append(Text(x=4, y=percent[-1] + 3, text=si(steps[-1], "J"), anchor="middle"))
    ops = (
        model.decode_ops(tokens)
        if phase == "decode"
        else (model.prefill_linear_ops(tokens) + model.prefill_attention_ops(tokens))
    )
    arithmetic = energy_of("int8_mac").of_ops(ops)
    readout = (
        f"{si(steps[0], 'J')} of traffic become {si(steps[-1], 'J')}. Saved by "
        + ", ".join(f"{name} {si(s, 'J')}" for name, s in zip(names, saved, strict=True))
        + f". The arithmetic, in 8 bits at 45 nm, adds {si(float(arithmetic), 'J')}."
    )
    return Scene(
        title="Decode feels only the bits; fusion and tiling save in prefill",
        x=Axis(label="Step", categories=("plain FP16", *names, "left")),
        y=Axis(label="Memory energy", unit="% of plain", lo=0, hi=120),
        marks=marks,
        readout=readout,
        alt=f"Waterfall of memory energy for {phase} of LLaMA-2 7B. {readout}",
        table=[
            ("step", "energy", "saved"),
            ("plain FP16", si(steps[0], "J"), ""),
            *((name, si(s, "J"), si(d, "J")) for name, s, d in zip(names, steps[1:], saved, strict=True)),
        ],
    )


DEVICES = {
    "all": "",
    "Raspberry Pi 5": "RPi5/CPU",
    "Intel N150": "N150/CPU",
    "Jetson AGX Orin": "AGXOrin64",
    "NVIDIA GB10": "GB10/GPU",
    "Apple M3 Ultra": "M3Ultra-80c/GPU",
}


@cache
def _runs() -> tuple[MeasuredEnergy, ...]:
    return tuple(measured_energy())


@explorable(
    "measured-joules",
    label="How much of the measured energy is memory?",
    hint="Raise the energy per bit until the line meets the dots. Would you believe that memory?",
    bit=Slider(1, 64, log2=True, default=8, unit="pJ/bit", label="DRAM"),
    device=Choice(DEVICES, label="Device"),
)
def measured_joules(bit: float, device: str) -> Scene:
    """Measured joules per token against bytes per token, with the energy of moving those bytes."""
    dram, published = EnergyPer(bit, "bit"), energy_of("lpddr5")
    x = np.array([0.4, 80.0])
    runs = [run for run in _runs() if run.engine.startswith(device)]
    joules = dram.of_bytes(x * GB)
    marks: list[Mark] = [
        Area(
            x=x,
            y0=x * GB * 8e-12 * (published.low or 0),
            y1=x * GB * 8e-12 * (published.high or 0),
            role="memory",
            term="published range of LPDDR5: 4 to 20 pJ per bit",
        ),
        Line(x=x, y=joules, role="memory", label=f"{bit:g} pJ/bit", term="bytes per token x energy per byte"),
    ]
    marks += [
        Dot(
            x=run.traffic_B / GB,
            y=run.joules,
            role="ink" if run in runs else "idle",
            size=5 if run in runs else 3,
            term=f"{run.engine}, {run.model}: {run.power_W:g} W / {run.tok_s:g} tok/s",
        )
        for run in _runs()
    ]
    per_byte = np.array([run.pJ_per_byte for run in runs])
    share = float(np.median(dram.to("byte").pJ / per_byte))
    if device:
        mean = float(np.exp(np.log(per_byte).mean()))
        marks.append(
            Line(x=x, y=mean * 1e-12 * GB * x, width=1.5, ghost=True, label=f"{significant(mean)} pJ/byte")
        )
    readout = (
        f"{len(runs)} runs: {significant(float(per_byte.min()))} to {significant(float(per_byte.max()))} pJ "
        f"of measured energy per byte that decode reads. At {bit:g} pJ per bit the reading explains "
        f"{significant(100 * share, 2)} % (median)."
    )
    return Scene(
        title="The memory itself takes a small part of what the plug delivers",
        x=Axis(label="Read per token", unit="GB", lo=0.4, hi=200, log=True),
        y=Axis(label="Energy per token", unit="J", lo=0.01, hi=200, log=True),
        marks=marks,
        readout=readout,
        alt=f"Measured energy per token against bytes per token, {len(_runs())} published runs. {readout}",
        table=[
            ("device", "model", "power", "tok/s", "J per token", "pJ per byte"),
            *(
                (
                    run.engine,
                    f"{run.model} {run.weights}",
                    f"{run.power_W:g} W",
                    f"{run.tok_s:g}",
                    significant(run.joules),
                    significant(run.pJ_per_byte),
                )
                for run in runs
            ),
        ],
    )
