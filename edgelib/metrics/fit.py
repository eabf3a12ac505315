"""Where do the constants come from? Fitted on published measurements, kind by kind.

    python -m edgelib.metrics.fit       # rewrites data/runtimes.csv and prints the errors

Read efficiency and time per layer minimise the mean |ln(predicted / measured)| of decode over a
grid, utilisation then that of prefill. Each spread is the 80th percentile of the same error on
sources held out of the fit, one at a time (leave one source out).
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from edgelib.data import table
from edgelib.hardware.device import KINDS
from edgelib.metrics.runtimes import Runtime
from edgelib.metrics.validate import PHASES, Case, errors, read_cases

RUNTIMES = Path(__file__).parents[1] / "data" / "runtimes.csv"
EFFICIENCY = np.arange(0.20, 1.0001, 0.01)[:, None, None]
LAYER_S = np.arange(0.0, 1.0001e-3, 1e-5)[None, :, None]
UTILISATION = np.arange(0.01, 1.0001, 0.01)[:, None]


def fit(cases: Sequence[Case], kind: str) -> Runtime:
    """The constants that fit the cases of one kind best, with the spread of the fit itself."""
    of_kind = [case for case in cases if case.engine.kind == kind]
    decode = [(c.predict("ideal"), c.measured["decode"]) for c in of_kind if "decode" in c.measured]
    read_s = np.array([estimate.value("read_s") for estimate, _ in decode])
    layers = np.array([estimate.model.layers for estimate, _ in decode])
    measured_s = np.array([1 / rate for _, rate in decode])
    decode_error = np.abs(np.log((read_s / EFFICIENCY + layers * LAYER_S) / measured_s))
    i, j = np.unravel_index(decode_error.mean(axis=-1).argmin(), decode_error.shape[:2])
    efficiency, layer_s = float(EFFICIENCY[i, 0, 0]), float(LAYER_S[0, j, 0])

    constants = Runtime(
        name="typical",
        kind=kind,
        read_efficiency=round(efficiency, 2),
        utilisation=None,
        layer_s=round(layer_s, 5),
        decode_spread=spread(decode_error[i, j]),
        prefill_spread=None,
        source=f"edgelib.metrics.fit on {len(decode)} decode measurements",
    )
    published = [c for c in of_kind if c.engine.figures.keys() & {"peak_fp16", "peak_int8"}]
    prefill = [(c.predict("ideal"), c.measured["prefill"]) for c in published if "prefill" in c.measured]
    if not prefill:
        return constants  # nothing to fit a utilisation on

    compute_s = np.array([e.value("prefill_ops") / e.engine.peak.value for e, _ in prefill])
    read_s = np.array([e.value("weight_bytes") / e.engine.bandwidth for e, _ in prefill])
    overhead_s = np.array([e.model.layers for e, _ in prefill]) * layer_s
    measured_s = np.array([e.request["prompt"] / rate for e, rate in prefill])
    predicted_s = np.maximum(compute_s / UTILISATION, read_s / efficiency) + overhead_s
    prefill_error = np.abs(np.log(predicted_s / measured_s))
    k = prefill_error.mean(axis=-1).argmin()
    return replace(
        constants,
        utilisation=round(float(UTILISATION[k, 0]), 2),
        prefill_spread=spread(prefill_error[k]),
        source=f"{constants.source}, {len(prefill)} of prefill",
    )


def spread(error: np.ndarray) -> float:
    """The factor that 80 % of the errors |ln(predicted / measured)| stay within."""
    return round(float(np.exp(np.percentile(error, 80))), 3)


def held_out(cases: Sequence[Case], kind: str) -> dict[str, dict[str, np.ndarray]]:
    """`errors` of one kind by phase, each source predicted with constants fitted to the others."""
    parts: dict[str, list[dict[str, np.ndarray]]] = {phase: [] for phase in PHASES}
    for source in dict.fromkeys(case.source for case in cases if case.engine.kind == kind):
        constants = fit([case for case in cases if case.source != source], kind)
        unseen = [case for case in cases if case.source == source and case.engine.kind == kind]
        for phase in PHASES:
            parts[phase].append(errors(unseen, phase, constants))
    return {
        phase: {key: np.concatenate([part[key] for part in found]) for key in found[0]}
        for phase, found in parts.items()
    }


def main() -> None:
    """Fit every kind on all measurements, take the spreads from held-out sources, write the table."""
    cases, _ = read_cases()
    rows = [row for row in table("runtimes") if row["runtime"] != "typical"]
    for kind in KINDS:
        found = held_out(cases, kind)
        constants = fit(cases, kind)
        for phase, values in found.items():
            error = 100 * np.abs(values["predicted"] / values["measured"] - 1)
            if len(error):
                factor = spread(np.abs(np.log(values["predicted"] / values["measured"])))
                if phase == "decode":
                    constants = replace(constants, decode_spread=factor)
                else:
                    constants = replace(constants, prefill_spread=factor)
                print(
                    f"{kind} {phase:<8}{len(error):4d} held out: median {np.median(error):5.1f} %"
                    f"  90th percentile {np.percentile(error, 90):6.1f} %"
                )
        row = asdict(constants)
        rows.append({"runtime": row.pop("name"), **row})
    with open(RUNTIMES, "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=rows[0].keys(), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()
