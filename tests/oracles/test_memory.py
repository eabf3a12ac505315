"""Sizes against the bytes of real arrays, the gguf package, published files and figures, and small loops."""

import itertools

import numpy as np
import pytest
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType
from hypothesis import given
from hypothesis import strategies as st

from edgelib.metrics.liveness import (
    Buffer,
    decode_traffic_B,
    layer_buffers,
    live_B,
    peak,
    place,
    without_reuse,
)
from edgelib.metrics.memory import (
    TRAINING,
    bits_per_weight,
    footprint,
    kv_size,
    linear_layers,
    lora_params,
    training_parts,
    weight_parts,
)
from edgelib.metrics.memory_runs import memory_runs
from edgelib.units import GIB
from edgelib.workloads import Transformer, WeightFormat, transformer

LLAMA = transformer("llama-2-7b")
TINY = Transformer("tiny", layers=3, d_model=32, heads=4, kv_heads=2, head_dim=8, d_ff=48, vocab=50)


@pytest.mark.parametrize(
    ("stored", "size_GB", "bits"),
    [
        ({"bits": 16}, 13.48, 16),
        ({"bits": 8}, 6.74, 8),
        ({"bits": 4}, 3.37, 4),
        ({"bits": 4, "group": 128, "zero_bits": 16}, 3.58, 4.25),
        ({"bits": 4, "group": 32}, 3.79, 4.5),
        ({"bits": 4, "group": 128, "zero_bits": 16, "embedding_bits": 16}, 3.965, 4.71),
    ],
)
def test_weights_of_the_register(stored, size_GB, bits):
    """Claims 1.2.2.01 to 04, to the digits of the register."""
    total = sum(weight_parts(LLAMA, **stored).values())
    assert total / 1e9 == pytest.approx(size_GB, abs=0.005)
    assert 8 * total / LLAMA.params == pytest.approx(bits, abs=0.005)


def test_fp16_in_gib():
    assert sum(weight_parts(LLAMA, 16).values()) / GIB == pytest.approx(12.55, abs=0.005)


@pytest.mark.parametrize(("name", "bits"), [("Q4_0", 4), ("Q5_0", 5), ("Q8_0", 8)])
def test_bits_per_weight_is_the_block_of_gguf(name, bits):
    weights, size = GGML_QUANT_SIZES[GGMLQuantizationType[name]]
    assert bits_per_weight(bits, group=weights) == 8 * size / weights


def test_weights_are_the_bytes_of_arrays():
    """Every matrix of a small model as numpy stores it, with one FP16 scale for 16 of them."""
    matrices = [np.zeros(shape, np.float16) for shape in linear_layers(TINY).values()] * TINY.layers
    tables = [np.zeros((TINY.vocab, TINY.d_model), np.float16)] * 2
    assert sum(weight_parts(TINY, 16).values()) == sum(m.nbytes for m in matrices + tables)
    parts = weight_parts(TINY, 8, group=16, embedding_bits=16)
    assert parts["values"] == sum(m.astype(np.int8).nbytes for m in matrices)
    assert parts["scales"] == sum(m.reshape(-1, 16)[:, 0].nbytes for m in matrices)
    assert parts["embeddings"] == sum(t.nbytes for t in tables)


@pytest.mark.parametrize("run", [r for r in memory_runs() if r.file_B], ids=lambda r: f"{r.model} {r.quant}")
def test_published_files_have_the_size_of_their_weights(run):
    """Nine files: FP16, 4 bits with one scale per channel or per 32, LoRA adapters of rank 16 in FP32."""
    assert run.weights_B == pytest.approx(run.file_B, rel=0.005)


@pytest.mark.parametrize("run", [r for r in memory_runs() if r.source_id == "GPTQ-for-LLaMa"], ids=str)
def test_a_published_run_is_its_weights_and_its_cache(run):
    assert run.weights_B + run.kv_B == pytest.approx(run.measured_B, rel=0.03)
    assert run.weights_B + run.kv_B < run.measured_B


def test_seven_billion_parameters_do_not_fit_four_gigabytes():
    """Claim Ex4.03, with or without the 2,048 tokens: the published run takes 4,740 MiB."""
    gptq = WeightFormat("GPTQ", 4, 16)
    assert footprint(LLAMA, gptq, embedding_bits=16).total_B > 4 * GIB
    bare = footprint(LLAMA, "int4", context=0).total_B
    assert 3.3e9 < bare < 4e9  # what the chapter counted


@pytest.mark.parametrize(("tokens", "size"), [(1, 524_288), (2048, GIB), (32768, 16 * GIB)])
def test_keys_and_values_of_the_chapter(tokens, size):
    assert kv_size(LLAMA, tokens) == size


def test_keys_and_values_are_the_bytes_of_an_array():
    shape = (2, TINY.layers, 5, TINY.kv_heads, 17, TINY.head_dim)
    assert kv_size(TINY, 17, batch=5) == np.zeros(shape, np.float16).nbytes
    assert kv_size(TINY, 1000, window=12, sinks=4) == kv_size(TINY, 16)
    assert kv_size(transformer("llama-3.1-8b"), 1) == 128 * 1024  # claim 1.2.2.09: 8 of 32 heads


def test_adapters_are_the_sizes_of_their_arrays():
    rank = 3
    arrays = [
        (np.zeros((rank, inputs)), np.zeros((outputs, rank)))
        for inputs, outputs in linear_layers(TINY).values()
    ]
    assert lora_params(TINY, rank) == TINY.layers * sum(a.size + b.size for a, b in arrays)
    assert sum(a * b for a, b in linear_layers(TINY).values()) * TINY.layers == TINY.layer_params


@pytest.mark.parametrize(
    ("rank", "targets", "percent"), [(8, ["q", "v"], 0.06), (16, None, 0.59), (16, ["q", "v"], 0.12)]
)
def test_adapters_of_the_register(rank, targets, percent):
    assert 100 * lora_params(LLAMA, rank, targets) / LLAMA.params == pytest.approx(percent, abs=0.005)


def test_training_as_in_zero():
    """Rajbhandari et al.: 16 bytes per parameter, 12 of them states; 120 GB for 7.5 G parameters."""
    mixed = TRAINING["Adam, mixed precision"]
    assert sum(mixed.values()) == 16 and sum(mixed.values()) - mixed["weights"] - mixed["gradients"] == 12
    assert sum(training_parts(7.5e9, "Adam, mixed precision").values()) == 120e9
    plain = TRAINING["Adam, FP32"]
    assert plain["momentum"] + plain["variance"] == 2 * plain["weights"]


# --- activations -----------------------------------------------------------------------------------


def test_activations_of_the_register():
    """Claims 1.2.2.05 and 06: 16.8 MB, 45 MB, 268 MB, 537 MB, and about 100 MB with reuse."""
    fused, stored = layer_buffers(LLAMA, 2048), layer_buffers(LLAMA, 2048, fused=False)
    size = {buffer.name: buffer.size_B for buffer in stored}
    assert size["x"] == 16_777_216 and 32 * size["x"] == pytest.approx(537e6, rel=0.001)
    assert size["gate"] == pytest.approx(45e6, rel=0.01) and size["scores"] == pytest.approx(268e6, rel=0.01)
    assert peak(fused) == size["x"] + size["n2"] + size["gate"] + size["up"]  # 124 MB
    assert peak(stored) == size["x"] + size["q"] + size["k"] + size["v"] + size["scores"]


def test_lifetimes_by_running_a_layer():
    """A layer of numpy arrays; each one is deleted as soon as nothing below reads it."""
    n, d, ff = 16, TINY.d_model, TINY.d_ff
    keys = TINY.kv_heads * TINY.head_dim
    held, live = {}, []

    def run(makes, frees):
        held.update({name: np.zeros((n, width), np.float16).nbytes for name, width in makes.items()})
        live.append(sum(held.values()))
        for name in frees:
            del held[name]

    run({"x": d, "n1": d}, [])
    run({"q": d, "k": keys, "v": keys}, ["n1"])
    run({"mix": d}, [])  # fused attention: scores and mix run together
    run({}, ["q", "k", "v"])
    run({"y1": d}, ["mix"])
    run({}, ["y1"])
    run({"n2": d}, [])
    run({"gate": ff, "up": ff}, ["n2"])
    run({}, ["up"])
    run({"y2": d}, ["gate"])
    run({}, ["y2"])
    assert live_B(layer_buffers(TINY, n)).tolist() == live


buffers = st.lists(
    st.builds(
        lambda size, born, life: Buffer("b", size, born, born + life),
        st.integers(1, 50),
        st.integers(0, 8),
        st.integers(0, 4),
    ),
    min_size=1,
    max_size=9,
)


@given(buffers)
def test_places_never_overlap_in_time_and_space(found):
    addresses = place(found)
    assert min(addresses) == 0
    for (a, at), (b, bt) in itertools.combinations(zip(found, addresses, strict=True), 2):
        apart = at + a.size_B <= bt or bt + b.size_B <= at
        assert apart or a.dies < b.born or b.dies < a.born
    top = max(address + b.size_B for b, address in zip(found, addresses, strict=True))
    assert peak(found) <= top <= without_reuse(found)


@given(buffers)
def test_the_peak_is_the_largest_sum_of_what_lives(found):
    last = max(b.dies for b in found)
    sums = [sum(b.size_B for b in found if b.born <= t <= b.dies) for t in range(last + 1)]
    assert live_B(found).tolist() == sums and peak(found) == max(sums)


@pytest.mark.parametrize("name", ["llama-2-7b", "llama-3.1-8b", "gemma-2-2b", "phi-2"])
@pytest.mark.parametrize("fused", [True, False])
def test_the_layers_of_the_book_are_placed_without_a_gap(name, fused):
    for tokens in (1, 128, 2048):
        found = layer_buffers(transformer(name), tokens, fused=fused)
        top = max(address + b.size_B for b, address in zip(found, place(found), strict=True))
        assert top == pytest.approx(peak(found))


def test_decode_traffic_of_the_register():
    """Claim 1.1.1.84: INT8 weights, FP16 cache, 2,048 tokens: 86 / 14 / 0.05 %."""
    parts = np.array([LLAMA.matmul_params, kv_size(LLAMA, 2048), decode_traffic_B(LLAMA)])
    shares = 100 * parts / parts.sum()
    assert shares == pytest.approx([86, 14, 0.05], abs=0.05)
    assert round(2 / 7 * LLAMA.matmul_params / kv_size(LLAMA, 1), -2) == 3600
