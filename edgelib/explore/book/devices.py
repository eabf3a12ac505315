"""Names that readers choose from, in every notebook: a few real models, devices and formats."""

from __future__ import annotations

MODELS = {
    "LLaMA-2 7B": "llama-2-7b",
    "LLaMA-3.1 8B": "llama-3.1-8b",
    "Qwen2.5 3B": "qwen2.5-3b",
    "LLaMA-3.2 1B": "llama-3.2-1b",
}
ENGINES = {
    "Apple M1 GPU": "M1-7c/GPU",
    "Apple M2 Max GPU": "M2Max-38c/GPU",
    "Jetson Orin Nano Super GPU": "OrinNanoSuper8/GPU",
    "Snapdragon 8 Gen 3 NPU": "SD8G3/NPU",
    "RK3576 NPU": "RK3576/NPU",
}
WEIGHTS = {"16 bit (F16)": "f16", "8 bit (Q8_0)": "q8_0", "4 bit (Q4_0)": "q4_0", "2 bit (Q2_K)": "q2_k_mix"}
KV = {"16 bit": "f16", "8 bit (Q8_0)": "q8_0", "4 bit (Q4_0)": "q4_0"}


def name_of(value: str, names: dict[str, str]) -> str:
    """The reader's name of a catalogue entry."""
    return next(name for name, entry in names.items() if entry == value)
