"""What a learner is told: for right, wrong, broken and strange answers, as text and as HTML."""

from __future__ import annotations

import inspect
import math
import sys
from collections.abc import Callable
from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import edgelib.exercises as exercises
from edgelib.exercises import CheckedPart, load, outcome, part, progress
from edgelib.exercises.blocks import replace_solutions
from edgelib.exercises.compare import Malformed, agrees, describe, plain


@pytest.fixture(autouse=True)
def reader_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EDGELIB_HOME", str(tmp_path / "reader"))
    return tmp_path / "reader"


# A part with an obvious answer: twice x. Its one misconception is the square.
DOUBLE = {
    "kind": "function",
    "answer": "double",
    "unit": "B",
    "returns": "one number of bytes",
    "tolerance": 1e-3,
    "public": [{"arguments": {"x": 3}, "expected": 6.0}, {"arguments": {"x": 5.0}, "expected": 10.0}],
    "mutants": [{"message": "This is <the> square.", "values": [9.0, 25.0]}],
    "hints": ["Add.", "Add x.", "x + x"],
}
TOTAL = {
    **DOUBLE,
    "answer": "total",
    "public": [{"arguments": {"values": [1, 2]}, "expected": 3}],
    "mutants": [],
}


def double(data: dict[str, Any] = DOUBLE) -> CheckedPart:
    return CheckedPart("ex0", "a", data)


class BadText(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


class BadRepr:
    def __repr__(self) -> str:
        raise RuntimeError("no repr")


def raising(error: BaseException) -> Callable[..., Any]:
    def answer(x: float) -> float:
        raise error

    return answer


def endless(x: float) -> float:
    return endless(x)


CIRCLE: list[Any] = []
CIRCLE.append(CIRCLE)


@pytest.mark.parametrize(
    "answer",
    [
        lambda x: 2 * x,
        lambda x: np.float64(2 * x),
        lambda x: np.float32(2 * x),
        lambda x: np.array(2 * x),
        lambda x: np.int64(2 * x),
        lambda x: 2 * x * 1.0009,
        lambda x: np.longdouble(2 * x),
    ],
)
def test_right_answers(answer: Callable[..., Any]) -> None:
    result = double().check(answer)
    assert result.status == "public checks passed"
    assert repr(result) == (
        "ex0.a: public checks passed\n2 public inputs agree within 0.1 %. Grades come from other inputs."
    )


@pytest.mark.parametrize(
    ("returned", "status", "said"),
    [
        (True, "error", "returned True."),
        (np.bool_(True), "error", "returned True."),
        (None, "error", "returned None. Is there a return missing?"),
        ("6", "error", "returned '6'."),
        (6 + 0j, "error", "an object of type complex"),
        (np.complex128(6), "error", "numpy data of type complex128"),
        (Decimal(6), "error", "an object of type Decimal"),
        ({6}, "error", "an object of type set"),
        (BadRepr(), "error", "an object of type BadRepr"),
        ([6], "error", "returned [6]."),
        (np.arange(1000), "error", "[0, 1, 2, 3, 4, 5, ... (1000 items)]"),
        ({"x": 6}, "error", "{'x': 6}"),
        ([6, "x"], "error", "returned [6, 'x']."),
        ({1: 6}, "error", "a dict with keys that are not strings"),
        (CIRCLE, "error", "nested more than 8 deep"),
        (np.array([object()]), "error", "numpy data of type object"),
        (np.datetime64("2024-01-01"), "error", "numpy data of type datetime64"),
        ("x" * 10_000, "error", "(10000 characters)"),
        (math.nan, "wrong", "returned nan B."),
        (math.inf, "wrong", "returned inf B."),
        (-math.inf, "wrong", "returned -inf B."),
        (np.float32("nan"), "wrong", "returned nan B."),
        (10**5000, "wrong", "returned an integer of 16610 bits B."),
        (6.1, "wrong", "double(x=3) returned 6.1 B."),
        (-6, "wrong", "returned -6 B."),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_is_said_of_a_strange_value(returned: Any, status: str, said: str) -> None:
    result = double().check(lambda x: returned)
    assert (result.status, said in repr(result)) == (status, True), repr(result)
    assert status == "wrong" or "Expected: one number of bytes." in repr(result)
    assert len(repr(result)) < 500


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ZeroDivisionError("by <b>0</b>"), "raised ZeroDivisionError: by <b>0</b>"),
        (BadText(), "raised BadText: (its text cannot be shown)"),
        (SystemExit(3), "raised SystemExit: 3"),
        (ValueError("x" * 10_000), "raised ValueError: xxx"),
        (NotImplementedError("bfloat16"), None),
    ],
)
def test_their_exception_and_its_line(error: BaseException, said: str | None) -> None:
    answer = raising(error)
    result = double().check(answer)
    if said is None:
        assert result.status == "not attempted"
        return
    assert result.status == "error"
    line = inspect.getsourcelines(answer)[1] + 1
    assert result.lines[0].startswith(f"double(x=3) {said}")
    assert result.lines[1] == f"In answer, line {line} of your cell:"
    assert result.code == "raise error"
    assert len(repr(result)) < 500


def test_an_unwritten_helper_is_an_error_in_its_line_not_an_unattempted_part() -> None:
    helper = raising(NotImplementedError("write helper"))
    result = double().check(lambda x: 2 * helper(x))
    assert result.status == "error"
    assert "NotImplementedError: write helper" in repr(result)


def test_the_line_is_theirs_when_a_library_raises() -> None:
    result = double().check(lambda x: np.zeros(2).reshape(3))
    assert "ValueError" in repr(result)
    assert "reshape(3)" in result.code


def test_endless_recursion_is_reported() -> None:
    assert "RecursionError" in repr(double().check(endless))


def test_swapped_items_are_shown_as_a_whole() -> None:
    result = load("ex2").d.check(lambda **_: ("memory", 14.3))
    assert "returned ['memory', 14.3]." in result.lines[0]
    assert "Expected: two things, tokens per second and the name" in result.lines[1]


def test_an_interrupt_stops_the_check() -> None:
    with pytest.raises(KeyboardInterrupt):
        double().check(raising(KeyboardInterrupt()))


def test_changed_arguments_are_reported_and_do_no_harm() -> None:
    total = double(TOTAL)

    def consume(values: list[int]) -> int:
        return sum(values.pop() for _ in range(len(values)))

    result = total.check(consume)
    assert result.status == "error"
    assert "total(values=[1, 2]) changed its arguments" in repr(result)
    assert total.check(lambda values: sum(values)).status == "public checks passed"


@pytest.mark.parametrize("answer", [None, ...])
def test_nothing_is_not_attempted(answer: Any) -> None:
    assert double().check(answer).status == "not attempted"
    assert double({**DOUBLE, "kind": "value", "public": [{"arguments": {}, "expected": 6}]}).check(
        answer
    ).status == ("not attempted")


def test_a_called_function_and_other_names_of_arguments_are_explained() -> None:
    assert "write ex0.a.check(double), without a call" in repr(double().check(6))
    assert "keep the names of its arguments" in repr(double().check(lambda y: 2 * y))


def test_a_misconception_is_named_only_where_it_fits_every_public_input() -> None:
    assert "This is <the> square." in repr(double().check(lambda x: x * x))
    assert "square" not in repr(double().check(lambda x: 9))


def test_the_second_wrong_answer_is_told_its_direction_and_never_the_value() -> None:
    checked = double()
    first, second, third = (repr(checked.check(lambda x, k=k: k * x)) for k in (3, 3, 1.5))
    assert "too" not in first
    assert "It is too large." in second
    assert "It is too small." in third
    assert "6" not in first + second + third
    assert "too" not in repr(checked.check(lambda x: math.nan))


def test_hints_go_on_and_end_with_the_last() -> None:
    checked = double()
    texts = [repr(checked.hint()) for _ in range(4)]
    assert [text.splitlines()[1] for text in texts] == ["Add.", "Add x.", "x + x", "x + x"]
    assert "hint 3 of 3" in texts[2]
    assert "ex0.a.solution()" in texts[2]


def test_the_solution_is_shown_only_where_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = load("ex2").a.solution()
    assert shown.code.startswith("def tps_bound(parameters, weight_bits, bandwidth):")
    assert "SOLUTION" not in shown.code
    space: dict[str, Any] = {}
    exec(shown.code, space)
    assert load("ex2").a.check(space["tps_bound"]).status == "public checks passed"
    assert "**Rubric.**" in load("ex2").parts["f"].solution().code
    monkeypatch.setattr(part, "SOLUTIONS", tmp_path)
    assert load("ex2").a.solution().code == ""
    assert "without solutions/" in repr(load("ex2").a.solution())


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: set[str] = set()
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.add(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


EVIL = "<script>alert(1)</script><img src=x onerror=alert(2)>&amp;"


@pytest.mark.parametrize(
    "message",
    [
        lambda: double().check(lambda x: EVIL),
        lambda: double().check(raising(ValueError(EVIL))),
        lambda: double().check(lambda x: x * x),
        lambda: double({**DOUBLE, "hints": [EVIL]}).hint(),
        lambda: outcome.Message(EVIL, (EVIL,), EVIL),
        lambda: exercises.Progress({EVIL: EVIL}),
        lambda: double().check(eval(f"lambda x: [][0] or {EVIL!r}")),
    ],
)
def test_html_says_the_same_and_runs_nothing(message: Callable[[], Any]) -> None:
    shown = message()
    tags = Tags()
    tags.feed(shown._repr_html_())
    assert tags.found <= {"div", "p", "strong", "pre", "table", "caption", "tr", "th", "td"}
    if isinstance(shown, outcome.Message):
        assert tags.text == repr(shown).replace("\n", "")


def test_progress_keeps_the_best(reader_home: Path) -> None:
    exercise = load("ex2")
    mine = {name: status for name, status in progress().status.items() if name.startswith("ex2.")}
    assert mine == {f"ex2.{letter}": "not attempted" for letter in "abcde"}
    assert set(progress().status.values()) == {"not attempted"}
    assert not reader_home.exists()
    exercise.b.check(8)
    assert progress().status["ex2.b"] == "wrong"
    exercise.b.check(16)
    exercise.b.check(8)
    assert progress().status["ex2.b"] == "public checks passed"
    assert progress().passed == 1
    parts = len(progress().status)
    assert repr(progress()).endswith(f"1 of {parts} parts pass their public checks")


def test_a_check_works_where_nothing_can_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("EDGELIB_HOME", str(tmp_path / "file" / "reader"))
    result = double().check(lambda x: 2 * x)
    assert result.status == "public checks passed"
    assert "could not be recorded" in result.lines[-1]


def test_exercises_and_parts_are_found_by_name() -> None:
    from edgelib.exercises import ex2

    assert ex2 is load("ex2")
    assert {"a", "b", "c", "d", "e", "f"} <= set(dir(ex2))
    assert repr(ex2).startswith("<ex2, ")
    assert repr(ex2.a) == "<ex2.a: check, hint, solution>"
    with pytest.raises(AttributeError, match="ex2 has no part 'g'; it has a, b, c, d, e, f"):
        ex2.g.check(1)
    with pytest.raises(ImportError, match="ex99"):
        from edgelib.exercises import ex99  # noqa: F401
    with pytest.raises(ValueError, match="there is no exercise 'ex99'; there are ex2"):
        load("ex99")


NUMBERS = st.floats(allow_nan=False, allow_infinity=False, width=32)


@given(expected=NUMBERS, got=NUMBERS, tolerance=st.floats(0, 0.5))
def test_numbers_agree_as_math_isclose_says(expected: float, got: float, tolerance: float) -> None:
    near = abs(got - expected) <= tolerance * abs(expected)
    assert agrees(got, expected, tolerance) == near
    assert agrees(expected, expected, 0)
    if near:  # math.isclose measures against the larger of the two, so it forgives no less
        assert math.isclose(got, expected, rel_tol=tolerance)


@given(st.recursive(st.none() | st.booleans() | st.integers() | NUMBERS | st.text(), st.lists, max_leaves=10))
def test_everything_agrees_with_itself_and_can_be_described(value: Any) -> None:
    assert agrees(plain(value), plain(value), 0)
    assert describe(plain(value))


@pytest.mark.parametrize(
    ("got", "expected"),
    [
        (True, 1), (1, True), ("1", 1), (1, "1"), (None, 0), (0, None), ([1], 1), (1, [1]), ([1], [1, 2]),
        ([1, [2]], [1, 2]), ({"a": 1}, {"b": 1}), ({"a": 1}, [1]), ([2, "x"], [1, 2]),
    ],
)  # fmt: skip
def test_other_types_and_shapes_are_malformed(got: Any, expected: Any) -> None:
    with pytest.raises(Malformed):
        agrees(got, expected, 0.1)


@pytest.mark.parametrize("got", [math.nan, math.inf, -math.inf, 10**400, -(10**400)])
@pytest.mark.parametrize("expected", [0, 1.0, -1e308, sys.float_info.max])
def test_no_strange_number_equals_a_number(got: float, expected: float) -> None:
    assert agrees(got, expected, 0.1) is False


def test_structures_agree_item_by_item() -> None:
    assert agrees([1.0001, "memory"], [1, "memory"], 1e-3)
    assert not agrees([1.0001, "Memory"], [1, "memory"], 1e-3)
    assert not agrees({"a": [1, 2]}, {"a": [1, 3]}, 1e-3)


@pytest.mark.parametrize(("value", "text"), [(7e9, "7e9"), (1e-7, "1e-7"), (16, "16"), (1 / 3, "0.333333")])
def test_numbers_are_shown_short(value: float, text: str) -> None:
    assert describe(value) == text


def test_arguments_are_shown_so_that_they_can_be_pasted() -> None:
    shown: list[str] = []
    for x in (1234567890.0, 1e11, 0.1 + 0.2, 524288):
        data = {**DOUBLE, "public": [{"arguments": {"x": x}, "expected": 2 * x}]}
        text = double(data).check(lambda x: 0).lines[0]
        assert eval(text[len("double(x=") : text.index(")")]) == x
        shown.append(text)
    assert shown[1] == "double(x=1e11) returned 0 B."


def test_markers_are_taken_out() -> None:
    source = "def f(x):\n    ### BEGIN SOLUTION\n    y = x\n    return y\n    ### END SOLUTION\n"
    assert replace_solutions(source, None) == "def f(x):\n    y = x\n    return y"
    assert (
        replace_solutions(source, lambda indentation: f"pass  # {len(indentation)}")
        == "def f(x):\n    pass  # 4"
    )
