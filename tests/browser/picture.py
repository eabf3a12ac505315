"""What one explorable on a page shows, and whether that is what Python says."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import combinations
from math import log10
from typing import Any, TypeVar

import pytest
from playwright.sync_api import ElementHandle, Locator

from edgelib.explore import Explorable
from edgelib.explore.scene import Axis, Dot, Line, Scene

# All that a check needs, in one question: each question asked through a locator searches the page first.
_READ = """e => {
    const text = (selector) => e.querySelector(selector)?.textContent;
    const picture = e.querySelector('svg');
    const drawn = (name) => [...picture.querySelectorAll(`.shapes > g > ${name}:not(.hit)`)];
    return {
        readout: text('[role=status]'), title: text('p.title'), alt: text('svg[role=img] > title'),
        controls: [...e.querySelectorAll('.controls input, .controls select')].map((c) => ({
            label: c.ariaLabel, said: c.type === 'range' ? c.getAttribute('aria-valuetext') : null,
            at: c.type === 'checkbox' ? +c.checked : c.selectedIndex ?? +c.value,
        })),
        ink: [...picture.querySelectorAll('.shapes, g[data-kind=words]')].map((g) => g.innerHTML).join(),
        axis: picture.querySelector('polyline.axis')?.getAttribute('points') ?? '',
        dots: drawn('circle').map((s) => `${s.getAttribute('cx')},${s.getAttribute('cy')}`),
        lines: drawn('polyline').map((s) => s.getAttribute('points')),
        font: parseFloat(getComputedStyle(picture.querySelector('text') ?? picture).fontSize)
            * 600 / picture.viewBox.baseVal.width,
        words: [...picture.querySelectorAll('text')].map((t) => {
            const b = t.getBBox();
            return [t.textContent, b.x, b.y, b.x + b.width, b.y + b.height];
        }),
    };
}"""
Seen = dict[str, Any]
Root = Locator | ElementHandle  # an element that is held need not be found again for every question
T = TypeVar("T")


def inputs(root: Locator) -> list[Locator]:
    """The main input of each control, in order."""
    return root.locator(".controls").locator("input, select").all()


def read(root: Root) -> Seen:
    """What the page shows of an explorable."""
    seen: Seen = root.evaluate(_READ)
    return seen


def positions(root: Root) -> list[int]:
    """Where the controls stand, read from the page."""
    return _positions(read(root))


def _positions(seen: Seen) -> list[int]:
    return [int(control["at"]) for control in seen["controls"]]


def look(root: Root, explorable: Explorable) -> tuple[str, Scene]:
    """The drawing's ink, and what Python computes for where the controls stand: the page shows it."""
    seen = read(root)
    scene = explorable.scene_at(_positions(seen))
    check_shown(seen, explorable, scene)
    return str(seen["ink"]), scene


def check(root: Root, explorable: Explorable) -> tuple[str, Scene]:
    """`look`, as soon as the page shows it."""
    return settled(lambda: look(root, explorable))


def settled(check: Callable[[], T], limit_s: float = 5) -> T:
    """Repeat a check until it holds: the drawing may be on its way."""
    deadline = time.monotonic() + limit_s
    while True:
        try:
            return check()
        except AssertionError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.03)


def check_shown(seen: Seen, explorable: Explorable, scene: Scene) -> None:
    """Words, controls and drawing are those of `scene`."""
    assert (seen["readout"], seen["title"], seen["alt"]) == (scene.readout, scene.title, scene.alt)
    for shown, control in zip(seen["controls"], explorable.controls.values(), strict=True):
        assert shown["label"] == control.label
        assert shown["said"] in (None, control.text(control.values[shown["at"]]))
    check_positions(seen, scene)
    check_legible(seen)


def place(axis: Axis, value: float, start: float, end: float) -> float:
    """Where `value` must stand on an axis drawn from `start` to `end`."""
    share = (
        log10(value / axis.lo) / log10(axis.hi / axis.lo)
        if axis.log
        else (value - axis.lo) / (axis.hi - axis.lo)
    )
    return start + share * (end - start)


def check_positions(seen: Seen, scene: Scene) -> None:
    """Lines and dots stand where the axes say; the axes are read from the page."""
    (left, top), (_, bottom), (right, _) = [tuple(map(float, at.split(","))) for at in seen["axis"].split()]
    drawn = seen["dots"] + seen["lines"]
    inside = [
        mark
        for mark in scene.marks
        if isinstance(mark, Dot) and scene.x.lo <= mark.x <= scene.x.hi and scene.y.lo <= mark.y <= scene.y.hi
    ]
    lines = [mark for mark in scene.marks if isinstance(mark, Line)]
    expected = [([mark.x], [mark.y]) for mark in inside] + [(mark.x, mark.y) for mark in lines]
    assert len(expected) == len(drawn)
    for (xs, ys), points in zip(expected, drawn, strict=True):
        for x, y, point in zip(xs, ys, points.split(), strict=True):
            px, py = map(float, point.split(","))
            if not (scene.x.log and x <= 0):
                assert px == pytest.approx(place(scene.x, x, left, right), abs=0.02)
            if not (scene.y.log and y <= 0):
                assert py == pytest.approx(place(scene.y, y, bottom, top), abs=0.02)


def check_legible(seen: Seen) -> None:
    """No two texts of the drawing overlap, none is cut off, none is small."""
    assert seen["font"] >= 12
    for text, left, top, right, bottom in seen["words"]:
        assert left >= -1 and top >= -1 and right <= 641 and bottom <= 381, text
    for (a, *p), (b, *q) in combinations(seen["words"], 2):
        wide, high = min(p[2], q[2]) - max(p[0], q[0]), min(p[3], q[3]) - max(p[1], q[1])
        assert wide < 1 or high < 1, f"{a!r} and {b!r} overlap"
