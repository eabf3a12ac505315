"""Where does student code run? In bubblewrap: no network, a read-only system, nothing of the course in sight.

Seen inside: the system's /usr, this Python and its packages, `edgelib`; a small /tmp of its own. Not there:
`solutions/`, the secret, other submissions, the results. What crosses is JSON (see `runner`). Every answer is
checked for its id, size and time, and none is believed to be more than an answer.

Failures are told apart: `GraderFault` is ours (no hello came: no student code had run), `Broken` is theirs.
"""

from __future__ import annotations

import json
import os
import secrets
import select
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import edgelib
from edgelib.grading import seccomp
from edgelib.grading.cgroup import Group

HELLO_S = 30.0  # a busy machine may be slow to start
CELL_S, CALL_S = 2.0, 1.0  # then a cell or a call is interrupted
ANSWER_S = 3.0  # then the sandbox is ended
LARGEST_REPLY_B, LARGEST_TOTAL_B = 1 << 20, 8 << 20
TMP_B = 64 << 20
PACKAGE = Path(edgelib.__file__).resolve().parent


class GraderFault(RuntimeError):
    """The sandbox did not work. No mark follows from it."""


class Broken(RuntimeError):
    """Student code broke the conversation; the text says how."""


def bwrap_command(inner: list[str], seccomp_fd: int | None) -> list[str]:
    """`inner` in a new sandbox."""
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
    for folder in dict.fromkeys([sys.base_prefix, sys.prefix, packages, str(PACKAGE)]):
        if not folder.startswith("/usr/"):
            command += ["--ro-bind", folder, folder]
    command += ["--remount-ro", "/", "--chdir", "/tmp"]
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
    """One running sandbox. `ask` sends a request and returns its reply; use it in a `with` statement.

    Raises
    ------
    GraderFault : it did not start, so nothing can be said about any student.
    """

    def __init__(self) -> None:
        self._buffer = b""
        self._closed = False
        self._total = 0
        self._group = Group.create(f"{os.getpid()}-{secrets.token_hex(4)}")
        to_child, self._requests = os.pipe()
        self._replies, from_child = os.pipe()
        passed = [to_child, from_child]
        if seccomp.supported():
            filter_end, filter_source = os.pipe()
            os.write(filter_source, seccomp.outer())
            os.close(filter_source)
            passed.append(filter_end)
        try:
            inner = [
                sys.executable,
                "-I",
                "-B",
                "-m",
                "edgelib.grading.runner",
                str(to_child),
                str(from_child),
            ]
            command = bwrap_command(inner, passed[2] if len(passed) > 2 else None)
            self._process = subprocess.Popen(
                self._group.entering(command) if self._group else command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                pass_fds=passed,
                start_new_session=True,
            )
        except BaseException:
            os.close(self._requests)
            os.close(self._replies)
            if self._group:
                self._group.remove()
            raise
        finally:
            for descriptor in passed:
                os.close(descriptor)
        try:
            hello = json.loads(self._line(time.monotonic() + HELLO_S))
            if hello.get("hello") != 1:
                raise GraderFault(f"the sandbox said {hello!r}; expected hello")
        except (Broken, ValueError) as error:
            words = self._last_words()
            self.close()
            raise GraderFault(f"the sandbox did not start ({error}): {words}") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def ask(self, deadline: float, **request: Any) -> dict[str, Any]:
        """The reply to `request`, by the time `deadline` (of time.monotonic) and at most ANSWER_S later.

        Raises
        ------
        Broken : none came in time, or something else came.
        GraderFault : the sandbox could not confine student code.
        """
        name = secrets.token_hex(8)
        self._send({"id": name, **request}, deadline)
        reply = self._reply(deadline)
        if "ended" in reply:
            raise Broken("the process ended")
        if reply.get("id") != name:
            raise Broken("an answer that nobody asked for")
        if "fault" in reply:
            raise GraderFault(str(reply["fault"]))
        return reply

    def end(self, deadline: float) -> None:
        """End the process of an exercise.

        Raises
        ------
        Broken : it does not end, or left something behind.
        """
        self._send({"end": True}, deadline)
        if "ended" not in self._reply(deadline):
            raise Broken("an answer that nobody asked for")

    def close(self) -> None:
        """End every process inside."""
        if self._closed:
            return
        self._closed = True
        os.close(self._requests)
        os.close(self._replies)
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

    def _reply(self, deadline: float) -> dict[str, Any]:
        line = self._line(min(deadline, time.monotonic() + ANSWER_S))
        try:
            reply = json.loads(line)
        except (ValueError, RecursionError):
            raise Broken("an answer that is not JSON") from None
        if not isinstance(reply, dict):
            raise Broken("an answer of the wrong form")
        return reply

    def _send(self, request: dict[str, Any], deadline: float) -> None:
        text = json.dumps(request).encode()
        data = b"%08x" % len(text) + text
        while data:
            left = min(deadline - time.monotonic(), ANSWER_S)
            if left <= 0 or not select.select([], [self._requests], [], left)[1]:
                raise Broken("no answer in time")
            try:
                data = data[os.write(self._requests, data[: select.PIPE_BUF]) :]
            except BrokenPipeError:
                raise Broken("the process ended") from None

    def _line(self, deadline: float) -> bytes:
        while b"\n" not in self._buffer:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self._replies], [], [], left)[0]:
                raise Broken("no answer in time")
            data = os.read(self._replies, 1 << 16)
            if not data:
                raise Broken("the process ended")
            self._total += len(data)
            self._buffer += data
            if len(self._buffer) > LARGEST_REPLY_B or self._total > LARGEST_TOTAL_B:
                raise Broken("too much output")
        line, self._buffer = self._buffer.split(b"\n", 1)
        return line
