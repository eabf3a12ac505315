"""Speculative sampling against its law: chi-square, closed forms, Leviathan's table."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgelib.kernels import speculative as spec

SURELY_DIFFERENT = 1e-9
SAME = 1e-3  # every test below has a fixed seed: it passes always or never


def chi_square_p_value(statistic, degrees):
    """Q(k/2, x/2) from Q(a + 1, x) = Q(a, x) + x^a e^-x / Gamma(a + 1), Q(1/2, x) = erfc(sqrt x)."""
    x, a = statistic / 2, (degrees % 2) / 2
    q = math.erfc(math.sqrt(x)) if a else 0.0
    while a < degrees / 2:
        q += math.exp(a * math.log(x) - x - math.lgamma(a + 1)) if x else float(a == 0)
        a += 1
    return q


def p_value(counts, law):
    """Do `counts` come from `law`? A word that the law excludes decides at once."""
    counts, law = np.ravel(counts), np.ravel(law)
    if counts[law == 0].any():
        return 0.0
    counts, expected = counts[law > 0], law[law > 0] * counts.sum()
    assert expected.min() > 5  # or chi-square is no approximation
    return chi_square_p_value(((counts - expected) ** 2 / expected).sum(), counts.size - 1)


@pytest.mark.parametrize(
    ("degrees", "quantile"), [(1, 3.841459), (2, 5.991465), (5, 11.070498), (10, 18.307038)]
)
def test_chi_square_against_the_printed_95_percent_quantiles(degrees, quantile):
    assert chi_square_p_value(quantile, degrees) == pytest.approx(0.05, abs=1e-7)


def random_rows(rng, *shape, zeros=0.3):
    """Random distributions; about `zeros` of the words get none, and at least one gets some."""
    weights = rng.uniform(0.2, 1, shape) * (rng.random(shape) >= zeros)
    weights[..., rng.integers(shape[-1])] += 0.2
    return weights / weights.sum(-1, keepdims=True)


@st.composite
def distributions(draw):
    """p and q over the same words, zeros included."""
    words = draw(st.integers(1, 8))
    weight = st.one_of(st.just(0.0), st.floats(1e-6, 1))
    rows = [draw(st.lists(weight, min_size=words, max_size=words).filter(any)) for _ in range(2)]
    return [np.array(row) / sum(row) for row in rows]


@given(distributions())
def test_closed_form_of_the_first_token_is_the_target(pair):
    p, q = pair
    assert spec.first_token_distribution(p, q) == pytest.approx(p, abs=1e-12)


@given(distributions())
def test_acceptance_is_one_minus_total_variation(pair):
    p, q = pair
    assert spec.acceptance(p, q) == pytest.approx(1 - 0.5 * abs(p - q).sum(), abs=1e-12)
    assert 0 <= spec.acceptance(p, q) <= 1
    assert spec.acceptance(p, p) == pytest.approx(1)


@given(distributions())
def test_residual_is_a_distribution_on_what_the_draft_lacks(pair):
    p, q = pair
    r = spec.residual(p, q)
    assert r.sum() == pytest.approx(1) and (r >= 0).all()
    if abs(p - q).max() > 1e-12:
        assert not r[p < q].any()


def test_leading_dimensions_broadcast():
    rng = np.random.default_rng(0)
    p, q = random_rows(rng, 6), random_rows(rng, 4, 3, 6)
    assert spec.acceptance(p, q).shape == (4, 3)
    assert spec.acceptance(p, q)[2, 1] == pytest.approx(spec.acceptance(p, q[2, 1]))
    assert spec.first_token_distribution(p, q) == pytest.approx(np.broadcast_to(p, q.shape))


def first_tokens(seed, rounds=3000, gamma=2, words=5):
    """p-value of the first token that `verify` emits, for one random p and q with zeros in both."""
    rng = np.random.default_rng(seed)
    p, q = random_rows(rng, gamma + 1, words), random_rows(rng, gamma, words)
    counts = np.zeros(words)
    for _ in range(rounds):
        draft = [rng.choice(words, p=row) for row in q]
        counts[spec.verify(draft, q, p, rng).tokens[0]] += 1
    return p_value(counts, p[0])


def token_pairs(seed, texts=2000, gamma=2, words=4):
    """p-value of the first two words of a text: target[start, a] target[a, b]."""
    rng = np.random.default_rng(seed)
    target, draft = random_rows(rng, words, words), random_rows(rng, words, words)
    counts = np.zeros((words, words))
    for _ in range(texts):
        counts[spec.generate(target, draft, 0, gamma, 2, rng).tokens] += 1
    return p_value(counts, target[0, :, None] * target)


def simulated_tokens(seed, rounds=100_000, gamma=3, words=6):
    """p-values of the first and, where a round has one, the second token of `simulate`."""
    rng = np.random.default_rng(seed)
    p, q = random_rows(rng, words), random_rows(rng, words)
    columns = spec.simulate(p, q, gamma, rounds, rng).emitted.T[:2]
    return [p_value(np.bincount(column[column >= 0], minlength=words), p) for column in columns]


@pytest.mark.parametrize("seed", range(2))
def test_first_token_follows_the_target(seed):
    assert first_tokens(seed) > SAME


@pytest.mark.parametrize("seed", range(3))
def test_second_token_follows_the_target(seed):
    assert token_pairs(seed, gamma=seed + 1) > SAME


@pytest.mark.parametrize("seed", range(6))
def test_simulated_tokens_follow_the_target(seed):
    assert min(simulated_tokens(seed)) > SAME


def test_the_tests_above_see_a_verifier_that_replaces_from_p(monkeypatch):
    monkeypatch.setattr(spec, "residual", lambda p, q: p)
    assert first_tokens(0) < SURELY_DIFFERENT
    assert token_pairs(0) < SURELY_DIFFERENT
    assert min(simulated_tokens(0)) < SURELY_DIFFERENT


@pytest.mark.parametrize("gamma", [0, 1, 4, 9])
def test_tokens_per_round_follow_theory(gamma):
    rng = np.random.default_rng(gamma)
    p, q = random_rows(rng, 6, zeros=0.1), random_rows(rng, 6, zeros=0.1)
    tokens = spec.simulate(p, q, gamma, 50_000, rng).tokens_per_round
    error = tokens.std() / math.sqrt(tokens.size)
    assert abs(tokens.mean() - spec.expected_tokens(spec.acceptance(p, q), gamma)) <= 4 * error


def test_verify_and_simulate_emit_as_many_tokens():
    pair = spec.toy_pair(0.5, seed=1)
    p, q = np.tile(pair.target[0], (8, 1)), np.tile(pair.draft[0], (8, 1))  # no context
    accepted = np.array([r.accepted for r in spec.generate(p, q, 0, 3, 4000, 2).rounds])
    expected = spec.expected_tokens(spec.acceptance(p[0], q[0]), 3)
    assert abs(accepted.mean() + 1 - expected) <= 4 * accepted.std() / math.sqrt(accepted.size)


@given(st.floats(0, 1), st.integers(0, 60))
def test_expected_tokens_is_the_geometric_series(alpha, gamma):
    assert spec.expected_tokens(alpha, gamma) == pytest.approx(sum(alpha**i for i in range(gamma + 1)))


def test_expected_tokens_at_the_edges():
    assert spec.expected_tokens(0, 5) == 1
    assert spec.expected_tokens(1, 5) == 6
    assert spec.expected_tokens([0, 0.5, 1], 0).tolist() == [1, 1, 1]
    assert spec.expected_tokens(np.array([[0.5], [1]]), [1, 3]).tolist() == [[1.5, 1.875], [2, 4]]


@pytest.mark.parametrize(
    ("alpha", "gamma", "factor"),
    [(0.6, 2, 1.96), (0.7, 3, 2.53), (0.8, 2, 2.44), (0.8, 5, 3.69), (0.9, 2, 2.71), (0.9, 10, 6.86)],
)
def test_speedup_against_table_1_of_leviathan(alpha, gamma, factor):
    """Speed with a free draft, arXiv:2211.17192, table 1."""
    assert spec.speedup(alpha, gamma, draft_cost=0) == pytest.approx(factor, abs=0.005)


@given(st.floats(0, 1), st.floats(0, 1))
def test_drafting_pays_exactly_if_acceptance_exceeds_the_draft_cost(alpha, cost):
    """Leviathan, corollary 3.9, and its converse."""
    gamma = spec.best_gamma(alpha, cost, limit=12)
    best = spec.speedup(alpha, gamma, cost)
    assert best == max(spec.speedup(alpha, g, cost) for g in range(13))
    if alpha > cost:
        assert best >= (1 + alpha) / (1 + cost) * (1 - 1e-12)
    else:
        assert best <= 1 + 1e-12


def test_best_gamma_sweeps_and_takes_a_verify_cost_per_gamma():
    assert spec.best_gamma([0, 0.5, 1], 0.0, limit=7).tolist() == [0, 7, 7]
    assert spec.best_gamma(0.9, 0.05, limit=3, verify_cost=[1, 1, 9, 9]) == 1


def test_a_round_can_be_followed_step_by_step():
    rng = np.random.default_rng(5)
    p, q = random_rows(rng, 5, 6), random_rows(rng, 4, 6)
    for _ in range(300):
        drafted = tuple(int(rng.choice(6, p=row)) for row in q)
        verdict = spec.verify(drafted, q, p, rng)
        for i, trial in enumerate(verdict.trials):
            x = drafted[i]
            assert (trial.token, trial.q, trial.p) == pytest.approx((x, q[i, x], p[i, x]))
            assert trial.accepted == (trial.draw < trial.p / trial.q)
        stays = [trial.accepted for trial in verdict.trials]
        assert stays == [True] * 4 or stays == [True] * verdict.accepted + [False]
        assert verdict.tokens[:-1] == drafted[: verdict.accepted] and verdict.drafted == drafted
        if verdict.accepted < 4:  # replaced by a word that the target likes better than the draft does
            at = verdict.accepted
            assert p[at, verdict.tokens[-1]] > q[at, verdict.tokens[-1]]


def test_edges_of_verify():
    p, q = [[0.5, 0.5, 0]], [[0, 0, 1]]
    assert spec.verify([], np.empty((0, 3)), p, 0).tokens[0] in (0, 1)  # plain decoding
    never = spec.verify([2], q, p * 2, 0)
    assert never.accepted == 0 and never.tokens[0] in (0, 1)
    assert spec.verify([2], q, q * 2, 0).tokens == (2, 2)


@given(st.floats(0, 1), st.integers(0, 5))
def test_noise_of_the_toy_pair_sets_its_acceptance(noise, seed):
    pair, worst = spec.toy_pair(noise, seed), spec.toy_pair(1, seed)
    assert pair.draft.sum(axis=1) == pytest.approx(np.ones(len(pair.words)))
    lost = 0.5 * abs(pair.target - worst.draft).sum(axis=1)
    assert spec.acceptance(pair.target, pair.draft) == pytest.approx(1 - noise * lost)


def test_the_toy_text_obeys_the_grammar_whatever_the_draft_says():
    pair = spec.toy_pair(noise=1)
    start = pair.words.index(".")
    text = spec.generate(pair.target, pair.draft, start, 4, 400, rng=3).tokens
    assert len(text) == 400
    assert all(pair.target[a, b] > 0 for a, b in zip((start, *text), text, strict=False))
    assert text == spec.generate(pair.target, pair.draft, start, 4, 400, rng=3).tokens  # seeded


HALF = [0.5, 0.5]
BAD = {
    "verify: row sums to 0.9": (
        lambda: spec.verify([0], [[0.5, 0.4]], [HALF, HALF], 0),
        "draft_probs sums to",
    ),
    "verify: negative": (lambda: spec.verify([0], [HALF], [[1.5, -0.5], HALF], 0), "target_probs"),
    "verify: NaN": (lambda: spec.verify([0], [[math.nan, 0.5]], [HALF, HALF], 0), "draft_probs"),
    "verify: text": (lambda: spec.verify([0], "half", [HALF, HALF], 0), "draft_probs"),
    "verify: a scalar": (lambda: spec.verify([0], 1.0, [HALF, HALF], 0), "draft_probs has shape"),
    "verify: a target row short": (lambda: spec.verify([0], [HALF], [HALF], 0), "expected .gamma,."),
    "verify: other words": (lambda: spec.verify([0], [[0.5, 0.5, 0]], [HALF, HALF], 0), "shapes"),
    "verify: token too large": (lambda: spec.verify([2], [HALF], [HALF, HALF], 0), "draft_tokens"),
    "verify: token negative": (lambda: spec.verify([-1], [HALF], [HALF, HALF], 0), "draft_tokens"),
    "verify: token a fraction": (lambda: spec.verify([0.5], [HALF], [HALF, HALF], 0), "draft_tokens"),
    "verify: impossible draft": (lambda: spec.verify([0], [[0, 1]], [HALF, HALF], 0), "positive probability"),
    "verify: bad seed": (lambda: spec.verify([0], [HALF], [HALF, HALF], -1), "rng"),
    "verify: no seed": (lambda: spec.verify([0], [HALF], [HALF, HALF], None), "rng"),
    "acceptance: other words": (lambda: spec.acceptance(HALF, [0.2, 0.3, 0.5]), "shapes"),
    "acceptance: one word broadcast": (lambda: spec.acceptance(HALF, [1.0]), "shapes"),
    "acceptance: no words": (lambda: spec.acceptance([], []), "shape"),
    "residual: negative": (lambda: spec.residual([1.5, -0.5], HALF), "target"),
    "first_token: sum": (lambda: spec.first_token_distribution([0.5, 0.6], HALF), "sums to 1.1"),
    "expected_tokens: alpha > 1": (lambda: spec.expected_tokens(1.1, 3), "alpha"),
    "expected_tokens: gamma < 0": (lambda: spec.expected_tokens(0.5, -1), "gamma"),
    "expected_tokens: gamma 1.5": (lambda: spec.expected_tokens(0.5, 1.5), "gamma"),
    "speedup: draft_cost < 0": (lambda: spec.speedup(0.5, 1, -0.1), "draft_cost"),
    "speedup: verify_cost 0": (lambda: spec.speedup(0.5, 1, 0.1, 0), "verify_cost"),
    "best_gamma: limit": (lambda: spec.best_gamma(0.5, 0.1, -1), "limit"),
    "simulate: gamma": (lambda: spec.simulate(HALF, HALF, -1, 5, 0), "gamma"),
    "simulate: no rounds": (lambda: spec.simulate(HALF, HALF, 1, 0, 0), "rounds"),
    "simulate: tables": (lambda: spec.simulate([HALF], [HALF], 1, 5, 0), "shape"),
    "toy_pair: noise": (lambda: spec.toy_pair(1.2), "noise"),
    "toy_pair: noises": (lambda: spec.toy_pair([0.1, 0.2]), "noise"),
    "toy_pair: seed": (lambda: spec.toy_pair(0.2, seed=-1), "seed"),
    "generate: not square": (lambda: spec.generate([HALF], [HALF], 0, 1, 3, 0), "square"),
    "generate: start": (lambda: spec.generate([HALF] * 2, [HALF] * 2, 2, 1, 3, 0), "start"),
    "generate: gamma": (lambda: spec.generate([HALF] * 2, [HALF] * 2, 0, -1, 3, 0), "gamma"),
    "generate: length": (lambda: spec.generate([HALF] * 2, [HALF] * 2, 0, 1, 2.5, 0), "length"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_names_the_argument(case):
    call, message = BAD[case]
    with pytest.raises(ValueError, match=message):
        call()
