"""What must be in flight, and who works when: by hand, by event simulation, and by bounds."""

from itertools import pairwise
from math import ceil

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgelib.hardware.pipeline.hiding import (
    needed_B,
    needed_lines,
    prefetch_window,
    prefetched_stall_s,
    window_B,
    window_bandwidth,
)
from edgelib.hardware.pipeline.sharing import share


def test_littles_law_for_the_memory():
    """25.6 GB/s at 114 ns, by hand: 2918.4 bytes, 45.6 lines."""
    assert needed_B(25.6e9, 114e-9) == pytest.approx(2918.4)
    assert needed_lines(25.6e9, 114e-9) == 46
    assert window_B(160, 0.5) == 1280
    assert window_bandwidth(160, 1.0, 114e-9) == pytest.approx(160 * 16 / 114e-9)
    shape = needed_lines(np.array([[12.8e9], [25.6e9]]), np.array([50e-9, 100e-9, 150e-9])).shape
    assert shape == (2, 3)


@pytest.mark.parametrize("ahead", [0, 1, 2, 3, 5, 8, 13])
def test_prefetch_against_an_event_simulation(ahead):
    """Each iteration asks for the line of the one `ahead` later, waits for its own, then computes."""
    latency, step, warm, total = 100.0, 17.0, 14 * 50, 14 * 300
    arrives, now, starts = {}, 0.0, []
    for i in range(total + 1):
        starts.append(now)
        arrives.setdefault(i + ahead, now + latency)
        now = max(now, arrives.get(i, now + latency)) + step
    stall = (starts[total] - starts[warm]) / (total - warm) - step
    assert stall == pytest.approx(float(prefetched_stall_s(latency, step, ahead)), abs=0.1)


def test_prefetch_window():
    window = prefetch_window(114e-9, 2.5e-9, 64, 32768)
    assert (window.iterations, window.distance_B) == (ceil(114 / 2.5), 46 * 64)
    assert window.possible
    assert not prefetch_window(114e-9, 2.5e-9, 64, 1024).possible


SPEEDS = st.lists(st.floats(0.2, 5), min_size=1, max_size=8)


@given(SPEEDS, st.floats(1, 1e3), st.integers(1, 200), st.sampled_from(["equal", "proportional", "dynamic"]))
def test_sharing_conserves_work_and_never_beats_the_bound(speeds, work, pieces, split):
    done = share(speeds, work, split, pieces)
    assert sum(p.work for p in done.pieces) == pytest.approx(work)
    best = work / sum(speeds)
    assert done.makespan >= best * (1 - 1e-9)
    assert done.efficiency == pytest.approx(best / done.makespan)
    for number in range(len(speeds)):  # a core does one piece after another
        own = [p for p in done.pieces if p.core == number]
        assert all(a.end <= b.start + 1e-9 for a, b in pairwise(own))
        assert all(p.end - p.start == pytest.approx(p.work / speeds[number]) for p in own)
    if split == "proportional":
        assert done.makespan == pytest.approx(best)
    if split == "dynamic":
        assert done.makespan <= best + work / pieces / min(speeds) + 1e-9


def test_one_slow_core_sets_the_pace_of_an_equal_split():
    """Four cores of speed 4 and four of 1, 32 units: 4 each, so the slow need 4 s where 1.6 would do."""
    assert share([4] * 4 + [1] * 4, 32, "equal").makespan == 4
    assert share([4] * 4 + [1] * 4, 32, "proportional").makespan == pytest.approx(1.6)
    assert share([4] * 4, 32, "equal").makespan == 2  # half the cores, twice the speed
    with pytest.raises(ValueError, match="at least one core"):
        share([], 1, "equal")
