"""Runs of a real engine: what is asked for, kept and compared; and one true run where it is installed."""

import os
import sys
import tempfile

import pytest

from edgelib.explore.book.your_machine import engine_runs
from edgelib.hardware import Engine
from edgelib.hardware.probe import probe
from edgelib.metrics import engine_run
from edgelib.metrics.engine_run import (
    EngineRun,
    engine_version,
    measured_runtime,
    predict_run,
    reference_runs,
    run_engine,
    stored_runs,
)
from edgelib.units import MIB
from tests.tiny import TINY


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("EDGELIB_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


@pytest.fixture
def fake(monkeypatch):
    """An engine that takes down what it is asked and answers with three repetitions."""
    asked = []

    def reports(module, options):
        asked.append((module, options, os.path.getsize(options["path"])))
        for rate in (10.0, 30.0, 20.0):
            yield {"decode_tok_s": rate, "prefill_tok_s": 10 * rate}

    monkeypatch.setattr(engine_run, "reports", reports)
    monkeypatch.setattr(engine_run, "engine_version", lambda: "fake 1")
    return asked


def test_medians_are_kept_and_the_file_is_not(fake, home):
    shares = []
    run = run_engine(
        TINY, "q8_0", threads=1, repetitions=3, progress=lambda share, what: shares.append(share)
    )
    assert (run.decode_tok_s, run.decode_range) == (20.0, (10.0, 30.0))
    assert (run.prefill_tok_s, run.prefill_range) == (200.0, (100.0, 300.0))
    assert shares == sorted(shares) and shares[-1] == 1
    (_, options, size), *_ = fake
    assert size > TINY.params and not os.path.exists(options["path"])
    assert [path.name for path in home.iterdir()] == ["home"]
    assert stored_runs() == [run]


def test_a_later_run_replaces_the_same_and_joins_others(fake):
    for weights in ("q8_0", "f16", "q8_0"):
        run_engine(TINY, weights, threads=1)
    assert [run.weights for run in stored_runs()] == ["f16", "q8_0"]


def test_the_book_shows_the_readers_runs_once_there_is_a_probe(fake):
    run_engine(TINY, "f16", threads=1)
    assert engine_runs()[0].startswith("EXAMPLE")
    found = probe(seconds=0.05, size_B=8 * MIB)
    whose, pairs = engine_runs()
    assert whose == found.host.name
    assert [(run.model, on.bandwidth) for run, on in pairs] == [("tiny", found.read_all.median)]


def test_a_probed_bandwidth_is_not_reduced_again():
    on = Engine("x", "cpu").having(bandwidth=40e9, clock=3e9, simd_pipes=4, threads=2)
    run = EngineRun("tinyllama-1.1b", "f16", 2, 128, 32, 1.0, "x")
    estimate = predict_run(run, on)
    assert estimate.runtime == measured_runtime(on)
    reading = (estimate.value("weight_bytes") + estimate.value("kv_bytes")) / 40e9
    assert estimate.value("read_s") == pytest.approx(reading)


def test_the_authors_runs_lie_in_their_intervals():
    pairs = reference_runs()
    assert len(pairs) >= 3
    for run, on in pairs:
        low, high = predict_run(run, on).interval("decode_tok_s")
        assert low < run.decode_tok_s < high
        # No run reads more than the bandwidth that was measured delivers.
        assert run.decode_tok_s * predict_run(run, on).value("weight_bytes") < on.bandwidth


@pytest.mark.parametrize(
    "bad",
    [{"prompt": 0}, {"generate": 1}, {"threads": 0}, {"repetitions": 0}, {"prompt": "many"}],
    ids=str,
)
def test_bad_numbers_are_named(fake, bad):
    with pytest.raises(ValueError, match=next(iter(bad))):
        run_engine(TINY, "f16", **bad)
    assert fake == [] and stored_runs() == []


def test_an_unknown_model_or_format(fake):
    with pytest.raises(ValueError, match=r"model = 'tinyllama' is unknown; did you mean tinyllama-1\.1b"):
        run_engine("tinyllama")
    with pytest.raises(ValueError, match="weights = 'q2_k' is unknown"):
        run_engine(TINY, "q2_k")


def test_without_the_extra_it_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr(engine_run, "engine_version", lambda: None)
    with pytest.raises(ImportError, match=r'pip install "edgelib\[engine\]"'):
        run_engine(TINY, "f16")


def test_the_version_is_told_only_where_all_is_installed(monkeypatch):
    monkeypatch.setattr(engine_run, "version", lambda name: "7")
    assert engine_version() == "xllamacpp 7"

    def missing(name):
        raise engine_run.PackageNotFoundError(name)

    monkeypatch.setattr(engine_run, "version", missing)
    assert engine_version() is None


def test_a_true_run():
    if engine_version() is None:
        if os.environ.get("CI") == "true":
            pytest.fail(f"llama.cpp is missing: {engine_run.INSTALL}")
        pytest.skip(f"llama.cpp is missing: {engine_run.INSTALL}")
    run = run_engine(TINY, "q4_0", prompt=16, generate=8, threads=1, repetitions=2)
    assert run.decode_tok_s > 0 and run.prefill_tok_s > 0
    assert run.software.startswith("xllamacpp ")
    assert "xllamacpp" not in sys.modules, "the engine belongs into a process of its own"
