"""Figures against the tables they were read in, threads and mappings against brute force, known causes."""

import csv
from importlib.resources import files
from itertools import product
from math import gcd

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgelib.errors import UnknownFigure
from edgelib.hardware.counters import CAUSES, CLASSES, EVENTS, active_share, classify, shares, synthetic_dump
from edgelib.hardware.dma import buffered
from edgelib.hardware.hardware_threads import ISSUES, POLICIES, WAITS, interleave, threads_needed, utilisation
from edgelib.hardware.hexagon import (
    general_figure,
    hexagon,
    hexagon_names,
    hvx_macs_per_cycle,
    hvx_peak,
    readings,
)
from edgelib.hardware.unroll_limits import unroll_limits
from edgelib.planning.dsp_tuning import POINTS, Workload, follow, gains, rank_correlation, tuned
from edgelib.planning.unit_mapping import CLASSES as STEPS
from edgelib.planning.unit_mapping import Step, Unit, best_mapping, layer_steps, map_layers
from edgelib.workloads import transformer, weight_format

# Lines of QEMU's hw/hexagon/machine_cfg_*.h.inc, as they stand there: thread_enable_mask, ext_contexts,
# vtcm_size_kb, l2tag_size, dma_version, l1d_size_kb, l1i_size_kb.
QEMU = {
    "v66g_1024": (0x0F, 0x4, 0x100, 0x400, 0x0, 0x0, 0x0),
    "v68n_1024": (0x3F, 0x4, 0x1000, 0x400, 0x1, 0x1F1F1F1F, 0x1F1F1F1F),
    "sa8775p_cdsp0": (0x3F, 0x4, 0x2000, 0x400, 0x3, 0x10, 0x20),
    "v81qa_1": (0xFFF, 0x8, 0x4000, 0x400, 0x8, 0x40, 0x40),
    "v81dgb_1": (0xFFF, 0x4, 0x800, 0x800, 0x0, 0x40, 0x40),
}


@pytest.mark.parametrize(("name", "words"), QEMU.items(), ids=QEMU)
def test_configuration_tables(name, words):
    mask, contexts, vtcm, l2, dma, l1d, l1i = words
    unit = hexagon(name)
    assert unit.threads == mask.bit_count()
    assert unit.hvx_contexts == contexts
    assert unit.vtcm_B == vtcm * 1024 and unit.figure("l2").value == l2 * 1024
    assert unit.has_user_dma == (dma > 0) and unit.figure("dma_version").value == dma
    for figure, word in (("l1d", l1d), ("l1i", l1i)):
        if word in (0, 0x1F1F1F1F):  # zero, or the fill pattern of a table that ends before: not stated
            with pytest.raises(UnknownFigure, match=f"{figure} of {name} is unpublished"):
                unit.figure(figure)
        else:
            assert unit.figure(figure).value == word * 1024


def test_every_row_is_sourced_once():
    with files("edgelib.data").joinpath("hexagon.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert all(row["source"] and row["confidence"] in {"high", "medium", "low"} for row in rows)
    keys = [(row["name"], row["figure"]) for row in rows]
    assert len(set(keys)) == len(keys)
    assert all(float(row["value"]) >= 0 for row in rows)


def test_no_clock_is_published():
    for name in hexagon_names():
        with pytest.raises(UnknownFigure, match="clock"):
            hexagon(name).figure("clock")


def test_a_version_does_not_say_the_size():
    sizes = {hexagon(n).vtcm_B / 2**20 for n in hexagon_names() if hexagon(n).version == "V81"}
    assert sizes == {2, 4, 8, 16}
    assert hexagon("sm8350").vtcm_B == hexagon("v68n_1024").vtcm_B  # two tables of the maker agree
    assert hexagon("sm8350").vtcm_B / hexagon("v66g_1024").vtcm_B == 16  # as AnandTech 16271 reports


def test_peak_from_parts():
    assert hvx_macs_per_cycle(1) == 256  # Hexagon 680, "256 8x8 multiplies" per context
    assert hvx_macs_per_cycle(4) == 1024
    assert hvx_macs_per_cycle(4, resources=1) * 1.2e9 == pytest.approx(614.4e9)
    assert hvx_peak(4, 1.2e9).ops_s == pytest.approx(2.4576e12)


def test_the_printed_peaks_close_under_no_reading():
    """The only readings near a total of 1.5 T have 1.0 GHz for both units and one operation per MAC."""
    every = readings((512, 1024), (512,), (1.0e9, 1.2e9))
    assert len(every) == 2 * 1 * 2 * 2 * 2
    near = [r for r in every if abs(r.total / 1.5e12 - 1) < 0.05]
    assert [(r.vector_macs, r.vector_Hz, r.tensor_Hz, r.ops_per_mac) for r in near] == [(1024, 1e9, 1e9, 1)]
    tensor = [r for r in every if abs(r.tensor / 614e9 - 1) < 0.01]
    assert tensor and all(r.tensor_Hz == 1.2e9 and r.ops_per_mac == 1 for r in tensor)
    assert not set(near) & set(tensor)


def test_cost_of_one_queued_operator_is_that_of_its_source():
    batch, work, ops = (
        general_figure("offload", n).value for n in ("llamacpp_batch", "llamacpp_work", "llamacpp_ops")
    )
    assert (batch - work) / ops == pytest.approx(general_figure("offload", "queued_op").value, rel=2e-3)


counts = st.integers(1, 12)


@settings(max_examples=150, deadline=None)
@given(st.integers(1, 8), counts, st.integers(0, 40))
def test_staying_with_a_thread_reaches_the_bound(threads, compute, latency):
    period = (compute + latency) * threads * compute // gcd(compute + latency, threads * compute)
    run = interleave(threads, compute, latency, 3 * period + 200)
    skip = period + 200  # past the start, whole periods
    assert run.state[:, skip : skip + period].shape[1] == period
    measured = (run.state[:, skip : skip + period] == ISSUES).any(axis=0).mean()
    assert measured == pytest.approx(float(utilisation(threads, compute, latency)), abs=1e-12)


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 8), counts, st.integers(0, 40), st.sampled_from(POLICIES), st.floats(0, 1))
def test_nobody_beats_the_bound(threads, compute, latency, policy, jitter):
    cycles = 50 * (compute + latency)
    run = interleave(threads, compute, latency, cycles, policy, jitter)
    assert (run.state == ISSUES).sum(axis=0).max() <= 1
    slack = threads * compute / cycles  # the last burst need not be followed by its wait
    bound = float(utilisation(threads, compute, latency * (1 - jitter)))
    assert run.share() <= bound + slack
    if not jitter:
        assert run.share() <= float(utilisation(threads, compute, latency)) + slack


def test_each_thread_works_and_waits_as_told():
    state = interleave(1, 3, 5, 64).state[0]
    np.testing.assert_array_equal(state, np.tile([ISSUES] * 3 + [WAITS] * 5, 8))


def test_taking_turns_makes_threads_wait_together():
    inline = interleave(4, 4, 12, 8000, "until it stalls").share(800)
    turns = interleave(4, 4, 12, 8000, "every cycle").share(800)
    assert inline == 1.0 and turns == pytest.approx(0.64, abs=0.001)
    # 16 cycles issue, the first thread is ready again 12 cycles after its last packet at cycle 12: 25 in all.
    assert turns == pytest.approx(16 / 25, abs=1e-3)


@given(counts, st.integers(0, 60))
def test_threads_needed_is_the_first_that_saturates(compute, latency):
    n = int(threads_needed(compute, latency))
    assert utilisation(n, compute, latency) == 1
    assert n == 1 or utilisation(n - 1, compute, latency) < 1


@given(*[st.integers(0, 400), st.integers(1, 20)] * 3)
def test_unroll_factor_is_the_largest_that_fits(registers, each, memory, data, code, instructions):
    limits = unroll_limits(registers, each, memory, data, code, instructions)

    def fits(u):
        return u * each <= registers and u * data <= memory and u * 4 * instructions <= code

    assert fits(limits.factor) and not fits(limits.factor + 1)
    lone = {"registers": each, "memory": data, "instructions": 4 * instructions}
    room = {"registers": registers, "memory": memory, "instructions": code}
    assert set(limits.binding) == {k for k in lone if (limits.factor + 1) * lone[k] > room[k]}


@pytest.mark.parametrize("cause", CLASSES)
def test_dumps_with_a_known_cause_are_recognised(cause):
    for seed in range(200):
        dump = synthetic_dump(cause, seed)
        assert classify(dump) == cause
        assert sum(shares(dump).values()) == pytest.approx(1)
        assert all(dump[name] >= 0 for name in EVENTS) and 0 < active_share(dump) <= 1


def dump_of(timeline, scale=1000):
    """What counters of a vector unit would show during a schedule: it issues, or it waits for a load."""
    total = timeline.seconds * scale
    issuing = timeline.busy_s("compute") * scale
    return {"cycles": total, "HVX_PKT": 2 * issuing, **dict.fromkeys(list(EVENTS)[1:], 0)} | {
        "HVX_LD_L2_OUTSTANDING": total - issuing
    }


def test_a_schedule_bound_by_memory_is_seen_as_one():
    assert classify(dump_of(buffered(50, 5, 2, 0, 2))) == "memory"
    assert classify(dump_of(buffered(50, 2, 5, 0, 2))) == "compute"
    # 2 of 7 seconds are loads with one buffer: two in three cycles issue, and memory is all that stalls.
    assert classify(dump_of(buffered(50, 3, 5, 0, 1))) == "memory"
    lazy = {"cycles": 1000.0, "HVX_PKT": 400.0, **dict.fromkeys(list(EVENTS)[1:], 0)}
    assert classify(lazy) == "no work" and active_share(lazy) == 0.2


def test_packets_count_twice():
    dump = {"cycles": 1000, "HVX_PKT": 1200, **dict.fromkeys(list(EVENTS)[1:], 0)} | {"HVX_ACC_ORDER": 400}
    assert shares(dump)["compute"] == 0.6 and shares(dump)["accumulator"] == 0.4
    assert classify(dump) == "accumulator"
    assert {event for events in CAUSES.values() for event in events} == set(EVENTS) - {"HVX_PKT"}


UNITS = {
    "CPU": Unit("CPU", 0.5e12, 0.05e12, 45e9, "CPU"),
    "HVX": Unit("HVX", 1.2e12, 0.15e12, 50e9, "DSP"),
    "tensor": Unit("tensor", 10e12, 0, 50e9, "DSP"),
    "GPU": Unit("GPU", 2e12, 0.5e12, 60e9, "GPU"),
}


def test_a_layer_has_the_parameters_and_products_of_the_model():
    model = transformer("llama-2-7b")
    for n, context in ((1, 2048), (300, 300), (5, 700)):
        steps = layer_steps(model, weight_format("int8"), n, context)
        linear = [s for s in steps if s.kind == "linear"]
        assert sum(s.size_B for s in linear) * model.layers == model.layer_params
        assert sum(s.ops for s in linear) * model.layers == 2 * model.layer_params * n
        pairs = sum(context - n + i + 1 for i in range(n))  # what each new token may look at
        attention = [s for s in steps if s.kind == "attention"]
        assert sum(s.ops for s in attention) == 4 * model.heads * model.head_dim * pairs
        assert sum(s.size_B for s in attention) * model.layers == model.kv_bytes_per_token() * context


def test_mapping_by_hand():
    steps = [Step("a", "linear", 1e12, 0), Step("b", "vector", 0, 1e9), Step("c", "attention", 0, 5e9)]
    mixed = map_layers(
        steps, UNITS, {"linear": "tensor", "attention": "GPU", "vector": "HVX"}, layers=2, handover_s=1e-3
    )
    assert mixed.seconds == {
        "linear": pytest.approx(0.2),
        "attention": pytest.approx(1 / 6),
        "vector": pytest.approx(0.04),
    }
    assert mixed.handovers == 4 and mixed.handover_s == 4e-3  # to the GPU and back, twice
    wrong = map_layers(steps, UNITS, dict.fromkeys(STEPS, "tensor"), layers=1, handover_s=1e-3)
    assert wrong.violations == ("b: tensor has no vector operations",)
    assert wrong.seconds["vector"] == pytest.approx(1e9 / 45e9) and wrong.handovers == 2


@pytest.mark.parametrize("n", [1, 512])
def test_best_mapping_is_the_best_of_all(n):
    model = transformer("llama-3.2-1b")
    steps = layer_steps(model, weight_format("int8"), n, 2048)
    assignment, best = best_mapping(steps, UNITS, model.layers, 88e-6)
    assert not best.violations
    for names in product(UNITS, repeat=3):
        other = map_layers(steps, UNITS, dict(zip(STEPS, names, strict=True)), model.layers, 88e-6)
        assert other.violations or other.total_s >= best.total_s
    assert best.total_s == map_layers(steps, UNITS, assignment, model.layers, 88e-6).total_s
    # One token is bound by memory: the unit with the most bandwidth wins. A prompt wants the tensor unit.
    assert assignment["linear"] == ("GPU" if n == 1 else "tensor")


def test_tuning_gains_by_hand():
    work = Workload(2e9, 4e9)
    tile = 8192 / 30e9
    memory = 2e9 / 30e9 * (1 + 0.1e-6 / tile)
    assert work.seconds == pytest.approx(memory + 535 * 98e-6 + 1e-3)
    gain = gains(work)
    assert gain["fewer calls"] == pytest.approx(work.seconds / (memory + 98e-6 + 1e-3))
    assert gain["tensor unit"] == gain["full vector width"] == gain["intrinsics"] == 1
    prompt = gains(Workload(2e9, 4e9 * 512))
    assert max(prompt, key=lambda p: prompt[p]) == "tensor unit"
    assert prompt["fewer bits"] == 1
    # Taken together the ten gain no more than the product, and at least the best alone.
    together = work.seconds / follow(work, POINTS).seconds
    assert max(gain.values()) <= together
    assert tuned(tuned(work, "access pattern"), "fewer bits") == follow(
        work, ["access pattern", "fewer bits"]
    )


@given(st.lists(st.integers(0, 5), min_size=3, max_size=9), st.data())
def test_rank_correlation_is_spearman(first, data):
    second = data.draw(st.lists(st.integers(0, 5), min_size=len(first), max_size=len(first)))
    if len(set(first)) == 1 or len(set(second)) == 1:
        return

    def ranks(values):  # the mean position among all sorted orders
        ordered = sorted(values)
        return [ordered.index(v) + (ordered.count(v) - 1) / 2 for v in values]

    x, y = ranks(first), ranks(second)
    mx, my = sum(x) / len(x), sum(y) / len(y)
    top = sum((a - mx) * (b - my) for a, b in zip(x, y, strict=True))
    bottom = (sum((a - mx) ** 2 for a in x) * sum((b - my) ** 2 for b in y)) ** 0.5
    assert rank_correlation(first, second) == pytest.approx(top / bottom)
