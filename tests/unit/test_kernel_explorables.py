"""What the pictures about kernels claim, against counts made another way."""

import numpy as np
import pytest

from edgelib.explore.book import (
    activation_tables,
    checklist,
    kernel_choice,
    layouts,
    microkernels,
    ordering,
    scalable,
)
from edgelib.explore.scene import Cell, Dot, Line
from edgelib.metrics.traffic import dram_traffic_B
from edgelib.workloads import transformer, weight_format

LLAMA, INT8 = transformer("llama-2-7b"), weight_format("int8")
EVERYTHING = kernel_choice.NORM + kernel_choice.EPILOGUES + kernel_choice.ATTENTION
PER_LAYER = 1 / LLAMA.layers


@pytest.mark.parametrize(("tokens", "offset"), [(1, 2048), (2048, 0)])
def test_fused_bytes_are_those_of_the_traffic_model(tokens, offset):
    """metrics.traffic counts buffers per product; here they follow from a graph and its groups."""
    here = kernel_choice.layer_bytes(LLAMA, tokens, kernel_choice.kernels(EVERYTHING))
    there = dram_traffic_B(LLAMA, INT8, tokens, offset, fused=True, tiled=True, block=10**6)
    assert here["activations"] == pytest.approx(there["activations"] * PER_LAYER)
    assert here["weights"] == LLAMA.layer_params / LLAMA.layers
    if tokens > 1:
        assert here["kv"] == pytest.approx(there["kv"] * PER_LAYER)


def test_unfused_scores_cross_four_times():
    apart = kernel_choice.kernels(EVERYTHING[: -len(kernel_choice.ATTENTION)])
    joined = kernel_choice.kernels(EVERYTHING)
    more = [kernel_choice.layer_bytes(LLAMA, 2048, groups)["activations"] for groups in (apart, joined)]
    scores = dram_traffic_B(LLAMA, INT8, 2048)["scores"] * PER_LAYER
    assert more[0] - more[1] == pytest.approx(scores)


def test_sharing_heads_is_no_fusion():
    """Every line and dot of the picture stays; only bytes change."""
    plain, shared = (kernel_choice.kernel_fusion.scene(shared=on) for on in (False, True))
    dots = [sum(isinstance(m, Dot) for m in scene.marks) for scene in (plain, shared)]
    assert dots[0] == dots[1] == 12
    assert plain.table[3] == shared.table[3], "activations"
    assert plain.table[2] != shared.table[2], "keys and values"


def test_kernel_times_are_arithmetic_by_hand():
    """A78 at 3 GHz, weights at hand: M = 4 fills one tile, n k / 16 x 4 SDOT on two pipes."""
    seconds, limit = kernel_choice._seconds("gemm_sdot", "cortex-a78", 4, 4096, 4096, 1e15)
    assert seconds == pytest.approx(4 * 4096**2 / 16 / 2 / 3e9, rel=1e-3) and limit == "arithmetic"
    seconds, limit = kernel_choice._seconds("gemv_sdot", "cortex-a78", 1, 4096, 4096, 51.2e9)
    assert seconds == pytest.approx(4096**2 / 51.2e9) and limit == "memory"
    assert kernel_choice.fastest("cortex-a78", 32, 4096, 4096, 51.2e9) == "gemm_sdot", "no SMMLA there"
    assert kernel_choice.fastest("cortex-x3", 32, 4096, 4096, 51.2e9) == "gemm_smmla"


@pytest.mark.parametrize(("w", "a", "s"), [(8, 8, 16), (4, 8, 16), (8, 16, 32), (2, 4, 16)])
def test_safe_depth_is_the_last_one_that_fits(w, a, s):
    depth, largest = microkernels.safe_depth(w, a, s), (2 ** (w - 1) - 1) * (2 ** (a - 1) - 1)
    assert depth * largest < 2 ** (s - 1) <= (depth + 1) * largest


def test_a_wrapped_sum_is_what_int16_computes():
    got, over = microkernels._products(8, 8, "int16")
    (w, w_step), (x, x_step) = microkernels._codes(8, 0), microkernels._codes(8, 1)
    wrapped = np.add.accumulate((w * x).astype(np.int16), axis=1, dtype=np.int16)
    assert np.array_equal(got, wrapped[:, microkernels.DEPTHS - 1] * w_step * x_step)
    assert over[0] == 0 and over[-1] == 1
    assert microkernels._products(8, 8, "int32")[1].max() == 0


def test_finer_scales_cost_bits_and_save_error():
    rows = microkernels.granularity.scene(outlier=8).table[1:]
    assert [float(row[1].split()[0]) for row in rows] == sorted(float(row[1].split()[0]) for row in rows)
    assert [row[2] for row in rows] == ["4.000", "4.016", "4.125", "4.250", "4.500", "5.000"]


@pytest.mark.parametrize("bits", [128, 256, 512])
@pytest.mark.parametrize("size", [6, 11, 16])
def test_a_filled_tile_has_seen_every_product(bits, size):
    order, macs, _ = scalable._tiles(bits, size)
    assert macs.sum() == size * size * scalable.DEPTH
    assert len(order) == (-(-size // (bits // 32))) ** 2 * scalable.DEPTH // 4
    cells = [m for m in scalable.za_tile.scene(bits=bits, size=size, step=32).marks if isinstance(m, Cell)]
    assert len(cells) == size * size and all(c.opacity == pytest.approx(1) for c in cells)


def test_every_card_has_its_own_verdict_and_two_items_never_apply():
    verdicts = {name: [ok for ok, _ in checklist.advice(card)] for name, card in checklist.CARDS.items()}
    assert len({tuple(v) for v in verdicts.values()}) == len(verdicts)
    for item in ("NUMA placement", "checkpoint activations"):
        assert not any(v[checklist.ITEMS.index(item)] for v in verdicts.values())
    others = [v for i, v in enumerate(zip(*verdicts.values(), strict=True)) if i not in (7, 10)]
    assert all(any(v) for v in others), "an item that applies to no card"
    assert not any(verdicts["decode"])


def test_a_score_counts_right_answers_of_both_kinds():
    assert checklist.score("gather", {5, 9}) == (11, ())
    points, wrong = checklist.score("gather", {5, 8})
    assert points == 9 and wrong[0].startswith("8. NUMA") and wrong[1].startswith("9. huge pages: applies")
    assert checklist.score("decode", ())[0] == 11


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: checklist.score("gathr", {1}), "did you mean gather"),
        (lambda: checklist.score("gather", {12}), r"answer = \[12\]: expected numbers from 1 to 11"),
        (lambda: checklist.score("gather", {0}), "answer = 0"),
    ],
)
def test_bad_answers_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("name", activation_tables.activation_table.controls["name"].values)
def test_no_activation_leaves_the_picture(name):
    scene = activation_tables.activation_table.scene(name=name)
    drawn = np.concatenate([mark.y for mark in scene.marks if isinstance(mark, Line)])
    assert scene.y.lo <= drawn.min() and drawn.max() <= scene.y.hi


def test_memory_lines_are_counted_from_the_top():
    scene = layouts.touched_lines.scene()
    for mark in scene.marks:
        line = int(mark.term.split(":")[0].removeprefix("line "))
        assert line == int(scene.y.categories[int(mark.y)]) + mark.x


@pytest.mark.parametrize("first", ordering.FENCES.values())
@pytest.mark.parametrize("others", ordering.FENCES.values())
def test_the_title_judges_the_barriers(first, others):
    """Passing a message: the writer must order stores, the reader a load with a load."""
    title = ordering.barriers.scene(test="MP", first=first, others=others).title
    safe = first in ("DMB ISH", "DMB ISHST", "DSB SY") and others in ("DMB ISH", "DMB ISHLD", "DSB SY")
    assert title.endswith("is enough here") == safe
