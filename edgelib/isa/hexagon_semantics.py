"""What does one Hexagon instruction compute? A subset: enough for the book's kernels, scalar and vector.

Values are read through `Values`: the machine decides which registers are old and which are new.
Numbers are Python integers of 32 (or 64) bits, vectors uint8[128]; vector arithmetic is `edgelib.isa.hvx`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from edgelib.isa import hvx
from edgelib.isa.hexagon_syntax import Instruction

Bytes = NDArray[np.uint8]
Value = Any  # an int, uint8[128], or bool[128]
WORD, LONG = (1 << 32) - 1, (1 << 64) - 1
LANES = {
    "b": np.int8, "ub": np.uint8, "h": np.int16, "uh": np.uint16, "w": np.int32, "uw": np.uint32,
}  # fmt: skip


class NotExecuted(ValueError):
    """An instruction that exists, but that this interpreter does not execute."""


class Values(Protocol):
    """Where an instruction finds its operands."""

    def register(self, name: str) -> Value:
        """A register's value: an int, uint8[128] or bool[128]; `r1:0` 64 bits, `v1:0` 256 bytes."""

    def load(self, address: int, size: int) -> Bytes:
        """Bytes of memory."""


def signed(value: int, bits: int = 32) -> int:
    """The two's complement meaning of the low bits of `value`."""
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> (bits - 1) else value


def unsigned(value: int) -> int:
    """The low 32 bits of `value`."""
    return value & WORD


_SCALAR: dict[str, Callable[..., int]] = {
    "R=#": lambda a: a,
    "R=R": lambda a: a,
    "RR=RR": lambda a: a,
    "RR=#": lambda a: a,
    "P=P": lambda a: a,
    "R=P": lambda a: a,
    "P=R": lambda a: a & 0xFF,
    "R=neg(R)": lambda a: -a,
    "R=not(R)": lambda a: ~a,
    "R=abs(R)": lambda a: abs(signed(a)),
    "R=zxtb(R)": lambda a: a & 0xFF,
    "R=zxth(R)": lambda a: a & 0xFFFF,
    "R=sxtb(R)": lambda a: signed(a, 8),
    "R=sxth(R)": lambda a: signed(a, 16),
    "R=sub(#,R)": lambda a, b: a - b,
    "R=mpyi(R,R)": lambda a, b: a * b,
    "R=mpyi(R,#)": lambda a, b: a * b,
    "R+=mpyi(R,R)": lambda x, a, b: x + a * b,
    "R-=mpyi(R,R)": lambda x, a, b: x - a * b,
    "R+=mpyi(R,#)": lambda x, a, b: x + a * b,
    "R+=add(R,R)": lambda x, a, b: x + a + b,
    "R+=add(R,#)": lambda x, a, b: x + a + b,
    "R=max(R,R)": lambda a, b: max(signed(a), signed(b)),
    "R=min(R,R)": lambda a, b: min(signed(a), signed(b)),
    "R=maxu(R,R)": max,
    "R=minu(R,R)": min,
    "R=asl(R,#)": lambda a, n: a << n,
    "R=asr(R,#)": lambda a, n: signed(a) >> n,
    "R=lsr(R,#)": lambda a, n: a >> n,
    "R=mux(P,R,R)": lambda p, a, b: a if p & 1 else b,
    "R=mux(P,R,#)": lambda p, a, b: a if p & 1 else b,
    "R=mux(P,#,R)": lambda p, a, b: a if p & 1 else b,
    "R=mux(P,#,#)": lambda p, a, b: a if p & 1 else b,
    "R=add(R,mpyi(R,#))": lambda a, b, n: a + b * n,
    "R=add(R,add(R,#))": lambda a, b, n: a + b + n,
    "R=addasl(R,R,#)": lambda a, b, n: a + (b << n),
    "RR=combine(R,R)": lambda a, b: (a << 32) | b,
    "RR=combine(#,#)": lambda a, b: (unsigned(a) << 32) | unsigned(b),
    "RR=combine(R,#)": lambda a, b: (a << 32) | unsigned(b),
    "RR=combine(#,R)": lambda a, b: (unsigned(a) << 32) | b,
    "RR=add(RR,RR)": lambda a, b: a + b,
    "RR=sub(RR,RR)": lambda a, b: a - b,
    "P=not(P)": lambda a: ~a & 0xFF,
    "P=and(P,P)": lambda a, b: a & b,
    "P=or(P,P)": lambda a, b: a | b,
    "P=xor(P,P)": lambda a, b: a ^ b,
    "P=tstbit(R,#)": lambda a, n: 0xFF * (a >> n & 1),
}
for _name, _do in {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "and": lambda a, b: a & b,
    "or": lambda a, b: a | b,
    "xor": lambda a, b: a ^ b,
}.items():
    _SCALAR[f"R={_name}(R,R)"] = _SCALAR[f"R={_name}(R,#)"] = _do
_COMPARE: dict[str, Callable[[int, int], bool]] = {
    "eq": lambda a, b: unsigned(a) == unsigned(b),
    "gt": lambda a, b: signed(a) > signed(b),
    "gtu": lambda a, b: unsigned(a) > unsigned(b),
    "ge": lambda a, b: signed(a) >= signed(b),
    "lt": lambda a, b: signed(a) < signed(b),
    "ltu": lambda a, b: unsigned(a) < unsigned(b),
}
for _name, _test in _COMPARE.items():
    for _other in ("R", "#"):
        _SCALAR[f"P=cmp.{_name}(R,{_other})"] = lambda a, b, test=_test: 0xFF * test(a, b)
        _SCALAR[f"P=!cmp.{_name}(R,{_other})"] = lambda a, b, test=_test: 0xFF * (not test(a, b))


def compare(how: str, a: int, b: int) -> bool:
    """`cmp.eq`, `cmp.gt` or `cmp.gtu` of two 32-bit numbers."""
    return _COMPARE[how](a, b)


def compute(instruction: Instruction, values: Values) -> dict[str, Value]:
    """What an instruction that neither loads, stores nor jumps writes: value by register.

    Raises
    ------
    NotExecuted : it is not in the subset.
    """
    shape = re.sub(r"^if\(!?P(\.new)?\)", "", instruction.form.shape)
    sources: list[Value] = []
    numbers = list(instruction.numbers)
    target = ""
    predicate = bool(instruction.condition)
    for token, given in instruction.operands[predicate:]:
        if token.kind == "#":
            sources.append(numbers.pop(0))
        else:
            target = target or (given if token.written else "")
            if token.read:
                sources.append(values.register(given))
    if any(source is None for source in sources):
        raise NotExecuted(f"`{instruction.text}` has a symbol for a number; expected a number")
    if shape in _SCALAR:
        mask = 0xFF if target[0] == "p" else LONG if ":" in target else WORD
        return {target: _SCALAR[shape](*sources) & mask}
    return {target: _vector(instruction.text, shape, sources)}


_VECTOR = re.compile(r"(V+|Q)(?:\.(\w+))?([+&|^]?=)([\w.]+)\(([^()]*)\)((?::\w+)*)")


def _view(kind: str, value: Value) -> Value:
    """A source as the type that its suffix names: `V.ub`, `R.b`; plain V as bytes, plain R as a number."""
    name, _, lane = kind.partition(".")
    if name[0] == "V":
        return value.view(LANES[lane]) if lane else value
    if name == "R" and lane:
        return np.array([value], "<u4").view(LANES[lane])
    return value


def _vector(text: str, shape: str, sources: list[Value]) -> Value:
    """The bytes (or, for Q, the booleans) that a vector instruction writes."""
    if shape in ("V=V", "VV=VV"):
        return sources[0].copy()
    if shape in ("V=#", "VV=#"):
        return np.zeros(128 * shape.index("="), np.uint8)
    match = _VECTOR.fullmatch(shape)
    if not match:
        raise NotExecuted(f"`{text}`: this interpreter does not execute it")
    target, lane, how, name, kinds, suffix = match.groups()
    try:
        accumulator = sources.pop(0).view(LANES[lane or "ub"]) if how != "=" else None
        operands = [_view(k, s) for k, s in zip(kinds.split(","), sources, strict=True)]
        result = _named(name, operands, accumulator, lane, suffix)
    except (KeyError, ValueError) as fault:
        raise NotExecuted(f"`{text}`: this interpreter does not execute it") from fault
    return result if target == "Q" else np.ascontiguousarray(result).view(np.uint8)


def _named(name: str, given: list[Value], acc: Value, lane: str | None, suffix: str) -> Value:
    """One vector instruction by name; KeyError if it is not in the subset."""
    by_name: dict[str, Callable[..., Value]]
    if acc is not None:
        by_name = {"vrmpy": hvx.vrmpy, "vdmpy": hvx.vdmpy}
        return by_name[name](*given, acc)
    if name in ("vadd", "vsub"):
        by_name = {"vadd": hvx.vadd, "vsub": hvx.vsub}
        return by_name[name](*given, sat=suffix == ":sat")
    if name == "vdmpy" and suffix == ":sat":
        return hvx.vdmpy_sat(*given)
    if name == "vpack" and suffix == ":sat":
        even, odd = given
        return hvx.vpack(even, odd, LANES[lane or "ub"])
    if name == "vsplat":
        return hvx.vsplat(given[0], LANES[lane or "w"])
    if suffix:
        raise KeyError(name)
    return _PLAIN[name](*given)


_PLAIN: dict[str, Callable[..., Value]] = {
    "vrmpy": hvx.vrmpy,
    "vdmpy": hvx.vdmpy,
    "vmpy": hvx.vmpy,
    "vand": hvx.vand,
    "vor": hvx.vor,
    "vxor": np.bitwise_xor,
    "vmax": np.maximum,
    "vmin": np.minimum,
    "vsat": hvx.vsat,
    "vasl": hvx.vasl,
    "vlsr": hvx.vlsr,
    "vasr": lambda u, r: u >> (r & (8 * u.itemsize - 1)),
    "vror": hvx.vror,
    "vdelta": hvx.vdelta,
    "vrdelta": hvx.vrdelta,
    "vshuff": hvx.vshuff,
    "vdeal": hvx.vdeal,
    "vcombine": lambda u, v: np.concatenate([v, u]),
    "vcmp.gt": hvx.vcmp_gt,
    "vcmp.eq": lambda u, v: np.repeat(u == v, u.itemsize),
    "vmux": hvx.vmux,
}
