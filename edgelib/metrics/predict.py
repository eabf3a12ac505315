"""How fast will this model run on that device, what will it fill, and what holds it back?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from edgelib.errors import Number, UnknownFigure, at_least_one, choice, nonnegative
from edgelib.hardware.device import Engine, engine
from edgelib.metrics.formulas import GRAPH, larger
from edgelib.metrics.graph import Explanation, Given, Unpublished
from edgelib.metrics.runtimes import Runtime, class_cycles
from edgelib.metrics.runtimes import runtime as constants_of
from edgelib.workloads.formats import WeightFormat, weight_format
from edgelib.workloads.transformer import Transformer, transformer

_REQUEST_UNITS = {
    "prompt": "tokens",
    "generate": "tokens",
    "context": "tokens",
    "batch": "sequences",
    "threads": "threads",
}
# Operations of one 128-bit SIMD pipe per cycle.
_LANES = {
    "integer": (32, "16 int8 multiply-accumulates, as in SDOT"),
    "float": (8, "4 float32 multiply-accumulates, as in FMLA"),
}

_Leaf = tuple[Any, str, str] | Unpublished  # value, unit, source


def _figure(unit: Engine, name: str) -> _Leaf:
    figure = unit.figures.get(name)
    if figure is None:
        return Unpublished(f"{name} of {unit.name} is unpublished")
    doubt = " (recalled or assumed)" if figure.confidence == "low" else ""
    return (figure.value, figure.unit, figure.source + doubt)


@dataclass(frozen=True, eq=False)
class Estimate:
    """What a request costs. A value is computed when it is asked for; `explain` shows how."""

    model: Transformer
    engine: Engine
    weights: WeightFormat
    kv: WeightFormat
    request: Mapping[str, Number]  # prompt, generate, context in tokens; batch in sequences; threads
    runtime: Runtime

    @cached_property
    def given(self) -> dict[str, Given | Unpublished]:
        """Everything the formulas start from, with unit and source."""
        return {
            n: leaf if isinstance(leaf, Unpublished) else Given(*leaf) for n, leaf in self._leaves.items()
        }

    @cached_property
    def _leaves(self) -> dict[str, _Leaf]:
        """What the formulas start from: value, unit, source."""
        model, weights, unit, runtime = self.model, self.weights, self.engine, self.runtime
        leaves: dict[str, _Leaf] = {
            "layer_params": (model.layer_params, "", model.source),
            "embedding_params": (model.embedding_params, "", model.source),
            "head_params": (model.head_params, "", model.source),
            "vector_params": (model.vector_params, "", model.source),
            "layers": (model.layers, "", model.source),
            "d_model": (model.d_model, "", model.source),
            "heads": (model.heads, "", model.source),
            "kv_heads": (model.kv_heads, "", model.source),
            "head_dim": (model.head_dim, "", model.source),
            "bits": (weights.bits, "bit", weights.source),
            "head_bits": (weights.head_bits, "bit", weights.source),
            "kv_bits": (self.kv.bits, "bit", self.kv.source),
            "bandwidth": _figure(unit, "bandwidth"),
            "read_efficiency": (runtime.read_efficiency, "", runtime.source),
            "layer_s": (runtime.layer_s, "s", runtime.source),
            "width_s": (runtime.width_s, "s", runtime.source),
            "prefill_layer_s": (
                runtime.layer_s if runtime.prefill_layer_s is None else runtime.prefill_layer_s,
                "s",
                runtime.source,
            ),
            "utilisation": Unpublished(f"no measurement gives the utilisation of {runtime.name}")
            if runtime.utilisation is None
            else (runtime.utilisation, "", runtime.source),
        }
        for name, value in self.request.items():
            leaves[name] = (value, _REQUEST_UNITS[name], "the request")
        if runtime.fabric is None:
            leaves["fabric"] = leaves["bandwidth"]
        else:
            leaves["fabric"] = (runtime.fabric, "B/s", runtime.source)
        if unit.kind == "cpu":
            leaves["clock"] = _figure(unit, "clock")
            leaves["simd_pipes"] = _figure(unit, "simd_pipes")
            if "threads" not in leaves:
                leaves["threads"] = _figure(unit, "threads")
            leaves["thread_scaling"] = (runtime.thread_scaling, "", runtime.source)
            leaves["kernel_factor"] = (runtime.kernel_factor, "", runtime.source)
            cycles, source = class_cycles()[weights.unpack_class]
            leaves["class_cycles"] = (cycles, "cycles", source)
            leaves["cycles_per_bit"] = (runtime.cycles_per_bit, "cycles", runtime.source)
            lanes, why = _LANES["float" if weights.unpack_class == "float" else "integer"]
            leaves["ops_per_cycle"] = (lanes, "OP", why)
        else:
            leaves["unpack_s"] = (0.0, "s", "weights are unpacked while others are being read")
            leaves["peak"] = _figure(unit, unit.peak_name)
        unpublished = {name for name, leaf in leaves.items() if type(leaf) is Unpublished}
        batch = self.request["batch"]
        one = np.all(batch == 1) if isinstance(batch, np.ndarray) else batch == 1
        if unpublished & {"clock", "simd_pipes", "threads"}:
            leaves["unpack_s"] = (0.0, "s", "clock or pipes unpublished: reading is taken to last longer")
        if unit.kind == "cpu" and runtime.name != "ideal" and one:
            leaves["compute_s"] = (0.0, "s", "the products of one sequence are part of unpacking")
        elif unpublished & {"clock", "simd_pipes", "threads", "peak", "utilisation"} and one:
            # One sequence performs 2 operations per weight read: far left of every published ridge.
            leaves["compute_s"] = (0.0, "s", "rate unpublished: one sequence is bound by reading")
        return leaves

    @cached_property
    def _known(self) -> dict[str, Any]:
        return {name: leaf[0] if isinstance(leaf, tuple) else leaf for name, leaf in self._leaves.items()}

    def value(self, quantity: str) -> Number:
        """Any quantity of the formulas, by name; UnknownFigure if it rests on an unpublished figure."""
        return GRAPH.value(quantity, self._known)

    @property
    def decode_tok_s(self) -> Number:
        """Tokens per second while generating, all sequences together."""
        return self.value("decode_tok_s")

    @property
    def decode_s(self) -> Number:
        """Seconds per decode step."""
        return self.value("decode_s")

    @property
    def prefill_tok_s(self) -> Number:
        """Prompt tokens per second."""
        return self.value("prefill_tok_s")

    @property
    def ttft_s(self) -> Number:
        """Seconds to the first token, without queueing, tokenising and sampling."""
        return self.value("ttft_s")

    @property
    def memory_B(self) -> dict[str, Number]:
        """Bytes that have to fit, in parts; the runtime's own buffers are not among them."""
        return {"weights": self.value("memory_weights_B"), "kv": self.value("memory_kv_B")}

    @property
    def bottleneck(self) -> Any:
        """What takes the longest in a decode step: "memory", "compute" or "overhead"."""
        names = ("memory", "compute", "overhead")
        arithmetic = larger(self.value("compute_s"), self.value("unpack_s"))
        seconds = [self.value("read_s"), arithmetic, self.value("overhead_s")]
        if any(isinstance(s, np.ndarray) for s in seconds):
            return np.array(names)[np.argmax(np.broadcast_arrays(*seconds), axis=0)]
        return names[seconds.index(max(seconds))]

    def interval(self, quantity: str) -> tuple[Number, Number]:
        """The 80 % interval of a rate or of the time to first token; UnknownFigure for a bound."""
        choice("quantity", quantity, ("decode_tok_s", "prefill_tok_s", "ttft_s"))
        decode = quantity == "decode_tok_s"
        spread = self.runtime.decode_spread if decode else self.runtime.prefill_spread
        if spread is None:
            where = f"runtime {self.runtime.name!r} on {self.engine.kind}s"
            raise UnknownFigure(f"{quantity} of {where} has no interval")
        value = self.value(quantity)
        return value / spread, value * spread

    def explain(self, quantity: str = "decode_tok_s") -> Explanation:
        """The tree of formulas, values, units and sources under a quantity."""
        return GRAPH.explain(quantity, self.given)


def predict(
    model: Transformer | str,
    on: Engine | str,
    *,
    weights: WeightFormat | str = "f16",
    kv: WeightFormat | str = "f16",
    prompt: Number = 512,
    generate: Number = 128,
    context: Number | None = None,
    batch: Number = 1,
    threads: Number | None = None,
    runtime: Runtime | str = "typical",
) -> Estimate:
    """Predict latency, throughput and memory of `model` on one compute unit.

    Parameters
    ----------
    model, on, weights, kv : objects, or names in the catalogues.
    prompt, generate : tokens, >= 1 and >= 0.   batch : sequences, >= 1.
    context : mean tokens of context while decoding; prompt + generate / 2 if left out.
    threads : of a CPU, >= 1; its performance cores if left out. Meaningless elsewhere.
    runtime : "typical", "ideal" (the roofline bound), the name of a runtime, or your own constants.
    prompt, generate, context, batch and the bits of a format may be arrays that broadcast.

    Raises
    ------
    UnknownName (a ValueError) : a name that is not in its catalogue.
    ValueError : a number that is not finite or out of range.
    UnknownFigure : on reading a value that rests on an unpublished figure.
    """
    if isinstance(model, str):
        model = transformer(model)
    if isinstance(on, str):
        on = engine(on)
    if isinstance(weights, str):
        weights = weight_format(weights)
    if isinstance(kv, str):
        kv = weight_format(kv)
    for name, value, kind in (
        ("model", model, Transformer),
        ("on", on, Engine),
        ("weights", weights, WeightFormat),
        ("kv", kv, WeightFormat),
    ):
        if not isinstance(value, kind):
            raise ValueError(f"{name} = {value!r}: expected a {kind.__name__} or its name")
    if not isinstance(runtime, Runtime):
        runtime = constants_of(runtime, on)
    prompt, generate = at_least_one("prompt", prompt), nonnegative("generate", generate)
    context = prompt + generate / 2 if context is None else nonnegative("context", context)
    request = {
        "prompt": prompt,
        "generate": generate,
        "context": context,
        "batch": at_least_one("batch", batch),
    }
    if threads is not None:
        request["threads"] = at_least_one("threads", threads)
    return Estimate(model, on, weights, kv, request, runtime)
