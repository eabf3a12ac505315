"""Which settings may a person choose? Each control is a finite grid of values, so that every state can be
computed, tested and drawn before anybody touches it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field
from math import isclose, log2
from typing import Any, ClassVar, Self

from edgelib.errors import integer, positive, real


@dataclass(frozen=True, kw_only=True)
class Control:
    """One knob.

    values : everything it can be set to, in order.   default : the value it starts at.
    label : visible and accessible name; when empty, an explorable takes the name of its argument.
    """

    kind: ClassVar[str]

    values: tuple[Any, ...] = field(init=False)
    default: Any = None
    label: str = ""

    def text(self, value: Any) -> str:
        """What a person reads for `value`, with its unit."""
        raise NotImplementedError

    def index(self, value: Any) -> int:
        """Position of `value` in the grid; ValueError, saying what is accepted, if it is not there."""
        for position, candidate in enumerate(self.values):
            if _same(candidate, value):
                return position
        shown = ", ".join(repr(v) for v in self.values[:20]) + (", ..." if len(self.values) > 20 else "")
        raise ValueError(f"{self.label or self.kind} = {value!r}: accepted: {shown}")

    def data(self) -> dict[str, Any]:
        """The control as plain JSON data: the browser knows positions and texts, never values."""
        return {"kind": self.kind, "label": self.label, "texts": [self.text(value) for value in self.values]}

    def named(self, label: str) -> Self:
        """The same control with this label, unless it has one."""
        if self.label:
            return self
        named = copy(self)
        object.__setattr__(named, "label", label)
        return named

    def _settle(self, values: Sequence[Any]) -> None:
        """Fill in `values`, refuse repeated ones, and resolve `default` (None: the first)."""
        for position, value in enumerate(values):
            if any(_same(value, other) for other in values[:position]):
                raise ValueError(f"{type(self).__name__}: {value!r} stands twice; expected distinct values")
        object.__setattr__(self, "values", tuple(values))
        start = 0 if self.default is None else self.index(self.default)
        object.__setattr__(self, "default", self.values[start])


@dataclass(frozen=True, kw_only=True)
class Choice(Control):
    """One of several named values: a list of names, or a mapping from what is read to what is meant."""

    kind: ClassVar[str] = "choice"
    options: Mapping[str, Any] | Sequence[str]

    def __init__(
        self, options: Mapping[str, Any] | Sequence[str], *, default: Any = None, label: str = ""
    ) -> None:
        if isinstance(options, str) or not options:
            raise ValueError(
                f"Choice.options = {options!r}: expected at least one name, in a list or mapping"
            )
        names = options if isinstance(options, Mapping) else dict(zip(options, options, strict=True))
        if not all(isinstance(name, str) and name for name in names):
            raise ValueError(f"Choice.options = {options!r}: expected names that are non-empty strings")
        object.__setattr__(self, "options", names)
        object.__setattr__(self, "default", default)
        object.__setattr__(self, "label", label)
        self._settle(list(names.values() if isinstance(options, Mapping) else options))

    def text(self, value: Any) -> str:
        return list(self.options)[self.index(value)]


@dataclass(frozen=True, kw_only=True)
class Slider(Control):
    """Numbers from `lo` to `hi`, in steps of `step`; with `log2`, powers of two (and 0, if lo is 0)."""

    kind: ClassVar[str] = "slider"
    lo: float
    hi: float
    step: float
    log2: bool
    unit: str

    def __init__(
        self,
        lo: float,
        hi: float,
        *,
        step: float | None = None,
        log2: bool = False,
        default: float | None = None,
        unit: str = "",
        label: str = "",
    ) -> None:
        lo, hi = real("Slider.lo", lo), real("Slider.hi", hi)
        if lo >= hi:
            raise ValueError(f"Slider: lo = {lo}, hi = {hi}; expected lo < hi")
        if log2 and step is not None:
            raise ValueError(f"Slider.step = {step}: a log2 slider doubles and takes no step")
        step = positive("Slider.step", 1 if step is None else step)
        for name, value in dict(lo=lo, hi=hi, step=step, log2=log2, unit=unit, label=label).items():
            object.__setattr__(self, name, value)
        object.__setattr__(self, "default", default)
        self._settle(_doublings(lo, hi) if log2 else _steps(lo, hi, step))

    def text(self, value: Any) -> str:
        decimals = 0 if self.log2 else _decimals(self.step, self.lo)
        number = f"{value:,.{decimals}f}" if value == round(value, decimals) else f"{value:,g}"
        return f"{number} {_one(self.unit) if number == '1' else self.unit}".strip()

    def index(self, value: Any) -> int:
        """As for every control; a float that differs from a grid point by rounding counts as that point."""
        if isinstance(value, float):
            value = next((v for v in self.values if isclose(v, value, rel_tol=1e-9, abs_tol=1e-12)), value)
        return super().index(value)


@dataclass(frozen=True, kw_only=True)
class Toggle(Control):
    """Off or on."""

    kind: ClassVar[str] = "toggle"
    default: bool = False

    def __post_init__(self) -> None:
        self._settle([False, True])

    def text(self, value: Any) -> str:
        return "on" if self.values[self.index(value)] else "off"


@dataclass(frozen=True, kw_only=True)
class Step(Control):
    """Positions 0..last of something that happens in steps, with back, play and forward buttons."""

    kind: ClassVar[str] = "step"
    last: int

    def __init__(self, last: int, *, default: int = 0, label: str = "") -> None:
        object.__setattr__(self, "last", integer("Step.last", last, at_least=1))
        object.__setattr__(self, "default", default)
        object.__setattr__(self, "label", label)
        self._settle(range(self.last + 1))

    def text(self, value: Any) -> str:
        return f"{self.values[self.index(value)]} of {self.last}"


def _one(unit: str) -> str:
    """The unit of one: 1 token, 1 entry, 1 ms."""
    if len(unit) < 3 or not unit.endswith("s"):
        return unit
    for plural, singular in (("ies", "y"), ("xes", "x"), ("s", "")):
        if unit.endswith(plural):
            return unit.removesuffix(plural) + singular
    return unit


def _same(a: Any, b: Any) -> bool:
    """Equal as a person means it: True is not 1, and an array is not a value."""
    return isinstance(a, bool) == isinstance(b, bool) and not getattr(b, "shape", ()) and bool(a == b)


def _decimals(*numbers: float) -> int:
    """Decimals that write all `numbers` exactly (at most 6)."""
    return max(next((d for d in range(6) if isclose(n, round(n, d), rel_tol=1e-12)), 6) for n in numbers)


def _steps(lo: float, hi: float, step: float) -> list[float]:
    count = round((hi - lo) / step)
    if not isclose(lo + count * step, hi, rel_tol=1e-9):
        raise ValueError(f"Slider: hi = {hi} is not lo = {lo} plus a whole number of steps of {step}")
    digits = _decimals(lo, step)
    return [round(lo + k * step, digits) for k in range(count + 1)]


def _doublings(lo: float, hi: float) -> list[float]:
    first = lo if lo > 0 else 1
    if lo < 0 or not (log2(first).is_integer() and log2(hi).is_integer()):
        raise ValueError(f"Slider: log2 from lo = {lo} to hi = {hi}; expected powers of two (lo may be 0)")
    return [0] * (lo == 0) + [first * 2**k for k in range(round(log2(hi / first)) + 1)]
