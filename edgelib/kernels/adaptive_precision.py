r"""May easy tokens run in 4 bits? A gate on entropy that sends unsure tokens to finer weights.

All that is needed are the next-word distributions of the coarse model, the fine one and the original.
Two gates: "retry" runs the coarse weights first, looks at the entropy of what they say, and runs the
fine ones too if it is high; "previous" decides by the entropy of the word before, and runs one of them.
Both weight copies must stay in memory.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edgelib.errors import choice, fraction, integer, nonnegative, positive, real, scalar
from edgelib.kernels.quantize import rtn

Floats = npt.NDArray[np.float64]
GATES = ("retry", "previous")


@dataclass(frozen=True)
class Mixture:
    """What a gate makes of a text.

    share : tokens whose word comes from the fine weights, 0..1.
    kl : mean Kullback-Leibler divergence from the original distribution, bits per token.
    flips : tokens whose most likely word is no longer the original's, 0..1.
    """

    share: float
    kl: float
    flips: float


def entropy(p: npt.ArrayLike) -> Floats:
    r"""$-\sum_x p(x) \log_2 p(x)$ in bits: p float[..., V] -> [...]."""
    values = np.asarray(fraction("p", p))
    if values.ndim == 0 or not np.allclose(values.sum(axis=-1), 1, atol=1e-6):
        raise ValueError("p: expected distributions over the last axis, each with sum 1")
    return np.asarray(-(values * np.log2(np.where(values > 0, values, 1))).sum(axis=-1))


def mixture(
    coarse: npt.ArrayLike, fine: npt.ArrayLike, original: npt.ArrayLike, threshold: float, gate: str = "retry"
) -> Mixture:
    """Apply a gate to a text.

    coarse, fine, original : float[n, V], next-word distributions of three versions of one model.
    threshold : bits, >= 0; a token goes to the fine weights if the entropy is above it. The first word of
    a text has none before it and counts as unsure for "previous".
    """
    choice("gate", gate, GATES)
    limit = scalar("threshold", nonnegative("threshold", threshold))
    texts = {"coarse": coarse, "fine": fine, "original": original}
    low, high, true = (np.asarray(real(name, text)) for name, text in texts.items())
    if low.ndim != 2 or len(low) == 0 or not low.shape == high.shape == true.shape:
        shapes = ", ".join(str(text.shape) for text in (low, high, true))
        raise ValueError(f"coarse, fine, original have shapes {shapes}: expected (n, V) each, n > 0")
    unsure = entropy(low) > limit
    if gate == "previous":
        of_low, of_high = unsure, entropy(high) > limit
        unsure = np.ones(len(low), dtype=bool)
        for i in range(1, len(low)):  # the word before was said by one of the two
            unsure[i] = of_high[i - 1] if unsure[i - 1] else of_low[i - 1]
    used = np.where(unsure[:, None], high, low)
    ratio = np.log2(np.where(true > 0, true, 1)) - np.log2(np.where(true > 0, used, 1))
    return Mixture(
        share=float(unsure.mean()),
        kl=float((true * ratio).sum(axis=-1).mean()),
        flips=float((used.argmax(axis=-1) != true.argmax(axis=-1)).mean()),
    )


def mixed_energy(coarse_J: float, fine_J: float, share: float, gate: str = "retry") -> float:
    r"""Mean joules per token: $E_c + s E_f$ ("retry"), $(1 - s) E_c + s E_f$ ("previous").

    A retry pays only while $s < 1 - E_c / E_f$.
    """
    choice("gate", gate, GATES)
    coarse_J, fine_J = positive("coarse_J", coarse_J), positive("fine_J", fine_J)
    share = fraction("share", share)
    return float((1.0 if gate == "retry" else 1 - share) * coarse_J + share * fine_J)


def toy_text(tokens: int = 2000, seed: int = 0) -> dict[int, Floats]:
    r"""Next-word distributions [n, 64] of one toy head in 4, 8 and 16 bits: NOT a trained model.

    Word vectors W are random; token t has a state close to one of them, and a sharpness of its own
    (log-uniform, 3 to 40): easy words stand out, hard ones do not. The head is rounded to nearest,
    one step per row. It shows how a gate works; the numbers of a real model must be measured on it.
    """
    rng = np.random.default_rng(integer("seed", seed))
    vocab, width = 64, 32
    words = rng.normal(size=(vocab, width)) / np.sqrt(width)
    tokens = integer("tokens", tokens, 1)
    sharpness = np.exp(rng.uniform(np.log(3), np.log(40), size=(tokens, 1)))
    state = sharpness * (words[rng.integers(vocab, size=tokens)] + rng.normal(0, 0.25, (tokens, width)))
    texts = {}
    for bits in (4, 8, 16):
        logits = state @ rtn(words, bits).values.T
        p = np.exp(logits - logits.max(axis=1, keepdims=True))
        texts[bits] = p / p.sum(axis=1, keepdims=True)
    return texts
