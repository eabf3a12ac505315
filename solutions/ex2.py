"""Exercise 2: what is the most tokens per second that memory, and then arithmetic, allow?

Weights are read once per step of decoding, the cache of each sequence once per token; a step makes one token
for each sequence of the batch. A multiply-accumulate is 2 operations: one token costs 2 per parameter.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from edgelib.grading.spec import Arguments, Exercise, Function, Mutant, Open, Value

BITS_PER_BYTE = 8
GIB_PER_GB = 2**30 / 1e9
LLAMA = {"parameters": 7e9, "weight_bits": 8, "bandwidth": 100e9}  # on the device of the text
SMALL = {"parameters": 1.1e9, "weight_bits": 16, "bandwidth": 25.6e9}
BITS_AS_BYTES = (
    "This is what you get with bits where bytes are meant: bandwidth counts bytes, weight_bits counts bits."
)


def weight_bytes(parameters: float, weight_bits: float) -> float:
    return parameters * weight_bits / BITS_PER_BYTE


def _three_digits(value: float) -> float:
    return float(f"{value:.2e}")


def draw_devices(rng: np.random.Generator) -> list[Arguments]:
    """Five models on five devices; no width twice, so that no mutant of one width is right everywhere."""
    return [
        {
            "parameters": _three_digits(rng.uniform(0.5e9, 14e9)),
            "weight_bits": int(bits),
            "bandwidth": _three_digits(rng.uniform(10e9, 300e9)),
        }
        for bits in rng.permutation([2, 3, 4, 5, 6, 8, 16])[:5]
    ]


# ---------------------------------------------------------------- a: weights only


def tps_bound(parameters: float, weight_bits: float, bandwidth: float) -> float:
    return bandwidth / weight_bytes(parameters, weight_bits)


PART_A = Function(
    name="a",
    answer="tps_bound",
    unit="tok/s",
    returns="one number, tokens per second",
    reference=tps_bound,
    public=(LLAMA, {"parameters": 7e9, "weight_bits": 4, "bandwidth": 51.2e9}, SMALL),
    instances=draw_devices,
    mutants=(
        Mutant("bits as bytes", lambda **x: tps_bound(**x) / BITS_PER_BYTE, BITS_AS_BYTES),
        Mutant(
            "always one byte",
            lambda **x: tps_bound(**{**x, "weight_bits": 8}),
            "This is what you get with one byte for every weight: the answer has to depend on weight_bits.",
        ),
        Mutant(
            "always FP16",
            lambda **x: tps_bound(**{**x, "weight_bits": 16}),
            "This is what you get with two bytes for every weight: the answer has to depend on weight_bits.",
        ),
        Mutant(
            "GiB against GB",
            lambda **x: tps_bound(**x) * GIB_PER_GB,
            "This is what you get with the weights in GiB and the bandwidth in GB/s: "
            "a GiB is 7 % more than a GB.",
        ),
        Mutant(
            "seconds per token",
            lambda **x: 1 / tps_bound(**x),
            "These are seconds per token; tokens per second are asked for.",
        ),
        Mutant(
            "twice per multiply-accumulate",
            lambda **x: tps_bound(**x) / 2,
            "This counts each weight twice. A weight takes part in 2 operations, but it is read once.",
        ),
        Mutant(
            "bandwidth in bits",
            lambda **x: tps_bound(**x) * BITS_PER_BYTE,
            "This is 8 times the bound: bandwidth is in bytes per second already.",
        ),
    ),
    hints=(
        "Leave the device aside for a moment: how many bytes do the weights take?",
        "A token needs every weight once, and memory delivers `bandwidth` bytes in a second. "
        "How many times in a second can it deliver all weights?",
        "bytes per token = parameters * weight_bits / 8; then divide: (bytes/s) / (bytes/token) = token/s.",
    ),
)

# ---------------------------------------------------------------- b: the width behind a printed number

PRINTED_BYTES, PRINTED_TOK_S, PARAMETERS, BANDWIDTH = 14e9, 7, 7e9, 100e9


def width_of_printed_bytes() -> float:
    return PRINTED_BYTES * BITS_PER_BYTE / PARAMETERS


PART_B = Value(
    name="b",
    answer="weight_bits",
    unit="bit",
    returns="one number, bits per weight",
    reference=width_of_printed_bytes,
    mutants=(
        Mutant(
            "believed the label",
            lambda: 8,
            "8 bit is what the label says. Put it into your own formula: how many bytes is a token then?",
        ),
        Mutant("bytes per weight", lambda: 2, "2 is the number of bytes per weight; bits are asked for."),
        Mutant(
            "rounded speed taken as exact",
            lambda: BANDWIDTH / PRINTED_TOK_S * BITS_PER_BYTE / PARAMETERS,
            "You solved for exactly 7 tok/s, a rounded number. Solve for the 14 GB, then see if "
            "they round to 7.",
        ),
        Mutant(
            "GiB against GB",
            lambda: width_of_printed_bytes() * GIB_PER_GB,
            "This is what you get with 14 GiB; the text says GB.",
        ),
        Mutant(
            "bits per parameter the wrong way up",
            lambda: PARAMETERS * BITS_PER_BYTE / PRINTED_BYTES,
            "This is 7 GB over 14 GB, the wrong way up: fewer weights in the same bytes means "
            "more bits for each.",
        ),
    ),
    hints=(
        "Forget the label INT8. Use the two plain numbers: 14e9 bytes, 7e9 weights.",
        "14e9 bytes for 7e9 weights: how many bytes is that for one weight?",
        "Bits per weight = 14e9 * 8 / 7e9. Does tps_bound with that width round to 7?",
    ),
)

# ---------------------------------------------------------------- c: with the KV cache


def tps_bound_kv(
    parameters: float, weight_bits: float, bandwidth: float, kv_bytes_per_token: float, context: float
) -> float:
    return bandwidth / (weight_bytes(parameters, weight_bits) + kv_bytes_per_token * context)


def draw_contexts(rng: np.random.Generator) -> list[Arguments]:
    """The devices of part a, each with a cache of 10 % to 100 % of its weights: big enough to matter."""
    drawn = []
    for device in draw_devices(rng):
        context = int(rng.integers(500, 8000))
        cache = rng.uniform(0.1, 1.0) * weight_bytes(device["parameters"], device["weight_bits"])
        drawn.append({**device, "kv_bytes_per_token": round(cache / context), "context": context})
    return drawn


PART_C = Function(
    name="c",
    answer="tps_bound_kv",
    unit="tok/s",
    returns="one number, tokens per second",
    reference=tps_bound_kv,
    public=(
        {**LLAMA, "kv_bytes_per_token": 524288, "context": 2048},
        {**LLAMA, "weight_bits": 4, "bandwidth": 51.2e9, "kv_bytes_per_token": 262144, "context": 8192},
        {**SMALL, "kv_bytes_per_token": 22528, "context": 1000},
    ),
    instances=draw_contexts,
    mutants=(
        Mutant(
            "no cache",
            lambda **x: tps_bound_kv(**{**x, "context": 0}),
            "This is the bound of part a: it reads no cache, or one token of it. "
            "A new token attends to every token of the context.",
        ),
        Mutant(
            "cache as narrow as the weights",
            lambda **x: tps_bound_kv(**{**x, "context": x["context"] * x["weight_bits"] / 16}),
            "This shrinks the cache along with the weights. kv_bytes_per_token is what the cache takes; "
            "narrower weights do not change it.",
        ),
        Mutant(
            "cache in bits",
            lambda **x: tps_bound_kv(**{**x, "context": x["context"] / BITS_PER_BYTE}),
            "This divides the cache by 8: kv_bytes_per_token is in bytes already, only the "
            "weights are in bits.",
        ),
        Mutant(
            "weight bits as bytes",
            lambda **x: tps_bound_kv(**{**x, "weight_bits": x["weight_bits"] * BITS_PER_BYTE}),
            "This is what you get with bits where bytes are meant, in the weights: 8 bits are 1 byte.",
        ),
        Mutant(
            "keys and values twice",
            lambda **x: tps_bound_kv(**{**x, "context": x["context"] * 2}),
            "This counts the cache twice: kv_bytes_per_token holds keys and values, both.",
        ),
        Mutant(
            "rates added",
            lambda **x: tps_bound_kv(**{**x, "context": 0}) + tps_bound_kv(**{**x, "parameters": 0}),
            "This adds two speeds. Bytes add up (so do seconds), speeds do not: more to read "
            "cannot be faster.",
        ),
    ),
    hints=(
        "Does a longer context make a token faster or slower? Check that your answer agrees.",
        "One token now reads two things from memory: all weights, and the keys and values of "
        "the whole context. Add the bytes before you divide.",
        "bytes per token = parameters * weight_bits / 8 + kv_bytes_per_token * context",
    ),
)

# ---------------------------------------------------------------- d: memory or arithmetic


def both_bounds(
    parameters: float, weight_bits: float, bandwidth: float, peak_ops: float, batch: float
) -> list[tuple[float, str]]:
    memory = batch * tps_bound(parameters, weight_bits, bandwidth)
    compute = peak_ops / (2 * parameters)
    return [(memory, "memory"), (compute, "compute")]


def bound(**x: float) -> tuple[float, str]:
    return min(both_bounds(**x))


def batch_mutants(answer: Callable[..., tuple[Any, ...]]) -> tuple[Mutant, ...]:
    """What goes wrong with a batch, with and without a cache."""
    return (
        Mutant(
            "MAC as OP",
            lambda **x: answer(**{**x, "peak_ops": x["peak_ops"] * 2}),
            "This counts one operation per weight. A multiply-accumulate is two: a multiplication and an "
            "addition.",
        ),
        Mutant(
            "weights read per sequence",
            lambda **x: answer(**{**x, "weight_bits": x["weight_bits"] * x["batch"]}),
            "This reads all weights again for every sequence. One reading serves the whole batch.",
        ),
        Mutant(
            "per sequence",
            lambda **x: (answer(**x)[0] / x["batch"], *answer(**x)[1:]),
            "This is the speed of one sequence; the tokens of all sequences together are asked for.",
        ),
    )


def wrong_label(**x: float) -> tuple[float, str]:
    return bound(**x)[0], max(both_bounds(**x))[1]


def draw_batches(rng: np.random.Generator) -> list[Arguments]:
    """The devices of part a with a batch and a peak that is well below or well above what memory can feed."""
    drawn = []
    for number, device in enumerate(draw_devices(rng)):
        batch = int(rng.integers(2, 33))
        compute_over_memory = rng.uniform(0.3, 0.8) if number % 2 else rng.uniform(1.3, 1.9)
        peak = compute_over_memory * batch * tps_bound(**device) * 2 * device["parameters"]
        drawn.append({**device, "peak_ops": _three_digits(peak), "batch": batch})
    return drawn


PART_D = Function(
    name="d",
    answer="bound",
    unit="tok/s",
    returns='two things, tokens per second and the name of what binds: "memory" or "compute"',
    reference=bound,
    public=(
        {**LLAMA, "peak_ops": 2e12, "batch": 1},
        {**LLAMA, "peak_ops": 2e12, "batch": 16},
        {"parameters": 1e9, "weight_bits": 4, "bandwidth": 25.6e9, "peak_ops": 192e9, "batch": 4},
    ),
    instances=draw_batches,
    mutants=(
        *batch_mutants(bound),
        Mutant(
            "batch multiplies arithmetic",
            lambda **x: bound(**{**x, "peak_ops": x["peak_ops"] * x["batch"]}),
            "This lets a batch multiply the arithmetic as well. Every token of every sequence "
            "costs its own operations.",
        ),
        Mutant(
            "the larger bound",
            lambda **x: max(both_bounds(**x)),
            "This is the larger of the two bounds. No device exceeds either.",
        ),
        Mutant("wrong label", wrong_label, "The number is right, and the other resource binds it."),
        Mutant(
            "bits as bytes",
            lambda **x: bound(**{**x, "weight_bits": x["weight_bits"] * BITS_PER_BYTE}),
            BITS_AS_BYTES,
        ),
    ),
    hints=(
        "Answer two questions apart. If arithmetic were free, how many tokens per second? "
        "If memory were free?",
        "One reading of the weights serves one step of the whole batch: memory allows batch "
        "times your part a. "
        "Arithmetic does not care about the batch: a token costs its operations, whoever it is for.",
        "In one step, reading takes parameters * weight_bits / 8 / bandwidth seconds and arithmetic takes "
        "batch * 2 * parameters / peak_ops. The step lasts as long as the longer of them and makes "
        "batch tokens.",
    ),
)

# ---------------------------------------------------------------- e: a cache for each sequence


def bound_kv(**x: float) -> tuple[float, str, float]:
    weights = weight_bytes(x["parameters"], x["weight_bits"])
    caches = x["batch"] * x["kv_bytes_per_token"] * x["context"]
    reading, computing = (weights + caches) / x["bandwidth"], x["batch"] * 2 * x["parameters"] / x["peak_ops"]
    larger = "weights" if weights > caches else "cache"
    longest = 2 * x["parameters"] / x["peak_ops"] * x["bandwidth"] / x["kv_bytes_per_token"]
    return x["batch"] / max(reading, computing), larger if reading > computing else "compute", longest


def context_of_equal_bytes(**x: float) -> float:
    return weight_bytes(x["parameters"], x["weight_bits"]) / x["kv_bytes_per_token"]


def other_name(**x: float) -> tuple[float, str, float]:
    tok_s, binds, longest = bound_kv(**x)
    return tok_s, {"weights": "cache", "cache": "weights"}.get(binds, binds), longest


def draw_caches(rng: np.random.Generator) -> list[Arguments]:
    """The devices of part a; caches and peaks so that each name binds, by a clear margin."""
    drawn = []
    cases = [("weights", 0), ("cache", 1), ("cache", 1), ("compute", 0), ("compute", 1)]
    for device, which in zip(draw_devices(rng), rng.permutation(len(cases)), strict=True):
        binds, heavy = cases[which]
        batch, context = int(rng.integers(4, 33)), int(rng.integers(500, 8000))
        weights = weight_bytes(device["parameters"], device["weight_bits"])
        caches = weights * (rng.uniform(1.5, 4) if heavy else rng.uniform(0.3, 0.7))
        slower = rng.uniform(1.4, 2.5) if binds == "compute" else rng.uniform(0.3, 0.7)
        peak = batch * 2 * device["parameters"] * device["bandwidth"] / (slower * (weights + caches))
        kv = round(caches / batch / context)
        more = {"peak_ops": _three_digits(peak), "kv_bytes_per_token": kv, "context": context, "batch": batch}
        drawn.append({**device, **more})
    return drawn


PART_E = Function(
    name="e",
    answer="bound_kv",
    unit="tok/s",
    returns='three things: tokens per second; "weights", "cache" or "compute"; a number of tokens of context',
    reference=bound_kv,
    public=(
        {**LLAMA, "peak_ops": 2e12, "kv_bytes_per_token": 524288, "context": 2048, "batch": 4},
        {**LLAMA, "peak_ops": 2e12, "kv_bytes_per_token": 524288, "context": 2048, "batch": 64},
        {**LLAMA, "peak_ops": 2e12, "kv_bytes_per_token": 131072, "context": 512, "batch": 64},
    ),
    instances=draw_caches,
    mutants=(
        Mutant(
            "one cache for all",
            lambda **x: bound_kv(**{**x, "context": x["context"] / x["batch"]}),
            "This reads one cache for the whole batch. The sequences share the weights; each has keys and "
            "values of its own.",
        ),
        Mutant(
            "no cache",
            lambda **x: bound_kv(**{**x, "context": 0}),
            "This is part d: it reads no cache, so a long context costs nothing.",
        ),
        *batch_mutants(bound_kv),
        Mutant(
            "the smaller traffic",
            other_name,
            "Weights and caches are changed over: where memory binds, name the one with more bytes per step.",
        ),
        Mutant(
            "context where the cache weighs as much",
            lambda **x: (*bound_kv(**x)[:2], context_of_equal_bytes(**x)),
            "Your context is the one where a cache is as large as the weights. "
            "The question compares the memory with the arithmetic.",
        ),
        Mutant(
            "context for this batch",
            lambda **x: (*bound_kv(**x)[:2], bound_kv(**x)[2] - context_of_equal_bytes(**x) / x["batch"]),
            "Your context holds for this batch. The question allows any batch: "
            "what does a sequence's share of the weights come to when the batch grows without end?",
        ),
    ),
    hints=(
        "Which of the three loads of a step grow with the batch: reading the weights, reading the caches, "
        "computing?",
        "A step reads parameters * weight_bits / 8 + batch * kv_bytes_per_token * context bytes. It takes as "
        "long as the longer of reading and computing, and makes batch tokens.",
        "In a very large batch the weights cost nothing per token. One more sequence then adds "
        "kv_bytes_per_token * context / bandwidth seconds of reading and 2 * parameters / peak_ops "
        "of computing: for which context are they equal?",
    ),
)

# ---------------------------------------------------------------- f: prose

PART_F = Open(
    name="f",
    hints=(
        "What does fusing two operators keep from going through memory: weights, cache, or something else?",
        "List the vectors that a layer writes and reads back for one token. A vector of the "
        "model has 4,096 values.",
        "Compare megabytes of those vectors with the gigabytes of weights; then look at what "
        "your part a leaves out.",
    ),
)

EXERCISE = Exercise(
    "ex2", "How fast can this device possibly talk?", (PART_A, PART_B, PART_C, PART_D, PART_E, PART_F)
)
