r"""Which design is best when several costs count? The weighted product of ratios to the best.

$score = \prod_c (best_c / cost_c)^{w_c / \sum w}$: 1 for a design that is best in all that counts. Only
ratios enter, so units and constant factors cannot change a ranking.
Source: Miller & Starr, "Executive decisions and operations research", 1969 (weighted product model).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from edgelib.errors import nonnegative, positive


def score(costs: npt.ArrayLike, weights: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Score of each design, 0..1, float[designs].

    costs : float[designs, criteria], > 0, less is better.   weights : float[criteria], >= 0, not all 0.
    """
    cost = np.asarray(positive("costs", costs), dtype=float)
    weight = np.asarray(nonnegative("weights", weights), dtype=float)
    if cost.ndim != 2 or cost.size == 0 or weight.shape != cost.shape[1:]:
        raise ValueError(
            f"costs and weights have shapes {cost.shape} and {weight.shape}: "
            "expected (designs, criteria) and (criteria,)"
        )
    if not weight.any():
        raise ValueError("weights are all 0: expected at least one criterion that counts")
    ratios = np.log(cost.min(axis=0) / cost)
    return np.asarray(np.exp(ratios @ weight / weight.sum()))
