"""What ink does each mark leave, and where do its words stand?"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from edgelib.explore.drawing import GHOST_FILL, INK, PAPER, Drawing, Points, Scale, Shape
from edgelib.explore.labels import (
    LINE_HEIGHT,
    Ink,
    Placer,
    Rect,
    Spot,
    around,
    pointer,
    rect,
    shorten,
    text_width,
)
from edgelib.explore.scene import ROLES, Area, Bar, Cell, Dot, Line, Mark, Span, Text

_GAP = 6.0  # between a mark and its label
_EVERY = 4.0  # distance between the points that stand for a line's ink
_PALE = 0.65  # up to this opacity a fill in the theme's ink is a tint of the background
THEMES = (("#ffffff", "#212121"), ("#111111", "#ffffff"))  # JupyterLab's: background and text
_WORD_ORDER = (Cell, Text, Span, Bar, Dot, Line, Area)  # who chooses a place first


def add_marks(drawing: Drawing, placer: Placer, marks: Sequence[Mark], x: Scale, y: Scale) -> None:
    """Add the shapes of `marks` in their order, then their words."""
    writer = _Writer(drawing, placer, x, y, [m for m in marks if isinstance(m, Bar)])
    seen = [
        mark for mark in marks if not isinstance(mark, (Dot, Text)) or writer.inside(x(mark.x), y(mark.y))
    ]
    inked = [(mark, _shape(mark, x, y)) for mark in seen if not isinstance(mark, Text)]
    left, top, right, bottom = drawing.box
    drawing.shapes.extend(shape for _, shape in inked)
    placer.avoid(
        filled=[_extent(shape, drawing.box) for _, shape in inked if shape.place],
        inked=[
            visible_ink(((left, top), (left, bottom), (right, bottom)), drawing.box),
            *(visible_ink(shape.points, drawing.box) for _, shape in inked if shape.kind == "line"),
        ],
    )
    for kind in _WORD_ORDER:
        for mark, shape in inked:
            if isinstance(mark, kind):
                writer.write(mark, shape)
        if kind is Text:
            for mark in seen:
                if isinstance(mark, Text):
                    writer.text(mark)


def _shape(mark: Mark, x: Scale, y: Scale) -> Shape:
    """The ink of `mark`."""
    points: Points = ()
    place: tuple[float, ...] = ()
    width = opacity = 1.0
    match mark:
        case Line():
            points, width = tuple(zip(map(x, mark.x), map(y, mark.y), strict=True)), mark.width
        case Area():
            there = zip(map(x, mark.x), map(y, mark.y1), strict=True)
            back = zip(map(x, mark.x), map(y, mark.y0), strict=True)
            points, opacity = (*there, *reversed(list(back))), 0.28
        case Dot():
            place = (x(mark.x), y(mark.y), mark.size)
        case Bar():
            place = _box(x(mark.x - mark.width / 2), x(mark.x + mark.width / 2), y(mark.y0), y(mark.y1))
        case Span():
            place = _box(x(mark.x0), x(mark.x1), y(mark.y - mark.height / 2), y(mark.y + mark.height / 2))
        case Cell():
            half_width, half_height = mark.width / 2, mark.height / 2
            place = _box(
                x(mark.x - half_width),
                x(mark.x + half_width),
                y(mark.y - half_height),
                y(mark.y + half_height),
            )
            opacity = mark.opacity
        case _:
            raise TypeError(f"mark {mark!r}: expected Line, Area, Bar, Span, Dot, Cell or Text")
    return Shape(mark.kind, ROLES[mark.role], mark.ghost, mark.term, points, place, width, opacity)


def _box(x0: float, x1: float, y0: float, y1: float) -> tuple[float, ...]:
    return min(x0, x1), min(y0, y1), round(abs(x1 - x0), 2), round(abs(y1 - y0), 2)


def _extent(shape: Shape, box: Rect) -> Rect:
    """The part of a dot, bar, span or cell that is inside the axes."""
    if shape.kind == "dot":
        x, y, r = shape.place
        return x - r, y - r, x + r, y + r
    left, top, width, height = shape.place
    return max(left, box[0]), max(top, box[1]), min(left + width, box[2]), min(top + height, box[3])


def visible_ink(points: Points, box: Rect) -> Ink:
    """Points every few units along the part of a polyline that is inside `box` (Liang-Barsky clipping)."""
    if len(points) < 2:
        return np.empty((0, 2))
    corners = np.array(points)
    start, delta = corners[:-1], np.diff(corners, axis=0)
    delta = np.where(np.abs(delta) < 1e-9, 1e-9, delta)
    sides = np.stack([(np.array(box[:2]) - start) / delta, (np.array(box[2:]) - start) / delta])
    enter = np.maximum(sides.min(axis=0).max(axis=1), 0)
    leave = np.minimum(sides.max(axis=0).min(axis=1), 1)
    seen = enter <= leave
    start, delta, enter, leave = start[seen], delta[seen], enter[seen], leave[seen]
    count = (np.hypot(*delta.T) * (leave - enter) / _EVERY).astype(int) + 2  # points of each piece
    piece = np.repeat(np.arange(len(count)), count)
    along = (np.arange(len(piece)) - (np.cumsum(count) - count)[piece]) / (count - 1)[piece]
    share = enter[piece] + along * (leave - enter)[piece]
    return np.asarray(start[piece] + share[:, None] * delta[piece])


@lru_cache(maxsize=1024)
def ink_on(color: str, opacity: float) -> str:
    """The text colour that is legible on a fill in the light and in the dark theme.

    The one whose worse contrast of the two is best (WCAG 2.2); the theme's own ink, black, or white.
    """
    if color == INK:
        return INK if opacity <= _PALE else PAPER
    fills = [_luminance(_blend(color, paper, opacity)) for paper, _ in THEMES]
    inks = [_luminance(ink) for _, ink in THEMES]
    fixed = {c: min(_contrast(_luminance(c), fill) for fill in fills) for c in ("#000000", "#ffffff")}
    worst = {INK: min(map(_contrast, inks, fills)), **fixed}
    return max(worst, key=worst.__getitem__)


def _blend(color: str, paper: str, opacity: float) -> str:
    """A translucent fill as it looks on `paper`."""
    pairs = [(int(color[i : i + 2], 16), int(paper[i : i + 2], 16)) for i in (1, 3, 5)]
    return "#" + "".join(f"{round(opacity * c + (1 - opacity) * p):02x}" for c, p in pairs)


def _luminance(color: str) -> float:
    """Relative luminance, WCAG 2.2."""
    channels = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _contrast(one: float, other: float) -> float:
    """Contrast of two luminances, 1 to 21."""
    return (max(one, other) + 0.05) / (min(one, other) + 0.05)


def _visible_opacity(shape: Shape) -> float:
    return GHOST_FILL * shape.opacity if shape.ghost else shape.opacity


class _Writer:
    """Writes the words of each mark where they can be read."""

    def __init__(self, drawing: Drawing, placer: Placer, x: Scale, y: Scale, bars: Sequence[Bar]) -> None:
        self.drawing, self.placer, self.x, self.y = drawing, placer, x, y
        stacks = [bar.x for bar in bars if not bar.ghost]
        self.stacked = {place for place in stacks if stacks.count(place) > 1}

    def inside(self, x: float, y: float) -> bool:
        """Whether a point is inside the axes."""
        left, top, right, bottom = self.drawing.box
        return left - 1 <= x <= right + 1 and top - 1 <= y <= bottom + 1

    def write(self, mark: Mark, shape: Shape) -> None:
        """The label of a mark, and the text of a cell."""
        if isinstance(mark, Cell) and mark.text:
            self._fill("\n".join(shorten(line, shape.place[2] - 4) for line in mark.text.split("\n")), shape)
        if not mark.label:
            return
        inside = isinstance(mark, Span) or (isinstance(mark, Bar) and mark.x in self.stacked)
        if not (inside and self._fill(mark.label, shape)):
            self._beside(mark.label, shape, self._spots(mark, shape))

    def text(self, mark: Text) -> None:
        """A Text mark where it was put, moved by as little as it takes to be clear of other words."""
        x, y = self.x(mark.x), self.y(mark.y)
        shift = {"start": 0.0, "middle": 0.5, "end": 1.0}[mark.anchor] * text_width(mark.text)
        left, _, right, _ = self.placer.bounds
        x = min(max(x, left + shift), right - text_width(mark.text) + shift)
        nudged = [(x, y + dy, mark.anchor) for dy in (0, -6, 6, -12, 12, -18, 18)]
        free = self.placer.free(np.array([rect(mark.text, spot) for spot in nudged]))
        if free.any():
            spot: Spot | None = self.placer.take(mark.text, nudged[int(free.argmax())])
        else:
            spot = self.placer.place(mark.text, around(x, y, _GAP))
        if not spot:
            return
        under = self._under(spot)
        color = ink_on(under.color, _visible_opacity(under)) if under else ROLES[mark.role]
        self.drawing.add(mark.text, spot, color=color, halo=not under, term=mark.term)

    def _under(self, spot: Spot) -> Shape | None:
        """The topmost bar, span or cell that a text at `spot` stands on."""
        x, y, _ = spot
        for shape in reversed(self.drawing.shapes):
            if shape.kind in ("bar", "span", "cell"):
                left, top, width, height = shape.place
                if left < x < left + width and top < y < top + height:
                    return shape
        return None

    def _fill(self, text: str, shape: Shape) -> bool:
        """Write inside a bar, span or cell, if there is room."""
        left, top, right, bottom = _extent(shape, self.drawing.box)
        spot = ((left + right) / 2, (top + bottom) / 2, "middle")
        needed = LINE_HEIGHT * (text.count("\n") + 1) - 3
        roomy = right - left >= text_width(text) + 3 and bottom - top >= needed
        if not (text and roomy and self.placer.free(np.array([rect(text, spot)]))[0]):
            return False
        color = ink_on(shape.color, _visible_opacity(shape))
        self.drawing.add(text, self.placer.take(text, spot), color=color)
        return True

    def _beside(self, text: str, shape: Shape, spots: list[tuple[float, float, Spot]]) -> None:
        """Write beside a mark; `spots` holds the point that is labelled and the place for the label."""
        if not spots:
            return
        spot = self.placer.place(text, [place for _, _, place in spots])
        if spot:
            x, y = next(((x, y) for x, y, place in spots if place == spot), spots[0][:2])
            self.drawing.add(text, spot, color=shape.color, halo=True, pointer=pointer(text, spot, x, y))

    def _spots(self, mark: Mark, shape: Shape) -> list[tuple[float, float, Spot]]:
        """Places for a label, the best first; none if the mark cannot be seen."""
        if isinstance(mark, Line):
            return self._along_line(shape)
        if isinstance(mark, Area):
            return self._within_area(mark)
        left, top, right, bottom = _extent(shape, self.drawing.box)
        if right < left or bottom < top:
            return []
        middle_x, middle_y = (left + right) / 2, (top + bottom) / 2
        beside = {
            "right": (right, middle_y),
            "left": (left, middle_y),
            "above": (middle_x, top),
            "below": (middle_x, bottom),
        }
        order = ["right", "left", "above", "below"]
        if isinstance(mark, (Bar, Cell)):
            falls = isinstance(mark, Bar) and mark.y1 < mark.y0
            order = ["below", "above", "right", "left"] if falls else ["above", "below", "right", "left"]
        spots = [(*beside[side], around(*beside[side], _GAP - 2, side)[0]) for side in order]
        if isinstance(mark, Dot):
            spots += [(middle_x, middle_y, s) for s in around(middle_x, middle_y, _GAP + mark.size / 2)[4:]]
        return spots

    def _along_line(self, shape: Shape) -> list[tuple[float, float, Spot]]:
        """At the last visible point, or else further back along the line."""
        ink = visible_ink(shape.points, self.drawing.box)
        if not len(ink):
            return []
        x, y = map(float, ink[-1])
        along_x, along_y = np.abs(ink[-1] - ink[max(len(ink) - 8, 0)])
        if along_y > 2 * along_x:  # it ends at the top or bottom: stand beside it
            y += 10 if ink[-1][1] < ink[0][1] else -10
            spots = [(x, y, spot) for spot in around(x, y, _GAP, "right", "left")]
        else:
            spots = [(x, y, spot) for spot in around(x, y, _GAP, "right", "above left", "below left")]
        for share in (0.85, 0.7, 0.5, 0.3, 0.15):
            px, py = map(float, ink[int(share * (len(ink) - 1))])
            spots += [(px, py, spot) for spot in around(px, py, _GAP, "above", "below")[:4]]
        return spots

    def _within_area(self, mark: Area) -> list[tuple[float, float, Spot]]:
        """In the band where it is thick, or else beside it."""
        left, top, right, bottom = self.drawing.box
        xs = np.array([self.x(v) for v in mark.x])
        if not len(xs):
            return []
        at = np.linspace(max(xs.min(), left), min(xs.max(), right), 13)[1:-1]
        order = np.argsort(xs)
        edges = [
            np.clip(np.interp(at, xs[order], np.array([self.y(v) for v in side])[order]), top, bottom)
            for side in (mark.y0, mark.y1)
        ]
        thickness, middle = np.abs(edges[0] - edges[1]), (edges[0] + edges[1]) / 2
        thickest = np.argsort(-thickness, kind="stable")
        spots = [(float(at[k]), float(middle[k])) for k in thickest if thickness[k] > 0]
        inside = [
            (x, y, (x, y, "middle"))
            for (x, y), k in zip(spots, thickest, strict=False)
            if thickness[k] >= LINE_HEIGHT
        ]
        return inside + [(x, y, spot) for x, y in spots[:1] for spot in around(x, y, _GAP)]
