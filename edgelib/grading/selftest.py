"""Does the grader work on this machine? `edgelib grade --self-test`: an honest answer, then what must fail.

The honest answer comes first because a sandbox in which nothing runs contains everything. The rest asks for
what student code must not get, and harms nothing where it gets it.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from edgelib.grading import seccomp
from edgelib.grading.cgroup import Group
from edgelib.grading.grade import Task, grade
from edgelib.grading.load import ROOT
from edgelib.grading.sandbox import PACKAGE, GraderFault
from edgelib.grading.spec import Exercise, Function, Mutant
from edgelib.grading.submission import Cell

# Each tries something and answers only if it was refused.
REFUSED = {
    "solutions are out of sight": "assert not any(map(os.path.exists, {hidden!r}))",
    "a new process is refused": """
try: child = os.fork()
except OSError: pass
else:
    if child == 0: os._exit(0)
    raise AssertionError
""",
    "a connection is refused": """
import socket
try: socket.create_connection(("127.0.0.1", 9), 1)
except PermissionError: pass
except OSError as error: assert error.errno in (1, 97)
else: raise AssertionError
""",
    "the system is read-only": """
places = ["/", "/usr", "/usr/bin", "/dev", "/proc/sys/kernel/core_pattern", {home!r}]
assert not any(os.access(path, os.W_OK) for path in places)
""",
    "other processes are out of reach": """
for reach in (lambda: os.kill(os.getppid(), 0), lambda: open(f"/proc/{os.getppid()}/maps").read()):
    try: reach()
    except PermissionError: pass
    else: raise AssertionError
""",
    "memory is limited": """
try: bytearray(2 << 30)
except MemoryError: pass
else: raise AssertionError
""",
    "disk space is limited": """
try:
    with open("/tmp/edgelib-self-test", "wb") as file:
        for _ in range(128): file.write(bytes(1 << 20))
except OSError: pass
else: raise AssertionError
finally:
    if os.path.exists("/tmp/edgelib-self-test"): os.remove("/tmp/edgelib-self-test")
""",
}
# These cost their own time, and the honest answer after them keeps its mark.
CONTAINED = {
    "a cell that never ends": """
import signal
signal.signal(signal.SIGALRM, signal.SIG_IGN)
while True:
    try:
        while True: pass
    except BaseException: pass
""",
    "a cell that leaves": "import os\nos._exit(0)",
}
_HONEST = "def double(x):\n    return 2 * x"


@dataclass(frozen=True)
class Check:
    """One line of the self-test."""

    name: str
    passed: bool
    detail: str


def self_test() -> list[Check]:
    """Every check, the honest answer first."""
    try:
        checks = [_check("an honest answer gets its mark", [Cell(_HONEST, "double")])]
    except GraderFault as fault:
        return [Check("an honest answer gets its mark", False, str(fault))]
    places = {"hidden": [str(ROOT / name) for name in ("solutions", "tests", ".git")], "home": str(PACKAGE)}
    for name, source in REFUSED.items():
        for place, value in places.items():
            source = source.replace("{" + place + "!r}", repr(value))
        checks.append(_check(name, [Cell(f"import os\n{source}\n{_HONEST}", "double")]))
    for name, source in CONTAINED.items():
        checks.append(_check(name, [Cell(source), Cell(_HONEST, "double")]))
    group = Group.create("self-test")
    if group is not None:
        group.remove()
    state = (
        "on" if seccomp.supported() else "no table for this machine: processes are limited by cgroups alone"
    )
    checks.append(Check("system calls are filtered", seccomp.supported() or group is not None, state))
    note = "on" if group else "not writable here; limits per process hold"
    checks.append(Check("control groups", True, note))
    return checks


def _check(name: str, cells: list[Cell]) -> Check:
    start = time.monotonic()
    (mark,) = grade([Task(_exercise(), cells, [])], b"self-test of the grader", "student")
    seconds = time.monotonic() - start
    part = mark.parts["a"]
    detail = "; ".join([f"{seconds:.1f} s", *part.lines, *mark.flags])
    return Check(name, part.mark == 1.0, detail)


def _exercise() -> Exercise:
    def instances(rng: np.random.Generator) -> list[dict[str, int]]:
        return [{"x": int(x)} for x in rng.integers(1, 1000, 3)]

    mutants = tuple(
        Mutant(f"{factor} times", lambda x, factor=factor: factor * x, "no") for factor in (1, 3, 4, 5)
    )
    part = Function(
        name="a",
        answer="double",
        unit="",
        returns="a number",
        hints=("-", "-", "-"),
        mutants=mutants,
        instances=instances,
        reference=lambda x: 2 * x,
    )
    return Exercise("selftest", "Self-test", (part,))
