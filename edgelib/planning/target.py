"""What is a plan for? A device with what its memory is worth to a model, and what its user wants.

The memory of a device is not a model's: its system keeps a share, and a runtime takes more than weights,
keys and values. Whoever states a device states both.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from edgelib.data import Figure
from edgelib.errors import choice, fraction, integer, nonnegative, positive, scalar
from edgelib.hardware.device import Engine, engine
from edgelib.units import GIB

_SI = {
    "bandwidth": "B/s",
    "peak_int8": "OP/s",
    "peak_fp16": "OP/s",
    "clock": "Hz",
    "threads": "threads",
    "simd_pipes": "pipes",
}


@dataclass(frozen=True)
class Unit:
    """One compute unit that a plan may run on.

    runtime : whose constants predict it, see `edgelib.metrics.runtime`.
    formats : weight formats that its software takes; empty for all of the catalogue.
    """

    engine: Engine
    runtime: str = "typical"
    formats: tuple[str, ...] = ()


@dataclass(frozen=True)
class Target:
    """A device: its memory, what of it a model may not have, and its units by name. Bytes.

    system_B : what the operating system and other programs keep.
    runtime_B : what the inference runtime takes beyond weights, cache and activations.
    """

    name: str
    memory_B: float
    system_B: float
    runtime_B: float
    units: Mapping[str, Unit] = field(default_factory=dict)

    def __post_init__(self) -> None:
        scalar("memory_B", positive("memory_B", self.memory_B))
        for share in ("system_B", "runtime_B"):
            scalar(share, nonnegative(share, getattr(self, share)))
        if not self.units:
            raise ValueError("units is empty: expected at least one compute unit")

    @property
    def budget_B(self) -> float:
        """Bytes that a model may take, runtime included: memory - system."""
        return self.memory_B - self.system_B

    def unit(self, name: str) -> Unit:
        """Its unit called `name`; UnknownName lists what it has."""
        return self.units[choice("unit", name, self.units)]


def target_from(figures: Mapping[str, Any]) -> Target:
    """A target from plain data: name, memory_B, system_B, runtime_B, and units.

    A unit is the name of an engine of the catalogue ("SD8G3/NPU") or a row of figures in SI: kind (cpu, gpu,
    npu), bandwidth, peak_int8, peak_fp16, clock, threads, simd_pipes, and optionally runtime and formats.
    """
    units = {name: _unit(figures["name"], name, row) for name, row in figures["units"].items()}
    return Target(figures["name"], figures["memory_B"], figures["system_B"], figures["runtime_B"], units)


def _unit(device: str, name: str, row: str | Mapping[str, Any]) -> Unit:
    if isinstance(row, str):
        return Unit(engine(row))
    known = {}
    for key, value in row.items():
        if key in ("kind", "runtime", "formats"):
            continue
        argument = f"{name} {choice('figure', key, _SI)}"
        known[key] = Figure(scalar(argument, positive(argument, value)), _SI[key], "as stated", "low")
    unit = Engine(f"{device}/{name}", row["kind"], device, known)
    return Unit(unit, row.get("runtime", "typical"), tuple(row.get("formats", ())))


@dataclass(frozen=True, kw_only=True)
class Requirements:
    """What the user wants, and what a request looks like.

    prompt : tokens of a request, of which the first `prefix` are the same every time.
    context : tokens that the model must be able to see at once.
    ttft_s, decode_tok_s : the slowest that is acceptable. Speed is asked for with the context full.
    params : parameters that the task needs at least.
    loss : relative increase of perplexity by the weight format that is acceptable, 0.1 for 10 %.
    acceptance : chance that a drafted token stays, if a plan drafts.
    """

    prompt: int
    prefix: int
    context: int
    ttft_s: float
    decode_tok_s: float
    params: float
    loss: float
    acceptance: float

    def __post_init__(self) -> None:
        integer("prompt", self.prompt, at_least=1)
        if integer("prefix", self.prefix) >= self.prompt:
            raise ValueError(f"prefix = {self.prefix}: expected fewer tokens than prompt = {self.prompt}")
        if integer("context", self.context, at_least=1) < self.prompt:
            raise ValueError(f"context = {self.context}: expected at least prompt = {self.prompt} tokens")
        for name in ("ttft_s", "decode_tok_s", "params"):
            scalar(name, positive(name, getattr(self, name)))
        scalar("loss", nonnegative("loss", self.loss))
        scalar("acceptance", fraction("acceptance", self.acceptance))


# The chapter's fourth exercise names 4 GB, 500 ms and 5 tok/s and leaves the rest open. What stands here is
# assumed, and of the size of a mid-range phone: no maker's figures. runtime_B: the most that RKLLM
# took beyond weights and cache in 36 published runs (`metrics.memory_runs.overhead`), rounded.
# Formats of the NPU and the GPU: ggml-org/llama.cpp, docs/backend/hexagon/developer.md (types that are
# repacked) and docs/backend/OPENCL.md (DataType Supports).
PHONE_FIGURES: dict[str, Any] = {
    "name": "phone of 4 GB",
    "memory_B": float(4 * GIB),
    "system_B": 1.5e9,
    "runtime_B": 0.34e9,
    "units": {
        "cpu": {
            "kind": "cpu",
            "bandwidth": 25.6e9,
            "clock": 2.4e9,
            "threads": 4,
            "simd_pipes": 2,
            "runtime": "packed",
        },
        "gpu": {
            "kind": "gpu",
            "bandwidth": 25.6e9,
            "peak_fp16": 1.6e12,
            "runtime": "opencl",
            "formats": ["q4_0", "q6_k", "q8_0", "mxfp4"],
        },
        "npu": {
            "kind": "npu",
            "bandwidth": 25.6e9,
            "peak_int8": 12e12,
            "runtime": "qnn",
            "formats": ["q4_0", "q8_0", "mxfp4"],
        },
    },
}

WISH: dict[str, Any] = {
    "prompt": 512,
    "prefix": 384,
    "context": 4096,
    "ttft_s": 0.5,
    "decode_tok_s": 5.0,
    "params": 2.5e9,
    "loss": 0.1,
    "acceptance": 0.7,
}


def phone() -> Target:
    """The phone of 4 GB of exercise 4; its figures are assumed."""
    return target_from(PHONE_FIGURES)


def wish() -> Requirements:
    """What exercise 4 asks of the phone, with what the chapter leaves open filled in."""
    return Requirements(**WISH)
