"""How close to the data sheet does software come? Constants per runtime and kind of engine."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from edgelib.data import table
from edgelib.errors import choice


@dataclass(frozen=True)
class Runtime:
    """The constants of a runtime on one kind of engine.

    read_efficiency : share of the data-sheet bandwidth that decode reaches.
    utilisation : share of the peak rate that prefill reaches.   layer_s : fixed time per layer, s.
    decode_spread, prefill_spread : 80 % of measurements lie within value / spread .. value * spread.
    """

    name: str
    kind: str
    read_efficiency: float
    utilisation: float | None  # None: no measurement to fit it on
    layer_s: float
    decode_spread: float | None  # None: a bound, not a prediction
    prefill_spread: float | None
    source: str


@cache
def _runtimes() -> dict[tuple[str, str], Runtime]:
    rows = {}
    for row in table("runtimes"):
        rows[row["runtime"], row["kind"]] = Runtime(
            row["runtime"],
            row["kind"],
            read_efficiency=float(row["read_efficiency"]),
            utilisation=_optional(row["utilisation"]),
            layer_s=float(row["layer_s"]),
            decode_spread=_optional(row["decode_spread"]),
            prefill_spread=_optional(row["prefill_spread"]),
            source=row["source"],
        )
    return rows


def _optional(text: str) -> float | None:
    return float(text) if text else None


def runtime(name: str, kind: str) -> Runtime:
    """The constants of runtime `name` ("typical", "ideal") on engines of `kind`."""
    choice("runtime", name, dict.fromkeys(key[0] for key in _runtimes()))
    choice("kind", kind, dict.fromkeys(key[1] for key in _runtimes()))
    return _runtimes()[name, kind]
