"""The catalogue of cores is sourced and agrees with itself; registers and tiles agree with published ones."""

import re
from collections import Counter

import numpy as np
import pytest

from edgelib.data import table
from edgelib.errors import UnknownFigure, UnknownName
from edgelib.hardware.microarchitecture import (
    MACS,
    NEEDS,
    core_names,
    executes,
    figure,
    has,
    operations,
    peak,
    peak_from_parts,
    source,
    words,
)
from edgelib.hardware.registers import KERNELS, ROLE_NAMES, best_tile, role, score, tile

ROWS = table("microarchitecture")
NAMED = [f"cortex-{name}" for name in ("a78", "x1", "x2", "x3", "x4")]


def test_every_row_has_a_source_and_a_confidence() -> None:
    bare = [r for r in ROWS if not r["source"].strip() or r["confidence"] not in ("high", "medium", "low")]
    assert bare == []
    assert [r for r in ROWS if re.search("recalled|assumed", r["note"]) and r["confidence"] != "low"] == []
    assert {k: n for k, n in Counter((r["core"], r["figure"]) for r in ROWS).items() if n > 1} == {}


@pytest.mark.parametrize("core", NAMED)
def test_peaks_follow_from_pipes_and_instructions(core: str) -> None:
    """Two columns that were read apart: pipes, and multiply-accumulates per cycle."""
    pipes = figure(core, "simd_pipes").value
    for op in ("fmla", "fmla8h", "sdot"):
        assert figure(core, f"mac_per_cycle.{op}").value == pipes * MACS[op]
    smmla = figure(core, "mac_per_cycle.smmla").value
    assert smmla == (pipes * MACS["smmla"] if executes(core, "smmla") else 0)


@pytest.mark.parametrize("core", [c for c in core_names() if operations(c)])
def test_timings_are_complete_and_possible(core: str) -> None:
    for op in operations(core):
        assert executes(core, op)
        assert 1 <= figure(core, f"latency.{op}").value <= 10
        assert len(set(words(core, f"pipes.{op}"))) == source(core, f"pipes.{op}").value
        if has(core, f"forward.{op}"):
            assert figure(core, f"forward.{op}").value < figure(core, f"latency.{op}").value
        if has(core, f"mac_per_cycle.{op}"):
            rate = len(words(core, f"pipes.{op}")) * MACS[op]
            assert figure(core, f"mac_per_cycle.{op}").value == rate


def test_cores_never_shrink() -> None:
    for name in ("decode_width", "dispatch_width", "rob", "simd_pipes", "l1d_max", "l2_max", "l3_max"):
        sizes = [figure(core, name).value for core in NAMED]
        assert sizes == sorted(sizes), name


def test_the_figures_behind_the_claims() -> None:
    assert figure("cortex-a78", "decode_width").value == 4
    assert figure("cortex-a78", "dispatch_width").value == 6
    assert figure("cortex-a78", "loads_per_cycle").value == 3
    assert figure("cortex-x2", "decode_width").value == 5
    assert figure("cortex-x3", "l1d_max").value == 64 * 2**10
    assert figure("cortex-x4", "clock_max").value == 3.4e9
    assert figure("cortex-a78", "l1d_min").unit == "B"


def test_int8_peak_of_a_cortex_a78() -> None:
    """By hand: 2 pipes x 16 MAC x 3 GHz = 96 GMAC/s, and a MAC is two operations."""
    one = peak("cortex-a78", "sdot")
    assert (one.macs_per_cycle, one.ops_per_cycle) == (32, 64)
    assert (one.macs_s, one.ops_s) == (96e9, 192e9)
    assert peak("cortex-a78", "sdot", 2e9, 4).ops_s == 512e9
    assert peak("cortex-x3", "smmla").ops_per_cycle == 256
    assert peak_from_parts(np.array([2, 4]), 16, 3e9).ops_s.tolist() == [192e9, 384e9]


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: figure("cortex-a79", "rob"), UnknownName, "did you mean"),
        (lambda: figure("cortex-x2", "latency.fmla"), UnknownFigure, "unpublished"),
        (lambda: figure("cortex-a78", "btb"), UnknownFigure, "btb of cortex-a78 is unpublished"),
        (lambda: figure("cortex-a78", "isa"), ValueError, "ask `words`"),
        (lambda: peak("cortex-a78", "smmla"), ValueError, "no i8mm extension"),
        (lambda: peak("cortex-x2", "bfmmla"), UnknownFigure, "unpublished"),
        (lambda: peak("cortex-a78", "vrmpy"), UnknownName, "accepted: fmla"),
        (lambda: peak_from_parts(0, 16, 3e9), ValueError, "pipes = 0"),
        (lambda: role("X31"), UnknownName, "X31"),
        (lambda: score({"X0": "parameter"}), UnknownName, "role of X0"),
        (lambda: tile("int8 SDOT", 0, 4), ValueError, "rows = 0"),
        (lambda: tile("int4 SDOT", 4, 4), UnknownName, "did you mean int8 SDOT"),
    ],
)
def test_bad_input_says_what_is_accepted(call, error, message) -> None:
    with pytest.raises(error, match=message):
        call()


def test_extensions_are_those_of_the_instructions() -> None:
    assert set(NEEDS) < set(MACS)
    assert not executes("cortex-a78", "smmla") and executes("cortex-x2", "smmla")
    assert executes("cortex-a53", "mla") and not executes("cortex-a53", "sdot")


# AAPCS64, table 2, from SP downwards, as (first, last, saved by a callee, special name).
TABLE_2 = [(30, 30, False, "LR"), (29, 29, True, "FP"), (19, 28, True, ""), (18, 18, False, "")]
TABLE_2 += [
    (17, 17, False, "IP1"),
    (16, 16, False, "IP0"),
    (9, 15, False, ""),
    (8, 8, False, ""),
    (0, 7, False, ""),
]


def test_roles_are_those_of_the_standard() -> None:
    """ "A subroutine invocation must preserve the contents of the registers r19-r29 and SP" (AAPCS64)."""
    covered = []
    for first, last, kept, _ in TABLE_2:
        for k in range(first, last + 1):
            covered.append(k)
            assert (role(f"X{k}").saved_by == "callee") is kept
    assert sorted(covered) == list(range(31))
    assert [k for k in range(31) if role(f"x{k}").trap] == [8, 16, 17, 18, 30]
    assert {role(f"X{k}").name for k in range(31)} == set(ROLE_NAMES)
    assert [k for k in range(32) if role(f"V{k}").saved_by == "callee"] == list(range(8, 16))
    assert "64 bits" in role("V8").text


def test_the_chapters_table_scores_25_of_31() -> None:
    printed = {f"X{k}": "argument" if k < 8 else "temporary" if k < 19 else "callee-saved" for k in range(29)}
    assert score(printed) == (25, ("X8", "X16", "X17", "X18", "X29", "X30"))
    assert score({f"X{k}": role(f"X{k}").name for k in range(31)}) == (31, ())
    assert score({})[0] == 0


# Kernels of the Arm Compute Library (src/core/NEON/kernels/arm_gemm/kernels), named rows x columns.
PUBLISHED = [
    ("fp32 FMLA", 8, 12, False),  # a64_sgemm_8x12
    ("fp16 FMLA", 8, 24, False),  # a64_hgemm_8x24
    ("int8 SDOT", 8, 12, False),  # a64_gemm_s8_8x12
    ("int8 SMMLA", 8, 12, True),  # a64_interleaved_s8s32_mmla_8x12
    ("bf16 BFMMLA", 8, 12, True),  # a64_interleaved_bf16fp32_mmla_8x12
]


@pytest.mark.parametrize(("kernel", "rows", "cols", "stream"), PUBLISHED)
def test_published_tiles_fit_and_the_next_do_not(kernel: str, rows: int, cols: int, stream: bool) -> None:
    known = tile(kernel, rows, cols, stream)
    assert known.spilled == 0 and known.accumulators == 24
    assert tile(kernel, rows, cols + 2 * KERNELS[kernel].sums, stream).spilled > 0
    if not stream:
        best = best_tile(kernel)
        assert (best.rows, best.cols) == (rows, cols)
    else:  # with all of B resident it would not fit
        assert tile(kernel, rows, cols).spilled == 2


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize(("rows", "cols"), [(8, 8), (8, 16), (2, 24), (16, 24)])
def test_a_tile_counts_what_it_loads(kernel: str, rows: int, cols: int) -> None:
    """Written out: one accumulator word per result, and each operand element once per step."""
    shape, block = KERNELS[kernel], tile(kernel, rows, cols)
    word = 2 if kernel == "fp16 FMLA" else 4
    assert block.accumulators * 16 == rows * cols * word
    bytes_loaded = (
        shape.item_B * shape.depth * sum(1 for _ in range(rows)) + shape.item_B * shape.depth * cols
    )
    assert block.loaded_B == bytes_loaded
    for count, taken in ((rows, block.a_registers), (cols, block.b_registers)):
        assert taken == -(-count * shape.depth * shape.item_B // 16)
    assert block.macs == shape.depth * rows * cols
    assert block.macs % shape.macs == 0
    expected = 2 * block.macs / (bytes_loaded + 32 * max(0, block.used - 32))
    assert block.ops_per_byte == pytest.approx(expected)
    assert shape.macs == MACS[shape.op]
