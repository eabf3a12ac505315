"""What comes back from student code has the form of a reply, or it is Broken; nothing else can come out."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator

import pytest

from edgelib.grading.channel import Broken, Channel


@pytest.fixture
def channel() -> Iterator[Channel]:
    made = Channel()
    yield made
    made.close()


def test_requests_and_replies_cross(channel: Channel) -> None:
    reading, writing = channel.inside
    channel.send({"a": [1, "é"]}, time.monotonic() + 1)
    data = os.read(reading, 1000)
    assert json.loads(data[8:]) == {"a": [1, "é"]} and int(data[:8], 16) == len(data) - 8
    os.write(writing, b'{"id": "1", "value": [1, {"a": NaN}], "error": null}\n{"id": "2"}\n')
    assert channel.reply(time.monotonic() + 1)["value"][0] == 1
    assert channel.reply(time.monotonic() + 1) == {"id": "2"}


BAD = {
    "no JSON": b"x\n",
    "no UTF-8": b'"\xff\xfe"\n',
    "a list": b"[]\n",
    "a number": b"3\n",
    "many digits": b'{"value": ' + b"9" * 5000 + b"}\n",
    "deep": b"[" * 100_000 + b"\n",
    "deep value": b'{"value": ' + b"[" * 900 + b"]" * 900 + b"}\n",
    "value deeper than an answer": b'{"value": ' + b"[" * 9 + b"]" * 9 + b"}\n",
    "deep error": b'{"error": ' + b"[" * 900 + b"]" * 900 + b"}\n",
    "error of another type": b'{"error": 3}\n',
    "kind of another type": b'{"kind": null}\n',
    "unfinished of another type": b'{"unfinished": 1}\n',
    "fault of another type": b'{"fault": {}}\n',
}


@pytest.mark.parametrize("kind", BAD)
def test_a_malformed_reply_is_broken(kind: str, channel: Channel) -> None:
    os.write(channel.inside[1], BAD[kind][:60_000] if kind != "deep" else BAD[kind][:50_000] + b"\n")
    with pytest.raises(Broken, match=r"not JSON|wrong form"):
        channel.reply(time.monotonic() + 1)


def test_what_never_ends_is_broken_before_it_fills_the_memory(channel: Channel) -> None:
    writing, said, sent = channel.inside[1], "in time", 0
    while "in time" in said and sent < 2 << 20:
        sent += os.write(writing, b"x" * 4096)
        with pytest.raises(Broken) as broken:
            channel.reply(time.monotonic() + 0.001)
        said = str(broken.value)
    assert said == "too much output"


def test_nobody_there_is_broken(channel: Channel) -> None:
    start = time.monotonic()
    with pytest.raises(Broken, match="in time"):
        channel.reply(start + 0.05)
    with pytest.raises(Broken, match="in time"):
        channel.send({"a": "x" * (1 << 20)}, time.monotonic() + 0.05)  # more than a pipe holds
    assert time.monotonic() - start < 1
    channel.passed()
    with pytest.raises(Broken, match="ended"):
        channel.reply(time.monotonic() + 1)
    with pytest.raises(Broken, match="ended"):
        channel.send({}, time.monotonic() + 1)
