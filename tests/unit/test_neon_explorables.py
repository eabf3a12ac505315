"""What the instruction explorables show is what the instructions do."""

import numpy as np
import pytest

from edgelib.explore.book import neon as book
from edgelib.explore.book import neon_formats as formats
from edgelib.explore.book import neon_matrix as matrix
from edgelib.explore.scene import Bar, Cell


def texts(scene, y):
    return [m.text for m in scene.marks if isinstance(m, Cell) and round(m.y) == y]


def test_views_are_the_bytes():
    for contents in book.CONTENTS:
        for order in ("little-endian", "big-endian"):
            table = dict(book.register_views.scene(contents=contents, order=order).table)
            raw = bytes.fromhex(table["memory"])
            assert [int(v) for v in table["4s i32"].split(",")] == [
                int.from_bytes(raw[i : i + 4], "little", signed=True) for i in range(0, 16, 4)
            ]
            assert [int(v) % 256 for v in table["16b i8"].split(",")] == list(raw)
    assert dict(book.register_views.scene().table)["4s f32"] == "1, -2, 0.5, 100"
    assert "-2.61e36" in book.register_views.scene(contents="sixteen int8").readout


@pytest.mark.parametrize("columns", [4, 8, 12, 16])
def test_packed_gemv_is_exact_and_sixteen_times_shorter(columns):
    program = book.gemv_program(columns)
    total, _, trace = book.run_gemv(columns, True, len(program))
    np.testing.assert_array_equal(total, book.W[:, :columns].astype(int) @ book.X[:columns].astype(int))
    assert trace.counts["sdot"] * 16 == 4 * columns
    assert trace.loaded_B == 16 + 4 * columns and trace.stored_B == 16
    wrong = book.run_gemv(columns, False, len(program))[0]
    assert (wrong == total).all() == (columns == 4)


def test_editing_a_byte_moves_one_lane():
    before = book.sdot_lanes.scene(value=-128, byte=5).table[1:]
    after = book.sdot_lanes.scene(value=127, byte=5).table[1:]
    assert [a[-1] != b[-1] for a, b in zip(after, before, strict=True)] == [False, True, False, False]


def test_smmla_is_right_when_packed_and_wrong_when_not():
    def wrong(**state):
        return sum(row[1] != row[2] for row in matrix.smmla_packing.scene(**state).table[1:])

    for name in matrix.MATRICES:
        assert wrong(matrices=name, packed=True) == 0
    assert wrong(matrices="small numbers") == wrong(matrices="whole int8 range") == 4
    a, b = matrix.MATRICES["B all alike"]
    result = matrix.neon.smmla(np.zeros(4, np.int32), *(x.astype(np.int8).ravel() for x in (a, b)))
    np.testing.assert_array_equal(result, (a @ b).ravel())  # unpacked, and the test data does not see it


@pytest.mark.parametrize("kernel", matrix.KERNELS)
def test_every_tile_is_exact_and_loads_what_it_says(kernel):
    for rows in range(1, 5):
        for columns in range(1, 5):
            result, exact, trace = matrix.tile(kernel, rows, columns)
            np.testing.assert_array_equal(result, exact)
            loads = rows + columns * (4 if kernel == "SDOT, lanes" else 1)
            assert trace.loaded_B == 16 * loads
    bars = [m.y1 for m in matrix.smmla_loads.scene(rows=4, columns=4).marks if isinstance(m, Bar)]
    assert bars == [8 * 16 / 256, 20 * 16 / 1024, 8 * 16 / 512]


def test_look_up_shows_zero_or_the_old_byte():
    assert texts(matrix.tbl_steps.scene(), 0)[8:] == ["0"] * 8
    assert texts(matrix.tbl_steps.scene(instruction="tbx"), 0)[8:] == ["77"] * 8
    assert "77" not in texts(matrix.tbl_steps.scene(instruction="tbx", registers=4), 0)


@pytest.mark.parametrize(("name", "kind"), [("FP32", np.float32), ("FP16", np.float16)])
def test_limits_are_those_of_numpy(name, kind):
    assert formats.limits(name) == (np.finfo(kind).max, np.finfo(kind).smallest_normal)


def test_limits_of_bfloat16():
    assert formats.limits("BF16") == (formats.value_of("BF16", 0x7F7F), formats.value_of("BF16", 0x0080))


def test_bits_and_error():
    scene = formats.float_bits.scene(exponent=0, significand=1.1)
    rows = {row[0]: row for row in scene.table}
    assert rows["FP16"][1] == "0 01111 0001100110" and rows["BF16"][1] == "0 01111111 0001101"
    assert rows["BF16"][3] == "0.14 %"  # 1.1 becomes 1.1015625
    assert formats.value_of("FP16", formats.bits_of("FP16", 2**16)) == np.inf
    assert formats.value_of("FP16", formats.bits_of("FP16", 2.0**-26)) == 0
    flipped = dict(
        (row[0], row[2]) for row in formats.float_bits.scene(exponent=0, significand=1, flip=2).table
    )
    assert flipped["BF16"] == flipped["FP32"] == "infinity"


def test_half_sums_overflow_and_single_sums_do_not():
    half, single, weight = formats.sums()["all positive", 32]
    assert np.isinf(half[-1]) and weight[-1] > 65504 and np.isfinite(half[-2])
    assert single.max() < 1e-5
    half, single, _ = formats.sums()["mixed", 64]
    assert np.isfinite(half).all() and (half > 100 * single).all()


def test_half_sum_against_plain_numpy():
    """numpy's own float16 addition, one draw at a time: of the same size as FMLA, not equal to it."""
    rng = np.random.default_rng(0)
    ratios = []
    for _ in range(20):
        x, w = rng.random((2, 1024)).astype(np.float16)
        lanes = np.zeros(8, np.float16)
        for at in range(0, 1024, 8):
            lanes += x[at : at + 8] * w[at : at + 8]
        exact = float(x.astype(float) @ w.astype(float))
        ratios.append(abs(float(lanes.sum(dtype=np.float16)) - exact) / exact)
    index = formats.LENGTHS.index(1024)
    assert 0.1 < formats.sums()["all positive", 1][0][index] / np.median(ratios) < 10
