"""How do HVX registers meet memory? Aligned whether you like it or not, and gather only from VTCM.

Memory is a one-dimensional array; addresses are in bytes and start at 0, which is a multiple of 128.
Source: Qualcomm Hexagon HVX Programmer's Reference Manual 80-N2040, chapters on memory and on gather.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from edgelib.errors import choice
from edgelib.isa.hvx.predicate import predicate
from edgelib.isa.hvx.registers import BYTES, LANES, Array, as_bytes, control, issue, like, vector
from edgelib.isa.trace import record

PLACES = ("vtcm", "ddr")


def _span(memory: Array, address: Any, aligned: bool) -> Array:
    """Byte numbers [..., 128] that a register's load or store touches."""
    if not isinstance(memory, np.ndarray) or memory.ndim != 1 or memory.dtype not in LANES:
        raise ValueError("memory: expected a one-dimensional array of integers of 8, 16 or 32 bits")
    start = control("address", address)
    if aligned:
        start = start & ~(BYTES - 1)
    size = memory.nbytes
    if start.size and (start.min() < 0 or start.max() + BYTES > size):
        raise ValueError(
            f"address = {address!r:.60}: bytes {start.min()} to {start.max() + BYTES - 1} are touched, "
            f"expected 0 to {size - 1}, as memory has {size} bytes"
        )
    return start + np.arange(BYTES)


def _load(mnemonic: str, memory: Array, address: Any, aligned: bool) -> Array:
    span = _span(memory, address, aligned)
    times = prod(span.shape[:-1])
    record(mnemonic, times, loaded_B=times * BYTES)
    return like(as_bytes(memory)[span], memory)


def vmem(memory: Array, address: Any = 0) -> Array:
    """Load the aligned 128 bytes that contain `address`: its seven low bits are dropped, without any fault.

    memory one-dimensional; address in bytes, an integer or [...]. Returns [..., 128 bytes] of memory's type.
    """
    return _load("vmem", memory, address, aligned=True)


def vmemu(memory: Array, address: Any = 0) -> Array:
    """Load the 128 bytes that start at `address`, wherever that is; two accesses where it is unaligned."""
    return _load("vmemu", memory, address, aligned=False)


def vmem_store(memory: Array, address: Any, value: Array, q: Array | None = None) -> None:
    """Store into the aligned 128 bytes that contain `address`, in place; with q only its bytes.

    One register: address an integer, value a vector of memory's type, q bool[128] or None.
    """
    _store("vmem_store", memory, address, value, True, q)


def vmemu_store(memory: Array, address: Any, value: Array) -> None:
    """Store into the 128 bytes that start at `address`, in place."""
    _store("vmemu_store", memory, address, value, False, None)


def _store(mnemonic: str, memory: Array, address: Any, value: Array, aligned: bool, q: Array | None) -> None:
    span = _span(memory, address, aligned)
    value = vector("value", value)
    if value.dtype != memory.dtype or as_bytes(value).shape != span.shape:
        raise ValueError(
            f"value is {value.dtype.name} {list(value.shape)}: expected {memory.dtype.name}, one register "
            f"for each address"
        )
    if not memory.flags.c_contiguous:
        raise ValueError("memory: expected a contiguous array, as a store writes into it")
    kept = np.ones(BYTES, bool) if q is None else predicate("q", q)
    times = prod(span.shape[:-1])
    stored = int(np.broadcast_to(kept, span.shape).sum())
    record(mnemonic, times, stored_B=stored)
    raw = memory.view(np.uint8)
    raw[span] = np.where(kept, as_bytes(value), raw[span])


def vgather(table: Array, offsets: Array, into: Array | None = None, memory: str = "vtcm") -> Array:
    """Read 32 words at 32 byte offsets: $d_l$ = the four bytes of the table from offset_l.

    table uint8[m], the region, m a multiple of 4;   offsets int32[..., 32] in bytes, aligned or not.
    into int32[..., 32], what the destination held (None: zeros). A word that starts below 0 or does not end
    inside the region is dropped, and the destination keeps it. (The manual says so; QEMU does not model it.)
    memory : where the table lies. HVX gathers from VTCM only.

    Raises
    ------
    ValueError : the table is in "ddr"; wrong types or shapes.
    """
    _in_vtcm("gather", "source", memory)
    words, found = _words(table, offsets)
    old = np.zeros(32, np.int32) if into is None else vector("into", into, "w")
    issue("vgather", offsets=offsets, into=old)
    safe = np.where(found, words, 0)[..., np.newaxis] + np.arange(4)
    return np.where(found, np.ascontiguousarray(table[safe]).view(np.int32)[..., 0], old)


def vscatter(
    table: Array, offsets: Array, values: Array, accumulate: bool = False, memory: str = "vtcm"
) -> Array:
    """Write 32 words to 32 byte offsets of one region, or add them; the table after it, a new array.

    table uint8[m];   offsets, values int32[32]. Words outside are dropped, as in `vgather`. With `accumulate`
    offsets are aligned down to words, and words for the same place all count; without it such an order is not
    guaranteed by the hardware (here the last lane wins).
    """
    _in_vtcm("scatter", "target", memory)
    values, offsets = vector("values", values, "w"), vector("offsets", offsets, "w")
    if values.ndim != 1 or offsets.ndim != 1:
        raise ValueError("offsets, values: expected one register each, int32[32], as they write one region")
    words, found = _words(table, offsets & ~3 if accumulate else offsets)
    issue("vscatter", offsets=offsets)
    out = table.copy()
    for at, value in zip(words[found], values[found], strict=True):
        old = out[at : at + 4].view(np.int32)[0] if accumulate else np.int32(0)
        out[at : at + 4] = np.atleast_1d(np.add(old, value, dtype=np.int32)).view(np.uint8)
    return out


def _in_vtcm(what: str, role: str, memory: str) -> None:
    if choice("memory", memory, PLACES) != "vtcm":
        raise ValueError(
            f"{what} {role} must be in VTCM, but memory = {memory!r}: copy the table there first"
        )


def _words(table: Array, offsets: Array) -> tuple[Array, Array]:
    """Offsets as int64, and which of them are of words inside the region."""
    if not isinstance(table, np.ndarray) or table.dtype != np.uint8 or table.ndim != 1:
        raise ValueError("table: expected uint8[m], the bytes of a region of VTCM")
    if table.size % 4 or not table.size:
        raise ValueError(f"table has {table.size} bytes: expected a multiple of 4, whole words")
    words = vector("offsets", offsets, "w").astype(np.int64)
    return words, (words >= 0) & (words + 4 <= table.size)
