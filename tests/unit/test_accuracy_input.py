"""Bad input of the quantisers and of the measures of accuracy: the message names the argument."""

import math

import numpy as np
import pytest

from edgelib.explore.book import accuracy, answers, designs, rounding
from edgelib.explore.scene import Bar, Dot, Line
from edgelib.kernels import quantize
from edgelib.kernels.clipping import measured_mse, noise, optimal_clip, sqnr_db, staircase, step
from edgelib.kernels.toy_language import followers, quantised, toy, write
from edgelib.metrics import accuracy as measures
from edgelib.metrics.propagation import error_bound, first_order_bound, network, printed_bound, propagate
from edgelib.metrics.ranking import score

W = np.ones((2, 8))
HALF = [0.5, 0.5]
BAD = {
    "rtn: NaN": (lambda: quantize.rtn([math.nan], 4), "w"),
    "rtn: words": (lambda: quantize.rtn("weights", 4), "w"),
    "rtn: a number": (lambda: quantize.rtn(1.0, 4), "w has shape"),
    "rtn: nothing": (lambda: quantize.rtn([], 4), "w has shape"),
    "rtn: 1 bit symmetric": (lambda: quantize.rtn(W, 1), "bits"),
    "rtn: 0 bit": (lambda: quantize.rtn(W, 0, symmetric=False), "bits"),
    "rtn: 17 bit": (lambda: quantize.rtn(W, 17), "bits = 17"),
    "rtn: half a bit": (lambda: quantize.rtn(W, 4.5), "bits"),
    "rtn: group": (lambda: quantize.rtn(W, 4, 3), "group = 3.*divisor of the 8"),
    "rtn: group 0": (lambda: quantize.rtn(W, 4, 0), "group"),
    "rtn: group name": (lambda: quantize.rtn(W, 4, "row"), "group = 'row'"),
    "blocks: length": (lambda: quantize.q4_0(np.ones(33)), "multiple of 32"),
    "blocks: a number": (lambda: quantize.q8_0(1.0), "w has shape"),
    "blocks: nothing": (lambda: quantize.q4_1(np.ones((2, 0))), "w has shape"),
    "blocks: NaN": (lambda: quantize.q5_0(np.full(32, math.nan)), "w"),
    "blocks: float32": (lambda: quantize.q4_0(np.full(32, 1e39)), "w reaches"),
    "blocks: float16": (lambda: quantize.q4_0(np.full(32, 1e7)), "scale of 1.25e"),
    "blocks: low of q4_1": (lambda: quantize.q4_1(np.full(32, 1e5)), "float16"),
    "dequantize: name": (lambda: quantize.dequantize(np.zeros(18, np.uint8), "q4"), "name"),
    "dequantize: length": (lambda: quantize.dequantize(np.zeros(17, np.uint8), "q4_0"), "blocks of 18"),
    "dequantize: floats": (lambda: quantize.dequantize(np.zeros(18), "q4_0"), "float64"),
    "dequantize: nothing": (lambda: quantize.dequantize(np.zeros(0, np.uint8), "q4_0"), "packed"),
    "step: clip 0": (lambda: step(4, 0), "clip"),
    "step: bits 0": (lambda: step(0, 1), "bits"),
    "staircase: x": (lambda: staircase(math.inf, 4, 1), "x"),
    "noise: law": (lambda: noise(1.0, 4, "cauchy"), "law"),
    "noise: clip": (lambda: noise(-1.0, 4, "laplace"), "clip"),
    "optimal_clip: law": (lambda: optimal_clip(4, "normal"), "law"),
    "measured_mse: law": (lambda: measured_mse(1.0, 4, None), "law"),
    "sqnr: 0": (lambda: sqnr_db(0), "mse"),
    "perplexity: 0": (lambda: measures.perplexity([0.5, 0.0]), "probabilities"),
    "perplexity: 2": (lambda: measures.perplexity([2.0]), "probabilities"),
    "nats: 0": (lambda: measures.nats(0, 1), "before"),
    "percent: negative": (lambda: measures.percent(1, -1), "after"),
    "kl: sum": (lambda: measures.kl([0.5, 0.4], HALF), "p sums to"),
    "kl: negative": (lambda: measures.kl(HALF, [1.5, -0.5]), "q"),
    "kl: words": (lambda: measures.kl(HALF, [0.2, 0.3, 0.5]), "2 and 3 words"),
    "kl: a number": (lambda: measures.kl(1.0, 1.0), "p has shape"),
    "same_top: sum": (lambda: measures.same_top(HALF, [1, 1]), "q sums to"),
    "variation: NaN": (lambda: measures.total_variation(HALF, [math.nan, 1]), "q"),
    "compare: shapes": (lambda: measures.compare([HALF], [HALF], [0, 1]), "words"),
    "compare: word": (lambda: measures.compare([HALF], [HALF], [2]), "from 0 to 1"),
    "compare: fractions": (lambda: measures.compare([HALF], [HALF], [0.5]), "whole numbers"),
    "margin: one word": (lambda: measures.margin([1.0]), "logits"),
    "margin: NaN": (lambda: measures.margin([1.0, math.nan]), "logits"),
    "flip: lead": (lambda: measures.flip_probability(-1, 1), "lead"),
    "flip: error": (lambda: measures.flip_probability(1, 0), "error"),
    "flip_rate: lead": (lambda: measures.flip_rate(0, 1), "mean_lead"),
    "unchanged: chance": (lambda: measures.unchanged(1.5, 3), "change"),
    "unchanged: words": (lambda: measures.unchanged(0.5, -1), "words"),
    "unchanged: one chance": (lambda: measures.unchanged(0.5), "one chance per word"),
    "bound: shapes": (lambda: printed_bound([1.0], [1.0, 2.0]), "norms and errors"),
    "bound: negative": (lambda: error_bound([1.0], [-1.0], 1), "errors"),
    "bound: size": (lambda: error_bound([1.0], [1.0], -1), "size"),
    "bound: sizes": (lambda: first_order_bound([1.0], [1.0], [1, 2]), "size"),
    "bound: none": (lambda: first_order_bound([], [], 1), "norms"),
    "network: layers": (lambda: network(0), "layers"),
    "network: gain": (lambda: network(2, gain=0), "gain"),
    "propagate: shapes": (lambda: propagate(np.ones((2, 3, 3)), np.ones(2), 4), "shapes"),
    "propagate: bits": (lambda: propagate(np.ones((2, 3, 3)), np.ones(3), 1), "bits"),
    "score: zero": (lambda: score([[1.0, 0.0]], [1, 1]), "costs"),
    "score: shapes": (lambda: score([[1.0, 2.0]], [1]), "shapes"),
    "score: nothing counts": (lambda: score([[1.0, 2.0]], [0, 0]), "weights are all 0"),
    "score: negative": (lambda: score([[1.0]], [-1]), "weights"),
    "followers: vocab": (lambda: followers(0, 1), "vocab"),
    "write: length": (lambda: write(followers(3, 1), 0, 1), "length"),
    "quantised: bits": (lambda: quantised(toy().model, 1), "bits"),
}


@pytest.mark.parametrize("call, message", BAD.values(), ids=BAD)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


# --- what the pictures may show --------------------------------------------------------------------


@pytest.mark.parametrize("law", ["gaussian", "laplace", "uniform"])
@pytest.mark.parametrize("bits", [2, 4, 8])
def test_the_marked_range_is_best_on_the_curve(law, bits):
    marks = rounding.clip_curve.scene(law=law, bits=bits).marks
    best = next(m for m in marks if isinstance(m, Dot) and m.label.startswith("best"))
    measured = next(m for m in marks if isinstance(m, Line) and m.term.startswith("measured"))
    # The formula's optimum; the staircase's own is near, and never much better.
    assert best.y <= min(measured.y) * (1.4 if bits == 2 else 1.15)


@pytest.mark.parametrize("bits", [1, 3, 8])
@pytest.mark.parametrize("law", ["gaussian", "laplace", "uniform"])
def test_the_histogram_holds_every_weight(law, bits):
    scene = rounding.error_histogram.scene(law=law, bits=bits, clip=2)
    shown = sum(m.y1 for m in scene.marks if isinstance(m, Bar)) * (3 / 48)
    beyond = float(dict(scene.table[1:])["beyond 1.5 steps"].split()[0]) / 100
    assert shown + beyond == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize("size", [1, 128])
@pytest.mark.parametrize("gain", [0.7, 1.1])
def test_no_measured_error_lies_above_the_correct_bound(residual, size, gain):
    marks = accuracy.error_through_layers.scene(residual=residual, size=size, gain=gain).marks
    lines = {m.label: m for m in marks if isinstance(m, Line)}
    assert all(a <= b for a, b in zip(lines["measured"].y, lines["correct bound"].y, strict=True))


def test_the_violation_is_flagged_at_the_start():
    assert "(violated)" in accuracy.error_through_layers.scene().readout
    assert "(not violated here)" in accuracy.error_through_layers.scene(layers=1, residual=False).readout


def test_probabilities_are_probabilities():
    for bits, position in [(8, 0), (2, 0), *((4, place) for place in range(41))]:
        scene = accuracy.two_distributions.scene(bits=bits, position=position)
        bars = [m for m in scene.marks if isinstance(m, Bar)]
        assert len(bars) == 24 and all(0 <= b.y1 <= scene.y.hi for b in bars)
        assert sum(b.y1 for b in bars[::2]) <= 1 and sum(b.y1 for b in bars[1::2]) <= 1


def test_a_longer_answer_is_never_safer():
    for bits in (8, 4):
        lines = [m for m in answers.answer_unchanged.scene(bits=bits).marks if isinstance(m, Line)][1:]
        assert all((np.diff(line.y) <= 0).all() and min(line.y) >= 0 for line in lines)


def test_the_ranking_changes_with_what_counts():
    names = {
        designs.design_ranking.scene(**dict(zip(designs.CRITERIA, w, strict=True))).table[1][0]
        for w in [(8, 0, 0, 0), (0, 8, 0, 0), (4, 1, 1, 8), (0, 4, 0, 8), (0, 0, 0, 8)]
    }
    assert len(names) >= 4
