"""Tokens per second: the roofline bound, what software makes of it, and the chapter's example."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgelib.data import table
from edgelib.explore import Choice, Slider, Toggle, explorable
from edgelib.explore.book.devices import ENGINES, KV, MODELS, WEIGHTS, name_of
from edgelib.explore.scene import Axis, Bar, Dot, Line, Mark, Scene, Text
from edgelib.hardware import attainable, engine, ridge
from edgelib.metrics import predict
from edgelib.units import GB, si, significant


@explorable(
    "decode-roofline",
    label="What bounds decode?",
    hint="Turn the weights from 16 bit to 2: the dot slides along the slanted roof and never reaches the "
    "flat one. Then raise the batch. Then raise the context, and watch the batch stop helping.",
    model=Choice(MODELS, label="Model"),
    on=Choice(ENGINES, label="Device"),
    weights=Choice(WEIGHTS, default="q8_0", label="Weights"),
    kv=Choice(KV, label="Keys and values"),
    context=Slider(0, 32768, log2=True, default=2048, unit="tokens", label="Context"),
    batch=Slider(1, 256, log2=True, default=1, unit="sequences", label="Batch"),
)
def decode_roofline(model: str, on: str, weights: str, kv: str, context: int, batch: int) -> Scene:
    """The roofline of one device with a decode step and a prefill on it."""
    bound, expected = (
        predict(model, on, weights=weights, kv=kv, context=context, batch=batch, runtime=runtime)
        for runtime in ("ideal", "typical")
    )
    peak, bandwidth = bound.engine.peak.value, bound.engine.bandwidth
    corner = ridge(peak, bandwidth)
    ops, size = bound.value("decode_ops"), bound.value("weight_bytes") + bound.value("kv_bytes")
    intensity = ops / size
    x = np.geomspace(0.25, 4096, 57)
    roof = attainable(x, peak, bandwidth)
    left, right = x <= corner, x >= corner
    prefill = bound.value("prefill_ops") / bound.value("weight_bytes")
    marks: list[Mark] = [
        Line(
            x=[*x[left], corner],
            y=[*roof[left], peak],
            role="memory",
            term="slanted roof: intensity x bandwidth",
        ),
        Line(x=[corner, *x[right]], y=[peak, *roof[right]], role="compute", term="flat roof: peak rate"),
        Text(x=0.4, y=0.25 * attainable(0.4, peak, bandwidth), text=si(bandwidth, "B/s"), role="memory"),
        Text(x=3500, y=1.8 * peak, text=si(peak, "OP/s"), role="compute", anchor="end"),
        Dot(
            x=prefill,
            y=bound.value("prefill_ops") / bound.value("prefill_s"),
            role="activations",
            label="prefill, 512 tokens",
            term="prefill: every weight read meets 512 tokens",
        ),
        Dot(
            x=intensity,
            y=ops / bound.decode_s,
            role="weights",
            size=8,
            label=f"bound {significant(bound.decode_tok_s)} tok/s",
            term="bound: operations per step / max(bytes / bandwidth, operations / peak)",
        ),
        Dot(
            x=intensity,
            y=ops / expected.decode_s,
            role="ink",
            size=4,
            label=f"expected {significant(expected.decode_tok_s)} tok/s",
            term="expected: fitted efficiency and a fixed time per layer",
        ),
    ]
    busy = bound.value("compute_s") / bound.decode_s
    what = "weights" if bound.value("weight_bytes") >= bound.value("kv_bytes") else "keys and values"
    why = f"memory ({what})" if bound.bottleneck == "memory" else "arithmetic"
    readout = (
        f"At most {significant(bound.decode_tok_s)} tok/s, bound by {why}; "
        f"{significant(expected.decode_tok_s)} expected. "
        f"The arithmetic is busy {significant(100 * busy, 2)} % of the time."
    )
    return Scene(
        title="Left of the corner, memory decides"
        if bound.bottleneck == "memory"
        else "A batch this large takes decode past the corner",
        x=Axis(label="Arithmetic intensity", unit="OP/B", lo=0.25, hi=4096, log=True),
        y=Axis(label="Rate", unit="OP/s", lo=3e9, hi=3e14, log=True),
        marks=marks,
        readout=readout,
        alt=f"Roofline of {name_of(on, ENGINES)}: {name_of(model, MODELS)} with {weights} weights performs "
        f"{significant(intensity)} OP/B in decode, corner at {significant(corner)} OP/B. {readout}",
        table=[
            ("quantity", "value"),
            ("operations per step", si(ops, "OP")),
            ("weights read per step", si(bound.value("weight_bytes"), "B")),
            ("keys and values read per step", si(bound.value("kv_bytes"), "B")),
            ("weights, keys and values must fit in", si(sum(bound.memory_B.values()), "B")),
            ("intensity", f"{significant(intensity)} OP/B"),
            ("corner of the roof", f"{significant(corner)} OP/B"),
        ],
    )


APPLE = "llama.cpp-4167"  # one benchmark, one model: LLaMA-2 7B, 512 tokens in, 128 out


@explorable(
    "bound-and-measured",
    label="How close does software come to the bound?",
    hint="Start without the fixed time per layer: the fast machines fall off the line. Switch it on.",
    weights=Choice({k: WEIGHTS[k] for k in list(WEIGHTS)[:3]}, default="q4_0", label="Weights"),
    layers=Toggle(default=False, label="Count a fixed time per layer"),
)
def bound_and_measured(weights: str, layers: bool) -> Scene:
    """Measured decode of one model on Apple GPUs against bandwidth, with the bound and the prediction."""
    rows = [r for r in table("measurements") if r["source_id"] == APPLE and r["quant"].lower() == weights]
    bandwidth = np.array([engine(row["device_unit"]).bandwidth for row in rows])
    measured = np.array([float(row["decode_tok_s"]) for row in rows])
    on = engine(rows[0]["device_unit"])
    context = float(rows[0]["kv_context_tokens"])

    def rate(bandwidth: NDArray[np.float64], runtime: str) -> NDArray[np.float64]:
        unit = on.having(bandwidth=bandwidth)
        estimate = predict("llama-2-7b", unit, weights=weights, context=context, runtime=runtime)
        return np.asarray(1 / (estimate.value("read_s") + layers * estimate.value("overhead_s")))

    sweep = np.linspace(40, 850, 55) * GB
    error = np.abs(rate(bandwidth, "typical") / measured - 1)
    share = measured / rate(bandwidth, "ideal")
    marks: list[Mark] = [
        Line(x=sweep / GB, y=rate(sweep, "ideal"), role="memory", label="bound", term="bandwidth / bytes"),
        Line(
            x=sweep / GB,
            y=rate(sweep, "typical"),
            role="weights",
            label="expected" if layers else "share of bound",
            term="bytes / (e B) + L tau" if layers else "bytes / (e B)",
        ),
        *(
            Dot(x=b / GB, y=m, size=4, term=f"{row['device_unit']}: {m:g} tok/s measured")
            for b, m, row in zip(bandwidth, measured, rows, strict=True)
        ),
    ]
    readout = (
        f"{len(rows)} GPUs measured, {significant(100 * share.max(), 2)} to "
        f"{significant(100 * share.min(), 2)} % of the bound; "
        f"the blue line is off by {significant(100 * float(np.median(error)), 2)} % (median)."
    )
    return Scene(
        title="The faster the memory, the further from the bound",
        x=Axis(label="Memory bandwidth", unit="GB/s", lo=0, hi=900),
        y=Axis(label="Decode", unit="tok/s", lo=0, hi=200),
        marks=marks,
        readout=readout,
        alt=f"Measured decode of LLaMA-2 7B at {weights} on Apple GPUs against bandwidth. {readout}",
        table=[
            ("device", "GB/s", "measured tok/s"),
            *(
                (r["device_unit"], f"{b / GB:g}", f"{m:g}")
                for r, b, m in zip(rows, bandwidth, measured, strict=True)
            ),
        ],
    )


@explorable(
    "fourteen-gigabytes",
    label="Which precision makes 14 GB true?",
    hint="Raise the context until the 8-bit bar reaches the line. What would that model have to remember?",
    context=Slider(0, 16384, log2=True, default=2048, unit="tokens", label="Context"),
    kv=Choice(KV, label="Keys and values"),
)
def fourteen_gigabytes(context: int, kv: str) -> Scene:
    """Bytes per token of LLaMA-7B at 16, 8 and 4 bits against the chapter's 14 GB, at 100 GB/s."""
    device = engine("M1-7c/GPU").having(bandwidth=100 * GB)
    marks: list[Mark] = [
        Line(
            x=[-0.5, 2.5],
            y=[14, 14],
            role="error",
            width=2,
            label="the chapter: 14 GB",
            term="printed bytes per token",
        )
    ]
    rows, texts = [], []
    for x, (name, weights) in enumerate({"FP16": "f16", "INT8": "int8", "INT4": "int4"}.items()):
        bound = predict("llama-2-7b", device, weights=weights, kv=kv, context=context, runtime="ideal")
        read, kept = bound.value("weight_bytes") / GB, bound.value("kv_bytes") / GB
        rate = 1 / bound.value("read_s")
        marks.append(
            Bar(x=x, y1=read, role="weights", label="weights" if x == 0 else "", term="weight bytes")
        )
        marks.append(Bar(x=x, y0=read, y1=read + kept, role="kv", term="keys and values of the context"))
        marks.append(Text(x=x, y=read + kept + 0.6, text=f"{significant(rate)} tok/s", anchor="middle"))
        rows.append((name, f"{read:.2f} GB", f"{kept:.2f} GB", f"{rate:.2f} tok/s"))
        texts.append(f"{name} {read + kept:.1f} GB and {significant(rate)} tok/s")
    readout = f"At 100 GB/s and {context:,} tokens of context: " + ", ".join(texts) + "."
    return Scene(
        title="14 GB per token is FP16, not INT8",
        x=Axis(label="Weights", categories=("FP16", "INT8", "INT4")),
        y=Axis(label="Read per token", unit="GB", lo=0, hi=24),
        marks=marks,
        readout=readout,
        alt=f"Bytes one token reads, LLaMA-7B. {readout}",
        table=[("weights", "weights", "keys and values", "at 100 GB/s"), *rows],
    )
