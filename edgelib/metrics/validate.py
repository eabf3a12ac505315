"""Does the prediction agree with what people measured? Errors, by kind of engine.

A case is one published measurement: model, engine, format, lengths, tokens per second.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgelib.data import table
from edgelib.errors import UnknownFigure
from edgelib.hardware.device import KINDS, Engine, engine, engine_from_row, engine_names
from edgelib.metrics.predict import Estimate, predict
from edgelib.metrics.runtimes import Runtime, runtime_of
from edgelib.workloads.formats import WeightFormat
from edgelib.workloads.transformer import Transformer, transformer, transformer_from_row

PHASES = {"decode": "decode_tok_s", "prefill": "prefill_tok_s"}
# llama-bench measures generation from an empty context; sources that say nothing get its lengths.
DEFAULT_PROMPT, DEFAULT_GENERATE = 512, 128


@dataclass(frozen=True, eq=False)
class Case:
    """One published measurement. `measured` holds tokens per second by phase, where given."""

    source: str
    engine: Engine
    model: Transformer
    weights: WeightFormat
    prompt: float
    generate: float
    context: float
    threads: Mapping[str, int | None]  # by phase
    software: str  # as the source names it
    measured: Mapping[str, float]

    def predict(self, phase: str = "decode", runtime: Runtime | str | None = None) -> Estimate:
        """The prediction for one phase of this case, with the constants of the software used."""
        if runtime is None:
            runtime = runtime_of(self.software, self.engine)
        return predict(
            self.model,
            self.engine,
            weights=self.weights,
            prompt=self.prompt,
            generate=self.generate,
            context=self.context,
            threads=self.threads[phase],
            runtime=runtime,
        )


def read_cases(
    measurements: Path | None = None, devices: Path | None = None, models: Path | None = None
) -> tuple[list[Case], list[dict[str, str]]]:
    """Cases from three CSV files, and the rows left out with the reason under "why".

    A device in the catalogue has the catalogue's figures; any other is built from its row alone.
    A file that is not given is the catalogue's own.
    """
    rows = table("measurements") if measurements is None else read_table(measurements)
    known = engine_names()
    if devices is None:
        engines = {name: engine(name) for name in known}
    else:
        wide = {row["device_unit"]: row for row in read_table(devices)}
        engines = {n: engine(n) if n in known else engine_from_row(row) for n, row in wide.items()}
    if models is None:
        shapes = {row["alias"]: transformer(row["model"]) for row in table("models")}
    else:
        shapes = {row["model"]: transformer_from_row(row) for row in read_table(models)}
    cases, left_out = [], []
    for row in rows:
        missing = [c for c, rows_of in (("device_unit", engines), ("model", shapes)) if row[c] not in rows_of]
        if missing:
            why = ", ".join(f"{column} {row[column]!r} has no row" for column in missing)
            left_out.append({**row, "why": why})
            continue
        bits = float(row["bits_per_weight"])
        measured = {phase: float(row[column]) for phase, column in PHASES.items() if row[column]}
        prompt = float(row["prompt_tokens"] or DEFAULT_PROMPT)
        generate = float(row["gen_tokens"] or DEFAULT_GENERATE)
        cases.append(
            Case(
                source=row["source_id"],
                engine=engines[row["device_unit"]],
                model=shapes[row["model"]],
                weights=WeightFormat(
                    row["quant"], bits, float(row["lm_head_bits"] or bits), row["source"], "medium"
                ),
                prompt=prompt,
                generate=generate,
                context=float(row["kv_context_tokens"] or prompt + generate / 2),
                threads={phase: _threads(row, phase) for phase in PHASES},
                software=row["engine"],
                measured=measured,
            )
        )
    return cases, left_out


def _threads(row: Mapping[str, str], phase: str) -> int | None:
    """The threads used; a few sources prefill with more, and their note says so."""
    noted = re.search(rf"{phase} used (\d+) threads", row.get("note") or "")
    text = noted[1] if noted else row["threads"]
    return int(text) if text else None


def read_table(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV file, as text."""
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def errors(cases: Iterable[Case], phase: str, runtime: Runtime | str | None = None) -> dict[str, Any]:
    """Predicted and measured tokens per second of one phase, and the interval, as arrays.

    Cases without a measurement of the phase are left out, as are those whose prediction rests on an
    unpublished figure (a prefill needs a peak rate).
    """
    rows = []
    for case in cases:
        if phase not in case.measured:
            continue
        try:
            estimate = case.predict(phase, runtime)
            value, interval = estimate.value(PHASES[phase]), estimate.interval(PHASES[phase])
        except UnknownFigure:
            continue
        rows.append((case.engine.kind, value, case.measured[phase], *interval))
    kinds, predicted, measured, low, high = zip(*rows, strict=True) if rows else ((),) * 5
    numbers = {"predicted": predicted, "measured": measured, "low": low, "high": high}
    return {"kind": np.array(kinds, dtype=str), **{k: np.array(v, dtype=float) for k, v in numbers.items()}}


def score(predicted: Any, measured: Any, low: Any, high: Any) -> dict[str, float | int | None]:
    """Median and 90th percentile of |predicted / measured - 1|, the share within 20 %, and the
    share of measurements inside the interval, all in per cent; None where there are no cases."""
    n = len(measured)
    if n == 0:
        return {"n": 0, "mdape_pct": None, "p90_pct": None, "within20_pct": None, "coverage80_pct": None}
    error = 100 * np.abs(predicted / measured - 1)
    inside = (low <= measured) & (measured <= high)
    return {
        "n": n,
        "mdape_pct": round(float(np.median(error)), 2),
        "p90_pct": round(float(np.percentile(error, 90)), 2),
        "within20_pct": round(100 * float(np.mean(error <= 20)), 2),
        "coverage80_pct": round(100 * float(np.mean(inside)), 2),
    }


def validate(
    measurements: Path | None = None,
    devices: Path | None = None,
    models: Path | None = None,
) -> dict[str, Any]:
    """Scores by phase and kind of engine: `{"decode": {"all": {...}, "cpu": ..}, "prefill": ..}`.

    "left_out" counts the rows that could not be used, by reason.
    """
    cases, left_out = read_cases(measurements, devices, models)
    report: dict[str, Any] = {}
    for phase in PHASES:
        found = errors(cases, phase)
        kind = found.pop("kind")
        report[phase] = {"all": score(**found)}
        for name in KINDS:
            report[phase][name] = score(**{key: values[kind == name] for key, values in found.items()})
    reasons = [row["why"] for row in left_out]
    report["left_out"] = {why: reasons.count(why) for why in dict.fromkeys(reasons)}
    return report
