r"""How far can rounding errors grow through L layers? A printed bound, a correct one, and the truth.

$h_i = \varphi(W_i h_{i-1})$, or $h_{i-1} + \varphi(W_i h_{i-1})$ with residuals, and the same with
$W_i + dW_i$; $\varphi$ is ReLU (1-Lipschitz, 0 at 0). Norms are spectral: $\|W x\| \le \|W\| \|x\|$. A layer
multiplies the length of its input by at most $g_i = \|W_i\|$, or $1 + \|W_i\|$ with the residual.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from edgelib.errors import Number, integer, nonnegative, positive, real, scalar
from edgelib.kernels.quantize import rtn

Floats = npt.NDArray[np.float64]


def printed_bound(norms: npt.ArrayLike, errors: npt.ArrayLike) -> float:
    r"""$\sum_i \|W_i\| \epsilon_i \prod_{j > i} \|W_j\|$, as the chapter prints it; $\epsilon_i = \|dW_i\|$.

    It does not know how large the input is, so it is no bound. norms, errors : float[L], first layer first.
    """
    g, e = _layers(norms, errors)
    return float(np.sum(g * e * _behind(g)))


def first_order_bound(
    norms: npt.ArrayLike, errors: npt.ArrayLike, size: Number, residual: bool = False
) -> float:
    r"""$\sum_i \|dW_i\| \prod_{j \ne i} g_j \|x_0\|$: every layer alone, products of errors left out.

    size : $\|x_0\|$.   residual : g = 1 + ||W|| instead of ||W||.
    """
    g, e = _layers(norms, errors)
    g = g + residual
    before = np.concatenate([[1.0], np.cumprod(g)[:-1]])
    return float(np.sum(before * e * _behind(g)) * nonnegative("size", scalar("size", size)))


def error_bound(norms: npt.ArrayLike, errors: npt.ArrayLike, size: Number, residual: bool = False) -> float:
    r"""$(\prod_i (g_i + \|dW_i\|) - \prod_i g_i) \|x_0\|$: never exceeded.

    By induction, $\delta_i$ the error behind layer i: $\|h_i\| \le g_i \|h_{i-1}\|$ and
    $\delta_i \le (g_i + \|dW_i\|) \delta_{i-1} + \|dW_i\| \|h_{i-1}\|$.
    """
    bound, length = 0.0, float(nonnegative("size", scalar("size", size)))
    for g, e in zip(*_layers(norms, errors), strict=True):
        bound = (g + residual + e) * bound + e * length
        length *= g + residual
    return float(bound)


class Propagation(NamedTuple):
    """Errors behind each layer, in the unit of the input's length."""

    measured: Floats  # [L], ||h_i(W + dW) - h_i(W)||
    alone: Floats  # [L, L], row i: with the error of layer i only
    norms: Floats  # [L], ||W_i||
    errors: Floats  # [L], ||dW_i||
    size: float  # ||x_0||
    output: float  # ||h_L(W)||

    @property
    def in_quadrature(self) -> Floats:
        r"""[L], $\sqrt{\sum_i \delta_i^2}$: what independent errors, each alone, add up to."""
        return np.asarray(np.sqrt(np.sum(self.alone**2, axis=0)))


def network(layers: int, width: int = 64, gain: float = 1.0, seed: int = 0) -> Floats:
    r"""Random weights [L, d, d], Gaussian with $\sigma = gain \sqrt{2 / d}$.

    With gain 1 a ReLU layer keeps the length of its input on average (He and others, 2015).
    """
    d = integer("width", width, 1)
    rng = np.random.default_rng(integer("seed", seed))
    sigma = positive("gain", scalar("gain", gain)) * (2 / d) ** 0.5
    return rng.normal(scale=sigma, size=(integer("layers", layers, 1), d, d))


def propagate(
    weights: npt.ArrayLike,
    x: npt.ArrayLike,
    bits: int,
    group: int | str | None = None,
    residual: bool = False,
) -> Propagation:
    """Round every layer to `bits` (`rtn`) and compare. weights float[L, d, d], x float[d]."""
    w, x = np.asarray(real("weights", weights), dtype=float), np.asarray(real("x", x), dtype=float)
    if w.ndim != 3 or w.shape[1] != w.shape[2] or x.shape != w.shape[2:]:
        raise ValueError(f"weights and x have shapes {w.shape} and {x.shape}: expected (L, d, d) and (d,)")
    rounded = np.stack([rtn(layer, bits, group).values for layer in w])
    layers = len(w)
    h = np.tile(x, (layers + 2, 1))  # row i: layer i rounded; then all rounded; then none
    errors = np.empty((layers + 1, layers))
    for i in range(layers):
        step = h @ w[i].T
        step[[i, layers]] = h[[i, layers]] @ rounded[i].T
        h = h * residual + np.maximum(step, 0)
        errors[:, i] = np.linalg.norm(h[:-1] - h[-1], axis=1)
    return Propagation(
        errors[-1],
        errors[:-1],
        np.linalg.norm(w, 2, axis=(1, 2)),
        np.linalg.norm(rounded - w, 2, axis=(1, 2)),
        float(np.linalg.norm(x)),
        float(np.linalg.norm(h[-1])),
    )


def _behind(g: Floats) -> Floats:
    r"""$\prod_{j > i} g_j$ for each i."""
    return np.concatenate([np.cumprod(g[::-1])[::-1][1:], [1.0]])


def _layers(norms: npt.ArrayLike, errors: npt.ArrayLike) -> tuple[Floats, Floats]:
    g = np.asarray(nonnegative("norms", norms), dtype=float)
    e = np.asarray(nonnegative("errors", errors), dtype=float)
    if g.ndim != 1 or g.size == 0 or g.shape != e.shape:
        raise ValueError(f"norms and errors have shapes {g.shape} and {e.shape}: expected (L,) both, L > 0")
    return g, e
