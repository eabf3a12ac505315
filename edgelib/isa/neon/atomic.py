"""What do the atomics of Armv8.1 (LSE) do to a memory cell? LDADD, SWP and CAS on 64-bit words.

Each returns (new cell, old value): the cell as memory holds it afterwards, and what the register receives.
That no other core comes between is what makes them atomic; in numpy, where nothing runs beside, only the
arithmetic is to be seen. The forms with acquire and release (LDADDAL, SWPAL, CASAL) compute the same.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from edgelib.isa.neon.registers import Array
from edgelib.isa.trace import record

Word = Any  # an int in 0 .. 2**64 - 1, a numpy.uint64, or an array of them


def _words(**operands: Word) -> list[Array]:
    """The operands as uint64 arrays of one shape."""
    arrays = []
    for name, value in operands.items():
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 64:
            value = np.uint64(value)
        if getattr(value, "dtype", None) != np.uint64:
            raise ValueError(f"{name} = {value!r:.60}: expected uint64, or an int from 0 to 2**64 - 1")
        arrays.append(np.asarray(value))
    try:
        return [np.asarray(array) for array in np.broadcast_arrays(*arrays)]
    except ValueError:
        shapes = ", ".join(f"{n} {list(a.shape)}" for n, a in zip(operands, arrays, strict=True))
        raise ValueError(f"{shapes}: expected shapes that broadcast") from None


def _record(mnemonic: str, cell: Array, stored: int) -> None:
    record(mnemonic, prod(cell.shape), loaded_B=8 * prod(cell.shape), stored_B=8 * stored)


def ldadd(cell: Word, value: Word) -> tuple[Array, Array]:
    r"""Add to memory: $(cell + value \bmod 2^{64},\ cell)$."""
    cell, value = _words(cell=cell, value=value)
    _record("ldadd", cell, cell.size)
    return np.add(cell, value), cell.copy()


def swp(cell: Word, value: Word) -> tuple[Array, Array]:
    """Swap with memory: (value, cell)."""
    cell, value = _words(cell=cell, value=value)
    _record("swp", cell, cell.size)
    return value.copy(), cell.copy()


def cas(cell: Word, compare: Word, value: Word) -> tuple[Array, Array]:
    """Compare and swap: (value, cell) where the cell equals `compare`, else (cell, cell)."""
    cell, compare, value = _words(cell=cell, compare=compare, value=value)
    equal = cell == compare
    _record("cas", cell, int(np.count_nonzero(equal)))
    return np.asarray(np.where(equal, value, cell)), cell.copy()
