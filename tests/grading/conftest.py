"""Answers to the exercises: those of `solutions/exN.md`, and a second set that shares no line with them."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from edgelib.exercises.blocks import replace_solutions, solution_cells
from edgelib.grading.load import ROOT, load_spec
from edgelib.grading.spec import Compared, Exercise


@pytest.fixture(autouse=True)
def reader_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGELIB_HOME", str(tmp_path / "reader"))


@pytest.fixture(scope="session")
def ex2() -> Exercise:
    return load_spec("ex2")


@pytest.fixture(scope="session")
def written() -> dict[str, str]:
    """Source of each answer cell of solutions/ex2.md, by part."""
    cells = solution_cells(ROOT / "solutions" / "ex2.md")
    return {
        cell.metadata["edge"]["part"]: replace_solutions(cell.source, None)
        for cell in cells
        if "answer" in cell.metadata.get("edge", {})
    }


# In time instead of speed, and in exact fractions.
SECOND = {
    "a": """
from fractions import Fraction

def seconds_to_read(size_bits, bandwidth):
    return Fraction(size_bits) / (8 * Fraction(bandwidth))

def tps_bound(parameters, weight_bits, bandwidth):
    return float(1 / seconds_to_read(Fraction(parameters) * Fraction(weight_bits), bandwidth))
""",
    "b": "weight_bits = next(bits for bits in range(1, 65) if round(7e9 * bits / 8 / 1e9, 6) == 14)",
    "c": """
def tps_bound_kv(parameters, weight_bits, bandwidth, kv_bytes_per_token, context):
    weights = seconds_to_read(Fraction(parameters) * Fraction(weight_bits), bandwidth)
    cache = seconds_to_read(8 * kv_bytes_per_token * context, bandwidth)
    return float(1 / (weights + cache))
""",
    "d": """
def bound(parameters, weight_bits, bandwidth, peak_ops, batch):
    step = {
        "memory": seconds_to_read(Fraction(parameters) * Fraction(weight_bits), bandwidth),
        "compute": batch * 2 * Fraction(parameters) / Fraction(peak_ops),
    }
    slowest = max(step, key=step.get)
    return [float(batch / step[slowest]), slowest]
""",
    # The longest context is the zero of a straight line through two points: what one more sequence adds to
    # computing less what it adds to reading.
    "e": """
def bound_kv(parameters, weight_bits, bandwidth, peak_ops, kv_bytes_per_token, context, batch):
    memory = {
        "weights": seconds_to_read(Fraction(parameters) * Fraction(weight_bits), bandwidth),
        "cache": sum(seconds_to_read(8 * kv_bytes_per_token * context, bandwidth) for _ in range(batch)),
    }
    compute = batch * 2 * Fraction(parameters) / Fraction(peak_ops)
    gap = [compute / batch - seconds_to_read(8 * kv_bytes_per_token * tokens, bandwidth) for tokens in (1, 2)]
    longest = 1 + gap[0] / (gap[0] - gap[1])
    slowest = "compute" if compute > sum(memory.values()) else max(memory, key=memory.get)
    return [float(batch / max(compute, sum(memory.values()))), slowest, float(longest)]
""",
}


@pytest.fixture(scope="session")
def second() -> dict[str, str]:
    return SECOND


def names_of(sources: dict[str, str]) -> dict[str, Any]:
    """What the answer cells define when they run one after the other."""
    space: dict[str, Any] = {"Fraction": Fraction}
    for source in sources.values():
        exec(source, space)
    return space


def compared(exercise: Exercise) -> list[Compared]:
    return [part for part in exercise.parts if isinstance(part, Compared)]
