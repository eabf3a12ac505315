"""What happens to student code? This runs INSIDE the sandbox: `edgelib.grading.runner M,.. IN OUT..`

M: modules to load. IN OUT: pairs of file descriptors, the first for this process, then one for each process
of student code. JSON requests come on IN, each after its length as eight hexadecimal digits; one JSON reply
per line goes to OUT. It says hello before any student code exists; afterwards nothing that comes from student
code is believed but "this is the answer". No expected value, mark or other student's work ever comes in here.

Each exercise runs in a process of its own, made from one that has the modules loaded: what an exercise does
to numpy, builtins or json ends with it. It holds its own pair and no other, so it cannot speak for the next.

| to the first process | reply |
| --- | --- |
| `{"begin": true}` | none: the new process answers on the next pair |
| `{"end": true}` | `{"clean": whether nothing was left behind}`, and the new process has ended |

| to a process of student code | reply |
| --- | --- |
| `{"id", "cells", "names", "patience_s"}`, first | `{"id", "runs", "ready"}`, see `reading` |
| `{"id", "cell": index}` | `{"id", "error": text or null, "unfinished": bool}` |
| `{"id", "get": name}` | `{"id", "kind": "missing" / "function" / "value", "value"}` |
| `{"id", "call": name, "arguments": {..}}` | `{"id", "value"}` or `{"id", "error", "unfinished"}` |
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
import types
from collections.abc import Callable
from importlib import import_module
from typing import IO, Any

import numpy  # loaded once, for every exercise  # noqa: F401

from edgelib.exercises.compare import Malformed, plain
from edgelib.grading import seccomp
from edgelib.grading.cgroup import PROCESSES
from edgelib.grading.reading import schedule

MEMORY_B = 1 << 30
CPU_S = 20
Pair = tuple[IO[bytes], IO[str]]  # requests, replies
_LONGEST_ERROR = 200
_compile, _exec = compile, exec  # student code may replace those of builtins


class OutOfTime(BaseException):
    """A cell or call took too long. Not an Exception: `except Exception` in an answer must not catch it."""


def serve(own: Pair, others: list[Pair]) -> None:
    """Start and end processes of student code as asked."""
    requests, replies = own
    before = _left()
    while others and _next(requests):
        child = os.fork()
        if child == 0:
            try:
                for pair in [own, *others[1:]]:
                    for file in pair:
                        file.close()
                _serve_exercise(*others[0])
            finally:
                os._exit(0)
        for file in others.pop(0):
            file.close()
        if _next(requests):
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            _say(replies, {"clean": _left() == before})


def _left() -> list[Any]:
    """What student code can change and the next one could see: the two places where it may write."""
    try:
        return [(os.stat(place).st_mode, os.listdir(place)) for place in ("/tmp", "/dev/shm")]
    except OSError as error:  # it took the right to look away
        return [str(error)]


def _next(requests: IO[bytes]) -> bytes:
    """The next request; empty at the end."""
    return _exactly(requests, int(_exactly(requests, 8) or b"0", 16))


def _exactly(requests: IO[bytes], length: int) -> bytes:
    got = bytearray()
    while len(got) < length and (more := requests.read(length - len(got))):
        got += more
    return bytes(got)


def _confine() -> None:
    limits = {
        resource.RLIMIT_AS: MEMORY_B,
        resource.RLIMIT_FSIZE: 16 << 20,
        resource.RLIMIT_NOFILE: 128,
        resource.RLIMIT_CORE: 1,  # 0 would still wake a program that collects core dumps
        resource.RLIMIT_CPU: CPU_S,
        resource.RLIMIT_NPROC: PROCESSES,
    }
    for which, limit in limits.items():
        resource.setrlimit(which, (limit, limit))
    if seccomp.supported():
        seccomp.confine(os.getpid())


def _serve_exercise(requests: IO[bytes], replies: IO[str]) -> None:
    begin = json.loads(_next(requests))
    try:
        _confine()
    except OSError as error:
        return _say(replies, {"id": begin["id"], "fault": f"cannot confine student code: {error}"})
    cell_s, call_s = begin["patience_s"]
    sources, ready = schedule(begin["cells"], begin["names"])
    runs = [index for index, source in enumerate(sources) if source is not None]
    _say(replies, {"id": begin["id"], "runs": runs, "ready": ready})
    # Kept as locals: student code may replace any global of these modules.
    loads, dumps, run_cell, get, call = json.loads, json.dumps, _run_cell, _get, _call
    sys.modules["__main__"] = module = types.ModuleType("__main__")
    space = module.__dict__
    while text := _next(requests):
        request = loads(text)
        if "cell" in request:
            reply = run_cell(space, sources[request["cell"]], cell_s)
        elif "get" in request:
            reply = get(space, request["get"], call_s)
        else:
            reply = call(space, request["call"], request["arguments"], call_s)
        _say(replies, {"id": request["id"], **reply}, dumps)


def _say(replies: IO[str], message: dict[str, Any], dumps: Callable[..., str] = json.dumps) -> None:
    replies.write(dumps(message) + "\n")
    replies.flush()


def _run_cell(space: dict[str, Any], source: str | None, patience_s: float) -> dict[str, Any]:
    def run() -> dict[str, Any]:
        assert source is not None  # only cells that `runs` names are asked for
        _exec(_compile(source, "<cell>", "exec"), space)
        return {"error": None, "unfinished": False}

    return _attempt(run, patience_s)


def _get(space: dict[str, Any], name: str, patience_s: float) -> dict[str, Any]:
    if name not in space:
        return {"kind": "missing"}
    if callable(space[name]):
        return {"kind": "function"}
    return _attempt(lambda: {"kind": "value", "value": _encodable(space[name])}, patience_s)


def _call(space: dict[str, Any], name: str, arguments: dict[str, Any], patience_s: float) -> dict[str, Any]:
    return _attempt(lambda: {"value": _encodable(space[name](**arguments))}, patience_s)


def _encodable(value: Any) -> Any:
    try:
        return plain(value)
    except Malformed as error:
        raise TypeError(f"the answer is {error}") from None


def _attempt(action: Callable[[], dict[str, Any]], patience_s: float) -> dict[str, Any]:
    """The result of `action`, or how it failed; whatever student code raises is a result."""

    def ring(*_: object) -> None:
        raise OutOfTime(f"stopped after {patience_s:g} s")

    try:
        signal.signal(signal.SIGALRM, ring)
        signal.setitimer(signal.ITIMER_REAL, patience_s)
        try:
            return action()
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    except BaseException as error:
        unfinished = isinstance(error, NotImplementedError)
        return {"kind": "error", "error": _describe(error), "unfinished": unfinished}


def _describe(error: BaseException) -> str:
    try:
        return f"{type(error).__name__}: {error}"[:_LONGEST_ERROR]
    except BaseException:  # an exception of theirs whose own text fails
        return type(error).__name__[:_LONGEST_ERROR]


def main() -> None:
    """Load the modules and serve the file descriptors named on the command line."""
    for module in filter(None, sys.argv[1].split(",")):
        import_module(module)
    numbers = [int(argument) for argument in sys.argv[2:]]
    pairs: list[Pair] = [
        (os.fdopen(incoming, "rb", buffering=0), os.fdopen(outgoing, "w"))
        for incoming, outgoing in zip(numbers[::2], numbers[1::2], strict=True)
    ]
    seccomp.hide()
    _say(pairs[0][1], {"hello": 1, "seccomp": seccomp.supported()})
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)  # until here it told the grader why it could not start
    serve(pairs[0], pairs[1:])


if __name__ == "__main__":
    main()
