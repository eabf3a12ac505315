"""Measures of accuracy against closed forms, simulation, and bounds that must hold."""

import csv
import math
from importlib.resources import files

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from edgelib.kernels.toy_language import followers, predictions, quantised, toy, write
from edgelib.metrics.accuracy import (
    compare,
    flip_probability,
    flip_rate,
    kl,
    margin,
    nats,
    percent,
    perplexity,
    same_top,
    total_variation,
    unchanged,
)
from edgelib.metrics.propagation import (
    error_bound,
    first_order_bound,
    network,
    printed_bound,
    propagate,
)
from edgelib.metrics.ranking import score

RNG = np.random.default_rng(0)


@st.composite
def pairs(draw, most=8):
    words = draw(st.integers(2, most))
    raw = draw(st.lists(st.floats(0.001, 1), min_size=2 * words, max_size=2 * words))
    p, q = np.array(raw).reshape(2, words)
    return p / p.sum(), q / q.sum()


# --- perplexity, divergence ------------------------------------------------------------------------


def test_perplexity_of_a_fair_choice_is_the_number_of_choices():
    assert perplexity(np.full(100, 1 / 7)) == pytest.approx(7)
    assert perplexity([1.0, 1.0]) == 1
    assert perplexity([0.5, 0.125]) == pytest.approx(4)


def test_golden_changes():
    """Claims 1.2.4.06 and 1.2.4.07: 10.5 to 10.7 and to 11.2."""
    assert percent(10.5, 10.7) == pytest.approx(1.905, abs=5e-4)
    assert percent(10.5, 11.2) == pytest.approx(6.667, abs=5e-4)
    assert nats(10.5, 11.2) == pytest.approx(0.065, abs=5e-4)
    assert nats(10.5, 10.7) == pytest.approx(math.log(1.0190476), abs=1e-7)


def test_divergence_by_hand():
    assert kl([0.5, 0.5], [0.25, 0.75]) == pytest.approx(0.5 * math.log(2) + 0.5 * math.log(2 / 3))
    assert kl([1, 0], [0.5, 0.5]) == pytest.approx(math.log(2))
    assert kl([0.5, 0.5], [1, 0]) == math.inf
    assert total_variation([1, 0], [0, 1]) == 1


@given(pairs())
def test_gibbs_and_pinsker(pair):
    p, q = pair
    divergence, distance = kl(p, q), total_variation(p, q)
    assert divergence >= 0 and kl(p, p) == 0
    assert distance == pytest.approx(abs(p - q).sum() / 2, abs=1e-12)
    assert distance <= math.sqrt(divergence / 2) + 1e-9


@given(pairs())
def test_divergence_is_the_log_ratio_of_perplexities_on_texts_of_p(pair):
    """Exactly, when every word comes as often as p says."""
    p, q = pair
    counts = np.round(p * 1000).astype(int)
    assume(counts.min() > 0)
    p = counts / counts.sum()
    came = np.repeat(np.arange(p.size), counts)
    assert nats(perplexity(p[came]), perplexity(q[came])) == pytest.approx(kl(p, q), abs=1e-9)
    shift = compare(np.tile(p, (came.size, 1)), np.tile(q, (came.size, 1)), came)
    assert shift.nats == pytest.approx(shift.kl, abs=1e-9)
    assert shift.same_top == (p.argmax() == q.argmax())


def test_published_perplexities_follow_their_divergence():
    """llama.cpp measured both: beyond the noise, ln(PPL ratio) is the mean KL within 15 %."""
    with files("edgelib.data").joinpath("perplexity.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    before = next(float(r["ppl"]) for r in rows if r["model"] == "LLaMA-3 8B" and r["format"] == "f16")
    checked = 0
    for row in rows:
        if row["model"] == "LLaMA-3 8B" and float(row["kl_nats"]) > 0.02:
            assert nats(before, float(row["ppl"])) == pytest.approx(float(row["kl_nats"]), rel=0.15)
            checked += 1
        if row["ppl_ratio"] and row["ppl"] and row["model"] == "LLaMA-3 8B":
            assert float(row["ppl"]) / before == pytest.approx(float(row["ppl_ratio"]), rel=5e-4)
        assert row["source"] and row["confidence"] in {"high", "medium", "low"}
    assert checked >= 8


# --- flips -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("lead", "error"), [(0.0, 1.0), (0.5, 0.4), (2.0, 1.0), (1.0, 0.2)])
def test_flips_against_simulation(lead, error):
    noise = RNG.normal(scale=error, size=(200_000, 2))
    share = (noise[:, 0] + lead < noise[:, 1]).mean()
    assert flip_probability(lead, error) == pytest.approx(share, abs=0.004)


@given(st.floats(0.05, 20), st.floats(0.01, 20))
@settings(deadline=None, max_examples=50)
def test_flip_rate_is_the_average_over_leads(mean, error):
    quantiles = (np.arange(20_000) + 0.5) / 20_000
    leads = -mean * np.log1p(-quantiles)
    assert flip_rate(mean, error) == pytest.approx(flip_probability(leads, error).mean(), abs=2e-4)


def test_flip_rate_has_no_seam_and_its_limits():
    around = flip_rate(1.0, np.array([19.99, 19.9999, 20.0001, 20.01]))
    assert np.diff(around).min() > 0 and np.ptp(around) < 3e-5
    assert flip_rate(1.0, 1e6) == pytest.approx(0.5, abs=1e-6)
    assert flip_rate(1e6, 1.0) == pytest.approx(0, abs=1e-6)


def test_margin_is_the_gap_of_the_two_largest():
    logits = RNG.standard_normal((50, 9))
    expected = [sorted(row)[-1] - sorted(row)[-2] for row in logits]
    assert margin(logits) == pytest.approx(expected)


def test_drawn_sequences_part_as_often_as_total_variation_says():
    """Two samplers that share randomness as well as can be: reuse the word with chance min(p, q) / p."""
    p, q, n, runs = np.array([0.6, 0.3, 0.1]), np.array([0.5, 0.3, 0.2]), 5, 100_000
    words = RNG.choice(3, (runs, n), p=p)
    kept = RNG.random((runs, n)) < np.minimum(p, q)[words] / p[words]
    expected = kept.all(axis=1).mean()
    assert unchanged(total_variation(p, q), n) == pytest.approx(expected, abs=0.005)
    assert unchanged([0.1, 0.2]) == pytest.approx(0.72)
    assert unchanged(0.1, np.array([0, 1, 2])) == pytest.approx([1, 0.9, 0.81])


# --- through layers --------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 12),
    st.integers(2, 16),
    st.floats(0.05, 2),
    st.integers(2, 8),
    st.booleans(),
    st.floats(0.01, 1000),
    st.integers(0, 10_000),
)
def test_the_correct_bound_is_never_violated(layers, width, gain, bits, residual, size, seed):
    x = np.random.default_rng(seed).standard_normal(width)
    run = propagate(network(layers, width, gain, seed), x * size, bits, residual=residual)
    for n in range(1, layers + 1):
        bound = error_bound(run.norms[:n], run.errors[:n], run.size, residual)
        assert run.measured[n - 1] <= bound * (1 + 1e-9) + 1e-12
        assert first_order_bound(run.norms[:n], run.errors[:n], run.size, residual) <= bound * (1 + 1e-9)


def test_the_correct_bound_is_reached_by_one_positive_neuron():
    """Width 1, positive weights: no triangle inequality loses anything."""
    w = np.array([2.0, 0.5, 3.0])[:, None, None]
    exact, rounded = 2 * 0.5 * 3 * 4.0, 2.2 * 0.6 * 3.3 * 4.0
    assert error_bound(w.ravel(), [0.2, 0.1, 0.3], 4.0) == pytest.approx(rounded - exact)
    with_residual = (3.2 * 1.6 * 4.3 - 3 * 1.5 * 4) * 4.0
    assert error_bound(w.ravel(), [0.2, 0.1, 0.3], 4.0, residual=True) == pytest.approx(with_residual)


def test_small_errors_make_the_first_order_exact():
    g, e = np.array([2.0, 0.5, 3.0]), np.array([1.0, 2.0, 0.5])
    for residual in (False, True):
        ratio = error_bound(g, 1e-9 * e, 7, residual) / first_order_bound(g, 1e-9 * e, 7, residual)
        assert ratio == pytest.approx(1, abs=1e-7)
    assert first_order_bound(g, e, 7) == pytest.approx(7 * (1 * 1.5 + 2 * 6 + 0.5 * 1))


def test_the_printed_sum_by_hand_and_its_violation():
    assert printed_bound([2.0, 0.5, 3.0], [1.0, 2.0, 0.5]) == pytest.approx(2 * 1.5 + 0.5 * 2 * 3 + 3 * 0.5)
    w = network(2, seed=4)
    x = np.random.default_rng(4).standard_normal(64)
    small, large = (propagate(w, x * size / np.linalg.norm(x), 4) for size in (1, 100))
    claim = printed_bound(small.norms, small.errors)
    assert claim == printed_bound(large.norms, large.errors)
    assert small.measured[-1] < claim < large.measured[-1]
    assert large.measured == pytest.approx(100 * small.measured)


def test_a_residual_stack_of_32_layers_is_a_hundred_thousand_times_below_its_bound():
    x = np.random.default_rng(1).standard_normal(64)
    run = propagate(network(32, gain=0.15), x, 4, residual=True)
    assert error_bound(run.norms, run.errors, run.size, residual=True) > 1e5 * run.measured[-1]


def test_independent_errors_add_in_quadrature():
    ratios, linear = [], []
    for seed in range(8):
        x = np.random.default_rng(seed).standard_normal(64)
        run = propagate(network(24, gain=0.15, seed=seed), x, 8, residual=True)
        ratios.append(run.measured[-1] / run.in_quadrature[-1])
        linear.append(run.alone[:, -1].sum() / run.measured[-1])
    assert np.mean(ratios) == pytest.approx(1, abs=0.15)
    assert np.mean(linear) > 3.5  # near the root of 24


def test_moving_a_norm_from_one_layer_to_another_changes_nothing():
    """Claim 1.2.4.04: the relative error counts, not the norm (ReLU is homogeneous, a step scales along)."""
    w = network(6, seed=3)
    x = np.random.default_rng(3).standard_normal(64)
    moved = w.copy()
    moved[1] *= 16
    moved[4] /= 16
    assert propagate(moved, x, 4).measured[-1] == pytest.approx(propagate(w, x, 4).measured[-1])


def test_one_layer_by_hand():
    run = propagate([[[1.0, 0.4], [0.0, 0.6]]], [1.0, 1.0], 2)
    # Codes -1..1 per row: (1, 0.4) becomes (1, 0), (0, 0.6) stays.
    assert run.measured == pytest.approx([0.4]) and run.errors == pytest.approx([0.4])
    assert run.output == pytest.approx(math.hypot(1.4, 0.6)) and run.alone.shape == (1, 1)


# --- the toy language model ------------------------------------------------------------------------


def test_the_toy_learned_something_but_not_everything():
    model, follows, text = toy()
    p = predictions(model, text)
    rows = np.arange(len(text) - 1)
    learned = perplexity(p[rows, text[1:]])
    floor = perplexity(follows[text[:-1], text[1:]])
    assert floor < learned < 0.5 * len(follows)
    assert np.allclose(p.sum(axis=1), 1)


def test_the_text_follows_the_law():
    follows = followers(6, seed=1)
    text = write(follows, 60_000, seed=2)
    for word in range(6):
        after = np.bincount(text[1:][text[:-1] == word], minlength=6)
        assert after / after.sum() == pytest.approx(follows[word], abs=0.02)


def test_fewer_bits_lose_more_and_sixteen_nothing():
    model, _, text = toy()
    p = predictions(model, text[:1024])
    losses = [float(np.mean(kl(p, predictions(quantised(model, b), text[:1024])))) for b in (8, 6, 4, 3, 2)]
    assert losses == sorted(losses) and losses[0] < 0.001 < 0.5 < losses[-1]
    assert (predictions(quantised(model, 16), text[:256]) == p[:256]).all()
    assert same_top(p, predictions(quantised(model, 8), text[:1024])) > 0.97


# --- ranking ---------------------------------------------------------------------------------------

COSTS = RNG.uniform(0.1, 10, (6, 3))


@given(st.lists(st.floats(0.001, 1000), min_size=3, max_size=3))
def test_units_do_not_change_a_ranking(factors):
    weights = [3.0, 1.0, 2.0]
    assert score(COSTS * np.array(factors), weights) == pytest.approx(score(COSTS, weights))


def test_score_by_hand_and_a_dominated_design_never_wins():
    assert score([[1.0, 4.0], [2.0, 1.0]], [1, 1]) == pytest.approx([0.5, 0.5**0.5])
    assert score([[1.0, 4.0], [2.0, 1.0]], [1, 0]) == pytest.approx([1.0, 0.5])
    worse = np.vstack([COSTS, COSTS[0] * 1.01])
    for weights in RNG.uniform(0, 1, (50, 3)):
        values = score(worse, weights)
        assert values[-1] < values[0]
