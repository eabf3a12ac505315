"""How near was each constraint? One picture of a verdict, for a learner's check and for a feedback page.

A bar for each constraint, on a logarithmic axis of "times as good as asked": to the right of the line it is
kept, to the left it is missed. Plain SVG: a page needs nothing to show it, and it follows the page's colours.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from math import log10

from edgelib.exercises.verdict import Measure

_WIDTH, _MIDDLE, _DECADE = 640, 320, 300  # pixels; the axis runs from a tenth to ten times
_ROW, _BAR, _TOP = 46, 14, 8
_KEPT, _MISSED = "#009E73", "#D55E00"  # Okabe & Ito; the words say the same
_FONT = 'font-family="sans-serif" font-size="14" fill="currentColor"'


def told(lines: Sequence[str], measures: Sequence[Measure]) -> list[str]:
    """Lines as HTML, every one escaped, with the picture after the first; what it says is not said again."""
    drawn = {measure.text for measure in measures}
    texts = [escape(line) for line in lines if line not in drawn]
    return [*texts[:1], svg(measures), *texts[1:]] if measures else texts


def svg(measures: Iterable[Measure]) -> str:
    """The picture as an `<svg>` element, every text in it escaped; "" without a measure."""
    rows = list(measures)
    if not rows:
        return ""
    bottom = _TOP + _ROW * len(rows)
    kept = sum(row.met for row in rows)
    title = f"{kept} of {len(rows)} constraints are kept. " + " ".join(f"{row.text}." for row in rows)
    parts = [_row(row, _TOP + _ROW * index) for index, row in enumerate(rows)]
    for times, words, anchor in (
        (0.1, "a tenth", "start"),
        (1.0, "as asked", "middle"),
        (10.0, "ten times as good", "end"),
    ):
        parts.append(
            f'<text x="{_x(times):g}" y="{bottom + 18}" text-anchor="{anchor}" {_FONT}>{words}</text>'
        )
    return (
        f'<svg role="img" viewBox="0 0 {_WIDTH} {bottom + 26}" width="{_WIDTH}" style="max-width: 100%" '
        f'xmlns="http://www.w3.org/2000/svg"><title>{escape(title)}</title>{"".join(parts)}</svg>'
    )


def _x(times: float) -> float:
    """Where a value stands; what is beyond the axis stands at its end."""
    return _MIDDLE + _DECADE * max(-1.0, min(1.0, log10(max(times, 1e-9))))


def _row(measure: Measure, top: int) -> str:
    mark, color = ("✓", _KEPT) if measure.met else ("✗", _MISSED)
    text = f'<text x="20" y="{top + 16}" {_FONT}>{mark} {escape(measure.text)}</text>'
    if measure.times is None:
        return text
    end = _x(measure.times)
    left, width = min(end, _MIDDLE), max(abs(end - _MIDDLE), 2)
    line = f'<path d="M{_MIDDLE} {top + 19}v{_BAR + 8}" stroke="currentColor" stroke-width="2"/>'
    bar = f'<rect x="{left:.1f}" y="{top + 23}" width="{width:.1f}" height="{_BAR}" fill="{color}"/>'
    return bar + line + text
