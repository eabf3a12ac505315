r"""Where should a quantiser stop? Rounding error inside the range, clipping error outside.

A quantiser with $2^b$ cells from $-\alpha$ to $\alpha$ has the step $\Delta = 2 \alpha / 2^b$. Inside, the
error is at most $\Delta / 2$ and its mean square is $\Delta^2 / 12$ where the density is smooth. Outside,
$x$ becomes $\pm\alpha$. A wide range rounds coarsely, a narrow one clips: the sum has one minimum.
Source: Banner, Nahshan, Soudry, "Post training 4-bit quantization of convolutional networks for
rapid-deployment" (ACIQ), NeurIPS 2019. Units are standard deviations of the weights.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edgelib.errors import Number, choice, integer, positive, real

Floats = npt.NDArray[np.float64]
Function = Callable[[Floats], Floats]


@dataclass(frozen=True)
class Law:
    r"""A symmetric distribution of variance 1.

    density : $f(x)$.   clipped : $2 \int_\alpha^\infty (x - \alpha)^2 f(x) dx$, for $\alpha \ge 0$.
    """

    density: Function
    clipped: Function


_ROOT2, _ROOT3 = math.sqrt(2), math.sqrt(3)
_erfc = np.vectorize(math.erfc, otypes=[float])


def _gauss(x: Floats) -> Floats:
    return np.asarray(np.exp(-x * x / 2) / math.sqrt(2 * math.pi))


LAWS = {
    "uniform": Law(
        lambda x: np.where(abs(x) <= _ROOT3, 1 / (2 * _ROOT3), 0.0),
        lambda a: np.asarray(np.maximum(_ROOT3 - a, 0) ** 3 / (3 * _ROOT3)),
    ),
    "gaussian": Law(_gauss, lambda a: np.asarray((1 + a * a) * _erfc(a / _ROOT2) - 2 * a * _gauss(a))),
    "laplace": Law(  # scale b = 1 / sqrt(2)
        lambda x: np.asarray(np.exp(-_ROOT2 * abs(x)) / _ROOT2), lambda a: np.asarray(np.exp(-_ROOT2 * a))
    ),
}


def step(bits: int, clip: Number) -> Number:
    r"""$\Delta = 2 \alpha / 2^b$: the width of one of the $2^b$ cells."""
    return 2 * positive("clip", clip) / 2 ** integer("bits", bits, 1)


def staircase(x: Number, bits: int, clip: Number) -> Floats:
    r"""The middle of the cell of $x$; the outermost one for $|x| > \alpha$. x and clip broadcast."""
    delta, half = step(bits, clip), 2 ** (integer("bits", bits, 1) - 1)
    cell = np.clip(np.floor(real("x", x) / delta), -half, half - 1)
    return np.asarray(delta * (cell + 0.5))


def noise(clip: Number, bits: int, law: str) -> tuple[Floats, Floats]:
    r"""Mean square errors: rounding ($\Delta^2 / 12$), clipping ($2 \int_\alpha^\infty (x - \alpha)^2 f$).

    clip : $\alpha$ in standard deviations, an array for a curve.   law : "uniform gaussian laplace".
    """
    rounding = np.asarray(step(bits, clip), dtype=float) ** 2 / 12
    return rounding, LAWS[choice("law", law, LAWS)].clipped(np.asarray(clip, dtype=float))


def optimal_clip(bits: int, law: str) -> float:
    r"""The $\alpha$ with the least sum of `noise`, by golden section (the sum is convex).

    Laplace at 2, 3, 4 bits: 2.83, 3.89, 5.03 times b, as ACIQ prints; a Gaussian: 1.71, 2.15, 2.55.
    """
    low, high, ratio = 0.01, 20.0, (math.sqrt(5) - 1) / 2
    while high - low > 1e-9:
        left, right = high - ratio * (high - low), low + ratio * (high - low)
        if sum(noise(left, bits, law)) < sum(noise(right, bits, law)):
            high = right
        else:
            low = left
    return (low + high) / 2


def measured_mse(clip: Number, bits: int, law: str) -> Floats:
    """What `staircase` really loses: the mean square error, integrated over the law. Shape of clip.

    The sum of `noise` is an approximation of it: the outermost cells do not end at the clip but half a
    step before, and few wide cells do not see a smooth density.
    """
    density = LAWS[choice("law", law, LAWS)].density
    x: Floats = (np.arange(6000, dtype=float) + 0.5) * (
        18 / 6000
    )  # one half; what lies beyond adds less than 1e-8
    clip = np.asarray(positive("clip", clip), dtype=float)[..., None]
    error: Floats = x - staircase(x, bits, clip)
    return np.asarray((error**2 * density(x)).sum(axis=-1) * 2 * (18 / 6000))


def sqnr_db(mse: Number) -> Floats:
    r"""Signal to quantisation noise, $10 \log_{10}(1 / mse)$ dB, of a signal of variance 1."""
    return np.asarray(-10 * np.log10(positive("mse", mse)))
