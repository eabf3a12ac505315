"""What does a policy make of a charge? A user's queries, and a loop in which a policy decides on each.

The loop is the same for graders, figures and learners. It asks the policy once for each query, in order of
time, and tells it the query (`Query.told`) and the state of the device: neither whether the query is hard nor
what comes later, but for a prediction. After the answer the device rests as the policy said until the next
query arrives. A device that sleeps has to wake up first, and a query waits while the one before is answered.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from statistics import NormalDist
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from edgelib.errors import choice, fraction, integer, scalar
from edgelib.hardware.battery import Battery
from edgelib.planning.handheld import HANDHELD, PRECISIONS, Handheld, Phase, answer_cost

CELL = Battery(3000, 3.7)  # as in the chapter's fifth exercise
RESTS = ("idle", "sleep")
STATES = ("prefill", "decode", "idle", "sleep", "wake")
IN_TIME, HARD_SERVED, TIMES_AS_LONG = 0.95, 0.9, 2.0  # what is promised, and the goal

Told = dict[str, Any]
Policy = Callable[..., Any]  # policy(query=, state=), both of plain data


class Query(NamedTuple):
    """A question of the user. Tokens, seconds; `hard` is what no policy is told.

    signal : 0 to 1, a guess at how hard it is, from the words of the prompt.
    deadline_s : from its arrival to the last token of its answer.
    next_query_s : predicted, from its arrival to that of the next query.
    """

    time_s: float
    prompt: int
    answer: int
    signal: float
    deadline_s: float
    next_query_s: float
    hard: bool

    def told(self) -> Told:
        """What a policy gets to know of it."""
        shown = ("prompt", "answer", "signal", "deadline_s", "next_query_s")
        return {name: getattr(self, name) for name in shown}


@dataclass(frozen=True)
class Trace:
    """Queries in order of time, and when the observation ends."""

    queries: tuple[Query, ...]
    end_s: float


@dataclass(frozen=True)
class Decision:
    """What a policy chooses for a query: weights, clock, and how to rest after it."""

    precision: str
    clock: int
    rest: str


class Answered(NamedTuple):
    """A query and what was chosen for it.

    wait_s : seconds from its arrival to its last token.   woke : whether the device had to wake up for it.
    """

    query: Query
    decision: Decision
    wait_s: float
    woke: bool

    @property
    def in_time(self) -> bool:
        """Whether the last token came before the deadline."""
        return self.wait_s <= self.query.deadline_s


@dataclass(frozen=True)
class Run:
    """What a policy made of a trace: every answer, and every stretch of time with its joules."""

    trace: Trace
    answered: tuple[Answered, ...]
    segments: tuple[tuple[float, Phase], ...]  # start, phase

    @cached_property
    def joules(self) -> float:
        """All that left the battery."""
        return sum(phase.joules for _, phase in self.segments)

    @property
    def mean_W(self) -> float:
        """Joules over the length of the trace, or over what it took if that is longer."""
        start, last = self.segments[-1]
        return self.joules / (start + last.seconds)

    @property
    def hours(self) -> float:
        """How long a charge lasts if all hours are like this one."""
        return float(CELL.hours(self.mean_W))

    @cached_property
    def late(self) -> tuple[Answered, ...]:
        """What was not answered in time."""
        return tuple(a for a in self.answered if not a.in_time)

    @property
    def in_time(self) -> float:
        """Share of the queries that were answered in time."""
        return (len(self.answered) - len(self.late)) / len(self.answered)

    @cached_property
    def hard_served(self) -> float:
        """Share of the hard queries that were answered in q8_0; 1 if there are none."""
        hard = [a.decision.precision == "q8_0" for a in self.answered if a.query.hard]
        return sum(hard) / len(hard) if hard else 1.0

    def by_state(self) -> dict[str, Phase]:
        """The stretches of each state, added up."""
        total = dict.fromkeys(STATES, (0.0, 0.0, 0.0, 0.0))
        for _, phase in self.segments:
            a, b = total[phase.state], phase[1:]
            total[phase.state] = (a[0] + b[0], a[1] + b[1], a[2] + b[2], a[3] + b[3])
        return {state: Phase(state, *sums) for state, sums in total.items()}

    def __str__(self) -> str:
        """Where the time and the joules went, as a table."""
        lines = ["            time      cores     memory       rest        sum"]
        for state, phase in self.by_state().items():
            parts = (phase.cores_J, phase.memory_J, phase.system_J, phase.joules)
            lines.append(
                f"{state:<8}{phase.seconds:6.0f} s" + "".join(f"{joules:9.0f} J" for joules in parts)
            )
        lines.append(f"{self.mean_W:.2f} W on average, a charge lasts {self.hours:.2f} h")
        lines.append(f"in time {100 * self.in_time:.0f} %, hard ones in q8_0 {100 * self.hard_served:.0f} %")
        return "\n".join(lines)


def careless(query: Told, state: Told) -> Decision:
    """A device that does not care: eight bits, the top clock, always awake."""
    return Decision("q8_0", HANDHELD.clocks - 1, "idle")


def simulate(trace: Trace, policy: Policy, device: Handheld = HANDHELD) -> Run:
    """Let a policy decide each query of a trace, in order.

    policy : called as policy(query=..., state=...) with new dicts. The state has "asleep" (bool), "queued_s"
        (how long the query has waited for the one before) and "time_s" (since the first query arrived).
        It returns a `Decision`, or a dict of its three fields.

    Raises
    ------
    ValueError : the policy returned something else; the message says what and for which query.
    """
    answered: list[Answered] = []
    segments: list[tuple[float, Phase]] = []
    now, asleep = 0.0, False
    ends = [query.time_s for query in trace.queries[1:]] + [trace.end_s]
    for query, until in zip(trace.queries, ends, strict=True):
        now = max(now, query.time_s)
        state = {"asleep": asleep, "queued_s": now - query.time_s, "time_s": now}
        decision = decision_of(policy(query=query.told(), state=state), device)
        for phase in _work(query, decision, asleep, device):
            segments.append((now, phase))
            now += phase.seconds
        answered.append(Answered(query, decision, now - query.time_s, asleep))
        asleep = decision.rest == "sleep" and now < until  # who is being asked does not fall asleep
        if now < until:
            segments.append((now, device.sleep(until - now) if asleep else device.idle(until - now)))
            now = until
    return Run(trace, tuple(answered), tuple(segments))


def _work(query: Query, decision: Decision, asleep: bool, device: Handheld) -> Iterator[Phase]:
    if asleep:
        yield device.wake()
    yield from device.phases(query.prompt, query.answer, decision.precision, decision.clock)


def decision_of(said: Any, device: Handheld = HANDHELD) -> Decision:
    """A `Decision`, or a dict of its three fields, as a decision; ValueError says what is wrong with it."""
    if isinstance(said, Decision):
        said = vars(said)
    if not isinstance(said, dict) or said.keys() != {"precision", "clock", "rest"}:
        raise ValueError('expected a dict such as {"precision": "q4_0", "clock": 0, "rest": "sleep"}')
    precision, clock, rest = said["precision"], said["clock"], said["rest"]
    choice("precision", precision, PRECISIONS)
    if type(clock) is not int or not 0 <= clock < device.clocks:
        raise ValueError(f"clock = {clock!r}: expected a whole number from 0 to {device.clocks - 1}")
    return Decision(precision, clock, choice("rest", rest, RESTS))


# ------------------------------------------------------------------ traces

# Tokens of prompt and answer; all of the user is assumed.
KINDS = {
    "follow-up": ((10, 30), (10, 20)),
    "question": ((30, 120), (35, 60)),
    "document": ((700, 1000), (25, 50)),
}
DOCUMENTS = 0.12  # share of the queries
SIGNAL_EASY, SIGNAL_HARD = (0.25, 0.1), (0.65, 0.11)  # mean and deviation
PATIENCE = (1.1, 1.3)  # times the seconds of the answer in q8_0 at the top clock
URGENT_S = 0.3  # beyond q8_0 at the lowest clock: a follow-up allows any clock, and no waking up
CHAT_PAUSE_S, PAUSE_S = (0.3, 2.0), (6.0, 60.0)
PREDICTED = (0.7, 1.4)  # times the pause


def query_trace(seed: int, queries: int = 100, hard: float = 0.22, chat: float = 0.28) -> Trace:
    """Queries as a user might ask them; the same for the same arguments.

    queries : how many.   hard : share of hard ones.   chat : share of follow-ups.
    Shares are exact, up to rounding by kind; lengths, signals and pauses spread evenly over their ranges, so
    that traces differ in order more than in kind.
    """
    seed, queries = integer("seed", seed), integer("queries", queries, at_least=1)
    hard, chat = scalar("hard", fraction("hard", hard)), scalar("chat", fraction("chat", chat))
    if chat + DOCUMENTS > 1:
        raise ValueError(f"chat = {chat!r}: expected at most {1 - DOCUMENTS:g}, as the rest are documents")
    rng = np.random.default_rng(seed)
    kinds = _kinds(rng, queries, chat)
    prompt, answer, is_hard = np.empty(queries, int), np.empty(queries, int), np.zeros(queries, bool)
    for kind, (prompts, answers) in KINDS.items():
        here = np.flatnonzero([kind == k for k in kinds])
        prompt[here], answer[here] = (_spread(rng, len(here), *lengths) for lengths in (prompts, answers))
        is_hard[rng.permutation(here)[: round(hard * len(here))]] = True
    signal, pause = np.zeros(queries), np.zeros(queries)
    for which, (mean, deviation) in ((is_hard, SIGNAL_HARD), (~is_hard, SIGNAL_EASY)):
        normal = NormalDist(mean, deviation)
        signal[which] = [normal.inv_cdf(place) for place in _spread(rng, int(which.sum()))]
    before_chat = np.array([kind == "follow-up" for kind in [*kinds[1:], kinds[0]]])
    pause[before_chat] = _spread(rng, int(before_chat.sum()), *CHAT_PAUSE_S)
    pause[~before_chat] = _geometric(rng, int((~before_chat).sum()), *PAUSE_S)
    patience, predicted = _spread(rng, queries, *PATIENCE), _spread(rng, queries, *PREDICTED)
    made: list[Query] = []
    now = 0.0
    for n, kind in enumerate(kinds):
        tokens, clear = (int(prompt[n]), int(answer[n])), min(max(round(float(signal[n]), 3), 0.0), 1.0)
        if kind == "follow-up":
            deadline = answer_cost(*tokens, "q8_0", 0)[0] + URGENT_S
        else:
            top = answer_cost(*tokens, "q8_0", HANDHELD.clocks - 1)[0]
            deadline = HANDHELD.wake_s + top * float(patience[n])
        after = float(pause[n])
        next_s = deadline + after * float(predicted[n])
        made.append(Query(now, *tokens, clear, deadline, next_s, bool(is_hard[n])))
        now += deadline + after
    return Trace(tuple(made), now)


def _kinds(rng: np.random.Generator, queries: int, chat: float) -> list[str]:
    """The kind of each query, in an order of chance; the first is no follow-up where that can be."""
    follow_ups, documents = round(chat * queries), round(DOCUMENTS * queries)
    kinds = ["follow-up"] * follow_ups + ["document"] * documents
    kinds += ["question"] * (queries - len(kinds))
    mixed = [kinds[place] for place in rng.permutation(queries)]
    first = next((n for n, kind in enumerate(mixed) if kind != "follow-up"), 0)
    return mixed[first:] + mixed[:first]


def _spread(rng: np.random.Generator, count: int, low: float = 0.0, high: float = 1.0) -> NDArray[np.float64]:
    """Numbers between `low` and `high`, one in each of `count` equal parts, in an order of chance."""
    return rng.permutation(low + (high - low) * (np.arange(count) + rng.uniform(0.02, 0.98, count)) / count)


def _geometric(rng: np.random.Generator, count: int, low: float, high: float) -> NDArray[np.float64]:
    """The same, evenly spread in their logarithm."""
    return np.asarray(low * (high / low) ** _spread(rng, count))
