"""Plans, against published files and runs, the predictor, simulators of prefill, and a simulated draft."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from edgelib.data import table
from edgelib.errors import UnknownFigure, UnknownName
from edgelib.kernels.speculative import simulate, speedup
from edgelib.metrics import predict
from edgelib.metrics.memory_runs import memory_runs, overhead
from edgelib.planning import Plan
from edgelib.planning.chunked_prefill import chunked_prefill
from edgelib.planning.plan import (
    CHUNK,
    DRAFTED,
    FAMILIES,
    SINKS,
    pruned,
    published_loss,
    steps,
    trained_context,
)
from edgelib.planning.prefix_cache import prefix_saving
from edgelib.planning.target import PHONE_FIGURES, Requirements, Target, phone, target_from, wish
from edgelib.units import MIB
from edgelib.workloads import transformer, weight_format

BASE = Plan("llama-3.2-3b", "q4_0", context=4096, unit="npu")


def having(**techniques: Any) -> Plan:
    return replace(BASE, **techniques)


def value(plan: Plan, name: str, target: Target | None = None, wanted: Requirements | None = None) -> float:
    found = plan.evaluate(target or phone(), wanted or wish()).margin(name).value
    assert found is not None
    return found


def prefill_s(n: int, before: int) -> float:
    """Seconds of one step of n tokens after `before` others, from two ordinary predictions."""
    npu = phone().unit("npu").engine
    whole, start = (
        predict("llama-3.2-3b", npu, weights="q4_0", prompt=n, runtime="qnn")
        for n in (n + before, max(before, 1))
    )
    ops = whole.value("prefill_ops") - (start.value("prefill_ops") - 2 * whole.model.head_params) * (
        before > 0
    )
    reading = whole.value("weight_bytes") + whole.model.kv_bytes_per_token() * before
    arithmetic = ops / (whole.value("utilisation") * whole.value("peak"))
    step = max(arithmetic, reading / whole.value("sustained_bandwidth"))
    return float(step + whole.value("prefill_overhead_s"))


# ------------------------------------------------------------------ memory


@pytest.mark.parametrize(
    ("alias", "quant", "format_name"),
    [("Llama-2-7B", "Q4_0", "q4_0"), ("Llama-2-7B", "Q8_0", "q8_0"), ("Llama-2-7B", "F16", "f16")],
)
def test_weights_are_as_large_as_published_files(alias: str, quant: str, format_name: str) -> None:
    rows = [
        r for r in table("measurements") if (r["model"], r["quant"]) == (alias, quant) and r["file_bytes"]
    ]
    files = {float(row["file_bytes"]) for row in rows}
    weights = Plan("llama-2-7b", format_name, 512, "cpu").evaluate(phone(), wish()).memory["weights"]
    assert files and all(weights == pytest.approx(size, rel=0.005) for size in files)


def test_the_printed_answer_does_not_fit_by_anybodys_count() -> None:
    """GPTQ-for-LLaMa published 4,740 MiB for LLaMA-7B, 4 bits, 2,048 tokens: more than the whole phone."""
    run = next(r for r in memory_runs() if r.model == "llama-2-7b" and r.quant == "GPTQ 4-bit")
    assert run.measured_B == 4740 * MIB > phone().memory_B
    found = Plan("llama-2-7b", "int4", 2048, "cpu").evaluate(phone(), wish())
    margin = found.margin("memory")
    assert not margin.met and found.memory["kv"] == run.kv_B == 2**30
    # The run keeps embedding and output matrix in FP16: 2 x 32,000 x 4,096 weights, 12 bits more for each
    counted = found.memory["weights"] + found.memory["kv"] + 2 * 32000 * 4096 * 12 / 8
    assert counted == pytest.approx(run.measured_B - run.overhead_B, rel=1e-3)


def test_the_runtime_of_the_phone_is_the_most_that_was_published() -> None:
    assert overhead("RKLLM").high_B == pytest.approx(PHONE_FIGURES["runtime_B"], rel=0.01)


def test_a_window_a_cache_format_and_a_draft_change_what_they_should() -> None:
    parts = BASE.memory(phone(), wish())
    assert parts["kv"] == 4096 * 2 * 28 * 8 * 128 * 2  # tokens, keys and values, layers, heads, width, bytes
    assert having(window=1024).memory(phone(), wish())["kv"] == parts["kv"] * (1024 + SINKS) / 4096
    assert having(kv="q8_0").memory(phone(), wish())["kv"] == parts["kv"] * 34 / 64  # 34 bytes for 32 values
    small = Plan("llama-3.2-1b", "q4_0", context=4096, unit="npu").memory(phone(), wish())
    drafted = having(draft="llama-3.2-1b").memory(phone(), wish())
    assert drafted["draft"] == small["weights"] + small["kv"]
    assert {name: size for name, size in drafted.items() if name != "draft"} == parts


def test_flash_attention_saves_the_scores_and_chunks_save_activations() -> None:
    """Ex4.04: stored scores of a layer are heads x n x n x 2 bytes; 268 MB for 32 heads and 2,048 tokens."""
    wanted = replace(wish(), prompt=2048, prefix=0)
    seven = Plan("llama-2-7b", "q4_0", context=4096, unit="npu")
    stored = seven.memory(phone(), wanted)["activations"]
    fused = replace(seven, techniques=("flash-attention",)).memory(phone(), wanted)["activations"]
    assert 32 * 2048 * 2048 * 2 == 268_435_456 < stored < 268_435_456 + fused
    both = replace(seven, techniques=("flash-attention", "chunked-prefill")).memory(phone(), wanted)
    assert both["activations"] == pytest.approx(fused * CHUNK / 2048)
    # a prompt behind a kept beginning: few rows of scores, each as long as everything before
    wanted = replace(wanted, prefix=2048 - 128)
    kept = replace(seven, techniques=("prefix-cache",)).memory(phone(), wanted)["activations"]
    assert 32 * 128 * 2048 * 2 < kept < 32 * 128 * 2048 * 2 + fused


# ------------------------------------------------------------------ time


@pytest.mark.parametrize("unit", ["cpu", "gpu", "npu"])
@pytest.mark.parametrize("prompt", [1, 17, 512, 4000])
def test_without_techniques_it_is_the_prediction(unit: str, prompt: int) -> None:
    on = phone().unit(unit)
    wanted = replace(wish(), prompt=prompt, prefix=0)
    plain = predict(
        "llama-3.2-3b", on.engine, weights="q4_0", prompt=prompt, context=4096, runtime=on.runtime
    )
    plan = having(unit=unit)
    assert value(plan, "ttft", wanted=wanted) == pytest.approx(plain.ttft_s, rel=1e-12)
    assert value(plan, "speed", wanted=wanted) == pytest.approx(plain.decode_tok_s, rel=1e-12)


@pytest.mark.parametrize(("prompt", "prefix"), [(512, 384), (512, 1), (700, 699)])
def test_a_kept_beginning_saves_what_the_simulator_says(prompt: int, prefix: int) -> None:
    wanted = replace(wish(), prompt=prompt, prefix=prefix)
    saving = prefix_saving(prefix, prompt, 1.0, prefill_s, 1.0)
    assert value(having(techniques=("prefix-cache",)), "ttft", wanted=wanted) == pytest.approx(saving.hit_s)
    assert value(BASE, "ttft", wanted=wanted) == pytest.approx(saving.miss_s)


def test_chunks_make_the_own_first_token_later_as_the_simulator_says() -> None:
    wanted = replace(wish(), prompt=500, prefix=0)
    line = chunked_prefill(500, CHUNK, lambda n, before, _: prefill_s(n, before) if n else 1.0, b_tokens=1)
    chunked = value(having(techniques=("chunked-prefill",)), "ttft", wanted=wanted)
    assert chunked == pytest.approx(line.ttft_s) and chunked > value(BASE, "ttft", wanted=wanted)
    assert [n for n, _ in steps(having(techniques=("chunked-prefill",)), wanted)] == [32] * 15 + [20]


def test_chunks_compute_what_the_whole_prompt_computes() -> None:
    """Where arithmetic binds and nothing else costs time, the order of the work does not matter."""
    unit = {"kind": "npu", "bandwidth": 1e12, "peak_int8": 1e11, "runtime": "ideal"}
    slow = target_from({**PHONE_FIGURES, "units": {"npu": unit}})
    chunked = value(having(techniques=("chunked-prefill",)), "ttft", slow)
    assert chunked == pytest.approx(value(BASE, "ttft", slow), rel=1e-12)


def test_a_draft_is_worth_its_formula_and_a_simulation() -> None:
    on = phone().unit("npu").engine
    small, large = (
        predict(m, on, weights="q4_0", context=4096, runtime="qnn") for m in ("llama-3.2-1b", BASE.model)
    )
    drafted = value(having(draft="llama-3.2-1b"), "speed")
    verify = predict(BASE.model, on, weights="q4_0", context=4096, runtime="qnn", batch=DRAFTED + 1)
    assert verify.value("decode_ops") / (0.151 * 12e12) < large.value(
        "read_s"
    )  # the pass is bound by reading
    cost = small.decode_s / large.decode_s
    assert drafted == pytest.approx(large.decode_tok_s * speedup(0.7, DRAFTED, cost))
    p, q = np.array([0.7, 0.3]), np.array([1.0, 0.0])  # min(p, q) adds up to an acceptance of 0.7
    rounds = simulate(p, q, DRAFTED, 100_000, 1)
    seconds = DRAFTED * small.decode_s + large.decode_s
    assert drafted == pytest.approx(rounds.tokens_per_round.mean() / seconds, rel=0.01)


def test_a_slow_unit_does_not_verify_a_draft_for_free() -> None:
    """Five tokens on a GPU of 1e10 OP/s: arithmetic, not reading, decides the pass."""
    figures = {**PHONE_FIGURES, "units": {"gpu": {**PHONE_FIGURES["units"]["gpu"], "peak_fp16": 1e11}}}
    slow = target_from(figures)
    plan = having(unit="gpu", draft="llama-3.2-1b")
    assert value(plan, "speed", slow) < value(replace(plan, draft=None), "speed", slow)


# ------------------------------------------------------------------ pruning, loss, sight


def test_a_bitmap_makes_the_pruned_file_larger() -> None:
    """Errata 16: 1 + 0.8 x 4 = 4.2 bits, 6.83 GB for 13e9 weights, against 6.5 dense and 5.2 printed."""
    four = weight_format("int4")
    assert pruned(four, 0.2).bits == pytest.approx(4.2) and pruned(four, 0) is four
    assert 13e9 * pruned(four, 0.2).bits / 8 == pytest.approx(6.825e9)
    assert pruned(four, 0.25).bits == 4 > pruned(four, 0.26).bits
    dense, sparse = (
        Plan("llama-2-13b", "int4", 2048, "cpu", sparsity=s).memory(phone(), wish()) for s in (0, 0.2)
    )
    assert 6.5e9 < dense["weights"] < 6.53e9 < 6.8e9 < sparse["weights"] < 6.86e9
    for seed in range(3):  # a real mask of a real matrix, packed
        kept = np.random.default_rng(seed).random((256, 512)) >= 0.2
        packed = np.packbits(kept).nbytes * 8 + 4 * int(kept.sum())
        assert packed / kept.size == pytest.approx(4.2, abs=0.02)


def test_losses_are_the_published_ratios() -> None:
    # printed beside the perplexities in the same source, for three formats
    for name, ratio in (("q8_0", 1.000425), ("q4_k_m", 1.02816), ("q2_k_mix", 1.564849)):
        assert published_loss(name) == pytest.approx(ratio - 1, abs=5e-4)
    assert published_loss("f16") == 0
    with pytest.raises(UnknownFigure, match="loss by mxfp4 is unpublished; known: f16"):
        published_loss("mxfp4")
    for plan in (having(weights="mxfp4"), having(sparsity=0.3)):
        margin = plan.evaluate(phone(), wish()).margin("loss")
        assert (
            margin.value is None and not margin.met and "unpublished" in str(margin) and margin.share is None
        )


def test_sight_is_what_is_kept_and_what_was_trained() -> None:
    assert (having(context=8192).sight, having(window=100).sight) == (8192, 104)
    assert having(model="phi-2").sight == 2048 == trained_context("phi-2")


def test_drafting_families_share_a_tokeniser() -> None:
    """Sizes of vocabularies agree, up to the padding that llama.cpp's own check allows (128)."""
    for family in FAMILIES:
        sizes = [transformer(name).vocab for name in family]
        assert max(sizes) - min(sizes) <= 128


# ------------------------------------------------------------------ unknown and bad figures


def test_a_unit_of_the_catalogue_and_a_figure_that_nobody_published() -> None:
    figures = {**PHONE_FIGURES, "units": {"npu": "SD8G3/NPU", "gpu": "SD8G3/GPU"}}
    target = target_from(figures)
    assert value(BASE, "ttft", target) < value(BASE, "ttft")  # 45 TOPS for 12
    blind = having(unit="gpu").evaluate(target, wish())
    assert blind.margin("speed").met and blind.margin("ttft").value is None and not blind.feasible
    assert "peak_fp16 of SD8G3/GPU is unpublished" in str(blind)


@pytest.mark.parametrize(
    ("change", "error", "text"),
    [
        ({"model": "llama-13b"}, UnknownName, "model = 'llama-13b' is unknown; did you mean llama-2-13b"),
        ({"weights": "int3"}, UnknownName, "weights = 'int3' is unknown"),
        ({"kv": "int8"}, UnknownName, "kv = 'int8' is unknown"),
        (
            {"techniques": ("distil",)},
            UnknownName,
            "accepted: prefix-cache, chunked-prefill, flash-attention",
        ),
        ({"techniques": None}, ValueError, "techniques = None: expected a tuple of names"),
        ({"context": -1}, ValueError, "context = -1: expected a whole number of at least 1"),
        ({"context": float("nan")}, ValueError, "context = nan: expected a finite number"),
        ({"context": 2**21}, ValueError, "context is too large: expected at most 1,048,576 tokens"),
        ({"window": True}, ValueError, "window = True: expected a real number"),
        ({"sparsity": 1.5}, ValueError, "sparsity = 1.5: expected a fraction"),
        ({"unit": None}, ValueError, "unit = None: expected the name of a unit"),
        ({"draft": "qwen2-0.5b"}, UnknownName, "draft = 'qwen2-0.5b' is unknown"),
        ({"model": "phi-2", "draft": "qwen2-0.5b"}, ValueError, "expected None, nothing drafts for phi-2"),
    ],
)
def test_bad_plans_are_refused(change: dict[str, Any], error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=re.escape(text)):
        replace(BASE, **change)


def test_a_unit_must_exist_and_take_the_format() -> None:
    with pytest.raises(UnknownName, match=re.escape("unit = 'dsp' is unknown; accepted: cpu, gpu, npu")):
        having(unit="dsp").evaluate(phone(), wish())
    with pytest.raises(ValueError, match=re.escape("weights = 'q4_k_m': npu takes q4_0, q8_0, mxfp4")):
        having(weights="q4_k_m").evaluate(phone(), wish())


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"prompt": 0}, "prompt = 0"),
        ({"prefix": 512}, "prefix = 512: expected fewer tokens than prompt = 512"),
        ({"context": 100}, "context = 100: expected at least prompt = 512 tokens"),
        ({"ttft_s": 0}, "ttft_s = 0: expected a number greater than 0"),
        ({"acceptance": 2}, "acceptance = 2: expected a fraction"),
    ],
)
def test_bad_requirements_are_refused(change: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=re.escape(text)):
        replace(wish(), **change)


def test_bad_targets_are_refused() -> None:
    with pytest.raises(ValueError, match="memory_B = -1"):
        target_from({**PHONE_FIGURES, "memory_B": -1})
    with pytest.raises(ValueError, match="units is empty"):
        target_from({**PHONE_FIGURES, "units": {}})
    with pytest.raises(UnknownName, match="figure = 'tops' is unknown"):
        target_from({**PHONE_FIGURES, "units": {"npu": {"kind": "npu", "tops": 3}}})


# ------------------------------------------------------------------ margins


def test_margins_say_by_how_much() -> None:
    found = having(techniques=("prefix-cache",)).evaluate(phone(), wish())
    assert found.feasible and repr(found).endswith("every constraint is met")
    memory = found.margin("memory")
    assert memory.value == sum(found.memory.values()) and memory.limit == 4 * 2**30 - 1.5e9
    assert memory.share == pytest.approx(1 - sum(found.memory.values()) / memory.limit)
    exact = replace(memory, value=memory.limit)
    assert exact.met and exact.share == 0 and not replace(memory, value=memory.limit * 1.001).met
    speed = found.margin("speed")
    assert replace(speed, value=4.0).share == pytest.approx(-0.2)
    assert str(replace(speed, value=4.0)) == "speed: 4.00 tok/s, at least 5.00 tok/s; missed by 20 %"
    with pytest.raises(UnknownName, match="constraint = 'tps' is unknown"):
        found.margin("tps")


def test_more_of_anything_never_makes_a_plan_worse() -> None:
    figures: dict[str, Any] = PHONE_FIGURES
    npu = figures["units"]["npu"]
    better = [
        {**figures, "system_B": 1e9},
        {**figures, "units": {"npu": {**npu, "bandwidth": 1.1 * npu["bandwidth"]}}},
        {**figures, "units": {"npu": {**npu, "peak_int8": 1.1 * npu["peak_int8"]}}},
    ]
    for plan in (BASE, having(techniques=("prefix-cache", "chunked-prefill")), having(draft="llama-3.2-1b")):
        before = plan.evaluate(phone(), wish()).margins
        for changed in better:
            after = plan.evaluate(target_from(changed), wish()).margins
            for b, a in zip(before, after, strict=True):
                assert a.share is not None and b.share is not None and a.share >= b.share
