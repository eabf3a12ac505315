"""Arguments are checked in one place, and numbers are written for people in another."""

import math
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgelib import errors, units

NOT_NUMBERS = [
    "12",
    None,
    True,
    1j,
    float("nan"),
    float("inf"),
    -math.inf,
    [1.0, math.nan],
    [[1], [2, 3]],
    object(),
]


@pytest.mark.parametrize(
    "check", [errors.real, errors.positive, errors.nonnegative, errors.fraction, errors.at_least_one]
)
@pytest.mark.parametrize("value", NOT_NUMBERS, ids=lambda value: type(value).__name__)
def test_what_is_not_a_finite_number_is_refused_by_name(check, value):
    with pytest.raises(ValueError, match=r"^power = .*expected"):
        check("power", value)


@pytest.mark.parametrize(
    ("check", "bad", "good"),
    [
        (errors.positive, [0, -1, [1, 0]], [1e-300, 3, [1, 2]]),
        (errors.nonnegative, [-1, [0, -1e-9]], [0, [0, 5]]),
        (errors.fraction, [-0.1, 1.1, [0.5, 2]], [0, 1, [0.2, 0.4]]),
        (errors.at_least_one, [0.99, 0, [1, 0.5]], [1, [1, 7]]),
        (errors.scalar, [[1], [1, 2], np.zeros((1, 1))], [0, -3.5]),
        (errors.integer, [1.5, -1, [1], "2", True], [0, 7, 3.0, np.int64(4)]),
    ],
)
def test_ranges(check, bad, good):
    for value in bad:
        with pytest.raises(ValueError, match=r"^n = "):
            check("n", value)
    for value in good:
        np.testing.assert_array_equal(check("n", value), value)


def test_an_unknown_name_lists_the_nearest():
    with pytest.raises(
        errors.UnknownName, match=r"model = 'llama-2-7' is unknown; did you mean llama-2-7b.*accepted"
    ):
        errors.choice("model", "llama-2-7", ["llama-2-7b", "qwen2-0.5b"])
    for value in (None, 3, ["llama-2-7b"]):
        with pytest.raises(ValueError, match="accepted: llama-2-7b"):
            errors.choice("model", value, ["llama-2-7b"])


@given(st.floats(1e-11, 9e16), st.integers(1, 6))
def test_si_keeps_the_value_to_its_digits(value, digits):
    number, unit = units.si(value, "B", digits).split(" ")
    exponent = {"p": -12, "n": -9, "µ": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15}[
        unit[:-1]
    ]
    shown = float(number.replace(",", "")) * 10.0**exponent
    assert shown == pytest.approx(float(f"{Decimal(value):.{digits - 1}e}"), rel=1e-9)
    assert 1 <= float(number.replace(",", "")) < 1000 or not 1e-12 <= value < 1e18


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [(0, "B", "0 B"), (13.42e9, "B", "13.4 GB"), (999.96, "s", "1.00 ks"), (14.2857, "tok/s", "14.3 tok/s")],
)
def test_si_examples(value, unit, text):
    assert units.si(value, unit) == text


def test_a_gib_is_not_a_gb():
    assert pytest.approx(1.073741824) == units.GIB / units.GB
    assert units.gib(2**34) == "16.00 GiB"
