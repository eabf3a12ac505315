"""How much more than its weights and its cache does a runtime take? Published runs against the sum.

Two sources state the memory of whole runs and enough to add up weights, adapters, keys and values:
`memory_runs.csv`. A third, RKLLM, states it for 36 runs in `measurements.csv`, where the embedding is left
out of the sum: most of its figures are too small to hold an FP16 table as well.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from statistics import median

from edgelib.data import table
from edgelib.errors import choice
from edgelib.metrics.memory import lora_params, weights_B
from edgelib.units import MIB
from edgelib.workloads import transformer

ADAPTER_BITS = 32


@dataclass(frozen=True)
class MemoryRun:
    """One published run; sizes in bytes."""

    source_id: str
    model: str
    quant: str
    on: str
    measured_B: float
    weights_B: float
    kv_B: float
    file_B: float | None
    source: str

    @property
    def overhead_B(self) -> float:
        """What the runtime took beyond weights, keys and values: buffers, packed copies, code."""
        return self.measured_B - self.weights_B - self.kv_B


@dataclass(frozen=True)
class Overhead:
    """The overheads found for one source, bytes."""

    low_B: float
    median_B: float
    high_B: float
    runs: int


def _listed(row: dict[str, str]) -> MemoryRun:
    model = transformer(row["model"])
    bits = {key: float(row[key]) for key in ("layer_bits", "head_bits", "embedding_bits", "kv_bits")}
    # A tied model stores its one table with head_bits, and a second copy where embedding_bits is not 0.
    weights = weights_B(
        model.layer_params, bits["layer_bits"], model.head_params, bits["embedding_bits"],
        model.head_params, bits["head_bits"], model.vector_params,
    )  # fmt: skip
    rank = int(row["adapter_rank"])
    adapters = lora_params(model, rank) * ADAPTER_BITS / 8 if rank else 0
    return MemoryRun(
        row["source_id"], row["model"], row["quant"], row["runtime"], float(row["memory_MiB"]) * MIB,
        weights + adapters, model.kv_bytes_per_token(bits["kv_bits"]) * float(row["kv_tokens"]),
        float(row["file_MiB"]) * MIB, row["source"],
    )  # fmt: skip


def _rkllm(row: dict[str, str], name: str) -> MemoryRun:
    """The column says MB. It is MiB: between 8 and 4 bits the same model differs by half a byte for each
    matrix weight only if 1 MB is 2**20 bytes (tests/unit/test_memory.py)."""
    model = transformer(name)
    bits, tokens = float(row["bits_per_weight"]), float(row["prompt_tokens"]) + float(row["gen_tokens"])
    return MemoryRun(
        "RKLLM", name, row["quant"], row["device_unit"], float(row["memory_MB"]) * MIB,
        model.matmul_params * bits / 8, model.kv_bytes_per_token() * tokens, None, row["source"],
    )  # fmt: skip


@cache
def memory_runs() -> tuple[MemoryRun, ...]:
    """Every published run whose memory is stated and can be added up."""
    alias = {row["alias"]: row["model"] for row in table("models")}
    rkllm = [r for r in table("measurements") if r["source_id"] == "RKLLM" and r["memory_MB"]]
    return (*map(_listed, table("memory_runs")), *(_rkllm(row, alias[row["model"]]) for row in rkllm))


def overhead(source_id: str) -> Overhead:
    """Lowest, median and highest overhead of a source: GPTQ-for-LLaMa, ExecuTorch or RKLLM."""
    runs = memory_runs()
    choice("source_id", source_id, dict.fromkeys(run.source_id for run in runs))
    found = [run.overhead_B for run in runs if run.source_id == source_id]
    return Overhead(min(found), median(found), max(found), len(found))
