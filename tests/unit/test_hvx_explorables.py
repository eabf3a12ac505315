"""What the pictures of HVX say, at states away from the defaults."""

import itertools
import re

import numpy as np
import pytest

from edgelib.explore.book import activation_tables, hvx_memory, hvx_permute, packets, repair
from edgelib.explore.book import hvx as book
from edgelib.explore.scene import Cell, Text
from edgelib.hardware.vliw.gemm_loop import REPAIRS, attempt
from edgelib.isa import Trace, hvx


def numbers(text):
    return [int(n.replace(",", "")) for n in re.findall(r"-?\d[\d,]*", text)]


def test_a_byte_of_the_scalar_moves_all_sums_and_one_of_the_vector_a_single_one():
    for form in list(book.VRMPY):
        own = book.vrmpy_lanes.scene(form=form, byte=2, value=-8, step=9).readout
        other = book.vrmpy_lanes.scene(form=form, byte=6, value=-8, step=9).readout
        assert "moves 1 of the 32" in own and "as numpy says" in own
        assert f"moves {32 if ', r2' in form else 1} of the 32" in other


def test_the_quiz_counts_what_exists():
    assert "1 of 4" in book.hvx_mnemonics.scene().readout
    right = book.hvx_mnemonics.scene(**book.ANSWERS)
    assert "4 of 4" in right.readout and all(row[2] == "right" for row in right.table[1:])


def test_the_picture_of_the_network_knows_what_is_impossible():
    for order, wanted in hvx_permute.ORDERS.items():
        for name in ("vdelta", "vrdelta"):
            scene = hvx_permute.delta_network.scene(step=3, order=order, passes=name)
            assert ("Impossible" in scene.readout) == (hvx.route(hvx_permute.whole(wanted), name) is None)
            last = hvx_permute.paths(wanted, name)[-1]
            assert last.tolist() == list(range(8))
        scene = hvx_permute.delta_network.scene(step=6, order=order, passes="vdelta, then vrdelta")
        ends = [int(m.text) for m in scene.marks if isinstance(m, Cell) and m.x == 6]
        assert ends == list(wanted)


def test_wrong_bytes_of_an_unaligned_load():
    """A pattern of 32 bytes hides offsets of 32, one value hides all, an unaligned load has none."""
    pattern = hvx_memory.wrong_bytes("a pattern of 32 bytes", "vmem")
    assert not pattern[::32].any() and pattern[1:32].all()
    assert not hvx_memory.wrong_bytes("one value", "vmem").any()
    for buffer in hvx_memory.BUFFERS:
        assert not hvx_memory.wrong_bytes(buffer, "vmemu").any()
        memory = hvx_memory.BUFFERS[buffer].tolist()
        by_hand = [sum(memory[128 + k] != memory[128 + k + o] for k in range(128)) for o in range(128)]
        assert hvx_memory.wrong_bytes(buffer, "vmem").tolist() == by_hand


def test_operations_and_their_memory():
    words = list(range(32))
    for operation, expected in {
        "mac": [3 * w for w in words],
        "permute": [w ^ 3 for w in words],
        "reduce": [sum(words)] * 32,
        "gather": [3 * w % 32 for w in words],
    }.items():
        assert hvx_memory.operate(operation, "vtcm", 3).tolist() == expected
    scattered = hvx_memory.operate("scatter", "vtcm", 3).tolist()
    assert [scattered[3 * w % 32] for w in words] == words
    for operation, place in itertools.product(hvx_memory.OPERATIONS.values(), ("ddr", "vtcm")):
        scene = hvx_memory.hvx_operation.scene(operation=operation, place=place)
        refused = place == "ddr" and operation in ("gather", "scatter")
        assert scene.readout.startswith("Refused") == refused


def test_lanes_in_the_table_are_bytes_over_width():
    scene = book.hvx_lanes.scene(width=4, mode=64, pair=True, byte=90)
    assert numbers(scene.readout)[2:4] == [32, 32] and "lane 22" in scene.readout
    assert [row[1] for row in book.hvx_lanes.scene().table[1:]] == ["128", "64", "32", "16"]


@pytest.mark.parametrize("entries", [32, 64, 128, 256])
def test_a_table_of_bytes_takes_the_look_ups_that_it_says(entries):
    stored = np.arange(entries, dtype=np.uint8).view(np.int8)
    halves = hvx.table_set(np.resize(stored, (2, 128)))
    found, index = np.zeros(128, np.int8), (np.arange(128) % entries).astype(np.uint8)
    with Trace() as trace:
        for r in range(entries // 32):
            found = hvx.vor(found, hvx.vlut32(index, halves[r // 4], r))
    assert np.array_equal(found, stored[index])
    readout = activation_tables.vlut_table.scene(entries=entries).readout
    assert f"128 values take {trace.counts['vlut32']} VLUT32." in readout
    line = activation_tables.vlut_table.scene(entries=entries, interpolation="linear").readout
    assert f"take {2 * trace.counts['vlut32']} VLUT32." in line, "both neighbours"


def test_every_context_of_the_softmax_costs_the_same():
    keys = activation_tables.softmax_table.controls["keys"].values
    assert {activation_tables._scores(int(k)).size for k in keys} == {activation_tables.SCORES}


def test_the_picture_of_an_illegal_packet_states_each_broken_rule():
    scene = packets.chapter_packet.scene()
    drawn = " ".join(mark.text for mark in scene.marks if isinstance(mark, Text))
    assert "#128 does not fit" in drawn and "never P" in drawn and "in the order written" in drawn
    legal = packets.chapter_packet.scene(step="#1", comparison="p1=cmp.gt(r5,#0)")
    assert "in the order written" not in " ".join(m.text for m in legal.marks if isinstance(m, Text))


def test_the_gemm_picture_names_the_first_wrong_lane():
    for left_out in ("cur", "operand"):
        repairs = [name for name in REPAIRS if name != left_out]
        trial = attempt(repairs)
        first = int(np.flatnonzero(trial.result != trial.exact)[0])
        wanted = {name.replace("-", "_"): name in repairs for name in REPAIRS}
        readout = repair.gemm_repair.scene(**wanted).readout
        assert (
            f"First wrong lane: {first}, {trial.result[first]:,} instead of {trial.exact[first]:,}."
            in readout
        )
    assert "wrong" not in repair.gemm_repair.scene(**dict.fromkeys(wanted, True)).readout
