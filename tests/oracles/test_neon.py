"""The NEON model against vectors recorded from QEMU, bit for bit, and against exact rational arithmetic."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgelib.isa import Trace, floats, neon

GOLDEN = np.load(Path(__file__).parents[1] / "golden" / "neon.npz")
I8, I16, I32, U8, U16, U32, U64 = "i1", "i2", "i4", "u1", "u2", "u4", "u8"
F16, F32 = "f2", "f4"


def operands(op, d, n, m, n_bytes=16):
    """The recorded operands, typed as the instruction reads them, and the bytes of the recorded result."""
    recorded = GOLDEN[f"{op}__in"]
    parts = recorded[:, :16], recorded[:, 16 : 16 + n_bytes], recorded[:, 80:96]
    typed = [
        np.ascontiguousarray(part).view(kind) for part, kind in zip(parts, (d, n, m), strict=True) if kind
    ]
    return typed, GOLDEN[f"{op}__out"]


def lane_1(d, n, m):
    return neon.sdot_lane(d, n, m, 1)


INSTRUCTIONS = {
    "sdot": (neon.sdot, I32, I8, I8),
    "sdot_lane1": (lane_1, I32, I8, I8),
    "udot": (neon.udot, U32, U8, U8),
    "usdot": (neon.usdot, I32, U8, I8),
    "smmla": (neon.smmla, I32, I8, I8),
    "ummla": (neon.ummla, U32, U8, U8),
    "usmmla": (neon.usmmla, I32, U8, I8),
    "mla_4s": (neon.mla, I32, I32, I32),
    "sqrdmulh_4s": (neon.sqrdmulh, None, I32, I32),
    "sqxtn_8b": (neon.sqxtn, None, I16, None),
    "fmla_8h": (neon.fmla, F16, F16, F16),
    "fmla_4s": (neon.fmla, F32, F32, F32),
    "fmlal": (neon.fmlal, F32, F16, F16),
    "fmlal2": (neon.fmlal2, F32, F16, F16),
    "bfdot": (neon.bfdot, F32, U16, U16),
    "bfmmla": (neon.bfmmla, F32, U16, U16),
    "bfcvtn": (neon.bfcvtn, None, F32, None),
}


@pytest.mark.parametrize("op", INSTRUCTIONS)
def test_recorded_bits(op):
    function, *types = INSTRUCTIONS[op]
    typed, expected = operands(op, *types)
    result = np.ascontiguousarray(function(*typed)).view(U8)
    np.testing.assert_array_equal(result, expected[:, : result.shape[1]])
    assert not expected[:, result.shape[1] :].any()  # the narrowing ones clear the upper half


@pytest.mark.parametrize("op", ["tbl1", "tbl2", "tbl3", "tbl4", "tbx1", "tbx2"])
def test_recorded_look_ups(op):
    (d, table, index), expected = operands(op, U8, U8, U8, n_bytes=16 * int(op[-1]))
    result = neon.tbl(table, index) if op.startswith("tbl") else neon.tbx(d, table, index)
    np.testing.assert_array_equal(result, expected)
    assert (index >= table.shape[-1]).any() and (index < table.shape[-1]).any()


@pytest.mark.parametrize("op", ["ldadd", "swpal", "cas"])
def test_recorded_atomics(op):
    (d, n, m), out = operands(op, U64, U64, U64)
    cell, first, second = d[:, 0], n[:, 0], m[:, 0]
    after, old = {
        "ldadd": lambda: neon.ldadd(cell, first),
        "swpal": lambda: neon.swp(cell, first),
        "cas": lambda: neon.cas(cell, first, second),
    }[op]()
    np.testing.assert_array_equal(after, out.view(U64)[:, 0])
    np.testing.assert_array_equal(old, out.view(U64)[:, 1])


def test_every_recorded_instruction_is_tested():
    tested = {*INSTRUCTIONS, "tbl1", "tbl2", "tbl3", "tbl4", "tbx1", "tbx2", "ldadd", "swpal", "cas"}
    assert {name.removesuffix("__in") for name in GOLDEN if name.endswith("__in")} == tested


def nearest_even(exact: Fraction, result: np.floating) -> bool:
    """Is `result` the value of its type that lies nearest to `exact`, the even one of two? By definition."""
    kind = type(result)
    largest = Fraction(float(np.finfo(kind).max))
    ulp = largest - Fraction(float(np.nextafter(np.finfo(kind).max, kind(0))))
    if np.isinf(result):
        return abs(exact) >= largest + ulp / 2 and (exact > 0) == (result > 0)
    distance = abs(Fraction(float(result)) - exact)
    neighbours = [np.nextafter(result, kind(np.inf)), np.nextafter(result, kind(-np.inf))]
    others = [
        abs(Fraction(float(x)) - exact) if np.isfinite(x) else abs(exact - largest - ulp) for x in neighbours
    ]
    even = int(result.view(U16 if kind is np.float16 else U32)) % 2 == 0
    return distance < min(others) or (distance == min(others) and even)


def words(bits):
    """Bit patterns, crowded where rounding goes wrong: few significant bits, exponents near each other."""
    exponent, fraction = {16: (5, 10), 32: (8, 23)}[bits]
    sparse = st.builds(lambda a, b: (1 << a) | (b & 3), st.integers(0, fraction), st.integers(0, 3))
    fractions = st.integers(0, 2**fraction - 1) | sparse.map(lambda f: f & (2**fraction - 1))
    middle = 2 ** (exponent - 1)
    exponents = st.integers(0, 2**exponent - 2) | st.integers(middle - 3, middle + 3) | st.integers(0, 2)
    return st.builds(
        lambda s, e, f: s << (bits - 1) | e << fraction | f, st.integers(0, 1), exponents, fractions
    )


@pytest.mark.parametrize(
    ("bits", "kind", "fma"), [(16, np.float16, floats.fma16), (32, np.float32, floats.fma32)]
)
def test_fused_multiply_add_is_the_nearest_value(bits, kind, fma):
    word = np.uint16 if bits == 16 else np.uint32

    @given(words(bits), words(bits), words(bits))
    def check(a, b, c):
        x, y, z = (np.array([w], word).view(kind) for w in (a, b, c))
        exact = Fraction(float(x[0])) * Fraction(float(y[0])) + Fraction(float(z[0]))
        assert nearest_even(exact, fma(x, y, z)[0])

    check()


@given(words(32), words(32))
def test_round_to_odd_marks_what_was_cut(a, b):
    """Exact stays; inexact lies just below in magnitude or is the odd neighbour, never the even one."""
    x, y = (np.array([w], np.uint32).view(np.float32).astype(np.float64) for w in (a, b))
    exact = Fraction(float(x[0])) + Fraction(float(y[0]))
    odd = floats.odd_sum(x, y)[0]
    if Fraction(float(odd)) != exact:
        assert int(odd.view(np.uint64)) % 2 == 1
        low, high = np.nextafter(odd, -np.inf), np.nextafter(odd, np.inf)
        assert Fraction(float(low)) < exact < Fraction(float(high))


def test_bfloat16_halfway_cases_go_to_even():
    x = np.array(
        [0x3F808000, 0x3F818000, 0x3F808001, 0x7F7FFFFF, 0x7F800001, 0x00008000, 0x80018000], np.uint32
    )
    expected = [0x3F80, 0x3F82, 0x3F81, 0x7F80, 0x7FC0, 0x0000, 0x8002]
    assert floats.f32_to_bf16(x.view(np.float32)).tolist() == expected


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # random bits overflow, in both emulations
def test_recorded_vectors_refuse_the_usual_emulations():
    """Plain float32 for BFDOT and a * b + c for FMLA: the share of lanes in which the hardware disagrees."""
    (d, n, m), out = operands("bfdot", F32, U16, U16)
    n, m = floats.bf16_to_f32(n), floats.bf16_to_f32(m)
    plain = d + (n[:, ::2] * m[:, ::2] + n[:, 1::2] * m[:, 1::2])
    number = ~np.isnan(out.view(F32))
    assert (plain.view(U32) != out.view(U32))[number].mean() > 0.5
    (d, n, m), out = operands("fmla_8h", F16, F16, F16)
    number = ~np.isnan(out.view(F16))
    assert 0.05 < ((n * m + d).view(U16) != out.view(U16))[number].mean() < 0.1


def test_sum_of_integer_dots_is_the_matrix_product():
    rng = np.random.default_rng(2)
    w, x = rng.integers(-128, 128, (4, 64), np.int8), rng.integers(-128, 128, 64, np.int8)
    total = np.zeros(4, np.int32)
    with Trace() as trace:
        for k in range(0, 64, 4):
            block = np.ascontiguousarray(w[:, k : k + 4]).reshape(16)
            total = neon.sdot_lane(total, block, np.tile(x[k : k + 4], 4), 0)
    np.testing.assert_array_equal(total, w.astype(int) @ x.astype(int))
    assert trace.counts == {"sdot": 16}


def test_smmla_multiplies_matrices():
    rng = np.random.default_rng(3)
    n, m = rng.integers(-128, 128, (2, 5, 16), np.int8)
    a, b = (x.astype(int).reshape(5, 2, 8) for x in (n, m))
    result = neon.smmla(np.zeros((5, 4), np.int32), n, m)
    np.testing.assert_array_equal(result.reshape(5, 2, 2), a @ b.swapaxes(1, 2))


def test_sums_wrap():
    top = np.full(4, 2**31 - 1, np.int32)
    one = np.eye(1, 16, dtype=np.int8)[0]
    assert neon.sdot(top, one, one).tolist() == [-(2**31), *top[1:]]
    assert neon.addv(top).item() == -4
    assert neon.smmla(top, one, one)[0] == -(2**31)


def test_a_million_registers_count_as_a_million_instructions():
    n = np.ones((1_000_000, 16), np.int8)
    with Trace() as trace:
        result = neon.sdot(np.zeros((1_000_000, 4), np.int32), n, n)
    assert (result == 4).all() and trace.counts == {"sdot": 1_000_000}


def test_loads_and_stores_count_their_bytes():
    memory = np.arange(256, dtype=np.uint8)
    with Trace() as trace:
        table = neon.ld1(memory, registers=4)
        rows = neon.ld1(memory, at=np.array([16, 240]))
        neon.st1(memory, rows, at=np.array([0, 32]))
    assert table.shape == (4, 16) and table.ravel().tolist() == list(range(64))
    assert memory[:16].tolist() == list(range(16, 32)) and memory[32:48].tolist() == list(range(240, 256))
    assert (trace.loaded_B, trace.stored_B) == (64 + 2 * 16, 2 * 16)
    assert trace.counts == {"ld1": 3, "st1": 2}


def test_horizontal_and_scalar_adds():
    n, m = np.float32([[1, 2, 3, 4], [1e8, 1, -1e8, 1]])
    assert neon.faddp(n, m).tolist() == [3, 7, np.float32(1e8 + 1), np.float32(-1e8 + 1)]
    assert neon.fadd_h(np.float16(2048), np.float16(1)) == 2048  # halfway, to even
    assert np.isinf(neon.fadd_h(np.float16(65504), np.float16(16)))
    assert neon.dup(-3, np.int8).tolist() == [-3] * 16 and neon.dup([1, 2], np.float32).shape == (2, 4)
