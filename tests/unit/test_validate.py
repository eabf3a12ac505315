"""Validation: scores by hand on a file of four rows, devices from their row alone, and the fit."""

import csv
import json
import math
from dataclasses import replace

import numpy as np
import pytest

from edgelib.cli import main
from edgelib.data import table
from edgelib.hardware import engine, engine_names
from edgelib.metrics import fit, runtime
from edgelib.metrics.runtimes import class_cycles
from edgelib.metrics.validate import read_cases, score, validate

DEVICE = {
    "device_unit": "New/NPU",
    "soc": "New",
    "unit": "NPU",
    "bandwidth_GBps": "50",
    "peak_int8_TOPS": "10",
    "source": "a page",
}
MODEL = {
    "model": "Toy",
    "n_layers": "10",
    "d_model": "1000",
    "n_heads": "10",
    "n_kv_heads": "10",
    "head_dim": "100",
    "d_ff": "3000",
    "vocab_size": "1000",
    "tied_embeddings": "1",
    "mlp_matrices": "3",
}
ROW = dict.fromkeys(table("measurements")[0], "") | {
    "source_id": "s",
    "device_unit": "New/NPU",
    "model": "Toy",
    "quant": "w8",
    "bits_per_weight": "8",
    "prompt_tokens": "100",
    "gen_tokens": "10",
    "source": "a page",
    "kv_context_tokens": "0",
}


@pytest.fixture
def files(tmp_path):
    def write(name, rows):
        path = tmp_path / f"{name}.csv"
        with open(path, "w", newline="") as file:
            writer = csv.DictWriter(file, rows[0].keys())
            writer.writeheader()
            writer.writerows(rows)
        return path

    def make(rows):
        return write("m", rows), write("d", [DEVICE]), write("l", [MODEL])

    return make


def by_hand():
    """Decode of the toy on the new NPU: 131 M weights of one byte, 50 GB/s, and the fitted constants."""
    npu = runtime("qnn", engine("SD8G3/NPU"))
    weights = 10 * (4 * 1000 * 1000 + 3 * 1000 * 3000) + 1000 * 1000
    return 1 / (weights / (npu.read_efficiency * 50e9) + 10 * npu.layer_s)


def test_scores_by_hand(files):
    rate = by_hand()
    rows = [ROW | {"decode_tok_s": str(rate * factor)} for factor in (1.0, 1.1, 0.5, 100.0)]
    report = validate(*files(rows))
    errors = sorted(abs(1 / factor - 1) * 100 for factor in (1.0, 1.1, 0.5, 100.0))
    npu = report["decode"]["npu"]
    assert npu == report["decode"]["all"]
    assert npu["n"] == 4
    assert npu["mdape_pct"] == pytest.approx((errors[1] + errors[2]) / 2, abs=0.01)
    assert npu["p90_pct"] == pytest.approx(errors[2] + 0.7 * (errors[3] - errors[2]), abs=0.01)
    assert npu["within20_pct"] == 50
    assert npu["coverage80_pct"] == 50
    assert report["decode"]["cpu"]["n"] == 0 and report["decode"]["cpu"]["mdape_pct"] is None
    assert report["prefill"]["all"]["n"] == 0


def test_rows_without_device_or_model_are_counted(files):
    rows = [
        ROW | {"decode_tok_s": "9"},
        ROW | {"device_unit": "Gone/CPU", "decode_tok_s": "9"},
        ROW | {"model": "?"},
    ]
    report = validate(*files(rows))
    assert report["decode"]["all"]["n"] == 1
    assert report["left_out"] == {"device_unit 'Gone/CPU' has no row": 1, "model '?' has no row": 1}


def test_the_command_prints_the_fixed_shape(files, capsys):
    paths = files([ROW | {"decode_tok_s": "9", "prefill_tok_s": "90"}])
    flags = [
        f
        for name, path in zip(("--measurements", "--devices", "--models"), paths, strict=True)
        for f in (name, str(path))
    ]
    assert main(["validate", *flags, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    for phase in ("decode", "prefill"):
        for kind in ("all", "cpu", "gpu", "npu"):
            assert list(report[phase][kind]) == [
                "n",
                "mdape_pct",
                "p90_pct",
                "within20_pct",
                "coverage80_pct",
            ]
    assert main(["validate", *flags]) == 0
    assert "decode" in capsys.readouterr().out
    assert main(["validate", "--measurements", "nowhere.csv"]) == 2
    assert "nowhere.csv" in capsys.readouterr().err


def test_the_catalogue_covers_the_published_measurements():
    cases, left_out = read_cases()
    assert len(cases) + len(left_out) == len(table("measurements")) == 249
    assert {row["model"] for row in left_out if row["device_unit"] in engine_names()} == {
        "Gemma-3n-E2B",
        "Gemma-3n-E4B",
    }


def test_score_of_a_perfect_prediction():
    ones = np.ones(5)
    assert score(ones, ones, 0.9 * ones, 1.1 * ones) == {
        "n": 5, "mdape_pct": 0, "p90_pct": 0, "within20_pct": 100, "coverage80_pct": 100,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "phase"), [(k, p) for k in ("cpu", "gpu", "npu") for p in ("decode", "prefill")]
)
def test_the_fit_finds_the_constants_that_made_the_data(kind, phase, monkeypatch):
    """Rates made from known constants come back out, without the pull towards the priors."""
    monkeypatch.setattr(fit, "PULL", 1e-6)
    seen = fit.observe(read_cases()[0], kind, phase)
    known = {c: 0.85 * c.prior for c in fit.CONSTANTS if c.phase == phase and seen.uses(c).any()}
    made = replace(seen, measured=seen.measured * seen.ratio(known))
    found = fit.fit(made)
    assert np.median(np.abs(made.ratio(found) - 1)) < 0.02
    if (kind, phase) != ("cpu", "decode"):  # there several constants can stand in for one another
        assert np.median([abs(np.log(found[c] / value)) for c, value in known.items()]) < 0.05


def test_spread_is_the_factor_for_80_per_cent():
    ratio = np.exp(np.linspace(-1, 1, 1001))
    assert fit.spread(ratio) == pytest.approx(math.exp(0.8), rel=1e-2)


def test_runtimes_with_few_rows_share_their_spread():
    seen = fit.observe(read_cases()[0], "gpu", "decode")
    names = np.array(["metal"] * 12 + ["cuda"] * 2 + ["vulkan"] * 3)
    ratio = np.concatenate([np.full(12, 1.1), np.full(2, 1 / 1.5), np.full(3, 1.5)])
    found = fit.spreads(replace(seen, runtimes=names), ratio, ("metal", "cuda", "vulkan", "opencl"))
    assert found == pytest.approx({"metal": 1.1, "cuda": 1.5, "vulkan": 1.5, "opencl": 1.5})
    assert fit.spreads(replace(seen, runtimes=names[:12]), ratio[:12], ("metal", "cuda")) == pytest.approx(
        {"metal": 1.1}
    )


def test_held_out_intervals_cover_80_per_cent_of_every_runtime():
    cases, _ = read_cases()
    for kind in ("cpu", "gpu", "npu"):
        seen = fit.observe(cases, kind, "decode")
        ratio = fit.held_out(seen)
        found = fit.spreads(seen, ratio, fit.RUNTIMES[kind])
        inside = np.array(
            [abs(np.log(r)) <= np.log(found[name]) for r, name in zip(ratio, seen.runtimes, strict=True)]
        )
        assert 0.75 < inside.mean() < 0.85
        rows = {name: (seen.runtimes == name) for name in found}
        assert all(0.75 <= inside[mask].mean() <= 0.85 for mask in rows.values() if mask.sum() >= 10)


def test_held_out_rows_are_predicted_without_their_source():
    """A source that is off by a factor of 3 does not pull its own prediction."""
    seen = fit.observe(read_cases()[0], "npu", "decode")
    alone = seen.sources == "RKLLM"
    measured = np.where(alone, 3.0, 1.0) * seen.measured
    before, after = fit.held_out(seen), fit.held_out(replace(seen, measured=measured))
    np.testing.assert_allclose(after[alone], before[alone] / 3)


def test_the_constants_in_the_catalogue_are_the_fitted_ones():
    cases, _ = read_cases()
    for kind, phase in (("gpu", "decode"), ("npu", "decode"), ("cpu", "decode")):
        for constant, value in fit.fit(fit.observe(cases, kind, phase)).items():
            for name in constant.of:
                stored = (
                    class_cycles()[name][0]
                    if constant.quantity == "class_cycles"
                    else getattr(
                        runtime(name, next(c.engine for c in cases if c.engine.kind == kind)),
                        constant.quantity,
                    )
                )
                assert stored == pytest.approx(value, rel=6e-3), (name, constant.quantity)


def test_lengths_that_a_source_leaves_out_are_those_of_llama_bench(files):
    row = ROW | {"prompt_tokens": "", "gen_tokens": "", "kv_context_tokens": "", "decode_tok_s": "9"}
    case = read_cases(*files([row]))[0][0]
    assert (case.prompt, case.generate, case.context) == (512, 128, 576)


def test_a_measurement_on_the_edge_is_inside():
    one = np.ones(1)
    assert (
        score(one, one, one, 2 * one)["coverage80_pct"]
        == score(one, one, 0 * one, one)["coverage80_pct"]
        == 100
    )
