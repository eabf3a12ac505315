"""One number against its tensor: the picture agrees with closed forms."""

import numpy as np
import pytest

from edgelib.explore.book import scales
from edgelib.explore.book.scales import ONE, TOP, bell, decibels, one_number_or_the_tensor
from edgelib.explore.scene import Dot


def dots(**state):
    return {
        mark.label: mark for mark in one_number_or_the_tensor.scene(**state).marks if isinstance(mark, Dot)
    }


def test_the_chapter_s_number_at_its_scale():
    dot = dots(thousandths=10)["0.157"]
    assert dot.y == pytest.approx(20 * np.log10(0.157 / 0.003))  # 34.4 dB


def test_a_scale_that_hits_the_number_is_cut_at_the_loudest():
    assert dots(thousandths=157)["0.157"].y == scales.LOUDEST_DB
    assert "55.0 dB or more" in one_number_or_the_tensor.scene(thousandths=157).readout


@pytest.mark.parametrize("spread", [0.3, 1.0])
@pytest.mark.parametrize("share", [0.05, 0.1, 0.2])
def test_rounding_without_clipping_costs_step_squared_over_12(spread, share):
    x, step = bell(spread), share * spread
    assert abs(x).max() < TOP * step
    assert decibels(x, np.array([step]))[0] == pytest.approx(
        10 * np.log10((x**2).mean() * 12 / step**2), abs=0.3
    )


def test_a_scale_far_too_small_leaves_what_a_constant_leaves():
    """Every number becomes the end of the range, with its sign: sum (|x| - c)^2."""
    x, step = bell(1.0), 1e-6
    expected = 10 * np.log10((x**2).sum() / ((abs(x) - TOP * step) ** 2).sum())
    assert decibels(x, np.array([step]))[0] == pytest.approx(expected)


def test_a_scale_above_twice_the_largest_keeps_nothing():
    x = bell(0.02)
    assert decibels(x, np.array([2.01 * abs(x).max()]))[0] == 0


def test_the_best_scale_is_near_the_one_that_clips_nothing():
    """At 8 bits clipping hardly pays: the best scale is at most the largest number over 127, and near it."""
    for spread in scales.TENSORS.values():
        best = dots(tensor=spread)["best"].x
        assert 0.8 < best * TOP / abs(bell(spread)).max() < 1.05


def test_the_number_in_question_is_part_of_its_tensor():
    assert all(ONE in bell(spread) for spread in scales.TENSORS.values())
