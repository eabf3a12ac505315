"""Try, hint, check: one part of an exercise as a learner meets it.

What the checks know is `edgelib/data/exercises/exN.json`: public inputs with their values, the values that
known misconceptions give on them, and hints. No solution and no grading input is part of this package.

What a wrong answer is told: what was returned, for which public input, and the misconception if one fits all
public inputs. From the second wrong answer on, too large or too small. The expected value is never told by a
check: the last hint leads to it, and `solution()` shows it.
"""

from __future__ import annotations

import copy
import linecache
import traceback
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from edgelib.exercises.blocks import replace_solutions, solution_cells
from edgelib.exercises.compare import Malformed, Plain, agrees, describe, plain
from edgelib.exercises.outcome import PASSED, Message, Outcome, outcome, record
from edgelib.exercises.verdict import Unjudgeable, judge_named

SOLUTIONS = Path(__file__).resolve().parents[2] / "solutions"  # in a checkout; a lecturer may withhold it


class Part:
    """A part with hints and a solution; `name` is "ex2.a"."""

    def __init__(self, exercise: str, letter: str, data: dict[str, Any]) -> None:
        self.name = f"{exercise}.{letter}"
        self._exercise, self._letter, self._data = exercise, letter, data
        self._hints_shown = 0

    def __repr__(self) -> str:
        return f"<{self.name}: {', '.join(name for name in dir(type(self)) if not name.startswith('_'))}>"

    def hint(self) -> Message:
        """The next hint; each says more than the one before."""
        hints = self._data["hints"]
        self._hints_shown = min(self._hints_shown + 1, len(hints))
        last = self._hints_shown == len(hints)
        after = f"That was the last hint. What remains is {self.name}.solution()." if last else ""
        title = f"{self.name}: hint {self._hints_shown} of {len(hints)}"
        return Message(title, (hints[self._hints_shown - 1], *([after] if after else [])))

    def solution(self) -> Message:
        """The solution, where the folder `solutions/` of the book is at hand."""
        source = SOLUTIONS / f"{self._exercise}.md"
        if not source.is_file():
            return Message(
                f"{self.name}: no solution here", ("Your copy of the book comes without solutions/.",)
            )
        wanted = {"exercise": self._exercise, "part": self._letter}
        cells = [
            cell for cell in solution_cells(source) if wanted.items() <= cell.metadata.get("edge", {}).items()
        ]
        code = "\n\n".join(replace_solutions(cell.source, None) for cell in cells)
        return Message(f"{self.name}: one solution", code=code)


class _Ended(Exception):
    """A check that a learner's own function ended."""

    def __init__(self, result: Outcome) -> None:
        super().__init__(result.title)
        self.outcome = result


class CheckedPart(Part):
    """A part that public inputs can check."""

    def __init__(self, exercise: str, letter: str, data: dict[str, Any]) -> None:
        super().__init__(exercise, letter, data)
        self.answer: str = data["answer"]
        self._wrong_answers = 0

    def check(self, answer: Any) -> Outcome:
        """Try `answer` (your function, or your value) on the public inputs."""
        result = self._judge(answer)
        try:
            record(result)
        except OSError as error:  # a check is worth its answer even where nothing can be written
            result = replace(result, lines=(*result.lines, f"Your progress could not be recorded: {error}"))
        return result

    def _judge(self, answer: Any) -> Outcome:
        if answer is None or answer is Ellipsis:
            return self._not_attempted()
        if self._data["kind"] == "plan":
            return self._score(answer)
        if self._data["kind"] == "value":
            attempt, returned = self.answer, "is"
        elif callable(answer):
            attempt, returned = "", "returned"
        else:
            text = (
                f"check() takes the function itself: write {self.name}.check({self.answer}), without a call."
            )
            return outcome(self.name, "error", text)
        if self._data["kind"] == "policy":
            return self._score(self._as_policy(answer))

        values: list[Plain] = []
        for example in self._data["public"]:
            if self._data["kind"] == "function":
                attempt = f"{self.answer}({_call_text(example['arguments'])})"
                called = self._call(answer, attempt, example["arguments"])
                if isinstance(called, Outcome):
                    return called
                value = called[0]
            else:
                value = answer
            unfit = self._unfit(value, example["expected"])
            if unfit is not None:
                forgot = " Is there a return missing?" if value is None else ""
                text = f"{attempt} {returned} {unfit}.{forgot}"
                return outcome(self.name, "error", text, f"Expected: {self._data['returns']}.")
            values.append(plain(value))
        return self._compare(values, returned)

    def _as_policy(self, answer: Callable[..., Any]) -> Callable[..., Plain]:
        """The learner's function as a judge may call it; what goes wrong in it ends the check."""

        def policy(**arguments: Any) -> Plain:
            called = self._call(answer, f"{self.answer}({_call_text(arguments)})", arguments)
            if isinstance(called, Outcome):
                raise _Ended(called)
            try:
                return plain(called[0])
            except Malformed as error:
                raise Unjudgeable(
                    f"{self.answer} returned {error}; expected {self._data['returns']}"
                ) from None

        return policy

    def _score(self, answer: Any) -> Outcome:
        """What the judge says of a plan or policy on the public instances."""
        judge = judge_named(self._data["judge"])
        try:
            data = plain(answer) if self._data["kind"] == "plan" else answer
            verdicts = [
                judge(data, **copy.deepcopy(example["arguments"])) for example in self._data["public"]
            ]
        except _Ended as ended:
            return ended.outcome
        except Malformed as error:
            text = f"{self.answer} is {error}."
            return outcome(self.name, "error", text, f"Expected: {self._data['returns']}.")
        except Unjudgeable as error:
            return outcome(self.name, "error", str(error))
        worst = min(verdicts, key=lambda verdict: verdict.score)
        if worst.score == 1:
            passed = outcome(self.name, PASSED, *worst.lines, "Grades come from other instances.")
            return replace(passed, measures=worst.measures)
        codes = {code for verdict in verdicts for code in verdict.codes}
        messages = [mutant["message"] for mutant in self._data["mutants"] if mutant["code"] in codes]
        wrong = outcome(self.name, "wrong", *worst.lines, *messages, f"Stuck? {self.name}.hint()")
        return replace(wrong, measures=worst.measures)

    def _unfit(self, value: Any, expected: Plain) -> str | None:
        """What `value` is, where it cannot be compared with what is expected."""
        try:
            data = plain(value)
        except Malformed as error:
            return str(error)
        try:
            agrees(data, expected, self._data["tolerance"])
        except Malformed:
            return describe(data)
        return None

    def _call(
        self, answer: Callable[..., Any], attempt: str, arguments: dict[str, Any]
    ) -> tuple[Any] | Outcome:
        """The returned value in a tuple, or the outcome that ends the check."""
        given = copy.deepcopy(arguments)
        try:
            value = answer(**given)
        except (Exception, SystemExit) as error:  # whatever their code raises is what we report
            frames = list(traceback.walk_tb(error.__traceback__))[1:]  # the first is this function
            if isinstance(error, NotImplementedError) and frames and frames[-1][0].f_code is _code(answer):
                return self._not_attempted()
            lines = [f"{attempt} raised {type(error).__name__}: {_text(error)}"]
            where = [
                (frame, line)
                for frame, line in frames
                if frame.f_code.co_filename == frames[0][0].f_code.co_filename
            ]
            if not where:
                lines.append(f"It is called as {attempt}: keep the names of its arguments.")
                return outcome(self.name, "error", *lines)
            frame, line = where[-1]
            code = linecache.getline(frame.f_code.co_filename, line, frame.f_globals).strip()
            lines.append(f"In {frame.f_code.co_name}, line {line} of your cell{':' if code else '.'}")
            return outcome(self.name, "error", *lines, code=code)
        if given != arguments:
            text = f"{attempt} changed its arguments; leave them as they are and return a new value."
            return outcome(self.name, "error", text)
        return (value,)

    def _compare(self, values: list[Plain], returned: str) -> Outcome:
        public, tolerance = self._data["public"], self._data["tolerance"]
        right = [
            agrees(value, example["expected"], tolerance)
            for value, example in zip(values, public, strict=True)
        ]
        if all(right):
            count = f"{len(public)} public inputs agree" if len(public) > 1 else "The public check agrees"
            return outcome(
                self.name, PASSED, f"{count} within {100 * tolerance:g} %. Grades come from other inputs."
            )
        self._wrong_answers += 1
        first = right.index(False)
        value, example = values[first], public[first]
        call = f"({_call_text(example['arguments'])})" if self._data["kind"] == "function" else ""
        unit = "" if isinstance(value, list | dict) else f" {self._data['unit']}"
        lines = [f"{self.answer}{call} {returned} {describe(value)}{unit}."]
        lines += [
            mutant["message"]
            for mutant in self._data["mutants"]
            if all(agrees(got, wrong, tolerance) for got, wrong in zip(values, mutant["values"], strict=True))
        ]
        if len(lines) == 1:
            lines.append(f"Expected: {self._data['returns']}.")
            if self._wrong_answers > 1 and isinstance(value, int | float) and value == value:  # not NaN
                lines.append(f"It is too {'large' if value > example['expected'] else 'small'}.")
        return outcome(self.name, "wrong", *lines, f"Stuck? {self.name}.hint()")

    def _not_attempted(self) -> Outcome:
        return outcome(
            self.name, "not attempted", f"Write {self.answer} in the cell above, run it, then check again."
        )


def _code(function: Callable[..., Any]) -> Any:
    return getattr(function, "__code__", None)


def _call_text(arguments: dict[str, Any]) -> str:
    """Arguments as a learner can paste them: parameters=7e9, weight_bits=8."""
    return ", ".join(f"{name}={_literal(value)}" for name, value in arguments.items())


def _literal(value: Any) -> str:
    short = describe(value)
    return short if not isinstance(value, float) or float(short) == value else repr(value)


def _text(error: BaseException) -> str:
    try:
        return str(error)[:300]
    except Exception:  # an exception of theirs whose own text fails
        return "(its text cannot be shown)"
