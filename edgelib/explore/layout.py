"""Where does everything stand? From a Scene (numbers with units) to a Drawing (positions on paper).

Both drawers, `explore.js` and `pyplot.py`, put ink where the Drawing says, so they cannot disagree.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgelib.explore.drawing import HEIGHT, WIDTH, Drawing, Scale
from edgelib.explore.labels import LINE_HEIGHT, Placer, Spot, rect, shorten, text_width, wrap
from edgelib.explore.marks import add_marks
from edgelib.explore.scene import Axis, Scene
from edgelib.explore.ticks import minor_ticks, ticks

_TOP, _RIGHT, _BOTTOM = 30.0, 18.0, 44.0  # margins
_NARROWEST_LEFT, _WIDEST_TICK = 36.0, 190.0

Label = tuple[str, Spot]


def lay_out(scene: Scene) -> Drawing:
    """The Drawing of `scene`. Same scene, same drawing."""
    y_ticks = [(value, shorten(text, _WIDEST_TICK)) for value, text in ticks(scene.y)]
    left = max([_NARROWEST_LEFT, *(text_width(text) + 16 for _, text in y_ticks)])
    right = WIDTH - _RIGHT
    x_ticks = ticks(scene.x)
    if scene.x.categories:
        x_ticks = [(value, wrap(text, (right - left) / len(x_ticks) - 6)) for value, text in x_ticks]
    lines = 1 + max((text.count("\n") for _, text in x_ticks), default=0)
    bottom = HEIGHT - _BOTTOM - LINE_HEIGHT * (lines - 1)

    x, y = Scale(scene.x, left, right), Scale(scene.y, bottom, _TOP)
    drawing = Drawing(
        title=scene.title,
        readout=scene.readout,
        alt=scene.alt,
        table=[[str(entry) for entry in row] for row in scene.table],
        box=(left, _TOP, right, bottom),
        grid=[[x(value) for value, _ in x_ticks], [y(value) for value, _ in y_ticks]],
        minor=[[x(value) for value in minor_ticks(scene.x)], [y(value) for value in minor_ticks(scene.y)]],
    )
    axes = [
        *_apart(
            [
                (text, (x(v), bottom + 7 + LINE_HEIGHT * (1 + text.count("\n")) / 2, "middle"))
                for v, text in x_ticks
            ]
        ),
        *_apart([(text, (left - 8, y(v), "end")) for v, text in y_ticks]),
        (_name(scene.x), (right, HEIGHT - 10, "end")),
        (_name(scene.y), (2.0, 11.0, "start")),
    ]
    placer = Placer(bounds=(2.0, _TOP - 6, WIDTH - 2, bottom - 1))
    for text, spot in axes:
        drawing.add(text, placer.take(text, spot))
    add_marks(drawing, placer, scene.marks, x, y)
    return drawing


def _name(axis: Axis) -> str:
    return shorten(f"{axis.label} ({axis.unit})" if axis.unit else axis.label, WIDTH - 40)


def _apart(labels: Sequence[Label]) -> list[Label]:
    """Every label, or every second, third, ...: as many as stand apart."""
    for stride in range(1, len(labels)):
        kept = labels[::stride]
        probe = Placer(bounds=(-WIDTH, -HEIGHT, 2 * WIDTH, 2 * HEIGHT))
        if all(_clear(probe, *label) for label in kept):
            return list(kept)
    return list(labels[:1])


def _clear(placer: Placer, text: str, spot: Spot) -> bool:
    """Take `spot` and say whether it was free."""
    free = bool(placer.free(np.array([rect(text, spot)]))[0])
    placer.take(text, spot)
    return free
