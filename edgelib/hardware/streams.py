"""How fast does numpy read memory and multiply matrices here? The loops that `probe` times.

Reading is timed on y = M x. Every byte of M is read once, x stays in the first cache, and BLAS walks
along several rows at a time: the streams that a memory controller needs to be busy, and the same
access that decoding a token makes. Multiplying is timed on C = A B, one product per thread. The
threads are Python's (numpy lets go of the interpreter in both), each with its own data.

    python -m edgelib.hardware.streams OPTIONS    # one JSON line per repetition, for `probe`

It runs in a process of its own because BLAS reads its number of threads when numpy is loaded.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from edgelib.errors import choice, integer, positive

ROW = 4096  # float32 in a row of M: 16 KiB, and as much for x
DTYPES = ("float64", "float32", "float16", "int8")
# The side of A and B: large enough for BLAS, small enough for numpy's own loops (a 100th of its rate).
SIDES = {"float64": 768, "float32": 768, "float16": 192, "int8": 192}
FEWEST = 3  # repetitions, even when they take longer than the time allowed


def read_rates(threads: int, size_B: float, seconds: float) -> Iterator[float]:
    """B/s of `threads` threads that each read their own share of `size_B` bytes, per repetition.

    Repeats for `seconds`; the first repetition is not counted.
    """
    threads = integer("threads", threads, at_least=1)
    rows = max(1, int(positive("size_B", size_B) / threads / (4 * ROW)))
    x = np.full(ROW, 1e-3, np.float32)

    def prepare() -> Callable[[], object]:
        matrix = np.ones((rows, ROW), np.float32)  # written by the thread that reads it
        y = np.empty(rows, np.float32)
        return lambda: np.matmul(matrix, x, out=y)

    return (threads * rows * 4 * ROW / s for s in _repeat(prepare, threads, seconds))


def gemm_rates(dtype: str, threads: int, seconds: float, side: int | None = None) -> Iterator[float]:
    """OP/s of `threads` threads that each multiply two matrices of side n, per repetition: 2 n^3 OP.

    int8 is summed in int32, as a quantised layer must be.
    """
    choice("dtype", dtype, DTYPES)
    threads = integer("threads", threads, at_least=1)
    n = SIDES[dtype] if side is None else integer("side", side, at_least=1)
    result = np.dtype(np.int32 if dtype == "int8" else dtype)

    def prepare() -> Callable[[], object]:
        a, b, c = np.ones((n, n), dtype), np.ones((n, n), dtype), np.empty((n, n), result)
        return lambda: np.matmul(a, b, out=c, dtype=result)

    return (threads * 2 * n**3 / s for s in _repeat(prepare, threads, seconds))


def _repeat(prepare: Callable[[], Callable[[], object]], threads: int, seconds: float) -> Iterator[float]:
    """Seconds from the first thread's start to the last one's end, for each repetition."""
    positive("seconds", seconds)
    barrier = threading.Barrier(threads + 1)
    # The threads look at the clock themselves: who coordinates them may be woken late on a busy machine.
    begins, ends = [0.0] * threads, [0.0] * threads

    def work(index: int) -> None:
        try:
            step = prepare()
            while True:
                barrier.wait()
                begins[index] = time.perf_counter()
                step()
                ends[index] = time.perf_counter()
                barrier.wait()
        except threading.BrokenBarrierError:
            return  # enough, or another thread failed
        except BaseException:
            barrier.abort()
            raise

    with ThreadPoolExecutor(threads) as pool:
        workers = [pool.submit(work, index) for index in range(threads)]
        spent, counted = 0.0, -1
        try:
            while counted < FEWEST or spent < seconds:
                barrier.wait()
                barrier.wait()
                took = max(ends) - min(begins)
                spent, counted = spent + took, counted + 1
                if counted > 0:
                    yield took
        except threading.BrokenBarrierError:
            pass  # a thread failed: its result says why
        finally:
            barrier.abort()
        for worker in workers:
            worker.result()


def main(options: dict[str, Any]) -> None:
    """Print {"stage", "rate"} for each repetition of each stage: read_1, read_all, then each dtype."""
    threads, seconds = options["threads"], options["seconds"]
    stages = {
        "read_1": read_rates(1, options["size_B"], 2 * seconds),
        "read_all": read_rates(threads, options["size_B"], 2 * seconds),
        **{dtype: gemm_rates(dtype, threads, seconds) for dtype in DTYPES},
    }
    for stage, rates in stages.items():
        for rate in rates:
            print(json.dumps({"stage": stage, "rate": rate}), flush=True)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
