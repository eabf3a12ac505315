"""Tables against their error bounds, softmax against float64, bytes in registers against plain indexing."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgelib.isa import Trace
from edgelib.kernels.activation_tables import (
    FUNCTIONS,
    byte_table,
    divergence,
    knots,
    look_up,
    look_ups,
    max_error,
    pieces_error,
    segments_bound,
    softmax,
    softmax_by_table,
    table,
)

X = np.linspace(-4, 4, 81)
EXACT = {  # from the standard library, one point at a time
    "silu": lambda x: x / (1 + math.exp(-x)),
    "gelu": lambda x: x * math.erfc(-x / math.sqrt(2)) / 2,
    "sigmoid": lambda x: 1 / (1 + math.exp(-x)),
    "tanh": math.tanh,
    "exp": math.exp,
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_and_their_second_derivatives(name):
    function, h = FUNCTIONS[name], 1e-4
    assert function.f(X) == pytest.approx([EXACT[name](x) for x in X], rel=1e-12, abs=1e-15)
    differences = [(EXACT[name](x + h) - 2 * EXACT[name](x) + EXACT[name](x - h)) / h**2 for x in X]
    assert function.second(X) == pytest.approx(differences, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_error_of_lines_falls_with_the_square_of_the_pieces(name):
    segments = 2 ** np.arange(4, 11)
    errors = np.array([max_error(table(name, s + 1)) for s in segments])
    assert (errors <= segments_bound(name, segments)).all()
    assert errors[-1] == pytest.approx(segments_bound(name, 1024), rel=0.02), "the bound is reached"
    slope = np.polyfit(np.log(segments[2:]), np.log(errors[2:]), 1)[0]
    assert slope == pytest.approx(-2, abs=0.05)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_pieces_where_it_bends_reach_the_known_optimum(name):
    """Knots of equal error reach (integral of sqrt|f''|)^2 / (8 n^2), but for pieces around an inflection."""
    function, n = FUNCTIONS[name], 256
    x = np.linspace(function.lo, function.hi, 200_001)
    optimum = (np.sqrt(np.abs(function.second(x))).mean() * (function.hi - function.lo)) ** 2 / 8 / n**2
    assert 0.98 * optimum < pieces_error(name, knots(name, n, bent=True)) < 1.2 * optimum
    assert pieces_error(name, knots(name, n)) == pytest.approx(max_error(table(name, n + 1)), rel=0.01)
    assert 1.2 * optimum < pieces_error(name, knots(name, n))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_error_of_the_nearest_entry_falls_with_the_entries(name):
    errors = [max_error(table(name, n + 1), "nearest") for n in (64, 128, 256, 512)]
    assert np.diff(np.log2(errors)) == pytest.approx([-1] * 3, abs=0.12)


def test_one_straight_piece_of_exp_by_hand():
    """The chord of exp over [-1, 0] is furthest off where its slope equals exp: at x = ln(1 - 1/e)."""
    rise = 1 - math.exp(-1)
    at = math.log(rise)
    assert max_error(table("exp", 2, -1, 0)) == pytest.approx(1 + rise * at - rise, abs=1e-7)


def test_a_table_gives_its_entries_back_and_continues_outside():
    silu = table("silu", 33)
    points = np.linspace(-8, 8, 33)
    for interpolation in ("nearest", "linear"):
        assert silu(points, interpolation) == pytest.approx(silu.values)
        assert silu([-50.0, 50.0], interpolation).tolist() == [0, 50]
    assert table("exp", 16)([-99.0, 7.0]) == pytest.approx([math.exp(-10), 1])


def test_byte_entries_set_a_floor_under_the_error():
    """Entries of 8 bits are off by half a step of 8/127 whatever their number."""
    floor = 8 / 127 / 2
    errors = [max_error(table("silu", n, bits=8)) for n in (64, 128, 256)]
    assert all(0.8 * floor < e < 1.3 * floor for e in errors)
    assert max_error(table("silu", 256, bits=16)) < floor / 20


@given(st.integers(0, 2**32), st.sampled_from(range(16, 257, 16)))
def test_registers_find_what_indexing_finds(seed, size):
    rng = np.random.default_rng(seed)
    entries, index = rng.integers(0, 256, size, dtype=np.uint8), rng.integers(0, 256, (5, 16), dtype=np.uint8)
    with Trace() as trace:
        got = look_up(entries, index)
    assert np.array_equal(got, np.append(entries, np.zeros(256 - size, np.uint8))[index])
    assert trace.counts["tbl"] + trace.counts["tbx"] == 5 * look_ups(size)
    assert trace.counts["sub"] == 5 * (look_ups(size) - 1)


def test_an_int8_function_is_four_look_ups():
    """All 256 inputs of an int8 SiLU: the byte is the rounded function, for every one."""
    q = np.arange(-128, 128).astype(np.int8)
    with Trace() as trace:
        out = look_up(byte_table("silu", 1 / 16, 1 / 16), q.view(np.uint8).reshape(16, 16))
    expected = [round(16 * EXACT["silu"](v / 16)) for v in q]  # no value is half-way
    assert out.view(np.int8).ravel().tolist() == expected
    assert trace.counts == {"tbl": 16, "tbx": 48, "sub": 48}


def test_softmax_by_table_approaches_softmax():
    logits = np.random.default_rng(0).normal(0, 2, (20, 256))
    exact = softmax(logits)
    assert exact.sum(axis=-1) == pytest.approx(1)
    errors, kl = [], []
    for entries in (16, 64, 256):
        got = softmax_by_table(logits, entries, 16)
        assert got.sum(axis=-1) == pytest.approx(1)
        errors.append(np.abs(got - exact).max())
        kl.append(divergence(exact, got).max())
    assert errors[0] > 10 * errors[1] > 100 * errors[2]
    assert kl[1] / kl[2] == pytest.approx(4**4, rel=0.3), "h^2, squared"


def test_a_short_range_gives_everybody_a_share():
    """1 score of 20 among 4,095 of 0, table to -8: the others keep e^-8 each, 58 % together, not 1e-5."""
    logits = np.r_[20.0, np.zeros(4095)]
    share = 1 - softmax_by_table(logits, 256, 8)[0]
    assert share == pytest.approx(4095 * math.exp(-8) / (1 + 4095 * math.exp(-8)), rel=1e-12)
    assert 1 - softmax(logits)[0] < 1e-5


def test_divergence_of_two_coins():
    assert divergence([0.5, 0.5], [0.25, 0.75]) == pytest.approx(0.5 * math.log(2) + 0.5 * math.log(2 / 3))
    assert divergence([1, 0], [0.5, 0.5]) == pytest.approx(math.log(2))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: table("selu", 16), "name = 'selu' is unknown; did you mean silu or gelu"),
        (lambda: table("silu", 1), "entries = 1: expected a whole number of at least 2"),
        (lambda: table("silu", 16, 3, 3), "lo = 3, hi = 3: expected lo < hi"),
        (lambda: table("silu", 16)([float("nan")]), "x = .*expected finite"),
        (lambda: table("silu", 16)(0.5, "cubic"), "accepted: nearest, linear"),
        (lambda: softmax_by_table([], 16, 8), "expected at least one score"),
        (lambda: softmax_by_table([1.0], 16, 0), "span = 0"),
        (lambda: divergence([1.0], [0.0]), "the divergence is infinite"),
        (lambda: byte_table("silu", 0, 1), "scale_in = 0"),
        (lambda: look_up(np.zeros(40, np.uint8), np.zeros(16, np.uint8)), "expected 16, 32, ... 256 bytes"),
        (lambda: segments_bound("exp", 0), "segments = 0"),
        (lambda: knots("exp", 0), "segments = 0"),
        (lambda: pieces_error("exp", [0.0, 0.0]), "expected at least two numbers, increasing"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
