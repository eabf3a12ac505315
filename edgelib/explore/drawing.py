"""What is put on paper? A Drawing: positions, words and colours, nothing left to decide.

Positions are in picture units, x to the right and y downwards, in a frame of WIDTH x HEIGHT.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import log10
from typing import Any

from edgelib.explore.labels import Rect, Spot
from edgelib.explore.scene import ROLES, Axis

WIDTH, HEIGHT = 640.0, 380.0
INK, PAPER = ROLES["ink"], "paper"  # the theme's text and background colours
GHOST_FILL = 0.3  # how much fainter the fill of a ghost is
_FAR = 1e7  # nothing is placed further out than this

Points = tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Words:
    """Text; y is the middle of its height. With `halo` it may lie over ink: it is outlined in the background
    colour, and its own colour is mixed half with the theme's ink so that it stays legible.
    """

    text: str
    x: float
    y: float
    anchor: str
    color: str = INK
    halo: bool = False
    term: str = ""
    pointer: tuple[float, float, float, float] | None = None  # a thin line from the mark to a distant label


@dataclass(frozen=True)
class Shape:
    """One mark. `kind` is the mark's; a line and an area have `points`, a dot x, y, radius in `place`,
    a bar, span or cell left, top, width, height.
    """

    kind: str
    color: str
    ghost: bool
    term: str
    points: Points = ()
    place: tuple[float, ...] = ()
    width: float = 1.0
    opacity: float = 1.0


@dataclass(frozen=True)
class Drawing:
    """All that a drawer needs. `grid` and `minor`: labelled and unlabelled positions on x and on y."""

    title: str
    readout: str
    alt: str
    table: list[list[str]]
    box: Rect
    grid: list[list[float]] = field(default_factory=list)
    minor: list[list[float]] = field(default_factory=list)
    shapes: list[Shape] = field(default_factory=list)
    words: list[Words] = field(default_factory=list)

    def add(self, text: str, spot: Spot, **style: Any) -> None:
        """Write `text` at `spot`."""
        x, y, anchor = spot
        self.words.append(Words(text, round(x, 2), round(y, 2), anchor, **style))

    def data(self) -> dict[str, Any]:
        """The drawing as plain JSON data."""
        return {
            **vars(self),
            "shapes": [vars(s) for s in self.shapes],
            "words": [vars(w) for w in self.words],
        }


@dataclass(frozen=True)
class Scale:
    """Maps one axis to picture units: `axis.lo` to `start`, `axis.hi` to `end`."""

    axis: Axis
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """Position of `value`; zero and less lie far outside a logarithmic axis."""
        lo, hi = self.axis.lo, self.axis.hi
        if not self.axis.log:
            share = (value - lo) / (hi - lo)
        else:
            share = log10(value / lo) / log10(hi / lo) if value > 0 else -_FAR
        position = self.start + share * (self.end - self.start)
        return round(min(max(position, -_FAR), _FAR), 2)
