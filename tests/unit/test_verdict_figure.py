"""The picture of a verdict says what the verdict says, and shows it where the axis says."""

from __future__ import annotations

from math import log10
from xml.etree import ElementTree

import pytest

from edgelib.exercises.figure import svg
from edgelib.exercises.judges import plan as plan_judge
from edgelib.exercises.judges import policy as policy_judge
from edgelib.exercises.outcome import Message
from edgelib.exercises.verdict import Measure
from edgelib.planning.margins import Margin
from edgelib.planning.target import PHONE_FIGURES, WISH

SVG = "{http://www.w3.org/2000/svg}"
ROWS = (
    Measure("memory: half of it is missing", 0.5, False),
    Measure("speed: twice as good", 2.0, True),
    Measure("loss: <unpublished> & 'odd'", None, False),
    Measure("wait: far beyond the axis", 500.0, True),
    Measure("size: hopeless", 1e-12, False),
)


def test_bars_stand_where_the_logarithmic_axis_says() -> None:
    root = ElementTree.fromstring(svg(ROWS))
    ticks = {text.text: float(text.attrib["x"]) for text in root.iter(f"{SVG}text")}
    low, middle, high = ticks["a tenth"], ticks["as asked"], ticks["ten times as good"]
    assert (low + high) / 2 == middle
    bars = list(root.iter(f"{SVG}rect"))
    for bar, row in zip(bars, [row for row in ROWS if row.times is not None], strict=True):
        start = float(bar.attrib["x"])
        end = start + float(bar.attrib["width"])
        share = min(max(log10(row.times or 1), -1), 1)
        assert (start if share < 0 else end) == pytest.approx(middle + (high - middle) * share, abs=0.1)
        assert (end if share < 0 else start) == pytest.approx(middle, abs=0.1)
        assert (bar.attrib["fill"] == bars[1].attrib["fill"]) == row.met


def test_every_row_is_words_too_and_nothing_is_markup() -> None:
    text = svg(ROWS)
    root = ElementTree.fromstring(text)
    title = root.findtext(f"{SVG}title") or ""
    assert title.startswith("2 of 5 constraints are kept.")
    words = [element.text or "" for element in root.iter(f"{SVG}text")]
    for row in ROWS:
        assert row.text in title
        assert ("✓ " if row.met else "✗ ") + row.text in words
    assert "<unpublished>" not in text
    assert svg(()) == "" and "svg" not in Message("no picture")._repr_html_()


def test_what_the_picture_says_is_not_said_twice() -> None:
    """In HTML; the plain text has no picture and keeps every line."""
    message = Message("wrong", ("On <this> phone:", ROWS[0].text, "You forgot the cache."), measures=ROWS)
    shown = message._repr_html_()
    words = shown.replace(svg(ROWS), "PICTURE")
    assert "<p>On &lt;this&gt; phone:</p><p>PICTURE</p><p>You forgot the cache.</p>" in words
    assert ROWS[0].text in repr(message)


@pytest.mark.parametrize(
    ("value", "limit", "at_most", "times"),
    [(3.0, 6.0, True, 2.0), (6.0, 3.0, True, 0.5), (6.0, 3.0, False, 2.0), (0.0, 0.1, True, float("inf"))],
)
def test_times_as_good_as_asked(value: float, limit: float, at_most: bool, times: float) -> None:
    margin = Margin("m", value, limit, "s", at_most)
    assert margin.times == times and margin.met == (times >= 1)


def test_an_unknown_value_is_not_drawn() -> None:
    assert Margin("m", None, 1.0, "s").times is None


def test_a_plan_shows_all_its_constraints_and_no_speed_of_what_does_not_run() -> None:
    plan = {"model": "llama-2-7b", "weights": "f16", "context": 4096, "unit": "cpu"}
    verdict = plan_judge.judge(plan, PHONE_FIGURES, WISH)
    kept = [measure.met for measure in verdict.measures]
    assert sum(kept) / len(kept) == pytest.approx(verdict.score)
    shown = {measure.text.partition(":")[0]: measure for measure in verdict.measures}
    assert shown["ttft"].times is None and shown["speed"].text == "speed: does not run"
    assert shown["loss"].times == 1000.0  # 16 bits lose nothing: better than any axis


def test_the_words_of_every_judge_fit_the_picture() -> None:
    """Letters of 14 pixels are at most 7.8 wide on average, in the widest font that browsers fall back to."""
    policy = {"precision": "q8_0", "clock": 0, "rest": "sleep"}
    verdicts = [
        plan_judge.judge({"model": m, "weights": "q4_0", "context": 4096, "unit": "npu"}, PHONE_FIGURES, WISH)
        for m in ("llama-2-13b", "llama-3.2-1b")
    ]
    verdicts.append(policy_judge.judge(lambda **_: policy, "query_trace(1)", seed=1))
    texts = [measure.text for verdict in verdicts for measure in verdict.measures]
    assert len(texts) == 15 and max(map(len, texts)) <= 600 / 7.8
