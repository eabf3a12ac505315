"""Early exit against a loop that walks the layers one by one."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from edgelib.kernels.early_exit import confidence, exit_layers, summary, toy_stack

LOGITS = toy_stack(tokens=60, layers=16, seed=1)
logits = arrays(
    float, st.tuples(st.integers(1, 6), st.integers(1, 5), st.integers(2, 4)), elements=st.floats(-9, 9)
)


def by_hand(logits, threshold):
    """Layers run per token, and the (token, layer) pairs left out: all, and those a later token reads."""
    exits = []
    for token in logits:
        layer = 0
        while True:
            layer += 1
            weights = [math.exp(v) for v in token[layer - 1]]
            if max(weights) / sum(weights) >= threshold or layer == len(token):
                break
        exits.append(layer)
    left_out = [(t, n) for t, e in enumerate(exits) for n in range(e + 1, logits.shape[1] + 1)]
    return exits, left_out, [(t, n) for t, n in left_out if any(e >= n for e in exits[t + 1 :])]


@pytest.mark.parametrize("threshold", [0.0, 0.2, 0.45, 0.8, 0.97, 1.5])
def test_summary_equals_a_loop_over_tokens_and_layers(threshold):
    exits, left_out, read_later = by_hand(LOGITS, threshold)
    s = summary(LOGITS, threshold)
    assert s.exits.tolist() == exits
    assert s.histogram.tolist() == [exits.count(layer) for layer in range(1, 17)]
    assert s.mean_layers == pytest.approx(sum(exits) / 60)
    assert (s.missing_kv, s.needed_kv) == (len(left_out), len(read_later))
    words = [np.argmax(LOGITS[t, e - 1]) == np.argmax(LOGITS[t, -1]) for t, e in enumerate(exits)]
    assert s.agreement == pytest.approx(sum(words) / 60)


@given(logits, st.floats(0, 1), st.floats(0, 1), st.sampled_from(["probability", "entropy"]))
def test_a_higher_threshold_never_saves_layers(logits, one, other, measure):
    low, high = sorted((one, other))
    assert (summary(logits, low, measure).exits <= summary(logits, high, measure).exits).all()


@given(logits)
def test_above_one_nobody_leaves_early(logits):
    s = summary(logits, 1.01)
    assert (s.exits == logits.shape[1]).all()
    assert (s.agreement, s.missing_kv, s.needed_kv) == (1, 0, 0)


@pytest.mark.parametrize(
    ("p", "certainty"), [([0.25] * 4, 0.0), ([0.5, 0.5, 0, 0], 0.5), ([1, 0, 0, 0], 1.0)]
)
def test_confidence_of_known_distributions(p, certainty):
    values = np.log(np.maximum(p, 1e-300))
    assert confidence(values) == pytest.approx(max(p))
    assert confidence(values, "entropy") == pytest.approx(certainty, abs=1e-12)
    assert confidence(values + 700) == pytest.approx(max(p))  # softmax does not see a shift


def test_the_toy_has_easy_and_hard_tokens_and_one_seed_gives_one_toy():
    s = summary(LOGITS, 0.9)
    assert s.exits.min() <= 4 and s.exits.max() >= 12
    assert summary(LOGITS, 0.3).agreement < s.agreement <= 1
    assert (toy_stack(60, 16, seed=1) == LOGITS).all()
    assert LOGITS.shape == (60, 16, 32)


BAD = {
    "confidence: NaN": (lambda: confidence([math.nan, 1]), "logits"),
    "confidence: one word": (lambda: confidence([1.0]), "at least 2 words"),
    "confidence: measure": (lambda: confidence([0.0, 1.0], "entopy"), "did you mean entropy"),
    "exit_layers: a scalar": (lambda: exit_layers(0.5, 0.5), "confidence has shape"),
    "exit_layers: text": (lambda: exit_layers("sure", 0.5), "confidence"),
    "exit_layers: negative": (lambda: exit_layers([0.5], -0.1), "threshold"),
    "exit_layers: NaN": (lambda: exit_layers([0.5], math.nan), "threshold"),
    "exit_layers: an array": (lambda: exit_layers([0.5], [0.1, 0.2]), "threshold"),
    "summary: two dimensions": (lambda: summary(np.zeros((2, 3)), 0.5), "logits has shape"),
    "summary: no tokens": (lambda: summary(np.zeros((0, 2, 3)), 0.5), "logits has shape"),
    "toy_stack: tokens": (lambda: toy_stack(0, 4), "tokens"),
    "toy_stack: layers": (lambda: toy_stack(4, 2.5), "layers"),
    "toy_stack: seed": (lambda: toy_stack(4, 4, seed=-1), "seed"),
    "toy_stack: vocab": (lambda: toy_stack(4, 4, vocab=1), "vocab"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_names_the_argument(case):
    call, message = BAD[case]
    with pytest.raises(ValueError, match=message):
        call()
