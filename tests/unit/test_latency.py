"""Terms of the first wait, the crossing of matrices and attention, and mixed engine steps."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgelib.metrics import predict
from edgelib.metrics.latency import attention_crossover, step_time, ttft_terms
from edgelib.workloads import model_names, transformer

PEAKED = ("M1-7c/GPU", "OrinNanoSuper8/GPU", "SD8G3/NPU", "RK3588/NPU")


@given(st.sampled_from(model_names()), st.sampled_from(PEAKED), st.integers(1, 100_000))
def test_the_terms_sum_to_the_first_token_and_none_is_negative(model, on, prompt):
    estimate = predict(model, on, weights="q4_0", prompt=prompt)
    terms = ttft_terms(estimate, queue_s=0.5, tokenise_s=0.01, encode_s=0.2, sample_s=0.003)
    assert sum(terms.values()) == pytest.approx(0.713 + estimate.ttft_s)
    assert min(terms.values()) >= 0


@pytest.mark.parametrize("argument", ["queue_s", "tokenise_s", "encode_s", "sample_s"])
@pytest.mark.parametrize("bad", [-1, float("nan"), "1", None])
def test_bad_seconds_are_named(argument, bad):
    with pytest.raises(ValueError, match=argument):
        ttft_terms(predict("llama-2-7b", "M1-7c/GPU"), **{argument: bad})


def test_the_crossing_in_the_register_of_claims():
    """24.7 k (full square) and 49.4 k (causal) tokens; 4 % at 2,048 (1.2.1.04)."""
    llama = transformer("llama-2-7b")
    assert attention_crossover(llama, causal=False) == pytest.approx(24_704, abs=1)
    assert attention_crossover(llama) == pytest.approx(49_407, abs=1)
    share = llama.prefill_attention_ops(2048) / (
        llama.prefill_attention_ops(2048) + llama.prefill_linear_ops(2048)
    )
    assert share == pytest.approx(0.04, abs=0.001)


@pytest.mark.parametrize("model", model_names())
@pytest.mark.parametrize("causal", [True, False])
def test_the_crossing_is_where_the_two_are_equal(model, causal):
    shape = transformer(model)
    n = attention_crossover(shape, causal)
    layers_only = shape.prefill_linear_ops(n) - 2 * shape.head_params
    assert shape.prefill_attention_ops(n, causal) == pytest.approx(layers_only)


@given(st.sampled_from(PEAKED), st.integers(1, 8192), st.integers(1, 64))
def test_a_mixed_step_has_prefill_and_decode_as_its_ends(on, prompt, batch):
    alone = predict("llama-3.2-1b", on, weights="q4_0", prompt=prompt)
    assert step_time(alone, 0)(prompt, 0, 0) == pytest.approx(alone.ttft_s)
    decode = predict("llama-3.2-1b", on, weights="q4_0", context=777, batch=batch)
    assert step_time(decode, 777)(0, 0, batch) == pytest.approx(decode.decode_s)


@given(st.integers(1, 512), st.integers(1, 512), st.integers(0, 16))
def test_a_step_for_both_is_cheaper_than_two_steps(a, b, decodes):
    step = step_time(predict("llama-2-7b", "M2Max-38c/GPU", weights="q4_0"), 256)
    assert step(a, 0, decodes) <= (step(a, 0, 0) + (step(0, 0, decodes) if decodes else 0)) * (1 + 1e-12)
    assert step(a + b, 0, 0) <= step(a, 0, 0) + step(b, a, 0) + 1e-12


def test_arrays():
    prompts = np.array([128.0, 4096.0])
    terms = ttft_terms(predict("llama-2-7b", "M1-7c/GPU", prompt=prompts))
    one = ttft_terms(predict("llama-2-7b", "M1-7c/GPU", prompt=4096))
    assert terms["attention"][1] == pytest.approx(one["attention"])


@pytest.mark.parametrize("bad", [-1, 0.5, None, "8"])
def test_a_bad_context_is_named(bad):
    with pytest.raises(ValueError, match="decode_context"):
        step_time(predict("llama-2-7b", "M1-7c/GPU"), bad)
