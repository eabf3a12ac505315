r"""How good is a function read from a table? SiLU, GELU, exp and others with 16 to 256 entries.

With entries $h$ apart, the nearest entry is off by at most $h/2 \cdot \max|f'|$, a straight line between two
of them by at most $h^2/8 \cdot \max|f''|$: twice the entries, half the error or a quarter of it.
In NEON a table lives in registers, 16 bytes each: TBL reads up to 64 of its bytes, so 256 entries take
16 registers and four instructions. On Hexagon's HVX, `vlut32` does the same.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import erf, pi, sqrt
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edgelib.errors import choice, integer, positive, real, scalar
from edgelib.isa import neon
from edgelib.isa.trace import record

Floats = NDArray[np.float64]
PROBES = 4096  # points at which an error is looked for
INTERPOLATIONS = ("nearest", "linear")
_erf = np.vectorize(erf, otypes=[float])


def sigmoid(x: Floats) -> Floats:
    """1 / (1 + exp(-x)), without overflow."""
    small = np.exp(-np.abs(x))
    return np.asarray(np.where(x >= 0, 1, small) / (1 + small))


def _normal(x: Floats) -> Floats:
    return np.exp(-x * x / 2) / sqrt(2 * pi)


def _sigmoid2(x: Floats) -> Floats:
    s = sigmoid(x)
    return s * (1 - s) * (1 - 2 * s)


def _silu2(x: Floats) -> Floats:
    s = sigmoid(x)
    return s * (1 - s) * (2 + x * (1 - 2 * s))


@dataclass(frozen=True)
class Function:
    """f and its second derivative on arrays, and the range on which it is worth a table.

    Outside the range it is continued: "flat" by its end values, "identity" by 0 below and x above.
    """

    name: str
    f: Callable[[Floats], Floats]
    second: Callable[[Floats], Floats]
    lo: float
    hi: float
    outside: str


FUNCTIONS = {
    function.name: function
    for function in (
        Function("silu", lambda x: x * sigmoid(x), _silu2, -8, 8, "identity"),
        Function(
            "gelu",
            lambda x: x * (1 + _erf(x / sqrt(2))) / 2,
            lambda x: _normal(x) * (2 - x * x),
            -4,
            4,
            "identity",
        ),
        Function("sigmoid", sigmoid, _sigmoid2, -8, 8, "flat"),
        Function("tanh", np.tanh, lambda x: -2 * np.tanh(x) * (1 - np.tanh(x) ** 2), -4, 4, "flat"),
        Function("exp", np.exp, np.exp, -10, 0, "flat"),
    )
}


class Table(NamedTuple):
    """Values of a function at `entries` points from lo to hi, both included."""

    function: Function
    lo: float
    hi: float
    values: Floats

    @property
    def step(self) -> float:
        """Distance of two entries."""
        return (self.hi - self.lo) / (len(self.values) - 1)

    def __call__(self, x: ArrayLike, interpolation: str = "linear") -> Floats:
        """The function as the table knows it, at x of any shape: "nearest" entry or "linear" between two."""
        choice("interpolation", interpolation, INTERPOLATIONS)
        points = np.asarray(real("x", x), float)
        position = np.clip((points - self.lo) / self.step, 0, len(self.values) - 1)
        if interpolation == "nearest":
            inside = self.values[np.rint(position).astype(int)]
        else:
            left = np.minimum(position.astype(int), len(self.values) - 2)
            part = position - left
            inside = (1 - part) * self.values[left] + part * self.values[left + 1]
        if self.function.outside == "flat":
            return np.asarray(inside)
        return np.where(points > self.hi, points, np.where(points < self.lo, 0.0, inside))


def table(
    name: str, entries: int, lo: float | None = None, hi: float | None = None, bits: int | None = None
) -> Table:
    """A table of one of `FUNCTIONS` with 2 or more entries, on its own range or on lo..hi.

    bits : each entry is a signed integer of so many bits times max|f| / (2^(bits-1) - 1); None: float64.
    """
    function = FUNCTIONS[choice("name", name, FUNCTIONS)]
    count = integer("entries", entries, 2)
    start = float(scalar("lo", function.lo if lo is None else lo))
    end = float(scalar("hi", function.hi if hi is None else hi))
    if start >= end:
        raise ValueError(f"lo = {start:g}, hi = {end:g}: expected lo < hi")
    values = function.f(np.linspace(start, end, count))
    if bits is not None:
        unit = np.abs(values).max() / (2 ** (integer("bits", bits, 2) - 1) - 1)
        values = np.rint(values / unit) * unit
    return Table(function, start, end, values)


def max_error(of: Table, interpolation: str = "linear") -> float:
    """Largest |table - function| inside the range, at 4,096 points and half-way between entries."""
    middles = of.lo + of.step * (np.arange(len(of.values) - 1) + 0.5)
    x = np.concatenate([np.linspace(of.lo, of.hi, PROBES), middles])
    return float(np.abs(of(x, interpolation) - of.function.f(x)).max())


def segments_bound(name: str, segments: ArrayLike, lo: float | None = None, hi: float | None = None) -> Any:
    r"""Bound of the error of straight pieces: $\frac{h^2}{8} \max|f''|$ with $h = (hi - lo) / segments$.

    It falls with the square of the segments (slope -2 in a log-log plot) and is nearly reached.
    """
    function = FUNCTIONS[choice("name", name, FUNCTIONS)]
    start, end = function.lo if lo is None else lo, function.hi if hi is None else hi
    bend = np.abs(function.second(np.linspace(start, end, PROBES + 1))).max()
    return ((end - start) / np.asarray(positive("segments", segments))) ** 2 / 8 * bend


def knots(name: str, segments: int, bent: bool = False) -> Floats:
    r"""Ends of `segments` straight pieces over a function's range: equally long, or, `bent`, of equal error.

    Equal error: as many pieces per length as $\sqrt{|f''|}$ says (the error of a piece is $h^2 |f''| / 8$).
    """
    function = FUNCTIONS[choice("name", name, FUNCTIONS)]
    count = integer("segments", segments, 1)
    x = np.linspace(function.lo, function.hi, PROBES + 1)
    if not bent:
        return np.linspace(function.lo, function.hi, count + 1)
    density = np.sqrt(np.abs(function.second(x))) + 1e-9  # never 0, so that every place has a piece
    pieces = np.concatenate([[0], np.cumsum((density[1:] + density[:-1]) / 2)])
    return np.interp(np.linspace(0, pieces[-1], count + 1), pieces, x)


def pieces_error(name: str, ends: ArrayLike) -> float:
    """Largest |f - straight pieces| between `ends` (increasing), at 16 points of each piece."""
    function = FUNCTIONS[choice("name", name, FUNCTIONS)]
    at = np.asarray(real("ends", ends), float)
    if at.ndim != 1 or at.size < 2 or np.any(np.diff(at) <= 0):
        raise ValueError(f"ends has shape {at.shape}: expected at least two numbers, increasing")
    part = np.linspace(0, 1, 17)
    left, right = at[:-1, None], at[1:, None]
    lines = (1 - part) * function.f(left) + part * function.f(right)
    return float(np.abs(lines - function.f(left + part * (right - left))).max())


def softmax_by_table(logits: ArrayLike, entries: int, span: float, interpolation: str = "linear") -> Floats:
    r"""Softmax over the last axis with $\exp$ from a table on [-span, 0]; the maximum is subtracted first.

    logits float[..., n].   span > 0: scores further below the maximum count as $e^{-span}$, the last entry.
    """
    x = np.asarray(real("logits", logits), float)
    if x.ndim == 0 or x.shape[-1] == 0:
        raise ValueError(f"logits has shape {x.shape}: expected at least one score")
    exps = table("exp", entries, -float(scalar("span", positive("span", span))), 0.0)
    weights = exps(x - x.max(axis=-1, keepdims=True), interpolation)
    return np.asarray(weights / weights.sum(axis=-1, keepdims=True))


def softmax(logits: ArrayLike) -> Floats:
    """Softmax over the last axis in float64."""
    x = np.asarray(real("logits", logits), float)
    weights = np.exp(x - x.max(axis=-1, keepdims=True))
    return np.asarray(weights / weights.sum(axis=-1, keepdims=True))


def divergence(p: ArrayLike, q: ArrayLike) -> Floats:
    r"""$KL(p \| q) = \sum p \ln(p / q)$ over the last axis, nat. q must be positive where p is."""
    a, b = (np.asarray(real(name, v), float) for name, v in (("p", p), ("q", q)))
    if np.any((b <= 0) & (a > 0)):
        raise ValueError("q is 0 where p is not: the divergence is infinite")
    ratio = np.divide(a, b, out=np.ones(np.broadcast_shapes(a.shape, b.shape)), where=(a > 0) & (b > 0))
    return np.asarray((a * np.log(ratio)).sum(axis=-1))


def byte_table(name: str, scale_in: float, scale_out: float) -> NDArray[np.uint8]:
    r"""256 bytes: for int8 q, $\mathrm{clip}(\mathrm{round}(f(s_{in} q) / s_{out}))$ at $q \bmod 256$."""
    function = FUNCTIONS[choice("name", name, FUNCTIONS)]
    step_in, step_out = (
        scalar(n, positive(n, v)) for n, v in (("scale_in", scale_in), ("scale_out", scale_out))
    )
    q = np.arange(256, dtype=np.uint8).view(np.int8)
    codes = np.rint(function.f(step_in * q.astype(float)) / step_out)
    return np.asarray(np.clip(codes, -128, 127).astype(np.int8).view(np.uint8))


def look_up(entries: NDArray[np.uint8], index: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """16 look-ups in a table of 16 to 256 bytes held in registers.

    entries uint8[16 r], r = 1..16 registers;   index uint8[..., 16].   Returns uint8[..., 16].
    TBL for the first 64 bytes; for each 64 more, SUB 64 from the index and TBX, which keeps what was found.
    """
    size = entries.shape[-1] if np.ndim(entries) == 1 else 0
    if size % 16 or not 16 <= size <= 256:
        raise ValueError(f"entries has shape {np.shape(entries)}: expected 16, 32, ... 256 bytes")
    found = neon.tbl(entries[:64], index)
    for start in range(64, size, 64):
        index = index - np.uint8(64)  # below 0 it wraps to a large index, which finds nothing
        record("sub", index[..., 0].size)
        found = neon.tbx(found, entries[start : start + 64], index)
    return found


def look_ups(entries: int) -> int:
    """TBL and TBX instructions of `look_up`: one for each 64 bytes begun."""
    return -(-integer("entries", entries, 1) // 64)
