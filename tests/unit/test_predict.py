"""The predictor: closed form, properties over the whole catalogue, explanations, bad input."""

import ast
import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgelib.errors import UnknownFigure
from edgelib.hardware import engine, engine_names
from edgelib.hardware.host import Host
from edgelib.hardware.probe import Probe, Rate
from edgelib.metrics import Runtime, predict, runtime
from edgelib.metrics.formulas import GRAPH
from edgelib.metrics.runtimes import runtime_of
from edgelib.workloads import WeightFormat, format_names, model_names, transformer, weight_format

ENGINES = st.sampled_from(engine_names())
MODELS = st.sampled_from(model_names())
FORMATS = st.sampled_from(format_names())
CONTEXT = st.integers(0, 100_000)
RUNTIMES = st.sampled_from(["typical", "ideal"])


def test_decode_by_hand():
    """LLaMA-2 7B, Q8_0, an empty context, 68 GB/s: bytes over bandwidth, nothing else."""
    bound = predict("llama-2-7b", "M1-7c/GPU", weights="q8_0", context=0, runtime="ideal")
    assert bound.decode_tok_s == pytest.approx(68e9 / (6_607_077_376 * 8.5 / 8))
    assert bound.bottleneck == "memory"


def test_the_register_of_claims():
    """14.3, 12.4 and 7.1 tok/s at 100 GB/s (Ex2.02, 1.2.1.12), for 7 G parameters."""
    unit = engine("M1-7c/GPU").having(bandwidth=100e9)
    seven = 7e9 / transformer("llama-2-7b").matmul_params
    for bits, context, expected in ((8, 0, 14.3), (8, 2048, 12.4), (16, 0, 7.1)):
        weights = WeightFormat("exactly 7 G parameters", bits * seven, bits * seven)
        bound = predict("llama-2-7b", unit, weights=weights, context=context, runtime="ideal")
        assert bound.decode_tok_s == pytest.approx(expected, abs=0.05)


def test_a_large_batch_is_bound_by_arithmetic():
    bound = predict("llama-2-7b", "M1-7c/GPU", weights="q8_0", context=0, batch=512, runtime="ideal")
    assert bound.bottleneck == "compute"
    assert bound.decode_tok_s == pytest.approx(bound.engine.peak.value / (2 * 6_607_077_376))


@settings(max_examples=200, deadline=None)
@given(MODELS, ENGINES, FORMATS, CONTEXT, RUNTIMES)
def test_no_step_is_faster_than_its_bytes_or_its_operations(model, on, weights, context, name):
    estimate = predict(model, on, weights=weights, context=context, runtime=name)
    size = estimate.value("weight_bytes") + estimate.value("kv_bytes")
    assert estimate.decode_s >= size / estimate.engine.bandwidth * (1 - 1e-12)
    try:
        peak = estimate.value("peak")
    except UnknownFigure:
        return
    if name == "ideal" or estimate.engine.kind != "cpu":
        assert estimate.decode_s >= estimate.value("decode_ops") / peak * (1 - 1e-12)
    if estimate.runtime.utilisation is not None:
        assert estimate.ttft_s >= estimate.value("prefill_ops") / peak * (1 - 1e-12)


@settings(max_examples=100, deadline=None)
@given(MODELS, ENGINES, CONTEXT, RUNTIMES)
def test_fewer_bits_are_never_slower(model, on, context, name):
    """Everywhere but on a CPU with formats that are dearer to unpack (see the next test)."""
    formats = sorted((weight_format(f) for f in format_names()), key=lambda f: (f.bits, f.head_bits))
    if name != "ideal" and engine(on).kind == "cpu":
        formats = [f for f in formats if f.unpack_class in ("plain", "float")]
    for fewer, more in pairwise(formats):
        if fewer.head_bits <= more.head_bits:
            small, large = (
                predict(model, on, weights=f, context=context, runtime=name) for f in (fewer, more)
            )
            assert small.decode_tok_s >= large.decode_tok_s


@settings(max_examples=100, deadline=None)
@given(MODELS, ENGINES, FORMATS, CONTEXT, RUNTIMES)
def test_more_bandwidth_never_hurts_and_more_context_never_helps(model, on, weights, context, name):
    unit = engine(on)
    here = predict(model, unit, weights=weights, context=context, runtime=name)
    faster = predict(
        model, unit.having(bandwidth=2 * unit.bandwidth), weights=weights, context=context, runtime=name
    )
    longer = predict(model, unit, weights=weights, context=context + 1, runtime=name)
    assert faster.decode_tok_s >= here.decode_tok_s >= longer.decode_tok_s
    assert (
        here.decode_tok_s
        <= predict(model, unit, weights=weights, context=context, runtime="ideal").decode_tok_s
    )


@pytest.mark.parametrize("on", engine_names())
def test_every_engine_predicts_or_says_what_is_unpublished(on):
    estimate = predict("qwen2.5-1.5b", on, weights="q4_0")
    assert 0 < estimate.decode_tok_s < 1e4
    low, high = estimate.interval("decode_tok_s")
    assert low < estimate.decode_tok_s < high
    figures = estimate.engine.figures.keys()
    if figures & {"peak_fp16", "peak_int8"} or {"clock", "simd_pipes", "threads"} <= figures:
        assert estimate.ttft_s == pytest.approx(512 / estimate.prefill_tok_s)
    else:
        with pytest.raises(UnknownFigure, match="unpublished"):
            _ = estimate.ttft_s


def test_an_unpublished_peak_is_needed_for_a_batch():
    assert predict("llama-2-7b", "M5-10c/GPU").decode_tok_s > 0
    with pytest.raises(UnknownFigure, match="M5-10c/GPU"):
        _ = predict("llama-2-7b", "M5-10c/GPU", batch=8).decode_tok_s
    bare = engine("M5-10c/GPU")
    bare = type(bare)("bare", "gpu")
    with pytest.raises(UnknownFigure, match="bandwidth of bare"):
        _ = predict("llama-2-7b", bare).decode_tok_s


def test_a_bound_has_no_interval():
    with pytest.raises(UnknownFigure, match="no interval"):
        predict("llama-2-7b", "M1-7c/GPU", runtime="ideal").interval("decode_tok_s")


@pytest.mark.parametrize("quantity", GRAPH.formulas)
@pytest.mark.parametrize("name", ["typical", "ideal"])
def test_an_explanation_evaluates_to_the_value(quantity, name):
    """Twice: by its own functions, and by Python's eval of the text that a reader sees."""
    on = "M2Max/CPU" if quantity in ("simd_rate", "cycles_per_weight") else "OrinNanoSuper8/GPU"
    estimate = predict("llama-3.1-8b", on, weights="q4_0", batch=3, runtime=name)
    tree = estimate.explain(quantity)
    assert tree.evaluate() == tree.value == estimate.value(quantity)

    def check(node):
        if node.formula:
            names = {child.name: child.value for child in node.inputs}
            used = {n.id for n in ast.walk(ast.parse(node.formula)) if isinstance(n, ast.Name)}
            assert used - {"larger", "smaller"} == {*names}
            namespace = {"larger": max, "smaller": min}
            assert eval(node.formula, namespace, names) == pytest.approx(node.value, rel=1e-12)
            assert node.unit
        else:
            assert node.source
        for child in node.inputs:
            check(child)

    check(tree)
    assert all(child.name in str(tree) for child in tree.inputs)
    assert "0x" not in repr(tree)


def test_a_changed_input_changes_the_evaluation():
    """The tree really computes: doubling one leaf's value moves the result."""
    tree = predict("llama-2-7b", "M1-7c/GPU", context=0, runtime="ideal").explain("weight_bytes")
    leaf = next(node for node in tree.inputs if node.name == "layer_params")
    object.__setattr__(leaf, "value", 2 * leaf.value)
    assert tree.evaluate() == pytest.approx(tree.value + leaf.value * 16 / 8 / 2)


def test_explanations_are_escaped_for_html():
    weights = WeightFormat("<b>mine</b>", 4, 4, source="<script>alert(1)</script>")
    assert "<script>" not in predict("llama-2-7b", "M1-7c/GPU", weights=weights).explain()._repr_html_()


def test_on_a_cpu_a_code_book_can_cost_more_than_it_saves():
    """Measured on an M2 Max with 4 threads (ik_llama row): IQ2_XXS 8.67 tok/s, Q4_0 23.89."""
    small, large = (predict("llama-3.1-8b", "M2Max/CPU", weights=w, threads=4) for w in ("iq2_xxs", "q4_0"))
    assert small.decode_tok_s < large.decode_tok_s
    assert small.bottleneck == "compute"


def test_threads():
    one, four, twelve = (
        predict("llama-2-7b", "AGXOrin64/CPU", weights="q4_0", threads=t) for t in (1, 4, 12)
    )
    assert one.decode_tok_s < four.decode_tok_s < twelve.decode_tok_s <= 12 * one.decode_tok_s
    assert twelve.decode_tok_s == predict("llama-2-7b", "AGXOrin64/CPU", weights="q4_0").decode_tok_s


def test_arrays_broadcast_and_equal_scalars():
    contexts, bits = np.array([0.0, 512, 4096]), np.array([[4.0], [8.0]])
    sweep = predict("llama-2-7b", "M1-7c/GPU", weights=WeightFormat("sweep", bits, bits), context=contexts)
    assert sweep.decode_tok_s.shape == sweep.bottleneck.shape == (2, 3)
    for i, j in np.ndindex(2, 3):
        b = float(bits[i, 0])
        one = predict("llama-2-7b", "M1-7c/GPU", weights=WeightFormat("one", b, b), context=contexts[j])
        assert one.decode_tok_s == pytest.approx(sweep.decode_tok_s[i, j])
        assert one.bottleneck == sweep.bottleneck[i, j]


def test_memory_is_the_sum_of_its_parts():
    parts = predict("llama-2-7b", "M1-7c/GPU", prompt=2000, generate=48, batch=2).memory_B
    assert parts["kv"] == 2 * 2**30
    assert parts["weights"] == 2 * 6_738_149_376 + 4 * 266_240  # matrices at 16 bits, vectors at 32


@pytest.mark.parametrize(
    "change",
    [
        {"model": "llama"}, {"model": None}, {"model": 7}, {"on": "M1"}, {"on": None}, {"weights": "int3"},
        {"weights": 4}, {"kv": "f12"}, {"kv": None}, {"prompt": 0}, {"prompt": -5}, {"prompt": math.nan},
        {"prompt": "long"}, {"generate": -1}, {"generate": None}, {"context": -1}, {"context": math.inf},
        {"batch": 0}, {"batch": True}, {"batch": "2"}, {"threads": 0}, {"threads": "all"},
        {"runtime": "fast"}, {"runtime": None},
    ],
    ids=str,
)  # fmt: skip
def test_bad_input_is_named(change):
    good = {"model": "llama-2-7b", "on": "M1-7c/GPU"}
    with pytest.raises(
        ValueError,
        match=next(iter(change))
        .replace("weights", "weights|format")
        .replace("kv", "kv|format")
        .replace("on", "on|engine"),
    ):
        predict(**(good | change))


@pytest.mark.parametrize("quantity", ["tok_s", "", None, "decode"])
def test_unknown_quantities_are_refused(quantity):
    estimate = predict("llama-2-7b", "M1-7c/GPU")
    for ask in (estimate.value, estimate.explain, estimate.interval):
        with pytest.raises(ValueError, match="accepted"):
            ask(quantity)


NAMES = {
    "cpu": ("llama.cpp", "packed", "lookup"),
    "gpu": ("metal", "cuda", "vulkan", "opencl"),
    "npu": ("qnn", "rknn"),
}
EXAMPLES = {"cpu": "RPi5/CPU", "gpu": "M1-7c/GPU", "npu": "RK3588/NPU"}


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind, names in NAMES.items() for name in names])
def test_constants_are_physical(kind, name):
    constants = runtime(name, engine(EXAMPLES[kind]))
    assert 0 < constants.read_efficiency <= 1 and 0 <= constants.layer_s < 1e-3
    assert constants.utilisation is None or 0 < constants.utilisation <= 1
    assert 0.5 < constants.thread_scaling <= 1
    assert constants.decode_spread > 1 and constants.source
    with pytest.raises(ValueError, match="runtime"):
        runtime(
            name, engine(EXAMPLES["gpu" if kind == "npu" else "npu"])
        ) if name != "llama.cpp" else runtime("lookup", engine(EXAMPLES["gpu"]))


@pytest.mark.parametrize(
    ("software", "on", "name"),
    [
        ("Ollama (llama.cpp)", "RPi5/CPU", "llama.cpp"),
        ("Ollama (llama.cpp)", "GB10/GPU", "cuda"),
        ("llama.cpp Metal", "M1-7c/GPU", "metal"),
        ("ik_llama.cpp CPU", "M2Max/CPU", "packed"),
        ("T-MAC CPU", "AGXOrin64/CPU", "lookup"),
        ("MNN Metal", "M4-10c/GPU", "metal"),
        ("RKLLM NPU", "RK3576/NPU", "rknn"),
        ("llama.cpp Hexagon HTP", "SD8E/NPU", "qnn"),
        ("llama.cpp OpenCL", "SD8EG5/GPU", "opencl"),
        ("MLC", "SD8G3/GPU", "opencl"),
        ("MLC 0.1.0", "AGXOrin64/GPU", "cuda"),
        ("llama.cpp Vulkan+FA", "StrixHalo/GPU", "vulkan"),
        ("Core ML", "M1Max-32c/GPU", "opencl"),
        ("a runtime of the year 2030", "RPi5/CPU", "llama.cpp"),
    ],
)
def test_software_is_recognised(software, on, name):
    assert runtime_of(software, engine(on)).name == name


def test_constants_of_your_own():
    mine = Runtime("mine", "gpu", read_efficiency=0.5, source="a guess")
    slow = predict("llama-2-7b", "M1-7c/GPU", context=0, runtime=mine)
    assert slow.decode_s == pytest.approx(
        2 * predict("llama-2-7b", "M1-7c/GPU", context=0, runtime="ideal").decode_s
    )


def test_the_first_token_has_the_spread_of_prefill():
    estimate = predict("llama-2-7b", "M1-7c/GPU", weights="q4_0")
    assert estimate.interval("ttft_s")[1] == estimate.ttft_s * estimate.runtime.prefill_spread
    assert estimate.interval("decode_tok_s")[1] == estimate.decode_tok_s * estimate.runtime.decode_spread
    assert estimate.runtime.prefill_spread != estimate.runtime.decode_spread


def test_a_layer_costs_a_fixed_time_and_one_that_grows_with_the_width():
    mine = Runtime("mine", "gpu", layer_s=1e-3, width_s=1e-6, source="a guess")
    steps = {m: predict(m, "M1-7c/GPU", runtime=mine).value("overhead_s") for m in ("llama-2-7b", "phi-2")}
    assert steps == pytest.approx({"llama-2-7b": 32 * (1e-3 + 4096e-6), "phi-2": 32 * (1e-3 + 2560e-6)})


def test_a_probed_bandwidth_is_reached_in_full_by_any_runtime():
    """The efficiency is already in what a probe measures; counting it twice was a trap."""
    rate = Rate(40e9, 39e9, 41e9)
    here = Host("here", 2, 2, 2, 8e9, clock_Hz=3e9)
    gemm = {"float32": Rate(1e11, 1e11, 1e11)}
    on = Probe(here, 2, rate, rate, gemm, "OpenBLAS", 1.0).engine()
    read = {}
    for name in ("typical", "llama.cpp", "packed", "lookup", "ideal"):
        estimate = predict("llama-2-7b", on, weights="q8_0", runtime=name)
        assert estimate.value("sustained_bandwidth") == 40e9
        read[name] = estimate.runtime.layer_s
    assert read["typical"] == runtime("llama.cpp", engine("RPi5/CPU")).layer_s > read["ideal"] == 0
    assert "measured" in predict("llama-2-7b", on).explain("read_s").inputs[2].inputs[0].source
    looked_up = engine("RPi5/CPU")
    assert predict("llama-2-7b", looked_up).value("sustained_bandwidth") < looked_up.bandwidth


def test_one_batch_above_one_needs_the_peak():
    with pytest.raises(UnknownFigure):
        _ = predict("llama-2-7b", "M5-10c/GPU", batch=np.array([1, 2])).decode_tok_s


def test_a_subtree_is_shown_once():
    rows = predict("llama-2-7b", "M1-7c/GPU").explain().rows()
    names = [node.name for _, node, why in rows if why != "above"]
    assert len(names) == len(set(names)) < len(rows)


def test_doubtful_figures_are_marked():
    text = str(predict("llama-2-7b", "RK3576/NPU").explain("ttft_s"))
    assert "(recalled or assumed)" in text
