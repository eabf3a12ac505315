"""Where does a label stand so that nothing overlaps?

Text is measured with the widths of DejaVu Sans: the printed picture uses it, and it is as wide as any
common screen font, so what fits here fits in a browser.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from math import cos, hypot, pi, sin
from unicodedata import east_asian_width

import numpy as np
from numpy.typing import NDArray

FONT_SIZE = 13.0  # picture units; 12.2 px where the picture is 600 px wide
LINE_HEIGHT = 16.0

Rect = tuple[float, float, float, float]  # left, top, right, bottom
Spot = tuple[float, float, str]  # x, y of the middle of the text's height, anchor
Ink = NDArray[np.float64]  # [n, 2], points on a line
Rects = NDArray[np.float64]  # [n, 4]

# Advance widths of the characters 32..126 in 1/1000 em. DejaVu Sans 2.37, table hmtx.
_WIDTHS = (
    318, 401, 460, 838, 636, 950, 780, 275, 390, 390, 500, 838, 318, 361, 318, 337, 636, 636, 636, 636,
    636, 636, 636, 636, 636, 636, 337, 337, 838, 838, 838, 531, 1000, 684, 686, 698, 770, 632, 575, 775,
    752, 295, 295, 656, 557, 863, 748, 787, 603, 787, 695, 635, 611, 732, 684, 989, 685, 611, 685, 390,
    337, 390, 838, 500, 500, 613, 635, 550, 635, 615, 352, 635, 634, 278, 278, 579, 278, 974, 634, 612,
    635, 635, 411, 521, 392, 634, 592, 818, 592, 592, 525, 636, 337, 636, 838,
)  # fmt: skip
_OTHER_WIDTH, _WIDE_WIDTH = 700, 1000
_CLEARANCE = np.array((-2.0, 0.0, 2.0, 0.0))  # to the left and right of a text


@lru_cache(maxsize=4096)
def text_width(text: str) -> float:
    """Width of the longest line of `text` in picture units."""
    return max(sum(map(_advance, line)) for line in text.split("\n")) * FONT_SIZE / 1000


def _advance(character: str) -> int:
    if " " <= character <= "~":
        return _WIDTHS[ord(character) - 32]
    return _WIDE_WIDTH if east_asian_width(character) in "WF" or character in "…→←×≤≥±≈−" else _OTHER_WIDTH


def shorten(text: str, width: float) -> str:
    """`text`, cut with an ellipsis where it is wider than `width`; "" if not even that fits."""
    if text_width(text) <= width:
        return text
    cuts = (text[:n].rstrip() + "…" for n in range(len(text) - 1, 0, -1))
    return next((cut for cut in cuts if text_width(cut) <= width), "")


def wrap(text: str, width: float, most: int = 2) -> str:
    """`text` broken between words into at most `most` lines, each shortened to `width`."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and len(lines) < most and text_width(longer) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    return "\n".join(shorten(line, width) for line in lines)


def rect(text: str, spot: Spot) -> Rect:
    """What `text` covers when it stands at `spot`."""
    x, y, anchor = spot
    width, height = text_width(text), LINE_HEIGHT * (text.count("\n") + 1)
    left = x - {"start": 0.0, "middle": width / 2, "end": width}[anchor]
    return left, y - height / 2, left + width, y + height / 2


def around(x: float, y: float, gap: float, *first: str) -> list[Spot]:
    """The eight spots beside a point, `gap` away; the sides named `first` come first."""
    dy = gap + LINE_HEIGHT / 2
    spots = {
        "right": (x + gap, y, "start"),
        "left": (x - gap, y, "end"),
        "above": (x, y - dy, "middle"),
        "below": (x, y + dy, "middle"),
        "above left": (x, y - dy, "end"),
        "below left": (x, y + dy, "end"),
        "above right": (x, y - dy, "start"),
        "below right": (x, y + dy, "start"),
    }
    return [spots[side] for side in (*first, *(side for side in spots if side not in first))]


class Placer:
    """Places texts one after another: the first has the choice, none covers another.

    bounds : no text reaches outside.   filled, inked : shapes and points of lines, better not covered.
    """

    def __init__(self, bounds: Rect) -> None:
        self.bounds = bounds
        self._taken: list[Rect] = []
        self._filled = np.empty((0, 4))
        self._inked = np.empty((0, 2))

    def avoid(self, filled: Sequence[Rect], inked: Sequence[Ink]) -> None:
        """What labels should leave visible."""
        self._filled = np.array(filled).reshape(-1, 4)
        self._inked = np.concatenate([self._inked, *inked])

    def take(self, text: str, spot: Spot) -> Spot:
        """Occupy `spot`, whatever is there."""
        self._taken.append(rect(text, spot))
        return spot

    def free(self, areas: Rects) -> NDArray[np.bool_]:
        """Which of `areas` [n, 4] are inside and clear of the texts so far."""
        left, top, right, bottom = self.bounds
        inside = (areas[:, :2] >= (left, top)).all(axis=1) & (areas[:, 2:] <= (right, bottom)).all(axis=1)
        taken = np.array(self._taken).reshape(-1, 4)
        return np.asarray(inside & ~(_shared(areas + _CLEARANCE, taken) > 0).any(axis=1))

    def place(self, text: str, spots: Sequence[Spot]) -> Spot | None:
        """The best of `spots`, or else the best one nearby; None if there is no room."""
        for candidates in (spots, _nearby(*spots[0][:2])):
            areas = np.array([rect(text, spot) for spot in candidates])
            open_ = np.flatnonzero(self.free(areas))
            if len(open_):
                costs = open_ + self._hidden(areas[open_])
                return self.take(text, candidates[open_[np.argmin(costs)]])
        return None

    def _hidden(self, areas: Rects) -> NDArray[np.float64]:
        """How much of the picture a text on each of `areas` would hide."""
        x, y = self._inked.T
        left, top, right, bottom = areas.T[:, :, None]
        points = ((x > left - 2) & (x < right + 2) & (y > top) & (y < bottom)).sum(axis=1)
        return np.asarray(points + _shared(areas, self._filled).sum(axis=1) / 20)


def pointer(text: str, spot: Spot, x: float, y: float) -> tuple[float, float, float, float] | None:
    """A line from (x, y) to the label that had to move away from it; None if the label stands close."""
    left, top, right, bottom = rect(text, spot)
    end = min(max(x, left), right), min(max(y, top), bottom)
    return (x, y, *end) if hypot(end[0] - x, end[1] - y) > 24 else None


def _shared(areas: Rects, others: Rects) -> NDArray[np.float64]:
    """Area that each of `areas` [n, 4] shares with each of `others` [m, 4]: [n, m]."""
    low = np.maximum(areas[:, None, :2], others[None, :, :2])
    high = np.minimum(areas[:, None, 2:], others[None, :, 2:])
    return np.asarray(np.clip(high - low, 0, None).prod(axis=2))


def _nearby(x: float, y: float) -> list[Spot]:
    """Spots ever further from (x, y), more so to the sides, as text is wide."""
    turns = [k * pi / 8 for k in range(16)]
    return [(x + 1.6 * r * cos(t), y + r * sin(t), "middle") for r in range(20, 220, 12) for t in turns]
