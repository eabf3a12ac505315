r"""How can a small model draft for a large one without changing a single probability?

A draft model proposes gamma tokens; the target model judges all of them in one pass.
Here both are explicit probability tables, so that each step can be watched and the law checked.

Notation: V words, p the target's distribution, q the draft's, gamma drafted tokens per round.
Sources: Leviathan, Kalman & Matias, "Fast Inference from Transformers via Speculative Decoding",
ICML 2023; Chen et al., "Accelerating LLM Decoding with Speculative Sampling", arXiv:2302.01318.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edgelib.errors import Number, fraction, integer, nonnegative, positive, real

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Trial:
    """One drafted token under test: it stays if draw < p / q."""

    token: int
    q: float
    p: float
    draw: float
    accepted: bool


@dataclass(frozen=True)
class Verdict:
    """One round. Drafted tokens behind the first rejection have no trial: they are thrown away."""

    drafted: tuple[int, ...]
    trials: tuple[Trial, ...]
    tokens: tuple[int, ...]  # emitted: the accepted ones, then one that the target pass adds

    @property
    def accepted(self) -> int:
        """Drafted tokens that stayed, 0..gamma."""
        return len(self.tokens) - 1


def verify(
    draft_tokens: ArrayLike,
    draft_probs: ArrayLike,
    target_probs: ArrayLike,
    rng: np.random.Generator | int,
) -> Verdict:
    r"""Judge one draft: keep $x_i$ with probability $\min(1, p_i(x_i) / q_i(x_i))$.

    The first rejected token is replaced by a draw from the residual; if none is rejected, one more
    token is drawn from $p_\gamma$. Either way each emitted token is distributed as p.

    Parameters
    ----------
    draft_tokens : int[gamma], drawn from draft_probs. gamma = 0 is plain decoding.
    draft_probs : float[gamma, V].   target_probs : float[gamma + 1, V].
    rng : Generator or seed. One uniform draw per trial, then one for the last token.

    Raises
    ------
    ValueError : shapes that do not fit, rows that are no distribution, a token outside 0..V-1 or
        with q = 0 (the draft cannot have drawn it).
    """
    p, q = _distribution("target_probs", target_probs), _distribution("draft_probs", draft_probs)
    x = np.asarray(_whole("draft_tokens", draft_tokens))
    gamma = x.size
    if x.ndim != 1 or p.ndim != 2 or p.shape[0] != gamma + 1 or q.shape != (gamma, p.shape[1]):
        raise ValueError(
            f"draft_tokens, draft_probs, target_probs have shapes {x.shape}, {q.shape}, {p.shape}: "
            "expected (gamma,), (gamma, V), (gamma + 1, V)"
        )
    _in_vocabulary("draft_tokens", x, p.shape[1])
    if np.any(q[np.arange(gamma), x] == 0):
        raise ValueError(f"draft_tokens = {x}: expected tokens with a positive probability in draft_probs")
    rng = _generator(rng)

    drafted = tuple(x.tolist())
    trials: list[Trial] = []
    last = p[gamma]
    for i, token in enumerate(drafted):
        draw = rng.random()
        accepted = bool(draw * q[i, token] < p[i, token])
        trials.append(Trial(token, float(q[i, token]), float(p[i, token]), draw, accepted))
        if not accepted:
            last = residual(p[i], q[i])
            break
    kept = drafted[: sum(trial.accepted for trial in trials)]
    return Verdict(drafted, tuple(trials), (*kept, int(rng.choice(last.size, p=last))))


def residual(p: ArrayLike, q: ArrayLike) -> Floats:
    r"""$\max(0, p - q) / \sum \max(0, p - q)$: what p has and q lacks. Shape [..., V].

    Where p = q nothing is ever rejected; the answer there is p.
    """
    p, q = _pair(p, q)
    lacking = np.maximum(p - q, 0)
    total = lacking.sum(-1, keepdims=True)
    return np.where(total > 0, lacking / np.where(total > 0, total, 1), p)


def acceptance(p: ArrayLike, q: ArrayLike) -> Any:
    r"""Chance that a drafted token stays: $\alpha = \sum_x \min(p, q) = 1 - TV(p, q)$.

    p, q : float[..., V], leading dimensions broadcast. Returns a fraction of shape [...].
    """
    p, q = _pair(p, q)
    return np.minimum(np.minimum(p, q).sum(-1), 1.0)  # rounding may add up to 1 + 1e-16


def first_token_distribution(p: ArrayLike, q: ArrayLike) -> Floats:
    r"""Law of the first emitted token, gamma >= 1: $\min(p, q) + (1 - \alpha) \cdot residual(p, q)$.

    Accepted drafts plus replaced ones. It equals p for every q: the draft changes speed, not text.
    Shape [..., V].
    """
    p, q = _pair(p, q)
    law: Floats = np.minimum(p, q) + (1 - acceptance(p, q))[..., None] * residual(p, q)
    return law


def expected_tokens(alpha: Number, gamma: Number) -> Any:
    r"""Tokens per target pass: $1 + \alpha + \dots + \alpha^\gamma = (1 - \alpha^{\gamma+1}) / (1 - \alpha)$.

    alpha : acceptance, 0..1, taken as equal and independent from token to token.
    gamma : drafted tokens, whole, >= 0. Arrays broadcast. alpha = 1 gives gamma + 1.
    """
    alpha, gamma = np.asarray(fraction("alpha", alpha)), _whole("gamma", gamma)
    certain = alpha == 1
    below = np.where(certain, 0.5, alpha)
    with np.errstate(divide="ignore"):  # log 0 = -inf is meant: alpha = 0 gives one token
        series = -np.expm1((gamma + 1) * np.log(below)) / (1 - below)
    return np.where(certain, gamma + 1.0, series)[()]


def speedup(alpha: Number, gamma: Number, draft_cost: Number, verify_cost: Number = 1.0) -> Any:
    r"""Tokens per second with drafting over tokens per second without.

    $E[tokens] / (\gamma c + v)$, all times in units of one ordinary target step (Leviathan, theorem 3.8).

    draft_cost : c, time of one draft step, >= 0.
    verify_cost : v, time of the target pass over gamma + 1 tokens, > 0; 1 while it is bound by memory.
    """
    seconds = _whole("gamma", gamma) * nonnegative("draft_cost", draft_cost) + positive(
        "verify_cost", verify_cost
    )
    return expected_tokens(alpha, gamma) / seconds


def best_gamma(alpha: Number, draft_cost: Number, limit: int = 16, verify_cost: Number = 1.0) -> Any:
    """The gamma in 0..limit with the largest `speedup`; the smaller one on a tie.

    alpha, draft_cost : scalars or arrays, broadcast.   verify_cost : scalar, or [limit + 1] by gamma.
    """
    alpha = np.asarray(fraction("alpha", alpha))[..., None]
    draft_cost = np.asarray(nonnegative("draft_cost", draft_cost))[..., None]
    gammas = np.arange(integer("limit", limit) + 1)
    return np.argmax(speedup(alpha, gammas, draft_cost, verify_cost), axis=-1)


@dataclass(frozen=True)
class Simulation:
    """Many rounds at once."""

    emitted: Ints  # [rounds, gamma + 1], -1 behind the last emitted token
    tokens_per_round: Ints  # [rounds], 1..gamma + 1


def simulate(
    p: ArrayLike, q: ArrayLike, gamma: int, rounds: int, rng: np.random.Generator | int
) -> Simulation:
    """`verify`, `rounds` times, for words drawn without regard to context: p, q float[V]."""
    p, q = _pair(p, q)
    if p.ndim != 1:
        raise ValueError(f"p and q have shape {p.shape}: expected one distribution each, shape (V,)")
    gamma, rounds, rng = integer("gamma", gamma), integer("rounds", rounds, 1), _generator(rng)
    drafted = rng.choice(p.size, (rounds, gamma), p=q)
    stays = rng.random((rounds, gamma)) * q[drafted] < p[drafted]
    accepted = np.logical_and.accumulate(stays, axis=1).sum(axis=1)
    replaced = rng.choice(p.size, rounds, p=residual(p, q))
    extra = rng.choice(p.size, rounds, p=p)

    emitted = np.full((rounds, gamma + 1), -1)
    emitted[:, :gamma] = np.where(np.arange(gamma) < accepted[:, None], drafted, -1)
    emitted[np.arange(rounds), accepted] = np.where(accepted < gamma, replaced, extra)
    return Simulation(emitted, accepted + 1)


# A language small enough to read: how often each word (row) is followed by each other (column).
WORDS = ("the", "a", "small", "cat", "dog", "sees", "chases", ".")
_FOLLOWERS = np.array(
    [
        [0, 0, 3, 4, 3, 0, 0, 0],  # the
        [0, 0, 4, 3, 3, 0, 0, 0],  # a
        [0, 0, 1, 5, 4, 0, 0, 0],  # small
        [0, 0, 0, 0, 0, 4, 2, 4],  # cat
        [0, 0, 0, 0, 0, 2, 4, 4],  # dog
        [5, 4, 0, 0, 0, 0, 0, 1],  # sees
        [6, 4, 0, 0, 0, 0, 0, 0],  # chases
        [6, 4, 0, 0, 0, 0, 0, 0],  # .
    ]
)


@dataclass(frozen=True)
class ToyPair:
    """Two bigram models over `words`: row = last word, column = next word, rows sum to 1."""

    words: tuple[str, ...]
    target: Floats
    draft: Floats


def toy_pair(noise: float = 0.3, seed: int = 0) -> ToyPair:
    r"""A target that knows a little grammar, and a draft that knows it less well.

    $draft = (1 - noise) \cdot target + noise \cdot r$ with random rows r (flat Dirichlet), so that row
    by row $\alpha = 1 - noise \cdot TV(target, r)$.

    noise : 0 (draft = target, all is accepted) to 1 (draft knows no grammar).
    """
    if np.ndim(fraction("noise", noise)):
        raise ValueError(f"noise = {noise!r}: expected one number")
    target = _FOLLOWERS / _FOLLOWERS.sum(axis=1, keepdims=True)
    r = np.random.default_rng(integer("seed", seed)).dirichlet(np.ones(len(WORDS)), len(WORDS))
    return ToyPair(WORDS, target, (1 - noise) * target + noise * r)


@dataclass(frozen=True)
class Trace:
    """A generated text: `length` tokens, and the rounds that made them (the last may run over)."""

    tokens: tuple[int, ...]
    rounds: tuple[Verdict, ...]


def generate(
    target: ArrayLike,
    draft: ArrayLike,
    start: int,
    gamma: int,
    length: int,
    rng: np.random.Generator | int,
) -> Trace:
    """Write `length` tokens after word `start` with bigram models target, draft float[V, V]."""
    p, q = _pair(target, draft)
    if p.ndim != 2 or p.shape[0] != p.shape[1]:
        raise ValueError(f"target and draft have shape {p.shape}: expected square tables (V, V)")
    start, gamma, length = integer("start", start), integer("gamma", gamma), integer("length", length)
    _in_vocabulary("start", np.array(start), p.shape[0])
    rng = _generator(rng)
    tokens, rounds = [start], []
    while len(tokens) <= length:
        context = [tokens[-1]]
        for _ in range(gamma):
            context.append(int(rng.choice(p.shape[0], p=q[context[-1]])))
        rounds.append(verify(context[1:], q[context[:-1]], p[context], rng))
        tokens.extend(rounds[-1].tokens)
    return Trace(tuple(tokens[1 : length + 1]), tuple(rounds))


def _distribution(argument: str, value: ArrayLike) -> Floats:
    """float64[..., V], each row at least 0 and summing to 1 (1e-6 off is rounding, and is divided out)."""
    probs = np.asarray(nonnegative(argument, value), dtype=float)
    if probs.ndim == 0 or probs.shape[-1] == 0:
        raise ValueError(f"{argument} has shape {probs.shape}: expected probabilities on a last axis V")
    total = probs.sum(axis=-1, keepdims=True)
    if np.any(abs(total - 1) > 1e-6):
        worst = total.flat[abs(total - 1).argmax()]
        raise ValueError(f"{argument} sums to {worst:.6g}: expected probabilities that sum to 1")
    return np.asarray(probs / total)


def _pair(p: ArrayLike, q: ArrayLike) -> tuple[Floats, Floats]:
    p, q = _distribution("p (target)", p), _distribution("q (draft)", q)
    try:
        shape = np.broadcast_shapes(p.shape, q.shape)
    except ValueError:
        shape = ()
    if p.shape[-1] != q.shape[-1] or not shape:
        raise ValueError(f"p and q have shapes {p.shape} and {q.shape}: expected the same words in both")
    return np.broadcast_to(p, shape), np.broadcast_to(q, shape)


def _whole(argument: str, value: Number) -> Any:
    """Whole numbers >= 0 as int64, a scalar or an array (an empty list too)."""
    number = np.asarray(real(argument, value))
    if np.any(number < 0) or np.any(number % 1):
        raise ValueError(f"{argument} = {value!r}: expected whole numbers of at least 0")
    return number.astype(np.int64)


def _in_vocabulary(argument: str, tokens: Ints, words: int) -> None:
    if np.any(tokens >= words):
        raise ValueError(f"{argument} = {tokens}: expected tokens from 0 to {words - 1}")


def _generator(rng: np.random.Generator | int) -> np.random.Generator:
    return rng if isinstance(rng, np.random.Generator) else np.random.default_rng(integer("rng", rng))
