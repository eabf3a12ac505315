"""SVE and SME against QEMU: golden answers of QEMU 10, and programs run now under the QEMU that is here.

QEMU 7.2 gets SME's integer outer products wrong, so those are compared with the golden file and with sums in
Python's integers. Its floating-point outer products agree with QEMU 10 and are run with NaNs and subnormals.
"""

import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgelib.isa import Trace, sme, sve

GOLDEN = np.load(Path(__file__).parents[1] / "golden" / "sve_sme.npz")
TYPES = {
    "smopa": (sme.smopa, "i1", "i1"),
    "usmopa": (sme.usmopa, "u1", "i1"),
    "fmopa32": (sme.fmopa, "f4", "f4"),
    "fmopa16": (sme.fmopa_f16, "f2", "f2"),
    "bfmopa": (sme.bfmopa, "u2", "u2"),
}
SPECIAL = np.array(
    [
        0,
        1 << 31,
        0x7F800000,
        0xFF800000,
        0x7FC12345,
        0x7F812345,
        0xFFA00001,
        1,
        0x80012345,
        0x00800000,
        0x7F7FFFFF,
    ],
    np.uint32,
)  # zeros, infinities, quiet and signalling NaNs, subnormals, the smallest and the largest normal


@pytest.mark.parametrize("vl", [16, 32])
@pytest.mark.parametrize("name", TYPES)
def test_outer_products_are_the_golden_tiles(name, vl):
    function, n_kind, m_kind = TYPES[name]
    pred, n, m, za = (GOLDEN[f"{name}_{vl}_{part}"] for part in ("pred", "a", "b", "za"))
    n, m = n.view(n_kind), m.view(m_kind)
    pn, pm = (sve.whilelt(0, pred[:, i] // n.itemsize, vl, n.itemsize) for i in (0, 1))
    tile = np.zeros((200, vl // 4, vl // 4), np.uint32)
    for _ in range(2):
        tile = function(tile, pn, pm, n, m)
    assert np.array_equal(tile, za.view(np.uint32))


@pytest.mark.parametrize("vl", [16, 32, 64])
def test_misc_is_golden(vl):
    active, a, b, out = (GOLDEN[f"misc_{vl}_{part}"] for part in ("n", "a", "b", "out"))
    pg = sve.whilelt(0, active, vl, 4)
    a, b = (np.where(pg, v.view(np.int32), 0) for v in (a, b))
    expected = out.view(np.int32).reshape(200, 3, -1)
    assert np.array_equal(sve.sqrdmlah(np.full_like(a, 77), a, b), expected[:, 0])
    assert np.array_equal(sve.compact(pg & (a > 0), a), expected[:, 1])
    assert np.array_equal(sve.tbl(a, b.view(np.uint32) >> 27), expected[:, 2])


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    """Compile NAME.c for AArch64 and return a function that runs it under QEMU."""
    tools = ("qemu-aarch64", "aarch64-linux-gnu-gcc")
    missing = [tool for tool in tools if not shutil.which(tool)]
    if missing:
        message = f"{missing[0]} not found: install the packages qemu-user and gcc-aarch64-linux-gnu"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    folder = tmp_path_factory.mktemp("aarch64")

    def run(name, cpu, stdin):
        binary = folder / name
        if not binary.exists():
            source = Path(__file__).parent / f"{name}.c"
            compiler = ["aarch64-linux-gnu-gcc", "-O1", "-march=armv9-a", "-static", "-Wall", "-Werror"]
            subprocess.run([*compiler, source, "-o", binary], check=True)
        done = subprocess.run(
            ["qemu-aarch64", "-cpu", f"max,{cpu}", binary], input=stdin, capture_output=True, check=True
        )
        return np.frombuffer(done.stdout, np.uint8)

    return run


def words(rng, shape):
    """Random 32-bit words: ordinary float32, any bits, and many special values."""
    ordinary = rng.standard_normal(shape).astype(np.float32).view(np.uint32)
    anything = rng.integers(0, 2**32, shape, dtype=np.uint32)
    kind = rng.integers(0, 12, shape)
    return np.where(kind == 0, rng.choice(SPECIAL, shape), np.where(kind == 1, anything, ordinary))


@pytest.mark.parametrize("vl", sve.VECTOR_LENGTHS)
def test_sve_is_what_qemu_computes(program, vl):
    rng, cases = np.random.default_rng(vl), 200
    far = [
        (2**63 - 1 - 5, 2**63 - 1),
        (-(2**63), 2**63 - 1),
        (2**63 - 1, -(2**63)),
        (-40, -23),
        (-(2**63), 3 - 2**63),
    ]
    bounds = np.concatenate([np.array(far), rng.integers([-9, -9], [99, 300], (cases - len(far), 2))])
    pg = rng.integers(0, 2, (cases, 256)).astype(np.uint8)
    a, b = (words(rng, (cases, 64)).view(np.int8) for _ in range(2))
    b[::2, :] = rng.integers(0, vl // 2, (cases // 2, 256))  # indices, half of them inside the table
    case = np.concatenate([bounds.view(np.uint8), pg, a.view(np.uint8), b.view(np.uint8)], axis=1)
    cpu = f"sve-max-vq={vl // 16},sve-default-vector-length=256"
    slots = program("sve_oracle", cpu, case.tobytes()).reshape(cases, 16, 256)

    def out(slot, kind, lanes=None):
        found = np.ascontiguousarray(slots[:, slot]).view(kind)
        return found[:, : (lanes or vl // found.itemsize)]

    start, stop = bounds.T
    for slot, size in enumerate((1, 2, 4, 8)):
        assert np.array_equal(sve.whilelt(start, stop, vl, size), out(slot, f"u{size}") == 1)
    za, zb = (np.ascontiguousarray(v[:, :vl]) for v in (a, b))
    on4, on8 = pg[:, : vl // 4] != 0, pg[:, : vl // 8] != 0
    bits, initial = za.view(np.float32), b.view(np.float32)[:, 0]
    assert np.array_equal(sve.fadda(on4, initial, bits).view(np.uint32), out(4, "u4", 1)[:, 0])
    assert np.array_equal(sve.faddv(on4, bits).view(np.uint32), out(5, "u4", 1)[:, 0])
    assert np.array_equal(sve.compact(on4, za.view("i4")), out(6, "i4"))
    assert np.array_equal(sve.compact(on8, za.view("i8")), out(7, "i8"))
    for slot, (size, mask) in enumerate(((1, 255), (2, 255), (4, 127), (8, 63)), start=8):
        index = zb.view(f"u{size}") & np.array(mask, f"u{size}")
        assert np.array_equal(sve.tbl(za.view(f"i{size}"), index), out(slot, f"i{size}"))
    assert np.array_equal(sve.sdot(za.view("i4"), za, zb), out(12, "i4"))
    reverse = za.view("i4")[:, ::-1]
    assert np.array_equal(sve.sqrdmlah(reverse, za.view("i4"), zb.view("i4")), out(13, "i4"))
    assert np.array_equal(sve.saddv(on4, za.view("i4")), out(14, "i8", 1)[:, 0])
    for i in range(0, cases, 8):
        size = int(np.clip(stop[i], 0, 256))
        assert sve.sdot_loop(a[i, :size], b[i, :size], vl) == out(15, "i8", 1)[i, 0]


@pytest.mark.parametrize("vl", [16, 32, 64, 128, 256])
def test_sme_is_what_qemu_computes(program, vl):
    rng, cases, d = np.random.default_rng(vl), 40, vl // 4
    pred = rng.integers(0, 3, (cases, 2, 256)).astype(np.uint8)
    nm = words(rng, (cases, 2, 64))
    halves = rng.standard_normal((cases // 2, 2, 128)).astype(np.float16)
    nm[: cases // 2] = halves.view(np.uint32)  # ordinary float16; read as float32 they are ordinary, too
    tile = np.zeros((cases, 64 * 64), np.uint32)
    tile[:, : d * d] = words(rng, (cases, d * d))
    stdin = np.concatenate([v.reshape(cases, -1).view(np.uint8) for v in (pred, nm, tile)], axis=1)
    cpu = f"sme{8 * vl}=on,sme-default-vector-length={vl}"
    found = program("sme_oracle", cpu, stdin.tobytes()).view(np.uint32).reshape(cases, 3, -1)[..., : d * d]
    za = tile[:, : d * d].reshape(cases, d, d)
    n, m = (np.ascontiguousarray(nm[:, i, : vl // 4]) for i in (0, 1))
    on = pred[..., :vl] > 0
    for i, name in enumerate(("fmopa32", "fmopa16", "bfmopa")):
        function, kind, _ = TYPES[name]
        size = np.dtype(kind).itemsize
        mine = function(za, on[:, 0, ::size], on[:, 1, ::size], n.view(kind), m.view(kind))
        assert np.array_equal(mine.reshape(cases, -1), found[:, i]), name


@pytest.mark.parametrize("vl", [16, 32, 64, 128, 256])
@pytest.mark.parametrize("name", ["smopa", "usmopa"])
def test_integer_outer_products_are_sums_of_whole_numbers(name, vl):
    """Word by word in Python's integers, modulo 2^32; groups of four active in part."""
    function, n_kind, m_kind = TYPES[name]
    rng, d = np.random.default_rng(vl), vl // 4
    n, m = (rng.integers(0, 256, vl, dtype=np.uint8).view(kind) for kind in (n_kind, m_kind))
    pn, pm = rng.integers(0, 4, (2, vl)) > 0
    za = rng.integers(-(2**31), 2**31, (d, d), dtype=np.int64).astype(np.int32)
    za[0] = 2**31 - 1
    za[1] = -(2**31)
    got = function(za, pn, pm, n, m)
    for r in range(d):
        for c in range(0, d, max(1, d // 8)):
            exact = int(za[r, c]) + sum(
                int(n[4 * r + k]) * int(m[4 * c + k]) for k in range(4) if pn[4 * r + k] and pm[4 * c + k]
            )
            assert int(got[r, c]) % 2**32 == exact % 2**32


def test_a_gemm_of_outer_products_is_the_product():
    """C = A B for int8, 16 x 12 x 16 at VL 64 bytes: three SMOPA, each with 1,024 MAC."""
    rng = np.random.default_rng(1)
    a, b = (rng.integers(-128, 128, shape, dtype=np.int8) for shape in ((16, 12), (12, 16)))
    every, za = np.ones(64, bool), np.zeros((16, 16), np.int32)
    with Trace() as trace:
        for k in range(0, 12, 4):
            za = sme.smopa(za, every, every, a[:, k : k + 4].ravel(), b[k : k + 4].T.ravel())
    assert np.array_equal(za, a.astype(int) @ b.astype(int))
    assert trace.counts == {"smopa": 3}
    assert 3 * sme.macs(64, 1) == 16 * 12 * 16


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 700), st.sampled_from(sve.VECTOR_LENGTHS), st.integers(0, 2**32))
def test_the_loop_is_exact_and_counts_its_instructions(size, vl, seed):
    a, b = np.random.default_rng(seed).integers(-128, 128, (2, 3, size), dtype=np.int8)
    with Trace() as trace:
        got = sve.sdot_loop(a[0], b[0], vl)
    assert got == a[0].astype(int) @ b[0].astype(int)
    turns = -(-size // vl)
    assert +trace.counts == +type(trace.counts)(
        {"whilelt": turns + 1, "ld1b": 2 * turns, "sdot": turns, "incb": turns, "b.first": turns, "saddv": 1}
    )
    assert trace.loaded_B == 2 * size, "an inactive lane reads nothing"
    assert np.array_equal(sve.sdot_loop(a, b, vl), (a.astype(int) * b).sum(axis=-1))


def test_lanes_are_drained_before_they_overflow():
    size = 16 * (2**15 + 5)  # one lane would hold (2^15 + 5) * 4 * 2^14 > 2^31
    a = np.full(size, -128, np.int8)
    with Trace() as trace:
        assert sve.sdot_loop(a, a, 16) == size * 2**14
    assert trace.counts["saddv"] == 2


def test_faddv_is_a_tree_and_fadda_a_chain():
    """2^24 + 1 is no float32: a chain loses each 1, a tree adds two of them first."""
    z = np.array([2**24, 1, 1, 1], np.float32)
    every = np.ones(4, bool)
    assert sve.fadda(every, np.float32(0), z) == 2**24
    assert sve.faddv(every, z) == 2**24 + 2
    off = np.zeros(4, bool)
    assert np.signbit(sve.fadda(off, np.float32(-0.0), z)), "inactive lanes are left out"
    assert not np.signbit(sve.faddv(off, z)), "inactive lanes count as +0"
    assert not np.signbit(sve.faddv(np.array([True, False, True, True]), np.full(4, -0.0, np.float32)))


@given(st.integers(0, 2**32), st.sampled_from([16, 64, 256]))
def test_fadda_is_the_sum_of_a_plain_loop(seed, vl):
    z = np.random.default_rng(seed).standard_normal(vl // 4).astype(np.float32)
    assert sve.fadda(np.ones(vl // 4, bool), np.float32(0), z) == np.add.accumulate(z)[-1]


def test_neon_and_sve_of_16_bytes_are_the_same_dot_product():
    neon = pytest.importorskip("edgelib.isa.neon")
    rng = np.random.default_rng(3)
    n, m = rng.integers(-128, 128, (2, 5, 16), dtype=np.int8)
    d = rng.integers(-(2**31), 2**31, (5, 4), dtype=np.int64).astype(np.int32)
    assert np.array_equal(sve.sdot(d, n, m), neon.sdot(d, n, m))
