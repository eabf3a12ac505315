"""Caches against pycachesim (frozen), a list that is searched, closed forms, and each other."""

import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgelib.hardware.cache import Cache, simulate
from edgelib.hardware.cache.blocking import Tiling, trace
from edgelib.hardware.cache.hierarchy import MEMORIES, chase, lines_in_flight
from edgelib.hardware.cache.layouts import false_sharing, fetched, morton, row_major, tensor_offset
from edgelib.hardware.cache.prefetch import COVERED, LATE, MISS, prefetch

GOLDEN = np.load(Path(__file__).parents[1] / "golden" / "pycachesim.npz")
HITS = np.unpackbits(GOLDEN["hit"], axis=1)[:, : GOLDEN["trace"].shape[1]].astype(bool)


@pytest.mark.parametrize("in_step", [0, 20, 10**9], ids=["arrays", "as it is", "dictionary"])
@pytest.mark.parametrize("case", range(len(HITS)))
def test_every_access_hits_as_in_pycachesim(case, in_step, monkeypatch):
    """120 random caches, 180,000 accesses, stepped as arrays, with a dictionary, and as the size decides."""
    monkeypatch.setattr(simulate, "_IN_STEP", in_step)
    size, ways, line, policy = GOLDEN["geometry"][case].tolist()
    cache = Cache(size, ways, line, ("lru", "fifo")[policy])
    np.testing.assert_array_equal(cache.hit_mask(GOLDEN["trace"][case]), HITS[case])
    assert cache.run(GOLDEN["trace"][case]) == (HITS[case].sum(), (~HITS[case]).sum())


def test_the_golden_caches_are_neither_all_hit_nor_all_miss():
    assert 0.4 < HITS.mean() < 0.6
    assert len({tuple(g) for g in GOLDEN["geometry"].tolist()}) > 100


def searched(addresses, sets, ways, line, policy):
    """The definition: a list per set, searched and reordered."""
    kept = [[] for _ in range(sets)]
    hits = []
    for address in addresses:
        number = address // line
        here = kept[number % sets]
        hits.append(number in here)
        if number in here:
            if policy == "lru":
                here.append(here.pop(here.index(number)))
        else:
            here.append(number)
            if len(here) > ways:
                here.pop(0)
    return hits


GEOMETRY = st.tuples(
    st.sampled_from([1, 2, 4, 32]),
    st.integers(1, 9),
    st.sampled_from([1, 8, 64]),
    st.sampled_from(["lru", "fifo"]),
)


@settings(max_examples=200, deadline=None)
@given(GEOMETRY, st.lists(st.integers(0, 3000), max_size=200), st.sampled_from([0, 10**9]))
def test_it_is_the_definition(geometry, addresses, in_step):
    sets, ways, line, policy = geometry
    before, simulate._IN_STEP = simulate._IN_STEP, in_step
    try:
        mask = Cache(sets * ways * line, ways, line, policy).hit_mask(np.array(addresses, dtype=np.int64))
    finally:
        simulate._IN_STEP = before
    assert mask.tolist() == searched(addresses, sets, ways, line, policy)


@settings(deadline=None)
@given(st.lists(st.integers(0, 5000), max_size=300), st.integers(1, 8))
def test_more_ways_of_lru_never_lose_a_hit(addresses, ways):
    """Inclusion (Mattson and others, 1970): with equal sets, a larger LRU holds what the smaller holds."""
    small, large = (
        Cache(8 * w * 16, w, 16).hit_mask(np.array(addresses, dtype=int)) for w in (ways, ways + 1)
    )
    assert not (small & ~large).any()


def test_beladys_anomaly_of_fifo():
    """Belady, Nelson and Shedler, CACM 1969: nine faults in three frames, ten in four."""
    pages = np.array([1, 2, 3, 4, 1, 2, 5, 1, 2, 3, 4, 5])
    assert [Cache(frames, frames, 1, "fifo").run(pages)[1] for frames in (3, 4)] == [9, 10]


def test_batches_are_runs_of_their_own():
    rng = np.random.default_rng(0)
    batch = rng.integers(0, 1 << 14, (2, 3, 500))
    cache = Cache(4096, 4, 64)
    hits, misses = cache.run(batch)
    assert hits.shape == misses.shape == (2, 3)
    assert (hits[1, 2], misses[1, 2]) == cache.run(batch[1, 2])


@pytest.mark.parametrize(
    ("size", "ways", "line", "policy"),
    [(32 << 10, 8, 64, "lru"), (64 << 10, 4, 64, "lru"), (512 << 10, 8, 64, "fifo"), (4 << 10, 1, 64, "lru")],
)
def test_it_is_quick(size, ways, line, policy):
    """Usually over 5 million accesses a second; a third of that must do on a machine that is busy."""
    addresses = np.random.default_rng(0).integers(0, 1 << 18, 300_000)
    cache = Cache(size, ways, line, policy)
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        cache.run(addresses)
        seconds.append(time.perf_counter() - start)
    assert addresses.size / min(seconds) > 1.6e6


# ------------------------------------------------------------------ hierarchy


@pytest.mark.parametrize("name", MEMORIES)
@pytest.mark.parametrize(
    "size", [4 << 10, 64 << 10, (64 << 10) + 640, 80 << 10, 300 << 10, 512 << 10, 3 << 20]
)
def test_staircase_is_what_the_simulator_measures(name, size):
    memory = MEMORIES[name]
    rounds = 2
    served = memory.served(chase(size, rounds, seed=1))
    steady = served[served.size // rounds :]
    assert memory.latencies_s[steady].mean() == pytest.approx(memory.chase_s(size), rel=1e-12)


def test_staircase_ends_at_the_latencies_of_the_levels():
    memory = MEMORIES["Snapdragon 888, Cortex-X1"]
    steps = memory.chase_s(np.array([1 << 10, 256 << 10, 3 << 20, 1 << 30]))
    assert steps * 1e9 == pytest.approx([4 / 2.84, 9 / 2.84, 5, 114])
    assert steps[-1] * memory.clock_Hz == pytest.approx(324, abs=0.5)  # cycles


def test_little():
    """25.6 GB/s at 114 ns: by hand 25.6 x 114 / 64."""
    assert lines_in_flight(25.6e9, 114e-9) == pytest.approx(45.6)


# ------------------------------------------------------------------ prefetchers: closed forms only


@pytest.mark.parametrize("distance", [1, 4, 16])
@pytest.mark.parametrize("lines", [64, 500])
def test_next_line_covers_all_but_the_start(distance, lines):
    run = prefetch(np.arange(lines * 8) * 8, "next line", distance, latency=100, gap=20)
    assert run.coverage == 1 - distance / lines
    assert run.issued == lines and run.used == lines - distance
    assert run.accuracy == 1 - distance / lines


def test_a_prefetch_is_in_time_if_it_left_a_latency_ago():
    """8 accesses a line, 20 cycles each: 160 cycles a line. Two lines ahead hide 320 cycles, not 321."""
    stream = np.arange(8 * 400) * 8
    assert prefetch(stream, "next line", 2, latency=320).timeliness == 1
    slow = prefetch(stream, "next line", 2, latency=400)
    assert slow.timeliness < 1
    # A touch asks before it waits: w[k] = max(0, 400 - 320 - w[k-1] - w[k-2]), so 80, 0, 0, 80, 0, 0, ...
    assert slow.wait[slow.outcome == LATE].sum() == pytest.approx(400 * 80 / 3, rel=0.02)
    late = prefetch(stream, "next line", 1, latency=300)
    assert late.wait[late.outcome == LATE] == pytest.approx(300 - 160)


@pytest.mark.parametrize("step", [64, 256, 4096, 4160])
@pytest.mark.parametrize("distance", [1, 5])
def test_stride_needs_two_equal_steps(step, distance):
    """Accesses 0, 1 and 2 train it; the first one covered is 2 + distance."""
    run = prefetch(np.arange(300) * step, "stride", distance, latency=10)
    assert run.coverage == 1 - (2 + distance) / 300
    assert np.flatnonzero(run.outcome == COVERED)[0] == 2 + distance


def test_stride_learns_nothing_from_random_addresses():
    rng = np.random.default_rng(3)
    run = prefetch(rng.integers(0, 1 << 24, 500) // 64 * 64, "stride", 2)
    assert run.coverage == 0 and run.issued <= 2


def test_region_covers_31_of_32_lines_in_a_row_and_wastes_31_of_32_far_apart():
    row = prefetch(np.arange(32 * 20) * 64, "region", latency=5)
    assert row.coverage == 31 / 32 and row.accuracy == 1
    apart = prefetch(np.arange(20) * 4096, "region", latency=5)
    assert apart.coverage == 0 and apart.accuracy == 0 and apart.issued == 31 * 20


def test_no_prefetcher_no_coverage():
    run = prefetch(np.arange(100) * 64, "none", latency=300)
    assert run.count(MISS) == 100 and run.wait.sum() == 30_000


# ------------------------------------------------------------------ layouts


@pytest.mark.parametrize(("layout", "axes"), [("nchw", (0, 1, 2, 3)), ("nhwc", (0, 2, 3, 1))])
def test_offsets_are_those_of_numpy(layout, axes):
    shape = (2, 3, 4, 5)
    stored = np.arange(120).reshape([shape[a] for a in axes])
    n, c, h, w = np.indices(shape)
    np.testing.assert_array_equal(
        tensor_offset(layout, shape, n, c, h, w), stored.transpose(np.argsort(axes))
    )


def test_morton_interleaves_the_bits():
    rng = np.random.default_rng(0)
    for row, column in rng.integers(0, 1 << 20, (200, 2)).tolist():
        digits = "".join(r + c for r, c in zip(f"{row:020b}", f"{column:020b}", strict=True))
        assert morton(row, column) == int(digits, 2)
    assert morton(3, 5) == 27


def test_morton_keeps_aligned_squares_together():
    row, column = np.indices((64, 64))
    place = morton(row, column)
    assert sorted(place.ravel()) == list(range(4096))
    for k in (2, 8, 32):
        square = place[k : 2 * k, 0:k].ravel()
        assert square.max() - square.min() == k * k - 1


def test_lines_per_useful_byte_by_hand():
    """float32, 16 elements a line. A column of 64 x 64: a line each. A tile of 8 x 8: half of 8 lines."""
    column = fetched(row_major(64, 64, np.arange(64), np.zeros(64, dtype=int)), 4)
    assert (column.lines, column.waste) == (64, 16)
    row, col = np.indices((8, 8))
    assert fetched(row_major(64, 64, row, col), 4).waste == 2
    assert fetched(morton(row, col), 4).waste == 1
    # One pixel of 64 channels of int8: one line in NHWC, 64 in NCHW.
    pixel = [
        fetched(tensor_offset(layout, (1, 64, 56, 56), 0, np.arange(64), 3, 5), 1).lines
        for layout in ("nhwc", "nchw")
    ]
    assert pixel == [1, 64]
    assert fetched(np.arange(16), 4).lines == 1 and fetched(np.arange(16), 4, base=4).lines == 2
    assert fetched(np.array([0]), 200).lines == 4


@given(st.integers(1, 200), st.integers(1, 12), st.sampled_from([1, 8, 16, 64, 128]))
def test_false_sharing_counts_lines(size, threads, align):
    result = false_sharing(size, threads, align)
    lines = [
        {byte // 64 for byte in range(t * result.stride, t * result.stride + size)} for t in range(threads)
    ]
    assert result.pairs == sum(bool(lines[a] & lines[b]) for a in range(threads) for b in range(a))
    assert result.lines == len(set().union(*lines))
    assert result.shared == sum(sum(line in own for own in lines) > 1 for line in set().union(*lines))
    assert result.stride % align == 0 and 0 <= result.padding < align
    if align % 64 == 0:
        assert result.pairs == 0


# ------------------------------------------------------------------ blocking


def test_a_tile_that_fits_moves_what_the_formula_says():
    """64 x 64 x 64 bytes in a fully associative cache of 64-byte lines, simulated against counted.

    The cache never writes back in this count, so C is read once: its second half is taken off.
    """
    tiling = Tiling(64, 64, 64, 64, 64, 64)
    misses = Cache(16384, 256, 64).run(trace(tiling))[1]
    assert misses * 64 == tiling.dram_bytes - 64 * 64 == 3 * 64 * 64


@pytest.mark.parametrize("tile", [16, 32, 64])
def test_smaller_tiles_read_more_as_the_formula_says(tile):
    """Lines as long as a tile row, so that no line straddles two tiles; the cache holds one set of blocks."""
    n = 128
    tiling = Tiling(n, n, n, tile, tile, tile)
    blocks = 4 * tile * tile  # three blocks and room for the next strip
    cache = Cache(blocks, blocks // tile, tile)
    misses = cache.run(trace(tiling))[1]
    assert misses * tile == pytest.approx(tiling.dram_bytes - n * n, rel=0.02)
    # Far too small a cache: reading B again for every row of C.
    tiny = Cache(8 * tile, 8, tile).run(trace(tiling))[1]
    assert tiny > 4 * misses


def test_one_row_has_nothing_to_reuse():
    """A matrix-vector product reads its matrix once, whatever the tile."""
    least = Tiling(1, 512, 512, 1, 512, 512).least_bytes
    for tile in (64, 128, 512):
        tiling = Tiling(1, 512, 512, 1, tile, tile)
        assert tiling.dram_bytes == pytest.approx(least, rel=0.05)
        misses = Cache(1 << 15, 8, 64).run(trace(tiling))[1]
        assert misses * 64 == pytest.approx(512 * 512, rel=0.05)
