"""What did a student hand in? Notebooks read without trust: kind, size and form are checked first."""

from __future__ import annotations

import json
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LARGEST_B = 16 << 20
MOST_CELLS = 2000


class Unreadable(ValueError):
    """A file that is no notebook; the message says why."""


@dataclass(frozen=True)
class Cell:
    """A code cell: its source, and the answer that its metadata names ("" for none)."""

    source: str
    answer: str = ""


def read_file(path: Path) -> bytes:
    """The bytes of a regular file, no link followed.

    Raises
    ------
    Unreadable : a link, a folder, a pipe, or more than 16 MiB.
    FileNotFoundError : there is none.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise Unreadable(f"cannot be opened ({error.strerror}); a symbolic link is not followed") from None
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise Unreadable("is not a regular file")
        if status.st_size > LARGEST_B:
            raise Unreadable(f"has {status.st_size >> 20} MiB; at most {LARGEST_B >> 20} are read")
        return os.read(descriptor, LARGEST_B)
    finally:
        os.close(descriptor)


def code_cells(content: bytes) -> list[Cell]:
    """The code cells of a notebook, in order.

    Raises
    ------
    Unreadable : not JSON, or not a notebook.
    """
    try:
        notebook = json.loads(content)  # UTF-8, -16 and -32 alike
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"is not a notebook: {type(error).__name__}") from None
    cells = notebook.get("cells") if isinstance(notebook, dict) else None
    if not isinstance(cells, list):
        raise Unreadable("is not a notebook: it has no list of cells")
    if len(cells) > MOST_CELLS:
        raise Unreadable(f"has {len(cells)} cells; at most {MOST_CELLS} are read")
    found = []
    for cell in cells:
        if isinstance(cell, dict) and cell.get("cell_type") == "code":
            source = _text(cell.get("source", ""))
            if source is None:
                raise Unreadable("has a code cell whose source is not text")
            found.append(Cell(source, _answer(cell.get("metadata"))))
    return found


def _text(source: Any) -> str | None:
    if isinstance(source, list) and all(isinstance(line, str) for line in source):
        return "".join(source)
    return source if isinstance(source, str) else None


def _answer(metadata: Any) -> str:
    edge = metadata.get("edge") if isinstance(metadata, dict) else None
    answer = edge.get("answer") if isinstance(edge, dict) else None
    return answer if isinstance(answer, str) else ""
