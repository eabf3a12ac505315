"""Caches that forget and round, against attention written as loops in float64, and their own laws."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from edgelib.kernels.kv_cache import (
    attention,
    heavy_hitters,
    quantise,
    quantised_attention,
    relative_error,
    toy_head,
    window_kept,
)


def random_head(n, d, seed=0):
    return np.random.default_rng(seed).normal(size=(3, n, d))


def by_hand(q, k, v, tokens):
    """The output of one query over a list of tokens: scalars and python loops."""
    scores = [sum(a * b for a, b in zip(q, k[j], strict=True)) / math.sqrt(len(q)) for j in tokens]
    weights = [math.exp(s) for s in scores]
    shares = {j: w / sum(weights) for j, w in zip(tokens, weights, strict=True)}
    return [sum(p * v[j][c] for j, p in shares.items()) for c in range(len(v[0]))], shares


def test_full_attention_equals_the_loop():
    q, k, v = random_head(12, 4)
    output, p = attention(q, k, v)
    for i in range(12):
        expected, shares = by_hand(q[i], k, v, range(i + 1))
        np.testing.assert_allclose(output[i], expected, rtol=0, atol=1e-12)
        np.testing.assert_allclose(p[i, : i + 1], list(shares.values()), rtol=0, atol=1e-12)
        assert not p[i, i + 1 :].any()


@pytest.mark.parametrize(("window", "sinks"), [(1, 0), (3, 0), (3, 2), (5, 1), (12, 0)])
def test_a_window_equals_the_loop(window, sinks):
    q, k, v = random_head(12, 4, seed=1)
    output, _ = attention(q, k, v, window_kept(12, window, sinks))
    for i in range(12):
        tokens = sorted({*range(min(sinks, i + 1)), *range(max(0, i - window + 1), i + 1)})
        np.testing.assert_allclose(output[i], by_hand(q[i], k, v, tokens)[0], rtol=0, atol=1e-12)


@given(st.integers(1, 40), st.integers(1, 50), st.integers(0, 10))
def test_a_window_keeps_no_more_than_it_says(n, window, sinks):
    kept = window_kept(n, window, sinks)
    assert kept.sum(axis=1).max() <= window + sinks
    assert not np.triu(kept, 1).any() and kept.diagonal().all()
    assert (kept <= window_kept(n, window + 1, sinks)).all() and (
        kept <= window_kept(n, window, sinks + 1)
    ).all()


@pytest.mark.parametrize(("budget", "share"), [(1, 0.5), (4, 0.5), (6, 0.0), (6, 1.0), (9, 0.25), (30, 0.5)])
def test_heavy_hitters_equal_the_loop(budget, share):
    """The paper's loop with a set and a dictionary: of the older tokens, the least asked-for leaves."""
    q, k, v = random_head(20, 4, seed=2)
    result = heavy_hitters(q, k, v, budget, share)
    recent = max(1, round(budget * share))
    cache, received = set(), dict.fromkeys(range(20), 0.0)
    for i in range(20):
        if len(cache) == budget:
            cache.remove(min((j for j in cache if i - j >= recent), key=lambda j: (received[j], j)))
        cache.add(i)
        expected, shares = by_hand(q[i], k, v, sorted(cache))
        for j, p in shares.items():
            received[j] += p
        np.testing.assert_allclose(result.output[i], expected, rtol=0, atol=1e-12)
        assert set(np.flatnonzero(result.kept[i])) == cache


@given(st.integers(3, 30), st.integers(1, 40), st.floats(0, 1), st.integers(0, 5))
@settings(deadline=None)
def test_what_has_left_never_comes_back(n, budget, share, seed):
    kept = heavy_hitters(*random_head(n, 4, seed), budget, share).kept
    assert kept.sum(axis=1).max() <= budget
    for j in range(n):
        column = kept[j:, j]
        assert column[0] and not np.diff(column.astype(int)).clip(0).any()


def test_a_budget_for_all_is_exact_and_all_recent_is_a_window():
    q, k, v = random_head(25, 8, seed=3)
    exact = attention(q, k, v)[0]
    np.testing.assert_allclose(heavy_hitters(q, k, v, 25).output, exact, rtol=0, atol=1e-12)
    np.testing.assert_array_equal(heavy_hitters(q, k, v, 6, 1.0).kept, window_kept(25, 6))


# --- bits ------------------------------------------------------------------------------------------

values = arrays.arrays(
    float, arrays.array_shapes(min_dims=2, max_dims=2, max_side=9), elements=st.floats(-1e6, 1e6, width=32)
)
GRAINS = st.sampled_from(["per token", "per channel"])


@given(values, st.integers(1, 16), GRAINS, st.sampled_from([None, 1, 2, 4]))
def test_no_value_moves_by_more_than_half_a_step(x, bits, grain, group):
    rounded = quantise(x, bits, grain, group)
    lines, out = (x, rounded) if grain == "per token" else (x.T, rounded.T)
    size = group or lines.shape[1]
    for start in range(0, lines.shape[1], size):
        part, got = lines[:, start : start + size], out[:, start : start + size]
        step = (part.max(axis=1) - part.min(axis=1)) / (2**bits - 1)
        assert (abs(got - part) <= step[:, None] / 2 * (1 + 1e-9) + 1e-9).all()
        assert all(len(np.unique(row.round(6))) <= 2**bits for row in got)


@given(values, GRAINS, st.sampled_from([None, 2, 4]))
def test_more_bits_never_round_worse(x, grain, group):
    """The levels of 2 bits are among those of 4, and these among those of 8: 3 | 15 | 255."""
    two, four, eight = (abs(quantise(x, bits, grain, group) - x) for bits in (2, 4, 8))
    slack = 1e-9 * (1 + abs(x).max())
    assert (four <= two + slack).all() and (eight <= four + slack).all()


@given(values, st.integers(1, 8))
def test_channels_are_the_tokens_of_the_transpose(x, bits):
    np.testing.assert_array_equal(quantise(x, bits, "per channel"), quantise(x.T, bits, "per token").T)


def test_rounding_noise_is_a_step_over_root_twelve():
    x = np.random.default_rng(4).uniform(-1, 1, size=(8, 20_000))
    for bits in (4, 6, 8):
        noise = np.sqrt(np.mean((quantise(x, bits, "per token") - x) ** 2))
        assert noise == pytest.approx(2 / (2**bits - 1) / math.sqrt(12), rel=0.02)


def output_error(head, bits, **how):
    exact, _ = attention(head.q, head.k, head.v)
    return relative_error(quantised_attention(head.q, head.k, head.v, bits, **how), exact)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("outliers", [1.0, 8.0])
def test_more_bits_never_hurt_the_output(seed, outliers):
    head = toy_head(128, outliers=outliers, seed=seed)
    errors = [output_error(head, bits) for bits in (2, 3, 4, 6, 8, 12)]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 1e-3


@pytest.mark.parametrize("seed", range(5))
def test_outliers_are_why_keys_are_rounded_per_channel(seed):
    def gain(outliers):
        head = toy_head(128, outliers=outliers, seed=seed)
        return output_error(head, 4, keys="per token") / output_error(head, 4, keys="per channel")

    assert gain(16.0) > gain(8.0) > 1.5
    assert 0.8 < gain(1.0) < 1.3


@pytest.mark.parametrize("seed", range(5))
def test_the_toy_head_has_the_habits_it_claims(seed):
    head = toy_head(128, seed=seed)
    exact, p = attention(head.q, head.k, head.v)
    assert p[1:, 0].mean() > 0.1  # the sink, against 1 / 64 for an even split
    heavy = [p[j:, j].mean() for j in head.heavy if j < 100]
    assert min(heavy) > 3 * np.median([p[j:, j].mean() for j in range(1, 100)])
    window = relative_error(attention(head.q, head.k, head.v, window_kept(128, 16))[0], exact)
    sinks = relative_error(attention(head.q, head.k, head.v, window_kept(128, 15, 1))[0], exact)
    assert sinks < window
    assert relative_error(heavy_hitters(head.q, head.k, head.v, 16).output, exact) < sinks


Q, K, V = random_head(6, 4)


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda: attention(Q[:3], K, V), "q, k, v"),
        (lambda: attention(Q, K, V[:3]), "q, k, v"),
        (lambda: attention(Q[0], K, V), "q"),
        (lambda: attention(Q, K * np.nan, V), "k"),
        (lambda: attention(Q, K, "v"), "v"),
        (lambda: attention(Q, K, V, np.ones((3, 3), bool)), "kept"),
        (lambda: attention(Q, K, V, np.ones((6, 6))), "kept"),
        (lambda: relative_error(Q, Q[:2]), "output and exact"),
        (lambda: relative_error(Q, 0 * Q), "exact"),
        (lambda: window_kept(0, 1), "tokens"),
        (lambda: window_kept(4, 0), "window"),
        (lambda: window_kept(4, 1, -1), "sinks"),
        (lambda: heavy_hitters(Q, K, V, 0), "budget"),
        (lambda: heavy_hitters(Q, K, V, 3, 1.5), "recent_share"),
        (lambda: quantise(K, 0, "per token"), "bits"),
        (lambda: quantise(K, 17, "per token"), "bits"),
        (lambda: quantise(K, 4, "per row"), "granularity"),
        (lambda: quantise(K, 4, "per token", 0), "group"),
        (lambda: quantise(np.zeros((0, 4)), 4, "per token"), "x"),
        (lambda: quantised_attention(Q, K, V, 4, keys="channel"), "granularity"),
        (lambda: toy_head(2), "tokens"),
        (lambda: toy_head(8, width=8), "width"),
        (lambda: toy_head(8, outliers=math.inf), "outliers"),
        (lambda: toy_head(8, seed=-1), "seed"),
    ],
)
def test_bad_input_is_named(call, named):
    with pytest.raises(ValueError, match=named):
        call()
