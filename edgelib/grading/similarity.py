"""Which answers look like each other? A reason to look, never proof: short formulas are alike by themselves.

An answer becomes its tokens, with every name, number and text the same; two answers are as similar as their
sets of five tokens in a row (Jaccard index). What the course released counts for nothing.
"""

from __future__ import annotations

import csv
import io
import token
import tokenize
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

from edgelib.grading.report import cell, write
from edgelib.grading.submission import Cell

RUN, LEAST_RUNS, THRESHOLD = 5, 20, 0.8
LONGEST = 20_000  # characters of an answer that are looked at: pages of filling cost the lecturer nothing
_NAMELESS = {token.NUMBER: "0", token.STRING: "''"}
_SILENT = {token.NEWLINE, token.NL, token.INDENT, token.DEDENT, token.ENCODING, token.ENDMARKER}


@dataclass(frozen=True)
class Pair:
    """Two students whose answers to `part` share this much, from 0 to 1."""

    exercise: str
    part: str
    first: str
    second: str
    similarity: float


def runs(source: str) -> frozenset[tuple[str, ...]]:
    """Every five tokens in a row; names are numbered in the order in which they appear in the run."""
    words: list[tuple[int, str]] = []
    try:
        for item in tokenize.generate_tokens(io.StringIO(source).readline):
            if item.type not in _SILENT:
                words.append((item.type, _NAMELESS.get(item.type, item.string)))
    except (tokenize.TokenError, SyntaxError, ValueError):  # the last: half a character, since Python 3.12
        pass  # what came before the error counts
    found = set()
    for start in range(len(words) - RUN + 1):
        order: dict[str, str] = {}
        found.add(
            tuple(
                order.setdefault(text, f"#{len(order)}") if kind == token.NAME else text
                for kind, text in words[start : start + RUN]
            )
        )
    return frozenset(found)


def _beginning(cells: list[Cell]) -> list[str]:
    """The sources of an answer's cells, up to `LONGEST` characters in all."""
    found, left = [], LONGEST
    for answer in cells:
        found.append(answer.source[:left])
        left -= len(found[-1])
    return found


def similar(exercise: str, answers: dict[str, dict[str, list[Cell]]], released: list[Cell]) -> list[Pair]:
    """Pairs of students with similar answers, the most similar first.

    Parameters
    ----------
    answers : by part, then by student, the cells of the answer.
    """
    known = frozenset().union(*(runs(cell.source) for cell in released))
    pairs = []
    for part, students in answers.items():
        seen = {
            name: frozenset().union(*map(runs, _beginning(cells))) - known for name, cells in students.items()
        }
        long_enough = {name: found for name, found in seen.items() if len(found) >= LEAST_RUNS}
        for first, second in combinations(sorted(long_enough), 2):
            a, b = long_enough[first], long_enough[second]
            if min(len(a), len(b)) >= THRESHOLD * max(len(a), len(b)):
                share = len(a & b) / len(a | b)
                if share >= THRESHOLD:
                    pairs.append(Pair(exercise, part, first, second, round(share, 3)))
    return sorted(pairs, key=lambda pair: (-pair.similarity, pair.part, pair.first, pair.second))


def write_similar(pairs: list[Pair], path: Path) -> Path:
    """The pairs as a table."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["exercise", "part", "first", "second", "similarity"])
    table.writerows([p.exercise, p.part, cell(p.first), cell(p.second), f"{p.similarity:g}"] for p in pairs)
    write(path, text.getvalue())
    return path
