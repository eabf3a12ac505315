"""INT8 kernels of NEON instructions against numpy's 64-bit product, and their traces against closed forms."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgelib.isa import Trace, neon
from edgelib.kernels.neon_gemm import (
    LONGEST,
    gemm_sdot,
    gemm_smmla,
    gemv_sdot,
    instructions,
    pack_sdot,
    pack_smmla,
)

SIZES = st.integers(1, 40)
TILES = [(4, 4), (8, 2), (1, 2), (2, 6), (3, 2)]


def int8(rng, *shape):
    return rng.integers(-128, 128, shape, dtype=np.int8)


@settings(max_examples=40, deadline=None)
@given(SIZES, st.integers(1, 100), st.integers(0, 2**32))
def test_gemv_is_the_product_and_counts_as_the_closed_form(n, k, seed):
    rng = np.random.default_rng(seed)
    w, x = int8(rng, n, k), int8(rng, k)
    with Trace() as trace:
        y = gemv_sdot(w, x)
    assert np.array_equal(y, w.astype(np.int64) @ x.astype(np.int64))
    assert trace.counts == instructions("gemv_sdot", 1, n, k)


@settings(max_examples=60, deadline=None)
@given(SIZES, SIZES, st.integers(1, 70), st.sampled_from(TILES), st.integers(0, 2**32))
@pytest.mark.parametrize("kernel", [gemm_sdot, gemm_smmla], ids=lambda k: k.__name__)
def test_gemm_is_the_product_and_counts_as_the_closed_form(kernel, m, n, k, tile, seed):
    rng = np.random.default_rng(seed)
    a, b = int8(rng, m, k), int8(rng, k, n)
    with Trace() as trace:
        c = kernel(a, b, *tile)
    assert np.array_equal(c, a.astype(np.int64) @ b.astype(np.int64))
    assert trace.counts == instructions(kernel.__name__, m, n, k, *tile)


def test_extremes_fill_the_accumulators_and_do_not_wrap():
    a = np.full((1, LONGEST), -128, np.int8)
    assert gemv_sdot(a, a[0]) == LONGEST * 2**14
    assert LONGEST * 2**14 < 2**31 <= (LONGEST + 1) * 2**14
    with pytest.raises(ValueError, match="at most 131071, or int32 overflows"):
        gemv_sdot(np.zeros((1, LONGEST + 1), np.int8), np.zeros(LONGEST + 1, np.int8))


def test_each_instruction_does_its_share():
    """Large enough to have no fill: 16 MAC for each SDOT, 32 for each SMMLA; loads as r + c to r c."""
    macs = 64 * 64 * 128
    sdot, smmla = (instructions(f"gemm_{name}", 64, 64, 128) for name in ("sdot", "smmla"))
    assert macs / sdot["sdot"] == 16
    assert macs / smmla["smmla"] == 32
    assert macs / smmla["ld1"] == 32 * 16 / 8
    assert macs / instructions("gemm_sdot", 64, 64, 128, 8, 2)["ld1"] == 32 * 16 / 8  # also 8 x 8 results
    gemv = instructions("gemv_sdot", 64, 64, 128)
    assert macs / gemv["ld1"] == 16 * 4 / 5


def test_a_wide_tile_loads_less():
    a, b = int8(np.random.default_rng(0), 8, 64), int8(np.random.default_rng(1), 64, 32)
    loaded = []
    for tile in ((1, 1), (2, 2), (4, 4), (8, 2)):
        with Trace() as trace:
            gemm_sdot(a, b, *tile)
        loaded.append(trace.loaded_B)
    assert loaded == sorted(loaded, reverse=True)
    assert trace.stored_B == 8 * 32 * 4


def test_packed_registers_hold_columns():
    b = np.arange(64, dtype=np.int8).reshape(16, 4)
    assert pack_sdot(b).shape == (1, 4, 16)
    assert pack_sdot(b)[0, 0].tolist() == [0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15]
    assert pack_smmla(b[:8])[1, 0].tolist() == [*range(2, 34, 4), *range(3, 35, 4)]


def test_without_packing_smmla_is_wrong():
    """The rows of B where its columns belong: A B^T instead of A B."""
    rng = np.random.default_rng(0)
    a, b = int8(rng, 2, 8), int8(rng, 8, 2)
    zero = np.zeros(4, np.int32)
    right = neon.smmla(zero, a.ravel(), pack_smmla(b)[0, 0]).reshape(2, 2)
    wrong = neon.smmla(zero, a.ravel(), b.ravel()).reshape(2, 2)
    exact = a.astype(int) @ b.astype(int)
    assert np.array_equal(right, exact)
    assert not np.array_equal(wrong, exact)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda b: gemv_sdot(b.astype(int), b[0]), "weights has dtype int64"),
        (lambda b: gemv_sdot(b, b[0, :-1]), r"x has shape \(7,\): expected \(8,\)"),
        (lambda b: gemv_sdot(b[0], b[0]), "expected two dimensions"),
        (lambda b: gemm_sdot(b, b, 5, 5), "35 registers; expected at most 32, or they spill"),
        (lambda b: gemm_sdot(b, b[:4]), "expected a's columns to be b's rows"),
        (lambda b: gemm_smmla(b, b, 2, 3), "vectors = 3: expected an even number"),
        (lambda b: gemm_smmla(b, b[:0]), "not empty"),
        (lambda b: instructions("gemm", 1, 1, 1), "did you mean gemm_"),
        (lambda b: instructions("gemm_sdot", 0, 1, 1), "m = 0"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call(np.ones((8, 8), np.int8))
