"""Where do the numbers of an axis stand, and how are they written?"""

from __future__ import annotations

from math import ceil, floor, isclose, log10

from edgelib.explore.scene import Axis

Tick = tuple[float, str]  # value, text

_SUFFIXES = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))
_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_MOST_DECADES = 7
_FEWEST = 3


def ticks(axis: Axis) -> list[Tick]:
    """The labelled positions of `axis`, inside its range: categories, powers of ten, or round numbers."""
    if axis.categories:
        return [(float(i), name) for i, name in enumerate(axis.categories)]
    if not axis.log:
        return _linear(axis.lo, axis.hi)
    for mantissas in ((1,), (1, 2, 5)):
        values = _mantissas(axis, mantissas)
        if len(values) >= _FEWEST:
            return [(v, number(v)) for v in values[:: ceil(len(values) / (_MOST_DECADES + 1))]]
    return _linear(axis.lo, axis.hi)


def minor_ticks(axis: Axis) -> list[float]:
    """Unlabelled positions between decades (2, 3, ... 9), where there is room for them."""
    if not axis.log or log10(axis.hi / axis.lo) > _MOST_DECADES:
        return []
    return _mantissas(axis, range(2, 10))


def number(value: float) -> str:
    """A tick in few characters: 0.5, 20, 2k, 10G; powers of ten beyond that."""
    size = abs(value)
    if size == 0:
        return "0"
    if size < 1e-3 or size >= 1e15:
        exponent = floor(log10(size) + 1e-9)
        mantissa = "" if isclose(size, 10.0**exponent) else f"{size / 10.0**exponent:g}·"
        text = f"{mantissa}10{str(exponent).translate(_SUPERSCRIPT)}"
    else:
        factor, suffix = next(((f, s) for f, s in _SUFFIXES if size >= f), (1.0, ""))
        text = f"{size / factor:.10g}{suffix}"
    return f"−{text}" if value < 0 else text


def _mantissas(axis: Axis, mantissas: range | tuple[int, ...]) -> list[float]:
    decades = range(floor(log10(axis.lo)) - 1, ceil(log10(axis.hi)) + 1)
    values = (m * 10.0**d for d in decades for m in mantissas)
    return [v for v in values if axis.lo * (1 - 1e-9) <= v <= axis.hi * (1 + 1e-9)]


def _linear(lo: float, hi: float) -> list[Tick]:
    """Multiples of the 1, 2 or 5 times 10^n that gives 4 to 9 of them."""
    rough = (hi - lo) / 6
    power = 10.0 ** floor(log10(rough))
    step = power * min((m for m in (1, 2, 5, 10)), key=lambda m: abs(log10(m * power / rough)))
    first, last = ceil(lo / step - 1e-9), floor(hi / step + 1e-9)
    return [(k * step, number(float(f"{k * step:.12g}"))) for k in range(first, last + 1)]
