"""Hostile code earns nothing, reads nothing, and costs nobody else a mark."""

from __future__ import annotations

import os
import platform
import sys
import time
from pathlib import Path

import pytest

from edgelib.grading import sandbox, seccomp
from edgelib.grading.cgroup import Group
from edgelib.grading.grade import BUDGET_S, ExerciseMark, grade
from edgelib.grading.sandbox import GraderFault, Sandbox, bwrap_command
from edgelib.grading.selftest import self_test
from edgelib.grading.submission import Cell
from tests.grading.hostile import ATTACKS, DOUBLE, SECRET, TRIPLE, tasks


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Less patience, so that the attacks that hang take less of everybody's time."""
    for name, seconds in (("CELL_S", 0.8), ("CALL_S", 0.6), ("ANSWER_S", 1.4)):
        monkeypatch.setattr(sandbox, name, seconds)


@pytest.fixture(scope="module")
def contained() -> None:
    """Attacks are started only where harmless probes show that they are contained."""
    assert [check for check in self_test() if not check.passed] == []


def marks(result: list[ExerciseMark]) -> dict[str, float]:
    return {f"{one.exercise}.{name}": part.mark for one in result for name, part in one.parts.items()}


def test_an_honest_student_gets_full_marks() -> None:
    result = grade(tasks([DOUBLE, TRIPLE]), SECRET, "ann")
    assert marks(result) == {"one.a": 1, "one.b": 1, "two.a": 1}
    assert not any(one.flags for one in result)


@pytest.mark.usefixtures("contained", "impatient")
@pytest.mark.parametrize("place", ["before", "after"])
@pytest.mark.parametrize("attack", ATTACKS)
def test_an_attack_earns_nothing_and_costs_nobody_else(attack: str, place: str) -> None:
    hostile = Cell(ATTACKS[attack], "triple")
    start = time.monotonic()
    result = grade(tasks([hostile, DOUBLE] if place == "before" else [DOUBLE, hostile]), SECRET, "eve")
    seconds = time.monotonic() - start
    assert marks(result) == {"one.a": 1, "one.b": 0, "two.a": 1}
    assert seconds < BUDGET_S + sandbox.ANSWER_S + 2


STUBBORN = ATTACKS["loop ignoring signals"]


@pytest.mark.usefixtures("contained", "impatient")
@pytest.mark.parametrize("source", [STUBBORN, "import os\nos._exit(0)"], ids=["hang", "leave"])
def test_any_number_of_hostile_cells_costs_the_honest_answers_nothing(source: str) -> None:
    """Though they use up the time of the whole submission and stand before everything else."""
    cells = [*(Cell(f"{source}\n#{n}", "triple" if n % 2 else "") for n in range(40)), DOUBLE]
    start = time.monotonic()
    assert marks(grade(tasks(cells), SECRET, "eve", budget_s=6)) == {"one.a": 1, "one.b": 0, "two.a": 1}
    assert time.monotonic() - start < 6 + sandbox.ANSWER_S + 2


@pytest.mark.usefixtures("contained", "impatient")
def test_slow_cells_that_break_nothing_leave_time_for_the_next_exercise() -> None:
    slow = [Cell(f"import time\ntime.sleep(0.7)  # {n}") for n in range(20)]
    assert marks(grade(tasks(slow), SECRET, "eve", budget_s=3))["two.a"] == 1


WRITES = Cell(
    "import tempfile\ndef half(x):\n    with tempfile.TemporaryFile() as file:\n        return x / 2", "half"
)


@pytest.mark.usefixtures("contained")
@pytest.mark.parametrize(
    "source",
    [
        "open('/tmp/tempfile.py', 'w').write('raise SystemExit')",
        "import os\nfor n in range(8):\n    with open(f'/tmp/{n}', 'wb') as f: f.write(bytes(8 << 20))",
        "import os\nos.chmod('/tmp', 0)",
        "import os\nos.makedirs('/dev/shm/a/b')\nos.symlink('/', '/tmp/link')",
    ],
)
def test_the_next_exercise_finds_the_sandbox_as_it_was(source: str) -> None:
    assert marks(grade(tasks([Cell(source), DOUBLE], [WRITES]), SECRET, "eve"))["two.a"] == 1


@pytest.mark.usefixtures("contained")
def test_who_does_not_want_to_end_is_ended() -> None:
    source = "import os, time\nos._exit = lambda code: time.sleep(1000)"
    with Sandbox() as box:
        for number in range(sandbox.PLACES):
            deadline = time.monotonic() + 20
            assert box.free
            box.begin(deadline, cells=[(source, "", False)], names=[], patience_s=[5, 1])
            assert box.ask(deadline, cell=0)["error"] is None
            start = time.monotonic()
            box.end()
            assert box.clean and time.monotonic() - start < 1, number
        assert not box.free


@pytest.mark.usefixtures("contained")
def test_a_fault_is_believed_only_before_student_code_runs() -> None:
    source = ATTACKS["forged fault with the right name"]
    with Sandbox() as box:
        deadline = time.monotonic() + 20
        box.begin(deadline, cells=[(source, "triple", False)], names=["triple"], patience_s=[5, 1])
        assert box.ask(deadline, cell=0)["error"] is None
        assert "fault" in box.ask(deadline, call="triple", arguments={"x": 1})  # and nothing is raised


DENIED = """acct add_key bpf chmod chown chroot clone clone3 execve execveat fanotify_init fchmod fchmodat
fchown fchownat fcntl fork fsconfig fsetxattr fsmount fsopen io_uring_enter io_uring_register
io_uring_setup ioprio_set kcmp kexec_load keyctl kill lchown lsetxattr memfd_create memfd_secret
mknod mknodat mount mount_setattr move_mount mq_open msgget name_to_handle_at open_by_handle_at
open_tree perf_event_open personality pidfd_getfd pidfd_open pidfd_send_signal pivot_root prlimit64
process_vm_readv process_vm_writev ptrace request_key rt_sigqueueinfo rt_tgsigqueueinfo
sched_setaffinity sched_setattr sched_setparam sched_setscheduler semget setns setpriority setxattr
shmget socket socketpair sync syncfs syslog tgkill tkill umount2 unshare userfaultfd vfork"""


def test_no_system_call_is_taken_off_the_list() -> None:
    assert seccomp._CALLS.keys() >= set(DENIED.split())


PROBES = {
    "rights of a device": "os.chmod('/dev/null', 0o666)",  # as they are
    "a file beside the devices": "open('/dev/edgelib-probe', 'w')",
    "a setting of the kernel": "os.close(os.open('/proc/sys/kernel/core_pattern', os.O_WRONLY))",
    "memory of the parent": "os.close(os.open(f'/proc/{os.getppid()}/mem', os.O_RDWR))",
    "maps of the parent": "open(f'/proc/{os.getppid()}/maps').read()",
    "files of the parent": "os.readlink(f'/proc/{os.getppid()}/fd/0')",
    "a terminal": "os.close(os.open('/dev/ptmx', os.O_RDWR))",
    "limits of the parent": "resource.prlimit(os.getppid(), resource.RLIMIT_CPU)",
    "its processors": "os.sched_setaffinity(0, os.sched_getaffinity(0))",
    "priority": "os.setpriority(os.PRIO_PROCESS, 0, 0)",
    "signals by a file": "fcntl.fcntl(os.pipe()[0], fcntl.F_SETOWN, os.getpid())",
    "a call newer than the filter": "syscall(452, -100, b'/dev/null', 0o666, 0)",
    "a signal to a thread": "syscall({tgkill}, os.getppid(), os.getppid(), 0)",
    "a file that can be a program": "syscall({memfd_create}, b'x', 0)",
    "its core dumps": "resource.setrlimit(resource.RLIMIT_CORE, (2, 2))",
}


@pytest.mark.usefixtures("contained")
def test_what_is_out_of_reach() -> None:
    """Harmless probes: each would change nothing if it succeeded."""
    column = seccomp._ARCHITECTURES[platform.machine()][0]
    numbers = {name: call[column] for name, call in seccomp._CALLS.items()}
    limits = {"AS": 1 << 30, "FSIZE": 16 << 20, "NOFILE": 128, "CORE": 1, "CPU": 20, "NPROC": 64}
    tries = "".join(
        f"\ntry: {source.format(**numbers) if 'syscall' in source else source}"
        f"\nexcept (OSError, ValueError): pass\nelse: reached.append({name!r})"
        for name, source in PROBES.items()
    )
    source = f"""
import ctypes, errno, fcntl, os, resource
def syscall(*arguments):
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.syscall(*arguments) < 0: raise OSError(ctypes.get_errno(), "refused")
pipes = [n for n in os.listdir("/proc/self/fd") if os.path.exists("/proc/self/fd/" + n)]
pipes = [n for n in pipes if os.readlink("/proc/self/fd/" + n).startswith("pipe")]
reached = [] if len(pipes) == 2 else [f"pipes {{pipes}}"]
{tries}
for pid in filter(str.isdigit, os.listdir("/proc")):
    try: seen = open(f"/proc/{{pid}}/environ").read()
    except OSError: continue
    if "EDGELIB_TEST_TOKEN" in seen: reached.append("environment of " + pid)
for name, most in {limits!r}.items():
    soft, hard = resource.getrlimit(getattr(resource, "RLIMIT_" + name))
    if not 0 < soft == hard <= most: reached.append(name)
for place in ("/tmp", "/dev/shm"):
    if os.statvfs(place).f_blocks * os.statvfs(place).f_frsize > {sandbox.TMP_B}: reached.append(place)
if os.getsid(0) == 0: reached.append("session of the grader")
if any(int(line.split()[1], 16) for line in open("/proc/self/status") if line.startswith("Cap")):
    reached.append("capabilities")
try: syscall({seccomp._CALLS["clone3"][column]}, 0, 0)
except OSError as error:
    if error.errno != errno.ENOSYS: reached.append("clone3")
for line in open("/proc/self/mountinfo"):
    place, options = line.split()[4:6]
    if "ro" not in options.split(",") and place not in ("/tmp", "/dev/shm"):
        if os.path.isdir(place): reached.append(place)
"""
    os.environ["EDGELIB_TEST_TOKEN"] = "x"
    try:
        with Sandbox() as box:
            deadline = time.monotonic() + 20
            box.begin(deadline, cells=[(source, "", False)], names=["reached"], patience_s=[5, 1])
            assert box.ask(deadline, cell=0)["error"] is None
            assert box.ask(deadline, get="reached")["value"] == []
    finally:
        del os.environ["EDGELIB_TEST_TOKEN"]


def test_a_later_cell_cannot_spoil_an_answer() -> None:
    spoil = Cell("import builtins\nbuiltins.float = builtins.print = None\ndouble.__code__ = triple.__code__")
    assert marks(grade(tasks([DOUBLE, TRIPLE, spoil]), SECRET, "ann"))["one.a"] == 1


def test_what_is_defined_further_down_counts() -> None:
    uses = Cell("def double(x):\n    return helper(x)", "double")
    helper = Cell("def helper(x):\n    return 2 * x")
    assert marks(grade(tasks([uses, TRIPLE, helper]), SECRET, "ann"))["one.a"] == 1


def test_the_last_definition_counts() -> None:
    wrong = Cell("def double(x):\n    return 0", "double")
    assert marks(grade(tasks([wrong, TRIPLE, DOUBLE]), SECRET, "ann"))["one.a"] == 1
    assert marks(grade(tasks([DOUBLE, TRIPLE, wrong]), SECRET, "ann"))["one.a"] == 0


def test_a_deleted_answer_is_not_attempted_and_a_cell_without_metadata_is_found() -> None:
    result = grade(tasks([Cell(DOUBLE.source)]), SECRET, "ann")
    assert marks(result) == {"one.a": 1, "one.b": 0, "two.a": 1}
    assert result[0].parts["b"].status == "not attempted"


def test_lines_for_the_shell_do_not_stop_an_answer() -> None:
    cell = Cell("%timeit 1\n!ls\n?double\n" + DOUBLE.source, "double")
    assert marks(grade(tasks([cell]), SECRET, "ann"))["one.a"] == 1


def test_without_hello_it_is_the_graders_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "bwrap_command", lambda inner, fd: ["/bin/sh", "-c", "echo no >&2; exit 3"])
    with pytest.raises(GraderFault, match=r"did not start.*no"):
        grade(tasks([DOUBLE]), SECRET, "ann")


def test_a_silent_sandbox_is_the_graders_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "bwrap_command", lambda inner, fd: ["/bin/sleep", "1000"])
    monkeypatch.setattr(sandbox, "HELLO_S", 0.2)
    with pytest.raises(GraderFault, match="did not start"):
        Sandbox()


def test_solutions_in_a_folder_that_the_sandbox_shows_stop_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "base_prefix", str(sandbox.PACKAGE.parent))
    with pytest.raises(GraderFault, match="solutions lies in"):
        bwrap_command(["true"], None)


def test_without_bubblewrap_nothing_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(GraderFault, match="bubblewrap is not installed"):
        bwrap_command(["true"], None)


@pytest.mark.usefixtures("contained")
def test_nothing_is_left_behind() -> None:
    before = set(os.listdir("/proc/self/fd"))
    groups = sorted(Path("/sys/fs/cgroup").glob("*/edgelib-*"))
    grade(tasks([Cell(ATTACKS["fork bomb"], "triple")]), SECRET, "eve")
    assert len(os.listdir("/proc/self/fd")) == len(before)
    assert sorted(Path("/sys/fs/cgroup").glob("*/edgelib-*")) == groups


def test_the_self_test_fails_without_a_sandbox(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its probes are harmless, so they may succeed once: else they would prove nothing."""
    monkeypatch.setattr(sandbox, "bwrap_command", lambda inner, fd: inner)
    monkeypatch.setattr(seccomp, "supported", lambda: False)
    seen = {check.name: check.passed for check in self_test()}
    assert seen["an honest answer gets its mark"]
    assert not seen["solutions are out of sight"] and not seen["the system is read-only"]


HEADERS = {
    "x86_64": Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h"),
    "aarch64": Path("/usr/aarch64-linux-gnu/include/asm-generic/unistd.h"),
}


@pytest.mark.parametrize("column", [0, 1], ids=list(HEADERS))
def test_numbers_of_system_calls_are_those_of_the_kernel_headers(column: int) -> None:
    path = list(HEADERS.values())[column]
    if not path.is_file() and "CI" not in os.environ:
        pytest.skip(f"no kernel headers here: {path}")
    found = {}
    for line in path.read_text().splitlines():
        words = line.split()
        if len(words) >= 3 and words[0] == "#define" and words[1].startswith("__NR") and words[2].isdigit():
            found[words[1].removeprefix("__NR3264_").removeprefix("__NR_")] = int(words[2])
    for name, numbers in seccomp._CALLS.items():
        assert numbers[column] == found.get(name), name


def test_a_group_that_cannot_be_made_is_done_without(tmp_path: Path) -> None:
    assert Group.create("x", root=tmp_path / "none") is None


def test_a_group_of_version_2(tmp_path: Path) -> None:
    (tmp_path / "cgroup.controllers").touch()
    group = Group.create("x", root=tmp_path)
    assert group is not None and len(group.folders) == 1
    assert (group.folders[0] / "memory.max").read_text() == str(1536 << 20)
    assert (group.folders[0] / "pids.max").read_text() == "64"
