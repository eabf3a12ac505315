r"""How does one program run on vectors of any length? SVE: `whilelt` says which lanes are needed.

A vector is an array [..., lanes]; its bytes are the vector length VL, 16 to 256, the implementer's choice.
A predicate is booleans of the same shape, one for each lane. Whether a lane that is off becomes 0, is
left out, or is added as +0 differs from instruction to instruction, and matters to the last bit.
Arguments stand in the order of Arm's C intrinsics: svadda(pg, initial, op), svcompact(pg, op), ...
Source: Arm Architecture Reference Manual for A-profile, DDI 0487, "SVE instructions"
(WHILELT, SDOT, FADDA, FADDV with ReducePredicated, COMPACT, TBL, SQRDMLAH).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edgelib.errors import integer, real
from edgelib.isa.neon.registers import issue
from edgelib.isa.trace import record

Predicate = NDArray[np.bool_]
Vector = NDArray[Any]
# What the original SVE allowed, and QEMU runs. Arm has since narrowed it to powers of two.
VECTOR_LENGTHS = tuple(range(16, 257, 16))
DEFAULT_NAN, QUIET = np.uint32(0x7FC00000), np.uint32(0x00400000)
_DRAIN = (
    2**15 - 1
)  # iterations after which a lane may hold 32,767 x 4 x 2^14 = 2^31 - 2^16: the last safe one


def vector_length(vl_bytes: Any) -> int:
    """`vl_bytes` as an int.

    Raises
    ------
    ValueError : not one of 16, 32, 48, ... 256 (128 to 2,048 bits).
    """
    length = integer("vl_bytes", vl_bytes, 1)
    if length not in VECTOR_LENGTHS:
        raise ValueError(f"vl_bytes = {vl_bytes!r}: expected a multiple of 16 from 16 to 256")
    return length


def vector(argument: str, value: ArrayLike, *dtypes: str) -> Vector:
    """`value` as a vector register of one of `dtypes`, [..., lanes].

    Raises
    ------
    ValueError : another dtype (nothing is converted), or a size that no vector register has.
    """
    array = np.asarray(value)
    if array.dtype.name not in dtypes:
        raise ValueError(f"{argument} has dtype {array.dtype}: expected {' or '.join(dtypes)}")
    size = array.itemsize * array.shape[-1] if array.ndim else 0
    if size not in VECTOR_LENGTHS:
        raise ValueError(
            f"{argument} has shape {array.shape}, {size} bytes a vector: expected 16, 32, ... 256"
        )
    return array


def predicate(argument: str, value: ArrayLike, lanes: int) -> Predicate:
    """`value` as booleans [..., lanes]; ValueError for another dtype or another number of lanes."""
    array = np.asarray(value)
    if array.dtype != np.bool_ or array.shape[-1:] != (lanes,):
        raise ValueError(
            f"{argument} has dtype {array.dtype} and shape {array.shape}: expected bool[..., {lanes}]"
        )
    return array


def _whole(argument: str, value: ArrayLike) -> NDArray[np.int64]:
    array = np.asarray(value)
    if array.dtype.kind not in "iu" or array.dtype == np.uint64:
        raise ValueError(f"{argument} = {value!r}: expected whole numbers of at most 64 bits, signed")
    return array.astype(np.int64)


def whilelt(start: ArrayLike, stop: ArrayLike, vl_bytes: int, itemsize: int = 1) -> Predicate:
    r"""WHILELT: lane $i$ is active while $start + i < stop$. The loop's condition is the mask of its body.

    Parameters
    ----------
    start, stop : int[...], signed 64 bits.   vl_bytes : 16, 32, ... 256.   itemsize : 1, 2, 4 or 8 bytes.

    Returns
    -------
    bool[..., vl_bytes / itemsize]: a run of active lanes from lane 0 on, perhaps empty.
    """
    width = integer("itemsize", itemsize, 1)
    if width not in (1, 2, 4, 8):
        raise ValueError(f"itemsize = {itemsize!r}: expected 1, 2, 4 or 8 bytes")
    first, last = (_whole(name, v)[..., None] for name, v in (("start", start), ("stop", stop)))
    lanes = np.arange(vector_length(vl_bytes) // width, dtype=np.uint64)
    issue("whilelt", start=first, stop=last)
    # first + lane may pass 2^63 and last - first may, too: compare unsigned distances, which fit.
    left = last.astype(np.uint64) - first.astype(np.uint64)
    return np.asarray((first < last) & (lanes < left))


def ld1b(memory: NDArray[Any], start: int, pg: Predicate) -> Vector:
    """LD1B {z.b}, pg/z: memory[..., start + i] where lane i is active; the others are 0, not read.

    That is what lets a loop end anywhere: the bytes behind the array may belong to somebody else.
    """
    pg = predicate("pg", pg, np.asarray(pg).shape[-1] if np.ndim(pg) else 0)
    array = np.asarray(memory)
    if array.dtype.name not in ("int8", "uint8"):
        raise ValueError(f"memory has dtype {array.dtype}: expected int8 or uint8")
    first, active = integer("start", start), np.flatnonzero(pg)
    if array.ndim == 0 or pg.ndim != 1 or (active.size and first + active[-1] >= array.shape[-1]):
        raise ValueError(f"start = {start}: an active lane reads outside memory of shape {array.shape}")
    z = np.zeros((*array.shape[:-1], pg.size), array.dtype)
    z[..., active] = array[..., first + active]
    times = z[..., 0].size
    record("ld1b", times, loaded_B=times * int(active.size))
    return z


def sdot(d: ArrayLike, n: ArrayLike, m: ArrayLike) -> Vector:
    r"""SDOT z.s: $d_i + \sum_{k<4} n_{4i+k} m_{4i+k}$ in each 32-bit lane, wrapping. It takes no predicate.

    d int32[..., VL/4];   n, m int8[..., VL].   Returns int32[..., VL/4].
    """
    d, n, m = vector("d", d, "int32"), vector("n", n, "int8"), vector("m", m, "int8")
    if not d.shape[-1] * 4 == n.shape[-1] == m.shape[-1]:
        raise ValueError(
            f"d, n, m have {d.shape[-1]}, {n.shape[-1]}, {m.shape[-1]} lanes: expected VL/4, VL, VL"
        )
    issue("sdot", d=d, n=n, m=m)
    products = n.astype(np.int32) * m
    return np.asarray(d + products.reshape(*products.shape[:-1], -1, 4).sum(axis=-1, dtype=np.int32))


def saddv(pg: ArrayLike, zn: ArrayLike) -> NDArray[np.int64]:
    """SADDV: sum of the active lanes in 64 bits. pg bool[..., VL/4], zn int32[..., VL/4] -> int64[...]."""
    z = vector("zn", zn, "int32")
    pg = predicate("pg", pg, z.shape[-1])
    issue("saddv", pg=pg, zn=z)
    return np.asarray(np.where(pg, z, 0).sum(axis=-1, dtype=np.int64))


def sdot_loop(a: ArrayLike, b: ArrayLike, vl_bytes: int) -> NDArray[np.int64]:
    r"""$\sum_i a_i b_i$ as the predicated loop computes it: any length, no tail loop, exact.

    Parameters
    ----------
    a, b : int8[..., n], n >= 0; leading dimensions broadcast.   vl_bytes : 16, 32, ... 256.

    Returns
    -------
    int64[...]. A trace counts $\lceil n / VL \rceil$ iterations of ld1b, ld1b, sdot, incb, whilelt, b.first.
    A batch shares the counting instructions (incb, whilelt, b.first), as one loop over several rows does.
    Before 32-bit lanes could overflow (every 32,767 iterations) they are added into 64 bits and cleared.
    """
    a, b = np.asarray(a), np.asarray(b)
    for name, array in (("a", a), ("b", b)):
        if array.dtype != np.int8 or array.ndim == 0:
            raise ValueError(f"{name} has dtype {array.dtype} and shape {array.shape}: expected int8[..., n]")
    if a.shape[-1] != b.shape[-1]:
        raise ValueError(f"a has {a.shape[-1]} elements and b {b.shape[-1]}: expected as many")
    try:
        a, b = np.broadcast_arrays(a, b)
    except ValueError:
        raise ValueError(f"a {list(a.shape)}, b {list(b.shape)}: expected batches that broadcast") from None
    size, batch = a.shape[-1], a.shape[:-1]
    vl = vector_length(vl_bytes)
    every = np.ones(vl // 4, dtype=bool)  # ptrue p1.s
    total = np.zeros(batch, dtype=np.int64)
    lanes = np.zeros((*batch, vl // 4), dtype=np.int32)  # mov z0.s, #0
    i = iterations = 0
    active = whilelt(i, size, vl)
    while active[0]:
        lanes = sdot(lanes, ld1b(a, i, active), ld1b(b, i, active))
        i += vl
        iterations += 1
        active = whilelt(i, size, vl)
        if iterations % _DRAIN == 0:
            total += saddv(every, lanes)
            lanes = np.zeros_like(lanes)
    record("incb", iterations)
    record("b.first", iterations)
    return total + saddv(every, lanes)


def add32(a: ArrayLike, b: ArrayLike) -> NDArray[np.float32]:
    """float32 addition with Arm's NaNs: a signalling operand first, then a, then b, quieted; inf - inf gives
    the default NaN 0x7fc00000 (an x86 would set its sign)."""
    x, y = np.broadcast_arrays(np.asarray(a, np.float32), np.asarray(b, np.float32))
    with np.errstate(all="ignore"):
        out = np.asarray(x + y)
    nan = np.isnan(out)
    if nan.any():
        bits, other = x.view(np.uint32), y.view(np.uint32)
        signals = [np.isnan(v) & ((w & QUIET) == 0) for v, w in ((x, bits), (y, other))]
        kept = np.select([*signals, np.isnan(x), np.isnan(y)], [bits, other, bits, other], DEFAULT_NAN)
        out = np.where(nan, (kept | QUIET).view(np.float32), out)
    return out


def fadda(pg: ArrayLike, initial: ArrayLike, zm: ArrayLike) -> NDArray[np.float32]:
    r"""FADDA: $((initial + z_0) + z_1) + \dots$, in order, one rounding each; inactive lanes left out.

    pg bool[..., VL/4];   initial float32[...];   zm float32[..., VL/4].   Returns float32[...].
    What a C loop computes, bit for bit. It cannot be parallel: VL/4 additions, one after the other.
    """
    z = vector("zm", zm, "float32")
    pg = predicate("pg", pg, z.shape[-1])
    start = np.asarray(initial)
    if start.dtype != np.float32:
        real("initial", initial)
    out = start.astype(np.float32)
    issue("fadda", pg=pg, initial=out[..., None], zm=z)
    for i in range(z.shape[-1]):
        out = np.where(pg[..., i], add32(out, z[..., i]), out)
    return out


def faddv(pg: ArrayLike, zn: ArrayLike) -> NDArray[np.float32]:
    r"""FADDV: a sum by halves: $R(z) = R(\text{low half}) + R(\text{high half})$, $\log_2$ levels.

    pg bool[..., VL/4];   zn float32[..., VL/4].   Returns float32[...].
    An inactive lane counts as +0; a length that is no power of two is filled up with +0.
    The order is part of the architecture, and it is not the order of a loop: the last bits differ.
    """
    z = vector("zn", zn, "float32")
    pg = predicate("pg", pg, z.shape[-1])
    issue("faddv", pg=pg, zn=z)
    return tree32(np.where(pg, z, np.float32(0)))


def tree32(z: NDArray[np.float32]) -> NDArray[np.float32]:
    """Sum over the last axis by halves, after +0 has filled it up to a power of two."""
    lanes = z.shape[-1]
    if lanes == 1:
        return z[..., 0]
    half = 1 << ((lanes - 1).bit_length() - 1)
    high = np.zeros((*z.shape[:-1], half), np.float32)
    high[..., : lanes - half] = z[..., half:]
    return add32(tree32(z[..., :half]), tree32(high))


def compact(pg: ArrayLike, zn: ArrayLike) -> Vector:
    """COMPACT: the active lanes of zn, moved together to the low end; zeros above.

    pg bool[..., lanes];   zn of 32-bit or 64-bit elements, [..., lanes].   Returns as zn.
    """
    z = vector("zn", zn, "int32", "uint32", "float32", "int64", "uint64", "float64")
    pg = predicate("pg", pg, z.shape[-1])
    issue("compact", pg=pg, zn=z)
    z, pg = np.broadcast_arrays(z, pg)
    order = np.argsort(~pg, axis=-1, kind="stable")
    return np.asarray(np.take_along_axis(np.where(pg, z, z.dtype.type(0)), order, axis=-1))


def tbl(zn: ArrayLike, zm: ArrayLike) -> Vector:
    """TBL: lane i becomes zn[zm[i]], and 0 where the index is no lane of zn. It takes no predicate.

    zn of any element type, [..., lanes];   zm whole numbers of the same width, read as unsigned.
    How many lanes there are depends on VL, so an index beyond VL is not an error: it is 0.
    """
    z = vector(
        "zn",
        zn,
        *(f"{k}{8 * b}" for b in (1, 2, 4, 8) for k in ("int", "uint")),
        "float16",
        "float32",
        "float64",
    )
    width = z.itemsize
    index = vector("zm", zm, f"uint{8 * width}", f"int{8 * width}").view(f"uint{8 * width}")
    if index.shape[-1] != z.shape[-1]:
        raise ValueError(f"zm has {index.shape[-1]} lanes: expected the {z.shape[-1]} of zn")
    issue("tbl", zn=z, zm=index)
    z, index = np.broadcast_arrays(z, index)
    inside = index < z.shape[-1]
    found = np.take_along_axis(z, np.where(inside, index, 0).astype(np.int64), axis=-1)
    return np.asarray(np.where(inside, found, z.dtype.type(0)))


def sqrdmlah(da: ArrayLike, n: ArrayLike, m: ArrayLike) -> Vector:
    r"""SQRDMLAH z.s: $sat_{32}((2^{32} d + 2 n m + 2^{31}) \gg 32)$: multiply Q31 numbers, round once, add.

    da, n, m int32[..., VL/4].   Returns int32[..., VL/4].
    """
    d, x, y = (vector(name, v, "int32").astype(np.int64) for name, v in (("da", da), ("n", n), ("m", m)))
    if not d.shape[-1] == x.shape[-1] == y.shape[-1]:
        raise ValueError(f"da, n, m have {d.shape[-1]}, {x.shape[-1]}, {y.shape[-1]} lanes: expected as many")
    issue("sqrdmlah", da=d, n=x, m=y)
    wide = ((d << 31) + x * y + (1 << 30)) >> 31  # half of the formula above: it fits 64 bits
    return np.asarray(np.clip(wide, -(2**31), 2**31 - 1).astype(np.int32))
