"""The HVX model against vectors recorded from QEMU 10, and against what is proved of butterfly networks."""

import itertools
from math import factorial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgelib.isa import Trace, hvx

GOLDEN = np.load(Path(__file__).parents[1] / "golden" / "hvx.npz")
U8, I8, I16, I32, U32 = np.uint8, np.int8, np.int16, np.int32, np.uint32
T = np.arange(8192)
TABLE = ((37 * T + 11 * (T >> 5) + 3 * (T >> 9)) % 256).astype(U8)
RNG = np.random.default_rng(11)


def recorded(op):
    """d (pair before), u, v, w as bytes [80, 128], r as bytes [80, 4], and the pair after."""
    x = GOLDEN[f"{op}__in"]
    parts = [x[:, 0:256], x[:, 256:384], x[:, 384:512], x[:, 512:640], x[:, 640:644]]
    return [np.ascontiguousarray(p) for p in parts], GOLDEN[f"{op}__out"]


def number(r):
    return r.view(U32)[:, 0]


FORMS = {
    "vrmpy_ub_rb": lambda d, u, v, w, r: hvx.vrmpy(u, r.view(I8)),
    "vrmpy_acc_ub_rb": lambda d, u, v, w, r: hvx.vrmpy(u, r.view(I8), low(d).view(I32)),
    "vrmpy_acc_ub_vb": lambda d, u, v, w, r: hvx.vrmpy(u, v.view(I8), low(d).view(I32)),
    "vrmpy_acc_vb_vb": lambda d, u, v, w, r: hvx.vrmpy(u.view(I8), v.view(I8), low(d).view(I32)),
    "vdmpy_acc_ub_rb": lambda d, u, v, w, r: hvx.vdmpy(u, r.view(I8), low(d).view(I16)),
    "vdmpy_h_rh_sat": lambda d, u, v, w, r: hvx.vdmpy_sat(u.view(I16), r.view(I16)),
    "vsat_w": lambda d, u, v, w, r: hvx.vsat(u.view(I32), v.view(I32)),
    "vror": lambda d, u, v, w, r: hvx.vror(u, number(r)),
    "vdelta": lambda d, u, v, w, r: hvx.vdelta(u, v),
    "vrdelta": lambda d, u, v, w, r: hvx.vrdelta(u, v),
    "vcmp_mux": lambda d, u, v, w, r: hvx.vmux(hvx.vcmp_gt(u.view(I16), v.view(I16)), u, w),
    "prefixsum": lambda d, u, v, w, r: hvx.prefixsum(hvx.vcmp_gt(u.view(I8), v.view(I8))),
    "vgather_w": lambda d, u, v, w, r: hvx.vgather(TABLE, u.view(I32) & 0xFFC),
    "vlut32": lambda d, u, v, w, r: hvx.vlut32(u, v, number(r)),
    "vshuff": lambda d, u, v, w, r: hvx.vshuff(u, v, number(r)),
}


def low(pair):
    return np.ascontiguousarray(pair[:, :128])


@pytest.mark.parametrize("op", FORMS)
def test_recorded_bits(op):
    operands, expected = recorded(op)
    result = np.ascontiguousarray(FORMS[op](*operands)).view(U8)
    assert result.shape == (80, 256 if op == "vshuff" else 128)
    np.testing.assert_array_equal(result, expected[:, : result.shape[1]])


def test_every_recorded_instruction_is_tested():
    assert {name.removesuffix("__in") for name in GOLDEN if name.endswith("__in")} == set(FORMS)


def test_one_register_is_a_batch_of_none():
    (_, u, v, _, r), _ = recorded("vror")
    for k in range(3):
        np.testing.assert_array_equal(hvx.vror(u[k], int(number(r)[k])), hvx.vror(u, number(r))[k])
        np.testing.assert_array_equal(hvx.vshuff(u[k], v[k], -4), hvx.vshuff(u, v, -4)[k])


def eight(order):
    """A permutation of the first 8 bytes as one of 128."""
    return np.concatenate([order, np.arange(8, 128)])


@pytest.mark.parametrize("instruction", [hvx.vdelta, hvx.vrdelta])
def test_every_setting_of_the_switches_of_eight_bytes(instruction):
    """12 switches, 4,096 settings, as many orders of 8 bytes; `route` knows which of the 40,320."""
    pairs = [(a, a ^ s, s) for s in (4, 2, 1) for a in range(8) if not a & s]
    settings = np.array(list(itertools.product((0, 1), repeat=len(pairs))), U8)
    control = np.zeros((len(settings), 128), U8)
    for switch, (a, b, stage) in enumerate(pairs):
        control[:, a] |= settings[:, switch] * U8(stage)
        control[:, b] |= settings[:, switch] * U8(stage)
    orders = instruction(np.arange(128, dtype=U8), control)
    reached = {tuple(order[:8]) for order in orders.tolist()}
    assert len(reached) == 2**12
    name = instruction.__name__
    for order in itertools.islice(itertools.permutations(range(8)), 0, factorial(8), 7):
        control = hvx.route(eight(order), name)
        assert (control is not None) == (order in reached)
        if control is not None:
            assert instruction(np.arange(128, dtype=U8), control).tolist() == eight(order).tolist()


@given(st.permutations(range(128)))
def test_two_passes_reach_every_permutation(order):
    u = RNG.integers(0, 256, 128, U8)
    first, second = hvx.route_twice(np.array(order))
    np.testing.assert_array_equal(hvx.vrdelta(hvx.vdelta(u, first), second), u[list(order)])


@given(st.integers(0, 127), st.sampled_from(["vdelta", "vrdelta"]))
def test_a_byte_can_be_broadcast_and_a_vector_rotated_in_one_pass(number, name):
    places = np.arange(128)
    u = RNG.integers(0, 256, 128, U8)
    instruction = {"vdelta": hvx.vdelta, "vrdelta": hvx.vrdelta}[name]
    copy = hvx.route(np.full(128, number), name)
    np.testing.assert_array_equal(instruction(u, copy), np.full(128, u[number]))
    flip = hvx.route(places ^ number, name)
    np.testing.assert_array_equal(instruction(u, flip), u[places ^ number])
    turn = hvx.route((places + number) % 128, name)
    np.testing.assert_array_equal(instruction(u, turn), hvx.vror(u, number))


def test_a_swap_of_two_neighbours_is_easy_and_of_two_others_impossible():
    swap = np.arange(128)
    swap[[0, 1]] = 1, 0
    assert hvx.route(swap) is not None
    swap = np.arange(128)
    swap[[0, 3]] = 3, 0
    assert hvx.route(swap) is None and hvx.route(swap, "vrdelta") is None


def test_deal_undoes_shuffle():
    u, v = RNG.integers(0, 256, (2, 50, 128), U8)
    r = RNG.integers(0, 128, 50)
    pair = hvx.vshuff(u, v, r)
    again = hvx.vdeal(pair[:, 128:], pair[:, :128], r)
    np.testing.assert_array_equal(again, np.concatenate([v, u], axis=-1))


def test_a_table_in_order_answers_every_index():
    values = RNG.integers(0, 256, 256, U8)
    halves = hvx.table_set(values.reshape(2, 128))
    index = np.arange(256, dtype=U8).reshape(2, 128)
    total = np.zeros((2, 128), U8)
    with Trace() as trace:
        for r in range(8):
            total = hvx.vor(total, hvx.vlut32(index, halves[r // 4], r))
    np.testing.assert_array_equal(total.ravel(), values)
    assert trace.counts == {"vlut32": 16, "vor": 16}


def test_aligned_loads_drop_seven_bits_silently():
    memory = RNG.integers(0, 256, 512, U8)
    for address in range(0, 385):
        np.testing.assert_array_equal(hvx.vmem(memory, address), memory[address // 128 * 128 :][:128])
        np.testing.assert_array_equal(hvx.vmemu(memory, address), memory[address:][:128])
    words = memory.view(I32)
    np.testing.assert_array_equal(hvx.vmem(words, np.array([0, 128])), words[:64].reshape(2, 32))


def test_stores():
    memory = np.zeros(512, U8)
    value = np.arange(1, 129, dtype=U8)
    hvx.vmem_store(memory, 300, value)
    np.testing.assert_array_equal(memory[256:384], value)
    hvx.vmemu_store(memory, 5, value)
    np.testing.assert_array_equal(memory[5:133], value)
    with Trace() as trace:
        hvx.vmem_store(memory, 400, value, hvx.vsetq(3))
    assert memory[384:388].tolist() == [1, 2, 3, 0] and trace.stored_B == 3
    hvx.vmem_store(memory, np.array([0, 128]), np.stack([value, value]))
    np.testing.assert_array_equal(memory[:256], np.tile(value, 2))


def test_gather_drops_what_is_outside_the_region_as_the_manual_says():
    offsets = np.zeros(32, I32)
    offsets[:6] = -4, 60, 61, 64, 3, 2**31 - 1
    found = hvx.vgather(TABLE[:64], offsets, np.full(32, 7, I32))
    words = [int.from_bytes(TABLE[k : k + 4].tobytes(), "little", signed=True) for k in (60, 3, 0)]
    assert found[:7].tolist() == [7, words[0], 7, 7, words[1], 7, words[2]]


def test_scatter_is_what_gather_undoes():
    offsets = (4 * RNG.permutation(32)).astype(I32)
    values = RNG.integers(-(2**31), 2**31, 32).astype(I32)
    table = hvx.vscatter(np.zeros(128, U8), offsets, values)
    np.testing.assert_array_equal(hvx.vgather(table, offsets), values)
    same = hvx.vscatter(np.zeros(64, U8), np.full(32, 8, I32), np.ones(32, I32), accumulate=True)
    assert same.view(I32).tolist() == [0, 0, 32, *[0] * 13]


def test_traces_count_one_instruction_per_register():
    u = np.ones((5, 3, 128), U8)
    with Trace() as trace:
        hvx.vrmpy(u, np.ones(4, I8))
        hvx.vmux(hvx.vcmp_gt(u, u), u, u)
        hvx.vmem(np.zeros(1024, U8), np.arange(8) * 128)
    assert trace.counts == {"vrmpy": 15, "vcmp.gt": 15, "vmux": 15, "vmem": 8}
    assert trace.loaded_B == 1024
