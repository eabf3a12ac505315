"""Which kernels, and how many: what fusion keeps off the memory bus, and when a matrix kernel pays."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from functools import cache
from math import ceil

import numpy as np

from edgelib.explore import Choice, Slider, Toggle, explorable
from edgelib.explore.scene import Axis, Cell, Dot, Line, Mark, Scene, Span, Text
from edgelib.hardware.microarchitecture import executes, figure
from edgelib.kernels.neon_gemm import instructions
from edgelib.units import si, significant
from edgelib.workloads import Transformer, transformer

LLAMA = transformer("llama-2-7b")
CONTEXT, ACTIVATION_B, WEIGHT_B = 2048, 2, 1  # tokens; FP16 activations, INT8 weights
# Operator, what it reads, what it writes. Weights and the cache of keys and values are counted apart.
GRAPH: tuple[tuple[str, str, str], ...] = (
    ("RMS", "x", "n"),
    ("qkv", "n", "q k"),
    ("rope", "q k", "r"),
    ("QKᵀ", "r", "s"),
    ("soft", "s", "p"),
    ("PV", "p", "o"),
    ("out", "o", "y"),
    ("add", "x y", "x1"),
    ("RMS", "x1", "n1"),
    ("up", "n1", "g u"),
    ("act", "g u", "a"),
    ("dwn", "a", "y1"),
    ("add", "x1 y1", "x2"),
)
NORM = ((0, 1), (8, 9))  # operators that a toggle joins: (first, last)
EPILOGUES = ((1, 2), (6, 7), (9, 10), (11, 12))
ATTENTION = ((3, 4), (4, 5))


def kernels(joined: tuple[tuple[int, int], ...]) -> list[list[int]]:
    """Operators by kernel, after joining neighbours."""
    groups: list[list[int]] = []
    for i in range(len(GRAPH)):
        if groups and (i - 1, i) in joined:
            groups[-1].append(i)
        else:
            groups.append([i])
    return groups


def crossings(groups: list[list[int]]) -> tuple[list[tuple[int, str]], list[tuple[int, str]]]:
    """(operator, tensor) of every read from memory and every write to it.

    A kernel reads what it did not make itself, once, and writes what another kernel reads.
    """
    reads, writes = [], []
    for group in groups:
        made = {name for i in group for name in GRAPH[i][2].split()}
        seen: set[str] = set()
        for i in group:
            for name in GRAPH[i][1].split():
                if name not in made | seen:
                    reads.append((i, name))
                    seen.add(name)
            for name in GRAPH[i][2].split():
                outside = [j for j in range(len(GRAPH)) if j not in group and name in GRAPH[j][1].split()]
                if outside or name == "x2":
                    writes.append((i, name))
    return reads, writes


def layer_bytes(model: Transformer, tokens: int, groups: list[list[int]]) -> dict[str, float]:
    """Bytes that one layer moves: weights, keys and values, activations."""
    q, k = model.heads * model.head_dim, model.kv_heads * model.head_dim
    seen = CONTEXT if tokens == 1 else tokens
    scores = model.heads * seen
    width = dict(q=q, r=q, o=q, k=k, s=scores, p=scores, g=model.d_ff, u=model.d_ff, a=model.d_ff)
    reads, writes = crossings(groups)
    moved = sum(width.get(name, model.d_model) for _, name in (*reads, *writes))
    return {
        "weights": WEIGHT_B * model.layer_params / model.layers,
        "kv": ACTIVATION_B * 2 * k * (tokens + seen),
        "activations": ACTIVATION_B * tokens * moved,
    }


@explorable(
    "kernel-fusion",
    label="What does fusing kernels save?",
    hint="Undo a fusion and see the arrows come back. Do any go if keys are shared? Then take a prompt.",
    tokens=Choice({"one token (decode)": 1, "2,048 tokens (prefill)": 2048}, label="Pass"),
    elementwise=Choice(
        {
            "each its own kernel": (),
            "norm into the product": NORM,
            "rope, act, add into the product": EPILOGUES,
            "both": NORM + EPILOGUES,
        },
        default=NORM + EPILOGUES,
        label="Norm, rope, act, add",
    ),
    attention=Toggle(default=True, label="Attention as one kernel"),
    shared=Toggle(label="One key head for all (MQA)"),
)
def kernel_fusion(
    tokens: int, elementwise: tuple[tuple[int, int], ...], attention: bool, shared: bool
) -> Scene:
    """One layer of LLaMA-2 7B: its operators, the tensors that pass through memory, and the bytes."""
    groups = kernels(elementwise + (ATTENTION if attention else ()))
    model = replace(LLAMA, kv_heads=1) if shared else LLAMA
    before, after = layer_bytes(LLAMA, tokens, kernels(())), layer_bytes(model, tokens, groups)
    whole = sum(before.values())
    marks: list[Mark] = []
    for y, parts in ((3, before), (2, after)):
        at = -0.4
        for role, size in parts.items():
            end = at + 13 * size / whole
            label = (role if role != "kv" else "KV") if end - at > 1 else ""
            marks.append(Span(x0=at, x1=end, y=y, role=role, height=0.4, label=label, term=si(size, "B")))
            at = end
    for group in groups:
        if len(group) > 1:
            marks.append(Span(x0=group[0] - 0.49, x1=group[-1] + 0.49, y=1, role="highlight", height=0.62))
    reads, writes = crossings(groups)
    for i, (name, *_) in enumerate(GRAPH):
        marks.append(Cell(x=i, y=1, text=name, role="compute", width=0.92, height=0.4))
    for (i, name), shift, end in ((w, 0.22, 0.1) for w in writes):
        marks.append(Line(x=[i + shift] * 2, y=[0.68, end], role="activations", term=f"write {name}"))
        marks.append(Dot(x=i + shift, y=end, role="activations", size=3))
    for (i, name), shift, end in ((r, -0.22, 0.66) for r in reads):
        marks.append(Line(x=[i + shift] * 2, y=[0.1, end], role="memory", term=f"read {name}"))
        marks.append(Dot(x=i + shift, y=end, role="memory", size=3))
    saved = sum(before.values()) - sum(after.values())
    trips = len(reads) + len(writes)
    readout = (
        f"{len(groups)} kernels, {trips} trips of activations: {si(after['activations'], 'B')}, unfused "
        f"{si(before['activations'], 'B')}. All bytes {si(sum(after.values()), 'B')} instead of "
        f"{si(whole, 'B')}: {significant(100 * saved / whole, 2)} % less."
    )
    return Scene(
        title="Fusion removes round trips; in decode they are few of the bytes",
        x=Axis(label="Operators of one layer, in order", categories=tuple(" " for _ in GRAPH)),
        y=Axis(label="Where", categories=("memory", "chip", "bytes now", "unfused")),
        marks=marks,
        readout=readout,
        alt=f"Operators of a transformer layer and the activations that pass through memory. {readout}",
        table=[
            ("bytes of a layer", "unfused", "now"),
            *((part, si(before[part], "B"), si(after[part], "B")) for part in before),
        ],
    )


CORES = {"Cortex-A78": "cortex-a78", "Cortex-X3": "cortex-x3"}
SOURCES = {"DRAM, 25.6 GB/s": 25.6e9, "DRAM, 51.2 GB/s": 51.2e9, "a cache that keeps up": 1e15}
MATRICES = {"4,096 x 4,096": (4096, 4096), "11,008 x 4,096": (11008, 4096), "256 x 256": (256, 256)}
LABELS = {"gemv_sdot": "GEMV per row", "gemm_sdot": "GEMM, SDOT", "gemm_smmla": "GEMM, SMMLA"}
TILE_ROWS = {"gemv_sdot": 1, "gemm_sdot": 4, "gemm_smmla": 8}
LIMITS = ("arithmetic", "loads", "memory")


@cache
def _seconds(kernel: str, core: str, m: int, n: int, k: int, bandwidth: float) -> tuple[float, str]:
    """The largest of arithmetic, loads and weight traffic, and which it is: all three overlap."""
    counts: Counter[str] = instructions(kernel, m, n, k)
    memory = {"ld1", "st1", "str"}
    arithmetic = sum(times for name, times in counts.items() if name not in memory)
    clock = figure(core, "clock_max").value
    parts = (
        arithmetic / figure(core, "simd_pipes").value / clock,
        sum(counts[name] for name in memory) / figure(core, "loads_per_cycle").value / clock,
        ceil(m / TILE_ROWS[kernel]) * n * k / bandwidth,
    )
    return max(parts), LIMITS[int(np.argmax(parts))]


def fastest(core: str, m: int, n: int, k: int, bandwidth: float) -> str:
    """The kernel with the least time on this core; the earlier one of equals."""
    able = [name for name in LABELS if name != "gemm_smmla" or executes(core, "smmla")]
    return min(able, key=lambda name: _seconds(name, core, m, n, k, bandwidth)[0])


@explorable(
    "kernel-choice",
    label="From how many rows on does a matrix kernel pay?",
    hint="One row is decode, many are prefill. Move the weights into a cache: where is the crossing now?",
    m=Slider(1, 32, default=1, unit="rows", label="Rows of the input (M)"),
    matrix=Choice(MATRICES, label="Weights (N x K)"),
    source=Choice(SOURCES, default=51.2e9, label="Weights come from"),
    core=Choice(CORES, label="Core"),
)
def kernel_choice(m: int, matrix: tuple[int, int], source: float, core: str) -> Scene:
    """Time per input row of three INT8 kernels against the number of rows, from their instruction counts."""
    n, k = matrix
    rows = np.arange(1, 33)
    able = [name for name in LABELS if name != "gemm_smmla" or executes(core, "smmla")]
    scale = 1e12 / (n * k)  # ps per weight and row: comparable between matrices
    marks: list[Mark] = []
    chosen = fastest(core, m, n, k, source)
    for name in able:
        y = [scale * _seconds(name, core, int(r), n, k, source)[0] / r for r in rows]
        role = {"gemv_sdot": "weights", "gemm_sdot": "compute"}.get(name, "memory")
        marks.append(Line(x=rows, y=y, role=role))
        marks.append(Text(x=34.5, y=y[-1], text=LABELS[name], role=role))
    seconds, limit = _seconds(chosen, core, m, n, k, source)
    marks.append(Dot(x=m, y=scale * seconds / m, role="error", size=7))
    if "gemm_smmla" not in able:
        marks.append(Text(x=1.1, y=1.15, text="no SMMLA on this core (no I8MM)", role="error"))
    firsts = [int(r) for r in rows if fastest(core, int(r), n, k, source) != "gemv_sdot"]
    cross = f"GEMV is beaten from M = {firsts[0]} on" if firsts else "GEMV is never beaten"
    readout = (
        f"M = {m}: {LABELS[chosen]}, {si(seconds, 's')} on one core, bound by {limit}. "
        f"{cross}; at M = 32 the {LABELS[fastest(core, 32, n, k, source)]} kernel wins."
    )
    return Scene(
        title="The best kernel depends on how many rows it is given",
        x=Axis(label="Rows of the input (M)", lo=0.9, hi=70, log=True),
        y=Axis(label="Time per row and weight", unit="ps", lo=1, hi=100, log=True),
        marks=marks,
        readout=readout,
        alt=f"Time per row of INT8 kernels against the number of rows. {readout}",
        table=[
            ("M", *(LABELS[name] for name in able), "bound"),
            *(
                (
                    str(r),
                    *(si(_seconds(name, core, r, n, k, source)[0], "s") for name in able),
                    _seconds(fastest(core, r, n, k, source), core, r, n, k, source)[1],
                )
                for r in (1, 2, 4, 8, 16, 32)
            ),
        ],
    )
