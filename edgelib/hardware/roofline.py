"""How fast can a loop run, given what it computes and what it moves? The roofline.

Source: Williams, Waterman & Patterson, "Roofline: an insightful visual performance model",
Communications of the ACM 52(4), 2009.
"""

from __future__ import annotations

import numpy as np

from edgelib.errors import Number, nonnegative, positive


def attainable(intensity: Number, peak: Number, bandwidth: Number) -> Number:
    r"""Attainable operations per second, $\min(P, I \cdot B)$.

    intensity : OP/B, >= 0.   peak : OP/s, > 0.   bandwidth : B/s, > 0.   Arrays broadcast.
    """
    slanted = nonnegative("intensity", intensity) * positive("bandwidth", bandwidth)
    return np.minimum(positive("peak", peak), slanted)


def ridge(peak: Number, bandwidth: Number) -> Number:
    r"""The intensity at which the two roofs meet, $P / B$, in OP/B."""
    return positive("peak", peak) / positive("bandwidth", bandwidth)
