"""HVX kernels against numpy, their instruction counts against closed forms, and INT4 packing."""

import itertools

import numpy as np
import pytest

from edgelib.isa import Trace, hvx
from edgelib.kernels import hvx_kernels

U8, I8, I32 = np.uint8, np.int8, np.int32
RNG = np.random.default_rng(12)
SHAPES = [(1, 1, 1, 1, 1), (5, 70, 37, 4, 4), (5, 70, 37, 2, 3), (4, 128, 256, 4, 4), (9, 33, 130, 3, 2)]


@pytest.mark.parametrize("bits", [8, 4])
@pytest.mark.parametrize(("m", "n", "k", "rows", "vectors"), SHAPES)
def test_products_are_numpys_and_counts_are_closed_forms(m, n, k, rows, vectors, bits):
    limit = 2 ** (bits - 1)
    a = RNG.integers(-128, 128, (m, k)).astype(I8)
    b = RNG.integers(-limit, limit, (k, n)).astype(I8)
    with Trace() as trace:
        c = hvx_kernels.gemm(a, b, rows, vectors, bits)
    np.testing.assert_array_equal(c, a.astype(int) @ b.astype(int))
    assert trace.counts == hvx_kernels.instructions("gemm", m, n, k, rows, vectors, bits)
    for kernel, one in (("gemv", hvx_kernels.gemv), ("gemv_horizontal", hvx_kernels.gemv_horizontal)):
        with Trace() as trace:
            y = one(b.T, a[0])
        np.testing.assert_array_equal(y, c[0])
        assert trace.counts == hvx_kernels.instructions(kernel, 1, n, k)


def test_the_worst_sums_are_exact():
    """-128 x -128 as often as an int32 holds it: the offset form wraps on the way and comes back."""
    a = np.full((1, hvx_kernels.LONGEST), -128, I8)
    assert hvx_kernels.gemv_horizontal(a, a[0]).tolist() == [16384 * hvx_kernels.LONGEST]
    short = a[:, : 2**17 // 8]  # the loop over depth is in Python
    assert hvx_kernels.gemv(short, short[0]).tolist() == [16384 * 2**14]
    product = hvx.vrmpy(np.full(128, 255, U8), np.full(4, -128, I8), np.full(32, -(2**31), I32))
    assert product[0] == 2**31 - 4 * 255 * 128


def test_each_vrmpy_is_128_multiply_adds():
    """A product without padding needs M N K / 128 of them, beside K / 128 for the sum of each row of a."""
    m, n, k = 8, 256, 512
    assert hvx_kernels.instructions("gemm", m, n, k)["vrmpy"] == m * n * k // 128 + m * k // 128
    assert hvx_kernels.instructions("gemv_horizontal", 1, n, k)["vrmpy"] == n * k // 128


def test_four_bits_halve_the_bytes_of_weights():
    b = RNG.integers(-8, 8, (256, 128)).astype(I8)
    eight, four = (hvx_kernels.pack_weights(b, bits) for bits in (8, 4))
    assert eight.nbytes == b.size and four.nbytes == b.size // 2


@pytest.mark.parametrize("layout", hvx_kernels.LAYOUTS)
def test_int4_round_trip_of_every_pair(layout):
    """All 256 pairs of nibbles, in every place."""
    pairs = np.array(list(itertools.product(range(-8, 8), repeat=2)), I8)
    values = np.stack([np.roll(pairs, k, axis=0)[:128].T.ravel() for k in range(256)])
    packed = hvx_kernels.pack_int4(values, layout)
    assert packed.shape == (256, 128) and packed.dtype == U8
    with Trace() as trace:
        np.testing.assert_array_equal(hvx_kernels.unpack_int4(packed, layout), values)
    assert trace.counts["vshuff"] == (256 if layout == "neighbours" else 0)


def test_int4_bytes_are_where_the_layout_says():
    values = np.arange(256) % 16 - 8
    assert hvx_kernels.pack_int4(values, "neighbours")[:3].tolist() == [0x10, 0x32, 0x54]
    values = np.concatenate([np.full(128, -8), np.full(128, 7)])
    assert set(hvx_kernels.pack_int4(values).tolist()) == {0xF0}
