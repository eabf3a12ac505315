"""Exercise 4: which model, how stored, on which unit, so that a phone of 4 GB keeps every promise at once?

Part a counts bytes, part b bits of a pruned weight, part c the two bounds on time; part d is a design that a
judge measures on phones which differ a little; part e is prose.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from edgelib.grading.spec import Arguments, Exercise, Function, Mutant, Open, Plan
from edgelib.planning.plan import Plan as Design
from edgelib.planning.target import PHONE_FIGURES, WISH

GIB_PER_GB = 2**30 / 1e9


def _round(value: float, digits: int = 3) -> float:
    return float(f"{value:.{digits - 1}e}")


# ---------------------------------------------------------------- a: what the weights leave


def memory_left(
    parameters: float,
    weight_bits: int,
    group: int,
    memory: float,
    system: float,
    runtime: float,
    kv_bytes_per_token: int,
    context: int,
) -> float:
    stored = parameters * (weight_bits + 16 / group) / 8
    return memory - system - runtime - stored - kv_bytes_per_token * context


def draw_memories(rng: np.random.Generator) -> list[Arguments]:
    """Five models and devices: some fit, some do not, and none by less than a twentieth of the memory."""
    drawn = []
    for number, size in enumerate(rng.permutation([4, 6, 8, 12, 16])):
        x = {
            "weight_bits": int(rng.choice([3, 4, 5, 8])),
            "group": int(rng.choice([32, 64])),
            "memory": float(size * 2**30),
            "system": _round(rng.uniform(0.25, 0.4) * size * 2**30),
            "runtime": _round(rng.uniform(0.1e9, 0.5e9)),
            "kv_bytes_per_token": int(rng.choice([36864, 57344, 114688, 131072, 147456])),
            "context": int(rng.integers(2048, 4096)),
        }
        free = x["memory"] - x["system"] - x["runtime"] - x["kv_bytes_per_token"] * x["context"]
        share = rng.uniform(0.3, 0.75) if number % 2 else rng.uniform(1.3, 2.5)
        bits = x["weight_bits"] + 16 / x["group"]
        drawn.append({"parameters": _round(share * free * 8 / bits), **x})
    return drawn


PART_A = Function(
    name="a",
    answer="memory_left",
    unit="B",
    returns="one number, bytes that are left; below zero if they are missing",
    reference=memory_left,
    public=(
        {
            "parameters": 13e9,
            "weight_bits": 4,
            "group": 32,
            "memory": 4294967296.0,
            "system": 1.5e9,
            "runtime": 0.34e9,
            "kv_bytes_per_token": 819200,
            "context": 2048,
        },
        {
            "parameters": 3.2e9,
            "weight_bits": 4,
            "group": 32,
            "memory": 4294967296.0,
            "system": 1.5e9,
            "runtime": 0.34e9,
            "kv_bytes_per_token": 114688,
            "context": 2048,
        },
        {
            "parameters": 7.2e9,
            "weight_bits": 5,
            "group": 64,
            "memory": 12884901888.0,
            "system": 3.5e9,
            "runtime": 0.2e9,
            "kv_bytes_per_token": 131072,
            "context": 8000,
        },
    ),
    instances=draw_memories,
    mutants=(
        Mutant(
            "no scales",
            lambda **x: memory_left(**{**x, "group": 1e12}),
            "This leaves the scales out: every group of weights brings 16 bits of its own.",
        ),
        Mutant(
            "a scale per weight",
            lambda **x: memory_left(**{**x, "group": 1}),
            "This gives every weight a scale of its own: a group shares one.",
        ),
        Mutant(
            "no cache",
            lambda **x: memory_left(**{**x, "context": 0}),
            "This is what you get without keys and values, or with those of one token: with the first long "
            "conversation it no longer holds.",
        ),
        Mutant(
            "all of the memory",
            lambda **x: memory_left(**{**x, "system": 0.0}),
            "This gives the model all of the memory: the system and the other programs keep their share.",
        ),
        Mutant(
            "no runtime",
            lambda **x: memory_left(**{**x, "runtime": 0.0}),
            "This leaves out what the runtime itself takes: buffers, code, copies.",
        ),
        Mutant(
            "bits as bytes",
            lambda **x: memory_left(**{**x, "parameters": x["parameters"] * 8}),
            "This counts a bit as a byte: eight bits are one.",
        ),
        Mutant(
            "what is needed",
            lambda **x: x["memory"] - memory_left(**x),
            "This is what is needed, system included; what is left of the memory is asked for.",
        ),
    ),
    hints=(
        "Write down everybody who wants a share of the memory. There are four: the model's weights are one.",
        "A group of weights has `group` * `weight_bits` bits of values and 16 bits of scale. How many bits "
        "is "
        "that per weight?",
        "left = memory - system - runtime - parameters * (weight_bits + 16 / group) / 8 "
        "- kv_bytes_per_token * context",
    ),
)

# ---------------------------------------------------------------- b: what pruning stores


def pruned_bits(weight_bits: float, sparsity: float) -> tuple[float, float]:
    return 1 + (1 - sparsity) * weight_bits, 1 / weight_bits


def draw_prunings(rng: np.random.Generator) -> list[Arguments]:
    return [
        {"weight_bits": int(bits), "sparsity": round(float(rng.uniform(0.05, 0.7)), 3)}
        for bits in rng.permutation([2, 3, 5, 6, 8, 16])[:5]
    ]


PART_B = Function(
    name="b",
    answer="pruned_bits",
    unit="bit",
    returns="two numbers: bits per weight of the dense matrix, and the sparsity at which nothing changes",
    reference=pruned_bits,
    public=(
        {"weight_bits": 4, "sparsity": 0.2},
        {"weight_bits": 4, "sparsity": 0.5},
        {"weight_bits": 16, "sparsity": 0.2},
    ),
    instances=draw_prunings,
    mutants=(
        Mutant(
            "zeros cost nothing",
            lambda weight_bits, sparsity: ((1 - sparsity) * weight_bits, 0.0),
            "This stores the values that are left and forgets where they stood. Without a map nobody can put "
            "them back.",
        ),
        Mutant(
            "map of what is kept",
            lambda weight_bits, sparsity: ((1 - sparsity) * (weight_bits + 1), 1 / (weight_bits + 1)),
            "This gives a bit of the map to the kept weights only: then nobody knows where the others were.",
        ),
        Mutant(
            "sparsity the wrong way",
            lambda weight_bits, sparsity: (1 + sparsity * weight_bits, 1 - 1 / weight_bits),
            "This stores the share that was pruned. Sparsity is the share that is gone.",
        ),
        Mutant(
            "a position each",
            lambda weight_bits, sparsity: ((1 - sparsity) * (weight_bits + 16), 16 / (weight_bits + 16)),
            "This stores a position of 16 bits beside every value that is left; here the map is one bit for "
            "every weight.",
        ),
        Mutant(
            "per kept weight",
            lambda weight_bits, sparsity: (1 / (1 - sparsity) + weight_bits, 1 / weight_bits),
            "These are bits per weight that is left; the bits are asked per weight of the dense matrix.",
        ),
        Mutant(
            "break-even upside down",
            lambda weight_bits, sparsity: (1 + (1 - sparsity) * weight_bits, 1 - 1 / weight_bits),
            "The bits are right. The sparsity is not: put it into your own first result. Is that the dense "
            "width?",
        ),
    ),
    hints=(
        "A reader of the file meets the values one after the other. What has to tell which place each "
        "belongs to?",
        "Take 1,000 weights of 4 bits and prune 200. Count the bits of the map, then the bits of the values.",
        "bits = 1 + (1 - sparsity) * weight_bits. Storing starts to gain where that equals weight_bits: "
        "solve for sparsity.",
    ),
)

# ---------------------------------------------------------------- c: two bounds


def times(
    parameters: float,
    weight_bits: float,
    kv_bytes_per_token: int,
    context: int,
    prompt: int,
    bandwidth: float,
    peak_ops: float,
    **_: float,
) -> tuple[float, float]:
    weights = parameters * weight_bits / 8
    ttft = max(2 * parameters * prompt / peak_ops, weights / bandwidth)
    return ttft, bandwidth / (weights + kv_bytes_per_token * context)


def _named(ttft: float, speed: float, x: Arguments) -> tuple[float, float, str]:
    late, slow = ttft > x["ttft_limit"], speed < x["speed_limit"]
    return ttft, speed, "both" if late and slow else "ttft" if late else "speed" if slow else "none"


def bounds(**x: Any) -> tuple[float, float, str]:
    return _named(*times(**x), x)


def decoded_prompt(**x: Any) -> tuple[float, float, str]:
    _, speed = times(**x)
    return _named(x["prompt"] / speed, speed, x)


def read_prompt(**x: Any) -> tuple[float, float, str]:
    weights = x["parameters"] * x["weight_bits"] / 8
    return _named(weights / x["bandwidth"], times(**x)[1], x)


def added(**x: Any) -> tuple[float, float, str]:
    weights = x["parameters"] * x["weight_bits"] / 8
    both = 2 * x["parameters"] * x["prompt"] / x["peak_ops"] + weights / x["bandwidth"]
    return _named(both, times(**x)[1], x)


def always_none(**x: Any) -> tuple[float, float, str]:
    return (*times(**x), "none")


def draw_bounds(rng: np.random.Generator) -> list[Arguments]:
    """Six cases: each of the four names at least once, and no limit within 10 % of a bound.

    Prefill is bound by arithmetic in five of them, and by reading in the one with a prompt of few tokens.
    """
    cases = [(False, False), (True, False), (False, True), (True, True), (True, False), (False, True)]
    drawn: list[Arguments] = []
    for number, (late, slow) in enumerate(cases):
        x: Arguments = {
            "parameters": _round(rng.uniform(1e9, 8e9)),
            "weight_bits": int(rng.choice([4, 5, 6, 8])),
            "kv_bytes_per_token": int(rng.choice([57344, 114688, 131072, 163840])),
            "context": int(rng.integers(2048, 8192)),
            "bandwidth": _round(rng.uniform(20e9, 80e9)),
        }
        if number == 4:
            x |= {"prompt": int(rng.integers(4, 16)), "peak_ops": _round(rng.uniform(8e12, 20e12))}
        else:
            x |= {"prompt": int(rng.integers(128, 1024)), "peak_ops": _round(rng.uniform(0.4e12, 2e12))}
        ttft, speed = times(**x)
        x["ttft_limit"] = _round(ttft * (rng.uniform(0.4, 0.85) if late else rng.uniform(1.15, 2)))
        x["speed_limit"] = _round(speed * (rng.uniform(1.15, 2) if slow else rng.uniform(0.4, 0.85)))
        drawn.append(x)
    return [drawn[i] for i in rng.permutation(len(drawn))]


_COMMON = {"kv_bytes_per_token": 524288, "context": 2048, "bandwidth": 25.6e9, "ttft_limit": 0.5}
PART_C = Function(
    name="c",
    answer="bounds",
    unit="",
    returns='three things: seconds, tokens per second, and "none", "ttft", "speed" or "both"',
    reference=bounds,
    public=(
        {
            "parameters": 7e9,
            "weight_bits": 4,
            "prompt": 128,
            "peak_ops": 12e12,
            **_COMMON,
            "speed_limit": 5.0,
        },
        {
            "parameters": 7e9,
            "weight_bits": 4,
            "prompt": 512,
            "peak_ops": 12e12,
            **_COMMON,
            "speed_limit": 5.0,
        },
        {"parameters": 7e9, "weight_bits": 8, "prompt": 8, "peak_ops": 12e12, **_COMMON, "speed_limit": 2.0},
        {
            "parameters": 3e9,
            "weight_bits": 8,
            "prompt": 128,
            "peak_ops": 1.6e12,
            **_COMMON,
            "speed_limit": 10.0,
        },
    ),
    instances=draw_bounds,
    mutants=(
        Mutant(
            "MAC as OP",
            lambda **x: bounds(**{**x, "peak_ops": 2 * x["peak_ops"]}),
            "This counts one operation per weight and token. A multiply-accumulate is two.",
        ),
        Mutant(
            "the prompt token by token",
            decoded_prompt,
            "This makes the prompt token by token, like an answer. Its tokens are all known: one reading of "
            "the "
            "weights serves them together.",
        ),
        Mutant(
            "the prompt costs a reading",
            read_prompt,
            "This counts one reading of the weights for the prompt, and no arithmetic. Every token of it "
            "costs "
            "its operations.",
        ),
        Mutant(
            "reading and computing one after the other",
            added,
            "This adds reading and computing. They overlap, so a bound may count the longer one only.",
        ),
        Mutant(
            "no cache",
            lambda **x: bounds(**{**x, "context": 0}),
            "This decodes without keys and values: each new token reads those of the whole context.",
        ),
        Mutant(
            "bits as bytes",
            lambda **x: bounds(**{**x, "weight_bits": 8 * x["weight_bits"]}),
            "This is what you get with bits where bytes are meant: bandwidth counts bytes.",
        ),
        Mutant(
            "nothing binds",
            always_none,
            "The two numbers are right, and the name is not always: compare each of them with its limit.",
        ),
        Mutant(
            "limits the wrong way round",
            lambda **x: _named(*times(**x), {**x, **_swapped(x)}),
            "The two numbers are right, and the names are turned round: a wait is bad above its limit, a "
            "speed "
            "below it.",
        ),
    ),
    hints=(
        "The two promises meet different walls. Which work is there before the first token, and which for "
        "each "
        "token after it?",
        "Before the first token: 2 operations for each parameter and prompt token, and one reading of the "
        "weights meanwhile. After it: one reading of weights and cache per token.",
        "The wait is the longer of 2 * parameters * prompt / peak_ops and of one reading of the weights. The "
        "speed is bandwidth over the bytes of weights and cache. Then compare: late above ttft_limit, slow "
        "below speed_limit.",
    ),
)


def _swapped(x: Arguments) -> Arguments:
    """Limits that turn both comparisons round."""
    ttft, speed = times(**x)
    late, slow = ttft > x["ttft_limit"], speed < x["speed_limit"]
    return {"ttft_limit": ttft * (2 if late else 0.5), "speed_limit": speed * (0.5 if slow else 2)}


# ---------------------------------------------------------------- d: a design

SPREAD = 0.07  # of bandwidth and rates
SYSTEM = (1.4e9, 1.6e9)


def phone_figures(system: float, bandwidth: float, rate: float, name: str) -> Arguments:
    """The phone of the exercise with another share of the system, and other speeds (factors)."""
    units = {}
    for unit, row in PHONE_FIGURES["units"].items():
        changed = {key: round(row[key] * rate) for key in ("peak_fp16", "peak_int8", "clock") if key in row}
        units[unit] = {**row, **changed, "bandwidth": round(row["bandwidth"] * bandwidth)}
    return {**PHONE_FIGURES, "name": name, "system_B": system, "units": units}


def draw_phones(rng: np.random.Generator) -> list[Arguments]:
    """Five phones that cover the spread of each figure: every student meets the worst of each."""
    places = (np.arange(5) + rng.uniform(0.3, 0.7, (3, 5))) / 5  # one in each fifth
    places[:, 0] = rng.uniform(0, 0.04, 3)
    places[:, 4] = rng.uniform(0.96, 1, 3)
    system, bandwidth, rate = (rng.permutation(row) for row in places)
    return [
        {
            "device": phone_figures(
                round(SYSTEM[0] + s * (SYSTEM[1] - SYSTEM[0])),
                1 - SPREAD + 2 * SPREAD * b,
                1 - SPREAD + 2 * SPREAD * r,
                f"phone {number + 1}",
            ),
            "request": WISH,
        }
        for number, (s, b, r) in enumerate(zip(system, bandwidth, rate, strict=True))
    ]


BEST: dict[str, Any] = {
    "model": "llama-3.2-3b",
    "weights": "q4_0",
    "kv": "q8_0",
    "context": 4096,
    "unit": "npu",
    "techniques": ("prefix-cache",),
}


def design() -> Design:
    return Design(**BEST)


def _other(name: str, code: str, message: str, **changed: Any) -> Mutant:
    return Mutant(name, lambda: Design(**{**BEST, **changed}), message, code)


PART_D = Plan(
    name="d",
    answer="plan",
    unit="",
    returns="a Plan, or a dict of its fields",
    judge="plan.judge",
    reference=design,
    public=({"device": PHONE_FIGURES, "request": WISH},),
    instances=draw_phones,
    mutants=(
        _other(
            "the wish",
            "weights-do-not-fit",
            "Not even the weights alone fit beside the system. No technique that leaves the model as it is "
            "helps here.",
            model="llama-2-13b",
        ),
        _other(
            "a phone without a system",
            "runtime-forgotten",
            "This fits only into a phone without a system: its share, and what the runtime takes, are not "
            "yours.",
            model="chatglm3-6b",
            kv="f16",
        ),
        _other(
            "weights only",
            "kv-forgotten",
            "This fits as long as nobody says a word: the keys and values of the context do not fit beside "
            "it.",
            kv="f16",
            context=8192,
        ),
        _other(
            "GiB against GB",
            "gib-as-gb",
            "This fits if the plan is counted in GiB and the phone in GB: a GiB is 7 % more.",
            kv="f16",
            context=6144,
        ),
        _other(
            "a draft for nothing",
            "draft-forgotten",
            "Without the draft model it fits: a draft needs memory for weights and a cache of its own.",
            draft="llama-3.2-1b",
        ),
        _other(
            "pruning saves a fifth",
            "pruning-saves",
            "Pruning made the file larger: the map of what is left costs more than the values that are gone. "
            "Part b has the number.",
            sparsity=0.2,
        ),
        _other(
            "pruned until it is small",
            "pruning-unproven",
            "So much pruning does save bytes, but what it does to the answers is published nowhere in this "
            "library: nobody can say that the limit on quality is met.",
            sparsity=0.5,
        ),
        _other(
            "the data sheet's bandwidth",
            "peak-bandwidth",
            "The speed is enough only if memory delivers all that its data sheet promises. Software on this "
            "unit has never been seen to get that.",
            model="llama-2-7b",
        ),
        _other(
            "a shorter memory",
            "context-too-short",
            "The cache is made for fewer tokens than the user wants the model to see.",
            context=2048,
        ),
        _other(
            "a window",
            "window-forgets",
            "The cache is small because the window forgets: the model does not see what has left it.",
            context=4096,
            window=1024,
        ),
        _other(
            "longer than trained",
            "beyond-training",
            "The model was never trained for so long a context; a cache of that size does not change it.",
            model="phi-2",
        ),
        _other(
            "chunks",
            "chunking-lowers-ttft",
            "Chunks make your own first token later: each pays the fixed time and a reading of the weights "
            "again. They keep other requests going, and there are none here.",
            techniques=("prefix-cache", "chunked-prefill"),
        ),
        _other(
            "the same words again",
            "recomputed-prefix",
            "Most of this prompt is the same every time. Computing it again is what makes the first token "
            "late.",
            techniques=(),
        ),
        _other(
            "any unit decodes",
            "compute-forgotten",
            "On this unit the prompt takes too long with this model, even if only its new part is computed. "
            "Choose by arithmetic too, not by memory alone.",
            unit="gpu",
        ),
        _other(
            "small is beautiful",
            "too-small-a-model",
            "Everything is easy with a small model. The user asked for a larger one.",
            model="llama-3.2-1b",
        ),
        _other(
            "two bits",
            "too-few-bits",
            "At so few bits the model fits, and says worse things than were agreed on.",
            model="qwen3-4b",
            weights="q2_k_mix",
            unit="cpu",
        ),
        _other(
            "a format nobody measured",
            "unpublished-loss",
            "What this format does to the answers is not published for the model that the limit refers to: "
            "nobody can say that it is met.",
            weights="mxfp4",
        ),
    ),
    hints=(
        "Write the plan as a cell of its own, `print(plan.evaluate(phone(), wish()))`, and change one field "
        "at a "
        "time. Start with the constraint that no technique can buy: memory.",
        "The first token binds hardest. Which unit computes most, and which part of the prompt does not "
        "have to "
        "be computed at all? Then see which models of at least 2.5e9 parameters are left.",
        "A model of about 3e9 parameters in q4_0 on the NPU, with a prefix cache. Now leave room for phones "
        "whose system takes 1.6 GB: which of weights, cache and context can still shrink?",
    ),
)

# ---------------------------------------------------------------- e: prose

PART_E = Open(
    name="e",
    hints=(
        "Put your plan beside the wish: 13 billion parameters, and whatever else it did not promise.",
        "For each thing that you gave up, ask who would notice, and how you would find out before they do.",
        "Name two plans that meet every constraint and differ in what they give up. What would you have to "
        "know "
        "to choose between them?",
    ),
)

EXERCISE = Exercise("ex4", "The 13B wish on a 4 GB device", (PART_A, PART_B, PART_C, PART_D, PART_E))
