"""What the scalable instructions refuse, and that their messages say what is accepted."""

import numpy as np
import pytest

from edgelib.isa import Trace, sme, sve

F = np.ones(4, np.float32)
ON = np.ones(4, bool)
B = np.ones(16, np.int8)
ZA = np.zeros((4, 4), np.int32)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: sve.whilelt(0, 5, 24), "vl_bytes = 24: expected a multiple of 16 from 16 to 256"),
        (lambda: sve.whilelt(0, 5, 272), "vl_bytes = 272"),
        (lambda: sve.whilelt(0, 5, "16"), "vl_bytes = '16'"),
        (lambda: sve.whilelt(0, 5, 16, 3), "itemsize = 3: expected 1, 2, 4 or 8 bytes"),
        (lambda: sve.whilelt(0.5, 5, 16), "start = 0.5: expected whole numbers"),
        (lambda: sve.whilelt(0, 2**64 - 1, 16), "stop = .*signed"),
        (lambda: sve.whilelt([0, 1], [1, 2, 3], 16), "expected batches"),
        (lambda: sve.sdot_loop(B.astype(int), B, 16), "a has dtype int64"),
        (lambda: sve.sdot_loop(B, B[:-1], 16), "a has 16 elements and b 15"),
        (lambda: sve.sdot_loop(np.int8(1), B, 16), r"a has dtype int8 and shape \(\)"),
        (
            lambda: sve.sdot_loop(np.ones((2, 4), np.int8), np.ones((3, 4), np.int8), 16),
            "batches that broadcast",
        ),
        (lambda: sve.ld1b(B, 4, np.ones(16, bool)), "an active lane reads outside memory"),
        (lambda: sve.ld1b(F, 0, ON), "memory has dtype float32"),
        (lambda: sve.ld1b(B, 0, [1, 0]), "pg has dtype int64"),
        (lambda: sve.sdot(np.zeros(8, np.int32), B, B), "d, n, m have 8, 16, 16 lanes"),
        (lambda: sve.fadda(ON, np.float32(0), F.astype(float)), "zm has dtype float64: expected float32"),
        (lambda: sve.fadda(ON, "0", F), "initial = '0'"),
        (lambda: sve.faddv(ON[:2], F), r"pg has dtype bool and shape \(2,\): expected bool\[..., 4\]"),
        (lambda: sve.faddv(F, F), "pg has dtype float32"),
        (lambda: sve.faddv(np.ones((2, 4), bool), np.ones((3, 4), np.float32)), "expected batches"),
        (lambda: sve.compact(ON, np.ones(4, np.int16)), "zn has dtype int16: expected int32 or"),
        (lambda: sve.compact(np.ones(3, bool), np.ones(3, np.int32)), "12 bytes a vector: expected 16, 32"),
        (lambda: sve.tbl(F, np.zeros(4, np.uint16)), "zm has dtype uint16: expected uint32 or int32"),
        (lambda: sve.tbl(F, np.zeros(8, np.uint32)), "zm has 8 lanes: expected the 4 of zn"),
        (lambda: sve.sqrdmlah(ZA[0], ZA[0], np.zeros(8, np.int32)), "da, n, m have 4, 4, 8 lanes"),
        (lambda: sme.smopa(ZA, B > 0, B > 0, B, B.view(np.uint8)), "m has dtype uint8: expected int8"),
        (lambda: sme.usmopa(ZA, B > 0, B > 0, B, B), "n has dtype int8: expected uint8"),
        (lambda: sme.smopa(ZA.astype(float), B > 0, B > 0, B, B), r"za has dtype float64 .*\[..., 4, 4\]"),
        (lambda: sme.smopa(ZA[:3], B > 0, B > 0, B, B), r"za has dtype int32 and shape \(3, 4\)"),
        (lambda: sme.smopa(ZA, ON, B > 0, B, B), "pn has dtype bool and shape"),
        (lambda: sme.fmopa(ZA, ON, ON, F, np.ones(8, np.float32)), "n has 4 elements and m 8"),
        (lambda: sme.bfmopa(ZA, ON, ON, F, F), "n has dtype float32: expected uint16"),
        (lambda: sme.macs(24, 1), "vl_bytes = 24"),
        (lambda: sme.macs(16, 3), "element_bytes = 3: expected 1, 2 or 4"),
    ],
)
def test_refused_with_a_reason(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_a_batch_is_so_many_instructions():
    with Trace() as trace:
        sve.faddv(np.ones((3, 5, 4), bool), F)
        out = sme.smopa(np.zeros((7, 4, 4), np.uint32), B > 0, B > 0, B, B)
    assert trace.counts == {"faddv": 15, "smopa": 7}
    assert out.shape == (7, 4, 4) and out.dtype == np.uint32


def test_arguments_are_left_alone():
    tile = np.zeros((4, 4), np.float32)
    sme.fmopa(tile, ON, ON, F, F)
    assert not tile.any()
    sve.compact(~ON, F)
    assert F.all()
