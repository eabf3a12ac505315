"""A charge under a promise, and a minute of a handheld: which watts for how long?

`battery-drain` takes the printed watts of the chapter's fifth exercise; `power-states` is the model device of
`edgelib.planning.handheld`, whose assumed figures are named there.
"""

from __future__ import annotations

from functools import cache

from edgelib.explore import Choice, Slider, explorable
from edgelib.explore.scene import Area, Axis, Line, Mark, Scene, Text
from edgelib.hardware.battery import Battery, mean_power_W
from edgelib.planning.battery_policy import Decision, Policy, Query, Run, Trace, careless, simulate
from edgelib.planning.handheld import HANDHELD, answer_cost
from edgelib.units import si, significant

LOW_W, HIGH_W = 1.5, 3.0
BATTERIES = {
    "3,000 mAh x 3.7 V": (3000, 3.7),
    "5,000 mAh x 3.85 V": (5000, 3.85),
    "2,000 mAh x 3.7 V": (2000, 3.7),
}
LAST_H = 12.0


@explorable(
    "battery-drain",
    label="Does the chapter's mix last twice as long?",
    hint="Find the minutes at 1.5 W that reach the goal. Then switch a screen on.",
    cell=Choice(BATTERIES, label="Battery"),
    low=Slider(0, 60, step=5, default=40, unit="min of an hour", label="Time at 1.5 W, the rest at 3 W"),
    duty=Slider(20, 100, step=20, default=100, unit="%", label="Share of the time that is inference"),
    other=Slider(0, 2, step=0.25, default=0, unit="W", label="Screen and system, always"),
)
def battery_drain(cell: tuple[float, float], low: float, duty: float, other: float) -> Scene:
    """Charge over time for a mix of 1.5 W and 3 W, against always 3 W and the goal of twice as long."""
    battery = Battery(*cell)
    once = float(battery.hours(HIGH_W))
    share, busy = low / 60, duty / 100
    mean = float(
        mean_power_W([(LOW_W + other, busy * share), (HIGH_W + other, busy * (1 - share)), (other, 1 - busy)])
    )
    lasts = float(battery.hours(mean))
    left = max(0.0, 100 * (1 - LAST_H / lasts))
    verdict = "short of the goal" if lasts < 2 * once - 1e-9 else "which reaches the goal"
    readout = (
        f"{battery.energy_Wh:.2f} Wh at {mean:.2f} W on average last {lasts:.2f} h. "
        f"Always {HIGH_W:g} W: {once:.2f} h; twice that is {2 * once:.2f} h: {lasts / once:.2f} times as long, {verdict}."
    )
    at = min(lasts, LAST_H)
    marks: list[Mark] = [
        Line(x=[0, once], y=[100, 0], role="idle", width=1.5, term=f"always {HIGH_W:g} W, nothing else on"),
        Line(
            x=[0, 2 * once],
            y=[100, 0],
            role="activations",
            width=1.5,
            ghost=True,
            term="the goal: twice as long",
        ),
        Line(x=[0, at], y=[100, left], role="memory", term="charge: energy left / energy full"),
        Text(x=once, y=-6, text=f"3 W: {once:.1f} h", anchor="middle", role="ink"),
        Text(
            x=min(2 * once, LAST_H), y=-6, text=f"goal: {2 * once:.1f} h", anchor="middle", role="activations"
        ),
        Text(x=min(at, LAST_H - 2) + 0.15, y=left + 8, text=f"{lasts:.2f} h", role="memory"),
    ]
    return Scene(
        title="Two thirds of the time at 1.5 W is not yet 1.5 W",
        x=Axis(label="Time", unit="h", lo=0, hi=LAST_H),
        y=Axis(label="Charge", unit="%", lo=-12, hi=105),
        marks=marks,
        readout=readout,
        alt=f"Charge over time for a mix of two powers. {readout}",
        table=[
            ("at 1.5 W", "mean power", "lasts", "times"),
            *(
                (f"{m} min", f"{p:.2f} W", f"{battery.hours(p):.2f} h", f"{battery.hours(p) / once:.2f}")
                for m in (0, 20, 40, 60)
                for p in [busy * (HIGH_W - (HIGH_W - LOW_W) * m / 60) + other]
            ),
        ],
    )


PROMPT, ANSWER, WINDOW_S = 100, 40, 60.0
CLOCKS = {f"{f / 1e9:g} GHz": i for i, f in enumerate(HANDHELD.curve.freq_Hz)}
STATE_ROLES = {
    "prefill": "compute", "decode": "weights", "idle": "idle", "sleep": "activations", "wake": "error",
}  # fmt: skip


@cache
def _minute(pause: float) -> Trace:
    """The same query again and again; `pause` after the slowest answer, until a minute is full."""
    slowest, _ = answer_cost(PROMPT, ANSWER, "q8_0", 0)
    period = slowest + HANDHELD.wake_s + pause
    times = [n * period for n in range(int(WINDOW_S / period) + 1)]
    queries = tuple(Query(t, PROMPT, ANSWER, 0.5, period, period, False) for t in times)
    return Trace(queries, times[-1] + period)


def _always(decision: Decision) -> Policy:
    return lambda *, query, state: decision


@cache
def _run(pause: float, precision: str, clock: int, rest: str) -> Run:
    return simulate(_minute(pause), _always(Decision(precision, clock, rest)))


@explorable(
    "power-states",
    label="What does the device do with a minute?",
    hint="Sleep through a pause of 1 s, then of 16 s. Then raise the clock: who gets the joules?",
    precision=Choice({"4 bits": "q4_0", "8 bits": "q8_0"}, label="Weights"),
    clock=Choice(CLOCKS, label="Clock"),
    rest=Choice({"sleep": "sleep", "stay awake": "idle"}, label="Between answers"),
    pause=Slider(1, 32, log2=True, default=1, unit="s", label="Pause after the slowest answer"),
)
def power_states(precision: str, clock: int, rest: str, pause: float) -> Scene:
    """Power over a minute in which the same question comes again and again."""
    run, before = _run(pause, precision, clock, rest), simulate(_minute(pause), careless)
    marks: list[Mark] = []
    for start, phase in run.segments:
        end = min(start + phase.seconds, WINDOW_S)
        if start < end:
            marks.append(
                Area(
                    x=[start, end],
                    y0=[0, 0],
                    y1=[phase.watts, phase.watts],
                    role=STATE_ROLES[phase.state],
                    term=f"{phase.state}: {si(phase.seconds, 's')} at {si(phase.watts, 'W')}",
                )
            )
    outline = [
        (time, phase.watts)
        for start, phase in before.segments
        for time in (start, start + phase.seconds)
        if time <= WINDOW_S
    ]
    marks.append(Line(x=[t for t, _ in outline], y=[w for _, w in outline], role="ink", width=1, ghost=True))
    marks += [
        Text(x=1 + 11 * i, y=7.35, text=state, role=role)
        for i, (state, role) in enumerate(STATE_ROLES.items())
    ]
    count = len(run.trace.queries)
    per_query = {state: joules / count for state, joules in run.joules.items()}
    spent, other = (sum(r.joules.values()) / count for r in (run, before))
    swapped = _run(pause, precision, clock, "idle" if rest == "sleep" else "sleep")
    instead = sum(swapped.joules.values()) / count
    word = "awake" if rest == "sleep" else "asleep"
    readout = (
        f"{significant(spent)} J per question, {significant(other)} J for 8 bits at the top clock, always awake "
        f"(dashed): a charge lasts {other / spent:.2f} times as long. "
        f"With pauses spent {word} it would be {significant(instead)} J."
    )
    return Scene(
        title="Sleep draws few watts, and a short sleep costs more joules than it saves",
        x=Axis(label="Time", unit="s", lo=0, hi=WINDOW_S),
        y=Axis(label="Power", unit="W", lo=0, hi=7.8),
        marks=marks,
        readout=readout,
        alt=f"Power of a handheld over a minute of questions. {readout}",
        table=[
            ("state", "joules per question", "share"),
            *((s, f"{j:.1f} J", f"{100 * j / spent:.0f} %") for s, j in per_query.items()),
        ],
    )
