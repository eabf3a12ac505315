"""How do registers meet memory? LD1 and ST1: 16 bytes a register, up to four registers an instruction."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from edgelib.errors import integer
from edgelib.isa.neon.registers import BYTES, Array
from edgelib.isa.trace import record


def _window(memory: Array, at: Any, registers: int) -> tuple[Array, int]:
    """Element numbers [..., registers, lanes] that start at `at`, and the lanes of one register."""
    if not isinstance(memory, np.ndarray) or memory.ndim != 1 or memory.dtype.itemsize not in (1, 2, 4, 8):
        raise ValueError("memory: expected a one-dimensional array of elements of 1, 2, 4 or 8 bytes")
    if integer("registers", registers, at_least=1) > 4:
        raise ValueError(f"registers = {registers}: expected 1, 2, 3 or 4")
    start = np.asarray(at)
    if start.dtype.kind not in "iu":
        raise ValueError(f"at = {at!r:.60}: expected element numbers (whole numbers)")
    lanes = BYTES // memory.dtype.itemsize
    size = registers * lanes
    if start.size and (start.min() < 0 or start.max() + size > memory.size):
        raise ValueError(
            f"at = {at!r:.60}: expected 0 to {memory.size - size}, as {size} elements are touched "
            f"and memory has {memory.size}"
        )
    return start[..., np.newaxis, np.newaxis] + np.arange(size).reshape(registers, lanes), lanes


def ld1(memory: Array, at: Any = 0, registers: int = 1) -> Array:
    """Load 1 to 4 consecutive registers from a one-dimensional array.

    at : element number, or an array of them (one instruction each).
    Returns the registers: [..., lanes] of memory's dtype, or [..., registers, lanes] if there are several.
    """
    window, _ = _window(memory, at, registers)
    times = prod(np.shape(at))
    record("ld1", times, loaded_B=times * registers * BYTES)
    return memory[window][..., 0, :] if registers == 1 else memory[window]


def st1(memory: Array, value: Array, at: Any = 0) -> None:
    """Store one register into a one-dimensional array, in place: value [..., lanes] of memory's dtype."""
    window, lanes = _window(memory, at, 1)
    shape = (*np.shape(at), lanes)
    if not isinstance(value, np.ndarray) or value.dtype != memory.dtype or value.shape != shape:
        got = f"{value.dtype.name} {list(value.shape)}" if isinstance(value, np.ndarray) else repr(value)[:60]
        raise ValueError(f"value is {got}: expected {memory.dtype.name} {list(shape)}")
    times = prod(np.shape(at))
    record("st1", times, stored_B=times * BYTES)
    memory[window[..., 0, :]] = value
