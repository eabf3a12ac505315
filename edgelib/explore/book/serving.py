"""Many requests on one engine, and tokens that leave early."""

from __future__ import annotations

from functools import cache

import numpy as np

from edgelib.explore import Choice, Slider, explorable
from edgelib.explore.scene import Axis, Bar, Dot, Line, Mark, Scene
from edgelib.kernels.early_exit import Summary, summary, toy_stack
from edgelib.metrics import predict
from edgelib.planning.batching import Served, continuous, poisson_requests, static
from edgelib.units import si, significant

ANSWER, REQUESTS = 64, 300


def _serve(rate: float, max_batch: int, policy: str) -> Served:
    """300 requests for 64 tokens each of LLaMA-2 7B (4 bits) on an Apple M2 Max GPU."""
    batches = np.arange(1, max_batch + 1)
    seconds = predict("llama-2-7b", "M2Max-38c/GPU", weights="q4_0", context=256, batch=batches).decode_s
    requests = poisson_requests(rate, REQUESTS, ANSWER, seed=3)
    if policy == "static":
        return static(requests, max_batch, lambda batch: float(seconds[batch - 1]), timeout_s=1.0)
    return continuous(requests, max_batch, lambda batch: float(seconds[batch - 1]))


@explorable(
    "batching-queue",
    label="When does a batch help you, and when only the others?",
    hint="At 0.125 requests per second raise the batch: nothing happens. At 2 it decides everything. "
    "Prompts are taken to be kept already: no prefill is counted.",
    rate=Slider(0.125, 8, log2=True, default=2, unit="/s", label="Requests"),
    max_batch=Slider(1, 32, log2=True, default=4, unit="sequences", label="Largest batch"),
    policy=Choice({"join at any step": "continuous", "wait for a full batch": "static"}, label="Policy"),
)
def batching_queue(rate: float, max_batch: int, policy: str) -> Scene:
    """Latency against load for one batching policy; prompts are taken to be in the cache already."""
    rates = 2.0 ** np.arange(-3, 4)
    runs = [_serve(float(r), max_batch, policy) for r in rates]
    here = _serve(rate, max_batch, policy)
    middle, tail = (float(here.percentile_s(p)) for p in (50, 99))
    readout = (
        f"{rate:g} requests per second, batch up to {max_batch}: "
        f"{significant(here.throughput_tok_s)} tok/s in all; "
        f"an answer takes {si(middle, 's')} (median), {si(tail, 's')} (99th percentile)."
    )
    return Scene(
        title="Past saturation, latency is queueing",
        x=Axis(label="Requests", unit="1/s", lo=0.08, hi=14, log=True),
        y=Axis(label="Time to a whole answer", unit="s", lo=0.5, hi=2000, log=True),
        marks=[
            Line(x=rates, y=[float(r.percentile_s(50)) for r in runs], role="activations", label="median"),
            Line(x=rates, y=[float(r.percentile_s(99)) for r in runs], role="error", label="99 %"),
            Dot(x=rate, y=middle, role="activations", size=7),
            Dot(x=rate, y=tail, role="error", size=7),
        ],
        readout=readout,
        alt=f"Latency against arrival rate, LLaMA-2 7B at 4 bits on an Apple M2 Max GPU, {policy} batching. "
        + readout,
        table=[
            ("requests per s", "tok/s in all", "median", "99 %"),
            *(
                (
                    f"{r:g}",
                    significant(run.throughput_tok_s),
                    si(float(run.percentile_s(50)), "s"),
                    si(float(run.percentile_s(99)), "s"),
                )
                for r, run in zip(rates, runs, strict=True)
            ),
        ],
    )


LAYERS = 32


@cache
def _exits(threshold: float) -> Summary:
    """400 tokens of a toy stack, each leaving as soon as it is this sure."""
    return summary(toy_stack(tokens=400, layers=LAYERS, seed=2), threshold)


@explorable(
    "early-exit",
    label="How early may a token leave?",
    hint="Lower the threshold until the words change. Look at what the leavers still owe.",
    threshold=Slider(0.1, 1.0, step=0.05, default=0.9, label="Leave when this sure"),
)
def early_exit(threshold: float) -> Scene:
    """Exit layers of 400 tokens of a toy stack."""
    result = _exits(threshold)
    saved = 1 - result.mean_layers / LAYERS
    owed = result.needed_kv / result.exits.size
    marks: list[Mark] = [
        Bar(
            x=layer + 1,
            y1=float(count),
            width=0.8,
            role="activations",
            term=f"{count} tokens leave after layer {layer + 1}",
        )
        for layer, count in enumerate(result.histogram)
    ]
    marks.append(
        Line(
            x=[result.mean_layers] * 2,
            y=[0, 200],
            role="ink",
            width=1.5,
            label=f"mean {result.mean_layers:.1f}",
        )
    )
    readout = (
        f"{significant(100 * saved, 2)} % of the layers skipped, "
        f"{significant(100 * result.agreement)} % of the words unchanged; "
        f"{owed:.1f} skipped layers per token must be filled in later for the keys and values."
    )
    return Scene(
        title="Easy tokens leave early, and leave a debt",
        x=Axis(label="Leaves after layer", lo=0, hi=36),
        y=Axis(label="Tokens", lo=0, hi=240),
        marks=marks,
        readout=readout,
        alt=f"Histogram of exit layers at threshold {threshold:g}. {readout}",
        table=[
            ("threshold", "mean layers", "words unchanged"),
            *(
                (f"{t:.2f}", f"{s.mean_layers:.1f}", f"{100 * s.agreement:.1f} %")
                for t, s in ((t, _exits(t)) for t in (0.3, 0.5, 0.7, 0.9, 0.99))
            ),
        ],
    )
