"""Serving simulators against queueing theory, Little's law, Lindley's recursion and plain loops."""

import functools
import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgelib.planning.batching import Requests, continuous, poisson_requests, static
from edgelib.planning.chunked_prefill import chunked_prefill
from edgelib.planning.prefix_cache import lru_hit_rates, prefix_saving, zipf_stream

# --- chunked prefill -------------------------------------------------------------------------------


def step_cost(fixed, per_token, per_pair=0.0, per_decode=0.0):
    """A fixed cost, one per prompt token, one per attended (query, key) pair, one per decode token."""

    def step_s(tokens, context, decodes):
        pairs = tokens * context + tokens * (tokens + 1) / 2
        return fixed + per_token * tokens + per_pair * pairs + per_decode * decodes

    return step_s


costs = st.builds(step_cost, st.floats(1e-3, 0.1), st.floats(0, 1e-3), st.floats(0, 1e-6), st.floats(0, 1e-2))


@given(costs, st.integers(1, 200), st.integers(1, 700), st.integers(1, 700), st.floats(0, 1))
def test_smaller_chunks_never_help_a(step_s, b_tokens, one, other, arrival_s):
    small, large = sorted((one, other))
    fine = chunked_prefill(600, small, step_s, b_tokens, arrival_s=arrival_s)
    coarse = chunked_prefill(600, large, step_s, b_tokens, arrival_s=arrival_s)
    assert fine.ttft_s >= coarse.ttft_s - 1e-9


divisors = st.sampled_from([n for n in range(1, 601) if 600 % n == 0])


@given(costs, st.integers(1, 200), divisors, divisors, st.floats(0, 1))
def test_smaller_chunks_never_hurt_b(step_s, b_tokens, one, other, arrival_s):
    """Of chunks that divide the prompt: another remainder could put more attention into one step."""
    small, large = sorted((one, other))
    fine = chunked_prefill(600, small, step_s, b_tokens, arrival_s=arrival_s)
    coarse = chunked_prefill(600, large, step_s, b_tokens, arrival_s=arrival_s)
    assert fine.max_gap_s <= coarse.max_gap_s + 1e-9


@given(
    costs, st.integers(1, 300), st.integers(1, 400), st.integers(1, 50), st.integers(1, 9), st.floats(0, 3)
)
def test_tokens_are_conserved_and_each_request_does_one_thing_at_a_time(step_s, n, chunk, b, a, arrival_s):
    timeline = chunked_prefill(n, chunk, step_s, b, a, arrival_s)
    of = {name: [x for x in timeline.blocks if x.request == name] for name in "AB"}
    prefill = [x for x in of["A"] if x.what.startswith("prefill")]
    assert sum(x.tokens for x in prefill) == n and len(prefill) == math.ceil(n / chunk)
    assert len(of["A"]) - len(prefill) == a - 1  # the prefill gives A's first token
    assert len(of["B"]) == len(timeline.gaps_s) == b
    for blocks in of.values():
        assert all(x.end_s <= y.start_s for x, y in pairwise(blocks))
    assert of["A"][0].start_s >= arrival_s
    assert timeline.total_s == max(x.end_s for x in timeline.blocks)
    assert sum(timeline.gaps_s) == pytest.approx(of["B"][-1].end_s)


@pytest.mark.parametrize("chunk", [512, 5000])
def test_unchunked_is_the_closed_form(chunk):
    """B decodes in steps of 0.1 s; A arrives at 0.25 s, waits for the running step, then takes 612 ms."""
    timeline = chunked_prefill(512, chunk, step_cost(0.1, 1e-3), b_tokens=10, arrival_s=0.25)
    assert timeline.ttft_s == pytest.approx(0.05 + 0.612)
    assert timeline.max_gap_s == pytest.approx(0.612)
    assert timeline.total_s == pytest.approx(9 * 0.1 + 0.612)


@pytest.mark.parametrize("chunk", [1, 32, 128])
def test_chunked_is_the_closed_form(chunk):
    """Each of 512 / chunk steps costs 0.1 s and its tokens; the attended pairs do not depend on the chunk."""
    step_s = step_cost(0.1, 1e-3, per_pair=1e-6, per_decode=2e-3)
    timeline = chunked_prefill(512, chunk, step_s, b_tokens=1000)
    assert timeline.ttft_s == pytest.approx(512 / chunk * 0.102 + 0.512 + 1e-6 * 512 * 513 / 2)
    assert timeline.max_gap_s == pytest.approx(
        0.102 + 1e-3 * chunk + 1e-6 * (chunk * (512 - chunk) + chunk * (chunk + 1) / 2)
    )


def test_a_arrives_when_b_is_long_done():
    timeline = chunked_prefill(100, 40, step_cost(0.1, 1e-3), b_tokens=1, a_tokens=3, arrival_s=5)
    assert [x.what for x in timeline.blocks] == [
        "decode", "prefill chunk 1", "prefill chunk 2", "prefill chunk 3", "decode", "decode"
    ]  # fmt: skip
    assert timeline.ttft_s == pytest.approx(0.4)
    assert timeline.total_s == pytest.approx(5.6)


# --- batching ---------------------------------------------------------------------------------------


def step_s(batch):
    return 0.02 + 0.001 * batch


def loop_over_steps(requests, max_batch, step_s):
    """Continuous batching, every single step: finish times by request."""
    now, queue, batch, finish = 0.0, list(range(len(requests.tokens))), {}, {}
    while queue or batch:
        while queue and len(batch) < max_batch and requests.arrival_s[queue[0]] <= now:
            request = queue.pop(0)
            batch[request] = requests.tokens[request]
        if not batch:
            now = requests.arrival_s[queue[0]]
            continue
        now += step_s(len(batch))
        for request in list(batch):
            batch[request] -= 1
            if batch[request] == 0:
                finish[request] = now
                del batch[request]
    return [finish[request] for request in range(len(requests.tokens))]


@pytest.mark.parametrize(("rate", "max_batch"), [(0.5, 1), (3, 4), (3, 16), (20, 7)])
def test_skipping_ahead_equals_a_loop_over_every_step(rate, max_batch):
    requests = poisson_requests(rate, 120, 20, seed=4, lengths="geometric")
    served = continuous(requests, max_batch, step_s)
    assert served.finish_s == pytest.approx(loop_over_steps(requests, max_batch, step_s))


@given(st.lists(st.tuples(st.floats(0, 2), st.integers(1, 9)), min_size=1, max_size=40))
def test_one_slot_is_lindleys_recursion(jobs):
    """Waiting time of a single server: W' = max(0, W + S - gap)."""
    gaps, tokens = zip(*jobs, strict=True)
    requests = Requests(np.cumsum(gaps), np.array(tokens))
    wait = [0.0]
    for size, gap in zip(tokens, gaps[1:], strict=False):
        wait.append(max(0.0, wait[-1] + 0.1 * size - gap))
    served = continuous(requests, 1, lambda batch: 0.1)
    assert served.start_s - requests.arrival_s == pytest.approx(wait, abs=1e-9)


def mean_wait(rate, tokens, step, lengths, streams=24):
    """Mean waiting time of the later half of independent streams, and its standard error."""
    means = []
    for seed in range(streams):
        requests = poisson_requests(rate, 6000, tokens, seed, lengths)
        wait = continuous(requests, 1, lambda batch: step).start_s - requests.arrival_s
        means.append(wait[3000:].mean())
    return np.mean(means), np.std(means, ddof=1) / math.sqrt(streams)


def test_one_slot_and_fixed_lengths_is_m_d_1():
    """rho S / (2 (1 - rho)) with S = 1 s, rho = 0.7."""
    mean, error = mean_wait(rate=0.7, tokens=10, step=0.1, lengths="fixed")
    assert abs(mean - 0.7 / (2 * 0.3)) <= 4 * error < 0.2


def test_one_slot_and_geometric_lengths_is_pollaczek_khinchine():
    """lambda E[S^2] / (2 (1 - rho)); a geometric number of tokens, mean 10, has E[n^2] = 190."""
    mean, error = mean_wait(rate=0.6, tokens=10, step=0.1, lengths="geometric")
    assert abs(mean - 0.6 * 1.90 / (2 * 0.4)) <= 4 * error < 0.2


def test_many_short_steps_become_m_m_1():
    """rho S / (1 - rho): exponential service is the limit of geometric lengths."""
    mean, error = mean_wait(rate=0.6, tokens=1000, step=0.001, lengths="geometric")
    assert abs(mean - 0.6 / 0.4) <= 4 * error < 0.3


def test_poisson_arrivals():
    requests = poisson_requests(5.0, 40_000, 30, seed=0, lengths="geometric")
    gaps = np.diff(requests.arrival_s)
    assert gaps.mean() == pytest.approx(0.2, rel=4 / math.sqrt(40_000))  # exponential: std = mean
    assert gaps.std() == pytest.approx(0.2, rel=0.03)
    assert requests.tokens.mean() == pytest.approx(30, rel=4 / math.sqrt(40_000))
    assert (poisson_requests(10.0, 40_000, 30, seed=0).arrival_s * 2) == pytest.approx(requests.arrival_s)


SERVERS = {
    "continuous": lambda requests, batch: continuous(requests, batch, step_s),
    "static": lambda requests, batch: static(requests, batch, step_s, timeout_s=0.5),
}


@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize("max_batch", [1, 5, 32])
def test_littles_law_and_the_throughput_ceiling(server, max_batch):
    requests = poisson_requests(4, 400, 50, seed=2, lengths="geometric")
    served = SERVERS[server](requests, max_batch)
    # L = lambda W over the trace: slots held, integrated over time, are seconds in service, summed.
    held = (np.diff(served.trace_s) * served.trace_batch).sum()
    assert held == pytest.approx((served.finish_s - served.start_s).sum())
    assert (np.diff(served.trace_s) >= 0).all() and served.trace_batch.max() <= max_batch
    assert served.throughput_tok_s <= max_batch / step_s(max_batch)
    assert served.percentile_s(50) <= served.percentile_s(99) <= served.latency_s.max()
    # Arrival, start, first token, last token, answer: in this order for everyone.
    moments = [requests.arrival_s, served.start_s, served.first_token_s, served.last_token_s, served.finish_s]
    assert all((later - earlier >= -1e-9).all() for earlier, later in pairwise(moments))
    # A slot holds one request at a time.
    for slot in range(max_batch):
        mine = np.flatnonzero(served.slot == slot)
        mine = mine[np.argsort(served.start_s[mine])]
        assert (served.start_s[mine[1:]] >= served.finish_s[mine[:-1]]).all()


@pytest.mark.parametrize("max_batch", [1, 3, 8])
def test_nobody_waits_longer_than_a_step_for_a_free_slot(max_batch):
    """Work conservation: whoever still waits a step after arriving does so because all slots are taken."""
    requests = poisson_requests(2, 300, 40, seed=3, lengths="geometric")
    served = continuous(requests, max_batch, step_s)
    for arrival, start in zip(requests.arrival_s, served.start_s, strict=True):
        from_, to = served.trace_s[:-1], served.trace_s[1:]
        waiting = (np.minimum(to, start) - np.maximum(from_, arrival)) > step_s(max_batch) + 1e-9
        assert (served.trace_batch[waiting] == max_batch).all()


def test_equal_requests_at_once_are_the_closed_form():
    """10 requests of 6 tokens, 4 slots: batches of 4, 4, 2."""
    requests = Requests(np.zeros(10), np.full(10, 6))
    ends = np.cumsum([6 * step_s(4), 6 * step_s(4), 6 * step_s(2)])
    expected = np.repeat(ends, [4, 4, 2])
    assert continuous(requests, 4, step_s).finish_s == pytest.approx(expected)
    waited = np.repeat(
        ends + np.array([0, 0, 0.3]), [4, 4, 2]
    )  # the last two wait for two more that never come
    late = static(requests, 4, step_s, timeout_s=ends[1] + 0.3)
    assert late.finish_s == pytest.approx(waited)


def test_static_batch_returns_with_its_longest_answer():
    served = static(
        Requests(np.array([0.0, 1.0, 1.1]), np.array([2, 10, 1])), 2, lambda batch: 1.0, timeout_s=5
    )
    assert served.start_s.tolist() == [1, 1, 11]  # full at 1 s; at 11 s the third has waited its 5 s
    assert served.last_token_s.tolist() == [3, 11, 12]
    assert served.finish_s.tolist() == [11, 11, 12]


def test_under_load_continuous_batching_gives_more_tokens_sooner():
    requests = poisson_requests(50, 400, 50, seed=1, lengths="geometric")
    free, fixed = continuous(requests, 8, step_s), static(requests, 8, step_s, timeout_s=1.0)
    assert free.throughput_tok_s > 1.5 * fixed.throughput_tok_s
    assert free.percentile_s(99) < fixed.percentile_s(99)
    alone = continuous(requests, 1, step_s)
    assert free.throughput_tok_s > alone.throughput_tok_s


# --- prefix caching ---------------------------------------------------------------------------------


def hits_of_functools(stream, capacity):
    cached = functools.lru_cache(maxsize=capacity)(lambda prefix: prefix)
    for prefix in stream:
        cached(prefix)
    return cached.cache_info().hits


@pytest.mark.parametrize("exponent", [0.0, 0.8, 1.5])
def test_lru_of_every_capacity_equals_functools(exponent):
    stream = zipf_stream(30, 800, exponent, seed=5).tolist()
    rates = lru_hit_rates(stream)
    assert rates.size == len(set(stream)) + 1
    assert rates * 800 == pytest.approx([hits_of_functools(stream, c) for c in range(rates.size)])


@given(st.lists(st.integers(0, 6), min_size=1, max_size=60))
def test_lru_on_any_stream(stream):
    rates = lru_hit_rates(stream)
    assert rates * len(stream) == pytest.approx([hits_of_functools(stream, c) for c in range(rates.size)])
    assert rates[-1] == pytest.approx(1 - len(set(stream)) / len(stream))  # only first requests miss


def test_zipf_frequencies():
    counts = np.bincount(zipf_stream(4, 100_000, 1.0, seed=0), minlength=4)
    law = np.array([12, 6, 4, 3]) / 25  # 1, 1/2, 1/3, 1/4, normalised
    assert (abs(counts - 100_000 * law) <= 4 * np.sqrt(100_000 * law * (1 - law))).all()


def test_prefix_saving_is_the_closed_form():
    """Linear cost 1 ms per token, 1 us per attended pair: a hit saves the prefix's share of both."""
    prefill_s = lambda tokens, context: step_cost(0.05, 1e-3, 1e-6)(tokens, context, 0)  # noqa: E731
    saving = prefix_saving(600, 1000, 0.25, prefill_s, 524_288)
    assert saving.miss_s - saving.hit_s == pytest.approx(0.6 + 1e-6 * 600 * 601 / 2)
    assert saving.saved_s == pytest.approx(0.25 * (saving.miss_s - saving.hit_s))
    assert saving.ttft_s == pytest.approx(saving.miss_s - saving.saved_s)
    assert saving.kept_B == 600 * 524_288
    sweep = prefix_saving(600, 1000, [0, 0.25, 1], prefill_s, 524_288)
    assert sweep.ttft_s == pytest.approx([saving.miss_s, saving.ttft_s, saving.hit_s])
    assert prefix_saving(0, 1000, 1, prefill_s, 524_288).saved_s == 0
