"""Who waits when a long prompt arrives beside a running answer?

Request B is decoding, one token per engine step. Request A arrives with a prompt. Each step then
carries one chunk of A's prompt and one token of B, as in Sarathi-Serve: a small chunk keeps B's
tokens coming, and makes A pay the fixed cost of a step more often.
Source: Agrawal et al., "Taming Throughput-Latency Tradeoff in LLM Inference with Sarathi-Serve", OSDI 2024.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from edgelib.errors import integer, nonnegative, positive, scalar

StepTime = Callable[[int, int, int], float]  # (prefill_tokens, context, decodes) -> seconds


@dataclass(frozen=True)
class Block:
    """One request's part of one engine step: a chunk of its prompt, or one token."""

    request: str  # "A" or "B"
    what: str  # "prefill chunk 1", ... or "decode"
    tokens: int
    start_s: float
    end_s: float


@dataclass(frozen=True)
class Timeline:
    """What ran when, and what A and B had to wait for."""

    blocks: tuple[Block, ...]
    ttft_s: float  # A: from its arrival to its first token, which the last chunk gives
    gaps_s: tuple[float, ...]  # B: from each token to the next, the first one counted from 0
    total_s: float

    @property
    def max_gap_s(self) -> float:
        """The longest that B's reader waits for a token."""
        return max(self.gaps_s)


def chunked_prefill(
    prompt_tokens: int,
    chunk: int,
    step_s: StepTime,
    b_tokens: int,
    a_tokens: int = 1,
    arrival_s: float = 0.0,
) -> Timeline:
    """Run A and B on one engine until both are done.

    Parameters
    ----------
    prompt_tokens : length of A's prompt.   chunk : prompt tokens per step; >= prompt_tokens is unchunked.
    step_s : (prefill_tokens, context, decodes) -> seconds (> 0) of one step that processes
        `prefill_tokens` of A at KV offset `context` together with `decodes` decode tokens.
    b_tokens : tokens B still has to write, from time 0 on, >= 1.
    a_tokens : tokens A writes, >= 1; the prefill gives the first.
    arrival_s : when A arrives; a step that is running then is finished first.

    Raises
    ------
    ValueError : a count below 1, a negative arrival, a step time that is not positive.
    """
    prompt_tokens, chunk = integer("prompt_tokens", prompt_tokens, 1), integer("chunk", chunk, 1)
    a_left, b_left = integer("a_tokens", a_tokens, 1), integer("b_tokens", b_tokens, 1)
    arrival_s = scalar("arrival_s", nonnegative("arrival_s", arrival_s))
    blocks: list[Block] = []
    now = ttft = 0.0
    prompt_left, chunks, context = prompt_tokens, 0, 0  # context: tokens in A's KV cache
    while a_left or b_left:
        if not b_left:
            now = max(now, arrival_s)
        here = now >= arrival_s
        part = min(chunk, prompt_left) if here else 0
        a_decodes = here and not prompt_left and a_left > 0
        decodes = int(a_decodes) + int(b_left > 0)
        call = f"step_s({part}, {context}, {decodes})"
        end = now + scalar(call, positive(call, step_s(part, context, decodes)))
        if part:
            chunks += 1
            blocks.append(Block("A", f"prefill chunk {chunks}", part, now, end))
            prompt_left -= part
            context += part
            if not prompt_left:
                ttft, a_left = end - arrival_s, a_left - 1
        elif a_decodes:
            blocks.append(Block("A", "decode", 1, now, end))
            context, a_left = context + 1, a_left - 1
        if b_left:
            blocks.append(Block("B", "decode", 1, now, end))
            b_left -= 1
        now = end
    ends = [block.end_s for block in blocks if block.request == "B"]
    gaps = tuple(end - before for before, end in zip([0.0, *ends], ends, strict=False))
    return Timeline(tuple(blocks), ttft, gaps, now)
