"""What is a GB? Sizes of units, and numbers written for people.

Inside the library everything is SI: seconds, bytes, joules, operations per second.
A GB is 1e9 bytes and a GiB is 2**30; a multiply-accumulate (MAC) is 2 operations (OP).
Source: IEC 80000-13 (binary prefixes); SI Brochure, 9th edition, table 7 (decimal prefixes).
"""

from __future__ import annotations

from math import floor, log10

KB, MB, GB = 1e3, 1e6, 1e9
KIB, MIB, GIB = 2**10, 2**20, 2**30

_PREFIXES = {-12: "p", -9: "n", -6: "µ", -3: "m", 0: "", 3: "k", 6: "M", 9: "G", 12: "T", 15: "P"}
_UNPREFIXED = {"", "tok/s", "tokens", "bit", "OP/B", "%", "cycles", "pipes", "sequences", "threads"}


def si(value: float, unit: str, digits: int = 3) -> str:
    """`value` with an SI prefix and `digits` significant digits: si(1.342e10, "B") = "13.4 GB"."""
    if value == 0:
        return f"0 {unit}".strip()
    if unit in _UNPREFIXED:
        return f"{significant(value, digits)} {unit}".strip()
    rounded = float(f"{value:.{digits - 1}e}")
    exponent = min(max(3 * floor(log10(abs(rounded)) / 3), min(_PREFIXES)), max(_PREFIXES))
    return f"{significant(rounded / 10**exponent, digits)} {_PREFIXES[exponent]}{unit}".strip()


def significant(value: float, digits: int = 3) -> str:
    """`value` to `digits` significant digits, without an exponent: 14.2857 -> "14.3"."""
    if value == 0:
        return "0"
    rounded = float(f"{value:.{digits - 1}e}")
    decimals = max(digits - 1 - floor(log10(abs(rounded))), 0)
    return f"{rounded:,.{decimals}f}"


def counted(count: int, noun: str) -> str:
    """A number with its noun: 1 line, 1,024 lines."""
    return f"{count:,} {noun}{'s' * (count != 1)}"


def gib(size_bytes: float) -> str:
    """A size in GiB, the unit that operating systems report: gib(2**30) = "1.00 GiB"."""
    return f"{size_bytes / GIB:.2f} GiB"
