"""Writes pycachesim.npz: hits of random traces on random caches, by pycachesim. Run once, by hand:

    python -m venv /tmp/oracle && /tmp/oracle/bin/pip install numpy pycachesim==0.3.1
    /tmp/oracle/bin/python tests/golden/make_pycachesim.py tests/golden/pycachesim.npz

pycachesim is AGPL-3.0 and needs a C compiler, so it is no dependency of this project; its answers are facts.
"""

import sys

import numpy as np
from cachesim import Cache, CacheSimulator, MainMemory

CASES, ACCESSES = 120, 1500


def traces(rng, span):
    """Uniform, sequential, strided, looping and mixed addresses below `span`."""
    i = np.arange(ACCESSES)
    uniform = rng.integers(0, span, ACCESSES)
    stride = int(rng.choice([1, 8, 24, 64, 72, 256, 4096]))
    loop = i % int(rng.integers(2, 200)) * stride
    near = np.abs(np.cumsum(rng.integers(-200, 201, ACCESSES)))
    return [uniform, i * stride, loop, near, np.where(rng.random(ACCESSES) < 0.5, uniform, loop)]


def replay(sets, ways, line, policy, trace):
    """Hit or miss of every load, one at a time.

    Loads only: in pycachesim a store that hits does not count as a use for LRU; in hardware it does.
    """
    memory = MainMemory()
    cache = Cache("L1", sets, ways, line, policy)
    memory.load_to(cache)
    memory.store_from(cache)
    simulator = CacheSimulator(cache, memory)
    hits, before = [], 0
    for address in trace.tolist():
        simulator.load(address)
        missed = cache.backend.MISS_count
        hits.append(missed == before)
        before = missed
    return hits


def main(path):
    rng = np.random.default_rng(20250704)
    columns = {"geometry": [], "trace": [], "hit": []}
    for case in range(CASES):
        sets = int(rng.integers(1, 200)) if case % 3 == 2 else 2 ** int(rng.integers(0, 9))
        line = 2 ** int(rng.integers(3, 8))
        ways = int(rng.choice([1, 2, 3, 4, 6, 8, 12, 16, 32]))
        policy = ("LRU", "FIFO")[case % 2]
        span = int(sets * ways * line * rng.choice([0.7, 1.3, 3, 10])) + line
        trace = traces(rng, span)[case // 2 % 5]
        columns["geometry"].append((sets * ways * line, ways, line, case % 2))
        columns["trace"].append(trace)
        columns["hit"].append(replay(sets, ways, line, policy, trace))
    np.savez_compressed(
        path,
        geometry=np.array(columns["geometry"], dtype=np.int64),
        trace=np.array(columns["trace"], dtype=np.uint32),
        hit=np.packbits(np.array(columns["hit"], dtype=bool), axis=1),
    )


if __name__ == "__main__":
    main(sys.argv[1])
