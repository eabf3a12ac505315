"""Energies per bit, byte, word and operation; energy per token; traffic; the register of claims."""

import csv
from importlib.resources import files

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgelib.hardware import engine_names
from edgelib.metrics import predict
from edgelib.metrics.energy import (
    BYTES,
    EnergyPer,
    energy_names,
    energy_of,
    energy_per_token,
    explain_energy,
    implied_energy,
    memory_power_W,
)
from edgelib.metrics.measured_energy import measured_energy, median_share
from edgelib.metrics.traffic import dram_traffic_B
from edgelib.workloads import format_names, model_names, transformer, weight_format

LLAMA = transformer("llama-2-7b")
WIDTH = st.sampled_from(list(BYTES))


def test_horowitz_2014():
    """ISSCC 2014, 45 nm: the figures that the chapter rounds."""
    table = {
        "int8_add": 0.03, "int8_mul": 0.2, "int32_add": 0.1, "int32_mul": 3.1, "fp16_add": 0.4,
        "fp16_mul": 1.1, "fp32_add": 0.9, "fp32_mul": 3.7,
    }  # fmt: skip
    assert {name: energy_of(name).pJ for name in table} == table
    assert [energy_of(f"sram_{size}").pJ for size in ("8KiB", "32KiB", "1MiB")] == [10, 20, 100]
    dram = energy_of("dram_2014").to("byte")
    assert (dram.low, dram.high) == (162.5, 325)
    assert energy_of("int8_mac").pJ == pytest.approx(0.23) and energy_of("fp16_mac").per == "MAC"


def test_lpddr4_from_the_currents_of_a_data_sheet():
    """Reading without pause: 1.8 V x 2.25 mA + 1.1 V x 275 mA + 1.1 V x 150 mA over 16 x 3.2 Gbit/s."""
    watts = 1.8 * 2.25e-3 + 1.1 * 0.275 + 1.1 * 0.150
    assert energy_of("lpddr4_3200").pJ == pytest.approx(1e12 * watts / (16 * 3.2e9), rel=2e-3)


def test_errata_7_the_unit_trap():
    for width, watts in {"bit": 40.96, "byte": 5.12, "32-bit word": 1.28, "64-bit word": 0.64}.items():
        assert memory_power_W(EnergyPer(200, width), 25.6e9) == pytest.approx(watts)
    assert implied_energy(1.0, 25.6e9).pJ == pytest.approx(39.06, abs=0.01)


def test_claim_1_2_3_08_joules_of_a_7b_token():
    assert energy_of("int8_mac").of_ops(2 * LLAMA.matmul_params) == pytest.approx(1.5e-3, rel=0.02)
    assert EnergyPer(40, "byte").of_bytes(LLAMA.params) == pytest.approx(0.27, abs=0.005)
    assert EnergyPer(200, "byte").of_bytes(LLAMA.params) == pytest.approx(1.35, abs=0.005)


@given(st.floats(0, 1e4), WIDTH, WIDTH, st.floats(0, 1e12))
def test_a_change_of_width_changes_no_energy(pj, first, second, size):
    cost = EnergyPer(pj, first)
    assert cost.to(second).of_bytes(size) == pytest.approx(cost.of_bytes(size))


def test_a_mac_is_two_operations():
    assert EnergyPer(0.23, "MAC").of_ops(2e9) == pytest.approx(EnergyPer(0.115, "OP").of_ops(2e9))


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(model_names()),
    st.sampled_from(engine_names()),
    st.sampled_from(format_names()),
    st.integers(0, 50_000),
    st.sampled_from([name for name in energy_names() if energy_of(name).per in BYTES]),
    st.floats(0, 5),
)
def test_a_token_costs_at_least_its_traffic_and_its_arithmetic(model, on, weights, context, dram, static):
    estimate = predict(model, on, weights=weights, context=context)
    parts = energy_per_token(estimate, dram=dram, static_W=static)
    bits = 8 * (estimate.value("weight_bytes") + estimate.value("kv_bytes"))
    total = sum(parts.values())
    assert total >= bits * energy_of(dram).to("bit").pJ * 1e-12
    assert total >= estimate.value("decode_ops") * 0.75e-12 + static * estimate.decode_s * (1 - 1e-12)
    assert parts["static"] == pytest.approx(static * estimate.decode_s)
    assert explain_energy(estimate, dram=dram, static_W=static).evaluate() == pytest.approx(total)


def test_a_batch_shares_the_weights():
    one, many = (
        energy_per_token(predict("llama-2-7b", "M1-7c/GPU", context=0, batch=b, runtime="ideal"))
        for b in (1, 16)
    )
    assert many["dram"] == pytest.approx(one["dram"] / 16) and many["compute"] == one["compute"]


def test_sweeps_keep_their_shape():
    estimate = predict("llama-2-7b", "M1-7c/GPU", context=np.array([0, 512, 4096]))
    dram = energy_per_token(estimate)["dram"]
    assert dram.shape == (3,) and np.all(np.diff(dram) > 0)


# ------------------------------------------------------------------ traffic


@pytest.mark.parametrize(("tokens", "offset"), [(1, 0), (1, 2048), (300, 0), (2048, 512)])
def test_traffic_counted_one_by_one(tokens, offset):
    """Each crossing of the bus, layer by layer, query by query."""
    model, block = transformer("llama-3.2-1b"), 128
    d, f = model.d_model, model.d_ff
    q, k = model.heads * model.head_dim, model.kv_heads * model.head_dim
    kv = activations = scores = 0
    for _ in range(model.layers):
        for token in range(tokens):
            kv += 2 * k * 2  # written
            end = min(tokens, (token // block + 1) * block)
            if token % block == 0:
                kv += 2 * k * 2 * (offset + end)  # read once per block of queries
            for reads, writes in (
                (d, d), (d, q), (d, k), (d, 0), (q, q), (k, 0), (q, q), (q, d), (2 * d, d),  # attention
                (d, d), (d, f), (d, f), (f, f), (2 * f, f), (f, d), (2 * d, d),  # feed-forward
            ):  # fmt: skip
                activations += 2 * (reads + writes)
            scores += 2 * 4 * model.heads * (offset + tokens)
    plain = dram_traffic_B(model, weight_format("f16"), tokens, offset)
    tiled = dram_traffic_B(model, weight_format("f16"), tokens, offset, tiled=True, block=block)
    assert plain["weights"] == 2 * model.matmul_params
    assert tiled["kv"] == kv and tiled["scores"] == 0
    assert plain["scores"] == scores and plain["activations"] == activations
    assert plain["kv"] == model.kv_bytes_per_token() * (2 * tokens + offset)


def test_claim_1_1_1_84_the_split_of_the_bandwidth():
    """INT8 7B at 2,048 tokens: 86 / 14 / 0.05 %, not 70 / 20 / 10."""
    parts = dram_traffic_B(LLAMA, weight_format("int8"), 1, 2048, fused=True)
    share = {name: 100 * size / sum(parts.values()) for name, size in parts.items()}
    assert share["weights"] == pytest.approx(86, abs=0.5)
    assert share["kv"] == pytest.approx(14, abs=0.5)
    assert share["activations"] == pytest.approx(0.05, abs=0.01)


def test_claim_1_2_3_09_tiling_saves_in_prefill_only():
    def saving(tokens, offset):
        plain, tiled = (
            sum(dram_traffic_B(LLAMA, weight_format("f16"), tokens, offset, tiled=t).values())
            for t in (False, True)
        )
        return 1 - tiled / plain

    assert saving(2048, 0) > 0.3 and 0 < saving(1, 2048) < 0.002


def test_tiny_tiles_move_more_than_no_tiles():
    """Errata 9: with few queries per block the keys are read more often than scores would be."""
    plain, tiled = (
        sum(dram_traffic_B(LLAMA, weight_format("f16"), 2048, tiled=t, block=8).values())
        for t in (False, True)
    )
    assert tiled > plain


# ------------------------------------------------------------------ measured


def test_measured_runs_are_the_published_ones():
    with files("edgelib.data").joinpath("measurements.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["power_W"]]
    runs = measured_energy()
    assert [(r.power_W, r.tok_s) for r in runs] == [
        (float(row["power_W"]), float(row["decode_tok_s"])) for row in rows
    ]
    tmac = next(run for run in runs if run.runtime == "T-MAC CPU")
    assert tmac.joules == pytest.approx(10.4 / 15.62) and not tmac.wall


def test_no_machine_uses_less_than_its_memory_needs():
    """Physics: measured energy is above the traffic at the largest published energy of LPDDR5, 20 pJ/bit."""
    assert all(run.pJ_per_byte > 160 for run in measured_energy())
    assert 0.02 < median_share(energy_of("lpddr5").to("byte").pJ) < 0.1


@pytest.mark.parametrize(
    ("call", "names"),
    [
        (lambda: EnergyPer(200, "line"), "per"),
        (lambda: EnergyPer(200, None), "per"),
        (lambda: EnergyPer(-1, "bit"), "pJ"),
        (lambda: EnergyPer(200, "byte").of_ops(1), "OP"),
        (lambda: EnergyPer(0.2, "MAC").of_bytes(1), "byte"),
        (lambda: EnergyPer(0.2, "MAC").to("bit"), "bit"),
        (lambda: EnergyPer(200, "byte").of_bytes(-1), "size_B"),
        (lambda: EnergyPer(0.2, "OP").of_ops(np.nan), "ops"),
        (lambda: energy_of("lpddr6"), "lpddr5"),
        (lambda: implied_energy(1, 0), "bandwidth"),
        (lambda: implied_energy(-1, 1), "power_W"),
        (lambda: memory_power_W(EnergyPer(0.2, "OP"), 1e9), "byte"),
        (lambda: energy_per_token(predict("llama-2-7b", "M1-7c/GPU"), dram="int8_mac"), "per"),
        (lambda: energy_per_token(predict("llama-2-7b", "M1-7c/GPU"), dram=200), "dram"),
        (lambda: energy_per_token(predict("llama-2-7b", "M1-7c/GPU"), static_W=-1), "static_W"),
        (lambda: dram_traffic_B(LLAMA, weight_format("f16"), 0), "tokens"),
        (lambda: dram_traffic_B(LLAMA, weight_format("f16"), 1, -1), "offset"),
        (lambda: dram_traffic_B(LLAMA, weight_format("f16"), 1, block=0), "block"),
        (lambda: dram_traffic_B(LLAMA, weight_format("f16"), 1, kv_bits=0), "kv_bits"),
    ],
)
def test_bad_input_is_named(call, names):
    with pytest.raises(ValueError, match=names):
        call()


def test_every_energy_has_a_source_and_a_confidence():
    with files("edgelib.data").joinpath("energy.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            assert row["source"] and row["confidence"] in {"high", "medium", "low"}
            if row["low"]:
                assert float(row["low"]) <= float(row["value"]) <= float(row["high"])
