"""Time to first token: its terms, its growth, chunks, precision per phase, kept prefixes."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from edgelib.explore import Choice, Slider, Toggle, explorable
from edgelib.explore.book.devices import ENGINES, KV, MODELS, name_of
from edgelib.explore.scene import Axis, Cell, Dot, Line, Mark, Scene, Span, Text
from edgelib.hardware import engine
from edgelib.metrics import predict
from edgelib.metrics.latency import attention_crossover, step_time, ttft_terms
from edgelib.planning.chunked_prefill import Timeline, chunked_prefill
from edgelib.planning.prefix_cache import lru_hit_rates, prefix_saving, zipf_stream
from edgelib.units import si, significant
from edgelib.workloads import transformer

PROMPTS = (128, 512, 2048, 8192, 32768)
TERM_ROLES = {
    "queue": "idle",
    "tokenise": "highlight",
    "encode": "activations",
    "matrices": "weights",
    "attention": "kv",
    "waiting": "memory",
    "overhead": "compute",
    "sample": "idle",
}


@explorable(
    "ttft-terms",
    label="What do you wait for?",
    hint="When does attention, the only quadratic term, matter? Compare the largest and the smallest model.",
    model=Choice(MODELS, label="Model"),
    on=Choice(ENGINES, label="Device"),
    tokenise_ms=Slider(0, 100, step=10, default=10, unit="ms", label="Tokenise"),
    encode_ms=Slider(0, 400, step=50, default=0, unit="ms", label="Encode an image"),
)
def ttft_breakdown(model: str, on: str, tokenise_ms: float, encode_ms: float) -> Scene:
    """Shares of the time to first token for five prompt lengths."""
    marks: list[Mark] = []
    rows: list[tuple[str, ...]] = []
    totals = []
    for lane, prompt in enumerate(PROMPTS):
        terms = ttft_terms(
            predict(model, on, weights="q4_0", prompt=prompt),
            tokenise_s=tokenise_ms / 1e3,
            encode_s=encode_ms / 1e3,
        )
        total = sum(terms.values())
        totals.append(total)
        start = 0.0
        for name, seconds in terms.items():
            share = 100 * seconds / total
            if share > 1e-3:
                label = name if share > 9 else ""
                term = f"{name}: {si(seconds, 's')}, {significant(share, 2)} %"
                role = TERM_ROLES[name]
                marks.append(Span(x0=start, x1=start + share, y=lane, role=role, label=label, term=term))
            start += share
        marks.append(Text(x=101.5, y=lane, text=si(total, "s")))
        rows.append((f"{prompt:,}", *(si(seconds, "s") for seconds in terms.values()), si(total, "s")))
    waits = ", ".join(f"{si(t, 's')} for {p:,}" for p, t in zip(PROMPTS, totals, strict=True))
    readout = f"First token after {waits} tokens."
    return Scene(
        title="Until very long prompts, the wait is matrix work",
        x=Axis(label="Share of the time to first token", unit="%", lo=0, hi=118),
        y=Axis(label="Prompt", unit="tokens", categories=tuple(f"{p:,}" for p in PROMPTS)),
        marks=marks,
        readout=readout,
        alt=f"Time to first token by term, {name_of(model, MODELS)} at 4 bits on {name_of(on, ENGINES)}. "
        + readout,
        table=[("prompt", *terms, "total"), *rows],
    )


@explorable(
    "ttft-growth",
    label="Is prefill quadratic?",
    hint="Drag the prompt to the right and read the slope: 1 is linear, 2 is quadratic.",
    model=Choice(MODELS, label="Model"),
    on=Choice(ENGINES, label="Device"),
    prompt=Slider(64, 131072, log2=True, default=2048, unit="tokens", label="Prompt"),
    causal=Toggle(default=True, label="Skip the masked half of attention"),
)
def ttft_growth(model: str, on: str, prompt: int, causal: bool) -> Scene:
    """Prefill time against prompt length, split into its linear and its quadratic part."""
    shape = transformer(model)
    estimate = predict(model, on, weights="q4_0", prompt=prompt)
    rate = estimate.value("utilisation") * estimate.value("peak")
    n = np.geomspace(64, 131072, 45)
    linear, square = shape.prefill_linear_ops(n) / rate, shape.prefill_attention_ops(n, causal) / rate
    here = shape.prefill_linear_ops(prompt) / rate, shape.prefill_attention_ops(prompt, causal) / rate
    share = here[1] / sum(here)
    slope = 1 + share  # d ln(a n + b n^2) / d ln n
    crossing = attention_crossover(shape, causal)
    half = 2 * shape.prefill_linear_ops(crossing) / rate
    readout = (
        f"{prompt:,} tokens: {si(sum(here), 's')}, of which attention {significant(100 * share, 2)} %; "
        f"slope {slope:.2f}. Attention takes half from {significant(crossing)} tokens on."
    )
    return Scene(
        title="Prefill is nearly a straight line for thousands of tokens",
        x=Axis(label="Prompt", unit="tokens", lo=64, hi=262144, log=True),
        y=Axis(label="Prefill arithmetic", unit="s", lo=1e-3, hi=1e5, log=True),
        marks=[
            Line(x=n, y=linear, role="weights", label="matrices", term="2 P n / rate"),
            Line(x=n, y=square, role="kv", label="attention", term="2 L h d n (n + 1) / rate"),
            Line(x=n, y=linear + square, label="sum", width=1.5, ghost=True),
            Line(x=[crossing, crossing], y=[1e-3, half], role="idle", width=1.5, label="half each"),
            Dot(x=prompt, y=sum(here), role="error", size=7, label=si(sum(here), "s")),
        ],
        readout=readout,
        alt=f"Prefill of {name_of(model, MODELS)} on {name_of(on, ENGINES)}. {readout}",
        table=[
            ("quantity", "value"),
            ("matrices", si(here[0], "s")),
            ("attention", si(here[1], "s")),
            ("equal at", f"{crossing:,.0f} tokens"),
        ],
    )


# Two requests on one engine: B is in the middle of an answer when A's prompt arrives.
CHUNKS_ON, CHUNKS_MODEL, B_CONTEXT, ARRIVES_AFTER = "M2Max-38c/GPU", "llama-2-7b", 512, 3


@cache
def two_requests(prompt: int, chunk: int) -> Timeline:
    """LLaMA-2 7B at 4 bits on an Apple M2 Max GPU: B writes, A's prompt comes in chunks."""
    estimate = predict(CHUNKS_MODEL, CHUNKS_ON, weights="q4_0", prompt=prompt)
    step = step_time(estimate, B_CONTEXT)
    tokens = ARRIVES_AFTER + -(-prompt // chunk) + 6
    return chunked_prefill(
        prompt, chunk, step, b_tokens=tokens, a_tokens=4, arrival_s=ARRIVES_AFTER * step(0, 0, 1)
    )


@explorable(
    "chunked-prefill",
    label="Who waits when a long prompt arrives?",
    hint="Cut A's prompt into smaller chunks. Whose wait shrinks, and whose grows?",
    chunk=Slider(32, 2048, log2=True, default=2048, unit="tokens", label="Chunk"),
    prompt=Slider(512, 2048, log2=True, default=2048, unit="tokens", label="A's prompt"),
)
def chunked_timeline(chunk: int, prompt: int) -> Scene:
    """Engine steps of two requests: B writes, A's prompt comes in chunks."""
    run = two_requests(prompt, chunk)
    arrival = next(block.start_s for block in run.blocks if block.request == "A")
    marks: list[Mark] = []
    for block in run.blocks:
        seconds = block.end_s - block.start_s
        term = f"{block.request}: {block.what}, {block.tokens} tokens, {si(seconds, 's')}"
        if block.what.startswith("prefill"):
            end = block.end_s - min(0.1 * seconds, 0.01)
            marks.append(Span(x0=block.start_s, x1=end, y=1, height=0.4, role="weights", term=term))
        else:
            lane = 1 if block.request == "A" else 0
            marks.append(Dot(x=block.end_s, y=lane, size=3.5, role="activations", term=term))
    ends = np.cumsum(run.gaps_s)
    longest = int(np.argmax(run.gaps_s))
    marks += [
        Text(x=arrival, y=1.34, text=f"A's prompt, first token after {si(run.ttft_s, 's')}", role="weights"),
        Span(x0=ends[longest] - run.max_gap_s, x1=ends[longest], y=-0.2, height=0.06, role="error"),
        Text(x=0.02, y=-0.38, text=f"B waits {si(run.max_gap_s, 's')} for a token", role="error"),
        Text(x=0.02, y=0.2, text="each dot: one token", role="activations"),
    ]
    readout = (
        f"A's first token after {si(run.ttft_s, 's')}; B's longest wait for a token {si(run.max_gap_s, 's')}."
    )
    return Scene(
        title="Chunks help the other reader, not yours",
        x=Axis(label="Time", unit="s", lo=0, hi=4.5),
        y=Axis(label="Request", categories=("B writes", "A arrives")),
        marks=marks,
        readout=readout,
        alt=f"Two requests to LLaMA-2 7B at 4 bits on an Apple M2 Max GPU, A's {prompt:,} tokens "
        f"in chunks of {chunk:,}. {readout}",
        table=[
            ("quantity", "value"),
            ("A: time to first token", si(run.ttft_s, "s")),
            ("B: longest wait", si(run.max_gap_s, "s")),
            ("engine steps with a chunk", f"{-(-prompt // chunk)}"),
        ],
    )


@explorable(
    "chunk-trade",
    label="Which chunk would you choose?",
    hint="The two curves cannot both be low. Pick the largest chunk whose stall B's reader forgives.",
    chunk=Slider(32, 2048, log2=True, default=256, unit="tokens", label="Chunk"),
)
def chunk_trade(chunk: int) -> Scene:
    """A's time to first token and B's longest wait against chunk size."""
    sizes = [2**k for k in range(5, 12)]
    runs = {size: two_requests(2048, size) for size in sizes}
    chosen = runs[chunk]
    readout = (
        f"Chunks of {chunk:,}: A's first token after {si(chosen.ttft_s, 's')}, "
        f"B waits {si(chosen.max_gap_s, 's')} at most."
    )
    return Scene(
        title="A smaller chunk raises one wait and lowers the other",
        x=Axis(label="Chunk", unit="tokens", lo=24, hi=5000, log=True),
        y=Axis(label="Wait", unit="s", lo=0.01, hi=20, log=True),
        marks=[
            Line(x=sizes, y=[runs[s].ttft_s for s in sizes], role="weights", label="A: first token"),
            Line(x=sizes, y=[runs[s].max_gap_s for s in sizes], role="error", label="B: longest wait"),
            Dot(x=chunk, y=chosen.ttft_s, role="weights"),
            Dot(x=chunk, y=chosen.max_gap_s, role="error"),
        ],
        readout=readout,
        alt=f"Two waits against chunk size, LLaMA-2 7B at 4 bits on an Apple M2 Max GPU. {readout}",
        table=[
            ("chunk", "A: first token", "B: longest wait"),
            *((f"{s:,}", si(runs[s].ttft_s, "s"), si(runs[s].max_gap_s, "s")) for s in sizes),
        ],
    )


PHASE_ENGINES = {"Jetson Orin Nano Super GPU": "OrinNanoSuper8/GPU", "RK3576 NPU": "RK3576/NPU"}
BITS = {"16 bit": "f16", "8 bit": "int8", "4 bit": "int4"}


@explorable(
    "phase-precision",
    label="Which phase wants the small weights?",
    hint="The chapter prefills in INT8 or INT4 and decodes in FP16: the orange cells. "
    "Make the answer short and the prompt long: does it ever win?",
    on=Choice(PHASE_ENGINES, label="Device"),
    answer=Slider(16, 1024, log2=True, default=256, unit="tokens", label="Answer"),
    prompt=Slider(128, 4096, log2=True, default=1024, unit="tokens", label="Prompt"),
)
def phase_precision(on: str, answer: int, prompt: int) -> Scene:
    """Time to first token, rate and whole answer for nine pairs of (prefill bits, decode bits)."""
    device = engine(on)
    integer_rate = device.having(peak_fp16=device.figure("peak_int8").value)
    total: dict[tuple[int, int], tuple[float, float, float]] = {}
    for j, prefill_bits in enumerate(BITS.values()):
        # Runtimes here unpack 4-bit weights and multiply 8-bit or 16-bit numbers.
        unit = device if prefill_bits == "f16" else integer_rate
        first = predict("llama-3.2-1b", unit, weights=prefill_bits, prompt=prompt).ttft_s
        for i, decode_bits in enumerate(BITS.values()):
            rate = predict(
                "llama-3.2-1b", device, weights=decode_bits, prompt=prompt, generate=answer
            ).decode_tok_s
            total[i, j] = first, rate, first + (answer - 1) / rate
    best = min(total, key=lambda cell: total[cell][2])
    worst = max(seconds for *_, seconds in total.values())
    marks: list[Mark] = []
    for (i, j), (first, rate, seconds) in total.items():
        printed = i == 0 and j > 0
        role = "activations" if (i, j) == best else "error" if printed else "idle"
        term = f"first token {si(first, 's')}, then {significant(rate)} tok/s, all in {si(seconds, 's')}"
        share = 0.25 + 0.75 * seconds / worst
        marks.append(Cell(x=i, y=j, text=si(seconds, "s"), role=role, term=term, opacity=share))
    chapter = total[0, 1]
    reverse = total[1, 0]
    readout = (
        f"8-bit prefill and 16-bit decode: {si(chapter[2], 's')} for the answer. The other way round: "
        f"{si(reverse[2], 's')}. 8 bits for both: {si(total[1, 1][2], 's')}."
    )
    return Scene(
        title="Seconds for the whole answer: decode wants the small weights",
        x=Axis(label="Decode weights", categories=tuple(BITS)),
        y=Axis(label="Prefill weights", categories=tuple(BITS)),
        marks=marks,
        readout=readout,
        alt=f"Seconds for an answer, nine pairs of precisions, LLaMA-3.2 1B on {name_of(on, PHASE_ENGINES)}. "
        + readout,
        table=[
            ("prefill", "decode", "first token", "tok/s", f"{answer} tokens in"),
            *(
                (list(BITS)[j], list(BITS)[i], si(first, "s"), significant(rate), si(seconds, "s"))
                for (i, j), (first, rate, seconds) in total.items()
            ),
        ],
    )


TAIL = 128  # tokens of a request's own question


@cache
def _hit_rates() -> NDArray[np.float64]:
    """Hit rate by number of prefixes kept: 4,000 requests to 64 assistants of Zipf popularity."""
    return lru_hit_rates(zipf_stream(prefixes=64, requests=4000, exponent=1.0, seed=1))


@explorable(
    "prefix-cache",
    label="How many seconds does a gigabyte buy?",
    hint="64 assistants, each with its own system prompt; some are popular. Keep more of them.",
    prefix=Slider(128, 2048, log2=True, default=1024, unit="tokens", label="System prompt"),
    kept=Slider(0, 64, log2=True, default=8, unit="prefixes", label="Prefixes kept"),
    kv=Choice(KV, label="Keys and values"),
)
def prefix_cache(prefix: int, kept: int, kv: str) -> Scene:
    """Expected time to first token against the memory spent on kept prefixes (LRU, Zipf popularity)."""
    estimate = predict("llama-2-7b", "M1-7c/GPU", weights="q4_0", kv=kv, prompt=prefix + TAIL)
    step = step_time(estimate, 0)
    hit_rates = _hit_rates()
    saving = prefix_saving(
        prefix,
        prefix + TAIL,
        hit_rates,
        lambda m, offset: step(m, offset, 0),
        estimate.value("kv_bytes_per_token"),
    )
    waits = saving.ttft_s
    size = saving.kept_B * kept
    readout = (
        f"{kept} of 64 prefixes kept in {si(size, 'B')}: "
        f"{significant(100 * hit_rates[kept], 2)} % of requests hit, "
        f"first token after {si(waits[kept], 's')} on average ({si(waits[0], 's')} with none)."
    )
    return Scene(
        title="Each further prefix buys fewer seconds",
        x=Axis(label="Prefixes kept", lo=0, hi=66),
        y=Axis(label="Time to first token, mean", unit="s", lo=0, hi=24),
        marks=[
            Line(x=range(len(waits)), y=waits, role="kv", term="(1 - h) t(n) + h t(tail)"),
            Line(
                x=[0, 66],
                y=[saving.hit_s] * 2,
                role="idle",
                width=1.5,
                ghost=True,
                label="every request hits",
            ),
            Dot(
                x=kept, y=waits[kept], role="error", size=7, label=f"{si(size, 'B')}, {si(waits[kept], 's')}"
            ),
        ],
        readout=readout,
        alt=f"Mean time to first token of LLaMA-2 7B on an Apple M1 GPU against prefixes kept. {readout}",
        table=[
            ("prefixes kept", "memory", "hit rate", "first token"),
            *(
                (str(k), si(saving.kept_B * k, "B"), f"{100 * hit_rates[k]:.0f} %", si(waits[k], "s"))
                for k in (0, 1, 2, 4, 8, 16, 32, 64)
            ),
        ],
    )
