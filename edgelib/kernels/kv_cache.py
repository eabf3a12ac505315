r"""Which keys and values may be thrown away, and how coarsely may the rest be stored?

One attention head over n tokens, in float64: $o_i = \sum_j p_{ij} v_j$ with
$p_i = \mathrm{softmax}(K q_i / \sqrt d)$ over the tokens j that are still kept. Three ways to keep less: a
window with sinks, heavy hitters (H2O), and fewer bits. Each returns the output, so that its error against
full attention can be measured.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edgelib.errors import choice, fraction, integer, real, scalar

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


def attention(
    q: ArrayLike, k: ArrayLike, v: ArrayLike, kept: ArrayLike | None = None
) -> tuple[Floats, Floats]:
    """Causal attention: (output [n, d], probabilities [n, n]).

    q, k, v : float[n, d].   kept : bool[n, n], may query i see token j; the future never counts.
    Every query sees at least itself.
    """
    q, k, v = _head(q, k, v)
    n, d = q.shape
    seen = np.tri(n, dtype=bool)
    if kept is not None:
        mask = np.asarray(kept)
        if mask.shape != (n, n) or mask.dtype != bool:
            raise ValueError(f"kept is {mask.dtype} of shape {mask.shape}: expected bool of shape {(n, n)}")
        seen = seen & mask | np.eye(n, dtype=bool)
    p = _softmax(np.where(seen, q @ k.T / np.sqrt(d), -np.inf))
    return p @ v, p


def relative_error(output: ArrayLike, exact: ArrayLike) -> float:
    """Root of the summed squared errors, as a fraction of the exact output's."""
    output, exact = np.asarray(output, dtype=float), np.asarray(exact, dtype=float)
    if output.shape != exact.shape:
        raise ValueError(
            f"output and exact have shapes {output.shape} and {exact.shape}: expected equal ones"
        )
    size = np.linalg.norm(exact)
    if not size > 0:
        raise ValueError("exact is zero everywhere (or NaN): an error relative to it has no meaning")
    return float(np.linalg.norm(output - exact) / size)


# ------------------------------------------------------------------ keeping fewer tokens


def window_kept(tokens: int, window: int, sinks: int = 0) -> Bools:
    """bool[n, n]: query i sees the last `window` tokens, itself included, and the first `sinks`.

    At most window + sinks tokens are ever kept. Source: Xiao et al., "Efficient Streaming Language Models
    with Attention Sinks", ICLR 2024.
    """
    n, window = integer("tokens", tokens, at_least=1), integer("window", window, at_least=1)
    i, j = np.arange(n)[:, None], np.arange(n)[None, :]
    return (j <= i) & ((i - j < window) | (j < integer("sinks", sinks)))


@dataclass(frozen=True)
class Eviction:
    """Attention with a bounded cache: output [n, d], and what each query saw, bool[n, n]."""

    output: Floats
    kept: Bools


def heavy_hitters(
    q: ArrayLike, k: ArrayLike, v: ArrayLike, budget: int, recent_share: float = 0.5
) -> Eviction:
    """H2O: keep the recent tokens, and of the older ones those that received most attention so far.

    budget : tokens kept, the newest included, >= 1.   recent_share : of the budget, 0..1, for the newest
    tokens (at least one). When the cache is full, the older token with the least accumulated probability
    leaves for good. Attention is over what is kept, and so is the accumulation.
    Source: Zhang et al., "H2O: Heavy-Hitter Oracle for Efficient Generative Inference of Large Language
    Models", NeurIPS 2023, algorithm 1.
    """
    q, k, v = _head(q, k, v)
    n, d = q.shape
    budget = integer("budget", budget, at_least=1)
    recent = max(1, round(budget * scalar("recent_share", fraction("recent_share", recent_share))))
    output, kept, received = np.zeros((n, v.shape[1])), np.zeros((n, n), dtype=bool), np.zeros(n)
    cache = np.empty(0, dtype=int)  # token numbers, oldest first
    for i in range(n):
        if len(cache) == budget:
            older = cache[cache <= i - recent]
            cache = cache[cache != older[received[older].argmin()]]
        cache = np.append(cache, i)
        p = _softmax(k[cache] @ q[i] / np.sqrt(d))
        received[cache] += p
        output[i], kept[i, cache] = p @ v[cache], True
    return Eviction(output, kept)


# ------------------------------------------------------------------ keeping fewer bits

AXES = {"per token": 1, "per channel": 0}  # the axis of x[n, d] along which a group of values lies


def quantise(x: ArrayLike, bits: int, granularity: str, group: int | None = None) -> Floats:
    r"""x [n, d] rounded to 2^bits levels between the least and the largest value of its group.

    $\hat x = \min + s \cdot \mathrm{round}((x - \min) / s)$, $s = (\max - \min) / (2^{bits} - 1)$, so that
    $|\hat x - x| \le s / 2$.

    granularity : "per token" (a group lies within a row), "per channel" (within a column).
    group : values that share s and min; the whole row or column if left out.
    """
    values, bits = _matrix("x", x), integer("bits", bits, at_least=1)
    if bits > 16:
        raise ValueError(f"bits = {bits}: expected 1 to 16")
    along = AXES[choice("granularity", granularity, AXES)]
    lines = values if along == 1 else values.T
    size = lines.shape[1] if group is None else integer("group", group, at_least=1)
    rounded = np.empty_like(lines)
    for start in range(0, lines.shape[1], size):
        part = lines[:, start : start + size]
        low = part.min(axis=1, keepdims=True)
        step = (part.max(axis=1, keepdims=True) - low) / (2**bits - 1)
        step = np.where(step > 0, step, 1.0)  # equal values: all of them are the minimum
        rounded[:, start : start + size] = low + step * np.round((part - low) / step)
    return rounded if along == 1 else np.ascontiguousarray(rounded.T)


def quantised_attention(
    q: ArrayLike,
    k: ArrayLike,
    v: ArrayLike,
    bits: int,
    *,
    keys: str = "per channel",
    values: str = "per token",
    group: int | None = 32,
) -> Floats:
    """Output of attention whose keys and values went through `quantise`, float[n, d].

    Per-channel keys and per-token values are the choice of Liu et al., "KIVI: A Tuning-Free Asymmetric
    2bit Quantization for KV Cache", ICML 2024.
    """
    q, k, v = _head(q, k, v)
    return attention(q, quantise(k, bits, keys, group), quantise(v, bits, values, group))[0]


# ------------------------------------------------------------------ something to attend to


@dataclass(frozen=True)
class ToyHead:
    """Queries, keys and values [n, d], and the tokens that many queries ask for."""

    q: Floats
    k: Floats
    v: Floats
    heavy: tuple[int, ...]


def toy_head(tokens: int = 256, width: int = 64, outliers: float = 8.0, seed: int = 0) -> ToyHead:
    """A head with the habits of trained ones, built by hand: its figures are those of no real model.

    Nearby tokens attract each other (a rotating part); the first token attracts every query and says
    little (the sink); a few tokens are asked for again and again; two channels of the keys carry a value
    about `outliers` times as large as the others, nearly the same for all tokens.
    """
    n, d = integer("tokens", tokens, at_least=3), integer("width", width, at_least=16)
    size = scalar("outliers", real("outliers", outliers))
    rng = np.random.default_rng(integer("seed", seed))
    q, k, v = rng.normal(size=(3, n, d))
    angle = np.arange(n)[:, None] * np.array([0.05, 0.15, 0.45])
    waves = np.concatenate([np.cos(angle), np.sin(angle)], axis=1)  # similar for neighbours
    q[:, :6], k[:, :6] = 2.0 * waves * d**0.25, 1.0 * waves * d**0.25
    heavy = np.sort(rng.choice(np.arange(1, n), size=max(2, n // 32), replace=False))
    q[:, 6], k[:, 6] = np.sqrt(d), 0.0
    k[heavy, 6] = 4.0
    k[0, 6], v[0] = 6.0, 0.05 * v[0]
    q[:, 7:9] *= 0.3
    k[:, 7:9] = size * (1 + 0.1 * rng.normal(size=(n, 2)))
    return ToyHead(q, k, v, tuple(heavy.tolist()))


def _softmax(scores: Floats) -> Floats:
    e = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return np.asarray(e / e.sum(axis=-1, keepdims=True))


def _matrix(argument: str, x: ArrayLike) -> Floats:
    values = np.asarray(real(argument, x), dtype=float)
    if values.ndim != 2 or not values.size:
        raise ValueError(f"{argument} has shape {values.shape}: expected (tokens, width)")
    return values


def _head(q: ArrayLike, k: ArrayLike, v: ArrayLike) -> tuple[Floats, Floats, Floats]:
    q, k, v = _matrix("q", q), _matrix("k", k), _matrix("v", v)
    if q.shape != k.shape or len(v) != len(k):
        raise ValueError(
            f"q, k, v have shapes {q.shape}, {k.shape}, {v.shape}: expected (n, d), (n, d), (n, any)"
        )
    return q, k, v
