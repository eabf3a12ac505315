"""What is each mechanism worth? The predictor of decode built up rung by rung, judged unseen.

Every rung is fitted without the source it is judged on (`fit.held_out`), so a mechanism that only
memorises makes its rung worse.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from edgelib.hardware.device import KINDS
from edgelib.metrics.fit import CONSTANTS, RUNTIMES, Constant, Floats, held_out, observe
from edgelib.metrics.validate import read_cases

CPU_ONLY = ("fabric", "thread_scaling", "kernel_factor", "cycles_per_bit", "class_cycles")
RUNGS = (
    "bandwidth / bytes",
    "x one constant",
    "one per kind",
    "+ time per layer",
    "+ CPU: fabric, unpacking",
    "+ runtimes",
)


@dataclass(frozen=True)
class Rung:
    """Errors of one rung: predicted / measured of every measurement, and the kind of its engine."""

    name: str
    ratio: Floats
    kinds: np.ndarray

    def error_pct(self, kind: str, percentile: float) -> float:
        """A percentile of |predicted / measured - 1| for one kind of engine, or "all"."""
        chosen = np.ones(len(self.ratio), dtype=bool) if kind == "all" else self.kinds == kind
        return float(100 * np.percentile(np.abs(self.ratio[chosen] - 1), percentile))


@cache
def ladder() -> tuple[Rung, ...]:
    """All rungs on the published decode measurements of the catalogue; takes some seconds, once."""
    cases, _ = read_cases()
    seen = {kind: observe(cases, kind, "decode") for kind in KINDS}
    kinds = np.concatenate([np.full(len(s.measured), kind) for kind, s in seen.items()])
    sources = np.concatenate([s.sources for s in seen.values()])
    plain = {}
    for kind, s in seen.items():
        rows = len(s.measured)
        bare = {
            "read_efficiency": np.ones(rows),
            "layer_s": np.zeros(rows),
            "width_s": np.zeros(rows),
            "unpack_s": np.zeros(rows),
        }
        plain[kind] = replace(s, known={**s.known, **bare, "fabric": np.full(rows, np.inf)})
    bound = np.concatenate([s.ratio({}) for s in plain.values()])
    scaled = bound.copy()
    for source in np.unique(sources):
        scaled[sources == source] /= np.exp(np.median(np.log(bound[sources != source])))

    def together(constants: dict[str, tuple[Constant, ...]], mechanisms: bool) -> Floats:
        rows = seen if mechanisms else plain
        return np.concatenate([held_out(rows[kind], constants=constants[kind]) for kind in KINDS])

    def shared(*quantities: str) -> dict[str, tuple[Constant, ...]]:
        priors = {"read_efficiency": (0.7, 1.0), "layer_s": (1.5e-4, np.inf)}
        return {kind: tuple(Constant(q, RUNTIMES[kind], *priors[q]) for q in quantities) for kind in KINDS}

    cpu = tuple(c for c in CONSTANTS if c.quantity in CPU_ONLY)
    both = shared("read_efficiency", "layer_s")
    ratios = (
        bound,
        scaled,
        together(shared("read_efficiency"), mechanisms=False),
        together(both, mechanisms=False),
        together({kind: (*both[kind], *cpu) for kind in KINDS}, mechanisms=True),
        together(dict.fromkeys(KINDS, CONSTANTS), mechanisms=True),
    )
    return tuple(Rung(name, ratio, kinds) for name, ratio in zip(RUNGS, ratios, strict=True))
