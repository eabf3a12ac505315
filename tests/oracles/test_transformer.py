"""Counts of models against published totals, the register of checked claims, and a loop over matrices."""

import numpy as np
import pytest

from edgelib.data import table
from edgelib.workloads import Transformer, model_names, transformer
from edgelib.workloads.transformer import transformer_from_row

LLAMA = transformer("llama-2-7b")
PUBLISHED = {
    r["model"]: int(r["total_params_published"]) for r in table("models") if r["total_params_published"]
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_parameters_equal_the_published_total(name):
    assert transformer(name).params == PUBLISHED[name]


def test_llama_7b_exactly():
    """Figures recomputed independently for the register of claims (1.2.1.10, 1.2.2.10-12)."""
    assert LLAMA.params == 6_738_415_616
    assert LLAMA.matmul_params == 6_607_077_376
    assert LLAMA.decode_ops(0) == pytest.approx(13.214e9, rel=1e-4)
    assert LLAMA.decode_ops(1) - LLAMA.decode_ops(0) == 524_288
    assert LLAMA.decode_ops(2048) == pytest.approx(14.288e9, rel=1e-4)
    assert LLAMA.kv_bytes_per_token() == 524_288
    assert LLAMA.kv_bytes_per_token() * 2048 == 2**30
    assert LLAMA.kv_bytes_per_token() * 32768 == 16 * 2**30


def shapes_of_matrices(m: Transformer):
    """Every weight matrix that a token meets, written out one by one."""
    for _ in range(m.layers):
        yield from [(m.d_model, m.heads * m.head_dim), (m.heads * m.head_dim, m.d_model)]
        yield from [(m.d_model, m.kv_heads * m.head_dim)] * 2
        yield from [(m.d_model, m.d_ff)] * m.mlp_matrices


@pytest.mark.parametrize("name", model_names())
@pytest.mark.parametrize("prompt", [1, 7])
def test_operations_equal_a_loop_over_matrices_tokens_and_heads(name, prompt):
    m = transformer(name)
    linear = (
        sum(2 * rows * columns for rows, columns in shapes_of_matrices(m)) * prompt + 2 * m.d_model * m.vocab
    )
    assert m.prefill_linear_ops(prompt) == linear
    pairs = sum(1 for i in range(prompt) for _ in range(i + 1))
    per_pair = m.layers * m.heads * 2 * (m.head_dim + m.head_dim)  # scores, then weighted values
    assert m.prefill_attention_ops(prompt) == per_pair * pairs
    assert m.prefill_attention_ops(prompt, causal=False) == per_pair * prompt * prompt
    assert m.decode_ops(prompt) == 2 * m.matmul_params + per_pair * prompt


@pytest.mark.parametrize("row", table("models"), ids=lambda row: row["model"])
def test_grouped_keys_and_values(row):
    m = transformer(row["model"])
    full = Transformer("x", m.layers, m.d_model, m.heads, m.heads, m.head_dim, m.d_ff, m.vocab)
    assert full.kv_bytes_per_token() / m.kv_bytes_per_token() == m.heads / m.kv_heads
    assert m.kv_bytes_per_token(8) * 2 == m.kv_bytes_per_token(16)


def test_counts_take_arrays():
    n = np.array([1, 10, 100])
    for count in (LLAMA.decode_ops, LLAMA.prefill_linear_ops, LLAMA.prefill_attention_ops):
        np.testing.assert_array_equal(count(n), [count(int(i)) for i in n])


GOOD = {"layers": 2, "d_model": 8, "heads": 4, "kv_heads": 2, "head_dim": 2, "d_ff": 16, "vocab": 10}


@pytest.mark.parametrize(
    "change",
    [{k: bad} for k in GOOD for bad in (0, -1, 1.5, "2", None, float("nan"), True)] + [{"kv_heads": 3}],
)
def test_impossible_shapes_are_refused(change):
    with pytest.raises(ValueError, match=next(iter(change))):
        Transformer("toy", **(GOOD | change))


@pytest.mark.parametrize("bad", [-1, 0, float("nan"), "ten", None])
def test_bad_counts_are_refused(bad):
    for call in (LLAMA.prefill_linear_ops, LLAMA.prefill_attention_ops, LLAMA.kv_bytes_per_token):
        with pytest.raises(ValueError):
            call(bad)
    if bad != 0:
        with pytest.raises(ValueError):
            LLAMA.decode_ops(bad)


@pytest.mark.parametrize("name", ["llama-2-8b", "", None, 7, ["llama-2-7b"]])
def test_unknown_models_are_refused(name):
    with pytest.raises(ValueError, match="accepted"):
        transformer(name)


def test_a_wide_row_gives_the_same_counts_without_its_vectors():
    row = {
        "model": "L",
        "n_layers": "32",
        "d_model": "4096",
        "n_heads": "32",
        "n_kv_heads": "32",
        "head_dim": "128",
        "d_ff": "11008",
        "vocab_size": "32000",
        "tied_embeddings": "0",
        "mlp_matrices": "3",
    }
    assert transformer_from_row(row).params == 6_738_149_376
    with pytest.raises(ValueError, match="d_ff = 'wide'"):
        transformer_from_row(row | {"d_ff": "wide"})
