r"""How much memory do activations need at once? Buffers of one transformer layer and their lifetimes.

A buffer lives from the operator that writes it to the last one that reads it. Inference needs the peak of
what lives together, once, however many layers there are; training keeps them all.
Addition, softmax and the gate's product write over their input.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgelib.errors import integer, positive, scalar
from edgelib.metrics.memory import model_of
from edgelib.workloads import Transformer

Operator = tuple[str, str]  # its name, and the buffers that it reads or writes


@dataclass(frozen=True)
class Buffer:
    """One intermediate result: its size, and the first and last operator that touches it."""

    name: str
    size_B: float
    born: int
    dies: int


def operators(model: Transformer | str, fused: bool = True) -> tuple[Operator, ...]:
    """The operators of a layer in order.

    Fused attention computes scores and mix tile by tile: it never stores the scores, and what the two
    touch lives through both.
    """
    attend = ("q k v mix", "q k v mix") if fused else ("q k scores", "scores v mix")
    gated = model_of(model).mlp_matrices == 3
    return (
        ("norm", "x n1"),
        ("q, k, v", "n1 q k v"),
        ("scores", attend[0]),
        ("mix", attend[1]),
        ("project", "mix y1"),
        ("add", "x y1"),
        ("norm", "x n2"),
        ("widen", "n2 gate up" if gated else "n2 up"),
        ("activate", "gate up" if gated else "up"),
        ("narrow", "gate y2" if gated else "up y2"),
        ("add", "x y2"),
    )


def layer_buffers(
    model: Transformer | str, tokens: int, *, batch: int = 1, bits: float = 16, fused: bool = True
) -> tuple[Buffer, ...]:
    """The buffers of one layer for a prompt of `tokens` tokens (1 for a decode step).

    Sizes, in values per token: d for x, norms and projections, h d_h for queries, h_kv d_h for keys and
    values, d_ff for gate and up, h n for unfused scores.
    """
    model = model_of(model)
    n, b = integer("tokens", tokens, at_least=1), integer("batch", batch, at_least=1)
    bits = scalar("bits", positive("bits", bits))
    wide, keys = model.heads * model.head_dim, model.kv_heads * model.head_dim
    width = {"q": wide, "k": keys, "v": keys, "mix": wide, "gate": model.d_ff, "up": model.d_ff}
    width["scores"] = model.heads * n
    touched: dict[str, list[int]] = {}
    for step, (_, names) in enumerate(operators(model, fused)):
        for name in names.split():
            touched.setdefault(name, []).append(step)
    return tuple(
        Buffer(name, b * n * width.get(name, model.d_model) * bits / 8, steps[0], steps[-1])
        for name, steps in touched.items()
    )


def live_B(buffers: Sequence[Buffer]) -> NDArray[np.float64]:
    """Bytes that live while each operator runs, [operators]."""
    if not buffers:
        raise ValueError("buffers is empty: expected at least one")
    steps = np.arange(1 + max(buffer.dies for buffer in buffers))
    return np.asarray(sum(b.size_B * ((b.born <= steps) & (steps <= b.dies)) for b in buffers))


def peak(buffers: Sequence[Buffer]) -> float:
    """Bytes needed if a buffer's place is used again after its last reader: max of `live_B`."""
    return float(live_B(buffers).max())


def without_reuse(buffers: Sequence[Buffer], layers: int = 1) -> float:
    """Bytes needed if every buffer of every layer keeps its place."""
    return integer("layers", layers, at_least=1) * sum(buffer.size_B for buffer in buffers)


def place(buffers: Sequence[Buffer]) -> tuple[float, ...]:
    """An address for each buffer, in bytes, so that no two that live together overlap.

    Largest first, each at the lowest address that is free during its life. This is no optimum in
    general; for the layers of this book it reaches `peak`.
    Source: Pisarchyk & Lee, "Efficient memory management for deep neural net inference", 2020.
    """
    placed: dict[int, float] = {}
    for i in sorted(range(len(buffers)), key=lambda i: -buffers[i].size_B):
        new, address = buffers[i], 0.0
        others = [j for j in placed if buffers[j].born <= new.dies and new.born <= buffers[j].dies]
        for j in sorted(others, key=placed.__getitem__):
            if address + new.size_B <= placed[j]:
                break
            address = max(address, placed[j] + buffers[j].size_B)
        placed[i] = address
    return tuple(placed[i] for i in range(len(buffers)))


def decode_traffic_B(model: Transformer | str, bits: float = 16) -> float:
    """Bytes of activations that one decoded token makes, each buffer of each layer counted once."""
    return without_reuse(layer_buffers(model, 1, bits=bits), model_of(model).layers)
