"""What is it worth to keep the keys and values of a prompt's beginning?

Prompts that begin with the same tokens (a system prompt, a document) have the same keys and
values there. Kept, they turn prefill of the whole prompt into prefill of its tail.
Sources: Kwon et al., "PagedAttention", SOSP 2023, section 4.4; Mattson et al., "Evaluation
techniques for storage hierarchies", IBM Systems Journal 9(2), 1970 (all cache sizes in one pass).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edgelib.errors import Number, fraction, integer, nonnegative, positive, real, scalar

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class PrefixSaving:
    """Seconds to the first token, and what the kept prefix occupies."""

    miss_s: Number  # the whole prompt is computed
    hit_s: Number  # only the tail is
    ttft_s: Number  # expected
    saved_s: Number  # expected, against no cache
    kept_B: Number


def prefix_saving(
    prefix_tokens: int,
    prompt_tokens: int,
    hit_rate: Number,
    prefill_s: Callable[[int, int], float],
    kv_bytes_per_token: float,
) -> PrefixSaving:
    r"""$TTFT = (1 - h) \cdot t(n, 0) + h \cdot t(n - m, m)$ for prompts of n tokens, m of them shared.

    Parameters
    ----------
    prefix_tokens : m, 0 <= m < n: at least one token is computed, or there are no logits.
    hit_rate : h, 0..1, scalar or array.
    prefill_s : (tokens, context) -> seconds to process `tokens` at KV offset `context`.
    kv_bytes_per_token : bytes of keys and values per token, all layers.
    """
    n, m = integer("prompt_tokens", prompt_tokens, 1), integer("prefix_tokens", prefix_tokens)
    if m >= n:
        raise ValueError(f"prefix_tokens = {m}: expected fewer than prompt_tokens = {n}")
    hit_rate = fraction("hit_rate", hit_rate)
    miss = positive(f"prefill_s({n}, 0)", prefill_s(n, 0))
    hit = positive(f"prefill_s({n - m}, {m})", prefill_s(n - m, m))
    saved = hit_rate * (miss - hit)
    return PrefixSaving(
        miss, hit, miss - saved, saved, m * nonnegative("kv_bytes_per_token", kv_bytes_per_token)
    )


def zipf_stream(prefixes: int, requests: int, exponent: float = 1.0, seed: int = 0) -> Ints:
    r"""int[requests]: which of `prefixes` each request begins with, $P(k) \propto 1 / (k + 1)^{exponent}$.

    exponent : 0 (all alike) and up (a few are asked for all the time).
    """
    rank = np.arange(1, integer("prefixes", prefixes, 1) + 1)
    weight = rank ** -scalar("exponent", nonnegative("exponent", exponent))
    rng = np.random.default_rng(integer("seed", seed))
    return rng.choice(rank.size, integer("requests", requests, 1), p=weight / weight.sum())


def lru_hit_rates(stream: ArrayLike) -> Floats:
    """Hit rate of a least-recently-used cache for each capacity 0, 1, ..., number of distinct prefixes.

    A request hits if fewer than `capacity` other prefixes came since its own was last asked for: its
    depth in a stack with the latest on top.
    """
    prefixes = np.asarray(real("stream", stream))
    if prefixes.ndim != 1 or prefixes.size == 0:
        raise ValueError(f"stream has shape {prefixes.shape}: expected the prefixes of n >= 1 requests, (n,)")
    stack: list[float] = []
    depths: list[int] = []
    for prefix in prefixes.tolist():
        if prefix in stack:
            depths.append(stack.index(prefix))
            stack.remove(prefix)
        stack.insert(0, prefix)
    hits = np.bincount(np.array(depths, dtype=np.int64), minlength=len(stack)).cumsum()
    return np.concatenate([[0.0], hits / prefixes.size])
