r"""What is gained, and what is owed, when a token leaves the network before the last layer?

After every layer a head turns the hidden state into logits; a token whose distribution is sure
enough stops there. Logits have shape [tokens, layers, V]; layers are counted from 1.
Sources: Teerapittayanon et al., "BranchyNet", ICPR 2016 (entropy rule); Schuster et al.,
"Confident Adaptive Language Modeling", NeurIPS 2022 (softmax rule, missing keys and values).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edgelib.errors import choice, integer, nonnegative, real

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def confidence(logits: ArrayLike, measure: str = "probability") -> Floats:
    r"""How sure each head is, 0..1: logits [..., V] -> [...].

    "probability": $\max_x p(x)$.   "entropy": $1 - H(p) / \ln V$.   $p = softmax(logits)$.
    """
    choice("measure", measure, ("probability", "entropy"))
    values = np.asarray(real("logits", logits))
    if values.ndim == 0 or values.shape[-1] < 2:
        raise ValueError(f"logits has shape {values.shape}: expected at least 2 words on the last axis")
    shifted = values - values.max(axis=-1, keepdims=True)
    p = np.exp(shifted)
    total = p.sum(axis=-1, keepdims=True)
    p /= total
    if measure == "probability":
        return np.asarray(p.max(axis=-1))
    entropy = -(p * (shifted - np.log(total))).sum(axis=-1)
    return np.asarray(1 - entropy / np.log(values.shape[-1]))


def exit_layers(confidence: ArrayLike, threshold: float) -> Ints:
    """First layer (1..L) whose confidence reaches `threshold`, else L: confidence [..., L] -> int[...].

    threshold : >= 0; above 1 no token leaves early.
    """
    sure = np.asarray(real("confidence", confidence))
    if sure.ndim == 0 or sure.shape[-1] == 0:
        raise ValueError(f"confidence has shape {sure.shape}: expected layers on the last axis")
    if np.ndim(threshold):
        raise ValueError(f"threshold = {threshold!r}: expected one number")
    reached = sure >= nonnegative("threshold", threshold)
    reached[..., -1] = True  # the last layer is the end in any case
    return np.asarray(reached.argmax(axis=-1) + 1)


@dataclass(frozen=True)
class Summary:
    """What a threshold does to a text. Missing keys and values are counted in (token, layer) pairs."""

    exits: Ints  # [tokens], layers each token ran
    histogram: Ints  # [layers], tokens that left after layer 1, 2, ..., L
    mean_layers: float
    agreement: float  # share of tokens whose word is the last layer's word
    missing_kv: int  # never computed, because the token had left
    needed_kv: int  # of these, the ones that a later token goes deep enough to read


def summary(logits: ArrayLike, threshold: float, measure: str = "probability") -> Summary:
    """Run the exit rule over logits float[tokens, layers, V] (tokens in text order)."""
    values = np.asarray(real("logits", logits))
    if values.ndim != 3 or 0 in values.shape:
        raise ValueError(f"logits has shape {values.shape}: expected (tokens, layers, V)")
    tokens, layers, _ = values.shape
    exits = exit_layers(confidence(values, measure), threshold)
    words = values.argmax(axis=-1)
    deepest_from_here = np.maximum.accumulate(exits[::-1])[::-1]
    return Summary(
        exits=exits,
        histogram=np.bincount(exits - 1, minlength=layers),
        mean_layers=float(exits.mean()),
        agreement=float(np.mean(words[np.arange(tokens), exits - 1] == words[:, -1])),
        missing_kv=int((layers - exits).sum()),
        needed_kv=int((deepest_from_here - exits).sum()),
    )


def toy_stack(tokens: int, layers: int, seed: int = 0, vocab: int = 32) -> Floats:
    r"""Logits [tokens, layers, vocab] of a toy residual stack: NOT a trained model.

    Each token's state is pulled towards the row of one word, $h \leftarrow h + r (g - h) + noise$, at a
    rate r of its own (log-uniform, 0.03 to 0.5 per layer): easy tokens settle in a few layers, hard
    ones may not settle at all. Every head is the same table of word vectors.
    What it shows is the mechanism; the numbers of a real model must be measured on that model.
    """
    tokens, layers = integer("tokens", tokens, 1), integer("layers", layers, 1)
    vocab = integer("vocab", vocab, 2)
    rng = np.random.default_rng(integer("seed", seed))
    width, settled_logit = 64, 12.0
    words = rng.normal(size=(vocab, width)) / np.sqrt(width)  # rows of about unit length
    goal = settled_logit * words[rng.integers(vocab, size=tokens)]
    rate = np.exp(rng.uniform(np.log(0.03), np.log(0.5), size=(tokens, 1)))
    state = rng.normal(scale=3.0, size=(tokens, width))
    logits = np.empty((tokens, layers, vocab))
    for layer in range(layers):
        state = state + rate * (goal - state) + rng.normal(scale=0.3, size=state.shape)
        logits[:, layer] = state @ words.T
    return logits
