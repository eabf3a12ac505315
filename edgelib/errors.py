"""What is a bad value? One place where arguments are checked and unknown figures are refused.

Every message names the argument, the value it had, and what would be accepted.
"""

from __future__ import annotations

from collections.abc import Collection
from difflib import get_close_matches
from typing import Any

import numpy as np

Number = Any  # a real scalar or an array of real numbers; checked by `real`, not by the type system


class UnknownName(ValueError, KeyError):
    """A name that is not in a catalogue; the message lists the nearest ones."""

    def __str__(self) -> str:
        return str(self.args[0])


class UnknownFigure(ValueError):
    """A figure nobody has published (or that the row at hand leaves out); never guessed."""


def real(argument: str, value: Number) -> Number:
    """`value` unchanged in meaning: a finite float, or a float64 array of finite numbers.

    Raises
    ------
    ValueError : not a number (a bool, a string, None, a complex), NaN or infinite.
    """
    if type(value) is float or type(value) is int:
        if value - value == 0:  # false for NaN and infinity
            return value
        raise ValueError(f"{argument} = {value!r}: expected a finite number")
    try:
        array = np.asarray(value)
    except ValueError:  # a ragged list
        raise ValueError(f"{argument} = {value!r}: expected a real number or an array of them") from None
    if array.dtype.kind not in "iuf":
        raise ValueError(f"{argument} = {value!r}: expected a real number or an array of them")
    if not np.isfinite(array).all():
        raise ValueError(f"{argument} = {value!r}: expected finite numbers (no NaN, no infinity)")
    return array.item() if array.ndim == 0 else array.astype(float)


def scalar(argument: str, value: Number) -> Number:
    """`real`, and one number rather than an array."""
    number = real(argument, value)
    if isinstance(number, np.ndarray):
        raise ValueError(f"{argument} = {value!r}: expected one number, not an array")
    return number


def positive(argument: str, value: Number) -> Number:
    """`real`, and greater than zero everywhere."""
    value = real(argument, value)
    if not np.all(value > 0) if isinstance(value, np.ndarray) else value <= 0:
        raise ValueError(f"{argument} = {value!r}: expected a number greater than 0")
    return value


def nonnegative(argument: str, value: Number) -> Number:
    """`real`, and at least zero everywhere."""
    value = real(argument, value)
    if not np.all(value >= 0) if isinstance(value, np.ndarray) else value < 0:
        raise ValueError(f"{argument} = {value!r}: expected a number of at least 0")
    return value


def at_least_one(argument: str, value: Number) -> Number:
    """`real`, and at least one everywhere."""
    value = real(argument, value)
    if not np.all(value >= 1) if isinstance(value, np.ndarray) else value < 1:
        raise ValueError(f"{argument} = {value!r}: expected a number of at least 1")
    return value


def fraction(argument: str, value: Number) -> Number:
    """`real`, and between 0 and 1 inclusive everywhere."""
    value = nonnegative(argument, value)
    if np.any(np.asarray(value) > 1):
        raise ValueError(f"{argument} = {value!r}: expected a fraction from 0 to 1")
    return value


def integer(argument: str, value: Any, at_least: int = 0) -> int:
    """A whole number of at least `at_least`, as an int (2.0 counts, True and "2" do not)."""
    number = scalar(argument, value)
    if number != int(number) or number < at_least:
        raise ValueError(f"{argument} = {value!r}: expected a whole number of at least {at_least}")
    return int(number)


def choice(argument: str, value: Any, accepted: Collection[str]) -> str:
    """`value` if it is one of `accepted`; otherwise UnknownName with the nearest names."""
    if isinstance(value, str) and value in accepted:
        return value
    names = list(accepted)
    near = get_close_matches(value, names, n=3, cutoff=0.5) if isinstance(value, str) else []
    hint = f"; did you mean {' or '.join(near)}" if near else ""
    shown = ", ".join(names[:12]) + (f", ... ({len(names)} in all)" if len(names) > 12 else "")
    raise UnknownName(f"{argument} = {value!r} is unknown{hint}; accepted: {shown}")
