"""How close to the data sheet does software come? Constants per runtime.

Nothing here belongs to one device: a runtime's constants hold for every engine it runs on.
`fit.py` makes the two tables and says how.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from edgelib.data import table
from edgelib.errors import choice
from edgelib.hardware.device import Engine


@dataclass(frozen=True)
class Runtime:
    """The constants of a runtime on one kind of engine.

    read_efficiency : share of the data-sheet bandwidth that decode reaches.
    fabric : B/s that one CPU cluster can draw, whatever the memory offers (None: no such limit).
    layer_s : fixed time per layer and step, s.   prefill_layer_s : the same for a step of prefill,
        where it differs (None: it does not).
    width_s : time per layer, step and element of the model's width, s: norms, rotations, additions.
    utilisation : share of the peak rate that prefill reaches (None: nothing measured).
    thread_scaling : n threads do the work of n ** thread_scaling.
    kernel_factor : cycles to unpack a weight, relative to llama.cpp's kernels for the same format.
    cycles_per_bit : cycles per bit of a weight, for kernels that look products up.
    decode_spread, prefill_spread : 80 % of measurements that the fit had not seen lie within
        value / spread .. value * spread (None: a bound, not a prediction).
    """

    name: str
    kind: str
    read_efficiency: float = 1.0
    fabric: float | None = None
    layer_s: float = 0.0
    width_s: float = 0.0
    prefill_layer_s: float | None = None
    utilisation: float | None = 1.0
    thread_scaling: float = 1.0
    kernel_factor: float = 0.0
    cycles_per_bit: float = 0.0
    decode_spread: float | None = None
    prefill_spread: float | None = None
    source: str = "set by hand"


TEXT = ("runtime", "kind", "source")
_MEASURED = "measured:"  # how the note of a probed figure begins
_ALL_OF_IT = "the bandwidth was measured by reading as decoding does, so nothing is taken off again"
_BOUND = "the roofline: every byte at full bandwidth, every operation at peak"

# Phones and boards; their GPUs (Adreno, Mali, PowerVR) run OpenCL. Those of PCs run Vulkan.
_PHONE = re.compile(
    r"Snapdragon|\bSD\d|Dimensity|Helio|\bMT\d{4}|Exynos|Tensor G\d|Kirin|\bRK\d|"
    r"Adreno|Mali|Immortalis|PowerVR"
)

# Software by a word in its name -> the runtimes whose constants may apply, one per kind of engine.
_SOFTWARE = (
    (r"t-mac", ("lookup",)),
    (r"ik_llama|kleidiai|xnnpack|executorch|litert|mnn", ("packed", "metal", "vulkan", "opencl")),
    (r"rkllm|rknn", ("rknn",)),
    (r"qnn|genie|hexagon|powerserve", ("qnn",)),
    (r"cuda|vllm|tensorrt", ("cuda",)),
    (r"metal|mlx", ("metal",)),
    (r"opencl|core ml|webgpu", ("opencl",)),
    (r"vulkan|rocm|\bhip\b|sycl|openvino|directml", ("vulkan", "opencl")),
    (r"mlc", ("cuda", "metal", "vulkan", "opencl")),
    (r"llama\.cpp|ollama", ("llama.cpp", "metal", "cuda", "vulkan", "opencl", "qnn", "rknn")),
)


@cache
def _table() -> dict[str, Runtime]:
    rows = {}
    for row in table("runtimes"):
        numbers: dict[str, Any] = {k: float(v) if v else None for k, v in row.items() if k not in TEXT}
        rows[row["runtime"]] = Runtime(name=row["runtime"], kind=row["kind"], source=row["source"], **numbers)
    return rows


@cache
def class_cycles() -> dict[str, tuple[float, str]]:
    """Pipe cycles per weight with llama.cpp's kernels, and their source, by class of format."""
    return {r["unpack_class"]: (float(r["cycles_per_weight"]), r["source"]) for r in table("unpack")}


def usual(on: Engine) -> str:
    """The runtime most used on an engine: by its kind, and its vendor."""
    vendor = f"{on.name} {on.device}"
    if on.kind == "cpu":
        return "llama.cpp"
    if on.kind == "npu":
        return "rknn" if re.search(r"\bR[KV]\d", vendor) else "qnn"
    if "Apple" in vendor:
        return "metal"
    if re.search(r"NVIDIA|Jetson|GeForce|RTX", vendor):
        return "cuda"
    return "opencl" if _PHONE.search(vendor) else "vulkan"


def runtime_of(software: str, on: Engine) -> Runtime:
    """The constants for software as a benchmark names it: "ik_llama.cpp CPU", "Ollama (llama.cpp)".

    Software that is not known here gets the usual constants of the engine.
    """
    of_kind = {r.name: r for r in _table().values() if r.kind == on.kind}
    default = usual(on)
    for words, names in _SOFTWARE:
        fitting = [name for name in (default, *of_kind) if name in names]
        if fitting and re.search(words, software.lower()):
            return of_kind[fitting[0]]
    return of_kind[default]


def runtime(name: str, on: Engine) -> Runtime:
    """The constants that apply on an engine.

    name : "ideal" (the roofline bound), "typical" (the usual runtime of the engine), or a runtime of
    its kind (cpu: llama.cpp, packed, lookup; gpu: metal, cuda, vulkan, opencl; npu: qnn, rknn). llama.cpp
    on a GPU or NPU means the usual one there, which it shares its backends with. Of a bandwidth that
    was measured on the engine (`edgelib probe`) nothing is taken off: efficiency 1, no limit of a cluster.

    Raises
    ------
    UnknownName : a name that is none of these.
    """
    if name == "ideal":
        return Runtime("ideal", on.kind, source=_BOUND)
    of_kind = {r.name: r for r in _table().values() if r.kind == on.kind}
    if name == "typical" or (name == "llama.cpp" and on.kind != "cpu"):
        name = usual(on)
    found = of_kind[choice("runtime", name, ("typical", "ideal", *of_kind))]
    bandwidth = on.figures.get("bandwidth")
    if bandwidth is not None and bandwidth.note.startswith(_MEASURED):
        return replace(found, read_efficiency=1.0, fabric=None, source=f"{found.source}; {_ALL_OF_IT}")
    return found
