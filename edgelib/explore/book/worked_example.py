"""The chapter's worked example, LLaMA-7B on a Cortex-A78: counts, bounds and a token's milliseconds."""

from __future__ import annotations

from edgelib.explore import Choice, Slider, explorable
from edgelib.explore.scene import Axis, Bar, Line, Mark, Scene, Span, Text
from edgelib.units import GB, si, significant
from edgelib.workloads import transformer

# Cortex-A78: two SIMD pipes of 16 int8 multiply-accumulates, 3 GHz (Arm 102160, quoted in a copy).
A78_MAC_PER_CYCLE, A78_HZ = 32, 3e9


def token_terms(context: int) -> dict[str, float]:
    """Operations of one generated token of LLaMA-7B, by term: 2 OP per weight, 4 L h d_h per token kept."""
    llama = transformer("llama-2-7b")
    attention = 2 * llama.layers * 4 * llama.d_model * llama.d_model
    return {
        "projections": attention,
        "scores and values": llama.decode_ops(context) - llama.decode_ops(0),
        "feed-forward": 2 * llama.layer_params - attention,
        "output": 2 * llama.head_params,
    }


@explorable(
    "token-operations",
    label="How many operations is one token?",
    hint="The line is the chapter's 280 GFLOP. How long would the context have to be?",
    context=Slider(0, 32768, log2=True, default=2048, unit="tokens", label="Context"),
    cores=Slider(1, 8, log2=True, default=1, label="Cores"),
)
def token_operations(context: int, cores: int) -> Scene:
    """Operations per token by term, and both bounds of a Cortex-A78 with 25.6 GB/s."""
    terms = token_terms(context)
    llama = transformer("llama-2-7b")
    total = sum(terms.values())
    compute = cores * A78_MAC_PER_CYCLE * 2 * A78_HZ / total
    read = 25.6 * GB / (llama.matmul_params + llama.kv_bytes_per_token() * context)
    marks: list[Mark] = [
        Line(
            x=[-0.5, 4.5], y=[280, 280], role="error", width=2, label="the chapter: 280", term="printed total"
        )
    ]
    for x, (name, ops) in enumerate([*terms.items(), ("all", total)]):
        if ops:
            role = "kv" if name == "scores and values" else "ink" if name == "all" else "weights"
            marks.append(Bar(x=x, y0=0.1, y1=ops / 1e9, role=role, term=f"{name}: {si(ops, 'OP')}"))
            marks.append(Text(x=x, y=1.3 * ops / 1e9, text=significant(ops / 1e9), anchor="middle"))
    binding = "memory" if read < compute else "arithmetic"
    readout = (
        f"{significant(total / 1e9)} GOP per token at {context:,} tokens. "
        f"{cores} core{'s' * (cores > 1)}: arithmetic allows {significant(compute)} tok/s, "
        f"25.6 GB/s allow {significant(read)}: {binding} decides."
    )
    return Scene(
        title="One token of a 7B model is about 14 GOP",
        x=Axis(label="Term", categories=("projections", "attention", "feed-forward", "output", "all")),
        y=Axis(label="Operations per token", unit="GOP", lo=0.1, hi=1000, log=True),
        marks=marks,
        readout=readout,
        alt=f"Operations of one token of LLaMA-7B by term. {readout}",
        table=[("term", "operations"), *((name, si(ops, "OP")) for name, ops in terms.items())],
    )


@explorable(
    "token-milliseconds",
    label="Where do a token's milliseconds go?",
    hint="The chapter says 50 ms. Which bandwidth makes that true at 8 bits? Which bits at 25.6 GB/s?",
    bandwidth=Slider(12.8, 409.6, step=12.8, default=25.6, unit="GB/s", label="Bandwidth"),
    bits=Choice({"16 bit": 16, "8 bit": 8, "4 bit": 4}, default=8, label="Weights"),
)
def token_milliseconds(bandwidth: float, bits: int) -> Scene:
    """Time to read each part of LLaMA-7B for one token after 2,048 others, against the printed split."""
    llama = transformer("llama-2-7b")
    attention = llama.layers * 4 * llama.d_model * llama.d_model
    parts = {
        "attention": (attention * bits / 8, "weights"),
        "feed-forward": ((llama.layer_params - attention) * bits / 8, "weights"),
        "output": (llama.head_params * bits / 8, "weights"),
        "keys and values": (llama.kv_bytes_per_token() * 2048, "kv"),
    }
    printed = {"attention": 15, "feed-forward": 25, "norms": 5, "copies": 5}
    marks: list[Mark] = []
    rows = []
    start = 0.0
    for name, (size, role) in parts.items():
        ms = 1e3 * size / (bandwidth * GB)
        marks.append(Span(x0=start, x1=start + ms, y=1, role=role, label=name, term=f"{name}: {ms:.1f} ms"))
        said = f"{printed[name]} ms" if name in printed else "-"
        rows.append((name, si(size, "B"), f"{ms:.1f} ms", said))
        start += ms
    at = 0.0
    for name, length in printed.items():
        term = f"printed: {name} {length} ms"
        marks.append(Span(x0=at, x1=at + length, y=0, role="error", term=term))
        at += length
    total = start
    marks.append(Text(x=min(total, 560), y=1.42, text=f"{significant(total)} ms", anchor="middle"))
    marks.append(Text(x=at + 6, y=0, text="50 ms"))
    readout = (
        f"{significant(total)} ms per token, {significant(1e3 / total)} tok/s; the chapter prints 50 ms."
    )
    return Scene(
        title="A token takes as long as its bytes",
        x=Axis(label="Time", unit="ms", lo=0, hi=600),
        y=Axis(label="According to", categories=("chapter", "bytes")),
        marks=marks,
        readout=readout,
        alt=f"Milliseconds of one token of LLaMA-7B by part at {bandwidth:g} GB/s. {readout}",
        table=[("part", "read", "time", "chapter"), *rows],
    )


@explorable(
    "mean-utilisation",
    label="What is the utilisation of the whole?",
    hint="Give softmax more of the work. Which mean notices?",
    share=Slider(0, 60, step=5, default=20, unit="%", label="Work outside the matrices"),
    slow=Slider(5, 80, step=5, default=40, unit="%", label="Utilisation there"),
)
def mean_utilisation(share: float, slow: float) -> Scene:
    """Utilisation of matrices at 80 % with other work at less: the mean of times, and of percentages."""
    fast, part = 80.0, share / 100
    harmonic = 1 / (part / slow + (1 - part) / fast)
    arithmetic = part * slow + (1 - part) * fast
    busy = part / slow / (part / slow + (1 - part) / fast)
    readout = (
        f"{share:g} % of the work at {slow:g} % takes {significant(100 * busy, 2)} % of the time: "
        f"{significant(harmonic)} % overall, where the plain average says {significant(arithmetic)} %."
    )
    return Scene(
        title="Utilisations average by time, not by work",
        x=Axis(label="What", categories=("matrices", "the rest", "overall", "plain average")),
        y=Axis(label="Utilisation", unit="%", lo=0, hi=100),
        marks=[
            Bar(x=0, y1=fast, role="compute"),
            Bar(x=1, y1=slow, role="idle"),
            Bar(x=2, y1=harmonic, role="activations", term="1 / sum(work share / utilisation)"),
            Bar(x=3, y1=arithmetic, role="error", term="sum(work share x utilisation)"),
            *(
                Text(x=x, y=v + 3, text=f"{significant(v, 2)} %", anchor="middle")
                for x, v in enumerate((fast, slow, harmonic, arithmetic))
            ),
        ],
        readout=readout,
        alt=f"Overall utilisation as a harmonic and as an arithmetic mean. {readout}",
        table=[
            ("mean", "utilisation"),
            ("by time", f"{harmonic:.1f} %"),
            ("of percentages", f"{arithmetic:.1f} %"),
        ],
    )
