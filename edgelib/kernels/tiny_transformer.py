r"""Which step makes the first token? A decoder-only transformer small enough to run in float64.

Per layer, $x \leftarrow x + A(N(x))$ and $x \leftarrow x + W_2\,\mathrm{silu}(W_1\,N(x))$, N the RMS norm,
with causal attention $A = \mathrm{softmax}(QK^\top/\sqrt{d_h})\,V$ over all keys and values kept so far.
The weights are random: it says nothing sensible, but it says the same thing however its prompt is cut.
Positions are left out. Sources: Vaswani et al., "Attention is all you need", 2017; Zhang & Sennrich,
"Root mean square layer normalization", 2019.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from edgelib.errors import integer

Floats = npt.NDArray[np.float64]


@dataclass
class KVCache:
    """Keys and values of the tokens seen so far: per layer [heads, n, head_dim]."""

    keys: list[Floats] = field(default_factory=list)
    values: list[Floats] = field(default_factory=list)

    @property
    def tokens(self) -> int:
        """How many tokens are kept."""
        return self.keys[0].shape[1] if self.keys else 0

    def copy(self) -> KVCache:
        """A cache that can be extended without changing this one (a stored prefix)."""
        return KVCache(list(self.keys), list(self.values))


class TinyTransformer:
    """L layers, width d, h heads, vocabulary V, random weights from `seed`."""

    def __init__(
        self, layers: int = 2, width: int = 32, heads: int = 4, vocab: int = 50, seed: int = 0
    ) -> None:
        self.layers, self.width = integer("layers", layers, 1), integer("width", width, 1)
        self.heads, self.vocab = integer("heads", heads, 1), integer("vocab", vocab, 1)
        if width % heads:
            raise ValueError(f"heads = {heads}: expected a divisor of width = {width}")
        rng = np.random.default_rng(seed)
        scale = width**-0.5
        self.embedding = rng.normal(size=(vocab, width))
        self.qkv = rng.normal(scale=scale, size=(layers, 3, width, width))
        self.out = rng.normal(scale=scale, size=(layers, width, width))
        self.up = rng.normal(scale=scale, size=(layers, width, 4 * width))
        self.head = rng.normal(size=(width, vocab))
        self.down = rng.normal(scale=scale / 2, size=(layers, 4 * width, width))

    def forward(self, tokens: npt.ArrayLike, cache: KVCache) -> Floats:
        """Logits [n, V] of n further tokens; their keys and values are appended to `cache`.

        Row i is the distribution of the token after token i, so the last row of a prompt is already
        the first token of the answer.
        """
        ids = np.asarray(tokens)
        if ids.ndim != 1 or ids.size == 0 or ids.dtype.kind not in "iu":
            raise ValueError(f"tokens = {tokens!r}: expected a non-empty list of token numbers")
        if ids.min() < 0 or ids.max() >= self.vocab:
            raise ValueError(f"tokens = {tokens!r}: expected numbers from 0 to {self.vocab - 1}")
        past, n = cache.tokens, len(ids)
        hidden = np.arange(past + n)[None, :] > np.arange(past, past + n)[:, None]  # the future
        x = self.embedding[ids]
        for layer in range(self.layers):
            q, k, v = (self._split(_norm(x) @ w) for w in self.qkv[layer])
            if past:
                k = np.concatenate([cache.keys[layer], k], axis=1)
                v = np.concatenate([cache.values[layer], v], axis=1)
                cache.keys[layer], cache.values[layer] = k, v
            else:
                cache.keys.append(k)
                cache.values.append(v)
            scores = q @ k.transpose(0, 2, 1) * (self.width // self.heads) ** -0.5
            weights = softmax(np.where(hidden, -np.inf, scores))
            x = x + (weights @ v).transpose(1, 0, 2).reshape(n, self.width) @ self.out[layer]
            gate = _norm(x) @ self.up[layer]
            x = x + gate / (1 + np.exp(-gate)) @ self.down[layer]
        return np.asarray(_norm(x) @ self.head)

    def _split(self, x: Floats) -> Floats:
        """[n, d] -> [heads, n, head_dim]."""
        return x.reshape(len(x), self.heads, -1).transpose(1, 0, 2)


def softmax(x: Floats) -> Floats:
    """Along the last axis: e^(x - max) / sum."""
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return np.asarray(e / e.sum(axis=-1, keepdims=True))


def _norm(x: Floats) -> Floats:
    """RMS norm: x / sqrt(mean(x^2))."""
    return np.asarray(x / np.sqrt(np.mean(x * x, axis=-1, keepdims=True) + 1e-6))
