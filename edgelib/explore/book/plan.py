"""Constraints of exercise 4 side by side: what a design on a phone of 4 GB keeps of what was asked."""

from __future__ import annotations

from functools import cache

from edgelib.explore import Choice, Slider, Toggle, explorable
from edgelib.explore.scene import Axis, Dot, Line, Mark, Scene, Span, Text
from edgelib.planning.margins import Assessment, Margin
from edgelib.planning.plan import Plan
from edgelib.planning.target import phone, wish
from edgelib.units import si

MODELS = {
    "13B: LLaMA-2": "llama-2-13b",
    "7B: LLaMA-2": "llama-2-7b",
    "4B: Qwen3": "qwen3-4b",
    "3B: LLaMA-3.2": "llama-3.2-3b",
    "2.6B: Gemma 2": "gemma-2-2b",
    "1.2B: LLaMA-3.2": "llama-3.2-1b",
}
ROWS = {
    "size": "parameters",
    "sight": "context",
    "speed": "tokens/s",
    "ttft": "first token",
    "memory": "memory",
}
FEWEST, MOST = 0.005, 10.0
CHAPTER = Plan("llama-2-7b", "q4_0", 2048, "npu", techniques=("flash-attention", "chunked-prefill"))


def times_as_good(margin: Margin) -> float:
    """`Margin.times`, kept within the axis."""
    return min(max(margin.times or 0.0, FEWEST), MOST)


@cache
def _found(plan: Plan) -> Assessment:
    return plan.evaluate(phone(), wish())


@explorable(
    "plan-dashboard",
    label="Which plan keeps every promise of a 4 GB phone?",
    hint="Bars to the right keep what was asked. First find a model that fits; then find what else it needs.",
    model=Choice(MODELS, default="llama-2-7b", label="Model, 4-bit weights (Q4_0)"),
    unit=Choice({"CPU": "cpu", "GPU": "gpu", "NPU": "npu"}, default="npu", label="Unit"),
    context=Slider(1024, 8192, log2=True, default=4096, unit="tokens", label="Context"),
    prefix=Toggle(label="Keep the constant beginning of prompts"),
)
def plan_dashboard(model: str, unit: str, context: int, prefix: bool) -> Scene:
    """Five constraints on the phone of exercise 4, each as a multiple of what was asked."""
    techniques = ("prefix-cache",) if prefix else ()
    found = _found(Plan(model, "q4_0", int(context), unit, techniques=techniques))
    chapter = _found(CHAPTER)
    marks: list[Mark] = [Line(x=[1, 1], y=[-0.5, len(ROWS) - 0.5], role="ink", width=1.5)]
    rows = []
    for lane, (name, label) in enumerate(ROWS.items()):
        margin, printed = found.margin(name), chapter.margin(name)
        at = times_as_good(margin)
        term = str(margin)
        role = "activations" if margin.met else "error"
        marks.append(Span(x0=min(at, 1), x1=max(at, 1), y=lane, height=0.5, role=role, term=term))
        marks.append(Dot(x=at, y=lane, role=role, size=4, term=term))
        value = margin.value or 0.0  # every figure of this phone is stated, so every value is known
        sense = "at most" if margin.at_most else "at least"
        text = f"{margin.text(value)}, {sense} {margin.text(margin.limit)}".replace(" parameters", "")
        marks.append(Text(x=FEWEST * 1.15, y=lane + 0.37, text=text))
        dot = times_as_good(printed)
        marks.append(Dot(x=dot, y=lane, role="idle", size=5, term=f"the chapter's answer. {printed}"))
        rows.append((label, text, "met" if margin.met else "missed", "met" if printed.met else "missed"))
    missed = [ROWS[name] for name in ROWS if not found.margin(name).met]
    parts = ", ".join(f"{part} {si(size, 'B')}" for part, size in found.memory.items())
    verdict = f"Missed: {', '.join(missed)}." if missed else "All five are kept."
    readout = f"{verdict} Memory is {parts}. Grey dots: the chapter's 7B in 4 bits with 2,048 tokens."
    return Scene(
        title=_title(model, missed),
        x=Axis(label="Times as good as asked (1 is exactly kept)", lo=FEWEST, hi=MOST, log=True),
        y=Axis(label="Promise", categories=tuple(ROWS.values())),
        marks=marks,
        readout=readout,
        alt=f"Five constraints of a design on a phone of 4 GB, as multiples of what was asked. {readout}",
        table=[("promise", "plan", "kept", "the chapter's answer"), *rows],
    )


def _title(model: str, missed: list[str]) -> str:
    """What the plan breaks, the hardest promise first."""
    size = next(label for label, name in MODELS.items() if name == model).partition(":")[0]
    return f"{size} on a 4 GB phone breaks {', '.join(reversed(missed)) or 'nothing'}"
