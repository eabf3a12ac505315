"""How long does a charge last under a policy, does the service hold, and which idea misled its author?

Each of the two promises that holds (in time, hard queries in q8_0) earns a tenth. Battery life earns the
other eight tenths, in proportion to what it gains towards the goal, and only where both promises hold: no
joule saved by breaking one counts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from edgelib.exercises.compare import describe
from edgelib.exercises.verdict import Measure, Unjudgeable, Verdict
from edgelib.planning.battery_policy import (
    HARD_SERVED,
    IN_TIME,
    TIMES_AS_LONG,
    Decision,
    Run,
    careless,
    decision_of,
    query_trace,
    simulate,
)
from edgelib.planning.handheld import HANDHELD

PROMISE = 0.1  # of the score, for each of the two
NEARLY_ALL = 0.95
_LONGEST = 300  # characters of a message


def judge(policy: Callable[..., Any], name: str, **trace: Any) -> Verdict:
    """Score a policy on the queries of `query_trace(**trace)`.

    Unjudgeable : a reply that is no decision; the message says to which query.
    """
    queries = query_trace(**trace)

    def checked(query: dict[str, Any], state: dict[str, Any]) -> Decision:
        said = policy(query=dict(query), state=dict(state))
        try:
            return decision_of(said)
        except ValueError as error:
            got = f"policy(query={describe(query)}, state={describe(state)}) returned {describe(said)}"
            raise Unjudgeable(f"{got[:_LONGEST]}: {str(error)[:_LONGEST]}") from None

    run, before = simulate(queries, checked), simulate(queries, careless)
    times = before.mean_W / run.mean_W
    measures = _measures(run, times)
    *promises, life = measures
    kept = [promise.met for promise in promises]
    minutes = run.trace.end_s / 60
    lines = [f"On {name}, {len(run.answered)} queries in {minutes:.0f} min, {run.mean_W:.2f} W on average:"]
    lines += [measure.text for measure in measures]
    if life.met:
        return Verdict(1.0, tuple(lines), measures=measures)
    gained = min(max((times - 1) / (TIMES_AS_LONG - 1), 0.0), 1.0) if all(kept) else 0.0
    score = PROMISE * sum(kept) + (1 - 2 * PROMISE) * gained
    if not all(kept):
        lines.append("While a promise is broken, battery life earns nothing.")
    if woken := sum(a.woke for a in run.late):
        lines.append(f"{woken} of the {len(run.late)} late answers had to wake the device first.")
    return Verdict(score, tuple(lines), tuple(_codes(run, times)), measures)


def _measures(run: Run, times: float) -> tuple[Measure, ...]:
    """What was measured against what was asked; a promise by the failures that it leaves room for."""
    kept = run.in_time >= IN_TIME, run.hard_served >= HARD_SERVED
    return (
        Measure(
            f"in time: {100 * run.in_time:.3g} % of the queries, promised {100 * IN_TIME:.0f} %",
            _room(run.in_time, IN_TIME),
            kept[0],
        ),
        Measure(
            f"precision: {100 * run.hard_served:.3g} % of the hard queries in q8_0, promised "
            f"{100 * HARD_SERVED:.0f} %",
            _room(run.hard_served, HARD_SERVED),
            kept[1],
        ),
        Measure(
            f"battery life: {run.hours:.1f} h, {times:.3f} times as long as careless, asked for "
            f"{TIMES_AS_LONG:g} times",
            times / TIMES_AS_LONG,
            all(kept) and times >= TIMES_AS_LONG,
        ),
    )


def _room(share: float, promised: float) -> float:
    """Failures that are allowed over failures that there are: 5 % over 2.5 % is twice as good as promised."""
    return (1 - promised) / max(1 - share, 1e-3)


def _codes(run: Run, times: float) -> Iterator[str]:
    """Which idea explains what was not reached; one code for each of the choices at most."""
    decisions = [a.decision for a in run.answered]

    def share(of: Callable[[Decision], bool], among: list[Decision] = decisions) -> float:
        return sum(of(d) for d in among) / max(1, len(among))

    late, unserved, short = run.in_time < IN_TIME, run.hard_served < HARD_SERVED, times < TIMES_AS_LONG
    if times < 1.1 and not late and not unserved:
        yield "changes-nothing"
        return
    in_q8 = share(lambda d: d.precision == "q8_0")
    easy = [a.decision for a in run.answered if not a.query.hard]
    if in_q8 >= NEARLY_ALL and short:
        yield "always-q8"
    elif unserved and in_q8 <= 1 - NEARLY_ALL:
        yield "always-q4"
    elif unserved and run.hard_served < 2 * share(lambda d: d.precision == "q8_0", easy):
        yield "ignores-difficulty"
    lowest = share(lambda d: d.clock == 0) >= NEARLY_ALL
    if short and share(lambda d: d.clock == HANDHELD.clocks - 1) >= NEARLY_ALL:
        yield "always-top-clock"
    elif late and lowest:
        yield "always-lowest-clock"
    asleep = share(lambda d: d.rest == "sleep")
    if short and asleep <= 1 - NEARLY_ALL:
        yield "never-sleeps"
    elif late and asleep >= NEARLY_ALL:
        yield "sleeps-always"
    elif late and not lowest and 2 * sum(a.woke for a in run.late) >= len(run.late):
        yield "forgets-waking"
