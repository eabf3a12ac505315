"""Where do the constants come from? Fitted on published measurements, few of them, each physical.

    python -m edgelib.metrics.fit     # rewrites data/runtimes.csv and data/unpack.csv, prints errors

Minimised is the mean |ln(predicted / measured)|, first of decode, then of prefill, with a pull
towards a prior: what one would expect before measuring. The pull decides where there is no data, and
still counts where rows are few. Method: steps in the logarithm of one constant at a time. Each spread
is the 80th percentile of the error on sources that were held out, one at a time: per runtime, and
together for those of a kind that have fewer than 10 rows each.

A new runtime: add it to RUNTIMES and CONSTANTS, and any row for it to data/runtimes.csv to start from.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgelib.hardware.device import KINDS
from edgelib.metrics.formulas import GRAPH
from edgelib.metrics.graph import Given
from edgelib.metrics.runtimes import TEXT, Runtime
from edgelib.metrics.validate import PHASES, Case, read_cases

DATA = Path(__file__).parents[1] / "data"
Floats = NDArray[np.float64]
PULL = 0.1  # weight of one squared ln(constant / prior), in units of the mean error
FEW = 10  # rows of a runtime, below which its spread is that of all runtimes of its kind with so few
STEPS = (0.5, 0.2, 0.1, 0.05, 0.02, 0.01)  # of the logarithm


@dataclass(frozen=True)
class Constant:
    """One number to fit: which quantity, for which runtimes or classes of format, and the prior."""

    quantity: str
    of: tuple[str, ...]
    prior: float
    most: float = np.inf
    phase: str = "decode"


CPU = ("llama.cpp", "packed", "lookup")
RUNTIMES = {"cpu": CPU, "gpu": ("metal", "cuda", "vulkan", "opencl"), "npu": ("qnn", "rknn")}
CONSTANTS = (
    # A CPU streams a little over half of the data sheet's bandwidth, and one cluster's port to the
    # memory carries about 100 GB/s (Apple M1 Max: 243 GB/s for two clusters, AnandTech 17024).
    Constant("read_efficiency", CPU, 0.6, 1.0),
    Constant("fabric", CPU, 120e9),
    Constant("layer_s", CPU, 2e-5),
    Constant("thread_scaling", CPU, 0.9, 1.0),
    Constant("kernel_factor", ("packed",), 0.7, 1.0),
    Constant("cycles_per_bit", ("lookup",), 0.066),  # a table of 16 sums per 4 weights, bit by bit
    # 16 weights per 128-bit instruction: load, unpack, dot product: 3 to 6 instructions, more where
    # the bits of a weight lie in two planes, many more where it is looked up in a code book.
    Constant("class_cycles", ("float", "plain"), 0.35),
    Constant("class_cycles", ("k4",), 0.45),
    Constant("class_cycles", ("k56",), 0.55),
    Constant("class_cycles", ("k23",), 0.65),
    Constant("class_cycles", ("codebook",), 1.0),
    # GPUs and NPUs come closer to the data sheet and pay for starting each layer's kernels.
    Constant("read_efficiency", ("metal",), 0.9, 1.0),
    Constant("layer_s", ("metal",), 8e-5),
    Constant("width_s", ("metal",), 2e-8),  # as much again where a model is 4,096 wide
    Constant("read_efficiency", ("cuda",), 0.85, 1.0),
    Constant("layer_s", ("cuda",), 1e-4),
    Constant("read_efficiency", ("vulkan",), 0.75, 1.0),
    Constant("layer_s", ("vulkan",), 1.5e-4),
    Constant("read_efficiency", ("opencl",), 0.55, 1.0),
    Constant("layer_s", ("opencl",), 1.5e-4),
    Constant("read_efficiency", ("rknn",), 0.8, 1.0),
    Constant("layer_s", ("rknn",), 4e-4),
    Constant("read_efficiency", ("qnn",), 0.75, 1.0),
    Constant("layer_s", ("qnn",), 2e-4),
    # Prefill: matrix products keep a GPU's multipliers busy, an NPU's only for wide matrices.
    Constant("utilisation", ("llama.cpp",), 0.15, 1.0, "prefill"),
    Constant("utilisation", ("packed",), 0.4, 1.0, "prefill"),
    Constant("utilisation", ("metal",), 0.6, 1.0, "prefill"),
    Constant("utilisation", ("cuda",), 0.35, 1.0, "prefill"),
    Constant("utilisation", ("vulkan", "opencl"), 0.25, 1.0, "prefill"),
    Constant("utilisation", ("rknn",), 0.25, 1.0, "prefill"),
    Constant("prefill_layer_s", ("rknn",), 5e-3, np.inf, "prefill"),
    Constant("utilisation", ("qnn",), 0.2, 1.0, "prefill"),
    Constant("prefill_layer_s", ("qnn",), 1e-3, np.inf, "prefill"),
)


@dataclass(frozen=True)
class Observations:
    """Measurements of one phase on one kind of engine, as columns: what the formulas need, what was
    measured, and who measured with which runtime on what."""

    phase: str
    known: Mapping[str, Floats]
    measured: Floats
    runtimes: NDArray[np.str_]
    classes: NDArray[np.str_]
    sources: NDArray[np.str_]
    engines: NDArray[np.str_]

    def uses(self, constant: Constant) -> NDArray[np.bool_]:
        """The rows whose prediction rests on a constant."""
        if constant.quantity not in self.known:
            return np.zeros(len(self.measured), dtype=bool)
        return np.isin(self.classes if constant.quantity == "class_cycles" else self.runtimes, constant.of)

    def rows(self, mask: NDArray[np.bool_]) -> Observations:
        """Some of the rows."""
        return Observations(
            self.phase,
            {name: values[mask] for name, values in self.known.items()},
            self.measured[mask],
            self.runtimes[mask],
            self.classes[mask],
            self.sources[mask],
            self.engines[mask],
        )

    def ratio(self, values: Mapping[Constant, float]) -> Floats:
        """predicted / measured with these constants."""
        known: dict[str, Any] = dict(self.known)
        for constant, value in values.items():
            known[constant.quantity] = np.where(self.uses(constant), value, known[constant.quantity])
        return np.asarray(GRAPH.value(PHASES[self.phase], known) / self.measured, dtype=float)


def observe(cases: Sequence[Case], kind: str, phase: str) -> Observations:
    """The cases of one kind with this phase measured and every figure published that it rests on."""
    cpu = {"clock", "simd_pipes", "threads"}
    needed = cpu if kind == "cpu" else {"peak"} if phase == "prefill" else set()
    rows, labels, measured = [], [], []
    for case in cases:
        if case.engine.kind == kind and phase in case.measured:
            estimate = case.predict(phase)
            row = {name: leaf.value for name, leaf in estimate.given.items() if isinstance(leaf, Given)}
            if needed <= row.keys():
                # One sequence: what it multiplies is hidden by what it reads or unpacks.
                rows.append(row | {"compute_s": 0.0} if phase == "decode" else row)
                who = (case.source, case.engine.name)
                labels.append((estimate.runtime.name, estimate.weights.unpack_class, *who))
                measured.append(case.measured[phase])
    names = set.intersection(*map(set, rows)) if rows else set()
    known = {name: np.array([row[name] for row in rows], dtype=float) for name in names}
    text = np.array(labels, dtype=str).reshape(-1, 4).T
    return Observations(phase, known, np.array(measured, dtype=float), *text)


def fit(seen: Observations, constants: Sequence[Constant] = CONSTANTS) -> dict[Constant, float]:
    """The constants of this phase that the observations rest on."""
    values = {c: c.prior for c in constants if c.phase == seen.phase and seen.uses(c).any()}

    def loss() -> float:
        pull = sum(np.log(value / constant.prior) ** 2 for constant, value in values.items())
        return float(np.abs(np.log(seen.ratio(values))).mean() + PULL * pull)

    best = loss()
    for step in STEPS:
        for _ in range(3):
            for constant in values:
                for factor in (np.exp(step), np.exp(-step)):
                    while True:
                        before = values[constant]
                        values[constant] = min(before * factor, constant.most)
                        if (now := loss()) < best - 1e-9:
                            best = now
                        else:
                            values[constant] = before
                            break
    return values


def held_out(seen: Observations, by: str = "sources", constants: Sequence[Constant] = CONSTANTS) -> Floats:
    """predicted / measured of each row, with constants fitted without its source (or engine)."""
    groups = getattr(seen, by)
    ratio = np.ones(len(seen.measured))
    for group in np.unique(groups):
        out = groups == group
        values = {c: c.prior for c in constants if c.phase == seen.phase and seen.uses(c).any()}
        values |= fit(seen.rows(~out), constants)
        ratio[out] = seen.rows(out).ratio(values)
    return ratio


def spread(ratio: Floats) -> float:
    """The factor within which 80 % of the predictions are right."""
    return float(np.exp(np.percentile(np.abs(np.log(ratio)), 80)))


def spreads(seen: Observations, ratio: Floats, names: Sequence[str]) -> dict[str, float]:
    """The spread of each of these runtimes; see FEW."""
    counts = {name: int((seen.runtimes == name).sum()) for name in names}
    few = [name for name in names if counts[name] < FEW]
    return {
        name: spread(ratio[np.isin(seen.runtimes, few if name in few else [name])])
        for name in names
        if counts[name] >= FEW or any(counts[other] for other in few)
    }


def report(seen: Observations, unseen: Floats | None = None) -> str:
    """One line: median and 90th percentile of the error on held-out sources and devices.

    unseen : `held_out(seen)`, where it is there already.
    """
    parts = []
    for by in ("sources", "engines"):
        ratio = unseen if by == "sources" and unseen is not None else held_out(seen, by)
        error = 100 * np.abs(ratio - 1)
        parts.append(
            f"{by}: median {np.median(error):5.1f} %, 90th percentile {np.percentile(error, 90):6.1f} %"
        )
    return f"{seen.phase:<8}{len(seen.measured):4d} held-out " + "; ".join(parts)


def write(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """A CSV file with these rows."""
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def main() -> None:
    """Fit everything, write the two tables, print the errors."""
    cases, _ = read_cases()
    runtimes = {name: {"runtime": name, "kind": kind} for kind, names in RUNTIMES.items() for name in names}
    runtimes["llama.cpp"]["kernel_factor"] = "1"  # the unit that the classes of format are counted in
    unpack = {}
    for kind in KINDS:
        for phase in PHASES:
            seen = observe(cases, kind, phase)
            unseen = held_out(seen)
            print(f"{kind} {report(seen, unseen)}")
            for constant, value in fit(seen).items():
                rows = int(seen.uses(constant).sum())
                for name in constant.of:
                    if constant.quantity == "class_cycles":
                        source = f"edgelib.metrics.fit on {rows} measurements; prior {constant.prior:g}"
                        unpack[name] = {
                            "unpack_class": name,
                            "cycles_per_weight": f"{value:.3g}",
                            "source": source,
                        }
                    else:
                        runtimes[name][constant.quantity] = f"{value:.3g}"
            for name, factor in spreads(seen, unseen, RUNTIMES[kind]).items():
                if phase == "decode" or "utilisation" in runtimes[name]:
                    runtimes[name][f"{phase}_spread"] = f"{factor:.3g}"
            for name in RUNTIMES[kind]:
                rows = int((seen.runtimes == name).sum())
                runtimes[name].setdefault("source", "edgelib.metrics.fit:")
                runtimes[name]["source"] += f" {rows} {phase} measurements"
    columns = [TEXT[0], TEXT[1], *(f.name for f in fields(Runtime) if f.name not in ("name", *TEXT)), TEXT[2]]
    unset = ("utilisation", "fabric", "prefill_layer_s", "decode_spread", "prefill_spread")
    defaults = {f.name: f.default for f in fields(Runtime)} | dict.fromkeys(unset, "")
    write(
        DATA / "runtimes.csv",
        [{column: row.get(column, defaults.get(column)) for column in columns} for row in runtimes.values()],
    )
    write(DATA / "unpack.csv", list(unpack.values()))


if __name__ == "__main__":
    main()
