"""The packet checker against the LLVM 14 assembler, the scheduler against all schedules and an execution."""

import json
import os
import random
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgelib.hardware.vliw import branch_overhead, check_packet, loop_cycles, pack, shortest
from edgelib.hardware.vliw.gemm_loop import REPAIRS, attempt, judge, operands
from edgelib.isa.hexagon_forms import forms, unit_classes
from edgelib.isa.hexagon_machine import Machine
from tests.oracles.hexagon_packets import EDGES, FROZEN, TOOL, assemble, generate, instruction

GOLDEN = Path(__file__).parents[1] / "golden"
FIXED = json.loads((GOLDEN / "hexagon_packets.json").read_text())
GENERATED = json.loads((GOLDEN / "hexagon_generated.json").read_text())


@pytest.fixture(scope="session")
def assembler():
    if not TOOL:
        message = "llvm-mc-14 not found: install the package llvm-14"
        pytest.fail(message) if os.environ.get("CI") == "true" else pytest.skip(message)


@pytest.mark.parametrize("case", FIXED, ids=lambda case: case["name"])
def test_golden_packets(case):
    assert check_packet(case["asm"]).legal == (case["llvm14"] == "LEGAL")


def test_generated_packets_and_rules_one_by_one():
    """A hundred packets that keep or break one rule each, six hundred random ones: no disagreement."""
    assert len(GENERATED) >= 700
    assert 0.4 < sum(case["llvm14"] == "LEGAL" for case in GENERATED) / len(GENERATED) < 0.6
    wrong = [c for c in GENERATED if check_packet(c["asm"]).legal != (c["llvm14"] == "LEGAL")]
    assert wrong == []


def test_reasons_are_given_if_and_only_if_a_packet_is_illegal():
    for case in GENERATED:
        verdict = check_packet(case["asm"])
        assert verdict.legal != bool(verdict.reasons)
        assert all(reason.endswith(".") for reason in verdict.reasons)
        if verdict.legal:
            assert len(set(verdict.slots)) == len(verdict.slots) <= 4
            pipes = [pipe for held in verdict.pipes for pipe in held]
            assert len(set(pipes)) == len(pipes)


def test_the_golden_file_is_what_the_assembler_says(assembler):
    assert generate(FROZEN, 600) == GENERATED
    assert [case["asm"][2:-2] for case in GENERATED[: len(EDGES)]] == EDGES


def test_fresh_packets(assembler):
    """Other seeds each time: never laxer than the assembler, and alike in 98 of 100."""
    cases = generate(random.randrange(1 << 30), 1500)
    lax = [c for c in cases if check_packet(c["asm"]).legal and c["llvm14"] != "LEGAL"]
    alike = sum(check_packet(c["asm"]).legal == (c["llvm14"] == "LEGAL") for c in cases)
    assert lax == []
    assert alike >= 0.98 * len(cases)


def test_every_form_of_the_table_assembles(assembler):
    """Alone in its packet each form is an instruction to the assembler; what it minds are missing values."""
    rng = random.Random(3)
    chosen = [f for f in forms() if f.unit.family != "duplex" and "; " not in f.syntax]
    texts = []
    for form in chosen:
        text = instruction(rng, form, 32)
        while not any(word in str(check_packet(text).reasons) for word in ("new", "twice")) and (
            not check_packet(text).legal and "ieee" not in form.flags
        ):
            text = instruction(rng, form, 32)
        texts.append(f"{{ {text} }}")
    for form, text, verdict in zip(chosen, texts, assemble(texts), strict=True):
        unknown = "operand" in verdict or verdict.endswith("invalid instruction")
        assert unknown == ("ieee" in form.flags), (text, verdict)


SHARERS = {  # one that only these slots take, and one that needs the rest
    "ALU32": ("r{0}=add(r9,r10)", 4),
    "XTYPE": ("r{0}=mpyi(r9,r10)", 2),
    "LD": ("r{0}=memw(r9+#0)", 2),
    "VA": ("v{0}.w=vadd(v9.w,v10.w)", 4),
    "VX": ("v{0}.w=vrmpy(v9.ub,r10.b)", 2),
    "VX_DV": ("v{0}.w=vmpye(v9.w,v10.uh)", 1),
    "VS": ("v{0}.h=vasl(v9.h,r10)", 1),
    "VP": ("v{0}=vror(v9,r10)", 1),
    "VLD": ("v{0}=vmem(r9+#0)", 1),
    "CR3": ("c{0}=r9", 1),
}


@pytest.mark.parametrize("name", SHARERS)
def test_how_many_of_a_class_share_a_packet(name):
    """By hand from the tables: scalar slots, and vector pipes (HVX quick reference, 80-N2040-35)."""
    template, most = SHARERS[name]
    for count in range(1, 6):
        packet = "\n".join(template.format(register) for register in range(count))
        if name == "VX_DV":
            packet = packet.replace("v0.w=vmpye(v9.w,v10.uh)", "v1:0=vmpye(v9.w,v10.uh)")
            packet = packet.replace("v1.w=vmpye(v9.w,v10.uh)", "v3:2=vmpye(v9.w,v10.uh)")
        if name == "VX_DV" and count > 2:
            continue
        assert check_packet("{" + packet + "}").legal == (count <= most), packet


def test_classes_are_sourced():
    for unit in unit_classes().values():
        assert unit.source and unit.confidence in ("high", "medium", "low")
        assert unit.slots <= {0, 1, 2, 3}


# The scheduler

STEPS = [
    "r{a}=add(r{b},r{c})",
    "r{a}=mpyi(r{b},#3)",
    "r{a}=memw(r{d}+#4)",
    "r{a}=memw(r{d}++#4)",
    "memw(r{d}+#8)=r{a}",
    "memw(r{d}++#4)=r{b}",
    "p{p}=cmp.gt(r{a},r{b})",
    "if (p{p}) r{a}=r{b}",
    "if (!p{p}) memw(r{d}+#12)=r{c}",
    "v{a}=vmem(r{d}+#0)",
    "v{a}=vmem(r{d}++#1)",
    "vmem(r{d}+#1)=v{b}",
    "v{a}.w+=vrmpy(v{b}.ub,r{c}.b)",
    "v{a}.w=vadd(v{b}.w,v{c}.w)",
    "v{a}=vand(v{b},v{c})",
]


def random_program(seed, size):
    rng = random.Random(seed)
    return [
        rng.choice(STEPS).format(
            a=rng.randrange(4),
            b=rng.randrange(4),
            c=rng.randrange(4),
            d=rng.randrange(8, 11),
            p=rng.randrange(2),
        )
        for _ in range(size)
    ]


def state_after(program):
    rng = np.random.default_rng(1)
    machine = Machine(rng.integers(0, 256, 16384, dtype=np.uint8))
    machine.v[:] = rng.integers(0, 256, (32, 128), dtype=np.uint8)
    machine.r[:8] = rng.integers(0, 1 << 32, 8, dtype=np.uint32)
    machine.r[8:11] = 1024, 4096, 8192
    machine.run(program)
    return [machine.r, machine.p, machine.v, machine.memory]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 16), st.booleans())
def test_a_schedule_computes_what_the_program_computes(seed, size, forward):
    program = random_program(seed, size)
    schedule = pack(program, forward)
    assert all(verdict.legal for verdict in schedule.verdicts)
    assert sorted(k for packet in schedule.order for k in packet) == list(range(size))
    assert len(schedule.packets) <= size
    assert all(check_packet("{" + "\n".join(packet) + "}").legal for packet in schedule.packets)
    for mine, plain in zip(state_after(schedule.asm), state_after("\n".join(program)), strict=True):
        np.testing.assert_array_equal(mine, plain)


def test_against_the_shortest_schedule():
    """On 60 programs of 7 the list scheduler is never shorter than the optimum, and rarely longer."""
    extra = Counter()
    for seed in range(60):
        program = random_program(seed, 7)
        extra[len(pack(program).packets) - shortest(program)] += 1
    assert min(extra) == 0 and extra[0] >= 55 and max(extra) <= 1


def test_handing_on_never_costs_a_packet():
    for seed in range(40):
        program = random_program(seed, 10)
        assert len(pack(program, True).packets) <= len(pack(program).packets)


# Loops


def cycles(text):
    machine = Machine()
    machine.run(text)
    return machine.packets


@pytest.mark.parametrize("trips", [1, 2, 7, 100])
def test_loop_cycles_are_the_packets_that_execute(trips):
    body = "{ r1=add(r1,r2)\n r3=add(r3,#1) }"
    hardware = f"{{ loop0(.L,#{trips}) }}\n.L:\n{body}:endloop0"
    software = f"{{ r31=#{trips} }}\n.L:\n{body}\n{{ r31=add(r31,#-1)\n if (cmp.gt(r31.new,#0)) jump:t .L }}"
    cost = loop_cycles(1, trips, overhead=1)
    assert (cost.hardware, cost.software) == (cycles(hardware), cycles(software))


def test_half_of_a_short_loop_is_overhead():
    assert loop_cycles(1, 10**9).saved == pytest.approx(0.5)
    assert loop_cycles(4, 10**9).saved == pytest.approx(1 / 5)
    assert loop_cycles(1, 10, overhead=0, miss=0).saved == 0


def test_free_slots_hide_the_counter():
    assert branch_overhead(["r0=add(r1,r2)"]) == 2  # add, compare and jump each wait for the one before
    assert branch_overhead(["r0=mpyi(r1,r2)", "r3=mpyi(r0,r4)", "r5=mpyi(r3,r6)"]) == 0


# The chapter's loop


def test_the_repaired_loop_is_the_product():
    for seed in range(5):
        a, b = operands(64, seed)
        trial = attempt(REPAIRS, 64, seed)
        assert trial.verdict.legal and not trial.verdict.notes
        np.testing.assert_array_equal(trial.result, a.astype(np.int64) @ b)


@pytest.mark.parametrize("left_out", REPAIRS)
def test_every_repair_is_needed(left_out):
    trial = attempt([repair for repair in REPAIRS if repair != left_out])
    assert not trial.verdict.legal or trial.max_error > 0


def test_the_stale_vector_is_one_step_behind():
    """Without .cur the loop multiplies what it had before: A's block k meets word k + 1 of b."""
    trial = attempt(["step", "one-load", "operand", "store"], 16)
    a, b = operands(16)
    blocks, words = a.reshape(32, 4, 4).astype(int), b.reshape(4, 4).astype(int)
    late = words[0].sum() + sum(blocks[:, k] @ words[k + 1] for k in range(3))  # v0 held ones
    np.testing.assert_array_equal(trial.result, late)


def test_a_learner_may_write_the_loop_otherwise():
    plain = "\n".join(["v2=vxor(v2,v2)", *["v0=vmem(r0++#1)\nr1=memw(r2++#4)\nv2.w+=vrmpy(v0.ub,r1.b)"] * 4])
    assert judge(plain + "\nvmem(r3+#0)=v2").max_error == 0
    assert judge(plain).max_error > 0
    assert judge("{ v0=vmem(r0++#128) }").max_error is None
