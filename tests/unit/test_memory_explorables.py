"""Pictures of memory say what the calculators say, at every setting, and never more than there is."""

import itertools

import pytest

from edgelib.explore.book import kv_cache, kv_growth, memory, paging
from edgelib.explore.scene import Area, Bar, Cell, Dot, Line, Span
from edgelib.units import GB, GIB


def states(explorable, *names):
    controls = [explorable.controls[name].values for name in names]
    return [dict(zip(names, values, strict=True)) for values in itertools.product(*controls)]


@pytest.mark.parametrize(
    "state", states(memory.weight_sizes, "model", "zero_points", "fp16_embeddings"), ids=str
)
def test_a_bar_of_weights_is_its_parts(state):
    scene = memory.weight_sizes.scene(**state)
    for x, row in enumerate(scene.table[1:]):
        bars = [m for m in scene.marks if isinstance(m, Bar) and m.x == x]
        assert bars[0].y0 == 0 and all(a.y1 == b.y0 for a, b in itertools.pairwise(bars))
        assert f"{bars[-1].y1:.2f} GB" == row[2]
        assert float(row[1]) >= {"FP16": 16, "INT8": 8, "INT4": 4, "INT2": 2}[row[0]]


@pytest.mark.parametrize("state", states(memory.activation_liveness, "tokens", "fused", "reuse"), ids=str)
def test_buffers_that_live_together_do_not_overlap(state):
    spans = [m for m in memory.activation_liveness.scene(**state).marks if isinstance(m, Span)]
    for a, b in itertools.combinations(spans, 2):
        apart = abs(a.y - b.y) >= (a.height + b.height) / 2
        assert apart or a.x1 < b.x0 or b.x1 < a.x0
    assert max(s.y + s.height / 2 for s in spans) < 560


def test_the_default_footprint_is_the_published_run():
    scene = memory.device_fit.scene()
    (dot,) = [m for m in scene.marks if isinstance(m, Dot)]
    spans = [m for m in scene.marks if isinstance(m, Span) and m.y == 0]
    assert dot.x * 1024 == pytest.approx(4740)
    assert spans[1].x1 < dot.x and spans[1].x1 == pytest.approx(dot.x, rel=0.03)  # weights and cache alone
    assert spans[-1].x1 == pytest.approx(dot.x, rel=0.002)
    assert spans[0].x1 < 4 < spans[1].x1  # the weights fit 4 GiB, the run does not
    assert not [m for m in memory.device_fit.scene(context=1024).marks if isinstance(m, Dot)]


@pytest.mark.parametrize("state", states(memory.device_fit, "model", "weights", "kv"), ids=str)
def test_footprints_stay_in_the_picture(state):
    spans = [m for m in memory.device_fit.scene(context=16384, **state).marks if isinstance(m, Span)]
    assert max(s.x1 for s in spans) < 24


@pytest.mark.parametrize("state", states(kv_growth.kv_growth, "kv_heads", "kv", "window"), ids=str)
def test_growth_is_linear_until_the_window(state):
    line = next(m for m in kv_growth.kv_growth.scene(**state).marks if isinstance(m, Line))
    per_token = [y / x for x, y in zip(line.x, line.y, strict=True)]
    inside = [p for x, p in zip(line.x, per_token, strict=True) if x <= (state["window"] or 1e9)]
    assert max(inside) == pytest.approx(min(inside))
    assert max(per_token) * GB <= 524_288 * (1 + 1e-9)
    if state["window"]:
        assert line.y[-1] == pytest.approx(per_token[0] * state["window"])


def test_growth_reads_as_the_chapter_at_its_two_points():
    dots = [m for m in kv_growth.kv_growth.scene().marks if isinstance(m, Dot)]
    assert [d.y * GB / GIB for d in dots] == pytest.approx([1, 16])


@pytest.mark.parametrize("state", states(kv_growth.traffic_split, "weights", "kv", "context"), ids=str)
def test_shares_fill_a_hundred_and_never_are_the_printed_ones(state):
    scene = kv_growth.traffic_split.scene(**state)
    weights, kv = (m for m in scene.marks if isinstance(m, Area))
    assert weights.y1 == kv.y0 and all(0 <= a <= b <= 100 for a, b in zip(weights.y1, kv.y1, strict=True))
    assert min(kv.y1) > 99  # activations: below 1 %, at no context 10
    for row in scene.table[1:]:
        assert sum(map(float, row[1:])) == pytest.approx(100, abs=0.02)


@pytest.mark.parametrize("state", states(kv_cache.sliding_window, "window", "sinks"), ids=str)
def test_a_map_shows_each_pair_once(state):
    cells = [m for m in kv_cache.sliding_window.scene(**state).marks if isinstance(m, Cell)]
    assert len({(c.x, c.y) for c in cells}) == len(cells) == 20 * 21 / 2
    for asks in range(20):
        kept = [c for c in cells if c.y == asks and c.role == "kv"]
        assert len(kept) == min(
            asks + 1, state["window"] + min(state["sinks"], max(0, asks + 1 - state["window"]))
        )


@pytest.mark.parametrize("budget", kv_cache.heavy_hitter_map.controls["budget"].values)
def test_a_budget_is_kept(budget):
    cells = [m for m in kv_cache.heavy_hitter_map.scene(budget=budget).marks if isinstance(m, Cell)]
    assert all(
        sum(c.role == "kv" for c in cells if c.y == asks) == min(asks + 1, budget) for asks in range(20)
    )


@pytest.mark.parametrize("state", states(kv_cache.eviction_error, "sinks", "recent"), ids=str)
def test_all_tokens_kept_is_no_error(state):
    lines = [m for m in kv_cache.eviction_error.scene(**state).marks if isinstance(m, Line)]
    assert len(lines) == 3
    for line in lines:
        assert line.y[-1] == pytest.approx(0, abs=1e-9) and max(line.y) < 140


@pytest.mark.parametrize("state", states(kv_cache.kv_quantisation, "outliers", "group"), ids=str)
def test_errors_fall_with_bits(state):
    lines = [m for m in kv_cache.kv_quantisation.scene(**state).marks if isinstance(m, Line)]
    assert len(lines) == 4
    for line in lines:
        assert list(line.y) == sorted(line.y, reverse=True)
        assert min(line.y) > 0.2 and max(line.y) < 400


@pytest.mark.parametrize("state", states(paging.paged_steps, "step", "page_tokens"), ids=str)
def test_both_memories_hold_what_was_written(state):
    """Tokens after each event, counted from the script by hand; a fork shares what C had written."""
    lengths, shared = {}, 0
    for event, request, detail in paging.SCRIPT[: state["step"] + 1]:
        if event == "asks":
            lengths[request] = detail
        elif event == "writes":
            lengths[request] += detail
        elif event == "ends":
            del lengths[request]
        else:
            lengths[request] = lengths[detail]
    cells = [m for m in paging.paged_steps.scene(**state).marks if isinstance(m, Cell)]
    assert len(cells) == 128
    paged, whole = ([c for c in cells if (c.x < 8) == left] for left in (True, False))
    for request, length in lengths.items():
        assert sum(request in c.text for c in paged) == length
        assert sum(request in c.text for c in whole) in (0, length)
    shared = sum(len(c.text) > 1 for c in paged)
    assert shared == (
        13 - 13 % state["page_tokens"] if state["step"] >= 9 else 13 if state["step"] == 8 else 0
    )


@pytest.mark.parametrize("state", states(paging.page_size, "mean", "longest"), ids=str)
def test_no_memory_holds_more_than_it_has(state):
    line = next(m for m in paging.page_size.scene(**state).marks if isinstance(m, Line))
    assert min(line.y) > 0 and max(line.y) <= 100
