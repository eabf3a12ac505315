"""Where do the bits of FP32, BF16 and FP16 go, and what happens to a long sum in FP16?"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgelib.explore import Choice, Slider, explorable
from edgelib.explore.scene import Axis, Cell, Dot, Line, Mark, Scene, Text
from edgelib.isa import neon
from edgelib.isa.floats import bf16_to_f32, f32_to_bf16
from edgelib.units import significant

Array = NDArray[Any]

FORMATS = {"FP32": (8, 23), "BF16": (8, 7), "FP16": (5, 10)}  # bits of exponent, of fraction


def bits_of(name: str, value: float) -> int:
    """The bit pattern of `value`, rounded to float32 first and from there to the nearest of the format."""
    with np.errstate(over="ignore"):
        single = np.asarray(value, np.float32)
        if name == "FP32":
            return int(single.view(np.uint32))
        return int(f32_to_bf16(single)) if name == "BF16" else int(single.astype(np.float16).view(np.uint16))


def value_of(name: str, bits: int) -> float:
    """The value of a bit pattern."""
    if name == "FP32":
        return float(np.uint32(bits).view(np.float32))
    word = np.asarray(bits, np.uint16)
    return float(bf16_to_f32(word) if name == "BF16" else word.view(np.float16))


def limits(name: str) -> tuple[float, float]:
    """Largest number and smallest normal number: (2 - 2^-f) 2^b and 2^(1-b), b = 2^(e-1) - 1."""
    exponent, fraction = FORMATS[name]
    bias = 2 ** (exponent - 1) - 1
    return (2 - 2.0**-fraction) * 2.0**bias, 2.0 ** (1 - bias)


def written(value: float) -> str:
    """Six digits, or what it is instead of a number."""
    if np.isnan(value):
        return "NaN, not a number"
    return ("-" if value < 0 else "") + "infinity" if np.isinf(value) else f"{value:.6g}"


@explorable(
    "float-bits",
    label="What does each format keep of a number?",
    hint="Slide the exponent: FP16 runs into infinity at one end and into zero at the other, BF16 never. "
    "Then look at the errors in between. Flip a bit.",
    exponent=Slider(-30, 20, default=17, label="Power of two"),
    significand=Slider(1, 1.99, step=0.01, default=1.1, label="Times"),
    flip=Slider(0, 16, default=0, label="Flip bit (from the left, 0: none)"),
)
def float_bits(exponent: int, significand: float, flip: int) -> Scene:
    """Sign, exponent and fraction of one number in three formats, with the error of each."""
    value = significand * 2.0**exponent
    rows = tuple(reversed(FORMATS))
    marks: list[Mark] = []
    table = [("format", "bits", "value", "relative error")]
    errors = {}
    for name, (e, f) in FORMATS.items():
        bits, size = bits_of(name, value), 1 + e + f
        if flip:
            bits ^= 1 << (size - flip)
        kept = value_of(name, bits)
        errors[name] = abs(kept / value - 1) if np.isfinite(kept) else np.inf
        y = rows.index(name)
        text = f"{bits:0{size}b}"
        for i, digit in enumerate(text):
            role = "error" if i == 0 else "compute" if i <= e else "weights"
            part = "sign" if i == 0 else f"exponent, bit {e - i}" if i <= e else f"fraction, 2^-{i - e}"
            flipped = i + 1 == flip
            marks.append(
                Cell(
                    x=i,
                    y=y + 0.12,
                    text=digit,
                    width=0.94,
                    height=0.4,
                    role="highlight" if flipped else role,
                    opacity=0.95 if flipped else 0.6 if digit == "1" else 0.22,
                    term=part,
                )
            )
        shown = percent(errors[name])
        largest, smallest = (f"{x:.3g}".replace("e+", "e").replace("e-0", "e-") for x in limits(name))
        largest = "65504" if name == "FP16" else largest
        marks.append(
            Text(x=-0.4, y=y - 0.24, text=f"{written(kept)}; error {shown}; range {smallest} to {largest}")
        )
        table.append((name, f"{text[0]} {text[1 : 1 + e]} {text[1 + e :]}", written(kept), shown))
    kind = "after the flip " if flip else ""
    readout = f"{written(value)} {kind}is off by " + ", ".join(
        f"{percent(error)} in {name}" for name, error in errors.items()
    )
    return Scene(
        title="BF16 is FP32 cut in half: the same range, a third of the digits",
        x=Axis(label="Bit, from the left: sign, exponent, fraction", lo=-0.6, hi=31.6),
        y=Axis(label="Format", categories=rows),
        marks=marks,
        readout=f"{readout}.",
        alt=f"Bits of {written(value)} in FP32, BF16 and FP16. {readout}.",
        table=table,
    )


def percent(error: float) -> str:
    """A relative error in percent: 0.14 %, 2.2e-6 %, infinite."""
    if not np.isfinite(error):
        return "infinite"
    if error == 0 or 1e-5 <= error < 10:
        return f"{significant(100 * error, 2)} %"
    mantissa, power = f"{100 * error:.1e}".split("e")
    return f"{mantissa}e{int(power)} %"


MAGNITUDES = (1, 2, 4, 8, 16, 32, 64)
LENGTHS = tuple(2**k for k in range(4, 15))
DRAWS = 5
FLOOR = 1e-9  # of the logarithmic axis; exact sums are drawn there


@cache
def sums() -> dict[tuple[str, int], tuple[Array, Array, Array]]:
    """For each case, at LENGTHS: errors of FMLA .8h and of FMLAL, and the summed magnitudes.

    x uniform in 0..magnitude, w uniform in 0..1, both float16; mixed signs are random ones.
    Errors are relative to the summed magnitudes; medians of DRAWS draws with a fixed seed.
    """
    rng, longest = np.random.default_rng(11), LENGTHS[-1]
    base, w = rng.random((DRAWS, 1, 1, longest)), rng.random((DRAWS, 1, 1, longest)).astype(np.float16)
    sign = np.where(rng.random((DRAWS, 1, 1, longest)) < 0.5, -1, 1)
    signs = np.concatenate([np.ones_like(sign), sign], axis=1)
    x = (base * signs * np.array(MAGNITUDES)[:, np.newaxis]).astype(np.float16)  # draw, signs, magnitude, n
    products = x.astype(float) * w.astype(float)
    exact, weight = np.cumsum(products, axis=-1), np.cumsum(np.abs(products), axis=-1)
    half = np.zeros((*x.shape[:3], 8), np.float16)
    low = high = np.zeros((*x.shape[:3], 4), np.float32)
    errors: list[list[Array]] = [[], []]
    for at in range(0, longest, 8):
        n, m = x[..., at : at + 8], w[..., at : at + 8]
        half = neon.fmla(half, n, m)
        low, high = neon.fmlal(low, n, m), neon.fmlal2(high, n, m)
        if at + 8 in LENGTHS:
            for error, total in zip(errors, (_across(half), _across(neon.faddp(low, high))), strict=True):
                error.append(np.abs(total - exact[..., at + 7]) / weight[..., at + 7])
    middle = [np.median(error, axis=1) for error in errors]  # LENGTHS, signs, magnitude
    final = np.median(weight[..., [n - 1 for n in LENGTHS]], axis=0)
    return {
        (name, size): (middle[0][:, i, k], middle[1][:, i, k], final[i, k])
        for i, name in enumerate(("all positive", "mixed"))
        for k, size in enumerate(MAGNITUDES)
    }


def _across(lanes: Array) -> Array:
    """The sum across the lanes, pairwise, in the type of the lanes."""
    while lanes.shape[-1] > 1:
        even, odd = lanes[..., ::2], lanes[..., 1::2]
        lanes = neon.fadd_h(even, odd) if lanes.dtype == np.float16 else even + odd
    return lanes[..., 0]


@explorable(
    "half-accumulate",
    label="How long may a sum in FP16 be?",
    hint="Raise the activations until the FP16 curve ends: the sum has passed 65,504. Lower them: the error "
    "grows all the same. Mixed signs save the range, not the digits.",
    magnitude=Slider(1, 64, log2=True, default=32, label="Largest activation"),
    length=Slider(16, 16384, log2=True, default=16384, unit="products", label="Length"),
    signs=Choice(["all positive", "mixed"], label="Signs"),
)
def half_accumulate(magnitude: int, length: int, signs: str) -> Scene:
    """Error of a dot product against its length, accumulated in FP16 (FMLA) and in FP32 (FMLAL)."""
    half, single, weight = sums()[signs, magnitude]
    fits = np.isfinite(half)
    n, k = np.array(LENGTHS), LENGTHS.index(length)
    marks: list[Mark] = [
        Line(
            x=n, y=np.maximum(single, FLOOR), role="compute", label="FMLAL: sum in FP32", term="|error| / sum"
        ),
        Line(x=n[fits], y=np.maximum(half[fits], FLOOR), role="error", label="FMLA .8h: sum in FP16"),
        Dot(x=length, y=max(single[k], FLOOR), role="compute"),
    ]
    if fits[k]:
        marks.append(Dot(x=length, y=max(half[k], FLOOR), role="error"))
        what = f"the FP16 sum is off by {percent(float(half[k]))}"
    else:
        what = f"the FP16 sum is infinite (the exact one is {weight[k]:,.0f}, the largest number 65,504)"
    if not fits.all():
        end = float(n[~fits][0])
        marks.append(Line(x=[end, end], y=[1e-10, 10], role="error", ghost=True, width=1.5))
        marks.append(Text(x=end * 0.93, y=2.5, text="overflow: past 65,504", role="error", anchor="end"))
    readout = (
        f"{length:,} products with activations up to {magnitude}: {what}, the FP32 sum is off "
        f"by {percent(float(single[k]))}."
    )
    return Scene(
        title="FP16 sums lose digits as they grow, and end at 65,504",
        x=Axis(label="Length of the dot product", unit="products", lo=12, hi=22000, log=True),
        y=Axis(label="Error, relative to the summed magnitudes", lo=1e-10, hi=10, log=True),
        marks=marks,
        readout=readout,
        alt=f"Error of a dot product against its length, {signs} products. {readout}",
        table=[
            ("length", "FP16 sum", "FP32 sum"),
            *(
                (f"{int(n[i]):,}", percent(float(half[i])) if fits[i] else "overflow", f"{single[i]:.1e}")
                for i in range(len(n))
            ),
        ],
    )
