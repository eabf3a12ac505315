r"""What crosses the memory bus in one pass, and what do fusion, tiling and smaller weights take away?

A plain runtime writes each operator's result to memory and reads it back in the next one, attention scores
included. Fusion keeps what lies between two matrix products on the chip; tiled attention (FlashAttention)
never writes scores, and reads the keys and values once per block of queries instead.
Source: Dao et al., "FlashAttention", NeurIPS 2022 (the counts of standard and tiled attention).
"""

from __future__ import annotations

from math import ceil

from edgelib.errors import integer, positive
from edgelib.workloads.formats import WeightFormat
from edgelib.workloads.transformer import Transformer

ACTIVATION_B = 2  # activations and scores are FP16


def dram_traffic_B(
    model: Transformer,
    weights: WeightFormat,
    tokens: int,
    offset: int = 0,
    *,
    fused: bool = False,
    tiled: bool = False,
    block: int = 128,
    kv_bits: float = 16,
) -> dict[str, float]:
    r"""Bytes of one pass over `tokens` new tokens after `offset` old ones, in parts; batch 1.

    "weights" : every matrix once, $P b / 8$.
    "kv" : keys and values written once for each new token and read: once for all queries, or, tiled, once
    per block of queries up to the end of that block.
    "scores" : four crossings (scores out and in, probabilities out and in) of $h\, n (n_0 + n)$ values per
    layer; 0 if tiled.
    "activations" : the results of all other operators, out and in; fused, only those between products.

    Parameters
    ----------
    tokens : new tokens n, >= 1: the prompt in prefill, 1 in decode.   offset : context n_0, >= 0.
    block : queries whose keys and values are read together, >= 1.   kv_bits : bits per key or value, > 0.

    Returns
    -------
    weights, kv, scores, activations, in bytes.
    """
    n, n0 = integer("tokens", tokens, 1), integer("offset", offset)
    block = integer("block", block, 1)
    kv = model.kv_bytes_per_token(positive("kv_bits", kv_bits))
    d, f = model.d_model, model.d_ff
    q, k = model.heads * model.head_dim, model.kv_heads * model.head_dim
    inputs = model.mlp_matrices - 1  # gate and up, or up alone
    ends = [n0 + min(n, block * (i + 1)) for i in range(ceil(n / block))]
    kv_read = sum(ends) if tiled else n0 + n
    plain = (
        (2 + 3 + 1 + 3 + 2 + inputs + 1 + 3) * d  # norm, q k v, out, add, norm, gate and up, down, add
        + (1 + 2 + 2 + 1) * q  # q out, rotated, attention in and out, out
        + 2 * k  # k out, rotated (into the cache)
        + (inputs + 2 + (3 if inputs == 2 else 0) + 1) * f  # up, activation, product, down
    )
    between = 6 * d + 4 * q + 2 * f  # each product reads its input and writes its output, nothing else
    return {
        "weights": (model.layer_params * weights.bits + model.head_params * weights.head_bits) / 8,
        "kv": kv * (n + kv_read),
        "scores": 0.0 if tiled else 4.0 * ACTIVATION_B * model.layers * model.heads * n * (n0 + n),
        "activations": float(ACTIVATION_B * model.layers * n * (between if fused else plain)),
    }
