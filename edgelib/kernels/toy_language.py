r"""What does quantisation do to a language model? One small enough to train and measure in a second.

The language: V words, each followed by a few favourites (Zipf-like). The model: a `TinyTransformer` whose
head is fitted to a text of that language,
$\min_H -\frac{1}{n} \sum_t \log softmax(x_t H)[w_{t+1}]$, by gradient descent,
window by window; the layers below stay random.
It is a toy: take from it how the measures behave, and no figure for a real model.
"""

from __future__ import annotations

from copy import copy
from functools import cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from edgelib.errors import integer
from edgelib.kernels.quantize import rtn
from edgelib.kernels.tiny_transformer import KVCache, TinyTransformer, softmax

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
VOCAB, WIDTH, LENGTH = 48, 32, 4096
WINDOW = 64  # words read at once; its products are too small for numpy to start threads
EPOCHS, RATE = 16, 0.02
MATRICES = ("qkv", "out", "up", "down", "head")


class Toy(NamedTuple):
    """A trained model, the law of the language, and a text that it has not seen."""

    model: TinyTransformer
    follows: Floats  # [V, V], row: last word, column: next word
    text: Ints  # [n]


def followers(vocab: int, seed: int) -> Floats:
    """Next-word probabilities [V, V]: for each word its own order of favourites, the k-th as 1 / k^1.5."""
    rng = np.random.default_rng(integer("seed", seed))
    weights = (1 + np.arange(integer("vocab", vocab, 1))) ** -1.5
    table = np.array([rng.permutation(weights) for _ in weights])
    return np.asarray(table / table.sum(axis=1, keepdims=True))


def write(follows: Floats, length: int, seed: int) -> Ints:
    """A text of `length` words, each drawn from the row of the one before."""
    rng = np.random.default_rng(integer("seed", seed))
    steps = np.cumsum(follows, axis=1)
    words, last = [], 0
    for draw in rng.random(integer("length", length, 1)):
        last = min(int(np.searchsorted(steps[last], draw)), len(follows) - 1)
        words.append(last)
    return np.array(words)


def predictions(model: TinyTransformer, text: Ints) -> Floats:
    """Next-word probabilities [n, V] after each word of a text, read in windows of 64."""
    windows = [text[i : i + WINDOW] for i in range(0, len(text), WINDOW)]
    return softmax(np.concatenate([model.forward(window, KVCache()) for window in windows]))


@cache
def toy() -> Toy:
    """The trained model; the same one every time."""
    follows = followers(VOCAB, seed=5)
    lesson, unseen = write(follows, LENGTH, seed=6), write(follows, LENGTH, seed=7)
    model = TinyTransformer(layers=4, width=WIDTH, heads=4, vocab=VOCAB, seed=8)
    model.head = np.eye(WIDTH)  # so that forward returns the features
    head, velocity = np.zeros((WIDTH, VOCAB)), np.zeros((WIDTH, VOCAB))
    windows = [lesson[i : i + WINDOW] for i in range(0, LENGTH, WINDOW)]
    features = [model.forward(window, KVCache())[:-1] for window in windows]
    targets = [np.eye(VOCAB)[window[1:]] for window in windows]
    for _ in range(EPOCHS):
        for x, target in zip(features, targets, strict=True):
            velocity = 0.9 * velocity - RATE * x.T @ (softmax(x @ head) - target) / len(x)
            head = head + velocity
    model.head = head
    return Toy(model, follows, unseen)


def quantised(model: TinyTransformer, bits: int, group: int | str | None = None) -> TinyTransformer:
    """A copy with every matrix rounded to `bits` (`rtn`, a group lies along the inputs); 16 changes nothing.

    The embedding is a look-up and stays as it is.
    """
    small = copy(model)
    if bits < 16:
        for name in MATRICES:
            turned = np.swapaxes(getattr(model, name), -1, -2)  # rows of a channel: its inputs
            setattr(small, name, np.swapaxes(rtn(turned, bits, group).values, -1, -2))
    return small
