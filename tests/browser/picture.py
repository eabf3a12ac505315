"""What one explorable on a page shows, and whether that is what Python says."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import combinations
from math import log10

import pytest
from playwright.sync_api import Locator, expect

from edgelib.explore import Explorable
from edgelib.explore.scene import Axis, Dot, Line, Scene


def inputs(root: Locator) -> list[Locator]:
    """The main input of each control, in order."""
    return root.locator(".controls").locator("input, select").all()


def positions(root: Locator) -> list[int]:
    """Where the controls stand, read from the page."""
    return [
        int(control.evaluate("e => e.type === 'checkbox' ? +e.checked : e.selectedIndex ?? +e.value"))
        for control in inputs(root)
    ]


def ink(root: Locator) -> str:
    """The drawing without the ghost of an earlier state."""
    groups = "e => [...e.querySelectorAll('.shapes, g[data-kind=words]')].map((g) => g.innerHTML).join()"
    return str(root.locator("svg").evaluate(groups))


def check(root: Locator, explorable: Explorable) -> Scene:
    """The page says and shows what Python computes for where the controls stand."""
    scene = explorable.scene_at(positions(root))
    expect(root.get_by_role("status")).to_have_text(scene.readout)
    expect(root.locator("svg[role=img] > title")).to_have_text(scene.alt)
    expect(root.locator("p.title")).to_have_text(scene.title)
    here = zip(inputs(root), explorable.controls.values(), positions(root), strict=True)
    for element, control, position in here:
        expect(element).to_have_attribute("aria-label", control.label)
        if element.get_attribute("type") == "range":
            expect(element).to_have_attribute("aria-valuetext", control.text(control.values[position]))
    settled(lambda: check_positions(root, scene))
    check_legible(root)
    return scene


def settled(check: Callable[[], None], limit_s: float = 5) -> None:
    """Repeat a check until it holds: two states may share a readout while the drawing is on its way."""
    deadline = time.monotonic() + limit_s
    while True:
        try:
            return check()
        except AssertionError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def place(axis: Axis, value: float, start: float, end: float) -> float:
    """Where `value` must stand on an axis drawn from `start` to `end`."""
    share = (
        log10(value / axis.lo) / log10(axis.hi / axis.lo)
        if axis.log
        else (value - axis.lo) / (axis.hi - axis.lo)
    )
    return start + share * (end - start)


def check_positions(root: Locator, scene: Scene) -> None:
    """Lines and dots stand where the axes say; the axes are read from the page."""
    axis = root.locator("svg polyline.axis").get_attribute("points") or ""
    (left, top), (_, bottom), (right, _) = [tuple(map(float, point.split(","))) for point in axis.split()]
    drawn = root.locator("svg").evaluate(
        """e => ['circle', 'polyline'].map((name) =>
            [...e.querySelectorAll(`.shapes > g > ${name}:not(.hit)`)].map((s) =>
                s.getAttribute('points') ?? `${s.getAttribute('cx')},${s.getAttribute('cy')}`))"""
    )
    inside = [
        mark
        for mark in scene.marks
        if isinstance(mark, Dot) and scene.x.lo <= mark.x <= scene.x.hi and scene.y.lo <= mark.y <= scene.y.hi
    ]
    lines = [mark for mark in scene.marks if isinstance(mark, Line)]
    expected = [([mark.x], [mark.y]) for mark in inside] + [(mark.x, mark.y) for mark in lines]
    assert len(expected) == len(drawn[0]) + len(drawn[1])
    for (xs, ys), points in zip(expected, drawn[0] + drawn[1], strict=True):
        for x, y, point in zip(xs, ys, points.split(), strict=True):
            px, py = map(float, point.split(","))
            if not (scene.x.log and x <= 0):
                assert px == pytest.approx(place(scene.x, x, left, right), abs=0.02)
            if not (scene.y.log and y <= 0):
                assert py == pytest.approx(place(scene.y, y, bottom, top), abs=0.02)


def check_legible(root: Locator) -> None:
    """No two texts of the drawing overlap, none is cut off, none is small."""
    size = root.locator("svg").evaluate(
        "e => parseFloat(getComputedStyle(e.querySelector('text')).fontSize) * 600 / e.viewBox.baseVal.width"
    )
    assert size >= 12
    boxes = root.locator("svg").evaluate(
        """e => [...e.querySelectorAll('text')].map((t) => {
            const b = t.getBBox();
            return [t.textContent, b.x, b.y, b.x + b.width, b.y + b.height];
        })"""
    )
    for text, left, top, right, bottom in boxes:
        assert left >= -1 and top >= -1 and right <= 641 and bottom <= 381, text
    for (a, *p), (b, *q) in combinations(boxes, 2):
        wide, high = min(p[2], q[2]) - max(p[0], q[0]), min(p[3], q[3]) - max(p[1], q[1])
        assert wide < 1 or high < 1, f"{a!r} and {b!r} overlap"
