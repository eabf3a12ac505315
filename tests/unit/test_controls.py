"""A control is a finite grid of values, each with a text; what cannot be one is refused."""

from __future__ import annotations

from itertools import pairwise
from math import log2

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from edgelib.explore import Choice, Control, Slider, Step, Toggle

EXAMPLES: list[Control] = [
    Choice(["a", "b"]),
    Choice({"M1 (7-core GPU)": "M1-7c/GPU", "none": None}),
    Slider(0, 32768, log2=True, unit="tokens"),
    Slider(0.0, 1.0, step=0.05, default=0.8),
    Slider(-3, 3),
    Toggle(),
    Step(8),
]


@pytest.mark.parametrize("control", EXAMPLES, ids=repr)
def test_every_value_has_a_place_and_a_text_of_its_own(control: Control) -> None:
    assert control.default in control.values
    assert [control.index(value) for value in control.values] == list(range(len(control.values)))
    texts = [control.text(value) for value in control.values]
    assert all(texts) and len(set(texts)) == len(texts)
    assert control.data()["texts"] == texts


def test_values() -> None:
    assert Choice(["a", "b"], default="b").values == ("a", "b")
    assert Choice({"x": 3, "y": (1, 2)}).values == (3, (1, 2))
    assert Slider(0, 8, log2=True).values == (0, 1, 2, 4, 8)
    assert Slider(0.5, 4, log2=True).values == (0.5, 1, 2, 4)
    assert Slider(2, 16, step=7).values == (2, 9, 16)
    assert Slider(0, 1, step=0.1).values == (0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1)
    assert Toggle(default=True).default is True
    assert Step(2).values == (0, 1, 2)


def test_texts_carry_the_unit() -> None:
    assert Slider(0, 32768, log2=True, unit="tokens").text(4096) == "4,096 tokens"
    assert Slider(0.0, 1.0, step=0.05).text(0.8) == "0.80"
    assert Slider(0.5, 4, log2=True, unit="GB").text(0.5) == "0.5 GB"
    assert Choice({"M1 (7-core GPU)": "M1-7c/GPU"}).text("M1-7c/GPU") == "M1 (7-core GPU)"
    ones = {
        "tokens": "1 token",
        "entries": "1 entry",
        "prefixes": "1 prefix",
        "ms": "1 ms",
        "bytes": "1 byte",
    }
    assert {unit: Slider(1, 4, unit=unit).text(1) for unit in ones} == ones
    assert Slider(1, 4, unit="tokens").text(2) == "2 tokens"
    assert Step(8).text(3) == "3 of 8"
    assert [Toggle().text(value) for value in (False, True)] == ["off", "on"]


@given(
    lo=st.integers(-1000, 1000),
    count=st.integers(1, 60),
    step=st.sampled_from([0.001, 0.05, 0.25, 1, 7, 100]),
)
def test_steps_are_even_and_end_at_hi(lo: int, count: int, step: float) -> None:
    values = Slider(lo, lo + count * step, step=step).values
    assert len(values) == count + 1
    np.testing.assert_allclose(values, np.linspace(lo, lo + count * step, count + 1), atol=1e-9)


@given(first=st.integers(-6, 20), doublings=st.integers(1, 20), zero=st.booleans())
def test_doublings(first: int, doublings: int, zero: bool) -> None:
    lo, hi = (0, 2**doublings) if zero else (2.0**first, 2.0 ** (first + doublings))
    values = Slider(lo, hi, log2=True).values
    powers = values[1:] if zero else values
    assert len(powers) == doublings + 1
    assert {b / a for a, b in pairwise(powers)} == {2}
    assert log2(powers[-1]) == log2(hi)


def test_a_float_off_by_rounding_is_the_grid_point() -> None:
    slider = Slider(0, 1, step=0.1)
    assert slider.values[slider.index(0.1 + 0.2)] == 0.3


@given(value=st.floats(0, 1))
def test_a_float_between_grid_points_is_not(value: float) -> None:
    slider = Slider(0.0, 1.0, step=0.25)
    assume(min(abs(value - v) for v in slider.values) > 1e-6)
    with pytest.raises(ValueError, match=r"accepted: 0\.0, 0\.25"):
        slider.index(value)


@pytest.mark.parametrize("value", [True, "1", None, np.array([1, 2]), float("nan"), [1]], ids=repr)
def test_what_is_not_on_the_grid(value: object) -> None:
    with pytest.raises(ValueError, match=r"Threads = .*accepted: 0, 1, 2"):
        Slider(0, 2, label="Threads").index(value)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Choice([]), "at least one name"),
        (lambda: Choice({}), "at least one name"),
        (lambda: Choice("abc"), "at least one name"),
        (lambda: Choice(["a", ""]), "non-empty"),
        (lambda: Choice(["a", "a"]), "'a' stands twice"),
        (lambda: Choice({"a": 1, "b": 1}), "1 stands twice"),
        (lambda: Choice(["a"], default="b"), "'b': accepted: 'a'"),
        (lambda: Slider(1, 1), "expected lo < hi"),
        (lambda: Slider(2, 1), "expected lo < hi"),
        (lambda: Slider(0, float("inf")), "finite"),
        (lambda: Slider("0", 1), "real number"),
        (lambda: Slider(0, 1, step=0), "greater than 0"),
        (lambda: Slider(0, 1, step=-1), "greater than 0"),
        (lambda: Slider(0, 1, step=0.3), "whole number of steps"),
        (lambda: Slider(0, 4, log2=True, step=1), "takes no step"),
        (lambda: Slider(0, 5, log2=True), "powers of two"),
        (lambda: Slider(-1, 4, log2=True), "powers of two"),
        (lambda: Slider(3, 6, log2=True), "powers of two"),
        (lambda: Slider(0, 4, default=5), "accepted"),
        (lambda: Toggle(default="yes"), "accepted"),
        (lambda: Step(0), "at least 1"),
        (lambda: Step(4, default=5), "accepted"),
    ],
)
def test_bad_construction(make: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()  # type: ignore[operator]
