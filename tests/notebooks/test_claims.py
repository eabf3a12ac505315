"""Each printed claim that does not hold is put to the test, as soon as the book treats its section."""

import csv
import re
from importlib.resources import files

import pytest

from book.build import BOOK
from tests.notebooks.book import read

# The sections whose notebook is written.
SECTIONS = ["1.1.1", "1.1.2", "1.2.1", "1.2.2", "1.2.3", "1.2.4"]
BOX = "> **Check the chapter.**"


def doubtful(section: str) -> set[str]:
    """Ids of the claims of a section that are wrong, or disagree with another."""
    with files("edgelib.data").joinpath("claims.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return {
        row["id"]
        for row in rows
        if row["section"].split()[0] == section and row["verdict"].startswith(("wrong", "inconsistent"))
    }


def boxes(markdown: str) -> list[str]:
    """The blockquotes that put a claim to the test."""
    quotes = re.findall(r"(?:^>.*\n?)+", markdown, flags=re.MULTILINE)
    return [quote for quote in quotes if quote.startswith(BOX)]


@pytest.mark.parametrize("section", SECTIONS)
def test_every_doubtful_claim_has_a_box(section: str) -> None:
    claims = doubtful(section)
    assert claims, f"no claim of section {section} in the register"
    prose = [
        cell.source
        for path in BOOK.glob("[1-4]_*/*.ipynb")
        for cell in read(path.relative_to(BOOK).as_posix()).cells
        if cell.cell_type == "markdown"
    ]
    named = {
        name for source in prose for box in boxes(source) for name in re.findall(r"\b\w+(?:\.\w+)+\b", box)
    }
    assert claims - named == set()


def test_what_is_a_box() -> None:
    box = f"{BOX} 1.3\n> 1.4\n"
    assert boxes(
        f"1.1\n\n> 1.2\n\n{box}\n1.5 **Check the chapter.**\n\n> Note. **Check the chapter.** 1.6"
    ) == [box]
