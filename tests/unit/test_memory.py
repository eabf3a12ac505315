"""Memory calculators: parts and sums, arrays, explanations, what runtimes add, bad input."""

import ast
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgelib.data import table
from edgelib.metrics import liveness, memory, memory_runs, predict
from edgelib.units import GIB, MIB
from edgelib.workloads import format_names, model_names, transformer

MODELS, FORMATS = st.sampled_from(model_names()), st.sampled_from(format_names())


@given(MODELS, FORMATS, st.integers(0, 100_000), st.integers(1, 8), st.integers(0, 10**9))
def test_the_sum_is_the_sum_of_its_parts_and_grows_with_each(model, weights, context, batch, extra):
    fit = memory.footprint(model, weights, context=context, batch=batch, runtime_B=extra)
    assert fit.total_B == pytest.approx(sum(fit.parts.values()))
    more = memory.footprint(model, weights, context=context + 1, batch=batch, runtime_B=extra)
    assert more.total_B > fit.total_B
    assert fit.largest_context(fit.total_B) in (context, context - 1)  # rounding of the sum
    assert fit.largest_context(fit.parts["weights"] / 2) == 0


@given(MODELS, FORMATS)
def test_the_predictor_counts_the_same_bytes(model, weights):
    estimate = predict(model, "M1-7c/GPU", weights=weights, prompt=500, generate=12)
    fit = memory.footprint(model, weights, context=512)
    assert fit.parts["weights"] == pytest.approx(estimate.memory_B["weights"])
    assert fit.parts["kv"] == pytest.approx(estimate.memory_B["kv"])


@given(MODELS, st.integers(1, 16), st.integers(16, 256))
def test_smaller_groups_and_more_bits_never_shrink_the_weights(model, bits, group):
    def size(**how):
        return sum(memory.weight_parts(model, **how).values())

    assert size(bits=bits) <= size(bits=bits, group=2 * group) <= size(bits=bits, group=group)
    assert size(bits=bits, group=group) <= size(bits=bits + 1, group=group)
    assert size(bits=bits, group=group) <= size(bits=bits, group=group, zero_bits=16)


@given(MODELS, st.integers(1, 4096), st.booleans())
def test_reuse_never_needs_more(model, tokens, fused):
    buffers = liveness.layer_buffers(transformer(model), tokens, fused=fused)
    assert liveness.peak(buffers) <= liveness.without_reuse(buffers)
    stored = liveness.layer_buffers(transformer(model), tokens, fused=False)
    assert liveness.without_reuse(buffers) <= liveness.without_reuse(stored)


def test_arrays_equal_scalars():
    bits, tokens = np.array([2.0, 4, 8, 16]), np.array([0.0, 100, 4096])
    many = memory.weight_parts("llama-2-7b", bits, group=np.array([32.0]))
    for i, b in enumerate(bits):
        one = memory.weight_parts("llama-2-7b", float(b), group=32)
        assert [np.broadcast_to(part, 4)[i] for part in many.values()] == pytest.approx(list(one.values()))
    sizes = memory.kv_size("llama-2-7b", tokens, window=64, sinks=4, bits=8.5)
    assert sizes == pytest.approx(
        [memory.kv_size("llama-2-7b", t, window=64, sinks=4, bits=8.5) for t in tokens]
    )
    assert memory.footprint("llama-2-7b", "q4_0", context=tokens).total_B.shape == (3,)


@pytest.mark.parametrize("quantity", memory.GRAPH.formulas)
def test_an_explanation_evaluates_to_the_value(quantity):
    """By its own functions, and by Python's eval of the text that a reader sees."""
    fit = memory.footprint("llama-3.1-8b", "q4_0", context=777, batch=2, activations_B=1e8, runtime_B=1e8)
    tree = fit.explain(quantity)
    assert tree.evaluate() == tree.value == fit.value(quantity)

    def check(node):
        names = {child.name: child.value for child in node.inputs}
        if node.formula:
            assert {n.id for n in ast.walk(ast.parse(node.formula)) if isinstance(n, ast.Name)} == set(names)
            assert eval(node.formula, {}, names) == pytest.approx(node.value, rel=1e-12)
        else:
            assert node.source
        for child in node.inputs:
            check(child)

    check(tree)


# --- what runtimes take beyond the sum --------------------------------------------------------------


def test_every_run_takes_more_than_the_sum_and_less_than_a_gigabyte_and_a_half():
    for run in memory_runs.memory_runs():
        assert 0 < run.overhead_B < 1.5e9, run


def test_the_megabytes_of_rkllm_are_mebibytes():
    """From 8 to 4 bits a model loses half a byte per matrix weight: true for 2**20, 4 % off for 1e6."""
    runs = {(r.on, r.model, r.quant): r for r in memory_runs.memory_runs() if r.source_id == "RKLLM"}
    ratios = []
    for (on, model, quant), run in runs.items():
        small = runs.get((on, model, "w4a16"))
        if quant == "w8a8" and small:
            ratios.append((run.measured_B - small.measured_B) / (transformer(model).matmul_params / 2))
    assert len(ratios) >= 9
    assert np.median(ratios) == pytest.approx(1, abs=0.01)
    assert abs(np.median(ratios) * 1e6 / MIB - 1) > 0.03


def test_runs_that_stand_in_two_tables_agree():
    alias = {row["alias"]: row["model"] for row in table("models")}
    twice = {
        (alias[r["model"]], r["quant"]): r for r in table("measurements") if r["source_id"] == "ExecuTorch"
    }
    listed = [r for r in table("memory_runs") if r["source_id"] == "ExecuTorch"]
    assert len(listed) == 6
    for row in listed:
        assert float(row["memory_MiB"]) == float(twice[row["model"], row["quant"]]["memory_MB"])


def test_every_run_names_its_source():
    for row in table("memory_runs"):
        assert row["source"] and row["confidence"] in ("high", "medium", "low") and row["note"]
    assert {run.source_id for run in memory_runs.memory_runs()} == {"GPTQ-for-LLaMa", "ExecuTorch", "RKLLM"}


@pytest.mark.parametrize("source", ["GPTQ-for-LLaMa", "ExecuTorch", "RKLLM"])
def test_an_overhead_is_the_spread_of_its_runs(source):
    found = memory_runs.overhead(source)
    values = [r.overhead_B for r in memory_runs.memory_runs() if r.source_id == source]
    assert (found.low_B, found.high_B, found.runs) == (min(values), max(values), len(values))
    assert found.median_B == pytest.approx(np.median(values))


# --- bad input --------------------------------------------------------------------------------------

LLAMA = "llama-2-7b"
SHAPE = transformer(LLAMA)


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda: memory.bits_per_weight(0), "bits"),
        (lambda: memory.bits_per_weight(4, group=0.5), "group"),
        (lambda: memory.bits_per_weight(4, group=32, scale_bits=-1), "scale_bits"),
        (lambda: memory.bits_per_weight(4, group=32, zero_bits=math.nan), "zero_bits"),
        (lambda: memory.weight_parts("llama", 4), "model"),
        (lambda: memory.weight_parts(None, 4), "model"),
        (lambda: memory.weight_parts(LLAMA, "4"), "bits"),
        (lambda: memory.weight_parts(LLAMA, 4, embedding_bits=0), "embedding_bits"),
        (lambda: memory.kv_size(LLAMA, -1), "tokens"),
        (lambda: memory.kv_size(LLAMA, 1, batch=0), "batch"),
        (lambda: memory.kv_size(LLAMA, 1, bits=0), "bits"),
        (lambda: memory.kv_size(LLAMA, 1, window=0), "window"),
        (lambda: memory.kv_size(LLAMA, 1, window=8, sinks=-1), "sinks"),
        (lambda: memory.training_parts(-1, "SGD, FP32"), "params"),
        (lambda: memory.training_parts(1, "Adam"), "scheme"),
        (lambda: memory.linear_layers(7), "model"),
        (lambda: memory.lora_params(LLAMA, 0), "rank"),
        (lambda: memory.lora_params(LLAMA, 8, ["q", "w"]), "target"),
        (lambda: memory.lora_params(LLAMA, 8, ["q", "q"]), "targets"),
        (lambda: memory.footprint(LLAMA, "int3"), "format"),
        (lambda: memory.footprint(LLAMA, None), "weights"),
        (lambda: memory.footprint(LLAMA, context=-1), "context"),
        (lambda: memory.footprint(LLAMA, batch=0), "batch"),
        (lambda: memory.footprint(LLAMA, kv_bits=0), "kv_bits"),
        (lambda: memory.footprint(LLAMA, embedding_bits=0), "embedding_bits"),
        (lambda: memory.footprint(LLAMA, activations_B=-1), "activations_B"),
        (lambda: memory.footprint(LLAMA, runtime_B=math.inf), "runtime_B"),
        (lambda: memory.footprint(LLAMA).largest_context(0), "capacity_B"),
        (lambda: memory.footprint(LLAMA).largest_context([GIB, 2 * GIB]), "capacity_B"),
        (lambda: memory.footprint(LLAMA).value("size"), "quantity"),
        (lambda: liveness.layer_buffers(None, 1), "model"),
        (lambda: liveness.decode_traffic_B("llama"), "model"),
        (lambda: liveness.layer_buffers(SHAPE, 0), "tokens"),
        (lambda: liveness.layer_buffers(SHAPE, 1, batch=0), "batch"),
        (lambda: liveness.layer_buffers(SHAPE, 1, bits=0), "bits"),
        (lambda: liveness.without_reuse((), layers=0), "layers"),
        (lambda: liveness.peak(()), "buffers"),
        (lambda: memory_runs.overhead("llama.cpp"), "source_id"),
    ],
)
def test_bad_input_is_named(call, named):
    with pytest.raises(ValueError, match=named):
        call()
