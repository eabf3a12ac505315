"""Which design wins, once it is said what counts?"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from edgelib.data import table
from edgelib.explore import Slider, explorable
from edgelib.explore.scene import Axis, Mark, Scene, Span, Text
from edgelib.metrics import predict
from edgelib.metrics.ranking import score
from edgelib.units import GB, si, significant

DESIGNS = {
    "16 bit": ("f16", 1),
    "8 bit": ("q8_0", 1),
    "4 bit": ("q4_k_m", 1),
    "2 bit": ("q2_k_mix", 1),
    "8 bit, 16 users": ("q8_0", 16),
    "4 bit, 16 users": ("q4_k_m", 16),
    "2 bit, 16 users": ("q2_k_mix", 16),
}
CRITERIA = ("latency", "energy", "memory", "perplexity")


@cache
def design_costs() -> NDArray[np.float64]:
    """[designs, 4]: seconds per token, bytes moved per token, bytes in memory, perplexity.

    LLaMA-3 8B on an Apple M2 Max GPU, 1,024 tokens in and 256 out. Energy is taken as proportional to the
    bytes moved, and a constant factor does not change a ranking. Perplexity: `perplexity.csv`.
    """
    known = {
        row["format"]: float(row["ppl"])
        for row in table("perplexity")
        if row["model"] == "LLaMA-3 8B" and row["dataset"] == "WikiText-2"
    }
    costs = []
    for weights, users in DESIGNS.values():
        e = predict("llama-3.1-8b", "M2Max-38c/GPU", weights=weights, prompt=1024, generate=256, batch=users)
        moved = (e.value("weight_bytes") + e.value("kv_bytes")) / users
        costs.append((e.decode_s, moved, sum(e.memory_B.values()), known[weights]))
    return np.array(costs)


@explorable(
    "design-ranking",
    label="Which design is best, and for whom?",
    hint="A cloud pays for energy and hardly for one reader's wait: put energy to 8 and latency to 0. "
    "Then ask for quality.",
    latency=Slider(0, 8, default=4, label="Latency counts"),
    energy=Slider(0, 8, default=1, label="Energy counts"),
    memory=Slider(0, 8, default=1, label="Memory counts"),
    perplexity=Slider(0, 8, default=8, label="Perplexity counts"),
)
def design_ranking(latency: int, energy: int, memory: int, perplexity: int) -> Scene:
    """Seven designs of one model on one device, ordered by a weighted product of their costs."""
    weights = np.array([latency, energy, memory, perplexity], dtype=float)
    nothing = not weights.any()
    costs = design_costs()
    values = score(costs, np.ones(4) if nothing else weights)
    order = np.argsort(values, kind="stable")
    names = list(DESIGNS)
    marks: list[Mark] = []
    rows = []
    for lane, i in enumerate(order):
        name, (seconds, moved, size, ppl) = names[i], costs[i]
        best = lane == len(order) - 1
        term = (
            f"{si(seconds, 's')} per token, {moved / GB:.2f} GB moved per token, {size / GB:.1f} GB kept, "
            f"perplexity {ppl:.2f}"
        )
        marks.append(
            Span(x0=0, x1=float(values[i]), y=lane, role="activations" if best else "idle", term=term)
        )
        marks.append(Text(x=float(values[i]) + 0.01, y=lane, text=f"{name}: {values[i]:.2f}"))
        shown = (f"{moved / GB:.2f} GB", f"{size / GB:.1f} GB", f"{ppl:.2f}", f"{values[i]:.2f}")
        rows.append((name, si(seconds, "s"), *shown))
    winner = order[-1]
    seconds, moved, size, ppl = costs[winner]
    readout = (
        f"{'Nothing counts, so all count alike. ' if nothing else ''}First: {names[winner]}, "
        f"{si(seconds, 's')} per token and user, {significant(moved / GB)} GB moved per token, "
        f"{significant(size / GB)} GB in memory, perplexity {ppl:.2f}."
    )
    return Scene(
        title="There is no best design until somebody says what counts",
        x=Axis(label="Score, 1 is best in all that counts", lo=0, hi=1.3),
        y=Axis(label="Rank", categories=tuple(str(k) for k in range(len(order), 0, -1))),
        marks=marks,
        readout=readout,
        alt=f"Ranking of seven designs of LLaMA-3 8B. {readout}",
        table=[("design", "per token", "moved per token", "memory", "perplexity", "score"), *rows[::-1]],
    )
