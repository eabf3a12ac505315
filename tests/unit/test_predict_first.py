"""A prediction comes before the answer, is never lost, and adds up to a calibration."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from statistics import NormalDist
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from edgelib.explore import calibration, predict_first, prediction_errors, progress
from edgelib.explore.calibration import wilson
from edgelib.explore.layout import lay_out
from edgelib.explore.prediction import Prediction, commit, load
from edgelib.explore.prediction_widget import LiveCard
from edgelib.explore.scene import Area, Dot

QUESTION = "Tokens per second, INT8 weights, empty context?"
SECRET = 7.3125


@pytest.fixture(autouse=True)
def reader_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EDGELIB_HOME", str(tmp_path))
    return tmp_path


def card(**changes: Any) -> Any:
    return predict_first(
        **{"id": "1.2.1-a", "question": QUESTION, "unit": "tok/s", "answer": SECRET, **changes}
    )


def prediction(id: str = "a", **changes: Any) -> Prediction:
    values = {"low": 1, "best": 2, "high": 3, "answer": 2.5, "committed": "2030-01-01T00:00:00+00:00"}
    return Prediction(**{"id": id, "question": "?", "unit": "s", **values, **changes})


def live(entered: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    """The state of a live card after these numbers were sent, as plain JSON."""
    widget = LiveCard(card(**changes))
    if entered is not None:
        widget._handle_custom_msg(entered, [])
    return dict(json.loads(json.dumps(widget.get_state())))


# The card


def test_the_answer_is_nowhere_in_the_page_before_the_commit() -> None:
    state = live()
    state.pop("_esm"), state.pop("_css")
    assert "7.3" not in json.dumps(state)
    assert state["state"]["open"] is False
    bundle = card()._repr_mimebundle_()
    assert "7.3" not in json.dumps(bundle) and "7.3" not in repr(card())


def test_the_text_is_the_same_before_and_after() -> None:
    before = card()._repr_mimebundle_()["text/plain"]
    card().commit({"low": 1, "best": 2, "high": 3})
    assert before == card()._repr_mimebundle_()["text/plain"] == f"Predict first: {QUESTION} [tok/s]"
    assert repr(card(unit="")) == f"Predict first: {QUESTION}"


@pytest.mark.parametrize(
    ("interval", "verdict"),
    [
        ((5, 6.5, 8), "inside your interval; your best guess was off by a factor of 1.12."),  # 7.3125 / 6.5
        ((5, 6, 7), "outside your interval; your best guess was off by a factor of 1.22."),
        ((10, 20, 30), "outside your interval; your best guess was off by a factor of 2.74."),
        ((-1, 0, 10), "inside your interval; your best guess was off by 7.31 tok/s."),
    ],
)
def test_committing_opens_the_answer_and_says_how_far_off(interval: tuple[float, ...], verdict: str) -> None:
    state = live({name: str(v) for name, v in zip(("low", "best", "high"), interval, strict=True)})["state"]
    assert state["open"] is True
    assert state["answer"] == "Answer: 7.31 tok/s"
    assert state["verdict"] == f"It lies {verdict}"
    assert state["inside"] is verdict.startswith("inside")
    assert live()["state"] == state  # a later run of the cell shows the same card, open


def test_the_first_prediction_counts() -> None:
    live({"low": 1, "best": 2, "high": 3})
    later = live({"low": 7, "best": 7.3, "high": 8})["state"]
    assert "You said 2.00 tok/s" in later["guess"]
    assert list(load()[0]) == progress() == ["1.2.1-a"]


def test_decimals() -> None:
    assert card(decimals=0).number(7.3125) == "7 tok/s"
    assert card(decimals=2, unit="").number(1234.5) == "1,234.50"


@pytest.mark.parametrize(
    ("entered", "message"),
    [
        ({"low": "", "best": "2", "high": "3"}, "Low: '' is not a number"),
        ({"low": "1", "best": "two", "high": "3"}, "Best: 'two' is not a number"),
        ({"low": "1", "best": "2"}, "High: None is not a number"),
        ({"low": "1", "best": "2", "high": "inf"}, "High: 'inf' is not a number"),
        ({"low": "1", "best": "nan", "high": "3"}, "Best: 'nan' is not a number"),
        ({"low": True, "best": "2", "high": "3"}, "Low: True is not a number"),
        ({"low": "3", "best": "2", "high": "4"}, "expected low <= best <= high"),
        ({"low": "1", "best": "5", "high": "4"}, "expected low <= best <= high"),
    ],
)
def test_what_cannot_be_committed_leaves_the_card_closed(entered: dict[str, Any], message: str) -> None:
    state = live(entered)["state"]
    assert state["open"] is False and message in state["note"]
    assert progress() == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"id": ""}, "id = ''"),
        ({"id": 3}, "id = 3"),
        ({"question": " "}, "question = ' '"),
        ({"unit": None}, "unit = None"),
        ({"answer": float("nan")}, "answer = nan"),
        ({"answer": "7"}, "answer = '7'"),
        ({"answer": [1, 2]}, "expected one number"),
        ({"decimals": -1}, "decimals = -1"),
    ],
)
def test_bad_cards(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        card(**changes)


def test_a_card_opens_even_where_nothing_can_be_written(
    reader_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (reader_home / "file").write_text("not a folder")
    monkeypatch.setenv("EDGELIB_HOME", str(reader_home / "file" / "below"))
    state = card().commit({"low": 1, "best": 2, "high": 3})
    assert state["open"] and "could not be saved" in state["note"]


# The record


def test_nothing_is_lost_when_two_kernels_commit_at_once() -> None:
    code = (
        "import sys; from edgelib.explore import predict_first\n"
        "for n in range(15):\n"
        "    predict_first(f'{sys.argv[1]}-{n}', '?', 's', 1).commit(dict(low=0, best=1, high=2))"
    )
    kernels = [subprocess.Popen([sys.executable, "-c", code, name]) for name in "ab"]
    assert [kernel.wait(timeout=120) for kernel in kernels] == [0, 0]
    assert sorted(progress()) == sorted(f"{name}-{n}" for name in "ab" for n in range(15))


def test_a_kernel_killed_while_writing_leaves_a_whole_record(reader_home: Path) -> None:
    commit(prediction("kept"))
    code = (
        "from edgelib.explore import predict_first\n"
        "for n in range(10**6):\n"
        "    predict_first(f'b-{n}', '?' * 2000, 's', 1).commit(dict(low=0, best=1, high=2))"
    )
    for pause in (0.02, 0.05, 0.11):
        size = (reader_home / "predictions.json").stat().st_size
        kernel = subprocess.Popen([sys.executable, "-c", code])
        deadline = time.monotonic() + 60
        while (reader_home / "predictions.json").stat().st_size == size and time.monotonic() < deadline:
            time.sleep(0.005)
        time.sleep(pause)
        os.kill(kernel.pid, signal.SIGKILL)
        kernel.wait()
        made, note = load()
        assert note == "" and "kept" in made and len(made) > 1
    assert not list(reader_home.glob("*.corrupt-*"))


@pytest.mark.parametrize("damage", [b"", b"{", b"[1]", b"\xff\xfe", b"null"])
def test_a_damaged_record_is_set_aside_and_the_learner_told(reader_home: Path, damage: bytes) -> None:
    (reader_home / "predictions.json").write_bytes(damage)
    state = live()["state"]
    assert state["open"] is False and "predictions.json.corrupt-1" in state["note"]
    assert (reader_home / "predictions.json.corrupt-1").read_bytes() == damage
    assert live({"low": 1, "best": 2, "high": 3})["state"]["open"] is True
    assert progress() == ["1.2.1-a"]


ROWS = st.one_of(
    st.none(),
    st.integers(),
    st.text(max_size=5),
    st.dictionaries(
        st.sampled_from(["id", "question", "unit", "low", "best", "high", "answer", "committed"]), st.none()
    ),
)


@given(rows=st.dictionaries(st.sampled_from("abc"), ROWS))
def test_a_damaged_entry_hides_no_other_and_stays(rows: dict[str, Any]) -> None:
    path = Path(os.environ["EDGELIB_HOME"]) / "predictions.json"
    path.write_text("{}")
    commit(prediction("whole"))
    path.write_text(json.dumps({**json.loads(path.read_text()), **rows}))
    made, note = load()
    assert list(made) == ["whole"]
    assert all(repr(key) in note for key in rows)
    for key in rows:
        commit(prediction(key))
    assert set(load()[0]) == {"whole", *rows}
    kept = json.loads(path.read_text())
    assert [value for value in rows.values() if value not in kept.values()] == []


# The calibration


@given(n=st.integers(1, 400), share=st.floats(0, 1))
def test_wilson_bounds_are_where_the_score_test_rejects(n: int, share: float) -> None:
    # The definition: p is in the interval while |hits/n - p| <= z standard deviations of a share at p.
    z = NormalDist().inv_cdf(0.975)
    hits = round(share * n)
    low, high = wilson(hits, n)
    assert 0 <= low <= hits / n + 1e-12 and hits / n - 1e-12 <= high <= 1
    for bound in (low, high):
        assert abs(hits / n - bound) == pytest.approx(z * (bound * (1 - bound) / n) ** 0.5, abs=1e-6)


def test_wilson_as_published() -> None:
    # Newcombe, Statistics in Medicine 17 (1998) 857, table I, method 3: 81/263 and 15/148.
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert wilson(15, 148) == pytest.approx((0.0624, 0.1605), abs=5e-5)


@pytest.mark.parametrize(("hits", "n"), [(0, 0), (-1, 3), (4, 3), (1.5, 3)])
def test_wilson_refuses(hits: Any, n: Any) -> None:
    with pytest.raises(ValueError, match=r"hits|n ="):
        wilson(hits, n)


def test_an_empty_record_says_what_will_appear() -> None:
    for picture in (calibration, prediction_errors):
        assert "no prediction yet" in picture().alt and "appear" in picture().alt
        assert picture() == picture()
        lay_out(picture())


def test_calibration_counts_the_intervals_that_held_the_answer() -> None:
    answers = [2.5, 9, 2, 0.1, 3]  # inside, outside, inside, outside, on the edge
    for k, answer in enumerate(answers):
        commit(prediction(str(k), answer=answer, committed=f"2030-01-01T00:00:0{k}+00:00"))
    scene = calibration()
    (end,) = (mark for mark in scene.marks if isinstance(mark, Dot))
    assert (end.x, end.y) == (5, pytest.approx(60))
    (band,) = (mark for mark in scene.marks if isinstance(mark, Area))
    assert (band.y0[-1], band.y1[-1]) == pytest.approx([100 * bound for bound in wilson(3, 5)])
    assert "3 of 5 intervals held the answer: 60 %" in scene.readout
    assert [row[-2] for row in scene.table[1:]] == ["yes", "no", "yes", "no", "yes"]
    assert scene.table[2][-1] == "0.65"  # log10(9 / 2)


@pytest.mark.parametrize(("inside", "finding"), [(True, "consistent"), (False, "too narrow")])
def test_the_finding(inside: bool, finding: str) -> None:
    for k in range(12):
        commit(prediction(str(k), answer=2.5 if inside else 9))
    assert finding in calibration().title


@given(
    best=st.floats(1e-6, 1e6), answer=st.floats(1e-6, 1e6), below=st.floats(0, 1e6), above=st.floats(0, 1e6)
)
def test_errors_are_factors_and_always_drawable(
    best: float, answer: float, below: float, above: float
) -> None:
    Path(os.environ["EDGELIB_HOME"], "predictions.json").write_text("{}")
    made = prediction(low=best - below, best=best, high=best + above, answer=answer)
    assume(made.error_factor is not None)
    assert made.error_factor == pytest.approx(max(best, answer) / min(best, answer))
    assert made.inside is (best - below <= answer <= best + above)
    commit(made)
    lay_out(prediction_errors())
    lay_out(calibration())
