"""How does a register look something up? TBL and TBX: 16 table reads at once, from up to 64 bytes."""

from __future__ import annotations

import numpy as np

from edgelib.isa.neon.registers import BYTES, Array, issue, register


def _look_up(mnemonic: str, table: Array, index: Array, otherwise: Array) -> Array:
    index = register("index", index, np.uint8, BYTES)
    shape = table.shape if isinstance(table, np.ndarray) else ()
    size = shape[-1] if shape else 0
    if size not in (BYTES, 2 * BYTES, 3 * BYTES, 4 * BYTES):
        raise ValueError(f"table has shape {list(shape)}: expected [..., 16 k], k = 1, 2, 3 or 4 registers")
    table = register("table", table, np.uint8, size)
    batch = issue(mnemonic, table=table, index=index, d=otherwise)
    index = np.broadcast_to(index, (*batch, BYTES))
    found = np.take_along_axis(
        np.broadcast_to(table, (*batch, size)), np.minimum(index, size - 1).astype(np.intp), axis=-1
    )
    return np.asarray(np.where(index < size, found, otherwise))


def tbl(table: Array, index: Array) -> Array:
    r"""$d_i = table[index_i]$, and 0 where the index is past the table's end.

    table uint8[..., 16 k], k = 1..4 consecutive registers; index uint8[..., 16] -> uint8[..., 16].
    """
    return _look_up("tbl", table, index, np.zeros(BYTES, np.uint8))


def tbx(d: Array, table: Array, index: Array) -> Array:
    r"""`tbl` that keeps $d_i$ where the index is past the table's end: d uint8[..., 16].

    Four of them, with 64 subtracted from the index between, read a table of 256 bytes.
    """
    return _look_up("tbx", table, index, register("d", d, np.uint8, BYTES))
