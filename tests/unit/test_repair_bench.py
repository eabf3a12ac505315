"""The chapter's two loops on the bench: refused as printed, located where wrong, and right when repaired."""

import itertools

import pytest

from edgelib.errors import UnknownName
from edgelib.hardware.vliw.bench import TASKS, bench
from edgelib.hardware.vliw.gemm_loop import REPAIRS, gemm_program
from edgelib.isa.hexagon_machine import Machine

DUAL = "loop0(.L,#8)\n.L:\n{ v0.cur=vmem(r0++#1)\n v1.h=vdmpy(v0.ub,r1.b)\n vmem(r2++#1)=v1.new }:endloop0"


@pytest.mark.parametrize("task", TASKS)
def test_as_printed_no_hexagon_accepts_it(task):
    report = bench(task, TASKS[task].printed)
    assert report.state == "refused" and report.first_wrong is None
    assert "#128 does not fit" in repr(report)


def test_every_set_of_repairs_has_its_state():
    """Legal from two repairs on, and right with all five only."""
    for count in range(6):
        for chosen in itertools.combinations(REPAIRS, count):
            report = bench("gemm", gemm_program(chosen))
            assert (report.state == "right") == (count == 5), chosen
            assert (report.first_wrong is None) == (report.state != "wrong")
            if not {"step", "one-load"} <= set(chosen):
                assert report.state == "refused"


def test_the_repaired_loops_are_right():
    assert repr(bench("gemm", gemm_program(REPAIRS))) == "Right: 32 of 32 lanes are numpy's, in 6 packets."
    assert repr(bench("dual", DUAL)) == "Right: 512 of 512 lanes are numpy's, in 9 packets."


def test_a_lone_end_of_loop_is_explained():
    report = bench("dual", TASKS["dual"].printed.replace("#128", "#1"))
    assert report.state == "refused" and report.text.count("\n") == 1
    assert "`:endloop0` stands alone; it belongs behind the }" in report.text


def test_the_first_wrong_lane_is_shown_with_both_values():
    report = bench("dual", DUAL.replace("#8", "#7"))
    assert (report.state, report.first_wrong) == ("wrong", 7 * 64)
    assert "wrong in 64 of 512 lanes, first in lane 448" in report.text
    assert "nothing was stored" in report.text
    unused = bench("gemm", gemm_program(["step", "one-load"]))
    assert unused.first_wrong == 0 and "register held before" in unused.text
    late = bench("dual", DUAL + "\nr3=memw(r0+#0)\n{ memw(r2+#-4)=r1 }")
    assert (late.state, late.first_wrong) == ("wrong", 510)
    lane = late.text.splitlines()[1].split()
    assert lane == ["lane", "507", "508", "509", "510", "511"] and "nothing" not in late.text


def test_lanes_are_those_of_the_formula():
    """Lane l of a vector: x[2 l] and x[2 l + 1] times the weights of even or odd lanes."""
    machine, exact = TASKS["dual"].machine(3)
    x, w = machine.memory[:1024].astype(int), machine.r[1:2].view("int8").astype(int)
    for lane in (0, 1, 62, 63, 511):
        pair = w[2:] if lane % 2 else w[:2]
        assert exact[lane] == x[2 * lane] * pair[0] + x[2 * lane + 1] * pair[1]
        assert -(2**15) <= exact[lane] < 2**15


@pytest.mark.parametrize(
    ("program", "why"),
    [
        (".L:\n{ jump .L }", "limit = 2000"),
        ("r0=##1000000\nv0=vmem(r0+#0)", "address = "),
        ("{ jump .M }", "no label of the program"),
    ],
)
def test_a_program_that_cannot_go_on_is_no_crash(program, why):
    report = bench("gemm", program)
    assert report.state == "stopped" and why in report.text


def test_bad_arguments():
    with pytest.raises(UnknownName, match="task = 'sum'"):
        bench("sum", DUAL)
    with pytest.raises(ValueError, match="expected assembler text"):
        bench("gemm", None)


def test_the_machine_leaves_what_nobody_stores():
    machine, _ = TASKS["dual"].machine(0)
    assert isinstance(machine, Machine) and set(machine.memory[2048:3072]) == {0x5A}
