r"""How much did quantisation change what a model says? Perplexity, divergence, flips, and what they imply.

$p$ is the distribution of the model as trained, $q$ of the quantised one, over V words, float[..., V].
Natural logarithms throughout: a nat is $1 / \ln 2$ bits.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from edgelib.errors import Number, fraction, nonnegative, positive
from edgelib.kernels.speculative import acceptance

Floats = npt.NDArray[np.float64]


def perplexity(probabilities: npt.ArrayLike) -> float:
    r"""$PPL = \exp(-\frac{1}{n} \sum_t \ln p_t)$ of the probabilities a model gave to the words that came.

    As uncertain as a fair choice among PPL words. ValueError: a probability of 0, or above 1.
    """
    return math.exp(
        -float(np.log(fraction("probabilities", positive("probabilities", probabilities))).mean())
    )


def nats(before: Number, after: Number) -> Any:
    r"""Mean log-probability lost per word, $\ln(PPL_{after} / PPL_{before})$: +6.67 % is 0.065 nat."""
    return np.log(positive("after", after) / positive("before", before))


def percent(before: Number, after: Number) -> Any:
    r"""Change of perplexity, $100 (PPL_{after} / PPL_{before} - 1)$ %."""
    return 100 * (positive("after", after) / positive("before", before) - 1)


def kl(p: npt.ArrayLike, q: npt.ArrayLike) -> Any:
    r"""$KL(p \| q) = \sum_x p \ln(p / q)$, nats, shape [...]; infinite where q = 0 < p.

    At least 0, and 0 only for p = q. With $H(p, q)$ the mean log loss of q on texts of p:
    $KL(p \| q) = H(p, q) - H(p, p)$, the logarithm of the ratio of perplexities on such texts.
    """
    p, q = _distributions(p, q)
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(p > 0, p * np.log(p / q), 0.0)
    return np.maximum(terms.sum(axis=-1), 0.0)[()]  # rounding may leave -1e-17


def total_variation(p: npt.ArrayLike, q: npt.ArrayLike) -> Any:
    r"""$TV = \frac{1}{2} \sum |p - q| \le \sqrt{KL / 2}$ (Pinsker), shape [...].

    No pair of samplers, one for p and one for q, can disagree less often.
    """
    return 1 - acceptance(*_distributions(p, q))


def same_top(p: npt.ArrayLike, q: npt.ArrayLike) -> float:
    """Share of positions where both models prefer the same word, 0..1."""
    p, q = _distributions(p, q)
    return float(np.mean(p.argmax(axis=-1) == q.argmax(axis=-1)))


class Shift(NamedTuple):
    """What quantisation changed, over a text."""

    before: float  # perplexity on the words that came
    after: float
    nats: float  # ln(after / before)
    kl: float  # mean over positions, nats
    variation: float  # mean TV
    same_top: float


def compare(p: npt.ArrayLike, q: npt.ArrayLike, words: npt.ArrayLike) -> Shift:
    """Every measure at once. p, q : float[n, V].   words : int[n], the word that came after each position."""
    p, q = _distributions(p, q)
    came = np.asarray(words)
    if p.ndim != 2 or p.shape != q.shape or came.shape != p.shape[:1] or came.dtype.kind not in "iu":
        raise ValueError(
            f"p, q, words have shapes {p.shape}, {q.shape}, {came.shape}: "
            "expected (n, V), (n, V) and n whole numbers"
        )
    if came.size == 0 or came.min() < 0 or came.max() >= p.shape[1]:
        raise ValueError(f"words = {words!r}: expected numbers from 0 to {p.shape[1] - 1}")
    rows = np.arange(len(came))
    before, after = perplexity(p[rows, came]), perplexity(q[rows, came])
    variation = float(np.mean(total_variation(p, q)))
    return Shift(before, after, math.log(after / before), float(np.mean(kl(p, q))), variation, same_top(p, q))


def margin(logits: npt.ArrayLike) -> Any:
    """By how much the best logit leads the second best, shape [...] of float[..., V]; natural units."""
    values = np.asarray(logits, dtype=float)
    if values.ndim == 0 or values.shape[-1] < 2 or not np.isfinite(values).all():
        raise ValueError(f"logits has shape {values.shape}: expected finite numbers for at least two words")
    top = np.partition(values, -2, axis=-1)
    return top[..., -1] - top[..., -2]


def flip_probability(lead: Number, error: Number) -> Any:
    r"""Chance that the runner-up overtakes, $Q(m / (\sigma \sqrt 2))$, Q the Gaussian tail.

    lead : $m \ge 0$, see `margin`.   error : $\sigma > 0$, standard deviation of the error of one logit.
    The errors of the two are independent; with more than one near rival the chance is larger.
    """
    ratio = np.asarray(nonnegative("lead", lead)) / positive("error", error)
    return (np.vectorize(math.erfc, otypes=[float])(ratio / 2) / 2)[()]


def flip_rate(mean_lead: Number, error: Number) -> Any:
    r"""`flip_probability` averaged over leads that are exponentially distributed with mean M.

    $(1 - e^{a^2} erfc(a)) / 2$ with $a = \sigma / M$: from 0 (sure) to 1/2 (a coin). Arrays broadcast.
    """
    a = np.asarray(positive("error", error) / positive("mean_lead", mean_lead), dtype=float)
    return (0.5 - np.vectorize(_scaled_erfc, otypes=[float])(a) / 2)[()]


def _scaled_erfc(a: float) -> float:
    """e^(a^2) erfc(a), whose factors leave the range of a float from a = 26 on."""
    if a < 20:
        return math.exp(a * a) * math.erfc(a)
    return (1 - 1 / (2 * a * a)) / (a * math.sqrt(math.pi))  # asymptotic, within 1e-5 of the value


def unchanged(change: Number, words: Number | None = None) -> Any:
    r"""Chance that no word of an answer changes, $\prod_t (1 - c_t)$, over the last axis of `change`.

    change : $c_t$, the chance that word t changes: the flip rate where the best word is taken, TV where
        words are sampled (at best: both samplers share their random numbers as well as can be).
    words : for the same chance at each of n words, $(1 - c)^n$; shapes broadcast.
    """
    kept = 1 - np.asarray(fraction("change", change), dtype=float)
    if words is not None:
        return (kept ** nonnegative("words", words))[()]
    if kept.ndim == 0:
        raise ValueError(f"change = {change!r}: expected one chance per word, or `words` words")
    return kept.prod(axis=-1)


def _distributions(p: Any, q: Any) -> tuple[Floats, Floats]:
    """Both as float64[..., V], checked: not negative, sums of 1 to within 1e-6, the same words."""
    arrays = []
    for name, value in (("p", p), ("q", q)):
        array = np.asarray(nonnegative(name, value), dtype=float)
        if array.ndim == 0 or array.shape[-1] == 0:
            raise ValueError(f"{name} has shape {array.shape}: expected probabilities on a last axis")
        if np.any(abs(array.sum(axis=-1) - 1) > 1e-6):
            raise ValueError(f"{name} sums to {array.sum(axis=-1)}: expected probabilities that sum to 1")
        arrays.append(array)
    if arrays[0].shape[-1] != arrays[1].shape[-1]:
        raise ValueError(
            f"p and q have {arrays[0].shape[-1]} and {arrays[1].shape[-1]} words: expected equal"
        )
    return arrays[0], arrays[1]
