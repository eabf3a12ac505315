"""Keys and values beside the weights: how many bytes they take, and how many each token reads."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from edgelib.explore import Choice, Slider, explorable
from edgelib.explore.book.devices import KV, WEIGHTS
from edgelib.explore.scene import Area, Axis, Dot, Line, Mark, Scene, Text
from edgelib.metrics.liveness import decode_traffic_B
from edgelib.metrics.memory import footprint, kv_size
from edgelib.units import GB, gib, si, significant
from edgelib.workloads import transformer, weight_format

LLAMA = transformer("llama-2-7b")
CONTEXTS = np.geomspace(128, 131072, 61)
WINDOWS: dict[str, int | None] = {"all tokens": None, "window of 4,096": 4096, "window of 1,024": 1024}


@explorable(
    "kv-growth",
    label="When does the cache outgrow the model?",
    hint="Let 4 query heads share each key head (8 key heads), store 4 bits, keep a window: each factor "
    "multiplies. Which one stops the growth?",
    kv_heads=Slider(1, 32, log2=True, default=32, unit="of 32 heads", label="Key and value heads"),
    kv=Choice(KV, label="Keys and values"),
    window=Choice(WINDOWS, label="Kept"),
    batch=Slider(1, 16, log2=True, default=1, unit="sequences", label="Batch"),
)
def kv_growth(kv_heads: int, kv: str, window: int | None, batch: int) -> Scene:
    """Keys and values of LLaMA-2 7B against context, beside its weights at 4 and 16 bits."""
    shared = replace(LLAMA, kv_heads=kv_heads)
    bits = weight_format(kv).bits

    def size(tokens: NDArray[np.float64] | float) -> NDArray[np.float64]:
        return np.asarray(kv_size(shared, tokens, batch=batch, bits=bits, window=window)) / GB

    marks: list[Mark] = [
        Line(x=CONTEXTS, y=size(CONTEXTS), role="kv", width=3.5, label="keys and values"),
        Line(x=CONTEXTS, y=kv_size(LLAMA, CONTEXTS) / GB, role="kv", ghost=True, width=1.5),
    ]
    for name, weights in {"weights, 4 bit": "q4_0", "weights, FP16": "f16"}.items():
        y = footprint(LLAMA, weights, context=0).total_B / GB
        marks.append(Line(x=[128, 131072], y=[y, y], role="weights", width=1.5))
        marks.append(Text(x=150, y=1.55 * y, text=name, role="weights"))
    for tokens, name in ((2048, "2K"), (32768, "32K")):
        here = float(size(tokens))
        marks.append(Dot(x=tokens, y=here, role="kv", term=f"{name}: {gib(here * GB)}"))
    per_token = batch * shared.kv_bytes_per_token(bits)
    small = footprint(LLAMA, "q4_0", context=0).total_B
    cross = small / per_token
    if window is not None and cross > window:
        crossing = "never outgrow the 4-bit weights"
    else:
        crossing = f"outgrow the 4-bit weights after {significant(cross)} tokens of context"
    readout = (
        f"{si(per_token, 'B')} per token of context; {gib(float(size(2048)) * GB)} at 2,048 tokens, "
        f"{gib(float(size(32768)) * GB)} at 32,768. The keys and values {crossing}."
    )
    return Scene(
        title="The weights stay, the cache grows",
        x=Axis(label="Context", unit="tokens", lo=128, hi=131072, log=True),
        y=Axis(label="Memory", unit="GB", lo=0.01, hi=2000, log=True),
        marks=marks,
        readout=readout,
        alt=f"Size of keys and values against context, LLaMA-2 7B with {kv_heads} key heads. {readout}",
        table=[
            ("context", "keys and values"),
            *((f"{n:,}", gib(float(size(n)) * GB)) for n in (512, 2048, 8192, 32768, 131072)),
        ],
    )


@explorable(
    "traffic-split",
    label="Who uses the bandwidth?",
    hint="The dashed lines are the chapter's 70 / 20 / 10. Is there a context at which all three hold?",
    context=Slider(128, 65536, log2=True, default=2048, unit="tokens", label="Context"),
    weights=Choice(WEIGHTS | {"8 bit (INT8)": "int8"}, default="int8", label="Weights"),
    kv=Choice(KV, label="Keys and values"),
)
def traffic_split(context: int, weights: str, kv: str) -> Scene:
    """Shares of weights, keys and values and activations in the bytes that one decoded token touches."""
    stored = weight_format(weights)
    read = (LLAMA.layer_params * stored.bits + LLAMA.head_params * stored.head_bits) / 8
    per_token = LLAMA.kv_bytes_per_token(weight_format(kv).bits)
    made = decode_traffic_B(LLAMA)

    def shares(tokens: NDArray[np.float64]) -> NDArray[np.float64]:
        parts = np.stack([np.full_like(tokens, read), per_token * tokens, np.full_like(tokens, made)])
        return np.asarray(100 * parts / parts.sum(axis=0))

    x = np.geomspace(128, 65536, 55)
    w, k, _ = shares(x)
    here = shares(np.array([float(context)]))[:, 0]
    holds = 2 / 7 * read / per_token
    marks: list[Mark] = [
        Area(x=x, y0=np.zeros_like(x), y1=w, role="weights", label="weights", term="bytes of weights"),
        Area(x=x, y0=w, y1=w + k, role="kv", label="keys and values", term="context x bytes per token"),
        Line(x=x, y=w + k, role="activations", width=1.5, term="activations: above this line"),
        Line(x=[128, 65536], y=[70, 70], ghost=True, width=1.5, term="the chapter: weights 70 %"),
        Line(x=[128, 65536], y=[90, 90], ghost=True, width=1.5, term="the chapter: keys and values 20 %"),
        Line(x=[context] * 2, y=[0, 100], width=1.5, term="this context"),
        Dot(x=context, y=here[0], role="weights", size=7),
    ]
    texts = [f"{significant(v, 2) if v < 10 else f'{v:.0f}'} %" for v in here]
    readout = (
        f"At {context:,} tokens: weights {texts[0]}, keys and values {texts[1]}, activations {texts[2]}. "
        f"Weights to keys and values are 70 to 20 at {holds:,.0f} tokens, and activations are never 10 %."
    )
    return Scene(
        title="70 / 20 / 10 holds at no context",
        x=Axis(label="Context", unit="tokens", lo=128, hi=65536, log=True),
        y=Axis(label="Share of the bytes per token", unit="%", lo=0, hi=105),
        marks=marks,
        readout=readout,
        alt=f"Shares of the memory traffic of a decoded token, LLaMA-2 7B. {readout}",
        table=[
            ("context", "weights %", "keys and values %", "activations %"),
            *(
                (f"{n:,}", *(f"{v:.2f}" for v in shares(np.array([float(n)]))[:, 0]))
                for n in (512, 2048, 8192, 32768)
            ),
        ],
    )
