"""Every explorable of the book, every value of every control, no browser: drawn, labelled, within physics."""

import importlib
import itertools
import pkgutil
import re

import numpy as np
import pytest

from edgelib.explore import Explorable, book
from edgelib.explore.book import serving, speculation, tps, ttft
from edgelib.explore.pyplot import png
from edgelib.explore.scene import Bar, Dot, Line, Span
from edgelib.hardware import attainable, engine
from edgelib.kernels.speculative import toy_pair
from edgelib.metrics import predict
from edgelib.workloads import transformer

MODULES = [importlib.import_module(f"{book.__name__}.{m.name}") for m in pkgutil.iter_modules(book.__path__)]
EXPLORABLES = {e.name: e for module in MODULES for e in vars(module).values() if isinstance(e, Explorable)}
each = pytest.mark.parametrize("explorable", EXPLORABLES.values(), ids=EXPLORABLES)


@each
def test_every_value_of_every_control_gives_a_scene(explorable):
    for name, control in explorable.controls.items():
        for value in control.values:
            scene = explorable.scene(**{name: value})
            assert scene.readout and scene.alt and scene.title
            assert len({len(row) for row in scene.table}) == 1, "the table has ragged rows"
            assert scene.x.label and scene.y.label


@each
def test_corners_of_the_control_box(explorable):
    """All combinations of smallest and largest values: nothing overflows, divides by zero or warns."""
    ends = [(control.values[0], control.values[-1]) for control in explorable.controls.values()]
    for corner in itertools.product(*ends):
        explorable.scene(**dict(zip(explorable.controls, corner, strict=True)))


@each
def test_axes_hold_still(explorable):
    start = explorable.scene()
    for name, control in explorable.controls.items():
        for value in (control.values[0], control.values[-1]):
            moved = explorable.scene(**{name: value})
            assert (moved.x, moved.y) == (start.x, start.y)


@each
def test_each_control_changes_the_picture(explorable):
    for name, control in explorable.controls.items():
        scenes = {str(explorable.scene(**{name: value}).data()) for value in control.values}
        assert len(scenes) > 1, f"{name} changes nothing"


@each
def test_it_draws_without_a_browser(explorable):
    assert png(explorable.scene()).startswith(b"\x89PNG")


def corners(explorable, *names):
    controls = [explorable.controls[name].values for name in names]
    return [dict(zip(names, values, strict=True)) for values in itertools.product(*controls)]


@pytest.mark.parametrize("state", corners(tps.decode_roofline, "on", "weights", "batch"), ids=str)
def test_no_dot_lies_above_the_roof(state):
    unit = engine(state["on"])
    for mark in tps.decode_roofline.scene(**state).marks:
        if isinstance(mark, Dot):
            assert mark.y <= attainable(mark.x, unit.peak.value, unit.bandwidth) * (1 + 1e-9)


def test_the_roofline_says_what_the_prediction_says():
    scene = tps.decode_roofline.scene(weights="q4_0", context=4096)
    bound = predict("llama-2-7b", "M1-7c/GPU", weights="q4_0", context=4096, runtime="ideal")
    assert f"At most {bound.decode_tok_s:.1f} tok/s" in scene.readout


def test_measured_dots_are_the_published_ones():
    dots = [m for m in tps.bound_and_measured.scene().marks if isinstance(m, Dot)]
    assert (68.0, 14.19) in {(d.x, d.y) for d in dots}
    assert all(
        d.y < d.x * 1e9 / predict("llama-2-7b", "M1-7c/GPU", weights="q4_0").value("weight_bytes")
        for d in dots
    )


def test_the_fixed_time_per_layer_explains_the_measurements():
    def distance(layers):
        scene = tps.bound_and_measured.scene(layers=layers)
        line = next(m for m in scene.marks if isinstance(m, Line) and m.role == "weights")
        return np.median(
            [abs(np.interp(m.x, line.x, line.y) / m.y - 1) for m in scene.marks if isinstance(m, Dot)]
        )

    assert distance(True) < 0.05 < 0.3 < distance(False)


def test_bytes_per_token_are_stacked_bytes():
    bars = [m for m in tps.fourteen_gigabytes.scene(context=2048).marks if isinstance(m, Bar)]
    assert [round(b.y1, 2) for b in bars[::2]] == [13.21, 6.61, 3.30]
    assert all(b.y1 - b.y0 == pytest.approx(2**30 / 1e9) for b in bars[1::2])


@pytest.mark.parametrize("state", corners(ttft.ttft_breakdown, "model", "on", "tokenise_ms"), ids=str)
def test_shares_of_the_first_wait_fill_each_lane(state):
    spans = [m for m in ttft.ttft_breakdown.scene(**state).marks if isinstance(m, Span)]
    for lane in range(5):
        assert sum(s.x1 - s.x0 for s in spans if s.y == lane) == pytest.approx(100, abs=0.01)


def test_the_printed_assignment_of_precisions_is_never_best():
    for state in corners(ttft.phase_precision, "on", "prompt", "answer"):
        rows = ttft.phase_precision.scene(**state).table[1:]
        scale = {"s": 1.0, "ms": 1e-3}
        parts = {row[:2]: row[4].split() for row in rows}
        seconds = {pair: float(number) * scale[unit] for pair, (number, unit) in parts.items()}
        assert seconds["8 bit", "16 bit"] != min(seconds.values())


def test_smaller_chunks_trade_one_wait_for_the_other():
    whole, cut = ttft.two_requests(2048, 2048), ttft.two_requests(2048, 32)
    assert cut.ttft_s > whole.ttft_s and cut.max_gap_s < whole.max_gap_s / 10


def test_speculation_ends_each_step_with_a_verdict():
    texts = [speculation.speculation_steps.scene(step=s).readout for s in range(15)]
    assert (
        any("kept" in t for t in texts)
        and any("rejected" in t for t in texts)
        and any("drawn" in t for t in texts)
    )


def test_a_draft_like_the_target_is_always_accepted():
    assert "= 1.00;" in speculation.speculation_overlap.scene(noise=0.0).readout
    assert not any(
        "rejected" in speculation.speculation_steps.scene(step=s, noise=0.0).readout for s in range(15)
    )


def test_a_batch_helps_only_under_load():
    def median(rate, batch):
        return float(serving._serve(rate, batch, "continuous").percentile_s(50))

    assert median(0.125, 32) == pytest.approx(median(0.125, 1), rel=0.1)
    assert median(2.0, 32) < median(2.0, 1) / 5


def numbers(text):
    return [float(n.replace(",", "")) for n in re.findall(r"(?<![\w.])\d[\d,]*\.?\d*", text)]


def test_readouts_away_from_the_defaults_are_closed_forms():
    """Each recomputed here from the formula, not from the code that draws it."""
    llama = transformer("llama-2-7b")

    scene = ttft.ttft_growth.scene(prompt=8192, causal=False)
    linear = 2 * llama.layer_params * 8192 + 2 * llama.head_params
    square = 4 * 32 * 4096 * 8192**2
    assert f"attention {100 * square / (linear + square):.2g} %" in scene.readout
    assert f"slope {1 + square / (linear + square):.2f}" in scene.readout

    scene = ttft.phase_precision.scene(answer=64, prompt=512)
    rate = predict("llama-3.2-1b", "OrinNanoSuper8/GPU", weights="f16", prompt=512, generate=64).decode_tok_s
    orin = engine("OrinNanoSuper8/GPU")
    doubled = orin.having(peak_fp16=orin.figure("peak_int8").value)
    first = predict("llama-3.2-1b", doubled, weights="int8", prompt=512).ttft_s
    assert numbers(scene.readout)[2] == pytest.approx(first + 63 / rate, rel=5e-3)

    scene = ttft.prefix_cache.scene(prefix=512, kept=4, kv="q8_0")
    assert f"{4 * 512 * 524_288 * 8.5 / 16 / 1e6:.0f} MB" in scene.readout

    breakdown = ttft.ttft_breakdown.scene(tokenise_ms=100)
    short = predict("llama-2-7b", "M1-7c/GPU", weights="q4_0", prompt=128).ttft_s
    assert numbers(breakdown.readout)[0] == pytest.approx(short + 0.1, rel=5e-3)

    busy = tps.decode_roofline.scene(weights="f16", context=0, batch=8)
    unit = engine("M1-7c/GPU")
    compute, read = 8 * 2 * llama.matmul_params / unit.peak.value, 2 * llama.matmul_params / unit.bandwidth
    assert f"busy {100 * compute / read:.2g} % of the time" in busy.readout
    assert "keys and values" in tps.decode_roofline.scene(weights="q4_0", context=32768).readout

    pair = toy_pair(1.0)
    row = pair.words.index("sees")
    shared = np.minimum(pair.target[row], pair.draft[row]).sum()
    assert numbers(speculation.speculation_overlap.scene(noise=1.0).readout) == [
        pytest.approx(shared, abs=0.006),
        pytest.approx(1 - shared, abs=0.006),
    ]

    speed = speculation.speculation_speedup.scene(alpha=0.5, cost=0.25, check=1.5)
    gains = [1.0] + [(1 - 0.5 ** (g + 1)) / 0.5 / (0.25 * g + 1.5) for g in range(1, 17)]
    assert f"draft {int(np.argmax(gains))} ahead for {max(gains):.2f} times" in speed.readout

    served = serving._serve(1.0, 8, "continuous")
    quiet = serving.batching_queue.scene(rate=1.0, max_batch=8)
    assert numbers(quiet.readout)[3] == pytest.approx(np.percentile(served.latency_s, 50), rel=5e-3)
    assert numbers(quiet.readout)[4] == pytest.approx(np.percentile(served.latency_s, 99), rel=5e-3)

    result = serving._exits(0.5)
    left = serving.early_exit.scene(threshold=0.5)
    assert numbers(left.readout)[0] == pytest.approx(100 * (1 - result.exits.mean() / 32), abs=1)
