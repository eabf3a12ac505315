"""Where does a solution begin and end in a cell? The markers of `solutions/exN.md`, read in one place."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

_MARKER = re.compile(r"(\s*)### (BEGIN|END) SOLUTION\s*")


def replace_solutions(source: str, stub: Callable[[str], str] | None) -> str:
    """A cell's source with each solution block replaced by `stub(indentation)`; None keeps the solution.

    Raises
    ------
    ValueError : a block that is nested, never closed or never opened, or a marker written another way.
    """
    kept: list[str] = []
    inside = False
    for number, line in enumerate(source.splitlines(), start=1):
        marker = _MARKER.fullmatch(line)
        if marker is None:
            if re.search(r"(BEGIN|END)\W*SOLUTION", line, re.IGNORECASE):
                raise ValueError(
                    f"line {number}: {line.strip()!r}; write '### BEGIN SOLUTION' or '### END SOLUTION'"
                )
            if not inside or stub is None:
                kept.append(line)
            continue
        indentation, word = marker.groups()
        if (word == "BEGIN") == inside:
            raise ValueError(f"line {number}: {word} SOLUTION {'inside' if inside else 'outside'} a solution")
        inside = not inside
        if inside and stub is not None:
            kept.append(indentation + stub(indentation))
    if inside:
        raise ValueError("the last BEGIN SOLUTION has no END SOLUTION")
    return "\n".join(kept)


def solution_cells(markdown: Path) -> list[Any]:
    """The cells of `solutions/exN.md` (jupytext MyST Markdown) as notebook nodes."""
    import jupytext  # imported here: learners who never ask for a solution do not wait for it

    return list(jupytext.reads(markdown.read_text(encoding="utf-8"), fmt="md:myst").cells)
