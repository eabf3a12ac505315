r"""How do bytes change places in HVX? Rotations, the two butterfly networks, shuffles, and look-ups.

`vdelta` and `vrdelta` are the two halves of a Benes network: $\log_2 128 = 7$ stages, and in each a byte may
be swapped for the one whose number differs in one bit. One pass reaches $2^{448}$ of the $128!$ orders.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from edgelib.errors import choice
from edgelib.isa.hvx.registers import BYTES, Array, as_bytes, control, issue, kind, like, vector

STAGES = {  # distance of the two bytes that a stage may exchange, first stage first
    "vdelta": (64, 32, 16, 8, 4, 2, 1),
    "vrdelta": (1, 2, 4, 8, 16, 32, 64),
}


def vror(u: Array, r: Any) -> Array:
    r"""Rotate right by r bytes: $d_k = u_{(k + r) \bmod 128}$ on bytes.

    u any lane type;   r an integer or [...].
    """
    u, amount = vector("u", u), control("r", r)
    batch = issue("vror", u=u, r=amount)
    raw = np.broadcast_to(as_bytes(u), (*batch, BYTES))
    return like(
        np.take_along_axis(raw, (np.arange(BYTES) + amount) % BYTES + np.zeros_like(raw, np.intp), -1), u
    )


def network(u: Array, c: Array, mnemonic: str = "vdelta") -> Array:
    """What lies between the stages of a network: uint8[..., 8, 128], the input first, the result last.

    At the stage of distance s, byte k becomes byte k XOR s if bit s of c_k is set. Records nothing.
    """
    choice("mnemonic", mnemonic, STAGES)
    u, c = vector("u", u, "ub"), vector("c", c, "ub")
    current = np.broadcast_to(u, np.broadcast_shapes(u.shape, c.shape))
    states = [current]
    for distance in STAGES[mnemonic]:
        other = current[..., np.arange(BYTES) ^ distance]
        current = np.where(c & distance, other, current)
        states.append(current)
    return np.stack(states, axis=-2)


def _through(mnemonic: str, u: Array, c: Array) -> Array:
    u, c = vector("u", u), vector("c", c, "ub")
    issue(mnemonic, u=as_bytes(u), c=c)
    return like(network(as_bytes(u), c, mnemonic)[..., -1, :], u)


def vdelta(u: Array, c: Array) -> Array:
    """Through the stages 64, 32, ..., 1: one control bit per byte and stage.

    u any lane type;   c uint8[..., 128].
    """
    return _through("vdelta", u, c)


def vrdelta(u: Array, c: Array) -> Array:
    """Through the stages 1, 2, ..., 64, as `vdelta`. One after the other, the two reach every permutation."""
    return _through("vrdelta", u, c)


def route(source: Array, mnemonic: str = "vdelta") -> Array | None:
    r"""Control bytes with which one pass does $d_k = u_{source_k}$, or None if no control bytes do.

    source int[128], each 0 to 127; bytes may be copied.   mnemonic : "vdelta" or "vrdelta".
    Each byte has one path only: stage by stage, its place takes one more bit from k, the others still being
    those of source_k. The control bit belongs to the byte at the place after the stage.
    """
    choice("mnemonic", mnemonic, STAGES)
    wanted = np.asarray(source)
    if wanted.shape != (BYTES,) or wanted.dtype.kind not in "iu" or wanted.min() < 0 or wanted.max() >= BYTES:
        raise ValueError("source: expected 128 whole numbers from 0 to 127, the byte that each place gets")
    bits, places = np.zeros(BYTES, np.uint8), np.arange(BYTES)
    place = wanted.astype(np.intp)
    for distance in STAGES[mnemonic]:
        differs = (place ^ places) & distance
        place = place ^ differs
        held = np.empty(BYTES, np.intp)
        held[place] = wanted
        if (held[place] != wanted).any():
            return None  # two different bytes would have to be at the same place
        bits[place] |= differs.astype(np.uint8)
    return bits


def route_twice(source: Array) -> tuple[Array, Array]:
    r"""Control bytes (c, d) with which vrdelta(vdelta(u, c), d)$_k = u_{source_k}$, for any permutation.

    source int[128], each of 0 to 127 once. Benes (1964): of two bytes that share the outermost switch, one
    goes through the upper half and the other through the lower; following pair after pair decides all.
    """
    places = np.asarray(source)
    if places.shape != (BYTES,) or places.dtype.kind not in "iu" or sorted(places) != list(range(BYTES)):
        raise ValueError("source: expected the numbers 0 to 127 in some order, the byte that each place gets")
    there = places.astype(np.intp)
    first, second = np.zeros(BYTES, np.uint8), np.zeros(BYTES, np.uint8)
    for distance in STAGES["vdelta"][:-1]:
        half = _halves(there, distance)
        entered = (there & ~distance) | half * distance
        left = (np.arange(BYTES) & ~distance) | half * distance
        first[entered] |= (there ^ entered).astype(np.uint8)
        second |= (np.arange(BYTES) ^ left).astype(np.uint8)
        inner = np.empty(BYTES, np.intp)
        inner[left] = entered
        there = inner
    first |= (there ^ np.arange(BYTES)).astype(np.uint8)
    return first, second


def _halves(there: Array, distance: int) -> Array:
    """For each output 0 or 1, so that partners, at the output and at the input, differ."""
    outputs = np.argsort(there)  # of each input
    half = np.full(BYTES, -1, np.intp)
    for start in range(BYTES):
        output = start
        while half[output] < 0:
            half[output], half[output ^ distance] = 0, 1
            output = outputs[there[output ^ distance] ^ distance]  # the partner of the other's input
    return half


def _exchange(mnemonic: str, u: Array, v: Array, r: Any, distances: tuple[int, ...]) -> Array:
    u = vector("u", u)
    v, amount = vector("v", v, kind(u)), control("r", r)
    batch = issue(mnemonic, u=u, v=v, r=amount)
    low, high = (np.broadcast_to(as_bytes(x), (*batch, BYTES)).copy() for x in (v, u))
    for distance in distances:
        lower = np.flatnonzero(np.arange(BYTES) & distance == 0)
        on = np.broadcast_to((amount & distance) != 0, (*batch, lower.size))
        a, b = low[..., lower + distance], high[..., lower]
        low[..., lower + distance], high[..., lower] = np.where(on, b, a), np.where(on, a, b)
    return like(np.concatenate([low, high], axis=-1), u)


def vshuff(u: Array, v: Array, r: Any) -> Array:
    """Interleave two vectors: for each bit of r, from 1 to 64, elements of that many bytes are exchanged.

    u, v of the same lane type; r an integer or [...]. Returns the pair: 256 bytes, the lower register first.
    r = -2 interleaves halfwords, -4 words (every bit above the size of the element), v giving the even ones.
    """
    return _exchange("vshuff", u, v, r, (1, 2, 4, 8, 16, 32, 64))


def vdeal(u: Array, v: Array, r: Any) -> Array:
    """What undoes `vshuff` with the same r: the same exchanges, from 64 down to 1."""
    return _exchange("vdeal", u, v, r, (64, 32, 16, 8, 4, 2, 1))


def vlut32(index: Array, table: Array, r: Any) -> Array:
    """Look up 128 indexes in 32 of the table's 128 bytes; 0 for an index that belongs to another 32.

    index uint8 or int8 [..., 128];   table bytes [..., 128];   r 0 to 7.
    An index belongs if its upper three bits are r. Set 2 h + k of the table (r modulo 4) is every second
    byte, starting from h, of the k-th 64 bytes. A table of 256 bytes takes two vectors and eight look-ups,
    joined by OR.
    """
    index, table = vector("index", index, "ub", "b"), vector("table", table, "ub", "b")
    number = control("r", r) & 7
    batch = issue("vlut32", index=index, table=table, r=number)
    wanted = np.broadcast_to(index.view(np.uint8), (*batch, BYTES)).astype(np.intp)
    place = 2 * (wanted % (BYTES // 2)) + (number >> 1 & 1)
    found = np.take_along_axis(np.broadcast_to(table, (*batch, BYTES)), place, axis=-1)
    return np.asarray(np.where(wanted >> 5 == number, found, table.dtype.type(0)))


def table_set(table: Array, first: int = 0) -> Array:
    """Where `vlut32` looks: 128 values in order, arranged so that index i finds value i (r = i >> 5).

    table bytes [..., 128], values of the indexes 0 to 127 -> the vector that holds them. (Packing, not an
    instruction: it is done once, when the table is made.)
    """
    table = vector("table", table, "ub", "b")
    return np.ascontiguousarray(
        table.reshape(*table.shape[:-1], 2, BYTES // 2).swapaxes(-1, -2).reshape(table.shape)
    )
