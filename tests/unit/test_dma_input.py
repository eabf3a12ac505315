"""Bad input of the models around a DSP: the message names the argument, the value and what is accepted."""

import numpy as np
import pytest

from edgelib.errors import UnknownFigure, UnknownName
from edgelib.hardware.box_copy import Box, run_chain, tile_box, transpose_chain
from edgelib.hardware.counters import EVENTS, classify, synthetic_dump
from edgelib.hardware.dma import buffered, steady_s
from edgelib.hardware.fastrpc import (
    best_stages,
    hand_over,
    min_ops_per_call,
    pipelined,
    rpc_share,
    token_s,
)
from edgelib.hardware.hardware_threads import interleave, utilisation
from edgelib.hardware.hexagon import general_figure, hexagon, hvx_macs_per_cycle, readings
from edgelib.hardware.unroll_limits import unroll_limits
from edgelib.hardware.vtcm import partition, ring_slot, ring_slot_masked
from edgelib.planning.dsp_tuning import Workload, gains, rank_correlation, tuned
from edgelib.planning.unit_mapping import Step, Unit, best_mapping, layer_steps, map_layers
from edgelib.workloads import transformer, weight_format

GPU = Unit("GPU", 1e12, 1e11, 1e10, "GPU")
TENSOR = Unit("tensor", 1e12, 0, 1e10, "DSP")
STEPS = [Step("softmax", "vector", 1e6, 0)]
EMPTY = {"cycles": 10, **dict.fromkeys(EVENTS, 0)}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: buffered(0, 1, 1), "tiles = 0"),
        (lambda: buffered(3, -1, 1), "load_s = -1"),
        (lambda: buffered(3, 0, 0, 0), "all 0"),
        (lambda: buffered(3, float("nan"), 1), "load_s = nan"),
        (lambda: buffered(3, 1, 1, buffers=1.5), "buffers = 1.5"),
        (lambda: buffered(2, 1, 1).per_tile_s(), "timeline of 2 tiles"),
        (lambda: buffered(2, 1, 1).busy_s("wait"), "stage = 'wait'"),
        (lambda: steady_s(1, [1, 2]), "compute_s"),
        (lambda: Box(0, 0, 0, 1, 1, 1), "rows = 0"),
        (lambda: Box(-1, 0, 1, 1, 1, 1), "source = -1"),
        (lambda: Box(0, 0, 2, 8, 8, 8).truncated("1-D"), "layout = '1-D'"),
        (lambda: run_chain(np.zeros(8, np.int8), []), "uint8"),
        (lambda: run_chain(np.zeros(8, np.uint8), [Box(4, 0, 2, 4, 4, 4)]), "box 0: its source ends 4 bytes"),
        (lambda: run_chain(np.zeros(8, np.uint8), [Box(0, 0, 2, 2, 2, 8)]), "its target ends 2 bytes"),
        (lambda: tile_box((4, 4), (2, 2), (3, 2)), r"tile = \(3, 2\)"),
        (lambda: transpose_chain((0, 4)), "shape = 0"),
        (lambda: partition(0, {}), "capacity_B = 0"),
        (lambda: partition(10, {"a": -1}), "sizes_B"),
        (lambda: ring_slot(-1, 4), "position = -1"),
        (lambda: ring_slot(1.5, 4), "position = 1.5"),
        (lambda: ring_slot_masked(0.5, 4), "position = 0.5"),
        (lambda: ring_slot_masked(0, 0), "slots = 0"),
        (lambda: utilisation(0, 1, 1), "threads = 0"),
        (lambda: utilisation(1, 1, -1), "latency = -1"),
        (lambda: interleave(1, 0, 1, 1), "compute = 0"),
        (lambda: interleave(1, 1, 1, 10, jitter=2), "jitter = 2"),
        (lambda: unroll_limits(32, 0, 1, 1, 1, 1), "registers_each = 0"),
        (lambda: rpc_share(1, 0), "work_s = 0"),
        (lambda: min_ops_per_call(1, 1, 1), "share = 1"),
        (lambda: min_ops_per_call(1, 1, 0), "share = 0"),
        (lambda: token_s(0, 1, 1, 1), "ops = 0"),
        (lambda: hand_over("copy", 10, 1, dirty=2), "dirty = 2"),
        (lambda: hand_over("uncached", 10, 1, uncached=0), "uncached = 0"),
        (lambda: best_stages((1, 2), 3), "depth = 3"),
        (lambda: best_stages((), 1), "op_s|depth"),
        (lambda: pipelined((1, 2), 1, -1, 1), "handoff_s = -1"),
        (lambda: hvx_macs_per_cycle(4, 3), "resources = 3"),
        (lambda: readings((0,), (1,), (1e9,)), "vector_macs"),
        (lambda: classify({}), "cycles"),
        (lambda: classify(EMPTY), "active cycles 0"),
        (lambda: classify(EMPTY | {"HVX_PKT": 40}), "active cycles 20"),
        (lambda: classify(EMPTY | {"HVX_PKT": -2}), "HVX_PKT = -2"),
        (lambda: layer_steps(transformer("llama-2-7b"), weight_format("int8"), 5, 4), "context = 4"),
        (lambda: best_mapping(STEPS, {"CPU": TENSOR}, 1, 0), "fallback|no assignment"),
        (
            lambda: map_layers(STEPS, {"CPU": GPU}, dict.fromkeys(("linear", "vector"), "CPU"), 1, 0),
            "attention",
        ),
        (lambda: gains(Workload(0, 1)), "size_B = 0"),
        (lambda: rank_correlation([1, 2], [1, 2, 3]), "shapes"),
        (lambda: rank_correlation([1, 1], [1, 2]), "equal"),
    ],
)
def test_refused_with_a_reason(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize(
    "call",
    [
        lambda: buffered(3, 1, 1, bus="both"),
        lambda: interleave(1, 1, 1, 1, "never"),
        lambda: hexagon("v66"),
        lambda: hexagon("v66g_1024").figure("l3"),
        lambda: general_figure("hvx", "speed"),
        lambda: general_figure("gpu", "speed"),
        lambda: hand_over("ION", 10, 1.0),
        lambda: synthetic_dump("weather"),
        lambda: tuned(Workload(1, 1), "pray"),
        lambda: Box(0, 0, 1, 1, 1, 1).descriptors("3-D"),
    ],
)
def test_unknown_names_list_the_accepted(call):
    with pytest.raises(UnknownName, match="accepted"):
        call()


def test_unpublished_figures_are_refused():
    with pytest.raises(UnknownFigure, match="clock of v66g_1024 is unpublished"):
        hexagon("v66g_1024").figure("clock")
    with pytest.raises(UnknownFigure, match="threads of sm8650"):
        _ = hexagon("sm8650").threads
