"""Exercise 5: how long does a charge last, what would double it, and can a policy do so?

Energy is power times time. At a saturated memory the power of a device hardly depends on the width of the
weights, and the time does: compare joules per answer. The library's simulator drives the policy of part d.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from edgelib.grading.spec import Arguments, Exercise, Function, Mutant, Open, Policy
from edgelib.hardware.battery import Battery, mean_power_W
from edgelib.hardware.power import break_even_s
from edgelib.planning.handheld import HANDHELD, answer_cost

SECONDS_PER_HOUR = 3600
Decision = dict[str, Any]


def _three_digits(value: float) -> float:
    return float(f"{value:.2e}")


# ---------------------------------------------------------------- a: hours of use


def hours(capacity_mAh: float, volts: float, efficiency: float, inference_W: float, other_W: float) -> float:
    return float(Battery(capacity_mAh, volts, efficiency).hours(inference_W + other_W))


def draw_batteries(rng: np.random.Generator) -> list[Arguments]:
    """Five devices; everything that a mutant forgets is at least a tenth of the result."""
    return [
        {
            "capacity_mAh": _three_digits(rng.uniform(2000, 6000)),
            "volts": _three_digits(rng.uniform(3.6, 3.9)),
            "efficiency": _three_digits(rng.uniform(0.75, 0.9)),
            "inference_W": _three_digits(rng.uniform(1.5, 6)),
            "other_W": _three_digits(rng.uniform(0.4, 1.4)),
        }
        for _ in range(5)
    ]


PART_A = Function(
    name="a",
    answer="hours",
    unit="h",
    returns="one number, hours",
    reference=hours,
    public=(
        {"capacity_mAh": 3000, "volts": 3.7, "efficiency": 1.0, "inference_W": 3.0, "other_W": 0.0},
        {"capacity_mAh": 5000, "volts": 3.85, "efficiency": 0.85, "inference_W": 3.0, "other_W": 1.0},
        {"capacity_mAh": 4000, "volts": 3.8, "efficiency": 0.8, "inference_W": 1.5, "other_W": 0.5},
    ),
    instances=draw_batteries,
    mutants=(
        Mutant(
            "mAh as mWh",
            lambda **x: hours(**{**x, "volts": 1.0}),
            "This takes mAh for mWh: a charge (ampere times time) becomes an energy only with the voltage.",
        ),
        Mutant(
            "mAh as Ah",
            lambda **x: 1000 * hours(**x),
            "This is 1,000 times the hours: the m of mAh is a thousandth.",
        ),
        Mutant(
            "seconds",
            lambda **x: SECONDS_PER_HOUR * hours(**x),
            "These are seconds; hours are asked for. mAh times volts has the hours in it already.",
        ),
        Mutant(
            "no losses",
            lambda **x: hours(**{**x, "efficiency": 1.0}),
            "This is what you get without losses: only the share `efficiency` of the energy arrives.",
        ),
        Mutant(
            "losses the wrong way up",
            lambda **x: hours(**x) / x["efficiency"] ** 2,
            "This divides the energy by the efficiency: losses then make a charge last longer.",
        ),
        Mutant(
            "nothing but inference",
            lambda **x: hours(**{**x, "other_W": 0.0}),
            "This leaves out `other_W`: screen and system are on the same battery.",
        ),
        Mutant(
            "losses of the inference only",
            lambda **x: Battery(x["capacity_mAh"], x["volts"]).hours(
                x["inference_W"] / x["efficiency"] + x["other_W"]
            ),
            "This converts the power of the inference with losses and the rest without. "
            "All of it comes through the converter.",
        ),
        Mutant(
            "mean of the powers",
            lambda **x: 2 * hours(**x),
            "This divides by the mean of the two powers. Both are drawn at the same time, so they add up.",
        ),
    ),
    hints=(
        "Which of these is an energy: mAh, V, W? None is. Which products are?",
        "mAh times V is mWh. A device gets a share of that, and uses it up at a power in W.",
        "hours = capacity_mAh / 1000 * volts * efficiency / (inference_W + other_W)",
    ),
)

# ---------------------------------------------------------------- b: what does "twice" take?


def promise(energy_Wh: float, power_W: float, low_W: float, low_share: float) -> tuple[float, float, float]:
    mixed = mean_power_W([(low_W, low_share), (power_W, 1 - low_share)])
    return power_W / 2, power_W / 3, energy_Wh / mixed


def _promise(**x: float) -> dict[str, float]:
    twice, longer, mix = promise(**x)
    return {"twice": twice, "longer": longer, "mix": mix, "once": x["energy_Wh"] / x["power_W"]}


def _but(change: Callable[[dict[str, float], Arguments], dict[str, float]]) -> Callable[..., Any]:
    """`promise` with some of its three results replaced."""

    def answer(**x: float) -> tuple[float, float, float]:
        right = _promise(**x)
        wrong = {**right, **change(right, x)}
        return wrong["twice"], wrong["longer"], wrong["mix"]

    return answer


def draw_promises(rng: np.random.Generator) -> list[Arguments]:
    """Five mixes; no share is near a half, and no battery lasts near one hour."""
    drawn = []
    for number in range(5):
        power = rng.uniform(2, 8)
        drawn.append(
            {
                "energy_Wh": _three_digits(power * rng.uniform(1.5, 8)),
                "power_W": _three_digits(power),
                "low_W": _three_digits(power * rng.uniform(0.2, 0.7)),
                "low_share": round(float(rng.uniform(0.2, 0.4) if number % 2 else rng.uniform(0.6, 0.8)), 2),
            }
        )
    return drawn


PART_B = Function(
    name="b",
    answer="promise",
    unit="",
    returns="three numbers: watts, watts, and hours",
    reference=promise,
    public=(
        {"energy_Wh": 11.1, "power_W": 3.0, "low_W": 1.5, "low_share": 0.6667},
        {"energy_Wh": 19.0, "power_W": 4.0, "low_W": 1.0, "low_share": 0.3},
    ),
    instances=draw_promises,
    mutants=(
        Mutant(
            "the goal taken for the mix",
            _but(lambda r, x: {"mix": 2 * r["once"]}),
            "The hours are twice the original ones: that is the goal, not what the mix reaches. "
            "Compute its mean power first.",
        ),
        Mutant(
            "hours averaged",
            _but(
                lambda r, x: {
                    "mix": x["low_share"] * x["energy_Wh"] / x["low_W"] + (1 - x["low_share"]) * r["once"]
                }
            ),
            "The hours are a mean of hours. Over time powers average; hours are one over a power.",
        ),
        Mutant(
            "half and half",
            _but(lambda r, x: {"mix": 2 * x["energy_Wh"] / (x["low_W"] + x["power_W"])}),
            "The hours weigh both powers alike: each counts with its share of time.",
        ),
        Mutant(
            "shares exchanged",
            lambda **x: promise(**{**x, "low_share": 1 - x["low_share"]}),
            "The shares are exchanged: `low_share` is the share of the time at `low_W`.",
        ),
        Mutant(
            "nothing in between",
            _but(lambda r, x: {"mix": x["energy_Wh"] / (x["low_W"] * x["low_share"])}),
            "The hours leave out the rest of the time: it is spent at `power_W`.",
        ),
        Mutant(
            "two readings alike",
            _but(lambda r, x: {"longer": r["twice"]}),
            "The second power is for the literal reading: adding twice the length gives more than twice.",
        ),
        Mutant(
            "readings exchanged",
            _but(lambda r, x: {"twice": r["longer"], "longer": r["twice"]}),
            "The two powers are exchanged: the one that lasts longer needs less power.",
        ),
        Mutant(
            "two hours more",
            _but(lambda r, x: {"longer": x["energy_Wh"] / (r["once"] + 2)}),
            "The second power adds 2 hours. The 2 is a factor: twice the original time is added.",
        ),
    ),
    hints=(
        "Write down three lengths in hours before any power: the original one, twice that, "
        "and the original one extended by twice itself.",
        "A power is an energy over hours. In the mean of a mix, each power counts with its share of time.",
        "The powers are power_W / 2 and power_W / 3. "
        "The hours are energy_Wh / (low_share * low_W + (1 - low_share) * power_W).",
    ),
)

# ---------------------------------------------------------------- c: joules per answer


def per_charge(
    tokens: float, parameters: float, weight_bits: float, bandwidth: float, power_W: float, battery_Wh: float
) -> tuple[float, float]:
    seconds = tokens * parameters * weight_bits / 8 / bandwidth
    joules = power_W * seconds
    return joules, battery_Wh * SECONDS_PER_HOUR / joules


def _scaled(factor: Callable[[Arguments], float]) -> Callable[..., tuple[float, float]]:
    """`per_charge` with `factor` times the joules."""

    def answer(**x: float) -> tuple[float, float]:
        joules, answers = per_charge(**x)
        return joules * factor(x), answers / factor(x)

    return answer


def draw_answers(rng: np.random.Generator) -> list[Arguments]:
    """Five devices, no width twice."""
    return [
        {
            "tokens": int(rng.integers(50, 500)),
            "parameters": _three_digits(rng.uniform(0.5e9, 8e9)),
            "weight_bits": float(bits),
            "bandwidth": _three_digits(rng.uniform(15e9, 80e9)),
            "power_W": _three_digits(rng.uniform(2, 9)),
            "battery_Wh": _three_digits(rng.uniform(8, 30)),
        }
        for bits in rng.permutation([3, 4, 4.5, 5, 6, 8.5, 16])[:5]
    ]


PART_C = Function(
    name="c",
    answer="per_charge",
    unit="J, and answers",
    returns="two numbers, joules per answer and answers per charge",
    reference=per_charge,
    public=(
        {
            "tokens": 200,
            "parameters": 1.2e9,
            "weight_bits": 8.5,
            "bandwidth": 20e9,
            "power_W": 3.0,
            "battery_Wh": 11.1,
        },
        {
            "tokens": 200,
            "parameters": 1.2e9,
            "weight_bits": 4.5,
            "bandwidth": 20e9,
            "power_W": 3.0,
            "battery_Wh": 11.1,
        },
        {
            "tokens": 120,
            "parameters": 7e9,
            "weight_bits": 4,
            "bandwidth": 51.2e9,
            "power_W": 6.0,
            "battery_Wh": 19.0,
        },
    ),
    instances=draw_answers,
    mutants=(
        Mutant(
            "watts for joules",
            lambda **x: (x["power_W"], x["battery_Wh"] / x["power_W"]),
            "These are watts and hours. How many joules an answer takes depends on how long it takes.",
        ),
        Mutant(
            "saved twice",
            _scaled(lambda x: x["weight_bits"] / 8),
            "This lowers the watts with the bits and the seconds as well, so that the same bytes are saved "
            "twice. At a saturated memory the watts stay.",
        ),
        Mutant(
            "always one byte",
            _scaled(lambda x: 8 / x["weight_bits"]),
            "This is what you get with one byte for every weight: narrower weights are read in less time.",
        ),
        Mutant(
            "bits as bytes",
            _scaled(lambda x: 8),
            "This is what you get with bits where bytes are meant: bandwidth counts bytes.",
        ),
        Mutant(
            "one token",
            _scaled(lambda x: 1 / x["tokens"]),
            "This is one token; an answer has `tokens` of them, and each reads all weights.",
        ),
        Mutant(
            "Wh as J",
            lambda **x: (per_charge(**x)[0], per_charge(**x)[1] / SECONDS_PER_HOUR),
            "The joules are right. The charge is in Wh, and an hour has 3,600 seconds.",
        ),
        Mutant(
            "share of a charge",
            lambda **x: (per_charge(**x)[0], 1 / per_charge(**x)[1]),
            "The joules are right. The second number is the share of a charge that an answer takes, "
            "the wrong way up.",
        ),
    ),
    hints=(
        "How long does one answer take? Each of its tokens reads all weights at the given bandwidth.",
        "Joules are watts times seconds. The watts are given and do not depend on the bits here.",
        "Seconds are tokens * parameters * weight_bits / 8 / bandwidth; joules are power_W times these; "
        "a charge has battery_Wh * 3600 joules.",
    ),
)

# ---------------------------------------------------------------- d: a policy

HARD_FROM = 0.4  # of the signal
PAUSE_S = float(break_even_s(HANDHELD.idle_W, HANDHELD.asleep_W, HANDHELD.wake_J))
TOP = HANDHELD.clocks - 1
Choose = Callable[[Arguments, Arguments], str]


_priced = lru_cache(maxsize=1 << 14)(answer_cost)  # the policies below ask for the same answers


def _cost(query: Arguments, precision: str, clock: int) -> tuple[float, float]:
    return _priced(query["prompt"], query["answer"], precision, clock)


def _before(state: Arguments) -> float:
    return float(state["queued_s"] + HANDHELD.wake_s * state["asleep"])


def by_signal(query: Arguments, state: Arguments) -> str:
    return "q8_0" if query["signal"] >= HARD_FROM else "q4_0"


def thriftiest(query: Arguments, state: Arguments, precision: str) -> int:
    left = query["deadline_s"] - _before(state)
    best, least = TOP, float("inf")
    for clock in range(TOP):
        seconds, joules = _cost(query, precision, clock)
        if seconds <= left and joules - HANDHELD.asleep_W * seconds < least:
            best, least = clock, joules - HANDHELD.asleep_W * seconds
    return best


def by_pause(query: Arguments, state: Arguments, seconds: float) -> str:
    return "sleep" if query["next_query_s"] - _before(state) - seconds > PAUSE_S else "idle"


def policy_of(
    precision: Choose = by_signal,
    clock: Callable[..., int] = thriftiest,
    rest: Callable[..., str] = by_pause,
) -> Callable[..., Decision]:
    """A policy of three parts; a misconception replaces one."""

    def policy(query: Arguments, state: Arguments) -> Decision:
        chosen = precision(query, state)
        speed = clock(query, state, chosen)
        return {
            "precision": chosen,
            "clock": speed,
            "rest": rest(query, state, _cost(query, chosen, speed)[0]),
        }

    return policy


def timid(query: Arguments, state: Arguments) -> Decision:
    return {
        "precision": "q4_0" if query["signal"] < 0.05 else "q8_0",
        "clock": TOP if query["deadline_s"] < 60 else 0,
        "rest": "sleep" if query["next_query_s"] > 600 else "idle",
    }


def draw_traces(rng: np.random.Generator) -> list[Arguments]:
    """Three traces of 100 queries: 300 calls of a policy."""
    return [
        {
            "name": f"trace {number + 1}",
            "seed": int(rng.integers(2**53)),
            "queries": 100,
            "hard": float(rng.choice([0.2, 0.22, 0.24])),
            "chat": float(rng.choice([0.26, 0.28, 0.3])),
        }
        for number in range(3)
    ]


PART_D = Policy(
    name="d",
    answer="policy",
    unit="",
    returns='a dict such as {"precision": "q4_0", "clock": 0, "rest": "sleep"}',
    judge="policy.judge",
    reference=policy_of(),
    public=(
        {"name": "query_trace(1)", "seed": 1, "queries": 100, "hard": 0.22, "chat": 0.28},
        {"name": "query_trace(2)", "seed": 2, "queries": 100, "hard": 0.22, "chat": 0.28},
    ),
    instances=draw_traces,
    mutants=(
        Mutant(
            "always high precision",
            policy_of(precision=lambda query, state: "q8_0"),
            "Nearly every answer was in q8_0. Most queries are easy, and half the bytes are half the joules.",
            code="always-q8",
        ),
        Mutant(
            "always low precision",
            policy_of(precision=lambda query, state: "q4_0"),
            "Nearly every answer was in q4_0. That lasts longest, and breaks the promise to hard queries.",
            code="always-q4",
        ),
        Mutant(
            "always the top clock",
            policy_of(clock=lambda query, state, precision: TOP),
            "Nearly every answer was at the top clock. While cores wait for memory, voltage buys nothing.",
            code="always-top-clock",
        ),
        Mutant(
            "always the lowest clock",
            policy_of(clock=lambda query, state, precision: 0),
            "Nearly every answer was at the lowest clock, and too many were late. It draws the fewest watts; "
            "compute how long each clock takes before you choose.",
            code="always-lowest-clock",
        ),
        Mutant(
            "never sleeps",
            policy_of(rest=lambda query, state, seconds: "idle"),
            "It never slept. Look at where the energy went: most of the time nobody asks anything.",
            code="never-sleeps",
        ),
        Mutant(
            "always sleeps",
            policy_of(rest=lambda query, state, seconds: "sleep"),
            "It slept through short pauses too. Waking up costs joules, more than a short sleep saves, "
            "and seconds, which the next query does not have when it comes soon.",
            code="sleeps-always",
        ),
        Mutant(
            "waking takes no time",
            lambda query, state: policy_of()(query, {**state, "asleep": False}),
            "Most late answers had to wake the device first. Those seconds come before the answer: count "
            "them when you choose a clock, and sleep only where the next query can wait for them.",
            code="forgets-waking",
        ),
        Mutant(
            "long prompts are hard",
            policy_of(precision=lambda query, state: "q8_0" if query["prompt"] > 60 else "q4_0"),
            "Easy queries got q8_0 about as often as hard ones: whatever decided on the precision, "
            "it was not the difficulty. That is what `signal` is for.",
            code="ignores-difficulty",
        ),
        Mutant(
            "saves where nothing is at risk",
            timid,
            "It did nearly what the careless device does. Count how often each of your conditions holds: "
            "one that never does saves nothing.",
            code="changes-nothing",
        ),
    ),
    hints=(
        "Run the careless device first and look at where its joules go. "
        "Each of the three choices works on another part of them.",
        "`answer_cost` gives seconds and joules of every precision and clock, so you can try all of them. "
        "Which are in time, if waking up takes its 2 s first? Of those, which takes the fewest joules?",
        "Precision: q8_0 from a signal on that nearly all hard queries reach, see the table above. "
        "Clock: the thriftiest that is in time. Rest: sleep if the predicted pause after your answer is "
        "longer than break_even_s(idle_W, asleep_W, wake_J).",
    ),
)

# ---------------------------------------------------------------- e: prose

PART_E = Open(
    name="e",
    hints=(
        "Which figures of your answer would the user notice, and which would only an engineer?",
        "What did the policy give up? Look at the constraints: 95 % and 90 % are not 100 %.",
        "Name what the simulator leaves out or assumes: screen, radio, ageing, heat, the wake-up energy.",
    ),
)

EXERCISE = Exercise(
    "ex5", "Battery: how many hours, and twice as many", (PART_A, PART_B, PART_C, PART_D, PART_E)
)
