"""Is this the expected answer? One strict comparison, for a learner's checks and for grades.

A number is an int or a float, never a bool; NaN equals nothing; a list matches a list of the same length.
"""

from __future__ import annotations

import sys
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

Plain = Any  # None, bool, int, float, str, a list of these, or a dict of these with string keys

_DEEPEST = 8
_LONGEST = 6  # items of a list, or keys of a dict, that a message shows


class Malformed(ValueError):
    """An answer of the wrong type or shape; the message says what was returned."""


def plain(answer: Any, depth: int = 0) -> Plain:
    """`answer` as data that JSON can hold, NaN and infinity included; arrays become lists, dataclasses dicts.

    Raises
    ------
    Malformed : an object that is not data (a function, a complex number, a Decimal, a set).
    """
    if answer is None or type(answer) in (bool, int, float, str):
        return answer
    if isinstance(answer, np.ndarray | np.generic):
        if answer.dtype.kind not in "biufU":
            raise Malformed(f"numpy data of type {answer.dtype}")
        if depth + answer.ndim > _DEEPEST:
            raise Malformed(f"lists nested more than {_DEEPEST} deep")
        # longdouble has no plain form of its own
        return (answer.astype(float) if answer.dtype.kind == "f" else answer).tolist()
    if is_dataclass(answer) and not isinstance(answer, type):
        answer = {field.name: getattr(answer, field.name) for field in fields(answer)}
    if type(answer) in (list, tuple, dict) and depth == _DEEPEST:
        raise Malformed(f"lists nested more than {_DEEPEST} deep")
    if type(answer) in (list, tuple):
        return [plain(item, depth + 1) for item in answer]
    if type(answer) is dict:
        if not all(type(key) is str for key in answer):
            raise Malformed("a dict with keys that are not strings")
        return {key: plain(item, depth + 1) for key, item in answer.items()}
    raise Malformed(f"an object of type {type(answer).__name__}")


def agrees(got: Plain, expected: Plain, tolerance: float) -> bool:
    r"""Whether two plain answers agree: $|got - expected| \le tolerance \cdot |expected|$ for every number.

    Raises
    ------
    Malformed : the types or shapes differ, so that there is nothing to compare.
    """
    if _is_number(expected) and _is_number(got):
        largest = sys.float_info.max  # the comparison is exact for any int, and false for NaN
        return bool(-largest <= got <= largest and abs(got - expected) <= tolerance * abs(expected))
    if isinstance(expected, list) and isinstance(got, list) and len(got) == len(expected):
        return all([agrees(g, e, tolerance) for g, e in zip(got, expected, strict=True)])
    if isinstance(expected, dict) and isinstance(got, dict) and got.keys() == expected.keys():
        return all([agrees(got[key], expected[key], tolerance) for key in expected])
    if type(got) is type(expected) and isinstance(expected, str | bool | None):
        return bool(got == expected)
    raise Malformed(describe(got))


def describe(value: Plain) -> str:
    """A plain value on one short line: 14.2857, 'memory', [1, 2, 3, ... (1000 items)]."""
    if isinstance(value, bool) or value is None:
        return str(value)
    if isinstance(value, int):
        return str(value) if abs(value) < 10**15 else f"an integer of {value.bit_length()} bits"
    if isinstance(value, float):
        return f"{value:.6g}".replace("e+0", "e").replace("e+", "e").replace("e-0", "e-")
    if isinstance(value, str):
        return repr(value) if len(value) <= 60 else f"{value[:60]!r}... ({len(value)} characters)"
    if isinstance(value, dict):
        shown = [f"{key!r}: {describe(item)}" for key, item in list(value.items())[:_LONGEST]]
        left, right = "{}"
    else:
        shown = [describe(item) for item in value[:_LONGEST]]
        left, right = "[]"
    more = f", ... ({len(value)} items)" if len(value) > _LONGEST else ""
    return left + ", ".join(shown) + more + right


def _is_number(value: Plain) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
