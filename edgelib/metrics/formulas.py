"""The model of inference on one page: every formula between a device's data sheet and tok/s.

    T_step = max(bytes / sustained bandwidth, operations / (u P), weights x cycles / SIMD rate)
             + layers x (time per layer + time per element x width)

Decode reads every weight, and the keys and values of the context, once per step; a CPU also has to
unpack each weight. Prefill multiplies every weight with every prompt token. Bandwidth, peak, clock
and pipes come from the device; the rest are constants of a runtime (`runtimes.py`). Parameters of a
formula are names of other formulas, or values that `predict` supplies; units are SI, a MAC is 2 OP.
"""

from __future__ import annotations

import numpy as np

from edgelib.errors import Number
from edgelib.metrics.graph import Graph, quantity


def larger(a: Number, b: Number) -> Number:
    """max(a, b), element by element."""
    return np.maximum(a, b) if isinstance(a, np.ndarray) or isinstance(b, np.ndarray) else max(a, b)


def smaller(a: Number, b: Number) -> Number:
    """min(a, b), element by element."""
    return np.minimum(a, b) if isinstance(a, np.ndarray) or isinstance(b, np.ndarray) else min(a, b)


# ------------------------------------------------------------------ what one decode step reads


@quantity("B")
def weight_bytes(layer_params: Number, bits: Number, head_params: Number, head_bits: Number) -> Number:
    """Weights read in one step, however many sequences share it."""
    return (layer_params * bits + head_params * head_bits) / 8


@quantity("B")
def kv_bytes_per_token(layers: Number, kv_heads: Number, head_dim: Number, kv_bits: Number) -> Number:
    """Keys and values kept for one token of context."""
    return 2 * layers * kv_heads * head_dim * kv_bits / 8


@quantity("B")
def kv_bytes(kv_bytes_per_token: Number, context: Number, batch: Number) -> Number:
    """Keys and values read in one step."""
    return kv_bytes_per_token * context * batch


@quantity("B/s")
def sustained_bandwidth(read_efficiency: Number, bandwidth: Number, fabric: Number) -> Number:
    """What reaches the engine: a share of the data sheet, and no more than its port carries."""
    return smaller(read_efficiency * bandwidth, fabric)


@quantity("s")
def read_s(weight_bytes: Number, kv_bytes: Number, sustained_bandwidth: Number) -> Number:
    """Time to read them."""
    return (weight_bytes + kv_bytes) / sustained_bandwidth


# ------------------------------------------------------------------ what one decode step computes


@quantity("OP")
def decode_ops(
    layer_params: Number,
    head_params: Number,
    layers: Number,
    heads: Number,
    head_dim: Number,
    context: Number,
    batch: Number,
) -> Number:
    """Operations of the weight matrices and of attention over the context."""
    return batch * (2 * (layer_params + head_params) + 4 * layers * heads * head_dim * context)


@quantity("cycle/s")
def simd_rate(clock: Number, simd_pipes: Number, threads: Number, thread_scaling: Number) -> Number:
    """CPU only: cycles of 128-bit SIMD pipes per second, all threads together."""
    return clock * simd_pipes * threads**thread_scaling


@quantity("OP/s")
def peak(simd_rate: Number, ops_per_cycle: Number) -> Number:
    """CPU only: every pipe busy. Elsewhere the peak is a figure of the data sheet."""
    return simd_rate * ops_per_cycle


@quantity("s")
def compute_s(decode_ops: Number, utilisation: Number, peak: Number) -> Number:
    """Time to compute them."""
    return decode_ops / (utilisation * peak)


@quantity("cycles")
def cycles_per_weight(
    kernel_factor: Number, class_cycles: Number, cycles_per_bit: Number, bits: Number
) -> Number:
    """CPU only: pipe cycles to unpack one weight and add its product."""
    return kernel_factor * class_cycles + cycles_per_bit * bits


@quantity("s")
def unpack_s(
    layer_params: Number, head_params: Number, cycles_per_weight: Number, simd_rate: Number
) -> Number:
    """CPU only: time to unpack all weights once. GPUs and NPUs hide it."""
    return (layer_params + head_params) * cycles_per_weight / simd_rate


@quantity("s")
def overhead_s(layers: Number, layer_s: Number, d_model: Number, width_s: Number) -> Number:
    """Per layer: launches and synchronisation, and small operators over vectors as wide as the model."""
    return layers * (layer_s + width_s * d_model)


@quantity("s")
def decode_s(read_s: Number, compute_s: Number, unpack_s: Number, overhead_s: Number) -> Number:
    """One step: reading, computing and unpacking overlap, the fixed time does not."""
    return larger(larger(read_s, compute_s), unpack_s) + overhead_s


@quantity("tok/s")
def decode_tok_s(batch: Number, decode_s: Number) -> Number:
    """Tokens of all sequences together, per second."""
    return batch / decode_s


# ------------------------------------------------------------------ prefill and the first token


@quantity("OP")
def prefill_ops(
    layer_params: Number, head_params: Number, layers: Number, heads: Number, head_dim: Number, prompt: Number
) -> Number:
    """Every prompt token meets every layer; token i attends to i tokens; one row of logits."""
    return 2 * layer_params * prompt + 2 * head_params + 2 * layers * heads * head_dim * prompt * (prompt + 1)


@quantity("s")
def prefill_overhead_s(layers: Number, prefill_layer_s: Number, d_model: Number, width_s: Number) -> Number:
    """The same, once per prompt."""
    return layers * (prefill_layer_s + width_s * d_model)


@quantity("s")
def prefill_s(
    prefill_ops: Number,
    utilisation: Number,
    peak: Number,
    weight_bytes: Number,
    sustained_bandwidth: Number,
    prefill_overhead_s: Number,
) -> Number:
    """Computing overlaps with reading the weights once; then the fixed time."""
    return larger(prefill_ops / (utilisation * peak), weight_bytes / sustained_bandwidth) + prefill_overhead_s


@quantity("tok/s")
def prefill_tok_s(prompt: Number, prefill_s: Number) -> Number:
    """Prompt tokens per second."""
    return prompt / prefill_s


@quantity("s")
def ttft_s(prefill_s: Number) -> Number:
    """Time to first token of a request that does not queue: prefill ends with its logits.

    Tokenising and sampling take milliseconds on a CPU and are not predicted.
    """
    return prefill_s


# ------------------------------------------------------------------ what has to fit


@quantity("B")
def memory_weights_B(
    layer_params: Number,
    embedding_params: Number,
    bits: Number,
    head_params: Number,
    head_bits: Number,
    vector_params: Number,
) -> Number:
    """The weight file: matrices as the format stores them, norms and biases as 32-bit floats."""
    return ((layer_params + embedding_params) * bits + head_params * head_bits + vector_params * 32) / 8


@quantity("B")
def memory_kv_B(kv_bytes_per_token: Number, prompt: Number, generate: Number, batch: Number) -> Number:
    """Keys and values at the end of the request."""
    return kv_bytes_per_token * (prompt + generate) * batch


GRAPH = Graph(
    [
        weight_bytes,
        kv_bytes_per_token,
        kv_bytes,
        sustained_bandwidth,
        read_s,
        decode_ops,
        simd_rate,
        peak,
        compute_s,
        cycles_per_weight,
        unpack_s,
        overhead_s,
        decode_s,
        decode_tok_s,
        prefill_ops,
        prefill_overhead_s,
        prefill_s,
        prefill_tok_s,
        ttft_s,
        memory_weights_B,
        memory_kv_B,
    ]
)
