"""How much of the measured energy is memory traffic? Published runs with tokens per second and watts.

Measured joules per token are watts over tokens per second. The watts are those of a whole machine (at the
wall, or of a module), so they bound from above what the memory can have used.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgelib.data import table
from edgelib.hardware.device import engine
from edgelib.metrics.predict import predict
from edgelib.workloads.formats import WeightFormat
from edgelib.workloads.transformer import transformer


@dataclass(frozen=True)
class MeasuredEnergy:
    """One run.   wall : measured at the wall plug; otherwise what the source calls power."""

    engine: str
    model: str
    weights: str
    runtime: str
    tok_s: float
    power_W: float
    traffic_B: float  # weights, and keys and values of the mean context, read for one token
    wall: bool
    source: str

    @property
    def joules(self) -> float:
        """Joules per token, P / rate."""
        return self.power_W / self.tok_s

    @property
    def pJ_per_byte(self) -> float:
        """The whole machine's energy, per byte that decode must read."""
        return 1e12 * self.joules / self.traffic_B


def measured_energy() -> list[MeasuredEnergy]:
    """The runs of `data/measurements.csv` that report power and decode speed, in its order."""
    names = {row["alias"]: row["model"] for row in table("models")}
    runs = []
    for row in table("measurements"):
        if not (row["power_W"] and row["decode_tok_s"]):
            continue
        bits = float(row["bits_per_weight"])
        weights = WeightFormat(row["quant"], bits, float(row["lm_head_bits"] or bits), row["source"])
        unit, model = engine(row["device_unit"]), transformer(names[row["model"]])
        estimate = predict(model, unit, weights=weights, context=float(row["kv_context_tokens"]))
        runs.append(
            MeasuredEnergy(
                row["device_unit"],
                row["model"],
                row["quant"],
                row["engine"],
                float(row["decode_tok_s"]),
                float(row["power_W"]),
                estimate.value("weight_bytes") + estimate.value("kv_bytes"),
                "wall" in row["note"],
                row["source"],
            )
        )
    return runs


def median_share(pJ_per_byte: float) -> float:
    """Median over the runs of the part of the measured energy that the traffic explains, 0..1 or above."""
    return float(np.median([pJ_per_byte / run.pJ_per_byte for run in measured_energy()]))
