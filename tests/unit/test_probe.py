"""What the probe reports about this machine, at sizes that take a second, and what it refuses."""

import json
import threading
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgelib.errors import UnknownName
from edgelib.explore.book.your_machine import (
    EXAMPLE,
    MeasureButton,
    engine_runs,
    machine_roofline,
    my_machine,
)
from edgelib.hardware import engine, streams
from edgelib.hardware.child import reports
from edgelib.hardware.host import Host, host
from edgelib.hardware.probe import DTYPES, SOURCE, STORE, Probe, Rate, beyond_cache, main, probe, stored
from edgelib.metrics import predict
from edgelib.metrics.engine_run import measured_runtime
from edgelib.units import GIB, MIB

QUICK = {"seconds": 0.05, "size_B": 8 * MIB}


@pytest.fixture
def empty_home(tmp_path, monkeypatch):
    monkeypatch.setenv("EDGELIB_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EDGELIB_HOME", str(tmp_path_factory.mktemp("home")))
        yield probe(**QUICK)


def test_everything_is_positive_and_ordered(found):
    assert set(found.gemm) == set(DTYPES)
    for rate in (found.read_1, found.read_all, *found.gemm.values()):
        assert 0 < rate.low <= rate.median <= rate.high


def test_the_probe_is_kept_for_the_book(empty_home):
    assert stored() is None
    found = probe(**QUICK)
    assert stored() == found
    assert my_machine().measured == found


def test_all_threads_read_as_much_as_one(empty_home):
    """Two threads never need to be slower than one; a busy machine gets three chances."""
    attempts = (probe(seconds=0.2, size_B=64 * MIB) for _ in range(3))
    assert any(found.read_all.high >= 0.8 * found.read_1.median for found in attempts)


def test_seconds_are_those_that_passed(empty_home):
    shares = []
    found = probe(**QUICK, progress=lambda share, what: shares.append(share))
    assert 8 * QUICK["seconds"] * 0.5 < found.seconds
    assert shares == sorted(shares) and shares[-1] == 1 and shares[0] < 1


def test_a_repetition_is_timed_from_first_start_to_last_end(monkeypatch):
    """By a clock that we wind: thread k works from k to k + 3 s, so 2 threads take 4 s."""
    local, count = threading.local(), iter(range(100))

    def clock():
        if not hasattr(local, "times"):
            start = next(count)
            local.times = [start, start + 3] * 10
        return local.times.pop(0)

    monkeypatch.setattr(streams.time, "perf_counter", clock)
    assert list(streams._repeat(lambda: lambda: None, 2, 1e-9)) == [4, 4, 4]


def test_bytes_and_operations_are_counted_once(monkeypatch):
    monkeypatch.setattr(streams, "_repeat", lambda prepare, threads, seconds: iter([2.0]))
    assert list(streams.read_rates(4, 4 * MIB, 1)) == [4 * MIB / 2]
    assert list(streams.gemm_rates("int8", 3, 1, side=10)) == [3 * 2 * 10**3 / 2]


def test_int8_products_are_summed_without_overflow():
    """128 products of 100 x 100 do not fit 8 or 16 bits: the loop that is timed must hold them."""
    seen = []

    def prepare_only(prepare, threads, seconds):
        seen.append(prepare()())
        return iter([1.0])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(streams, "_repeat", prepare_only)
        list(streams.gemm_rates("int8", 1, 1, side=200))
    assert (seen[0] == 200).all()  # ones times ones; int8 would wrap to -56


def test_a_thread_that_fails_ends_the_measurement():
    turns = iter(range(5))

    def prepare():
        def step():
            if next(turns) == 4:
                raise MemoryError("no room")

        return step

    with pytest.raises(MemoryError, match="no room"):
        list(streams._repeat(prepare, 2, 60))


def test_who_has_seen_enough_leaves_no_thread_behind():
    before = threading.active_count()
    rates = streams.gemm_rates("float32", 2, 60, side=8)
    assert next(rates) > 0
    del rates
    assert threading.active_count() == before


def test_a_child_that_fails_says_why():
    with pytest.raises(OSError, match=r"streams ended with status 1: (.|\n)*KeyError"):
        list(reports("edgelib.hardware.streams", {}))


def test_the_engine_carries_what_was_measured(found):
    on = found.engine()
    assert (on.kind, on.bandwidth) == ("cpu", found.read_all.median)
    assert on.peak.value == found.gemm["float32"].median
    assert {figure.source for figure in on.figures.values()} == {SOURCE}
    estimate = predict("tinyllama-1.1b", on, weights="q4_0", runtime=measured_runtime(on))
    assert estimate.decode_s >= estimate.value("weight_bytes") / on.bandwidth * (1 - 1e-12)


def test_pipes_times_clock_times_lanes_is_the_product(found):
    on = replace(found, host=replace(found.host, clock_Hz=2e9)).engine()
    rate = on.figure("simd_pipes").value * 2e9 * 4 * 2 * found.threads
    assert rate == pytest.approx(found.gemm["float32"].median)
    assert "clock" not in replace(found, host=replace(found.host, clock_Hz=None)).engine().figures


@given(memory=st.integers(256 * MIB, 2**44), cache=st.none() | st.integers(2**10, 2**30))
def test_what_is_read_exceeds_the_cache_and_fits_the_memory(memory, cache):
    size = beyond_cache(Host("x", 4, 4, 4, memory, cache))
    assert 0 < size <= memory / 8
    assert size == memory // 8 or size >= 8 * (cache or 0)


def test_this_host_is_what_the_kernel_says():
    machine = host()
    with open("/proc/meminfo") as file:
        kibibytes = int(file.readline().split()[1])  # MemTotal
    assert machine.memory_B <= kibibytes * 1024 * 1.001
    assert 1 <= machine.cores_physical <= machine.cores_logical
    assert 1 <= machine.cores_usable <= machine.cores_logical
    assert 1 <= machine.threads <= machine.cores_usable


def test_report_as_json(empty_home, capsys, monkeypatch):
    monkeypatch.setattr(probe, "__kwdefaults__", {**probe.__kwdefaults__, **QUICK})
    assert main(True) == 0
    report = json.loads(capsys.readouterr().out)
    assert set(report["gemm_GFLOPps"]) == set(report["gemm_path"]) == set(DTYPES)
    assert report["read_GBps"]["all_threads"] == stored().read_all.median / 1e9
    assert report["cores"]["logical"] >= report["threads"] >= 1
    assert main(False) == 0
    assert "reading, 1 thread" in capsys.readouterr().out


@pytest.mark.parametrize("argument", ["seconds", "size_B", "threads"])
@pytest.mark.parametrize("value", [0, -1, float("nan"), "2", True])
def test_bad_numbers_are_named(argument, value, empty_home):
    with pytest.raises(ValueError, match=argument):
        probe(**{**QUICK, argument: value})
    assert not STORE.path.exists()


def test_bad_input_of_the_loops():
    with pytest.raises(UnknownName, match="dtype = 'float8' is unknown"):
        streams.gemm_rates("float8", 1, 1)
    with pytest.raises(ValueError, match="side"):
        streams.gemm_rates("float32", 1, 1, side=0)
    with pytest.raises(ValueError, match="size_B"):
        streams.read_rates(1, 0, 1)


def test_without_a_probe_the_pictures_say_example(empty_home):
    machine = my_machine()
    assert machine.measured is None and machine.engine is engine(EXAMPLE)
    assert repr(machine).startswith("EXAMPLE, not your machine: Raspberry Pi 5")
    assert engine_runs()[0].startswith("EXAMPLE, not your machine")
    assert "edgelib probe" in repr(MeasureButton())


RATE = Rate(50e9, 40e9, 60e9)
MEASURED = Probe(
    host=Host("Test CPU", 4, 8, 8, 16 * GIB, 32 * MIB, 3e9),
    threads=4,
    read_1=Rate(20e9, 20e9, 20e9),
    read_all=RATE,
    gemm=dict.fromkeys(DTYPES, Rate(400e9, 400e9, 400e9)),
    blas="OpenBLAS",
    seconds=10.0,
)


def test_a_busy_machine_is_told():
    assert "something else was running" not in str(MEASURED)
    assert "something else was running" in str(replace(MEASURED, read_all=Rate(30e9, 20e9, 60e9)))


def test_with_a_probe_they_show_it(empty_home, monkeypatch):
    monkeypatch.setattr("edgelib.explore.book.your_machine.stored", lambda: MEASURED)
    scene = machine_roofline.scene()
    assert "Test CPU" in scene.readout
    assert ("reading", "50.0 GB/s") in scene.table
    assert any("one thread reads 20.0 GB/s" in mark.term for mark in scene.marks)


def test_the_button_measures_and_shows_progress(empty_home, monkeypatch):
    seen = []

    def quick(progress):
        progress(0.5, "read_1")
        seen.append((box.children[1].value, box.children[2].value))
        return MEASURED

    monkeypatch.setattr("edgelib.explore.book.your_machine.probe", quick)
    box = MeasureButton().widget()
    box.children[0].click()
    assert seen == [(0.5, "measuring: read_1")]
    assert "Test CPU" in box.children[2].value and not box.children[0].disabled


def test_the_button_says_what_failed(empty_home, monkeypatch):
    def broken(progress):
        raise OSError("no memory")

    monkeypatch.setattr("edgelib.explore.book.your_machine.probe", broken)
    box = MeasureButton().widget()
    box.children[0].click()
    assert box.children[2].value == "That failed: no memory" and not box.children[0].disabled
