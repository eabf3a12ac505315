"""The NEON model against real instructions in QEMU, live: random operands, and every pair of edge values.

On an Arm computer the same `native.c` and the same Python class execute instructions; here an emulator does.
"""

import os
import shutil
import subprocess

import numpy as np
import pytest

from edgelib.isa import Trace, floats, native, neon

EMULATOR, COMPILER = "qemu-aarch64", ["aarch64-linux-gnu-gcc", "-static", "-Wall", "-Wextra", "-Werror"]
RNG = np.random.default_rng(20)
COUNT = 2000


def emulated(cpu):
    """An Arm machine in QEMU; skip without the tools, fail without them where CI=true."""
    for program, package in ((EMULATOR, "qemu-user"), (COMPILER[0], "gcc-aarch64-linux-gnu")):
        if not shutil.which(program):
            message = f"{program} not found: install the package {package}"
            if os.environ.get("CI") == "true":
                pytest.fail(message)
            pytest.skip(message)
    return native.Machine(command=[EMULATOR, "-cpu", cpu], compiler=COMPILER)


@pytest.fixture(scope="session")
def arm():
    return emulated("max")


# Zeros, ones, the ends of every range, infinities, quiet and signalling NaNs of both signs, the smallest and
# largest subnormals, the smallest normal, and values halfway between two others.
EDGES = {
    "i1": [-128, -127, -1, 0, 1, 127],
    "u1": [0, 1, 15, 16, 17, 31, 32, 47, 48, 63, 64, 127, 128, 255],
    "i2": [-32768, -129, -128, -127, 0, 127, 128, 32767],
    "i4": [-(2**31), -(2**31) + 1, -(2**30), -1, 0, 1, 2**15, 2**30, 2**31 - 1],
    "u4": [0, 1, 2**31, 2**32 - 1],
    "u8": [0, 1, 2**63, 2**64 - 1],
    "f2": "0 8000 3c00 bc00 7bff fbff 7c00 fc00 7e00 fe01 7c01 fd55 1 8001 3ff 400 3c01 1400 1001 2801 7800",
    "f4": "0 80000000 3f800000 bf800000 7f7fffff ff7fffff 7f800000 ff800000 7fc00000 ffc00001 7f800001 "
    "ffa55555 1 80000001 7fffff 800000 3f800001 33800000 3f808000 3f818000 7f7f8000 34000001 20000000 8000",
    "u2": "0 8000 3f80 bf80 7f7f ff7f 7f80 ff80 7fc0 ffc1 7f81 ffa5 1 8001 7f 80 3f81 3380 2000 100 5f00",
}


def edges_of(kind):
    """The edge values as an array; floats are listed by their bits, in hexadecimal."""
    if isinstance(EDGES[kind], list):
        return np.array(EDGES[kind], kind)
    bits = [int(word, 16) for word in EDGES[kind].split()]
    return np.array(bits, np.uint32 if kind == "f4" else np.uint16).view(kind)


def tame(kind, shape):
    """Values near one, where rounding happens in every lane (random bits mostly swallow one another)."""
    if kind == "u2":
        return floats.f32_to_bf16(RNG.standard_normal(shape, np.float32))
    return RNG.standard_normal(shape).astype(kind)


def values(kind, lanes):
    """[3 COUNT, lanes]: random bits; edge values in random company; for floats, numbers near one."""
    raw = RNG.integers(0, 256, (COUNT, lanes * np.dtype(kind).itemsize), np.uint8).view(kind)
    parts = [raw, RNG.choice(edges_of(kind), (COUNT, lanes))]
    if kind in ("f2", "f4", "u2"):
        parts.append(tame(kind, (COUNT, lanes)))
    elif kind == "i4":
        parts.append(raw >> 16)
    else:
        parts.append(raw)
    return np.concatenate(parts)


def same_bits(ours, real):
    ours, real = (np.ascontiguousarray(x).view(np.uint8) for x in (ours, real))
    np.testing.assert_array_equal(ours, real)


CASES = {
    "sdot": ("i4", "i1", "i1"),
    "udot": ("u4", "u1", "u1"),
    "usdot": ("i4", "u1", "i1"),
    "smmla": ("i4", "i1", "i1"),
    "ummla": ("u4", "u1", "u1"),
    "usmmla": ("i4", "u1", "i1"),
    "mla": ("i4", "i4", "i4"),
    "sqrdmulh": ("i4", "i4"),
    "sqxtn": ("i2",),
    "addv": ("i4",),
    "faddp": ("f4", "f4"),
    "fmlal": ("f4", "f2", "f2"),
    "fmlal2": ("f4", "f2", "f2"),
    "bfdot": ("f4", "u2", "u2"),
    "bfmmla": ("f4", "u2", "u2"),
    "bfcvtn": ("f4",),
}


@pytest.mark.parametrize("name", CASES)
def test_random_and_edge_operands(arm, name):
    operands = [values(kind, 16 // np.dtype(kind).itemsize) for kind in CASES[name]]
    same_bits(getattr(neon, name)(*operands), getattr(arm, name)(*operands))


@pytest.mark.parametrize("kind", ["f2", "f4"])
def test_fmla(arm, kind):
    operands = [values(kind, 16 // np.dtype(kind).itemsize) for _ in "dnm"]
    same_bits(neon.fmla(*operands), arm.fmla(*operands))


@pytest.mark.parametrize("kind", ["f2", "f4"])
def test_fmla_on_every_triple_of_edges(arm, kind):
    edges = edges_of(kind)
    lanes = 16 // edges.itemsize
    index = np.indices((edges.size,) * 3).reshape(3, -1)
    index = np.pad(index, ((0, 0), (0, -index.shape[1] % lanes)))
    operands = [edges[i].reshape(-1, lanes) for i in index]
    same_bits(neon.fmla(*operands), arm.fmla(*operands))


def test_scalar_half_addition(arm):
    n, m = values("f2", 1)[:, 0], values("f2", 1)[:, 0]
    same_bits(neon.fadd_h(n, m), arm.fadd_h(n, m))


@pytest.mark.parametrize("lane", range(4))
def test_sdot_lane(arm, lane):
    d, n, m = values("i4", 4), values("i1", 16), values("i1", 16)
    same_bits(neon.sdot_lane(d, n, m, lane), arm.sdot_lane(d, n, m, lane))


@pytest.mark.parametrize("registers", [1, 2, 3, 4])
def test_look_ups_with_indexes_inside_and_outside(arm, registers):
    table = values("u1", 16 * registers)
    index, d = values("u1", 16), values("u1", 16)
    index[: len(index) // 2] %= 16 * registers + 1  # mostly inside, with the first one outside
    same_bits(neon.tbl(table, index), arm.tbl(table, index))
    same_bits(neon.tbx(d, table, index), arm.tbx(d, table, index))


@pytest.mark.parametrize("name", ["ldadd", "swp", "cas"])
def test_atomics(arm, name):
    operands = [values("u8", 1)[:, 0] for _ in range(3 if name == "cas" else 2)]
    if name == "cas":
        operands[1] = np.where(RNG.random(operands[0].size) < 0.5, operands[0], operands[1])
    for ours, real in zip(getattr(neon, name)(*operands), getattr(arm, name)(*operands), strict=True):
        same_bits(ours, real)


def test_leading_axes_and_broadcasting_are_the_same(arm):
    d, n, m = values("i4", 4)[:6].reshape(2, 3, 4), values("i1", 16)[:3], values("i1", 16)[0]
    with Trace() as real_trace:
        real = arm.sdot(d, n, m)
    with Trace() as trace:
        ours = neon.sdot(d, n, m)
    same_bits(ours, real)
    assert ours.shape == real.shape == (2, 3, 4)
    assert trace.counts == real_trace.counts == {"sdot": 6}


def test_all_forms_run_on_the_largest_processor(arm):
    assert arm.forms == set(native.FORMS)


def test_a_processor_without_the_instruction_is_asked_first():
    """A Cortex-A76 has SDOT and FP16, but neither I8MM nor BF16: a sentence, not a crash."""
    older = emulated("cortex-a76")
    bytes_16, sums = np.ones(16, np.int8), np.zeros(4, np.int32)
    assert older.sdot(sums, bytes_16, bytes_16).tolist() == [4] * 4
    with pytest.raises(native.Unavailable, match="smmla is not an instruction of this processor"):
        older.smmla(sums, bytes_16, bytes_16)
    assert set(native.FORMS) - older.forms >= {
        "smmla",
        "ummla",
        "usdot",
        "usmmla",
        "bfdot",
        "bfmmla",
        "bfcvtn",
    }
    assert {"sdot", "fmla_8h", "tbl4", "cas"} <= older.forms


def test_the_shared_library_compiles_too(arm, tmp_path):
    """What an Arm computer builds for itself: the same source without -DNATIVE_MAIN."""
    command = [*COMPILER[:1], *COMPILER[2:], *native.FLAGS, "-shared", "-fPIC"]
    subprocess.run([*command, "-o", str(tmp_path / "native.so"), str(native.SOURCE)], check=True)
