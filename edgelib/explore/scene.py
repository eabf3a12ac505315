"""What does a picture say? A Scene is data: axes, marks, a readout, a sentence, a table.

Nothing here draws. `explore.js` draws a Scene as SVG, `pyplot.py` draws it with matplotlib, and
tests read it as numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from math import isfinite
from typing import Any, ClassVar

from numpy.typing import NDArray

Numbers = Sequence[float] | NDArray[Any]

# One colour, one meaning, in the whole book. Palette: Okabe & Ito, "Color Universal Design" (2008).
ROLES = {
    "weights": "#0072B2",
    "kv": "#56B4E9",
    "activations": "#009E73",
    "compute": "#E69F00",
    "memory": "#CC79A7",
    "error": "#D55E00",
    "highlight": "#F0E442",
    "idle": "#999999",
    "ink": "currentColor",  # the text colour of the theme
}


@dataclass(frozen=True, kw_only=True)
class Axis:
    """One axis. Its range is fixed by the scene, so that it holds still while a control moves.

    With `categories` the positions are 0, 1, 2, ... (the first at the bottom or left) and the
    range follows from their number.
    """

    label: str
    unit: str = ""
    lo: float = 0.0
    hi: float = 1.0
    log: bool = False
    categories: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.categories:
            object.__setattr__(self, "lo", -0.5)
            object.__setattr__(self, "hi", len(self.categories) - 0.5)
        if not self.label:
            raise ValueError("Axis.label is empty: say what is measured")
        if not (isfinite(self.lo) and isfinite(self.hi) and self.lo < self.hi):
            raise ValueError(
                f"Axis {self.label!r}: range {self.lo}..{self.hi}, expected lo < hi, both finite"
            )
        if self.log and self.lo <= 0:
            raise ValueError(f"Axis {self.label!r}: lo = {self.lo}, a logarithmic axis starts above 0")


@dataclass(frozen=True, kw_only=True)
class Mark:
    """Something drawn.

    role : key of ROLES, gives the colour.
    label : short text written beside the mark (direct labels, no legend); "" for none.
    term : the term of the formula the mark stands for, shown on hover and keyboard focus.
    ghost : draw faint and dashed (a reference, or the state before).
    """

    kind: ClassVar[str]
    points: ClassVar[tuple[str, ...]]  # names of the fields that hold coordinates

    role: str = "ink"
    label: str = ""
    term: str = ""
    ghost: bool = False

    def __post_init__(self) -> None:
        if self.role not in ROLES:
            raise ValueError(f"{type(self).__name__}.role = {self.role!r}; accepted: {', '.join(ROLES)}")
        lengths = set()
        for name in self.points:
            value = getattr(self, name)
            if hasattr(value, "__len__"):
                value = tuple(float(v) for v in value)
                lengths.add(len(value))
            else:
                value = float(value)
            object.__setattr__(self, name, value)
            if not all(map(isfinite, value if isinstance(value, tuple) else (value,))):
                raise ValueError(f"{type(self).__name__}.{name} = {value!r}: expected finite numbers")
        if len(lengths) > 1:
            raise ValueError(f"{type(self).__name__}: {' and '.join(self.points)} differ in length")

    def data(self) -> dict[str, Any]:
        """The mark as plain JSON data."""
        return {"kind": self.kind, **asdict(self)}


@dataclass(frozen=True, kw_only=True)
class Line(Mark):
    """A polyline through (x, y); its label stands at the last point."""

    kind: ClassVar[str] = "line"
    points: ClassVar[tuple[str, ...]] = ("x", "y")
    x: Numbers
    y: Numbers
    width: float = 2.5


@dataclass(frozen=True, kw_only=True)
class Area(Mark):
    """The band between y0 and y1 over x."""

    kind: ClassVar[str] = "area"
    points: ClassVar[tuple[str, ...]] = ("x", "y0", "y1")
    x: Numbers
    y0: Numbers
    y1: Numbers


@dataclass(frozen=True, kw_only=True)
class Bar(Mark):
    """A vertical bar centred on x, from y0 to y1."""

    kind: ClassVar[str] = "bar"
    points: ClassVar[tuple[str, ...]] = ("x", "y0", "y1", "width")
    x: float
    y1: float
    y0: float = 0.0
    width: float = 0.7


@dataclass(frozen=True, kw_only=True)
class Span(Mark):
    """A horizontal bar from x0 to x1 in lane y (a Gantt chart's block, a stacked term)."""

    kind: ClassVar[str] = "span"
    points: ClassVar[tuple[str, ...]] = ("x0", "x1", "y", "height")
    x0: float
    x1: float
    y: float
    height: float = 0.7


@dataclass(frozen=True, kw_only=True)
class Dot(Mark):
    """A point at (x, y); `size` is its radius in pixels."""

    kind: ClassVar[str] = "dot"
    points: ClassVar[tuple[str, ...]] = ("x", "y")
    x: float
    y: float
    size: float = 6.0


@dataclass(frozen=True, kw_only=True)
class Cell(Mark):
    """A unit square centred on (x, y) with `text` inside (a table, a grid, a row of tokens)."""

    kind: ClassVar[str] = "cell"
    points: ClassVar[tuple[str, ...]] = ("x", "y", "width", "height", "opacity")
    x: float
    y: float
    text: str = ""
    width: float = 0.9
    height: float = 0.9
    opacity: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Text(Mark):
    """Words at (x, y); `anchor` is start, middle or end."""

    kind: ClassVar[str] = "text"
    points: ClassVar[tuple[str, ...]] = ("x", "y")
    x: float
    y: float
    text: str
    anchor: str = "start"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.anchor not in ("start", "middle", "end"):
            raise ValueError(f"Text.anchor = {self.anchor!r}; accepted: start, middle, end")


@dataclass(frozen=True, kw_only=True)
class Scene:
    """One picture.

    title : its finding, as a sentence.   readout : value, unit and reason, for a status line.
    alt : one sentence that replaces the picture.   table : the same numbers, a header row first.
    Marks outside the axes are clipped by whoever draws.
    """

    title: str
    x: Axis
    y: Axis
    marks: Sequence[Mark]
    readout: str
    alt: str
    table: Sequence[Sequence[str]] = ()

    def __post_init__(self) -> None:
        for name in ("title", "readout", "alt"):
            if not getattr(self, name):
                raise ValueError(f"Scene.{name} is empty: every picture has one")
        if not self.marks:
            raise ValueError("Scene.marks is empty: nothing to see")

    def data(self) -> dict[str, Any]:
        """The scene as plain JSON data: what `explore.js` receives."""
        return {
            "title": self.title,
            "x": asdict(self.x),
            "y": asdict(self.y),
            "marks": [mark.data() for mark in self.marks],
            "readout": self.readout,
            "alt": self.alt,
            "table": [list(row) for row in self.table],
        }
