"""Bad caches, traces, tensors and programs: a ValueError that names what is wrong."""

import numpy as np
import pytest

from edgelib.data import Figure
from edgelib.errors import UnknownName
from edgelib.hardware.cache import Cache
from edgelib.hardware.cache.blocking import Tiling, trace
from edgelib.hardware.cache.hierarchy import MEMORIES, Level, Memory, chase, lines_in_flight
from edgelib.hardware.cache.layouts import false_sharing, fetched, morton, tensor_offset
from edgelib.hardware.cache.prefetch import prefetch
from edgelib.hardware.memory_order import arm, parse, shape
from edgelib.hardware.memory_order.atomics import expected_retries
from edgelib.hardware.memory_order.ring_queue import pool_trace, queue_program, queue_trace


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((1000, 4, 64), "sets"),
        ((3 * 4 * 64 + 32, 4, 64), "3.125 sets"),
        ((1024, 4, 48), "line = 48"),
        ((0, 4, 64), "size = 0"),
        ((1024, 0, 64), "ways = 0"),
        ((1024, 2.5, 64), "ways = 2.5"),
        (("32K", 4, 64), "size = '32K'"),
        ((1024, 4, 64, "plru"), "policy = 'plru'"),
        ((64, 4, 64), "sets"),
    ],
)
def test_a_cache_that_cannot_be(arguments, words):
    with pytest.raises(ValueError, match=words):
        Cache(*arguments)


@pytest.mark.parametrize("addresses", [[1.5], [-1], ["a"], 5, [True], [[1, 2], [3]], [2**63], None, [np.nan]])
def test_a_trace_that_cannot_be(addresses):
    with pytest.raises(ValueError, match="addresses"):
        Cache(1024, 4, 64).run(addresses)


def test_an_empty_trace_has_neither_hits_nor_misses():
    assert Cache(1024, 4, 64).run([]) == (0, 0)
    assert Cache(1024, 4, 64).run(np.array([2**63 - 1], dtype=np.uint64)) == (0, 1)


def figure(unit):
    return Figure(1.0, unit, "test", "low")


@pytest.mark.parametrize(
    "call",
    [
        lambda: Level("L1", Cache(64, 1, 64), figure("s")),
        lambda: Memory("m", 1e9, (), figure("ns")),
        lambda: Memory("m", -1, (Level("L1", Cache(64, 1, 64), figure("ns")),), figure("ns")),
        lambda: MEMORIES["as the chapter prints it"].chase_s(0),
        lambda: chase(10, 1),
        lambda: chase(4096, 0),
        lambda: lines_in_flight(1e9, 0),
        lambda: prefetch([1, 2], "dead block"),
        lambda: prefetch([1, 2], "stride", distance=0),
        lambda: prefetch([-1], "none"),
        lambda: tensor_offset("nchw16", (1, 1, 1, 1), 0, 0, 0, 0),
        lambda: tensor_offset("nchw", (1, 2, 3), 0, 0, 0, 0),
        lambda: tensor_offset("nchw", (1, 2, 3, 4), 0, 2, 0, 0),
        lambda: morton(1 << 20, 0),
        lambda: fetched([], 4),
        lambda: fetched([1], 0),
        lambda: false_sharing(0, 4),
        lambda: Tiling(4, 4, 4, 8, 4, 4),
        lambda: Tiling(4, 4, 4, 4, 4, 4).fits(0),
        lambda: trace(Tiling(1000, 1000, 1000, 10, 10, 10)),
        lambda: parse("LDR r0, x; LDR r0, y"),
        lambda: parse("STR r0, x"),
        lambda: parse("MOV r0, x"),
        lambda: parse("LDR x, r0"),
        lambda: parse("LDR r0 x"),
        lambda: parse("STR -1, x"),
        lambda: parse("CAS r0, 1, x"),
        lambda: parse("CBNZ r0"),
        lambda: arm(parse(" | ".join(["STR 1, x; STR 2, x; STR 3, x; LDR r0, x"] * 4))),
        lambda: queue_program("sequential"),
        lambda: queue_trace(0, "p"),
        lambda: queue_trace(2, "x"),
        lambda: pool_trace("2", True),
        lambda: expected_retries(0),
    ],
)
def test_other_bad_input(call):
    with pytest.raises(ValueError, match=r"expected|accepted|unknown|before it is loaded|loaded twice"):
        call()


def test_an_unknown_shape_is_named():
    with pytest.raises(UnknownName, match="MP"):
        shape("MQ")
