r"""Which unit should run which operator, to spend the fewest joules before a deadline?

A chain of operators, each on one of several units; moving between units costs time and energy. The exact
answer is a walk through the layered graph (operator, unit) with two costs: partial plans that another
one beats in both time and energy are dropped (Pareto labels), so nothing that could be best is lost.
Source: Martins, "On a multicriteria shortest path problem", European J. Operational Research 16, 1984.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edgelib.errors import nonnegative, positive, scalar

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Assignment:
    """units[i] runs operator i; the sums over operators and moves."""

    units: tuple[int, ...]
    seconds: float
    joules: float


def frontier(
    seconds: ArrayLike, joules: ArrayLike, move_s: float = 0.0, move_J: float = 0.0
) -> list[Assignment]:
    """Every plan that no other beats in both, from the fastest to the thriftiest.

    seconds, joules : float[operators, units], > 0 and >= 0.   move_s, move_J : cost of each change of unit.
    """
    time, energy = np.asarray(positive("seconds", seconds)), np.asarray(nonnegative("joules", joules))
    if time.ndim != 2 or time.size == 0 or time.shape != energy.shape:
        raise ValueError(
            f"seconds and joules have shapes {time.shape} and {energy.shape}: expected (operators, units)"
        )
    move_s = scalar("move_s", nonnegative("move_s", move_s))
    move_J = scalar("move_J", nonnegative("move_J", move_J))
    units = range(time.shape[1])
    labels = [[Assignment((u,), float(time[0, u]), float(energy[0, u]))] for u in units]
    for step, spent in zip(time[1:], energy[1:], strict=True):
        labels = [
            _undominated(
                Assignment(
                    (*plan.units, u),
                    plan.seconds + float(step[u]) + (move_s if u != last else 0),
                    plan.joules + float(spent[u]) + (move_J if u != last else 0),
                )
                for last in units
                for plan in labels[last]
            )
            for u in units
        ]
    return _undominated(plan for plans in labels for plan in plans)


def thriftiest(plans: list[Assignment], deadline_s: float) -> Assignment:
    """The plan with the fewest joules that meets the deadline; ValueError names the fastest if none does."""
    deadline_s = positive("deadline_s", deadline_s)
    if not plans:
        raise ValueError("plans is empty: expected the frontier of at least one operator")
    in_time = [plan for plan in plans if plan.seconds <= deadline_s]
    if not in_time:
        fastest = min(plan.seconds for plan in plans)
        raise ValueError(f"deadline_s = {deadline_s:g}: the fastest plan takes {fastest:g} s")
    return min(in_time, key=lambda plan: plan.joules)


def _undominated(plans: Iterable[Assignment]) -> list[Assignment]:
    kept: list[Assignment] = []
    for plan in sorted(plans, key=lambda p: (p.seconds, p.joules)):
        if not kept or plan.joules < kept[-1].joules:
            kept.append(plan)
    return kept
