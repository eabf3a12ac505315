"""How many bits does a weight really take? Storage formats with their scales counted.

A block format stores `block` weights and their scales in a fixed number of bytes, so
bits per weight = 8 * bytes / block: Q4_0 keeps 32 four-bit weights and one FP16 scale in 18 bytes,
4.5 bits each. Source: ggml's block structures, as published in the `gguf` package.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache, cached_property

from edgelib.data import table
from edgelib.errors import Number, choice, positive

# llama.cpp's names; whatever else is stored in 2 to 8 bits unpacks with a shift and a mask.
_UNPACK_CLASSES = (
    (r"(b?f(p)?)(16|32)", "float"),
    (r"iq4_nl", "plain"),
    (r"iq4|q4_k", "k4"),
    (r"iq[123]|tq", "codebook"),
    (r"q[56]", "k56"),
    (r"q[23]", "k23"),
)


@dataclass(frozen=True, eq=False)
class WeightFormat:
    """A storage format.

    bits : bits per weight of the layers, scales included (an array for a sweep).
    head_bits : bits per weight of the output matrix, which many runtimes keep finer.
    """

    name: str
    bits: Number
    head_bits: Number
    source: str = "set by hand"
    confidence: str = "low"

    @cached_property
    def unpack_class(self) -> str:
        """How much work a CPU has with one weight: "float", "plain" (one shift and mask), "k4",
        "k56", "k23" (bits in several planes) or "codebook" (a table look-up)."""
        name = self.name.lower()
        for pattern, unpack_class in _UNPACK_CLASSES:
            if re.match(pattern, name):
                return unpack_class
        return "plain"

    def __post_init__(self) -> None:
        positive("bits", self.bits)
        positive("head_bits", self.head_bits)


@cache
def _catalogue() -> dict[str, WeightFormat]:
    bits = {row["format"]: float(row["bits_per_weight"]) for row in table("formats")}
    return {
        row["format"]: WeightFormat(
            row["format"],
            bits[row["format"]],
            bits[row["head_format"] or row["format"]],
            row["source"],
            row["confidence"],
        )
        for row in table("formats")
    }


def format_names() -> tuple[str, ...]:
    """Names of all formats in the catalogue."""
    return tuple(_catalogue())


def weight_format(name: str) -> WeightFormat:
    """The format called `name`; UnknownName lists the nearest names."""
    return _catalogue()[choice("format", name, _catalogue())]
