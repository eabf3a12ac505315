r"""Does this design meet every constraint at once, and by how much?

A `Plan` names a model, its formats, a context, a compute unit and techniques. `evaluate` asks the library's
models what that takes and compares it with a `Target` and its `Requirements`:

$weights + cache + activations + runtime \le memory - system$, time to first token, tokens per second with the
context full, tokens in sight, parameters, and what the weight format is known to cost.

A technique stands here only if something in the library computes its effect. Distillation is none: a
distilled model is another model, so name that. Chunked prefill is one, though it makes the own first token
later. The loss by a quantised cache is not among the constraints: nothing is published here to compare.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from edgelib.data import table
from edgelib.errors import UnknownFigure, choice, fraction, integer, scalar
from edgelib.kernels.speculative import expected_tokens
from edgelib.metrics.liveness import layer_buffers, peak
from edgelib.metrics.memory import footprint
from edgelib.metrics.predict import Estimate, predict
from edgelib.planning.margins import Assessment, Margin, margin
from edgelib.planning.target import Requirements, Target
from edgelib.workloads import (
    Transformer,
    WeightFormat,
    format_names,
    model_names,
    transformer,
    weight_format,
)

CHUNK = 32  # tokens of a chunk of "chunked-prefill"
SINKS = 4  # first tokens that a window keeps besides its own (Xiao et al., StreamingLLM, ICLR 2024)
DRAFTED = 4  # tokens that a draft proposes per pass of the model
LONGEST_CONTEXT = 2**20

TECHNIQUES = {
    "prefix-cache": "keys and values of the prompt's constant beginning are kept: prefill computes the rest",
    "chunked-prefill": f"the prompt in chunks of {CHUNK} tokens: smaller activations, and more fixed times",
    "flash-attention": "attention scores are never stored: smaller activations",
}
# ggml-org/llama.cpp, common/arg.cpp, kv_cache_types.
KV_FORMATS = ("f32", "f16", "bf16", "q8_0", "q5_1", "q5_0", "q4_1", "q4_0", "iq4_nl")
# Models that share a tokeniser: only these can draft for one another.
FAMILIES = (
    ("llama-2-7b", "llama-2-13b", "tinyllama-1.1b"),
    ("llama-3.1-8b", "llama-3.3-70b", "llama-3.2-1b", "llama-3.2-3b"),
    ("qwen2-0.5b", "qwen2.5-1.5b", "qwen2.5-3b", "qwen2.5-7b", "qwen2.5-14b"),
    ("qwen3-0.6b", "qwen3-1.7b", "qwen3-4b", "qwen3-8b", "qwen3-32b"),
    ("gemma-2-2b", "gemma-2-9b"),
)


@cache
def trained_context(model: str) -> int:
    """Tokens of context that a model of the catalogue was trained for."""
    return {row["model"]: int(row["context_trained"]) for row in table("models")}[model]


@cache
def _perplexities() -> dict[str, float]:
    rows = table("perplexity")
    return {r["format"]: float(r["ppl"]) for r in rows if r["model"] == "LLaMA-3 8B" and r["ppl"]}


def published_loss(weights: str) -> float:
    """Relative increase of perplexity by a weight format, as published for LLaMA-3 8B on WikiText-2.

    Of other models too little is published for a comparison; smaller ones tend to lose more.
    UnknownFigure: the format was not measured there.
    """
    known = _perplexities()
    if weights not in known:
        raise UnknownFigure(f"loss by {weights} is unpublished; known: {', '.join(known)}")
    return known[weights] / known["f16"] - 1


def pruned(stored: WeightFormat, sparsity: float) -> WeightFormat:
    r"""`stored` without a share s of its weights: a bitmap and the values left, $1 + (1 - s) b$ bits.

    Smaller than dense only if s > 1 / b. Scales are taken to shrink with the values: a lower bound.
    """
    s = scalar("sparsity", fraction("sparsity", sparsity))
    if s == 0:
        return stored
    name = f"{stored.name} pruned"
    return replace(
        stored, name=name, bits=1 + (1 - s) * stored.bits, head_bits=1 + (1 - s) * stored.head_bits
    )


@dataclass(frozen=True)
class Plan:
    """A design.

    model, weights, kv : names in the catalogues of models and formats.
    context : tokens that the cache is made for.   unit : which unit of the target computes.
    techniques : names of TECHNIQUES.   draft : a smaller model of the family that drafts DRAFTED tokens.
    window : latest tokens that are kept, besides the first SINKS (None: all).
    sparsity : share of weights that is pruned wherever they stand, 0 to 1.
    """

    model: str
    weights: str
    context: int
    unit: str
    kv: str = "f16"
    techniques: tuple[str, ...] = ()
    draft: str | None = None
    window: int | None = None
    sparsity: float = 0.0

    def __post_init__(self) -> None:
        choice("model", self.model, model_names())
        choice("weights", self.weights, format_names())
        choice("kv", self.kv, KV_FORMATS)
        object.__setattr__(self, "context", _tokens("context", self.context))
        if self.window is not None:
            object.__setattr__(self, "window", _tokens("window", self.window))
        if not isinstance(self.unit, str):
            raise ValueError(f"unit = {self.unit!r}: expected the name of a unit of the target")
        if not isinstance(self.techniques, tuple | list):
            accepted = ", ".join(TECHNIQUES)
            raise ValueError(f"techniques = {self.techniques!r}: expected a tuple of names from {accepted}")
        names = tuple(choice("techniques", name, TECHNIQUES) for name in self.techniques)
        object.__setattr__(self, "techniques", tuple(dict.fromkeys(names)))
        if fraction("sparsity", scalar("sparsity", self.sparsity)) == 1:
            raise ValueError("sparsity = 1: expected less, some weights have to stay")
        if self.draft is not None:
            family = next((f for f in FAMILIES if self.model in f), (self.model,))
            params = transformer(self.model).params
            smaller = [name for name in family if transformer(name).params < params]
            if not smaller:
                raise ValueError(f"draft = {self.draft!r}: expected None, nothing drafts for {self.model}")
            choice("draft", self.draft, smaller)

    @property
    def format(self) -> WeightFormat:
        """How the weights are stored, pruning included."""
        return pruned(weight_format(self.weights), self.sparsity)

    @property
    def kept(self) -> int:
        """Tokens whose keys and values are kept at most."""
        return self.context if self.window is None else min(self.context, self.window + SINKS)

    @property
    def sight(self) -> int:
        """Tokens that the model can use at once: what is kept, and no more than it was trained for."""
        return min(self.kept, trained_context(self.model))

    def evaluate(self, target: Target, wanted: Requirements) -> Assessment:
        """Every constraint with its margin.

        UnknownName, ValueError : the target has no such unit, or its software does not take the format.
        """
        unit = target.unit(self.unit)
        if unit.formats and self.weights not in unit.formats:
            raise ValueError(f"weights = {self.weights!r}: {self.unit} takes {', '.join(unit.formats)}")
        memory = self.memory(target, wanted)
        answer = self._estimate(target, self.model)
        margins = (
            Margin("memory", sum(memory.values()), target.budget_B, "B", at_most=True),
            margin("ttft", lambda: first_token_s(self, answer, wanted), wanted.ttft_s, "s", at_most=True),
            margin("speed", lambda: self._tok_s(target, answer, wanted), wanted.decode_tok_s, "tok/s"),
            Margin("sight", self.sight, wanted.context, "tokens"),
            Margin("size", transformer(self.model).params, wanted.params, "params"),
            margin("loss", self._loss, wanted.loss, "", at_most=True),
        )
        return Assessment(memory, margins)

    def memory(self, target: Target, wanted: Requirements) -> dict[str, float]:
        """Bytes by part: weights, kv, activations, runtime, and draft if there is one."""
        step = max(n for n, _ in steps(self, wanted))
        at = max(n + before for n, before in steps(self, wanted))
        model = transformer(self.model)
        parts = footprint(
            model,
            self.format,
            context=self.kept,
            kv_bits=weight_format(self.kv).bits,
            activations_B=_activations_B(model, step, at, "flash-attention" in self.techniques),
            runtime_B=target.runtime_B,
        ).parts
        memory = {name: float(size) for name, size in parts.items()}
        if self.draft is not None:
            beside = footprint(
                self.draft, self.format, context=self.kept, kv_bits=weight_format(self.kv).bits
            )
            memory["draft"] = float(beside.total_B)
        return memory

    def _estimate(self, target: Target, model: str) -> Estimate:
        unit = target.unit(self.unit)
        return predict(
            model, unit.engine, weights=self.format, kv=self.kv, context=self.kept, runtime=unit.runtime
        )

    def _tok_s(self, target: Target, answer: Estimate, wanted: Requirements) -> float:
        """Tokens per second with the context full; with a draft, expected tokens over time of a round."""
        if self.draft is None:
            return float(answer.decode_tok_s)
        rate = answer.value("utilisation") * answer.value("peak")
        arithmetic = (DRAFTED + 1) * answer.value("decode_ops") / rate
        verify = max(answer.value("read_s"), answer.value("unpack_s"), arithmetic) + answer.value(
            "overhead_s"
        )
        drafting = DRAFTED * self._estimate(target, self.draft).decode_s
        return float(expected_tokens(wanted.acceptance, DRAFTED) / (drafting + verify))

    def _loss(self) -> float:
        if self.sparsity:
            raise UnknownFigure("loss by pruning is unpublished here")
        return published_loss(self.weights)


def steps(plan: Plan, wanted: Requirements) -> list[tuple[int, int]]:
    """(tokens, tokens before them) of each step that processes the prompt."""
    done = wanted.prefix if "prefix-cache" in plan.techniques else 0
    chunk = CHUNK if "chunked-prefill" in plan.techniques else wanted.prompt
    return [(min(chunk, wanted.prompt - n), n) for n in range(done, wanted.prompt, chunk)]


def first_token_s(plan: Plan, answer: Estimate, wanted: Requirements) -> float:
    r"""Seconds of all steps: $\max(\frac{OP}{u P}, \frac{weights + kv}{bandwidth}) + overhead$ each.

    n tokens after m others cost $2 P_{layers} n + 4 L h d_h (m n + n (n + 1) / 2)$ operations; the last step
    adds one row of logits.
    """
    model, rate = answer.model, answer.value("utilisation") * answer.value("peak")
    parts = steps(plan, wanted)
    seconds = 0.0
    for i, (n, before) in enumerate(parts):
        pairs = before * n + n * (n + 1) / 2
        ops = 2 * model.layer_params * n + 4 * model.layers * model.heads * model.head_dim * pairs
        if i == len(parts) - 1:
            ops += 2 * model.head_params
        moved = answer.value("weight_bytes") + answer.value("kv_bytes_per_token") * before
        reading = moved / answer.value("sustained_bandwidth")
        seconds += max(ops / rate, reading) + answer.value("prefill_overhead_s")
    return float(seconds)


def _activations_B(model: Transformer, n: int, at: int, fused: bool) -> float:
    """Peak of one step of n tokens that ends at token `at`; its scores are n rows of `at`."""
    buffers = layer_buffers(model, n, fused=fused)
    return peak([replace(b, size_B=b.size_B * at / n) if b.name == "scores" else b for b in buffers])


def _tokens(argument: str, value: Any) -> int:
    tokens = integer(argument, value, at_least=1)
    if tokens > LONGEST_CONTEXT:
        raise ValueError(f"{argument} is too large: expected at most {LONGEST_CONTEXT:,} tokens")
    return tokens
