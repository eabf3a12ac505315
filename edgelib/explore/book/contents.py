"""The index page: where each concept is, and how well the reader has guessed."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

from edgelib.explore import calibration, explorable, prediction_errors
from edgelib.explore.scene import Scene


@dataclass(frozen=True)
class ConceptIndex:
    """A table of concepts, their Chinese names, and links to the sections that explain them."""

    rows: tuple[dict[str, str], ...]

    def __repr__(self) -> str:
        notebooks = {row["notebook"] for row in self.rows}
        return f"{len(self.rows)} concepts in {len(notebooks)} notebook{'s' * (len(notebooks) > 1)}"

    def _repr_markdown_(self) -> str:
        lines = ["| concept | 中文 | section |", "| --- | --- | --- |"]
        for row in self.rows:
            link = f"{row['notebook']}#{row['anchor'].replace(' ', '-')}"
            lines.append(f"| {row['concept']} | {row['concept_zh']} | [{row['anchor']}]({link}) |")
        return "\n".join(lines)


def concept_index(path: str | Path) -> ConceptIndex:
    """The concepts in a CSV file with columns id, concept, concept_zh, notebook, anchor."""
    with open(path, encoding="utf-8", newline="") as file:
        return ConceptIndex(tuple(csv.DictReader(file)))


@explorable(
    "my-calibration",
    label="How well do you know what you know?",
    hint="Of ten ranges that you were 90 % sure of, nine should hold. Run again after more guesses.",
)
def my_calibration() -> Scene:
    """The share of the reader's intervals that held the answer, against the 90 % they state."""
    return calibration()


@explorable(
    "my-guesses",
    label="By what factor are your guesses off?",
    hint="One row for each guess: a range that misses the line was too narrow.",
)
def my_guesses() -> Scene:
    """Each of the reader's predictions as a multiple of its answer."""
    return prediction_errors()
