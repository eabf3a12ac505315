"""What has to fit: weights by format, activations by lifetime, training, and the sum on a device."""

from __future__ import annotations

from functools import cache
from itertools import accumulate

from edgelib.explore import Choice, Slider, Toggle, explorable
from edgelib.explore.book.devices import KV, MODELS, name_of
from edgelib.explore.scene import Axis, Bar, Dot, Line, Mark, Scene, Span, Text
from edgelib.metrics.liveness import layer_buffers, operators, peak, place, without_reuse
from edgelib.metrics.memory import (
    OPTIMISER_STATES,
    TRAINING,
    footprint,
    lora_params,
    training_parts,
    weight_parts,
)
from edgelib.metrics.memory_runs import memory_runs, overhead
from edgelib.units import GB, GIB, MB, MIB, gib, si, significant
from edgelib.workloads import WeightFormat, transformer, weight_format

PRINTED_GB = {"FP16": 14.0, "INT8": 7.0, "INT4": 3.5}  # the chapter, for 7B
WEIGHT_ROLES = {"values": "weights", "scales": "error", "embeddings": "activations", "vectors": "ink"}


@explorable(
    "weight-sizes",
    label="How many bits does a 4-bit weight take?",
    hint="Make the groups smaller: the orange part is scales. Then keep the embeddings in FP16: the fewer "
    "bits the layers have, the more the embeddings count.",
    model=Choice(MODELS, label="Model"),
    group=Slider(32, 256, log2=True, default=32, unit="weights", label="One scale for"),
    zero_points=Toggle(default=False, label="Zero points beside the scales"),
    fp16_embeddings=Toggle(default=False, label="Embeddings stay in FP16"),
)
def weight_sizes(model: str, group: int, zero_points: bool, fp16_embeddings: bool) -> Scene:
    """Bytes of all weights at 16, 8, 4 and 2 bits, in parts."""
    shape = transformer(model)
    marks: list[Mark] = []
    rows, texts = [], []
    for x, (name, bits) in enumerate({"FP16": 16, "INT8": 8, "INT4": 4, "INT2": 2}.items()):
        scaled = {} if bits == 16 else {"group": group, "zero_bits": 16 * zero_points}
        parts = weight_parts(
            shape, bits, embedding_bits=16 if fp16_embeddings and bits < 16 else None, **scaled
        )
        total, base = sum(parts.values()), 0.0
        for part, size in parts.items():
            if size > 0:
                term = f"{part}: {si(size, 'B')}"
                top = (base + size) / GB
                marks.append(Bar(x=x, y0=base / GB, y1=top, role=WEIGHT_ROLES[part], term=term))
            base += size
        true_bits = 8 * total / shape.params
        printed = PRINTED_GB.get(name, 0.0) if model == "llama-2-7b" else 0.0
        if printed:
            term = f"the chapter: {printed:g} GB"
            marks.append(Line(x=[x - 0.45, x + 0.45], y=[printed] * 2, width=1.5, ghost=True, term=term))
        above = max(total / GB, printed) + 0.8
        for line, text in enumerate((f"{true_bits:.2f} bit", gib(total), f"{total / GB:.2f} GB")):
            marks.append(Text(x=x, y=above + 1.15 * line, text=text, anchor="middle"))
        rows.append((name, f"{true_bits:.2f}", f"{total / GB:.2f} GB", gib(total)))
        if name in ("FP16", "INT4"):
            texts.append(f"{name} {total / GB:.2f} GB ({gib(total)}) at {true_bits:.2f} bits per weight")
    readout = f"{name_of(model, MODELS)}: " + "; ".join(texts) + "."
    for line, (what, role) in enumerate(
        {"values": "weights", "scales": "error", "FP16 embeddings": "activations"}.items()
    ):
        marks.append(Text(x=2.2, y=18 - 1.15 * line, text=what, role=role))
    if model == "llama-2-7b":
        marks.append(Text(x=2.2, y=18 - 1.15 * 3, text="dashed: the chapter"))
    return Scene(
        title="A 4-bit weight takes more than 4 bits",
        x=Axis(label="Values", categories=("FP16", "INT8", "INT4", "INT2")),
        y=Axis(label="All weights", unit="GB", lo=0, hi=20),
        marks=marks,
        readout=readout,
        alt=f"Size of the weights in four precisions, one scale for {group} weights. {readout}",
        table=[("values", "bits per weight", "GB", "GiB"), *rows],
    )


STEPS = tuple(name for name, _ in operators(transformer("llama-2-7b")))
BUFFER_ROLES = {"scores": "error", "x": "memory", "gate": "compute", "up": "compute", "k": "kv", "v": "kv"}
BUFFER_NAMES = {"hidden": "memory", "keys, values": "kv", "wide": "compute", "scores": "error"}


@explorable(
    "activation-liveness",
    label="How much memory do activations need at once?",
    hint="Let each buffer's place be used again, then store the attention scores. Which operator is the "
    "peak in each case?",
    tokens=Slider(256, 2048, log2=True, default=2048, unit="tokens", label="Prompt"),
    fused=Toggle(default=True, label="Fused attention (no scores in memory)"),
    reuse=Toggle(default=False, label="Use places again"),
)
def activation_liveness(tokens: int, fused: bool, reuse: bool) -> Scene:
    """Buffers of one layer of LLaMA-2 7B over its operators: lifetime across, address up."""
    model = transformer("llama-2-7b")
    buffers = layer_buffers(model, tokens, fused=fused)
    needed = peak(buffers) if reuse else without_reuse(buffers)
    stacked = accumulate((b.size_B for b in buffers), initial=0.0)
    addresses = place(buffers) if reuse else tuple(stacked)[:-1]
    last = len(STEPS) - 1
    marks: list[Mark] = [
        Span(
            x0=b.born - 0.48,
            x1=(b.dies if reuse else last) + 0.48,
            y=(address + b.size_B / 2) / MB,
            height=0.94 * b.size_B / MB,
            role=BUFFER_ROLES.get(b.name, "activations"),
            label=b.name if b.size_B > 30 * MB else "",
            term=f"{b.name}: {si(b.size_B, 'B')}, from {STEPS[b.born]} to {STEPS[b.dies]}",
        )
        for b, address in zip(buffers, addresses, strict=True)
    ]
    marks.append(
        Line(
            x=[-0.5, last + 0.5],
            y=[needed / MB] * 2,
            width=1.5,
            label=f"{needed / MB:.0f} MB",
            term="bytes needed at once",
        )
    )
    marks += [
        Text(x=-0.4, y=540 - 32 * line, text=what, role=role)
        for line, (what, role) in enumerate(BUFFER_NAMES.items())
    ]
    kept = model.layers * tokens * model.d_model * 2
    whole = needed if reuse else without_reuse(buffers, model.layers)
    readout = (
        f"{tokens:,} tokens: this layer needs {si(needed, 'B')}, all 32 layers {si(whole, 'B')}. "
        f"The chapter's formula, one hidden state kept per layer: {si(kept, 'B')}."
    )
    return Scene(
        title="With reuse, 32 layers need no more than one",
        x=Axis(label="Operator", categories=STEPS),
        y=Axis(label="Address", unit="MB", lo=0, hi=560),
        marks=marks,
        readout=readout,
        alt=f"Lifetimes and addresses of the buffers of one layer. {readout}",
        table=[
            ("buffer", "size", "first operator", "last operator"),
            *((b.name, si(b.size_B, "B"), STEPS[b.born], STEPS[b.dies]) for b in buffers),
        ],
    )


TARGETS = {"q and v": ("q", "v"), "attention": ("q", "k", "v", "o"), "all linear": None}
BAR_ROLES = {"weights": "weights", "gradients": "compute"} | dict.fromkeys(OPTIMISER_STATES, "memory")


@explorable(
    "finetune-memory",
    label="What does it cost to train what you can run?",
    hint="Try the largest adapters. Which bar is the laptop's?",
    rank=Slider(1, 64, log2=True, default=8, label="LoRA rank"),
    targets=Choice(TARGETS, label="Adapters on"),
    model=Choice(MODELS, label="Model"),
)
def finetune_memory(rank: int, targets: tuple[str, ...] | None, model: str) -> Scene:
    """Weights, gradients and optimiser states, for all parameters and for adapters only."""
    shape = transformer(model)
    adapters = lora_params(shape, rank, targets)
    frozen = {"weights": training_parts(shape.params, "inference, FP16")["weights"]}
    mixed = training_parts(adapters, "Adam, mixed precision")
    bars = {
        "inference": frozen,
        "LoRA": frozen | {"gradients": sum(mixed.values())},
        "Adam FP32": training_parts(shape.params, "Adam, FP32"),
        "Adam mixed": training_parts(shape.params, "Adam, mixed precision"),
    }
    marks: list[Mark] = []
    for x, (name, parts) in enumerate(bars.items()):
        base = 0.0
        for part, size in parts.items():
            role = "error" if name == "LoRA" and part != "weights" else BAR_ROLES[part]
            what = "adapters with all their states" if role == "error" else part
            marks.append(
                Bar(
                    x=x,
                    y0=base / GB,
                    y1=(base + size) / GB,
                    role=role,
                    label=part if name == "Adam mixed" and size > 10 * GB else "",
                    term=f"{what}: {si(size, 'B')}",
                )
            )
            base += size
        marks.append(Text(x=x, y=base / GB + 3, text=si(base, "B"), anchor="middle"))
    share = adapters / shape.params
    readout = (
        f"Adapters of rank {rank}: {adapters:,} parameters, {significant(100 * share)} % of the model; "
        f"with gradients and states {si(sum(mixed.values()), 'B')}."
    )
    return Scene(
        title="Adam in mixed precision holds eight times the FP16 model",
        x=Axis(label="Run or train", categories=tuple(bars)),
        y=Axis(label="Memory without activations", unit="GB", lo=0, hi=150),
        marks=marks,
        readout=readout,
        alt=f"Memory to run and to train {name_of(model, MODELS)}. {readout}",
        table=[
            ("scheme", *(part for part in ("weights", "gradients", *OPTIMISER_STATES)), "B per parameter"),
            *(
                (
                    scheme,
                    *(str(parts.get(p, 0)) for p in ("weights", "gradients", *OPTIMISER_STATES)),
                    str(sum(parts.values())),
                )
                for scheme, parts in TRAINING.items()
            ),
        ],
    )


# GPTQ as its authors' CUDA code stores it: one scale per output channel, embedding and output in FP16.
GPTQ = "GPTQ 4 bit"
FIT_FORMATS = {
    GPTQ: GPTQ,
    "4 bit (Q4_0)": "q4_0",
    "2 bit (Q2_K)": "q2_k",
    "8 bit (Q8_0)": "q8_0",
    "FP16": "f16",
}
RUNTIMES = {"PyTorch (GPTQ)": "GPTQ-for-LLaMa", "RKLLM": "RKLLM", "ExecuTorch": "ExecuTorch"}
PART_NAMES = {"weights": "weights", "keys and values": "kv", "found for this runtime, median": "memory"}
MEMORIES_GIB = (4, 6, 8, 12, 16)


@cache
def _published() -> float:
    """GPTQ-for-LLaMa: LLaMA-7B at 4 bits, 2,048 tokens, bytes."""
    return next(r.measured_B for r in memory_runs() if (r.model, r.quant) == ("llama-2-7b", "GPTQ 4-bit"))


@explorable(
    "device-fit",
    label="Does it fit your phone?",
    hint="The orange dot is a published run. Shorten the context, then take a smaller model: what makes 4 "
    "GiB possible? The system and other apps want their share too.",
    model=Choice(MODELS, label="Model"),
    weights=Choice(FIT_FORMATS, label="Weights"),
    context=Slider(0, 16384, log2=True, default=2048, unit="tokens", label="Context"),
    kv=Choice(KV, label="Keys and values"),
)
def device_fit(model: str, weights: str, context: int, kv: str) -> Scene:
    """Weights, keys and values, and what three runtimes were found to add, against device memories."""
    stored = WeightFormat(GPTQ, 4, 16) if weights == GPTQ else weight_format(weights)
    marks: list[Mark] = [
        Line(x=[size] * 2, y=[-0.5, 2.32], width=1.5, ghost=True, term=f"a device of {size} GiB")
        for size in MEMORIES_GIB
    ]
    marks += [Text(x=size, y=2.42, text=f"{size}", anchor="middle") for size in MEMORIES_GIB]
    marks.append(Text(x=23.8, y=2.42, text="GiB in the device", anchor="end"))
    totals, rows = {}, []
    for y, (name, source) in enumerate(RUNTIMES.items()):
        extra = overhead(source)
        fit = footprint(
            model,
            stored,
            context=context,
            kv_bits=weight_format(kv).bits,
            embedding_bits=16 if weights == GPTQ else None,
            runtime_B=extra.median_B,
        )
        base = 0.0
        for part, role in {"weights": "weights", "kv": "kv", "runtime": "memory"}.items():
            size = fit.parts[part] / GIB
            if size:
                term = f"{part}: {size:.2f} GiB"
                marks.append(Span(x0=base, x1=base + size, y=y, height=0.5, role=role, term=term))
            base += size
        totals[name] = fit.total_B
        marks.append(Text(x=min(base, 22) + 0.15, y=y, text=f"{base:.2f}"))
        rows.append(
            (name, *(f"{fit.parts[p] / GIB:.2f}" for p in ("weights", "kv", "runtime")), f"{base:.2f}")
        )
    if (model, weights, context, kv) == ("llama-2-7b", GPTQ, 2048, "f16"):
        size = _published() / GIB
        term = f"published run: {_published() / MIB:.0f} MiB"
        marks.append(Dot(x=size, y=0.4, role="error", size=5, term=term))
        marks.append(Text(x=size + 0.4, y=0.4, text=term, role="error"))
    for x, (what, role) in zip((0.3, 4.6, 10.3), PART_NAMES.items(), strict=True):
        marks.append(Text(x=x, y=1.5, text=what, role=role))
    lowest, highest = min(totals.values()), max(totals.values())
    fitting = next((f"{size} GiB" for size in MEMORIES_GIB if size * GIB >= highest), "none of these devices")
    readout = (
        f"{name_of(model, MODELS)}, {context:,} tokens: {gib(lowest)} to {gib(highest)}, depending on the "
        f"runtime. Smallest memory that holds it, with nothing left for the system: {fitting}."
    )
    return Scene(
        title="Not the weights have to fit, but the sum",
        x=Axis(label="Memory", unit="GiB", lo=0, hi=24),
        y=Axis(label="Runtime", categories=tuple(RUNTIMES)),
        marks=marks,
        readout=readout,
        alt=f"Memory of a running model, stacked, against device memories. {readout}",
        table=[("runtime", "weights GiB", "keys and values GiB", "runtime's own GiB", "sum GiB"), *rows],
    )
