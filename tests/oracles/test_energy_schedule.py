"""The exact scheduler against every assignment there is; the precision gate against a plain loop."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgelib.kernels.adaptive_precision import entropy, mixed_energy, mixture, toy_text
from edgelib.planning.energy_schedule import frontier, thriftiest


def every_assignment(seconds, joules, move_s, move_J):
    """(seconds, joules) of all plans."""
    operators, units = seconds.shape
    for plan in itertools.product(range(units), repeat=operators):
        moves = sum(a != b for a, b in itertools.pairwise(plan))
        yield (
            sum(seconds[i, u] for i, u in enumerate(plan)) + moves * move_s,
            sum(joules[i, u] for i, u in enumerate(plan)) + moves * move_J,
        )


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 5), st.integers(1, 3), st.integers(0, 10_000), st.sampled_from([0.0, 0.3, 2.0]))
def test_the_frontier_loses_nothing(operators, units, seed, move):
    rng = np.random.default_rng(seed)
    seconds, joules = rng.uniform(0.1, 2, (operators, units)), rng.uniform(0, 2, (operators, units))
    plans = frontier(seconds, joules, move, move)
    everything = list(every_assignment(seconds, joules, move, move))
    for deadline in rng.uniform(min(t for t, _ in everything), 2 * operators + 2, 5):
        best = min(e for t, e in everything if t <= deadline)
        assert thriftiest(plans, deadline * (1 + 1e-12)).joules == pytest.approx(best)
    for plan in plans:
        moves = sum(a != b for a, b in itertools.pairwise(plan.units))
        assert plan.seconds == pytest.approx(
            sum(seconds[i, u] for i, u in enumerate(plan.units)) + moves * move
        )


def test_the_frontier_falls():
    rng = np.random.default_rng(1)
    plans = frontier(rng.uniform(0.1, 2, (8, 3)), rng.uniform(0, 2, (8, 3)), 0.1, 0.1)
    assert all(a.seconds < b.seconds and a.joules > b.joules for a, b in itertools.pairwise(plans))
    with pytest.raises(ValueError, match="fastest plan takes"):
        thriftiest(plans, plans[0].seconds / 2)


def test_the_gate_by_hand():
    coarse = np.array([[0.99, 0.01], [0.5, 0.5], [0.7, 0.3], [0.6, 0.4]])  # entropies 0.08, 1, 0.88, 0.97
    fine = np.array([[0.98, 0.02], [0.3, 0.7], [0.97, 0.03], [0.2, 0.8]])  # 0.14, 0.88, 0.19, 0.72
    retry = mixture(coarse, fine, fine, 0.5, "retry")
    assert retry.share == 0.75 and retry.flips == 0  # only the first word is sure
    gap = 0.98 * math.log2(0.98 / 0.99) + 0.02 * math.log2(0.02 / 0.01)
    assert retry.kl == pytest.approx(gap / 4)
    # Word 0 has none before it: fine, and sure. So 1 is coarse, and unsure. So 2 is fine, and sure.
    # So 3 is coarse. Both coarse words prefer another word than the original.
    before = mixture(coarse, fine, fine, 0.5, "previous")
    assert before.share == 0.5 and before.flips == 0.5


def test_the_ends_of_the_threshold():
    text = toy_text(300)
    always_fine, never = (mixture(text[4], text[8], text[16], t) for t in (0.0, 6.0))
    assert always_fine.share == 1 and never.share == 0
    assert 0 <= always_fine.kl < never.kl and always_fine.flips <= never.flips
    shares = [mixture(text[4], text[8], text[16], t).share for t in np.linspace(0, 6, 13)]
    assert shares == sorted(shares, reverse=True)


@given(st.floats(0.1, 1), st.floats(0, 1))
def test_a_retry_pays_below_the_break_even_share(ratio, share):
    saves = mixed_energy(ratio, 1, share, "retry") < 1
    assert saves == (ratio + share < 1)
    assert min(ratio, 1) - 1e-12 <= mixed_energy(ratio, 1, share, "previous") <= 1 + 1e-12


def test_entropy_of_known_distributions():
    assert entropy([[0.25] * 4, [1, 0, 0, 0]]).tolist() == [2.0, 0.0]


OK = [[0.5, 0.5]]


@pytest.mark.parametrize(
    ("call", "names"),
    [
        (lambda: frontier([[1, 2]], [[1]]), "shapes"),
        (lambda: frontier([1, 2], [1, 2]), "shapes"),
        (lambda: frontier([[0.0]], [[1]]), "seconds"),
        (lambda: frontier([[1]], [[-1]]), "joules"),
        (lambda: frontier([[1]], [[1]], -1), "move_s"),
        (lambda: frontier([[1]], [[1]], 0, np.nan), "move_J"),
        (lambda: thriftiest([], 1), "plans"),
        (lambda: thriftiest(frontier([[1]], [[1]]), 0), "deadline_s"),
        (lambda: mixture(OK, OK, OK, -1), "threshold"),
        (lambda: mixture(OK, OK, OK, 1, "guess"), "gate"),
        (lambda: mixture(OK, OK, [[1.0]], 1), "shapes"),
        (lambda: mixture([[0.5, 0.6]], OK, OK, 1), "sum 1"),
        (lambda: entropy([0.5, -0.5]), "p ="),
        (lambda: mixed_energy(0, 1, 0.5), "coarse_J"),
        (lambda: mixed_energy(1, 2, 1.5), "share"),
        (lambda: toy_text(0), "tokens"),
    ],
)
def test_bad_input_is_named(call, names):
    with pytest.raises(ValueError, match=names):
        call()
