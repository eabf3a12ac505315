"""What the packet checker, the scheduler and the interpreter say to bad input."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgelib.errors import UnknownName
from edgelib.hardware.vliw import branch_overhead, check_packet, loop_cycles, pack, shortest
from edgelib.hardware.vliw.gemm_loop import attempt, gemm_packet, judge
from edgelib.isa.hexagon_machine import Machine
from edgelib.isa.hexagon_packets import parse_packets
from edgelib.isa.hexagon_syntax import SyntaxFault, parse_instruction


@pytest.mark.parametrize("asm", [None, 3, b"{ nop }", "", "{ }", "// nothing", ".L:"])
def test_no_instruction_is_no_packet(asm):
    with pytest.raises(ValueError, match=r"asm = .*expected"):
        check_packet(asm)


@pytest.mark.parametrize(
    ("asm", "words"),
    [
        ("{ v0=vsatur(v1) }", ["vsatur", "not an instruction this checker knows", "vsat"]),
        ("{ v0=vconv(v1) }", ["vconv", "not an instruction this checker knows"]),
        ("{ p1=vcmp.gt(v4.h,#0) }", ["Q, never P", "Qd=vcmp.gt(Vu.h,Vv.h)"]),
        ("{ v0=vmem(r0++#128) }", ["#128", "-4 to 3", "vectors of 128 bytes"]),
        ("{ vmem(r0)=vmem(r1) }", ["vmem has no form with these operands"]),
        ("{ r0=memw(r1++#6) }", ["#6", "steps of 4"]),
        ("{ r40=r1 }", ["r40", "r0 to r31"]),
        ("{ v2:1=vcombine(v3,v4) }", ["v2:1", "pair"]),
        ("{ r0=asl(r1,##4) }", ["constant extender"]),
        ("{ r0=add(r1,#0x1ffffffff) }", ["32 bits"]),
        ("{ r0=asl(r1,#r2) }", ["#r2 is no number"]),
        ("{ if (r0==#0) jump:t ##.L }", ["constant extender"]),
        ("{ v0.sf=vadd(v1.sf,v2.sf) }", ["IEEE float option"]),
        ("{ r0=r1", ["not closed"]),
        ("r0=r1 }", ["never opened"]),
        ("{ { r0=r1 } }", ["inside a packet"]),
        ("{ r0=r1 }:endloop2", [":endloop2"]),
        ("{ r0=add(r1,r2)\n r0=r3 }", ["r0 is written twice", "`r0=add(r1,r2)` and `r0=r3`"]),
        ("{ memw(r0+#0)=r5.new }", ["r5.new", "no instruction of the packet makes r5"]),
        ("{ v0=vmem(r0+#0)\n v1=vmem(r1+#0) }", ["2 vector loads", "room for one"]),
        ("{ r0=mpyi(r1,r2)\n r3=asl(r4,#1)\n r5=sxtw(r6) }", ["sxtw"]),
        ("{ r0=mpyi(r1,r2)\n r3=asl(r4,#1)\n r5=abs(r6) }", ["3 instructions for slots 2 and 3 only"]),
        ("{ jump .L }:endloop0", ["ends a hardware loop"]),
        ("{ memw_rl(r0):at=r1 }:endloop0", ["at least two words"]),
    ],
)
def test_reasons_name_the_rule_and_the_instruction(asm, words):
    verdict = check_packet(asm)
    assert not verdict.legal
    for word in words:
        assert word in " ".join(verdict.reasons)


def test_every_fault_of_a_packet_is_told():
    verdict = check_packet("{ v0=vmem(r0++#128)\n v2.w=vrmpy(v1.ub,r3.b)\n p1=vcmp.gt(v4.h,#0) }")
    assert len(verdict.reasons) == 2


@pytest.mark.parametrize(
    "asm",
    [
        "{ R0 = ADD( R1 , R2 ) }",
        "{\n  r0 = add(r1, r2)  // a comment\n  /* another */ r3 = sub(r4, r5);\n}",
        "r0=add(r1,r2)",
        "{ sp=add(sp,#-8); lr=r0; fp=r1 }",
        "{ r0=memw(r1) } { r2=memw(r3) }",
        "{ nop } : endloop0",
        "{ r0=and(r1,#0xff) ; r2=add(r3,#-(4+4)) }",
        ".L:\n{ if (p0) jump:t .L }",
        "{ r0=memw(gp+#64) ; r1=##symbol }",
    ],
)
def test_spellings_that_assemblers_accept(asm):
    assert check_packet(asm).legal


def test_an_idle_cur_is_noted_and_legal():
    verdict = check_packet("{ v0.cur=vmem(r0+#0) }")
    assert verdict.legal and "nothing in the packet uses v0" in verdict.notes[0]


def test_a_lone_load_is_in_slot_0():
    assert check_packet("{ r0=memw(r1+#0)\n r2=add(r3,r4) }").slots[0] == 0


def test_two_packets_are_judged_one_by_one():
    verdict = check_packet("{ r0=r1 }\n{ r0=r1\n r0=r2 }")
    assert not verdict.legal and len(verdict.reasons) == 1


@given(st.text("{}()[]:;.,#=+- \nrvpq0123459memwaddvif", max_size=60))
def test_any_text_gets_a_verdict_or_a_message(text):
    try:
        verdict = check_packet(text)
    except ValueError as error:
        assert "expected at least one instruction" in str(error)
    else:
        assert verdict.legal != bool(verdict.reasons)


@given(st.text(max_size=40))
def test_no_text_breaks_the_parser(text):
    try:
        parse_packets("{" + text + "}")
    except SyntaxFault as fault:
        assert str(fault)


def test_an_instruction_says_what_it_reads_and_writes():
    load = parse_instruction("if (!p1) v1.cur=vmem(r3++#1)")
    assert load.condition == ("p1", False, False)
    assert load.writes == ("v1", "r3") and "r3" in load.reads and load.address_writes == ("r3",)
    assert parse_instruction("r1:0=combine(r3,#4)").writes == ("r0", "r1")
    assert parse_instruction("memw(r0+#4)=r5.new").new_value == "r5"
    assert parse_instruction("allocframe(#8)").writes == ("r29", "r30")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: pack([]), "program is empty"),
        (lambda: pack(["r0=frob(r1)"]), "frob is not an instruction"),
        (lambda: pack(["memw(r0+#0)=r1.new"]), "no packet by itself"),
        (lambda: shortest(["nop"] * 11), "at most 10"),
        (lambda: loop_cycles(0, 5), "body = 0"),
        (lambda: loop_cycles(1, np.array([1, 0])), "trips"),
        (lambda: loop_cycles(1, 5, -1), "overhead = -1"),
        (lambda: loop_cycles(1, 5, 1, float("nan")), "miss"),
        (lambda: branch_overhead([]), "program is empty"),
        (lambda: judge("r0=r1", 6), "multiple of 4"),
        (lambda: judge("r0=r1", 2), "at least 4"),
        (lambda: Machine(0), "memory = 0"),
    ],
)
def test_bad_arguments(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_unknown_repairs_are_named():
    with pytest.raises(UnknownName, match="did you mean"):
        gemm_packet(["curr"])
    with pytest.raises(UnknownName):
        attempt(["everything"])


def test_loop_cycles_take_arrays():
    cost = loop_cycles(np.array([1, 2]), np.array([[4], [8]]))
    assert cost.saved.shape == (2, 2)
