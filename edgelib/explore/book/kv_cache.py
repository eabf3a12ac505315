"""A toy head that forgets: which keys and values may be thrown away, and how coarsely the rest is kept."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from edgelib.explore import Choice, Slider, explorable
from edgelib.explore.scene import Axis, Cell, Dot, Line, Mark, Scene, Text
from edgelib.kernels.kv_cache import (
    ToyHead,
    attention,
    heavy_hitters,
    quantised_attention,
    relative_error,
    toy_head,
    window_kept,
)
from edgelib.metrics.memory import kv_size
from edgelib.units import si, significant
from edgelib.workloads import transformer

LLAMA = transformer("llama-2-7b")
SMALL, LARGE = 20, 128  # tokens of the pictures that show every pair, and of those that show errors


@cache
def _head(tokens: int, outliers: float = 8.0) -> tuple[ToyHead, NDArray[np.float64], NDArray[np.float64]]:
    head = toy_head(tokens, outliers=outliers)
    return head, *attention(head.q, head.k, head.v)


def _map(kept: NDArray[np.bool_], full: NDArray[np.float64], seen: NDArray[np.float64]) -> list[Mark]:
    """Cells [query, token]: blue what is attended to, orange what was forgotten and would have been."""
    marks: list[Mark] = []
    for i, j in np.argwhere(np.tri(SMALL)).tolist():
        p = seen[i, j] if kept[i, j] else full[i, j]
        term = f"token {i} {'gives' if kept[i, j] else 'would give'} token {j} {100 * p:.0f} %"
        role = "kv" if kept[i, j] else "error"
        shade = float(0.12 + 0.88 * p)
        marks.append(Cell(x=j, y=i, role=role, opacity=shade, width=0.94, height=0.94, term=term))
    return marks


def _map_scene(title: str, what: str, kept: NDArray[np.bool_], output: NDArray[np.float64]) -> Scene:
    head, exact, full = _head(SMALL)
    _, seen = attention(head.q, head.k, head.v, kept)
    error = relative_error(output, exact)
    most = int(kept.sum(axis=1).max())
    lost = float(np.where(kept, 0, full)[1:].sum(axis=1).mean())
    readout = (
        f"{what}: at most {most} of {SMALL} tokens kept, {si(kv_size(LLAMA, most), 'B')} in LLaMA-2 7B. "
        f"{100 * lost:.0f} % of the attention is lost, the output is off by {100 * error:.0f} %."
    )
    legend = [
        Text(x=13, y=3.2, text="attended to", role="kv"),
        Text(x=13, y=1.9, text="forgotten", role="error"),
    ]
    return Scene(
        title=title,
        x=Axis(label="Token kept or forgotten", lo=-0.6, hi=SMALL - 0.4),
        y=Axis(label="Token that asks", lo=-0.6, hi=SMALL - 0.4),
        marks=[*_map(kept, full, seen), *legend],
        readout=readout,
        alt=f"Attention map of a toy head with {SMALL} tokens. {readout}",
        table=[
            ("token that asks", "tokens kept", "attention lost %"),
            *(
                (str(i), str(int(kept[i].sum())), f"{100 * float(full[i][~kept[i]].sum()):.0f}")
                for i in range(3, SMALL, 4)
            ),
        ],
    )


@explorable(
    "sliding-window",
    label="What does a window forget first?",
    hint="Every query looks at the first token, and a window throws it away. Keep it: one sink.",
    window=Slider(1, SMALL, default=6, unit="tokens", label="Window"),
    sinks=Slider(0, 4, default=0, unit="tokens", label="Sinks"),
)
def sliding_window(window: int, sinks: int) -> Scene:
    """The mask of a sliding window with attention sinks, and what it costs."""
    head, _, _ = _head(SMALL)
    kept = window_kept(SMALL, window, sinks)
    output, _ = attention(head.q, head.k, head.v, kept)
    return _map_scene(
        "A window forgets the token that everybody looks at", f"Window {window}, sinks {sinks}", kept, output
    )


@explorable(
    "heavy-hitters",
    label="Which tokens earn their place?",
    hint="Columns that stay blue to the top are heavy hitters. Give the whole budget to recent tokens: it is "
    "a sliding window again.",
    budget=Slider(2, SMALL, default=7, unit="tokens", label="Budget"),
    recent=Slider(0.0, 1.0, step=0.25, default=0.5, label="Share for recent tokens"),
)
def heavy_hitter_map(budget: int, recent: float) -> Scene:
    """What H2O keeps and forgets, query by query."""
    head, _, _ = _head(SMALL)
    result = heavy_hitters(head.q, head.k, head.v, budget, recent)
    title = "Tokens that were asked for will be asked for again"
    return _map_scene(
        title, f"Budget {budget}, {100 * recent:.0f} % of it recent", result.kept, result.output
    )


BUDGETS = tuple(2**k for k in range(2, 8))


@cache
def _errors(sinks: int, recent: float) -> dict[str, list[float]]:
    """Relative errors over BUDGETS for a window, a window with sinks, and heavy hitters."""
    head, exact, _ = _head(LARGE)
    q, k, v = head.q, head.k, head.v
    masks = [(window_kept(LARGE, b), window_kept(LARGE, max(1, b - sinks), sinks)) for b in BUDGETS]
    return {
        "window": [relative_error(attention(q, k, v, plain)[0], exact) for plain, _ in masks],
        "window with sinks": [relative_error(attention(q, k, v, sunk)[0], exact) for _, sunk in masks],
        "heavy hitters": [relative_error(heavy_hitters(q, k, v, b, recent).output, exact) for b in BUDGETS],
    }


@explorable(
    "eviction-error",
    label="What does a token of budget buy?",
    hint="Three policies, the same number of tokens kept. The toy head has tokens that are asked for again "
    "and again; a head without them would not reward H2O.",
    budget=Slider(4, LARGE, log2=True, default=16, unit="tokens", label="Budget"),
    sinks=Slider(0, 3, default=1, unit="tokens", label="Sinks"),
    recent=Slider(0.0, 1.0, step=0.25, default=0.5, label="H2O's share for recent tokens"),
)
def eviction_error(budget: int, sinks: int, recent: float) -> Scene:
    """Error of the attention output against tokens kept, three policies, 128 tokens."""
    errors = {name: [100 * e for e in row] for name, row in _errors(sinks, recent).items()}
    roles = {"window": "idle", "window with sinks": "kv", "heavy hitters": "compute"}
    here = {name: row[BUDGETS.index(budget)] for name, row in errors.items()}
    marks: list[Mark] = [
        Line(x=BUDGETS, y=row, role=roles[name], label=name, term=f"{name}: error against budget")
        for name, row in errors.items()
    ]
    marks += [Dot(x=budget, y=value, role=roles[name], term=name) for name, value in here.items()]
    texts = ", ".join(f"{name} {value:.0f} %" for name, value in here.items())
    readout = f"{budget} of {LARGE} tokens kept: output off by {texts}."
    return Scene(
        title="Which tokens you keep matters more than how many",
        x=Axis(label="Tokens kept", lo=3, hi=300, log=True),
        y=Axis(label="Error of the output", unit="%", lo=0, hi=140),
        marks=marks,
        readout=readout,
        alt=f"Error of attention with a bounded cache against its size, a toy head. {readout}",
        table=[
            ("tokens kept", *errors),
            *((str(b), *(f"{row[i]:.1f} %" for row in errors.values())) for i, b in enumerate(BUDGETS)),
        ],
    )


WAYS = {
    "K per channel, V per token": ("per channel", "per token"),
    "K per token, V per token": ("per token", "per token"),
    "K per channel, V per channel": ("per channel", "per channel"),
    "K per token, V per channel": ("per token", "per channel"),
}
WAY_ROLES = dict(zip(WAYS, ("kv", "idle", "activations", "error"), strict=True))
KV_BITS = tuple(range(2, 9))


@cache
def _rounding(outliers: float, group: int) -> dict[str, list[float]]:
    """Relative errors over KV_BITS for four ways to group keys and values."""
    head, exact, _ = _head(LARGE, outliers)
    return {
        way: [
            relative_error(
                quantised_attention(head.q, head.k, head.v, bits, keys=keys, values=values, group=group),
                exact,
            )
            for bits in KV_BITS
        ]
        for way, (keys, values) in WAYS.items()
    }


@explorable(
    "kv-quantisation",
    label="Along which axis should keys be rounded?",
    hint="Take the outliers away: the grey line comes down to the others. They are the reason for "
    "per-channel keys.",
    bits=Slider(2, 8, default=4, unit="bits", label="Bits"),
    outliers=Choice({"none": 1.0, "4 x": 4.0, "8 x": 8.0, "16 x": 16.0}, default=8.0, label="Key outliers"),
    group=Slider(16, 64, log2=True, default=32, unit="values", label="One scale for"),
)
def kv_quantisation(bits: int, outliers: float, group: int) -> Scene:
    """Error of the attention output against bits, four ways to group keys and values."""
    errors = {way: [100 * e for e in row] for way, row in _rounding(outliers, group).items()}
    here = {way: row[KV_BITS.index(bits)] for way, row in errors.items()}
    marks: list[Mark] = [
        Line(x=KV_BITS, y=row, role=WAY_ROLES[way], term=way, ghost="V per channel" in way)
        for way, row in errors.items()
    ]
    marks += [Dot(x=bits, y=here[way], role=WAY_ROLES[way], term=way) for way in list(WAYS)[:2]]
    for line, way in enumerate(WAYS):
        marks.append(Text(x=5.2, y=200 / 1.75**line, text=way, role=WAY_ROLES[way]))
    true_bits = bits + 32 / group
    best, plain = here["K per channel, V per token"], here["K per token, V per token"]
    readout = (
        f"{bits} bits ({true_bits:g} with scales): {si(LLAMA.kv_bytes_per_token(true_bits), 'B')} per token "
        f"in LLaMA-2 7B. Output off by {significant(best, 2)} % with keys per channel, "
        f"{significant(plain, 2)} % with keys per token."
    )
    return Scene(
        title="Outliers live in channels, so keys are rounded along them",
        x=Axis(label="Bits", lo=1.8, hi=9),
        y=Axis(label="Error of the output", unit="%", lo=0.2, hi=400, log=True),
        marks=marks,
        readout=readout,
        alt=f"Error of attention with rounded keys and values against bits, a toy head. {readout}",
        table=[
            ("bits", *WAYS),
            *((str(b), *(f"{row[i]:.2f} %" for row in errors.values())) for i, b in enumerate(KV_BITS)),
        ],
    )
