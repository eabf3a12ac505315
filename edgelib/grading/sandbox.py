"""Where does student code run? In bubblewrap: no network, a read-only system, nothing of the course in sight.

Seen inside: the system's /usr, this Python and its packages, `edgelib`; a small /tmp of its own. Not there:
`solutions/`, the secret, other submissions, the results. What crosses is JSON (see `runner`). Every answer is
checked for its id, size and time, and none is believed to be more than an answer.

Failures are told apart: `GraderFault` is ours (no hello came: no student code had run), `Broken` is theirs.
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import edgelib
from edgelib.grading import seccomp
from edgelib.grading.cgroup import Group
from edgelib.grading.channel import Broken, Channel

HELLO_S = 30.0  # a busy machine may be slow to start
CELL_S, CALL_S = 2.0, 1.0  # then a cell or a call is interrupted
ANSWER_S = 3.0  # then nobody waits any longer
PLACES = 8  # processes for student code that one sandbox can make, one after the other
TMP_B = 64 << 20
PACKAGE = Path(edgelib.__file__).resolve().parent


class GraderFault(RuntimeError):
    """The sandbox did not work. No mark follows from it."""


def bwrap_command(inner: list[str], seccomp_fd: int | None) -> list[str]:
    """`inner` in a new sandbox.

    Raises
    ------
    GraderFault : there is no bubblewrap, or the solutions lie where student code can read.
    """
    bwrap = shutil.which("bwrap")
    if bwrap is None:
        raise GraderFault("bubblewrap is not installed; Debian and Ubuntu: apt install bubblewrap")
    command = [
        bwrap,
        "--unshare-all",
        "--unshare-user",
        "--disable-userns",
        "--die-with-parent",
        "--new-session",
    ]
    command += ["--cap-drop", "ALL", "--clearenv", "--uid", "65534", "--gid", "65534", "--hostname", "box"]
    command += ["--ro-bind", "/usr", "/usr"]
    for name in ("/lib", "/lib64", "/bin"):
        if os.path.islink(name):
            command += ["--symlink", os.readlink(name), name]
        elif os.path.isdir(name):
            command += ["--ro-bind", name, name]
    command += ["--proc", "/proc", "--dev", "/dev"]
    for place in ("/tmp", "/dev/shm"):
        command += ["--size", str(TMP_B), "--tmpfs", place]
    packages = sysconfig.get_path("purelib")
    shown = dict.fromkeys(["/usr", sys.base_prefix, sys.prefix, packages, str(PACKAGE)])
    solutions = PACKAGE.parent / "solutions"
    for folder in shown:
        if solutions.is_dir() and solutions.is_relative_to(folder):
            raise GraderFault(f"{solutions} lies in {folder}, which student code can read; move it elsewhere")
        if not Path(folder).is_relative_to("/usr"):
            command += ["--ro-bind", folder, folder]
    # Where root grades, root's files are the student's own: /proc/sys/kernel/core_pattern would be one.
    for place in ("/", "/proc", "/dev/pts", "/dev"):
        command += ["--remount-ro", place]
    command += ["--chdir", "/tmp"]
    environment = {
        "HOME": "/tmp",
        "PATH": "/usr/bin",
        "LANG": "C.UTF-8",
        "OPENBLAS_NUM_THREADS": "1",
        "MPLBACKEND": "agg",
        "EDGELIB_HOME": "/tmp",
    }
    for name, value in environment.items():
        command += ["--setenv", name, value]
    if seccomp_fd is not None:
        command += ["--seccomp", str(seccomp_fd)]
    return [*command, "--", *inner]


class Sandbox:
    """One running sandbox with `PLACES` for student code; use it in a `with` statement.

    `begin` starts a process for student code, `ask` questions it, `end` ends it. Each has a channel of its
    own, and never holds an end of another one's, nor of the one to the process that made it.

    modules : loaded once, before all student code, to spare each process the time.

    Raises
    ------
    GraderFault : it did not start, so nothing can be said about any student.
    """

    def __init__(self, modules: Iterable[str] = ()) -> None:
        self._closed = False
        self._control = Channel()
        self._places = [Channel() for _ in range(PLACES)]
        self._used = 0
        self.clean = True  # whether the next student code finds it as the first one did
        self._group = Group.create(f"{os.getpid()}-{secrets.token_hex(4)}")
        passed = [descriptor for channel in self._channels for descriptor in channel.inside]
        filter_end = None
        if seccomp.supported():
            filter_end, filter_source = os.pipe()
            os.write(filter_source, seccomp.outer())
            os.close(filter_source)
        try:
            inner = [sys.executable, "-I", "-B", "-m", "edgelib.grading.runner", ",".join(modules)]
            inner += map(str, passed)
            command = bwrap_command(inner, filter_end)
            self._process = subprocess.Popen(
                self._group.entering(command) if self._group else command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                pass_fds=[*passed, *([] if filter_end is None else [filter_end])],
                start_new_session=True,
                env={},  # bubblewrap's own is in /proc for all to read
            )
        except BaseException:
            for channel in self._channels:
                channel.close()
            if self._group:
                self._group.remove()
            raise
        finally:
            if filter_end is not None:
                os.close(filter_end)
        for channel in self._channels:
            channel.passed()
        try:
            hello = self._control.reply(time.monotonic() + HELLO_S)
            if hello.get("hello") != 1:
                raise Broken(f"it said {hello!r}; expected hello")
        except Broken as error:
            words = self._last_words()
            self.close()
            raise GraderFault(f"the sandbox did not start ({error}): {words}") from None

    @property
    def _channels(self) -> list[Channel]:
        return [self._control, *self._places]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def free(self) -> bool:
        """Whether there is a place left for student code, as good as the first."""
        return self.clean and self._used < PLACES

    def begin(self, deadline: float, **request: Any) -> dict[str, Any]:
        """Start a process for student code; its reply to `request`, before any student code has run.

        Raises
        ------
        Broken : it could not read the cells.
        GraderFault : it could not confine student code.
        """
        self._used += 1
        self._control.send({"begin": True}, time.monotonic() + ANSWER_S)
        reply = self.ask(deadline, **request)
        if "fault" in reply:
            raise GraderFault(reply["fault"])
        return reply

    def ask(self, deadline: float, **request: Any) -> dict[str, Any]:
        """The reply to `request`, by the time `deadline` (of time.monotonic) and `ANSWER_S` from now.

        Raises
        ------
        Broken : none came in time, or something else came.
        """
        channel, name = self._places[self._used - 1], secrets.token_hex(8)
        deadline = min(deadline, time.monotonic() + ANSWER_S)
        channel.send({"id": name, **request}, deadline)
        reply = channel.reply(deadline)
        if reply.get("id") != name:
            raise Broken("an answer that nobody asked for")
        return reply

    def end(self) -> None:
        """End the process for student code, and see whether it left the sandbox as it was."""
        deadline = time.monotonic() + ANSWER_S
        try:
            self._control.send({"end": True}, deadline)
            self.clean = self._control.reply(deadline).get("clean") is True
        except Broken:
            self.clean = False

    def close(self) -> None:
        """End every process inside."""
        if self._closed:
            return
        self._closed = True
        for channel in self._channels:
            channel.close()
        with suppress(ProcessLookupError):  # it may have ended by itself
            os.killpg(self._process.pid, signal.SIGKILL)  # bubblewrap's pid namespace dies with it
        self._process.wait()
        assert self._process.stderr is not None
        self._process.stderr.close()
        if self._group:
            self._group.remove()
            self._group = None

    def _last_words(self) -> str:
        """What was written to stderr, all of it by us: the runner closes it before any student code."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)  # or the read would wait for it
        assert self._process.stderr is not None
        return self._process.stderr.read(2000).decode(errors="replace").strip() or "no message"
