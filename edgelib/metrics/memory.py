r"""What has to fit? Bytes of weights, of keys and values, of training, and of all together on a device.

Every size is in bytes. A GB is 1e9 and a GiB 2**30 bytes: `units.si` writes the one, `units.gib` the other.
Activations are in `liveness.py`; what runtimes take beyond this sum was measured: `memory_runs.py`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from edgelib.errors import Number, at_least_one, choice, integer, nonnegative, positive, scalar
from edgelib.metrics.formulas import kv_bytes_per_token
from edgelib.metrics.graph import Explanation, Given, Graph, quantity
from edgelib.workloads import Transformer, WeightFormat, transformer, weight_format

# ------------------------------------------------------------------ weights


def bits_per_weight(
    bits: Number, group: Number | None = None, scale_bits: Number = 16, zero_bits: Number = 0
) -> Number:
    """Bits that a weight really takes: bits + (scale_bits + zero_bits) / group.

    group : weights that share a scale (and a zero point); None for no scales at all.
    4 bits, groups of 128, both in 16 bits: 4.25. Groups of 32 with a scale only (Q4_0): 4.5.
    """
    bits = positive("bits", bits)
    extra = nonnegative("scale_bits", scale_bits) + nonnegative("zero_bits", zero_bits)
    return bits if group is None else bits + extra / at_least_one("group", group)


def weight_parts(
    model: Transformer | str,
    bits: Number,
    *,
    group: Number | None = None,
    scale_bits: Number = 16,
    zero_bits: Number = 0,
    embedding_bits: Number | None = None,
) -> dict[str, Number]:
    """Bytes of all weights in parts: values, scales, embeddings, vectors (norms and biases, 32 bits).

    embedding_bits : 16 keeps embedding and output matrix in FP16, as a part of their own; None stores
    them like the layers. LLaMA-7B: FP16 13.48 GB; 4.25 bits 3.58 GB, with FP16 embeddings 3.96 GB.
    """
    model = model_of(model)
    true_bits = bits_per_weight(bits, group, scale_bits, zero_bits)
    tables = model.embedding_params + model.head_params
    inside = model.layer_params + (tables if embedding_bits is None else 0)
    apart = 0 if embedding_bits is None else positive("embedding_bits", embedding_bits)
    return {
        "values": inside * positive("bits", bits) / 8,
        "scales": inside * (true_bits - bits) / 8,
        "embeddings": tables * apart / 8,
        "vectors": model.vector_params * 32 / 8,
    }


# ------------------------------------------------------------------ keys and values


def kv_size(
    model: Transformer | str,
    tokens: Number,
    *,
    batch: Number = 1,
    bits: Number = 16,
    window: Number | None = None,
    sinks: Number = 0,
) -> Number:
    """Bytes of keys and values of `batch` sequences: 2 L h_kv d_h min(n, window + sinks) batch bits / 8.

    bits : scales included (8.5 for Q8_0).   window : tokens kept besides the first `sinks`; None keeps all.
    LLaMA-7B at 16 bits: 524,288 B per token, 1 GiB at 2,048, 16 GiB at 32,768.
    """
    kept = nonnegative("tokens", tokens)
    sinks = nonnegative("sinks", sinks)
    if window is not None:
        kept = np.minimum(kept, at_least_one("window", window) + sinks)
    return model_of(model).kv_bytes_per_token(bits) * kept * at_least_one("batch", batch)


# ------------------------------------------------------------------ training

# Bytes per parameter. Source: Rajbhandari et al., "ZeRO: Memory Optimizations Toward Training Trillion
# Parameter Models", SC 2020, section 3.1 (mixed precision, 16 bytes); the others are the same count.
TRAINING: dict[str, dict[str, int]] = {
    "inference, FP16": {"weights": 2},
    "SGD, FP32": {"weights": 4, "gradients": 4},
    "Adam, FP32": {"weights": 4, "gradients": 4, "momentum": 4, "variance": 4},
    "Adam, mixed precision": {
        "weights": 2,
        "gradients": 2,
        "momentum": 4,
        "variance": 4,
        "master weights": 4,
    },
}
OPTIMISER_STATES = ("momentum", "variance", "master weights")


def training_parts(params: Number, scheme: str) -> dict[str, Number]:
    """Bytes per part to train `params` parameters with a scheme of TRAINING, activations left out."""
    sizes = TRAINING[choice("scheme", scheme, TRAINING)]
    return {part: nonnegative("params", params) * size for part, size in sizes.items()}


def linear_layers(model: Transformer | str) -> dict[str, tuple[int, int]]:
    """(inputs, outputs) of each weight matrix of a layer."""
    model = model_of(model)
    d, ff = model.d_model, model.d_ff
    queries, keys = model.heads * model.head_dim, model.kv_heads * model.head_dim
    attention = {"q": (d, queries), "k": (d, keys), "v": (d, keys), "o": (queries, d)}
    gate = {"gate": (d, ff)} if model.mlp_matrices == 3 else {}
    return attention | gate | {"up": (d, ff), "down": (ff, d)}


def lora_params(model: Transformer | str, rank: int, targets: Iterable[str] | None = None) -> int:
    """Parameters of low-rank adapters: L sum over the targets of r (inputs + outputs).

    targets : names of `linear_layers`, all of them if left out.
    LLaMA-7B: 4,194,304 at rank 8 on q and v, 39,976,960 at rank 16 on all.
    Source: Hu et al., "LoRA: Low-Rank Adaptation of Large Language Models", ICLR 2022.
    """
    model = model_of(model)
    shapes = linear_layers(model)
    names = [choice("target", t, shapes) for t in (shapes if targets is None else targets)]
    if len(set(names)) < len(names):
        raise ValueError(f"targets = {names}: expected each matrix once")
    return model.layers * integer("rank", rank, at_least=1) * sum(sum(shapes[t]) for t in names)


# ------------------------------------------------------------------ all together


@quantity("B")
def weights_B(
    layer_params: Number,
    bits: Number,
    embedding_params: Number,
    embedding_bits: Number,
    head_params: Number,
    head_bits: Number,
    vector_params: Number,
) -> Number:
    """Matrices as they are stored, norms and biases as 32-bit floats."""
    return (
        layer_params * bits + embedding_params * embedding_bits + head_params * head_bits + vector_params * 32
    ) / 8


@quantity("B")
def kv_B(kv_bytes_per_token: Number, context: Number, batch: Number) -> Number:
    """Keys and values of the whole context, reserved or filled."""
    return kv_bytes_per_token * context * batch


@quantity("B")
def total_B(weights_B: Number, kv_B: Number, activations_B: Number, runtime_B: Number) -> Number:
    """What one process asks of the device's memory."""
    return weights_B + kv_B + activations_B + runtime_B


GRAPH = Graph([weights_B, kv_bytes_per_token, kv_B, total_B])


@dataclass(frozen=True, eq=False)
class Footprint:
    """What one process asks of a device's memory, in parts, with its reasons."""

    given: dict[str, Given]

    @cached_property
    def _known(self) -> dict[str, Any]:
        return {name: leaf.value for name, leaf in self.given.items()}

    def value(self, quantity: str) -> Number:
        """Any quantity of the sum, by name."""
        return GRAPH.value(quantity, self._known)

    @property
    def total_B(self) -> Number:
        """The sum, bytes."""
        return self.value("total_B")

    @property
    def parts(self) -> dict[str, Number]:
        """Bytes of weights, keys and values, activations, and the runtime's own."""
        names = {"weights": "weights_B", "kv": "kv_B", "activations": "activations_B", "runtime": "runtime_B"}
        return {part: self.value(name) for part, name in names.items()}

    def explain(self, quantity: str = "total_B") -> Explanation:
        """The tree of formulas and values under a quantity."""
        return GRAPH.explain(quantity, self.given)

    def largest_context(self, capacity_B: float) -> int:
        """Tokens of context per sequence at which the sum reaches `capacity_B`; 0 if none fits."""
        capacity = float(scalar("capacity_B", positive("capacity_B", capacity_B)))
        free = capacity - self.total_B + self.value("kv_B")
        return max(0, int(free // (self.value("kv_bytes_per_token") * self.value("batch"))))


def footprint(
    model: Transformer | str,
    weights: WeightFormat | str = "f16",
    *,
    context: Number = 2048,
    batch: Number = 1,
    kv_bits: Number = 16,
    embedding_bits: Number | None = None,
    activations_B: Number = 0,
    runtime_B: Number = 0,
) -> Footprint:
    """What a model needs on a device: weights + keys and values + activations + the runtime's own.

    embedding_bits : of the embedding; those of `weights` if left out.
    activations_B : from `liveness.peak`.   runtime_B : from `memory_runs.overhead`.
    """
    model = model_of(model)
    stored = weight_format(weights) if isinstance(weights, str) else weights
    if not isinstance(stored, WeightFormat):
        raise ValueError(f"weights = {weights!r}: expected a WeightFormat or its name")
    table_bits = stored.bits if embedding_bits is None else positive("embedding_bits", embedding_bits)
    shape = ("layer_params", "embedding_params", "head_params", "vector_params")
    count = {name: Given(getattr(model, name), "", model.source) for name in shape}
    size = {
        name: Given(getattr(model, name), "", model.source) for name in ("layers", "kv_heads", "head_dim")
    }
    request = {
        "bits": Given(stored.bits, "bit", stored.source),
        "embedding_bits": Given(table_bits, "bit", "the request" if embedding_bits else stored.source),
        "head_bits": Given(stored.head_bits, "bit", stored.source),
        "kv_bits": Given(positive("kv_bits", kv_bits), "bit", "the request"),
        "context": Given(nonnegative("context", context), "tokens", "the request"),
        "batch": Given(at_least_one("batch", batch), "sequences", "the request"),
        "activations_B": Given(nonnegative("activations_B", activations_B), "B", "the request"),
        "runtime_B": Given(nonnegative("runtime_B", runtime_B), "B", "the request"),
    }
    return Footprint(count | size | request)


def model_of(model: Transformer | str) -> Transformer:
    """The model itself, or the one in the catalogue that has this name."""
    found = transformer(model) if isinstance(model, str) else model
    if not isinstance(found, Transformer):
        raise ValueError(f"model = {model!r}: expected a Transformer or its name")
    return found
