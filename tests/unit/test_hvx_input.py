"""What HVX functions and kernels say to arguments that are no registers, no such form, or out of range."""

import numpy as np
import pytest

from edgelib.isa import hvx
from edgelib.kernels import hvx_kernels

U8, I8, I16, U16, I32, U32 = np.uint8, np.int8, np.int16, np.uint16, np.int32, np.uint32
UB, B, H, W = np.zeros(128, U8), np.zeros(128, I8), np.zeros(64, I16), np.zeros(32, I32)
R, Q = np.zeros(4, I8), np.zeros(128, bool)
MEMORY = np.zeros(256, U8)

REFUSED = [
    (lambda: hvx.vrmpy([1] * 128, B), r"u = \[1, 1.*: expected an array uint8\[\.\.\., 128\] or int8"),
    (lambda: hvx.vrmpy(H, B), r"u is int16 with shape \[64\]: expected uint8"),
    (lambda: hvx.vrmpy(UB[:64], B), r"u is uint8 with shape \[64\]"),
    (lambda: hvx.vrmpy(UB, np.zeros(5, I8)), r"v is int8 with shape \[5\]"),
    (lambda: hvx.vrmpy(B, R), r"vrmpy\(v\.b, r\.b\) does not exist: expected vrmpy\(v\.ub, r\.b\)"),
    (lambda: hvx.vrmpy(B, UB), r"vrmpy\(v\.b, v\.ub\) does not exist"),
    (lambda: hvx.vrmpy(UB, B, W.astype(U32)), r"acc is uint32 .* expected int32\[\.\.\., 32\]"),
    (lambda: hvx.vrmpy(UB, B, np.zeros((3, 32), I32)[:, :31]), r"acc is int32 with shape \[3, 31\]"),
    (lambda: hvx.vrmpy(np.zeros((2, 128), U8), np.zeros((3, 128), I8)), r"broadcast"),
    (lambda: hvx.vdmpy(B, R), r"u is int8"),
    (lambda: hvx.vdmpy(UB, R.astype(I32)), r"r is int32"),
    (lambda: hvx.vdmpy_sat(H, R), r"r is int8 with shape \[4\]: expected int16\[\.\.\., 2\]"),
    (lambda: hvx.vmpy(B, R), r"vmpy\(v\.b, r\.b\) does not exist"),
    (lambda: hvx.vmpy(H, UB), r"vmpy\(v\.h, v\.ub\) does not exist"),
    (lambda: hvx.vadd(UB, B), r"v is int8 .* expected uint8"),
    (lambda: hvx.vadd(np.zeros(16, np.int64), np.zeros(16, np.int64)), r"u is int64 .* expected uint8"),
    (lambda: hvx.vadd(np.zeros(32, np.float32), W), r"u is float32"),
    (lambda: hvx.vsat(B, B), r"u is int8 .* expected int16\[\.\.\., 64\] or uint32"),
    (lambda: hvx.vpack(W, W, U8), r"dtype = uint8: expected uint16 or int16, half as wide as int32"),
    (lambda: hvx.vsplat(1, np.int64), r"dtype is int64"),
    (lambda: hvx.vsplat(1.5, I8), r"value = 1\.5: expected an integer"),
    (lambda: hvx.vlsr(H, 1), r"u is int16"),
    (lambda: hvx.vror(UB, 1.0), r"r = 1\.0: expected an integer"),
    (lambda: hvx.vror(UB, True), r"r = True: expected an integer"),
    (lambda: hvx.vdelta(UB, B), r"c is int8"),
    (lambda: hvx.network(UB, UB, "vbenes"), r"mnemonic = 'vbenes' is unknown"),
    (lambda: hvx.route(np.arange(127)), r"source: expected 128 whole numbers"),
    (lambda: hvx.route(np.full(128, 128)), r"source: expected 128 whole numbers from 0 to 127"),
    (lambda: hvx.route_twice(np.zeros(128, int)), r"source: expected the numbers 0 to 127 in some order"),
    (lambda: hvx.vshuff(UB, B, 1), r"v is int8"),
    (lambda: hvx.vlut32(H, UB, 0), r"index is int16"),
    (lambda: hvx.vcmp_gt(H, W), r"v is int32 .* expected int16"),
    (lambda: hvx.vmux(UB, UB, UB), r"q is uint8 \[128\]: expected bool\[\.\.\., 128\], one for each byte"),
    (lambda: hvx.prefixsum(Q[:64]), r"q is bool \[64\]"),
    (lambda: hvx.vmem(MEMORY, 256), r"address = 256: bytes 256 to 383 are touched, expected 0 to 255"),
    (lambda: hvx.vmem(MEMORY, -1), r"address = -1: bytes -128 to -1"),
    (lambda: hvx.vmemu(MEMORY, 129), r"address = 129: bytes 129 to 256"),
    (lambda: hvx.vmem(MEMORY.reshape(2, 128)), r"memory: expected a one-dimensional array"),
    (lambda: hvx.vmem_store(MEMORY, 0, W), r"value is int32 \[32\]: expected uint8"),
    (lambda: hvx.vmem_store(np.zeros(512, U8)[::2], 0, UB), r"memory: expected a contiguous array"),
    (lambda: hvx.vgather(MEMORY, W, memory="ddr"), r"gather source must be in VTCM, but memory = 'ddr'"),
    (lambda: hvx.vscatter(MEMORY, W, W, memory="ddr"), r"scatter target must be in VTCM"),
    (lambda: hvx.vgather(MEMORY, W, memory="l2"), r"memory = 'l2' is unknown"),
    (lambda: hvx.vgather(MEMORY[:6], W), r"table has 6 bytes: expected a multiple of 4"),
    (lambda: hvx.vgather(W, W), r"table: expected uint8\[m\]"),
    (lambda: hvx.vscatter(MEMORY, np.zeros((2, 32), I32), W), r"offsets, values: expected one register each"),
    (lambda: hvx_kernels.gemm(np.zeros((2, 3), I8), np.zeros((2, 3), I8)), r"a's columns to be b's rows"),
    (lambda: hvx_kernels.gemm(np.zeros((2, 3)), np.zeros((3, 2), I8)), r"a has dtype float64"),
    (lambda: hvx_kernels.gemm(np.zeros((0, 3), I8), np.zeros((3, 2), I8)), r"not empty"),
    (
        lambda: hvx_kernels.gemm(np.zeros((1, 3), I8), np.zeros((3, 2), I8), 6, 5),
        r"rows = 6, vectors = 5: 37 registers; expected at most 32",
    ),
    (lambda: hvx_kernels.gemv(np.zeros((2, 3), I8), np.zeros(2, I8)), r"x has shape \(2,\): expected \(3,\)"),
    (
        lambda: hvx_kernels.gemv(np.full((2, 3), 9, I8), np.zeros(3, I8), bits=4),
        r"b holds 9 to 9: expected -8",
    ),
    (lambda: hvx_kernels.gemv(np.zeros((2, 3), I8), np.zeros(3, I8), bits=2), r"bits = 2: expected 8 or 4"),
    (
        lambda: hvx_kernels.gemv_horizontal(np.zeros((1, 131_072), I8), np.zeros(131_072, I8)),
        r"at most 131071",
    ),
    (lambda: hvx_kernels.pack_int4(np.full(256, 8)), r"values: expected whole numbers from -8 to 7"),
    (lambda: hvx_kernels.pack_int4(np.zeros(256, int), "pairs"), r"layout = 'pairs' is unknown"),
    (lambda: hvx_kernels.instructions("gemw", 1, 1, 1), r"kernel = 'gemw' is unknown"),
]


@pytest.mark.parametrize(("call", "message"), REFUSED)
def test_refused_with_a_sentence(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_operands_are_never_written():
    u, v = np.arange(128, dtype=U8), np.arange(128, dtype=U8)[::-1].copy()
    before = u.copy(), v.copy()
    hvx.vshuff(u, v, 85)
    hvx.vdelta(u, v)
    hvx.vrmpy(u, v)
    hvx.vscatter(u, W, W)
    np.testing.assert_array_equal((u, v), before)


def test_views_that_are_not_contiguous_work():
    wide = np.arange(256, dtype=U8)
    np.testing.assert_array_equal(hvx.vror(wide[::2], 1), np.roll(wide[::2], -1))
