"""The toy transformer against a loop written the long way, and against itself cut in pieces."""

import numpy as np
import pytest

from edgelib.kernels.tiny_transformer import KVCache, TinyTransformer


def one_token_at_a_time(model, tokens):
    """The same arithmetic with scalars and python loops: no cache, no mask, no matrices of tokens."""

    def norm(v):
        return v / np.sqrt(sum(v * v) / len(v) + 1e-6)

    heads, size = model.heads, model.width // model.heads
    x = [model.embedding[t] for t in tokens]
    for layer in range(model.layers):
        wq, wk, wv = model.qkv[layer]
        keys, values = [norm(v) @ wk for v in x], [norm(v) @ wv for v in x]
        after = []
        for i, v in enumerate(x):
            query, mixed = norm(v) @ wq, np.zeros(model.width)
            for h in range(heads):
                part = slice(h * size, (h + 1) * size)
                weight = np.array([np.exp(query[part] @ keys[j][part] / np.sqrt(size)) for j in range(i + 1)])
                weight /= weight.sum()
                mixed[part] = sum(w * values[j][part] for j, w in enumerate(weight))
            y = v + mixed @ model.out[layer]
            gate = norm(y) @ model.up[layer]
            after.append(y + (gate / (1 + np.exp(-gate))) @ model.down[layer])
        x = after
    return np.array([norm(v) @ model.head for v in x])


TOKENS = np.random.default_rng(1).integers(0, 50, size=17)


def test_equals_the_loop_written_the_long_way():
    model = TinyTransformer(seed=3)
    np.testing.assert_allclose(
        model.forward(TOKENS, KVCache()), one_token_at_a_time(model, TOKENS), atol=1e-9
    )


@pytest.mark.parametrize("cuts", [[17], [1] * 17, [5, 5, 7], [16, 1]])
def test_a_prompt_in_chunks_gives_the_same_logits(cuts):
    model, cache, rows, start = TinyTransformer(), KVCache(), [], 0
    for size in cuts:
        rows.append(model.forward(TOKENS[start : start + size], cache))
        start += size
    assert cache.tokens == 17
    np.testing.assert_allclose(np.concatenate(rows), model.forward(TOKENS, KVCache()), atol=1e-9)


def test_a_stored_prefix_is_not_changed_by_what_follows():
    model, prefix = TinyTransformer(), KVCache()
    model.forward(TOKENS[:10], prefix)
    first = model.forward(TOKENS[10:], prefix.copy())
    assert prefix.tokens == 10
    np.testing.assert_array_equal(first, model.forward(TOKENS[10:], prefix.copy()))


@pytest.mark.parametrize("tokens", [[], [50], [-1], [0.5], "ab", [[1, 2]], None])
def test_tokens_that_are_none_are_refused(tokens):
    with pytest.raises(ValueError, match="tokens"):
        TinyTransformer().forward(tokens, KVCache())


@pytest.mark.parametrize(
    "shape", [{"heads": 5}, {"layers": 0}, {"width": -4}, {"vocab": 0}, {"layers": True}]
)
def test_shapes_that_are_none_are_refused(shape):
    with pytest.raises(ValueError):
        TinyTransformer(**shape)
