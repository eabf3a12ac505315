"""book/concepts.csv: every concept that the book promises has a place in it that exists."""

import csv
import re

from book.build import BOOK
from tests.notebooks.book import read

# Rows of the chapter's inventory, by section.
WRITTEN = {
    **{"F1.1.1": 43, "F1.1.2": 32},
    **{"F1.2": 1, "F1.2.1": 9, "F1.2.2": 8, "F1.2.3": 7, "F1.2.4": 6},
    **{"FEx2": 1, "FEx3": 1, "FEx4": 1, "FEx5": 1},
}
REQUIRED = {f"{section}.{n:02d}" for section, rows in WRITTEN.items() for n in range(1, rows + 1)}


def concepts() -> list[dict[str, str]]:
    with (BOOK / "concepts.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def headings(name: str) -> set[str]:
    """The heading texts of a notebook, outside fenced code."""
    prose = "\n\n".join(cell.source for cell in read(name).cells if cell.cell_type == "markdown")
    prose = re.sub(r"^```.*?^```", "", prose, flags=re.MULTILINE | re.DOTALL)
    return set(re.findall(r"^#{1,6} +(.+?)\s*$", prose, flags=re.MULTILINE))


def test_columns_and_ids() -> None:
    rows = concepts()
    assert set(rows[0]) == {"id", "concept", "concept_zh", "notebook", "anchor"}
    ids = [row["id"] for row in rows]
    assert len(ids) == len(set(ids))
    assert set(ids) >= REQUIRED
    assert [row["id"] for row in rows if not all(value and value.strip() for value in row.values())] == []


def test_every_anchor_is_a_heading() -> None:
    rows = concepts()
    missing = [
        f"{row['id']}: {row['notebook']} is no notebook"
        for row in rows
        if not (BOOK / row["notebook"]).is_file()
    ]
    assert missing == []
    found = {name: headings(name) for name in {row["notebook"] for row in rows}}
    assert [
        f"{row['id']}: {row['anchor']}" for row in rows if row["anchor"] not in found[row["notebook"]]
    ] == []
