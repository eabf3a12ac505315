"""Where do the seconds before the first token go, and how long is one step of a busy engine?"""

from __future__ import annotations

from collections.abc import Callable

from edgelib.errors import Number, integer, nonnegative
from edgelib.metrics.formulas import larger
from edgelib.metrics.predict import Estimate
from edgelib.workloads.transformer import Transformer


def ttft_terms(
    estimate: Estimate,
    *,
    queue_s: Number = 0.0,
    tokenise_s: Number = 0.0,
    encode_s: Number = 0.0,
    sample_s: Number = 0.0,
) -> dict[str, Number]:
    r"""Time to first token in parts, seconds; their sum is the time to first token.

    $TTFT = T_{queue} + T_{tokenise} + T_{encode} + T_{prefill} + T_{sample}$, and prefill is
    matrices + attention (operations at the sustained rate) + waiting (for the weights, when a short
    prompt computes faster than they arrive) + overhead (fixed time per layer). There is no term for a
    first decode step: the last row of prefill holds the logits of the first token.
    """
    model, rate = estimate.model, estimate.value("utilisation") * estimate.value("peak")
    reading = estimate.value("weight_bytes") / estimate.value("sustained_bandwidth")
    matrices = model.prefill_linear_ops(estimate.request["prompt"]) / rate
    attention = model.prefill_attention_ops(estimate.request["prompt"]) / rate
    overhead = estimate.value("prefill_overhead_s")
    return {
        "queue": nonnegative("queue_s", queue_s),
        "tokenise": nonnegative("tokenise_s", tokenise_s),
        "encode": nonnegative("encode_s", encode_s),
        "matrices": matrices,
        "attention": attention,
        "waiting": larger(reading - matrices - attention, 0.0),
        "overhead": overhead,
        "sample": nonnegative("sample_s", sample_s),
    }


def attention_crossover(model: Transformer, causal: bool = True) -> float:
    """Prompt tokens n at which attention costs as many operations as the layers' matrices.

    2 P_layers n = 4 L h d_h n^2 (full square) or 2 L h d_h n (n + 1) (causal).
    LLaMA-7B: 24,704 and 49,407.
    """
    square = model.layer_params / (2 * model.layers * model.heads * model.head_dim)
    return 2 * square - 1 if causal else square


def step_time(estimate: Estimate, decode_context: int) -> Callable[[int, int, int], float]:
    """The time of one engine step that mixes prefill and decode, as a function.

    `step(prefill_tokens, offset, decodes)` -> seconds: `prefill_tokens` prompt tokens whose keys and
    values start at `offset`, together with `decodes` sequences that write one token each after
    `decode_context` tokens. The weights are read once for all of them:
    max((W + KV) / sustained bandwidth, operations / (u P)) + L tau.
    """
    model = estimate.model
    decode_context = integer("decode_context", decode_context)
    rate = estimate.value("utilisation") * estimate.value("peak")
    speed = estimate.value("sustained_bandwidth")
    weights, kv = estimate.value("weight_bytes"), estimate.value("kv_bytes_per_token")
    attention = 4 * model.layers * model.heads * model.head_dim
    unpack_s, decode_overhead_s, prefill_overhead_s = map(
        estimate.value, ("unpack_s", "overhead_s", "prefill_overhead_s")
    )

    def step(prefill_tokens: int, offset: int, decodes: int) -> float:
        m = prefill_tokens
        rows = decodes + (m > 0)  # rows of logits
        pairs = m * offset + m * (m + 1) / 2 + decodes * decode_context
        ops = 2 * model.layer_params * (m + decodes) + 2 * model.head_params * rows + attention * pairs
        size = weights + kv * (offset * (m > 0) + decodes * decode_context)
        busy = max(size / speed, ops / rate, 0 if m else unpack_s)
        return float(busy + (prefill_overhead_s if m else decode_overhead_s))

    return step
