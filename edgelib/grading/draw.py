"""Which inputs grade this student? Nobody can foresee them, the grader can repeat them."""

from __future__ import annotations

import hashlib
import hmac
import json
import unicodedata

import numpy as np

from edgelib.grading.spec import Arguments, Part

LEAST_SECRET_BYTES = 16


def instance_seed(secret: bytes, student: str, part: str) -> int:
    r"""Seed of the inputs of one student in one part ("ex2.a"): HMAC-SHA256 under the course's secret.

    Raises
    ------
    ValueError : a secret of less than 16 bytes, or an empty student or part.
    """
    if not isinstance(secret, bytes) or len(secret) < LEAST_SECRET_BYTES:
        raise ValueError(f"secret: expected at least {LEAST_SECRET_BYTES} random bytes")
    for argument, value in (("student", student), ("part", part)):
        if not isinstance(value, str) or not value:
            raise ValueError(f"{argument} = {value!r}: expected a name")
    # NFC: one name is spelt with other bytes on macOS. JSON: ("a", "bc") and ("ab", "c") must differ.
    message = json.dumps([unicodedata.normalize("NFC", student), part]).encode()
    return int.from_bytes(hmac.digest(secret, message, hashlib.sha256), "big")


def draw(part: Part, exercise: str, secret: bytes, student: str) -> list[Arguments]:
    """The inputs that grade `student` in `part` of `exercise`."""
    seed = instance_seed(secret, student, f"{exercise}.{part.name}")
    return part.instances(np.random.default_rng(seed))
