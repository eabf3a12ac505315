"""What is known, by whom, and how surely? Catalogues of figures, each with its source.

`README.md` beside this file says what each table holds. A figure that nobody has published has no
row: asking for it raises `UnknownFigure`.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from io import StringIO
from pathlib import Path


@dataclass(frozen=True)
class Figure:
    """One figure: a value in `unit`, where it was read, and how far to trust it.

    confidence : "high" (read from the maker), "medium" (read in a copy, or derived from what was
    read), "low" (recalled or assumed).
    """

    value: float
    unit: str
    source: str
    confidence: str
    note: str = ""


@cache
def table(name: str) -> tuple[dict[str, str], ...]:
    """The rows of `edgelib/data/<name>.csv`, as text."""
    text = Path(__file__).with_name(f"{name}.csv").read_text(encoding="utf-8")
    return tuple(csv.DictReader(StringIO(text, newline="")))
