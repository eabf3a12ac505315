"""Buffers against a clock that ticks, copies against numpy's strides, queues and cuts against brute force."""

from itertools import combinations, pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.lib.stride_tricks import as_strided

from edgelib.hardware.box_copy import Box, run_chain, tile_box, transpose_chain, transpose_traffic_B
from edgelib.hardware.dma import BUSES, buffered, steady_s
from edgelib.hardware.fastrpc import (
    Hop,
    best_stages,
    hand_over,
    min_ops_per_call,
    pipelined,
    rpc_share,
    token_s,
)
from edgelib.hardware.vtcm import DoesNotFit, partition, ring_slot, ring_slot_masked

TICKS = st.integers(0, 6)


def tick_by_tick(tiles, load, compute, store, buffers, bus):
    """An independent machine: every tick, each unit works on the job at the head of its list, if it may.

    Returns the tick after which each tile was finished. It knows queues and conditions, no formula.
    """
    shared = bus == "shared"
    chain = [("load", t) for t in range(min(buffers, tiles))]
    stores = chain if shared else []
    for t in range(tiles):
        stores.append(("store", t))
        if t + buffers < tiles:
            chain.append(("load", t + buffers))
    lists = [chain, [("compute", t) for t in range(tiles)]] + ([] if shared else [stores])
    need = {"load": load, "compute": compute, "store": store}
    done, finished, progress = set(), {}, {}

    def may(stage, tile):
        if stage == "load":
            return tile < buffers or ("store", tile - buffers) in done
        return ({"compute": "load", "store": "compute"}[stage], tile) in done

    now = 0
    while len(finished) < tiles:
        moved = True
        while moved:  # jobs that take no time, and jobs whose time is over, at this instant
            moved = False
            for jobs in lists:
                if jobs and may(*jobs[0]) and progress.get(jobs[0], 0) >= need[jobs[0][0]]:
                    job = jobs.pop(0)
                    done.add(job)
                    moved = True
                    if job[0] == ("store" if store else "compute"):
                        finished[job[1]] = now
        for jobs in lists:
            if jobs and may(*jobs[0]):
                progress[jobs[0]] = progress.get(jobs[0], 0) + 1
        now += 1
    return [finished[t] for t in range(tiles)]


@settings(max_examples=150, deadline=None)
@given(st.integers(1, 9), TICKS, TICKS, TICKS, st.integers(1, 4), st.sampled_from(BUSES))
def test_schedule_equals_a_machine_that_ticks(tiles, load, compute, store, buffers, bus):
    if load + compute + store == 0:
        return
    timeline = buffered(tiles, load, compute, store, buffers, bus)
    ends = {}
    for event in timeline.events:
        ends[event.tile] = max(ends.get(event.tile, 0), event.end)
    assert [ends[t] for t in range(tiles)] == tick_by_tick(tiles, load, compute, store, buffers, bus)


@settings(max_examples=200, deadline=None)
@given(TICKS, TICKS, TICKS, st.integers(1, 5), st.sampled_from(BUSES))
def test_long_run_is_the_formula(load, compute, store, buffers, bus):
    if load + compute + store == 0:
        return
    simulated = buffered(121, load, compute, store, buffers, bus).per_tile_s()
    assert simulated == pytest.approx(steady_s(load, compute, store, buffers, bus), rel=0.02)


def test_steady_states_by_hand():
    assert [steady_s(3, 5, 0, n) for n in (1, 2, 3)] == [8, 5, 5]
    assert [steady_s(2, 3, 2, n, "shared") for n in (1, 2, 3)] == [7, 4, 4]  # a third buffer gains nothing
    assert [steady_s(2, 3, 2, n, "separate") for n in (1, 2, 3)] == [7, 3.5, 3]
    # Without stores: T tiles take one load, then T - 1 of the longer, then one computation.
    assert buffered(10, 3, 5, 0, 2).seconds == 3 + 9 * 5 + 5
    assert buffered(10, 5, 3, 0, 2).seconds == 5 + 9 * 5 + 3
    assert buffered(10, 3, 5, 0, 1).seconds == 10 * 8
    assert buffered(10, 3, 5, 2, 1).fill_s == 3


@settings(max_examples=100, deadline=None)
@given(st.integers(2, 9), TICKS, TICKS, TICKS, st.integers(1, 4), st.sampled_from(BUSES))
def test_overlap_is_counted_by_ticks(tiles, load, compute, store, buffers, bus):
    if load + store == 0:
        return
    timeline = buffered(tiles, load, compute, store, buffers, bus)
    ticks = np.arange(timeline.seconds) + 0.5

    def busy(*stages):
        inside = [(e.start < ticks) & (ticks < e.end) for e in timeline.events if e.stage in stages]
        return np.any([*inside, np.zeros(ticks.shape, bool)], axis=0)

    moving = busy("load", "store")
    assert timeline.busy_s("load", "store") == moving.sum()
    assert timeline.overlap == pytest.approx((moving & busy("compute")).sum() / moving.sum())


def test_no_unit_and_no_buffer_serves_two():
    timeline = buffered(20, 2.5, 1.25, 3.5, 3, "separate")
    for key in ("load", "compute", "store"):
        events = [e for e in timeline.events if e.stage == key]
        assert all(a.end <= b.start for a, b in pairwise(events))
    for buffer in range(3):
        events = [e for e in timeline.events if e.buffer == buffer]
        assert all(a.end <= b.start for a, b in pairwise(events))


boxes = st.builds(
    lambda source, rows, row, extra, gap: Box(source, 4000, rows, row, row + extra, row + gap),
    st.integers(0, 300),
    st.integers(1, 12),
    st.integers(1, 20),
    st.integers(0, 30),
    st.integers(0, 9),
)


@settings(max_examples=100, deadline=None)
@given(boxes)
def test_a_box_is_a_strided_view(box):
    memory = np.random.default_rng(0).integers(0, 256, 8192).astype(np.uint8)
    after = run_chain(memory, [box])
    shape = (box.rows, box.row_B)
    source = as_strided(memory[box.source :], shape, (box.source_stride, 1))
    target = as_strided(after[box.target :], shape, (box.target_stride, 1))
    np.testing.assert_array_equal(target, source)
    assert (memory != after).sum() <= box.size_B == source.size


def test_tiles_of_a_matrix_and_a_chain():
    matrix = np.random.default_rng(1).integers(0, 2**16, (40, 50)).astype(np.uint16)
    memory = np.concatenate([matrix.view(np.uint8).ravel(), np.zeros(4000, np.uint8)])
    first = tile_box((40, 50), (8, 10), (16, 20), 2, 4000)
    second = tile_box((40, 50), (24, 30), (16, 20), 2, 4000 + first.size_B)
    after = run_chain(memory, [first, second])[4000:].view(np.uint16)
    np.testing.assert_array_equal(after[:320].reshape(16, 20), matrix[8:24, 10:30])
    np.testing.assert_array_equal(after[320:640].reshape(16, 20), matrix[24:40, 30:50])


def test_one_box_never_transposes_and_a_chain_of_columns_does():
    matrix = np.arange(24, dtype=np.uint16).reshape(4, 6)
    memory = np.concatenate([matrix.view(np.uint8).ravel(), np.zeros(48, np.uint8)])
    chain = transpose_chain((4, 6), 2, 48)
    turned = run_chain(memory, chain)[48:].view(np.uint16).reshape(6, 4)
    np.testing.assert_array_equal(turned, matrix.T)
    assert len(chain) == 6 and {box.row_B for box in chain} == {2}
    # Any single box with rows of more than one element keeps neighbours together.
    packed = run_chain(memory, [tile_box((4, 6), (0, 0), (4, 6), 2, 48)])[48:].view(np.uint16)
    assert not np.array_equal(packed.reshape(6, 4), matrix.T)
    assert transpose_traffic_B((1024, 1024), 1) == 32 * 2**20
    assert transpose_traffic_B((8, 8), 40) == 64 * 64


def test_descriptors_follow_the_widths_of_the_fields():
    """LLVM's hexagon_types.h: roiwidth:16, roiheight:16, srcstride:16, length:24; hexagon-mlir: 24 bits."""
    assert Box(0, 0, 64, 128, 4096, 128).descriptors("2-D") == 1
    assert Box(0, 0, 64, 128, 4096, 128).descriptors("1-D") == 64
    assert Box(0, 0, 64, 128, 128, 128).descriptors("1-D") == 1  # rows that touch
    assert Box(0, 0, 1, 2**24, 0, 0).descriptors("1-D") == 2
    assert Box(0, 0, 65_536, 1, 1, 1).descriptors("2-D") == 2
    assert Box(0, 0, 10, 65_536, 0, 0).descriptors("2-D") == 2
    assert Box(0, 0, 10, 65_536, 0, 0).descriptors("2-D wide") == 1
    at_the_edge = [Box(0, 0, 10, 64, stride, 64).descriptors("2-D") for stride in (65_535, 65_536)]
    assert at_the_edge == [1, 10]
    # 65,600 is the stride of the note in hexagon-mlir: the old layout copies rows 64 bytes apart.
    wide = Box(0, 0, 10, 64, 65_600, 64)
    assert wide.descriptors("2-D") == 10 and wide.descriptors("2-D wide") == 1
    assert wide.truncated("2-D").source_stride == 64
    assert wide.truncated("2-D wide") == wide


def test_partition_says_how_many_bytes_are_missing():
    fits = partition(256 * 1024, {"weights": 100_000, "ring": 2 * 65_536, "kv": 30_000})
    assert [r.start % 128 for r in fits.regions] == [0, 0, 0]
    assert fits.regions[0].size_B == 100_096 and fits.used_B + fits.free_B == 256 * 1024
    with pytest.raises(DoesNotFit, match=r"1,024 are missing.*'b'") as caught:
        partition(4096, {"a": 2048, "b": 3072})
    assert caught.value.missing_B == 1024
    assert partition(4096, {"a": 4096}).free_B == 0


@given(st.integers(0, 2**40), st.integers(0, 12))
def test_mask_is_modulo_for_powers_of_two(position, bits):
    assert ring_slot_masked(position, 2**bits) == ring_slot(position, 2**bits) == position % 2**bits


def test_mask_of_another_length_would_lose_slots():
    with pytest.raises(ValueError, match=r"slots = 12.*power of two"):
        ring_slot_masked(3, 12)
    assert len({p & 11 for p in range(100)}) == 8  # 4 of 12 slots are never used
    assert sorted(set(ring_slot(np.arange(100), 12).tolist())) == list(range(12))


@given(st.floats(1e-6, 5e-3), st.floats(1e-6, 1e-3), st.sampled_from([0.01, 0.05, 0.2]))
def test_fewest_operators_per_call(overhead, op, share):
    count = min_ops_per_call(overhead, op, share)
    assert rpc_share(overhead, count * op) < share
    assert count == 1 or rpc_share(overhead, (count - 1) * op) >= share


def test_88_us_and_20_us_operators():
    assert min_ops_per_call(88e-6, 20e-6) == 84  # 88 / (88 + 84 * 20) = 4.98 %, with 83: 5.03 %
    assert token_s(100, 10, 1e-3, 1e-3) == pytest.approx(0.11)
    assert token_s(100, 10, 1e-3, 1e-3, queued=True) == pytest.approx(0.1 + 1e-3)
    # Work shorter than the way: the processor's half of the overhead sets the pace.
    assert token_s(100, 1, 1e-6, 100e-6, queued=True) == pytest.approx(100 * 50e-6 + 1e-6 + 50e-6)
    assert token_s(7, 3, 1.0, 0.0) == 7


def test_handing_a_buffer_over():
    size, rate = 640_000, 10e9
    copy, cached, coherent, uncached = (
        hand_over(m, size, rate) for m in ("copy", "cached", "coherent", "uncached")
    )
    assert (cached.cleaned, cached.invalidated) == (10_000, 10_000)
    assert cached.seconds == pytest.approx(size / rate)
    assert copy.seconds == pytest.approx(5 * size / rate) and copy.copies == 2
    assert coherent.seconds == 0 and coherent.cleaned == 0
    assert uncached.seconds == pytest.approx(18 * size / rate)
    assert hand_over("cached", 65, rate, dirty=0.5).cleaned == 1
    assert hand_over("cached", size, rate, dirty=0).seconds == 0
    assert Hop(1e6, 1e-4).seconds(10e9) == 1e-4
    assert Hop(1e6, 1e-4, copied=True).seconds(10e9) == pytest.approx(3e-4)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 20), min_size=1, max_size=8), st.data())
def test_cuts_are_the_best_of_all(times, data):
    depth = data.draw(st.integers(1, len(times)))
    best = min(
        max(sum(times[a:b]) for a, b in zip((0, *cut), (*cut, len(times)), strict=True))
        for cut in combinations(range(1, len(times)), depth - 1)
    )
    ends = best_stages(tuple(times), depth)
    assert len(ends) == depth and ends[-1] == len(times)
    assert max(sum(times[a:b]) for a, b in zip((0, *ends[:-1]), ends, strict=True)) == best


def play_pipeline(stages, in_flight, items):
    """Items enter when fewer than `in_flight` are inside; each stage serves one at a time."""
    free, out = [0.0] * len(stages), []
    for k in range(items):
        now = 0.0 if k < in_flight else out[k - in_flight]
        for s, time in enumerate(stages):
            now = free[s] = max(now, free[s]) + time
        out.append(now)
    half = items // 2
    return (items - 1 - half) / (out[-1] - out[half])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 20), min_size=2, max_size=7), st.integers(0, 3), st.integers(1, 8), st.data())
def test_rate_of_a_pipeline_is_that_of_items_walking_through(times, handoff, in_flight, data):
    depth = data.draw(st.integers(1, len(times)))
    result = pipelined(tuple(times), depth, handoff, in_flight)
    assert result.latency_s == sum(times) + handoff * (depth - 1)
    played = play_pipeline(result.stages_s, in_flight, 20 * in_flight + 1)
    assert result.rate == pytest.approx(played, rel=0.12)
    if in_flight == 1:  # one sequence: a token needs the one before
        assert result.rate == pytest.approx(1 / result.latency_s)
