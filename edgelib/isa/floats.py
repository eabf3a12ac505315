r"""How does the hardware round? Fused multiply-add, round to odd, bfloat16 and NaNs, bit for bit, on arrays.

Two facts carry the whole module.

1. The product of two float32 (or float16, or bfloat16) values is exact in float64. Their sum with a third
   is not, but its error is: `two_sum` returns both. From the two, `odd_sum` makes the float64 *rounded to
   odd*: truncated, with the last bit set if anything was cut off. That bit is a memory of "there was more".
2. A value rounded to odd with at least two spare bits may be rounded again to any mode, and the result is
   the one of a single rounding (Boldo and Melquiond, "Emulation of a FMA and correctly rounded sums: proved
   algorithms using rounding to odd", IEEE Trans. Computers 57(4), 2008).

Modes are those of AArch64 with FPCR = 0: round to nearest even, subnormals kept, NaNs propagated.
Names follow the pseudocode of the Arm Architecture Reference Manual (DDI 0487).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

DEFAULT_NAN32 = np.uint32(0x7FC00000)
SMALLEST_NORMAL32 = 2.0**-126
_SILENT = np.errstate(all="ignore")  # overflow, NaN and infinity are results here, not mishaps
_CUT = 29  # bits of a float64's fraction that float32 has no room for: 52 - 23


def two_sum(a: Array, b: Array) -> tuple[Array, Array]:
    r"""$s + e = a + b$ exactly: $s$ the rounded float64 sum, $e$ what the rounding left out (Knuth)."""
    s = a + b
    b_part = s - a
    return s, (a - (s - b_part)) + (b - b_part)


@_SILENT
def odd_sum(a: Array, b: Array) -> Array:
    """a + b as float64, rounded to odd: truncated towards zero, last bit set if that lost anything."""
    s, e = two_sum(np.asarray(a, np.float64), np.asarray(b, np.float64))
    bits = np.asarray(s).view(np.int64)
    move = (e != 0) & np.isfinite(s) & (bits & 1 == 0)
    return np.asarray(bits + np.where(move, np.where((e > 0) == (s > 0), 1, -1), 0)).view(np.float64)


@_SILENT
def flush32(x: Array) -> Array:
    """float32 with subnormals replaced by zeros of their sign (flush to zero)."""
    x = np.asarray(x, np.float32)
    return np.where(np.abs(x) < np.float32(SMALLEST_NORMAL32), np.copysign(np.float32(0), x), x)


@_SILENT
def round_odd32(x: Array) -> Array:
    """float64 to float32 as BFRound does: to odd, subnormal results flushed, overflow to infinity."""
    x = np.asarray(x, np.float64)
    bits = x.view(np.int64)
    lost = bits & ((1 << _CUT) - 1) != 0
    odd = np.asarray(((bits >> _CUT) | lost) << _CUT).view(np.float64)
    return flush32(np.where(np.isfinite(x), odd, x).astype(np.float32))


def fma32(a: Array, b: Array, c: Array) -> Array:
    r"""$\mathrm{round}_{32}(a b + c)$, float32, one rounding.

    A NaN result is the one AArch64 gives (FPProcessNaNs3): the first signalling NaN of c, a, b, made quiet;
    else the first quiet NaN; else (0 times infinity, infinity minus infinity) the default NaN 0x7fc00000.
    """
    return _fma(a, b, c, np.float32)


def fma16(a: Array, b: Array, c: Array) -> Array:
    r"""$\mathrm{round}_{16}(a b + c)$, float16, one rounding; NaNs as in `fma32` (default NaN 0x7e00)."""
    return _fma(a, b, c, np.float16)


@_SILENT
def _fma(a: Array, b: Array, c: Array, kind: type[np.floating[Any]]) -> Array:
    a, b, c = (np.asarray(x, kind) for x in np.broadcast_arrays(a, b, c))
    product = a.astype(np.float64) * b.astype(np.float64)
    result = np.asarray(odd_sum(product, c.astype(np.float64)).astype(kind))
    bad = np.isnan(result)
    if bad.any():
        result[bad] = _nan_of_fma(a[bad], b[bad], c[bad])
    return result


def _nan_of_fma(a: Array, b: Array, c: Array) -> Array:
    """Which NaN: FPMulAdd of the Arm pseudocode, for lanes whose result is a NaN."""
    words: Any = np.uint16 if a.dtype == np.float16 else np.uint32
    quiet_bit = words(1 << (np.finfo(a.dtype).nmant - 1))
    default = np.full(a.shape, np.nan, a.dtype).view(words)  # sign 0, quiet bit alone
    result = default.copy()
    candidates = [x.view(words) for x in (c, a, b)]
    nans = [np.isnan(x) for x in (c, a, b)]
    quiet = [(bits & quiet_bit) != 0 for bits in candidates]
    # The last one written wins: quiet NaNs of b, a, c; above them signalling NaNs of b, a, c.
    for wanted_quiet in (True, False):
        for bits, nan, is_quiet in list(zip(candidates, nans, quiet, strict=True))[::-1]:
            result = np.where(nan & (is_quiet == wanted_quiet), bits | quiet_bit, result)
    zero_times_infinity = ((a == 0) & np.isinf(b)) | (np.isinf(a) & (b == 0))
    result = np.where(zero_times_infinity & nans[0] & quiet[0], default, result)
    return np.asarray(result.astype(words)).view(a.dtype)


@_SILENT
def f16_to_f32(x: Array) -> Array:
    """float16 to float32, exact; a NaN keeps its payload and stays signalling if it was (FPMulAddH)."""
    x = np.asarray(x, np.float16)
    bits = x.view(np.uint16).astype(np.uint32)
    wide = np.asarray(x.astype(np.float32))
    nan = (bits & 0x8000) << 16 | np.uint32(0x7F800000) | (bits & 0x3FF) << 13
    return np.asarray(np.where(np.isnan(x), nan, wide.view(np.uint32))).view(np.float32)


def bf16_to_f32(bits: Array) -> Array:
    """bfloat16 bit patterns (uint16) as float32: the upper half of the word, exact."""
    return np.asarray(np.asarray(bits, np.uint16).astype(np.uint32) << 16).view(np.float32)


def f32_to_bf16(x: Array) -> Array:
    """float32 to bfloat16 bits (uint16), nearest even; a NaN keeps its upper bits and is made quiet."""
    bits = np.asarray(x, np.float32).view(np.uint32)
    rounded = (bits + (0x7FFF + (bits >> 16 & 1)).astype(np.uint32)) >> 16
    quieted = bits >> 16 | 0x40
    return np.asarray(np.where(np.isnan(x), quieted, rounded).astype(np.uint16))


@_SILENT
def bf16_dot2(acc: Array, a0: Array, b0: Array, a1: Array, b1: Array) -> Array:
    r"""$acc + (a_0 b_0 + a_1 b_1)$ as BFDOT computes it (BFDotAdd with FPCR.EBF = 0).

    acc float32; a0, b0, a1, b1 bfloat16 bits (uint16). Products, their sum, and the sum with acc are each
    rounded to odd; subnormal inputs and results are zeros; every NaN is the default NaN.
    """
    a0, b0, a1, b1 = (flush32(bf16_to_f32(x)).astype(np.float64) for x in (a0, b0, a1, b1))
    return bf_add(flush32(acc), bf_add(round_odd32(a0 * b0), round_odd32(a1 * b1)))


@_SILENT
def bf_add(a: Array, b: Array) -> Array:
    """a + b in float32, rounded to odd, subnormal results flushed, any NaN the default NaN (BFAdd)."""
    result = round_odd32(odd_sum(a, b))
    return np.asarray(np.where(np.isnan(result), DEFAULT_NAN32.view(np.float32), result))
