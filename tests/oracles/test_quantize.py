"""Quantisers against the gguf package, brute force, published optima, and the bound of half a step."""

import itertools

import gguf
import numpy as np
import pytest
from gguf import GGMLQuantizationType
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from edgelib.kernels import quantize
from edgelib.kernels.block_formats import BYTES
from edgelib.kernels.clipping import LAWS, measured_mse, noise, optimal_clip, sqnr_db, staircase, step
from edgelib.workloads import weight_format

FORMATS = list(BYTES)
RNG = np.random.default_rng(0)
EDGES = {
    "zeros": np.zeros(32),
    "one value": np.full(32, 0.3),
    "one negative value": np.full(32, -0.3),
    "one outlier": np.r_[np.zeros(31), 1e4],
    "plus and minus the same": np.tile([1.0, -1.0], 16),
    "minus and plus the same": np.tile([-1.0, 1.0], 16),
    "halves": np.arange(-16, 16) / 2,
    "a ramp": np.linspace(-1, 1, 32),
    "subnormal scale": np.linspace(-1, 1, 32) * 1e-6,
    "scale becomes 0": np.linspace(-1, 1, 32) * 1e-9,
    "largest float16": np.r_[65504.0, np.zeros(31)],
    "far from zero": 1000 + np.linspace(0, 1, 32),
}


def reference(name):
    return GGMLQuantizationType[name.upper()]


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("scale", [1e-6, 1e-3, 1.0, 300.0])
def test_bytes_of_random_weights_are_those_of_gguf(name, scale):
    w = (RNG.standard_normal((5, 3, 256)) * scale).astype(np.float32)
    packed = getattr(quantize, name)(w)
    expected = gguf.quantize(w, reference(name))
    assert packed.dtype == np.uint8 and packed.shape == expected.shape
    assert (packed == expected).all()
    assert (quantize.dequantize(packed, name) == gguf.dequantize(expected, reference(name))).all()


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("case", EDGES)
def test_bytes_of_edge_blocks_are_those_of_gguf(name, case):
    w = EDGES[case].astype(np.float32)[None]
    expected = gguf.quantize(w, reference(name))
    assert (getattr(quantize, name)(w) == expected).all()
    assert (quantize.dequantize(expected, name) == gguf.dequantize(expected, reference(name))).all()


@pytest.mark.parametrize("name", FORMATS)
@settings(max_examples=60, deadline=None)
@given(w=arrays.arrays(np.float32, (2, 64), elements=st.floats(-1000, 1000, width=32)))
def test_bytes_of_any_weights_are_those_of_gguf(name, w):
    w[np.abs(w) < 1e-30] = 0  # there 1 / scale overflows in gguf, which then casts NaN
    assert (getattr(quantize, name)(w) == gguf.quantize(w, reference(name))).all()


@pytest.mark.parametrize("name", FORMATS)
def test_any_bytes_unpack_as_in_gguf(name):
    raw = RNG.integers(0, 256, (7, 4 * BYTES[name]), dtype=np.uint8)
    raw.reshape(-1, BYTES[name])[:, [1, 3]] &= 0x3B  # exponents below infinity
    assert (quantize.dequantize(raw, name) == gguf.dequantize(raw, reference(name))).all()


@pytest.mark.parametrize("name", FORMATS)
def test_bytes_per_weight_are_the_catalogue_s(name):
    assert quantize.__dict__[name](np.ones(320)).size * 8 / 320 == weight_format(name).bits


@pytest.mark.parametrize("name", FORMATS)
def test_weights_too_small_for_a_scale_become_zero(name):
    assert (quantize.dequantize(getattr(quantize, name)(np.full(32, 1e-42)), name) == 0).all()


def test_q4_0_clips_where_both_signs_are_equal():
    """Half a step is no bound for q4_0: the code of the other sign would be 16."""
    w = np.tile([8.0, -8.0], 16)
    error = abs(quantize.dequantize(quantize.q4_0(w), "q4_0") - w)
    assert error.max() == 1.0  # the step is 8 / 8 = 1
    assert abs(quantize.dequantize(quantize.q8_0(w), "q8_0") - w).max() < 8 / 127 / 2


WEIGHTS = arrays.arrays(
    float,
    st.tuples(st.integers(1, 3), st.sampled_from([4, 8, 12])),
    elements=st.floats(-100, 100).filter(lambda v: v == 0 or abs(v) > 1e-6),
)
GROUPS = st.sampled_from([None, "tensor", 1, 2, 4])


@settings(max_examples=150, deadline=None)
@given(WEIGHTS, st.integers(2, 8), GROUPS, st.booleans())
def test_rtn_takes_the_nearest_value_and_stays_within_half_a_step(w, bits, group, symmetric):
    values, scales, zeros, codes = quantize.rtn(w, bits, group, symmetric)
    first = -(2 ** (bits - 1)) + 1 if symmetric else 0
    last = 2 ** (bits - 1) - 1 if symmetric else 2**bits - 1
    assert first <= codes.min() and codes.max() <= last
    size = w.shape[1] if group in (None, "tensor") else group
    for row, block in itertools.product(range(len(w)), range(w.shape[1] // size)):
        part = slice(block * size, (block + 1) * size)
        at = (0, 0) if group == "tensor" else (row, block)
        grid = scales[at] * (np.arange(2**bits - symmetric) + first - zeros[at])
        nearest = abs(w[row, part, None] - grid).min(axis=-1)
        error = abs(w[row, part] - values[row, part])
        assert error == pytest.approx(nearest, abs=1e-9)
        assert (error <= scales[at] / 2 * (1 + 1e-9)).all()
        assert values[row, part] == pytest.approx(scales[at] * (codes[row, part] - zeros[at]))


@pytest.mark.parametrize("symmetric", [True, False])
def test_rtn_by_hand(symmetric):
    values, scales, zeros, codes = quantize.rtn([[-1.0, 0.4, 2.0, 3.0]], 3, symmetric=symmetric)
    if symmetric:  # codes -3..3, step 1
        assert scales.tolist() == [[1.0]] and zeros.tolist() == [[0]]
        assert codes.tolist() == [[-1, 0, 2, 3]]
    else:  # codes 0..7, step 4/7, zero round(1.75) = 2
        assert scales == pytest.approx(np.array([[4 / 7]])) and zeros.tolist() == [[2]]
        assert codes.tolist() == [[0, 3, 6, 7]]
        assert values == pytest.approx(np.array([[-2, 1, 4, 5]]) * 4 / 7)


def test_rtn_shapes_with_leading_dimensions():
    w = RNG.standard_normal((2, 3, 5, 8))
    for group, shape in {None: (2, 3, 5, 1), "tensor": (2, 3, 1, 1), 4: (2, 3, 5, 2)}.items():
        q = quantize.rtn(w, 4, group)
        assert q.values.shape == q.codes.shape == w.shape and q.scales.shape == q.zeros.shape == shape
        assert (q.values[1, 2] == quantize.rtn(w[1, 2], 4, group).values).all()
    assert quantize.rtn(w[0, 0, 0], 4).scales.shape == (1,)
    assert quantize.rtn(np.zeros((2, 4)), 4).values.tolist() == np.zeros((2, 4)).tolist()


@pytest.mark.parametrize("symmetric", [True, False])
def test_smaller_groups_and_more_bits_lose_less(symmetric):
    w = RNG.standard_normal((64, 256))
    loss = [((quantize.rtn(w, 4, g, symmetric).values - w) ** 2).mean() for g in ("tensor", None, 64, 16)]
    assert loss == sorted(loss, reverse=True)
    loss = [((quantize.rtn(w, b, 32, symmetric).values - w) ** 2).mean() for b in range(2, 9)]
    assert loss == sorted(loss, reverse=True)


# --- clipping --------------------------------------------------------------------------------------

# Banner and others 2019, as tabulated in the authors' code (two decimals, partly cut off, not rounded).
ACIQ = {
    ("laplace", 2): 2.83, ("laplace", 3): 3.89, ("laplace", 4): 5.03, ("laplace", 8): 9.89,
    ("gaussian", 2): 1.71, ("gaussian", 3): 2.15, ("gaussian", 4): 2.55, ("gaussian", 8): 3.92,
}  # fmt: skip


@pytest.mark.parametrize(("law", "bits"), ACIQ)
def test_optimal_clips_are_the_published_ones(law, bits):
    b = 2**-0.5 if law == "laplace" else 1.0  # ACIQ counts in b, the law has variance 1
    assert optimal_clip(bits, law) / b == pytest.approx(ACIQ[law, bits], abs=0.01)


@pytest.mark.parametrize("bits", [2, 3, 4, 6])
@pytest.mark.parametrize("law", LAWS)
def test_optimal_clip_is_a_minimum(bits, law):
    best = optimal_clip(bits, law)
    grid = np.linspace(0.05, 12, 5000)
    assert best == pytest.approx(grid[np.argmin(sum(noise(grid, bits, law)))], abs=0.003)


# Max, "Quantizing for minimum distortion", 1960, table II: equally spaced outputs, Gaussian of variance 1.
MAX_1960 = {1: (1.596, 0.3634), 2: (0.9957, 0.1188), 3: (0.5860, 0.03744), 4: (0.3352, 0.01154)}


@pytest.mark.parametrize("bits", MAX_1960)
def test_the_staircase_loses_what_max_published(bits):
    width, mse = MAX_1960[bits]
    best = width * 2**bits / 2
    assert measured_mse(best, bits, "gaussian") == pytest.approx(mse, rel=2e-3)
    around = measured_mse(best * np.array([0.97, 1.03]), bits, "gaussian")
    assert (around > measured_mse(best, bits, "gaussian")).all()


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("clip", [0.3, 1.0, 1.7, 2.5, 6.0])
def test_laws_have_variance_one_and_the_clipped_integral(law, clip):
    x = (np.arange(4_000_000) + 0.5) * (40 / 4_000_000)
    mass = LAWS[law].density(x) * (40 / 4_000_000)
    assert 2 * mass.sum() == pytest.approx(1, abs=1e-5)
    assert 2 * (mass * x**2).sum() == pytest.approx(1, abs=1e-5)
    over = np.maximum(x - clip, 0)
    assert noise(clip, 4, law)[1] == pytest.approx(2 * (mass * over**2).sum(), abs=1e-6)


def test_uniform_weights_lose_step_squared_over_twelve():
    for bits in range(1, 9):
        assert measured_mse(3**0.5, bits, "uniform") == pytest.approx(4.0**-bits, rel=0.01)
    assert sqnr_db(4.0**-8) == pytest.approx(8 * 6.0206, abs=1e-3)  # 6.02 dB a bit


@given(st.floats(-10, 10), st.integers(1, 8), st.floats(0.1, 8))
@example(0.025, 3, 0.1)  # the edge between two cells
def test_staircase_is_within_half_a_step_inside_and_at_the_edge_outside(x, bits, clip):
    delta, value = step(bits, clip), float(staircase(x, bits, clip))
    assert delta * 2**bits == pytest.approx(2 * clip)
    if abs(x) <= clip:
        assert abs(x - value) <= delta / 2 * (1 + 1e-9)
    else:
        assert abs(value) == pytest.approx(clip - delta / 2)
    assert float(staircase(-x, bits, clip)) == pytest.approx(-value, abs=delta * (1 + 1e-9))


@pytest.mark.parametrize("law", ["gaussian", "laplace"])
def test_simulation_agrees_with_the_integral(law):
    rng = np.random.default_rng(3)
    x = rng.standard_normal(400_000) if law == "gaussian" else rng.laplace(scale=0.5**0.5, size=400_000)
    for bits, clip in ((3, 2.0), (4, 3.5), (5, 1.0)):
        error = ((x - staircase(x, bits, clip)) ** 2).mean()
        assert error == pytest.approx(float(measured_mse(clip, bits, law)), rel=0.02)
