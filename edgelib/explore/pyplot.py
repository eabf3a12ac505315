"""What does a Scene look like where nothing is live? The same Drawing, printed with matplotlib."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING, Any

from edgelib.explore.drawing import GHOST_FILL, HEIGHT, INK, PAPER, WIDTH, Drawing, Shape, Words
from edgelib.explore.labels import FONT_SIZE, LINE_HEIGHT, wrap
from edgelib.explore.layout import lay_out
from edgelib.explore.scene import Scene

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_DPI = 100
_MARGIN = 10.0
_TITLE_WIDTH, _READOUT_WIDTH = 1.42, 1.09  # of large bold and of larger letters, relative to labels
_INK, _PAPER = "#1a1a1a", "#ffffff"
_POINTS = 72 / _DPI  # points per picture unit
_FONT: dict[str, Any] = {"family": "DejaVu Sans"}  # comes with matplotlib: the same picture on every machine


def figure(scene: Scene) -> Figure:
    """`scene` as a matplotlib Figure (not registered with pyplot): title, picture, readout."""
    from matplotlib.figure import Figure

    drawing = lay_out(scene)
    title = wrap(drawing.title, WIDTH / _TITLE_WIDTH, most=3)
    readout = wrap(drawing.readout, WIDTH / _READOUT_WIDTH, most=4)
    above = (
        _MARGIN + (LINE_HEIGHT + 4) * (title.count("\n") + 1) + LINE_HEIGHT * (readout.count("\n") + 1) + 12
    )
    width, height = WIDTH + 2 * _MARGIN, above + HEIGHT + _MARGIN
    page = Figure(figsize=(width / _DPI, height / _DPI), dpi=_DPI, facecolor=_PAPER)
    axes = page.add_axes((0, 0, 1, 1), xlim=(-_MARGIN, width - _MARGIN), ylim=(HEIGHT + _MARGIN, -above))
    axes.set_axis_off()
    style: dict[str, Any] = {"color": _INK, "va": "top", **_FONT}
    axes.text(0, _MARGIN - above, title, fontsize=16 * _POINTS, weight="bold", linespacing=1.25, **style)
    readout_top = -12 - LINE_HEIGHT * (readout.count("\n") + 1)
    axes.text(0, readout_top, readout, fontsize=14 * _POINTS, linespacing=1.2, **style)
    _frame(axes, drawing)
    for shape in drawing.shapes:
        _shape(axes, drawing, shape)
    for words in drawing.words:
        _words(axes, words)
    return page


def png(scene: Scene) -> bytes:
    """`scene` as a PNG of 100 dpi; the same bytes for the same scene."""
    buffer = BytesIO()
    figure(scene).savefig(buffer, format="png", dpi=_DPI, metadata={"Software": None})
    return buffer.getvalue()


def _frame(axes: Axes, drawing: Drawing) -> None:
    """Grid, minor ticks and the two axis lines."""
    left, top, right, bottom = drawing.box
    (grid_x, grid_y), (minor_x, minor_y) = drawing.grid, drawing.minor
    faint: dict[str, Any] = {"color": _INK, "linewidth": _POINTS, "zorder": 0}
    axes.vlines(grid_x, top, bottom, alpha=0.12, **faint)
    axes.hlines(grid_y, left, right, alpha=0.12, **faint)
    axes.vlines(minor_x, bottom, bottom + 3, alpha=0.5, **faint)
    axes.hlines(minor_y, left - 3, left, alpha=0.5, **faint)
    axes.plot([left, left, right], [top, bottom, bottom], alpha=0.6, **faint)


def _shape(axes: Axes, drawing: Drawing, shape: Shape) -> None:
    from matplotlib.patches import Circle, Polygon, Rectangle

    color = _ink(shape.color)
    left, top, right, bottom = drawing.box
    dashes = (0, (4, 3)) if shape.ghost else "-"
    if shape.kind == "line":
        style: dict[str, Any] = {"linestyle": dashes, "alpha": 0.6 if shape.ghost else 1.0}
        x, y = zip(*shape.points, strict=True) if shape.points else ((), ())
        artist: Any = axes.plot(
            x, y, color=color, linewidth=shape.width * _POINTS, solid_joinstyle="round", **style
        )[0]
    else:
        edge = color if shape.ghost or shape.kind == "area" else _PAPER
        fill = (color, shape.opacity * (GHOST_FILL if shape.ghost else 1.0))
        look: dict[str, Any] = {
            "facecolor": fill,
            "edgecolor": edge,
            "linestyle": dashes,
            "linewidth": _POINTS,
        }
        if shape.kind == "area":
            look["linewidth"] = _POINTS if shape.ghost else 0
            artist = Polygon(shape.points, **look)
        elif shape.kind == "dot":
            x0, y0, radius = shape.place
            artist = Circle((x0, y0), radius, **{**look, "linewidth": 1.5 * _POINTS})
        else:
            x0, y0, width, height = shape.place
            artist = Rectangle((x0, y0), width, height, **look)
        axes.add_patch(artist)
    artist.set_zorder(1)  # all alike, so that the later mark lies on top
    if shape.kind != "dot":
        artist.set_clip_path(Rectangle((left, top), right - left, bottom - top, transform=axes.transData))


def _words(axes: Axes, words: Words) -> None:
    from matplotlib.patheffects import withStroke

    if words.pointer:
        x0, y0, x1, y1 = words.pointer
        axes.plot([x0, x1], [y0, y1], color=_INK, alpha=0.5, linewidth=_POINTS, zorder=2)
    align = {"start": "left", "middle": "center", "end": "right"}[words.anchor]
    color = _mixed(_ink(words.color)) if words.halo else _ink(words.color)
    lines = words.text.split("\n")
    for row, line in enumerate(lines):
        baseline = words.y + 0.36 * FONT_SIZE + LINE_HEIGHT * (row - (len(lines) - 1) / 2)
        text = axes.text(
            words.x,
            baseline,
            line,
            ha=align,
            va="baseline",
            color=color,
            fontsize=FONT_SIZE * _POINTS,
            **_FONT,
        )
        if words.halo:
            text.set_path_effects([withStroke(linewidth=3.5 * _POINTS, foreground=_PAPER)])


def _ink(color: str) -> str:
    return {INK: _INK, PAPER: _PAPER}.get(color, color)


def _mixed(color: str) -> tuple[float, ...]:
    """Half the colour, half ink, as explore.css does with color-mix."""
    from matplotlib.colors import to_rgb

    return tuple((a + b) / 2 for a, b in zip(to_rgb(color), to_rgb(_INK), strict=True))
