"""How do the grader and a sandbox talk? Two pipes; requests after their length, replies as lines of JSON.

What comes back was written by a stranger: it is bounded in size, time and depth, and has the form that
`runner` promises, or it is `Broken`.
"""

from __future__ import annotations

import json
import os
import select
import time
from typing import Any

from edgelib.exercises.compare import Malformed, plain

LARGEST_REPLY_B, LARGEST_TOTAL_B = 1 << 20, 8 << 20
_FORM = {"error": (str, type(None)), "kind": (str,), "unfinished": (bool,), "fault": (str,)}


class Broken(RuntimeError):
    """Student code broke the conversation; the text says how."""


class Channel:
    """The grader's end; `inside` are the two descriptors of the other one, to read and to write."""

    def __init__(self) -> None:
        self._buffer = b""
        self._total = 0
        reading, self._requests = os.pipe()
        self._replies, writing = os.pipe()
        self.inside = [reading, writing]

    def passed(self) -> None:
        """The other end belongs to the sandbox now."""
        while self.inside:
            os.close(self.inside.pop())

    def close(self) -> None:
        """Close what is open."""
        self.passed()
        os.close(self._requests)
        os.close(self._replies)

    def send(self, request: dict[str, Any], deadline: float) -> None:
        """Send `request` by `deadline`, of time.monotonic.

        Raises
        ------
        Broken : nobody reads it.
        """
        text = json.dumps(request).encode()
        data = b"%08x" % len(text) + text
        while data:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([], [self._requests], [], left)[1]:
                raise Broken("no answer in time")
            try:
                data = data[os.write(self._requests, data[: select.PIPE_BUF]) :]
            except BrokenPipeError:
                raise Broken("the process ended") from None

    def reply(self, deadline: float) -> dict[str, Any]:
        """The next reply.

        Raises
        ------
        Broken : none came by `deadline`, or it has not the form of one.
        """
        try:
            reply = json.loads(self._line(deadline))
        except (ValueError, RecursionError):
            raise Broken("an answer that is not JSON") from None
        if not isinstance(reply, dict) or not all(
            isinstance(reply[name], types) for name, types in _FORM.items() if name in reply
        ):
            raise Broken("an answer of the wrong form")
        try:
            return {**reply, "value": plain(reply["value"])} if "value" in reply else reply
        except Malformed:
            raise Broken("an answer of the wrong form") from None

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
