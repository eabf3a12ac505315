"""A scene is checked data and stands where it should: ticks, positions, colours, words that never overlap."""

from __future__ import annotations

from itertools import combinations
from math import isclose, log10

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from matplotlib import font_manager
from matplotlib.ft2font import FT2Font, LoadFlags

from edgelib.explore.drawing import HEIGHT, WIDTH, Drawing, Scale, Words
from edgelib.explore.labels import LINE_HEIGHT, rect, shorten, text_width, wrap
from edgelib.explore.layout import lay_out
from edgelib.explore.marks import THEMES, ink_on, visible_ink
from edgelib.explore.scene import ROLES, Area, Axis, Bar, Cell, Dot, Line, Mark, Scene, Span, Text
from edgelib.explore.ticks import minor_ticks, number, ticks

X, Y = Axis(label="Context", unit="tokens", lo=0, hi=10), Axis(label="Time", unit="s", lo=0, hi=100)
ALL_KINDS: list[Mark] = [
    Line(x=(0, 5, 10), y=(0, 80, 100), role="memory", label="roof"),
    Area(x=(0, 10), y0=(0, 0), y1=(10, 20), role="idle", label="room"),
    Bar(x=2, y1=40, role="weights", label="40"),
    Span(x0=4, x1=9, y=60, height=12, role="kv", label="wait"),
    Dot(x=7, y=30, role="error", label="here", term="x / y"),
    Cell(x=9, y=10, width=1.5, height=15, text="fox", role="highlight"),
    Text(x=1, y=90, text="note"),
]


def scene(*marks: Mark, x: Axis = X, y: Axis = Y) -> Scene:
    return Scene(title="T.", x=x, y=y, marks=marks, readout="1 s", alt="A.", table=[["a", "b"], ["1", "2"]])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Axis(label=""), "Axis.label"),
        (lambda: Axis(label="x", lo=1, hi=1), "expected lo < hi"),
        (lambda: Axis(label="x", lo=0, hi=float("inf")), "finite"),
        (lambda: Axis(label="x", lo=0, hi=1, log=True), "above 0"),
        (lambda: Dot(x=float("nan"), y=0), "Dot.x"),
        (lambda: Dot(x=0, y=0, role="red"), "accepted: weights"),
        (lambda: Line(x=(1, 2), y=(1,)), "differ in length"),
        (lambda: Text(x=0, y=0, text="a", anchor="left"), "start, middle, end"),
        (lambda: scene(), "nothing to see"),
        (lambda: Scene(title="", x=X, y=Y, marks=ALL_KINDS, readout="r", alt="a"), "Scene.title"),
    ],
)
def test_bad_scenes_are_refused(make: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()  # type: ignore[operator]


# Ticks


def value_of(text: str) -> float:
    """Read a tick as a person does; written independently of the code that wrote it."""
    text = text.replace("−", "-")
    superscript = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")
    if "10" in text and any(c in text for c in "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"):
        sign = -1 if text.startswith("-") else 1
        mantissa, _, power = text.lstrip("-").rpartition("·")
        return sign * float(mantissa or 1) * 10.0 ** int(power[2:].translate(superscript))
    factors = {"k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}
    return float(text.rstrip("kMGT")) * factors.get(text[-1], 1.0)


@given(lo=st.floats(-1e12, 1e12), size=st.floats(1e-6, 1e13))
@example(lo=0.0, size=32768.0)
@example(lo=0.0, size=1.0)
def test_linear_ticks_are_round_even_inside_and_read_as_what_they_are(lo: float, size: float) -> None:
    assume(lo + size > lo and size > abs(lo) * 1e-6)
    axis = Axis(label="x", lo=lo, hi=lo + size)
    values = [value for value, _ in ticks(axis)]
    assert 3 <= len(values) <= 10
    gaps = np.diff(values)
    assert np.allclose(gaps, gaps[0], rtol=1e-3)
    assert f"{gaps[0]:.0e}"[0] in "125"
    assert all(axis.lo - size * 1e-6 <= v <= axis.hi + size * 1e-6 for v in values)
    for value, text in ticks(axis):
        assert isclose(value_of(text), value, rel_tol=1e-8, abs_tol=size * 1e-6)


@given(low=st.floats(-12, 14), decades=st.floats(0.05, 20))
@example(low=0, decades=4)
def test_logarithmic_ticks(low: float, decades: float) -> None:
    axis = Axis(label="x", lo=10**low, hi=10 ** (low + decades), log=True)
    labelled = ticks(axis)
    assert 2 <= len(labelled) <= 10
    for value, text in labelled:
        assert axis.lo * 0.999 <= value <= axis.hi * 1.001
        assert isclose(value_of(text), value, rel_tol=1e-8)
    if decades >= 3:
        assert all(isclose(log10(v), round(log10(v)), abs_tol=1e-9) for v, _ in labelled)
    assert all(axis.lo * 0.999 <= v <= axis.hi * 1.001 for v in minor_ticks(axis))


def test_how_ticks_are_written() -> None:
    written = [number(v) for v in (0, 0.5, 1, 10, 100, 1e3, 1e4, 2.5e4, 1e6, 1e9, 1e12, -20, 1e-6, 1e15)]
    assert written == [
        "0",
        "0.5",
        "1",
        "10",
        "100",
        "1k",
        "10k",
        "25k",
        "1M",
        "1G",
        "1T",
        "−20",
        "10⁻⁶",
        "10¹⁵",
    ]
    assert [t for _, t in ticks(Axis(label="x", lo=0.1, hi=1000, log=True))] == [
        "0.1",
        "1",
        "10",
        "100",
        "1k",
    ]
    assert ticks(Axis(label="x", categories=("GPU", "NPU"))) == [(0.0, "GPU"), (1.0, "NPU")]


# Positions


def test_axes_reach_from_edge_to_edge() -> None:
    drawing = lay_out(scene(Dot(x=0, y=0), Dot(x=10, y=100), Dot(x=5, y=50)))
    left, top, right, bottom = drawing.box
    places = [shape.place[:2] for shape in drawing.shapes]
    np.testing.assert_allclose(
        places, [(left, bottom), (right, top), ((left + right) / 2, (top + bottom) / 2)], atol=0.01
    )


@given(value=st.floats(1e-3, 1e6))
def test_a_factor_of_ten_is_the_same_distance_everywhere_on_a_logarithmic_axis(value: float) -> None:
    scale = Scale(Axis(label="x", lo=1e-3, hi=1e7, log=True), 100, 600)
    assert scale(value * 10) - scale(value) == pytest.approx(50, abs=0.03)


def test_zero_on_a_logarithmic_axis_is_below_the_picture() -> None:
    y = Axis(label="Rate", lo=1, hi=1e6, log=True)
    (bar,) = lay_out(scene(Bar(x=5, y1=1e3), y=y)).shapes
    _, top, _, height = bar.place
    assert top == pytest.approx(np.mean(lay_out(scene(Bar(x=5, y1=1e3), y=y)).box[1::2]))
    assert top + height > HEIGHT


def test_dots_and_texts_outside_the_axes_are_left_out() -> None:
    drawing = lay_out(scene(Dot(x=11, y=5, label="gone"), Text(x=5, y=101.5, text="gone"), Dot(x=5, y=5)))
    assert len(drawing.shapes) == 1
    assert "gone" not in [words.text for words in drawing.words]


@given(st.lists(st.tuples(st.floats(-50, 150), st.floats(-50, 150)), min_size=2, max_size=6))
def test_visible_ink_is_on_the_line_and_inside(points: list[tuple[float, float]]) -> None:
    box = (0.0, 0.0, 100.0, 80.0)
    ink = visible_ink(tuple(points), box)
    assert ((ink >= -1e-6) & (ink <= (100 + 1e-6, 80 + 1e-6))).all()
    for point in ink:  # distance to the nearest segment
        gaps = []
        for a, b in zip(np.array(points[:-1]), np.array(points[1:]), strict=True):
            along = np.clip(np.dot(point - a, b - a) / max(np.dot(b - a, b - a), 1e-12), 0, 1)
            gaps.append(np.hypot(*(a + along * (b - a) - point)))
        assert min(gaps) < 1e-5
    corners_inside = [p for p in points if 0 <= p[0] <= 100 and 0 <= p[1] <= 80]
    assert not corners_inside or len(ink)


# Words


def test_widths_are_those_of_the_font() -> None:
    font = FT2Font(font_manager.findfont("DejaVu Sans"))
    font.set_size(1000, 72)
    for code in range(32, 127):
        glyph = font.load_char(code, flags=LoadFlags.NO_HINTING)
        assert text_width(chr(code)) == pytest.approx(13 * glyph.linearHoriAdvance / 65536 / 1000, abs=0.02)


@given(
    text=st.text(st.characters(codec="utf-8", exclude_characters="\n"), min_size=1), width=st.floats(20, 300)
)
def test_shortened_text_fits(text: str, width: float) -> None:
    assert text_width(shorten(text, width)) <= width
    assert shorten(text, text_width(text)) == text


def test_wrapping_keeps_every_word_where_there_is_room() -> None:
    assert wrap("Qwen2.5 1.5B Instruct", 100) == "Qwen2.5 1.5B\nInstruct"
    assert wrap("short", 100) == "short"


def contrast(a: str, b: str) -> float:
    """Contrast ratio of WCAG 2.2."""

    def luminance(color: str) -> float:
        rgb = np.array([int(color[i : i + 2], 16) for i in (1, 3, 5)]) / 255
        linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
        return float(linear @ (0.2126, 0.7152, 0.0722))

    high, low = sorted((luminance(a), luminance(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("color", [color for color in ROLES.values() if color.startswith("#")])
def test_text_on_a_fill_has_the_better_contrast_and_enough(color: str) -> None:
    other = {"#000000": "#ffffff", "#ffffff": "#000000"}[ink_on(color, 1.0)]
    assert contrast(color, ink_on(color, 1.0)) >= max(4.5, contrast(color, other))


@pytest.mark.parametrize("color", [color for color in ROLES.values() if color.startswith("#")])
def test_text_on_a_translucent_fill_is_legible_in_both_themes(color: str) -> None:
    for opacity in np.linspace(0, 1, 21):
        chosen = ink_on(color, opacity)
        for paper, ink in THEMES:
            mixed = [
                round(opacity * int(color[i : i + 2], 16) + (1 - opacity) * int(paper[i : i + 2], 16))
                for i in (1, 3, 5)
            ]
            fill = "#{:02x}{:02x}{:02x}".format(*mixed)
            assert contrast(fill, ink if chosen == ROLES["ink"] else chosen) > 4


def overlaps(words: list[Words]) -> list[tuple[str, str]]:
    areas = [(w.text, rect(w.text, (w.x, w.y, w.anchor))) for w in words]
    return [
        (a, b)
        for (a, p), (b, q) in combinations(areas, 2)
        if min(p[2], q[2]) - max(p[0], q[0]) > 0.01 and min(p[3], q[3]) - max(p[1], q[1]) > 0.01
    ]


def assert_legible(drawing: Drawing) -> None:
    assert overlaps(drawing.words) == []
    for words in drawing.words:
        left, top, right, bottom = rect(words.text, (words.x, words.y, words.anchor))
        assert left >= -8 and right <= WIDTH + 8 and top >= 0 and bottom <= HEIGHT, words


def test_every_kind_of_mark_is_drawn_and_labelled() -> None:
    drawing = lay_out(scene(*ALL_KINDS))
    assert [shape.kind for shape in drawing.shapes] == ["line", "area", "bar", "span", "dot", "cell"]
    assert {"roof", "room", "40", "wait", "here", "fox", "note"} <= {words.text for words in drawing.words}
    assert_legible(drawing)


def labelled(kind: str, x: float, y: float, label: str) -> Mark:
    match kind:
        case "dot":
            return Dot(x=x, y=y, label=label)
        case "line":
            return Line(x=(0, x + 0.5), y=(0, y), label=label)
        case "bar":
            return Bar(x=x, y1=y, label=label)
        case "span":
            return Span(x0=x, x1=x + 2, y=y, height=8, label=label)
        case "text":
            return Text(x=x, y=y, text=label)
        case _:
            return Cell(x=x, y=y, height=8, text=label, label=label)


KINDS = st.sampled_from(["dot", "line", "bar", "span", "text", "cell"])
PLACES = st.floats(-1, 11)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(KINDS, PLACES, PLACES), min_size=1, max_size=14))
def test_nothing_overlaps_wherever_the_marks_are(places: list[tuple[str, float, float]]) -> None:
    marks = [labelled(kind, x, 10 * y, f"label {k}") for k, (kind, x, y) in enumerate(places)]
    assert_legible(lay_out(scene(*marks)))


@pytest.mark.parametrize("kind", ["dot", "line", "bar", "span", "text"])
def test_labels_find_a_place_even_in_a_heap(kind: str) -> None:
    drawing = lay_out(scene(*(labelled(kind, 5, 50, f"label {k}") for k in range(9))))
    assert {f"label {k}" for k in range(9)} <= {words.text for words in drawing.words}
    assert_legible(drawing)


@pytest.mark.parametrize("count", [1, 3, 12, 40])
def test_categories_never_run_into_each_other(count: int) -> None:
    names = tuple(f"Model number {k} Instruct" for k in range(count))
    for axes in ({"x": Axis(label="Model", categories=names)}, {"y": Axis(label="Model", categories=names)}):
        assert_legible(lay_out(scene(Dot(x=0, y=0), **axes)))


def test_text_is_at_least_12_px_where_the_picture_is_600_px_wide() -> None:
    from edgelib.explore.labels import FONT_SIZE

    assert FONT_SIZE * 600 / WIDTH >= 12
    assert LINE_HEIGHT > FONT_SIZE


def test_the_same_scene_gives_the_same_drawing() -> None:
    assert lay_out(scene(*ALL_KINDS)) == lay_out(scene(*ALL_KINDS))
