"""A charge and a minute of a handheld: what fixed settings make of them.

The device, its assumed figures and the user are those of `edgelib.planning.handheld` and `battery_policy`.
"""

from __future__ import annotations

from functools import cache

from edgelib.explore import Choice, Slider, explorable
from edgelib.explore.scene import Area, Axis, Line, Mark, Scene, Text
from edgelib.planning.battery_policy import (
    CELL,
    HARD_SERVED,
    IN_TIME,
    STATES,
    TIMES_AS_LONG,
    Decision,
    Policy,
    Query,
    Run,
    Trace,
    careless,
    query_trace,
    simulate,
)
from edgelib.planning.handheld import HANDHELD, answer_cost
from edgelib.units import si, significant

TOP = HANDHELD.clocks - 1
BITS = {"4 bits": "q4_0", "8 bits": "q8_0"}
CLOCKS = {f"{f / 1e9:.4g} GHz": i for i, f in enumerate(HANDHELD.curve.freq_Hz)}
RESTING = {"sleep": "sleep", "stay awake": "idle"}
LAST_H = 16.0


def _always(decision: Decision) -> Policy:
    return lambda *, query, state: decision


@cache
def _hour(precision: str, clock: int, rest: str) -> Run:
    return simulate(query_trace(1), _always(Decision(precision, clock, rest)))


@explorable(
    "battery-drain",
    label="Which setting doubles the charge and keeps both promises?",
    hint="Change one control at a time. What does each save, and which promise does it break?",
    precision=Choice(BITS, label="Weights"),
    clock=Choice(CLOCKS, label="Clock"),
    rest=Choice(RESTING, label="Between answers"),
)
def battery_drain(precision: str, clock: int, rest: str) -> Scene:
    """Charge over time under one fixed setting, against the careless device and the goal."""
    run, before = _hour(precision, clock, rest), _hour("q8_0", TOP, "idle")
    goal = TIMES_AS_LONG * before.hours
    promises = {
        "in time": (run.in_time, IN_TIME),
        "hard queries in 8 bits": (run.hard_served, HARD_SERVED),
    }
    broken = [name for name, (share, least) in promises.items() if share < least]
    verdict = f"Broken: {' and '.join(broken)}." if broken else "Both promises hold."
    reached = "reaches" if run.hours >= goal else "misses"
    readout = (
        f"{CELL.energy_Wh:.1f} Wh at {run.mean_W:.2f} W last {run.hours:.1f} h, which {reached} the goal: "
        f"{goal:.1f} h need {CELL.energy_Wh / goal:.2f} W. {verdict}"
    )
    role = "error" if broken else "memory"
    marks: list[Mark] = [
        Line(x=[0, before.hours], y=[100, 0], role="idle", width=1.5, term="8 bits, top clock, always awake"),
        Line(x=[0, goal], y=[100, 0], role="activations", width=1.5, ghost=True, term="the goal: twice that"),
        Line(x=[0, run.hours], y=[100, 0], role=role, term="charge: energy left / energy full"),
        Text(x=before.hours, y=-8, text=f"careless {before.hours:.1f} h", anchor="middle"),
        Text(x=goal, y=-8, text=f"goal {goal:.1f} h", anchor="middle", role="activations"),
        Text(x=run.hours + 0.2, y=7, text=f"{run.hours:.1f} h", role=role),
    ]
    for line, (name, (share, least)) in enumerate(promises.items()):
        text = f"{name}: {100 * share:.0f} %, promised {100 * least:.0f} %"
        kept = "error" if share < least else "activations"
        marks.append(Text(x=LAST_H - 0.2, y=98 - 9 * line, text=text, anchor="end", role=kept))
    rows = [
        (f"{bits}, {word}", f"{r.hours:.1f} h", f"{100 * r.in_time:.0f} %", f"{100 * r.hard_served:.0f} %")
        for bits, p in BITS.items()
        for word, s in RESTING.items()
        for r in [_hour(p, clock, s)]
    ]
    return Scene(
        title="No fixed setting doubles the charge and keeps both promises",
        x=Axis(label="Time", unit="h", lo=0, hi=LAST_H),
        y=Axis(label="Charge", unit="%", lo=-14, hi=105),
        marks=marks,
        readout=readout,
        alt=f"Charge of a handheld over time under one fixed setting. {readout}",
        table=[("at this clock", "lasts", "in time", "hard in 8 bits"), *rows],
    )


PROMPT, ANSWER, WINDOW_S, HIGHEST_W = 100, 40, 60.0, 6.0
ROLES = {"prefill": "compute", "decode": "weights", "idle": "idle", "sleep": "activations", "wake": "error"}


@cache
def _minute(pause: float) -> Trace:
    """The same query again and again; `pause` after the slowest answer, until a minute is full."""
    slowest, _ = answer_cost(PROMPT, ANSWER, "q8_0", 0)
    period = slowest + HANDHELD.wake_s + pause
    times = [n * period for n in range(int(WINDOW_S / period) + 1)]
    queries = tuple(Query(t, PROMPT, ANSWER, 0.5, period, period, False) for t in times)
    return Trace(queries, times[-1] + period)


@cache
def _repeated(pause: float, precision: str, clock: int, rest: str) -> Run:
    return simulate(_minute(pause), _always(Decision(precision, clock, rest)))


@explorable(
    "power-states",
    label="What does the device do with a minute?",
    hint="Sleep through a pause of 1 s, then of 16 s. Then raise the clock: who gets the joules?",
    precision=Choice(BITS, label="Weights"),
    clock=Choice(CLOCKS, label="Clock"),
    rest=Choice(RESTING, label="Between answers"),
    pause=Slider(1, 32, log2=True, default=1, unit="s", label="Pause after the slowest answer"),
)
def power_states(precision: str, clock: int, rest: str, pause: float) -> Scene:
    """Power over a minute in which the same question comes again and again."""
    run, before = _repeated(pause, precision, clock, rest), simulate(_minute(pause), careless)
    marks: list[Mark] = []
    for start, phase in run.segments:
        end, watts = min(start + phase.seconds, WINDOW_S), phase.joules / phase.seconds
        if start < end:
            term = f"{phase.state}: {si(phase.seconds, 's')} at {si(watts, 'W')}"
            role = ROLES[phase.state]
            marks.append(Area(x=[start, end], y0=[0, 0], y1=[watts, watts], role=role, term=term))
    outline = [
        (min(time, WINDOW_S), phase.joules / phase.seconds)
        for start, phase in before.segments
        if start < WINDOW_S
        for time in (start, start + phase.seconds)
    ]
    marks.append(Line(x=[t for t, _ in outline], y=[w for _, w in outline], role="ink", width=1, ghost=True))
    marks += [
        Text(x=1 + 11 * i, y=HIGHEST_W - 0.4, text=state, role=ROLES[state]) for i, state in enumerate(STATES)
    ]
    count = len(run.trace.queries)
    swapped = _repeated(pause, precision, clock, "idle" if rest == "sleep" else "sleep")
    spent, other, instead = (r.joules / count for r in (run, before, swapped))
    word = "awake" if rest == "sleep" else "asleep"
    readout = (
        f"{significant(spent)} J per question; {significant(other)} J with 8 bits at the top clock, always "
        f"awake (dashed). With pauses spent {word} it would be {significant(instead)} J."
    )
    per_query = {state: phase.joules / count for state, phase in run.by_state().items()}
    return Scene(
        title="Sleep draws few watts, and a short sleep costs more joules than it saves",
        x=Axis(label="Time", unit="s", lo=0, hi=WINDOW_S),
        y=Axis(label="Power", unit="W", lo=0, hi=HIGHEST_W),
        marks=marks,
        readout=readout,
        alt=f"Power of a handheld over a minute of questions. {readout}",
        table=[
            ("state", "joules per question", "share"),
            *((s, f"{j:.1f} J", f"{100 * j / spent:.0f} %") for s, j in per_query.items()),
        ],
    )
