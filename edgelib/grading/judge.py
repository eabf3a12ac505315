"""What is an answer worth? Each kind of part asks the sandbox what it needs and compares on this side.

A mark of a part is from 0 to 1. A value or function earns it whole or not at all; a plan or policy earns what
its judge gives, averaged over the instances.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal
from unicodedata import category

from edgelib.exercises.compare import Malformed, agrees, describe, plain
from edgelib.exercises.verdict import Measure, Unjudgeable, Verdict, judge_named
from edgelib.grading.spec import Arguments, Compared, Function, Judged, Mutant, Part, Plan

Status = Literal["full", "partial", "wrong", "error", "not attempted"]
Ask = Callable[..., dict[str, Any]]  # Sandbox.ask with its deadline filled in
_LONGEST_MESSAGE = 500


@dataclass(frozen=True)
class PartMark:
    """The mark of one part: from 0 to 1, and why; `measures` of the worst instance, for a picture."""

    part: str
    mark: float
    status: Status
    lines: tuple[str, ...] = ()
    measures: tuple[Measure, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "lines", tuple(visible(line) for line in self.lines))


def visible(text: str) -> str:
    """`text` with everything written out that a terminal would obey or a file cannot hold: \\x1b, \\ud800."""
    return "".join(
        letter
        if letter.isprintable() or category(letter) == "Zs"
        else letter.encode("unicode_escape").decode()
        for letter in text
    )


class _Failed(Exception):
    """The answer raised, or is not of the right kind."""

    def __init__(self, text: str, unfinished: bool = False) -> None:
        super().__init__(text)
        self.unfinished = unfinished


def judge_part(part: Part, instances: list[Arguments], ask: Ask) -> PartMark:
    """Mark the answer that is in the sandbox now.

    Raises
    ------
    Broken : student code broke the conversation.
    """
    try:
        if isinstance(part, Compared):
            return _compared(part, instances, ask)
        if isinstance(part, Judged):
            return _judged(part, instances, ask)
    except _Failed as failure:
        if failure.unfinished:
            return PartMark(part.name, 0.0, "not attempted")
        return PartMark(part.name, 0.0, "error", (str(failure)[:_LONGEST_MESSAGE],))
    raise TypeError(f"part {part.name}: no judge for {type(part).__name__}")


def _value(part: Part, ask: Ask) -> Any:
    reply = ask(get=part.answer)
    kind = reply.get("kind")
    if kind == "missing" or (kind == "value" and reply.get("value") is None):
        raise _Failed(f"{part.answer} is not defined", unfinished=True)
    if kind == "function":
        raise _Failed(f"{part.answer} is a function; expected {part.returns}")
    if kind != "value":
        if "ellipsis" in str(reply.get("error")):  # the empty answer
            raise _Failed(f"{part.answer} is ...", unfinished=True)
        raise _Failed(f"{part.answer}: {reply.get('error')}. Expected: {part.returns}.")
    return reply.get("value")


def _function(part: Part, ask: Ask) -> Callable[..., Any]:
    reply = ask(get=part.answer)
    if reply.get("kind") == "missing":
        raise _Failed(f"{part.answer} is not defined", unfinished=True)
    if reply.get("kind") != "function":
        raise _Failed(f"{part.answer} is no function")

    def call(**arguments: Any) -> Any:
        reply = ask(call=part.answer, arguments=arguments)
        if "value" not in reply:
            text = f"{part.answer}({_short(arguments)}) raised {reply.get('error')}"
            raise _Failed(text, unfinished=reply.get("unfinished") is True)
        return reply["value"]

    return call


def _compared(part: Compared, instances: list[Arguments], ask: Ask) -> PartMark:
    if isinstance(part, Function):
        call = _function(part, ask)
        got = [call(**arguments) for arguments in instances]
    else:
        got = [_value(part, ask)] * len(instances)
    expected = [plain(part.reference(**arguments)) for arguments in instances]
    right = [_agrees(part, g, e) for g, e in zip(got, expected, strict=True)]
    if all(right):
        return PartMark(part.name, 1.0, "full")
    first = right.index(False)
    attempt = (
        f"{part.answer}({_short(instances[first])}) returned" if instances[first] else f"{part.answer} is"
    )
    unit = f" {part.unit}" if isinstance(got[first], int | float) else ""
    lines = [f"{attempt} {_describe(got[first])}{unit}; {sum(right)} of {len(right)} inputs were right."]
    lines += [mutant.message for mutant in part.mutants if _is_mutant(part, mutant, instances, got)]
    return PartMark(part.name, 0.0, "wrong", tuple(lines))


def _agrees(part: Compared, got: Any, expected: Any) -> bool:
    try:
        return agrees(got, expected, part.tolerance)
    except Malformed:
        return False


def _is_mutant(part: Compared, mutant: Mutant, instances: list[Arguments], got: list[Any]) -> bool:
    return all(
        _agrees(part, value, plain(mutant.answer(**arguments)))
        for value, arguments in zip(got, instances, strict=True)
    )


def _judged(part: Judged, instances: list[Arguments], ask: Ask) -> PartMark:
    answer = _value(part, ask) if isinstance(part, Plan) else _function(part, ask)
    judge = judge_named(part.judge)
    verdicts: list[Verdict] = []
    for arguments in instances:
        try:
            verdicts.append(judge(answer, **arguments))
        except Unjudgeable as error:
            raise _Failed(str(error)) from None
    mark = sum(verdict.score for verdict in verdicts) / len(verdicts)
    if not 0 <= mark <= 1:
        raise ValueError(f"judge {part.judge} gave {mark}; expected scores from 0 to 1")
    codes = {code for verdict in verdicts for code in verdict.codes}
    worst = min(verdicts, key=lambda verdict: verdict.score)
    lines = [*worst.lines, *(mutant.message for mutant in part.mutants if mutant.code in codes)]
    if mark == 1:
        return PartMark(part.name, 1.0, "full", measures=worst.measures)
    return PartMark(part.name, mark, "partial" if mark > 0 else "wrong", tuple(lines), worst.measures)


def _describe(value: Any) -> str:
    return describe(value)[:_LONGEST_MESSAGE]


def _short(arguments: Arguments) -> str:
    text = ", ".join(f"{name}={json.dumps(value)}" for name, value in arguments.items())
    return text if len(text) <= 300 else text[:300] + "..."
