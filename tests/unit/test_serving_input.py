"""Bad input of the serving simulators: the message names the argument."""

import math

import numpy as np
import pytest

from edgelib.planning.batching import Requests, continuous, poisson_requests, static
from edgelib.planning.chunked_prefill import chunked_prefill
from edgelib.planning.prefix_cache import lru_hit_rates, prefix_saving, zipf_stream

REQUESTS = Requests(np.array([0.0, 1.0]), np.array([2, 3]))


def second(*_):
    return 1.0


BAD = {
    "chunked: no prompt": (lambda: chunked_prefill(0, 4, second, 1), "prompt_tokens"),
    "chunked: prompt a fraction": (lambda: chunked_prefill(10.5, 4, second, 1), "prompt_tokens"),
    "chunked: chunk 0": (lambda: chunked_prefill(10, 0, second, 1), "chunk"),
    "chunked: no B": (lambda: chunked_prefill(10, 4, second, 0), "b_tokens"),
    "chunked: no A": (lambda: chunked_prefill(10, 4, second, 1, a_tokens=0), "a_tokens"),
    "chunked: arrival": (lambda: chunked_prefill(10, 4, second, 1, arrival_s=-1), "arrival_s"),
    "chunked: arrivals": (lambda: chunked_prefill(10, 4, second, 1, arrival_s=[0, 1]), "arrival_s"),
    "chunked: times": (lambda: chunked_prefill(10, 4, lambda *_: [1.0, 2.0], 1), "step_s"),
    "zipf: exponents": (lambda: zipf_stream(5, 5, exponent=[1, 2]), "exponent"),
    "static: timeouts": (lambda: static(REQUESTS, 2, second, [1, 2]), "timeout_s"),
    "continuous: times": (lambda: continuous(REQUESTS, 2, lambda b: [1.0, 2.0]), "step_s"),
    "poisson: means": (lambda: poisson_requests(1, 5, [3, 4], lengths="geometric"), "tokens"),
    "chunked: arrival NaN": (lambda: chunked_prefill(10, 4, second, 1, arrival_s=math.nan), "arrival_s"),
    "chunked: no time": (lambda: chunked_prefill(10, 4, lambda *_: 0.0, 1), r"step_s\(4, 0, 1\) = 0.0"),
    "chunked: no number": (lambda: chunked_prefill(10, 4, lambda *_: None, 1), "step_s"),
    "requests: shapes": (lambda: Requests([0.0, 1.0], [1]), "shapes"),
    "requests: none": (lambda: Requests([], []), "shapes"),
    "requests: order": (lambda: Requests([1.0, 0.0], [1, 1]), "arrival_s decreases"),
    "requests: tokens 0": (lambda: Requests([0.0], [0]), "tokens"),
    "requests: tokens a fraction": (lambda: Requests([0.0], [1.5]), "tokens"),
    "requests: NaN": (lambda: Requests([math.nan], [1]), "arrival_s"),
    "poisson: rate": (lambda: poisson_requests(0, 5, 5), "rate"),
    "poisson: rates": (lambda: poisson_requests([1, 2], 5, 5), "rate"),
    "poisson: count": (lambda: poisson_requests(1, 0, 5), "count"),
    "poisson: tokens": (lambda: poisson_requests(1, 5, 2.5), "tokens"),
    "poisson: mean below 1": (lambda: poisson_requests(1, 5, 0.5, lengths="geometric"), "tokens"),
    "poisson: lengths": (lambda: poisson_requests(1, 5, 5, lengths="geometrical"), "did you mean geometric"),
    "poisson: seed": (lambda: poisson_requests(1, 5, 5, seed=1.5), "seed"),
    "continuous: batch 0": (lambda: continuous(REQUESTS, 0, second), "max_batch"),
    "continuous: negative time": (lambda: continuous(REQUESTS, 2, lambda b: 1.5 - b), r"step_s\(2\) = -0.5"),
    "static: batch": (lambda: static(REQUESTS, 1.5, second, 1), "max_batch"),
    "static: timeout": (lambda: static(REQUESTS, 2, second, math.inf), "timeout_s"),
    "percentile": (lambda: continuous(REQUESTS, 2, second).percentile_s(101), "percent"),
    "saving: prefix as long as the prompt": (lambda: prefix_saving(10, 10, 0.5, second, 1), "prefix_tokens"),
    "saving: prefix": (lambda: prefix_saving(-1, 10, 0.5, second, 1), "prefix_tokens"),
    "saving: prompt": (lambda: prefix_saving(0, 0, 0.5, second, 1), "prompt_tokens"),
    "saving: hit_rate": (lambda: prefix_saving(5, 10, 1.5, second, 1), "hit_rate"),
    "saving: time": (lambda: prefix_saving(5, 10, 0.5, lambda *_: -1.0, 1), r"prefill_s\(10, 0\)"),
    "saving: bytes": (lambda: prefix_saving(5, 10, 0.5, second, -1), "kv_bytes_per_token"),
    "zipf: prefixes": (lambda: zipf_stream(0, 5), "prefixes"),
    "zipf: requests": (lambda: zipf_stream(5, 0), "requests"),
    "zipf: exponent": (lambda: zipf_stream(5, 5, exponent=-1), "exponent"),
    "zipf: seed": (lambda: zipf_stream(5, 5, seed="x"), "seed"),
    "lru: nothing": (lambda: lru_hit_rates([]), "stream"),
    "lru: table": (lambda: lru_hit_rates([[1, 2]]), "stream"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_names_the_argument(case):
    call, message = BAD[case]
    with pytest.raises(ValueError, match=message):
        call()
