"""The HVX model against real instructions in QEMU's Hexagon, live: random operands and edge values."""

import os
import shutil
import subprocess
from functools import partial

import numpy as np
import pytest

from edgelib.explore.book.hvx import REAL
from edgelib.isa import hvx
from tests.oracles.hexagon_elf import LLVM, TABLE_AT, assembled, run

COUNT = 300
RNG = np.random.default_rng(21)
U8, I8, U16, I16, U32, I32 = np.uint8, np.int8, np.uint16, np.int16, np.uint32, np.int32
TABLE = RNG.integers(0, 256, 8192, U8)


def missing(program, package):
    """Skip without the tool, fail without it where CI=true."""
    message = f"{program} not found: install the package {package}"
    if os.environ.get("CI") == "true":
        pytest.fail(message)
    pytest.skip(message)


@pytest.fixture(scope="session")
def assembler():
    found = shutil.which("llvm-mc-14") or shutil.which("llvm-mc")
    return found or missing("llvm-mc", "llvm-14")


@pytest.fixture(scope="session")
def emulator():
    return shutil.which("qemu-hexagon") or missing("qemu-hexagon", "qemu-user")


@pytest.fixture
def hexagon(assembler, emulator, tmp_path):
    """Run assembly for every case: v0 to v4 uint8[n, 5, 128], r2 uint32[n] -> v0, v1 uint8[n, 256]."""
    return partial(run, assembler, emulator, tmp_path / "program", table=TABLE.tobytes())


# The ends of every range, in bytes, halfwords and words.
EDGES = [
    np.array(values, dtype).view(U8)
    for dtype, values in (
        (I8, [-128, -127, -1, 0, 1, 127, 126, -2]),
        (I16, [-(2**15), -(2**15) + 1, -129, -128, 127, 128, 255, 256, 2**15 - 1, -1]),
        (I32, [-(2**31), -(2**31) + 1, -32769, -32768, 32767, 32768, 65535, 2**31 - 1, -1, 0]),
    )
]


EVERYWHERE = [0, 0x80808080, 0x80008000, 0x80000000, 0x7F7F7F7F, 0x7FFF7FFF, 0x7FFFFFFF, 0xFFFFFFFF]


def operands():
    """Extremes in every lane, edge values in random company, random bits: vectors [n, 5, 128], r2 [n]."""
    vectors, r2 = RNG.integers(0, 256, (COUNT, 5, 128), U8), RNG.integers(0, 2**32, COUNT).astype(U32)
    for k in range(COUNT // 2):
        edges = EDGES[k % 3]
        width = (1, 2, 4)[k % 3]
        choices = edges.reshape(-1, width)
        vectors[k] = choices[RNG.integers(0, len(choices), 640 // width)].reshape(5, 128)
        r2[k] = choices[RNG.integers(0, len(choices), 4 // width)].ravel().view(U32)[0]
    for k, word in enumerate(EVERYWHERE):
        vectors[k], r2[k] = np.tile(np.array([word], U32).view(U8), 32), word
    return vectors, r2


def view(x, dtype):
    return np.ascontiguousarray(x).view(dtype)


CASES_OF = {  # assembly, our function of (d0, u, v, w, r)
    "vrmpy ub,r.b": ("v0.w = vrmpy(v2.ub,r2.b)", lambda d, u, v, w, r: hvx.vrmpy(u, view(r, I8))),
    "vrmpy ub,r.ub": ("v0.uw = vrmpy(v2.ub,r2.ub)", lambda d, u, v, w, r: hvx.vrmpy(u, view(r, U8))),
    "vrmpy ub,b": ("v0.w = vrmpy(v2.ub,v3.b)", lambda d, u, v, w, r: hvx.vrmpy(u, view(v, I8))),
    "vrmpy b,b": ("v0.w = vrmpy(v2.b,v3.b)", lambda d, u, v, w, r: hvx.vrmpy(view(u, I8), view(v, I8))),
    "vrmpy ub,ub": ("v0.uw = vrmpy(v2.ub,v3.ub)", lambda d, u, v, w, r: hvx.vrmpy(u, v)),
    "vrmpy+ ub,r.b": (
        "v0.w += vrmpy(v2.ub,r2.b)",
        lambda d, u, v, w, r: hvx.vrmpy(u, view(r, I8), view(d, I32)),
    ),
    "vrmpy+ ub,r.ub": (
        "v0.uw += vrmpy(v2.ub,r2.ub)",
        lambda d, u, v, w, r: hvx.vrmpy(u, view(r, U8), view(d, U32)),
    ),
    "vrmpy+ ub,b": (
        "v0.w += vrmpy(v2.ub,v3.b)",
        lambda d, u, v, w, r: hvx.vrmpy(u, view(v, I8), view(d, I32)),
    ),
    "vrmpy+ b,b": (
        "v0.w += vrmpy(v2.b,v3.b)",
        lambda d, u, v, w, r: hvx.vrmpy(view(u, I8), view(v, I8), view(d, I32)),
    ),
    "vrmpy+ ub,ub": (
        "v0.uw += vrmpy(v2.ub,v3.ub)",
        lambda d, u, v, w, r: hvx.vrmpy(u, v, view(d, U32)),
    ),
    "vdmpy": ("v0.h = vdmpy(v2.ub,r2.b)", lambda d, u, v, w, r: hvx.vdmpy(u, view(r, I8))),
    "vdmpy+": (
        "v0.h += vdmpy(v2.ub,r2.b)",
        lambda d, u, v, w, r: hvx.vdmpy(u, view(r, I8), view(d, I16)),
    ),
    "vdmpy:sat": (
        "v0.w = vdmpy(v2.h,r2.h):sat",
        lambda d, u, v, w, r: hvx.vdmpy_sat(view(u, I16), view(r, I16)),
    ),
    "vmpy ub,b": ("v1:0.h = vmpy(v2.ub,v3.b)", lambda d, u, v, w, r: hvx.vmpy(u, view(v, I8))),
    "vmpy b,b": ("v1:0.h = vmpy(v2.b,v3.b)", lambda d, u, v, w, r: hvx.vmpy(view(u, I8), view(v, I8))),
    "vmpy ub,ub": ("v1:0.uh = vmpy(v2.ub,v3.ub)", lambda d, u, v, w, r: hvx.vmpy(u, v)),
    "vmpy h,h": ("v1:0.w = vmpy(v2.h,v3.h)", lambda d, u, v, w, r: hvx.vmpy(view(u, I16), view(v, I16))),
    "vmpy uh,uh": (
        "v1:0.uw = vmpy(v2.uh,v3.uh)",
        lambda d, u, v, w, r: hvx.vmpy(view(u, U16), view(v, U16)),
    ),
    "vmpy ub,r.b": ("v1:0.h = vmpy(v2.ub,r2.b)", lambda d, u, v, w, r: hvx.vmpy(u, view(r, I8))),
    "vmpy ub,r.ub": ("v1:0.uh = vmpy(v2.ub,r2.ub)", lambda d, u, v, w, r: hvx.vmpy(u, view(r, U8))),
    "vmpy h,r.h": ("v1:0.w = vmpy(v2.h,r2.h)", lambda d, u, v, w, r: hvx.vmpy(view(u, I16), view(r, I16))),
    "vmpy uh,r.uh": (
        "v1:0.uw = vmpy(v2.uh,r2.uh)",
        lambda d, u, v, w, r: hvx.vmpy(view(u, U16), view(r, U16)),
    ),
    "vsat w": ("v0.h = vsat(v2.w,v3.w)", lambda d, u, v, w, r: hvx.vsat(view(u, I32), view(v, I32))),
    "vsat uw": (
        "v0.uh = vsat(v2.uw,v3.uw)",
        lambda d, u, v, w, r: hvx.vsat(view(u, U32), view(v, U32)),
    ),
    "vsat h": ("v0.ub = vsat(v2.h,v3.h)", lambda d, u, v, w, r: hvx.vsat(view(u, I16), view(v, I16))),
    "vror": ("v0 = vror(v2,r2)", lambda d, u, v, w, r: hvx.vror(u, view(r, U32)[:, 0])),
    "vdelta": ("v0 = vdelta(v2,v3)", lambda d, u, v, w, r: hvx.vdelta(u, v)),
    "vrdelta": ("v0 = vrdelta(v2,v3)", lambda d, u, v, w, r: hvx.vrdelta(u, v)),
    "vmux": (
        "q0 = vcmp.gt(v2.w,v3.w)\n v0 = vmux(q0,v4,v2)",
        lambda d, u, v, w, r: hvx.vmux(hvx.vcmp_gt(view(u, I32), view(v, I32)), w, u),
    ),
    "prefixsum": (
        "q0 = vcmp.gt(v2.ub,v3.ub)\n v0.b = prefixsum(q0)",
        lambda d, u, v, w, r: hvx.prefixsum(hvx.vcmp_gt(u, v)),
    ),
    "vsetq": (
        "q0 = vsetq(r2)\n v0 = vmux(q0,v2,v3)",
        lambda d, u, v, w, r: hvx.vmux(hvx.vsetq(view(r, U32)[:, 0]), u, v),
    ),
    "vlut32": ("v0.b = vlut32(v2.b,v3.b,r2)", lambda d, u, v, w, r: hvx.vlut32(u, v, view(r, U32)[:, 0])),
    "vshuff": ("v1:0 = vshuff(v2,v3,r2)", lambda d, u, v, w, r: hvx.vshuff(u, v, view(r, U32)[:, 0])),
    "vdeal": ("v1:0 = vdeal(v2,v3,r2)", lambda d, u, v, w, r: hvx.vdeal(u, v, view(r, U32)[:, 0])),
    "vand": ("v0 = vand(v2,v3)", lambda d, u, v, w, r: hvx.vand(u, v)),
    "vor": ("v0 = vor(v2,v3)", lambda d, u, v, w, r: hvx.vor(u, v)),
}
for name, dtype in {"ub": U8, "b": I8, "uh": U16, "h": I16, "uw": U32, "w": I32}.items():
    for op in ("vadd", "vsub"):
        function = getattr(hvx, op)
        if name in ("b", "h", "w"):  # without saturation signed and unsigned are one instruction
            CASES_OF[f"{op} {name}"] = (
                f"v0.{name} = {op}(v2.{name},v3.{name})",
                lambda d, u, v, w, r, f=function, t=dtype: f(view(u, t), view(v, t)),
            )
        CASES_OF[f"{op}:sat {name}"] = (
            f"v0.{name} = {op}(v2.{name},v3.{name}):sat",
            lambda d, u, v, w, r, f=function, t=dtype: f(view(u, t), view(v, t), sat=True),
        )
    CASES_OF[f"vcmp.gt {name}"] = (
        f"q0 = vcmp.gt(v2.{name},v3.{name})\n v0 = vmux(q0,v2,v3)",
        lambda d, u, v, w, r, t=dtype: hvx.vmux(hvx.vcmp_gt(view(u, t), view(v, t)), u, v),
    )
    if name in ("ub", "uh", "uw"):
        CASES_OF[f"vlsr {name}"] = (
            f"v0.{name} = vlsr(v2.{name},r2)",
            lambda d, u, v, w, r, t=dtype: hvx.vlsr(view(u, t), view(r, U32)[:, 0]),
        )
    if name in ("h", "w"):
        CASES_OF[f"vasl {name}"] = (
            f"v0.{name} = vasl(v2.{name},r2)",
            lambda d, u, v, w, r, t=dtype: hvx.vasl(view(u, t), view(r, U32)[:, 0]),
        )
for to, narrow, source, wide in (
    ("ub", U8, "h", I16),
    ("b", I8, "h", I16),
    ("uh", U16, "w", I32),
    ("h", I16, "w", I32),
):
    CASES_OF[f"vpack {to}"] = (
        f"v0.{to} = vpack(v2.{source},v3.{source}):sat",
        lambda d, u, v, w, r, t=wide, n=narrow: hvx.vpack(view(u, t), view(v, t), n),
    )
for splat, dtype in (("v0.b", U8), ("v0.h", U16), ("v0", U32)):
    CASES_OF[f"vsplat {splat}"] = (
        f"{splat} = vsplat(r2)",
        lambda d, u, v, w, r, t=dtype: hvx.vsplat(view(r, U32)[:, 0], t),
    )


@pytest.mark.parametrize("case", CASES_OF)
def test_same_bits_as_qemu(hexagon, case):
    body, function = CASES_OF[case]
    vectors, r2 = operands()
    real = hexagon(body, vectors, r2)
    d, u, v, w = (np.ascontiguousarray(vectors[:, k]) for k in (0, 2, 3, 4))
    ours = view(function(d, u, v, w, r2[:, np.newaxis].view(U8)), U8)
    assert ours.shape == (COUNT, 256 if "v1:0" in body else 128)
    np.testing.assert_array_equal(ours, real[:, : ours.shape[1]])


GATHER = """r5 = ##8191
 m0 = r5
 r6 = ##{table}
 {{ vtmp.w = vgather(r6,m0,v2.w).w
    vmem(r17+#0) = vtmp.new }}
 v0 = vmem(r17+#0)"""


def test_gather_with_unaligned_offsets(hexagon):
    vectors, r2 = operands()
    offsets = RNG.integers(0, 8192 - 3, (COUNT, 32)).astype(I32)
    vectors[:, 2] = offsets.view(U8)
    real = hexagon(GATHER.format(table=TABLE_AT), vectors, r2)
    np.testing.assert_array_equal(view(hvx.vgather(TABLE, offsets), U8), real[:, :128])


SCATTER = """r5 = ##127
 m0 = r5
 vmem(r17+#0) = v4
 vscatter(r17,m0,v2.w).w{add}=v3
 v0 = vmem(r17+#0)"""


@pytest.mark.parametrize("accumulate", [False, True])
def test_scatter(hexagon, accumulate):
    """Into the 128 bytes of the result itself; with addition, several words may go to the same place."""
    vectors, r2 = operands()
    places = RNG.permuted(np.tile(np.arange(0, 128, 4), (COUNT, 1)), axis=1)
    if accumulate:
        places = RNG.permuted(np.tile(np.arange(0, 128, 4), (COUNT, 1)), axis=1) + RNG.integers(0, 4)
    vectors[:, 2] = places.astype(I32).view(U8)
    real = hexagon(SCATTER.format(add="+" * accumulate), vectors, r2)
    u, v, w = (np.ascontiguousarray(vectors[:, k]) for k in (2, 3, 4))
    ours = [hvx.vscatter(w[k], view(u, I32)[k], view(v, I32)[k], accumulate) for k in range(COUNT)]
    np.testing.assert_array_equal(np.array(ours), real[:, :128])


@pytest.mark.parametrize("unaligned", [False, True])
def test_loads_from_any_address(hexagon, unaligned):
    """A real vmem drops the low bits without a fault; vmemu does not."""
    vectors, _ = operands()
    address = RNG.integers(0, 8192 - 128, COUNT).astype(U32)
    load = "vmemu" if unaligned else "vmem"
    real = hexagon(f"r3 = add(r2,##{TABLE_AT})\n v0 = {load}(r3+#0)", vectors, address)
    np.testing.assert_array_equal(getattr(hvx, load)(TABLE, address), real[:, :128])


@pytest.mark.parametrize("name", ["vmem", "vmemu", "if (q0) vmem"])
def test_stores_to_any_address(hexagon, name):
    """Into the 256 bytes of the result, from a pointer with an offset of 0 to 127."""
    vectors, _ = operands()
    offsets = RNG.integers(0, 129 if name == "vmemu" else 256, COUNT).astype(U32)
    body = f"""q0 = vcmp.gt(v2.b,v3.b)
 vmem(r17+#0) = v0
 vmem(r17+#1) = v1
 r3 = add(r17,r2)
 {name}(r3+#0) = v4
 v0 = vmem(r17+#0)
 v1 = vmem(r17+#1)"""
    real = hexagon(body, vectors, offsets)
    for k in range(COUNT):
        memory = vectors[k, :2].ravel().copy()
        value = vectors[k, 4]
        if name == "vmemu":
            hvx.vmemu_store(memory, offsets[k], value)
        else:
            q = hvx.vcmp_gt(vectors[k, 2].view(I8), vectors[k, 3].view(I8)) if "q0" in name else None
            hvx.vmem_store(memory, offsets[k], value, q)
        np.testing.assert_array_equal(memory, real[k])


@pytest.mark.parametrize("to", ["vdelta", "vrdelta"])
def test_routes_on_the_emulator(hexagon, to):
    """Control bytes from `route` and `route_twice` do on QEMU what they promise."""
    vectors, r2 = operands()
    order = RNG.permutation(128)
    vectors[:, 2] = np.arange(128)
    vectors[:, 3], vectors[:, 4] = hvx.route_twice(order)
    real = hexagon("v0 = vdelta(v2,v3)\n v0 = vrdelta(v0,v4)", vectors, r2)
    np.testing.assert_array_equal(real[0, :128], order)
    turned = (np.arange(128) + 37) % 128
    vectors[:, 3] = hvx.route(turned, to)
    real = hexagon(f"v0 = {to}(v2,v3)", vectors, r2)
    np.testing.assert_array_equal(real[0, :128], turned)


NOT_INSTRUCTIONS = ["v0.w=vconv(v1.sf)", "v0.hf=vconv(v1.qf32)", "v0=vsatur(v1,v2)", "v0.d=vadd(v1.d,v2.d)"]
REFUSED = [
    "v0.w=vrmpy(v1.b,r2.b)",
    "v0.w=vrmpy(v1.b,v2.ub)",
    "v0.h=vdmpy(v1.b,r2.b)",
    "v1:0.h=vmpy(v2.b,r2.b)",
]


@pytest.mark.parametrize("line", [*NOT_INSTRUCTIONS, *REFUSED])
def test_the_assembler_knows_no_such_instruction(assembler, line):
    done = subprocess.run([assembler, *LLVM], input=line.encode(), capture_output=True)
    assert b"error: invalid operand for instruction" in done.stderr


@pytest.mark.parametrize("line", [line for lines in REAL.values() for line in lines])
def test_the_assembler_knows_what_the_book_names_instead(assembler, line):
    attributes = [*LLVM[:2], LLVM[2] + ",+hvx-qfloat", LLVM[3]]
    subprocess.run([assembler, *attributes, "-o", os.devnull], input=line.encode(), check=True)


def test_two_multiply_adds_a_packet_by_scalar_and_one_by_vector(assembler):
    """What the vertical kernel rests on: the accumulating vector form takes both multipliers."""
    packet = "{{ v0.w += vrmpy(v1.ub,{0}.b)\n v2.w += vrmpy(v3.ub,{1}.b) }}"
    assembled(assembler, packet.format("r1", "r2"))
    done = subprocess.run([assembler, *LLVM], input=packet.format("v4", "v5").encode(), capture_output=True)
    assert b"invalid instruction packet" in done.stderr
