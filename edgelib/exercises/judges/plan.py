"""Does a design for a phone meet all that was asked, and which idea misled the designer?

A constraint that holds earns its share of the score. What does not fit into memory does not run: its time to
first token and its speed then earn nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, replace
from typing import Any

from edgelib.exercises.verdict import Measure, Unjudgeable, Verdict
from edgelib.metrics import predict
from edgelib.planning.margins import Assessment, Margin
from edgelib.planning.plan import Plan, trained_context
from edgelib.planning.target import Requirements, Target, target_from
from edgelib.units import GB, GIB, si
from edgelib.workloads import weight_format

_FIELDS = tuple(field.name for field in fields(Plan))
_NEEDED = ("model", "weights", "context", "unit")
_LONGEST = 300  # characters of a message
_MOST_TIMES = 1000.0  # as good as asked, in a picture; more is not told apart
_RUN = ("ttft", "speed")  # what only a plan that fits can have


def judge(answer: Any, device: dict[str, Any], request: dict[str, Any]) -> Verdict:
    """Score a plan (its fields by name) on one device: the share of constraints that hold.

    Unjudgeable : no plan, or one that the device cannot run at all.
    """
    plan, target, wanted = plan_of(answer), target_from(device), Requirements(**request)
    try:
        found = plan.evaluate(target, wanted)
    except ValueError as error:
        raise Unjudgeable(_short(error)) from None
    fits = found.margin("memory").met
    earned = [margin.met and (fits or margin.name not in _RUN) for margin in found.margins]
    measures = tuple(_measure(margin, fits) for margin in found.margins)
    units = {name: unit.engine for name, unit in target.units.items()}
    phone = f"{si(target.budget_B, 'B')} for a model, {si(units[plan.unit].bandwidth, 'B/s')}"
    if found.feasible:
        spare = min(found.margin(name).share or 0.0 for name in ("memory", *_RUN))
        room = f"memory, first token and speed have at least {100 * spare:.1f} % to spare"
        lines = [f"On the {target.name} with {phone}: all is met; {room}."]
        return Verdict(1.0, tuple(lines), measures=measures)
    lines = [f"On the {target.name} with {phone}:", *(str(m) for m in found.margins if not m.met)]
    if not fits:
        parts = ", ".join(f"{name} {si(size, 'B')}" for name, size in found.memory.items())
        lines.append(f"memory is {parts}. What does not fit does not run: no time and no speed count.")
    codes = [*_memory(found, target), *_speed(plan, found, target, wanted), *_quality(plan, found, wanted)]
    return Verdict(sum(earned) / len(earned), tuple(lines), tuple(codes), measures)


def _measure(margin: Margin, fits: bool) -> Measure:
    """A margin for the picture; what does not fit does not run."""
    if not fits and margin.name in _RUN:
        return Measure(f"{margin.name}: does not run", None, False)
    times = margin.times
    return Measure(str(margin), None if times is None else min(times, _MOST_TIMES), margin.met)


def plan_of(answer: Any) -> Plan:
    """The plan that plain data describe; Unjudgeable says which field is wrong, and what is accepted."""
    if not isinstance(answer, dict):
        raise Unjudgeable(
            f"the plan is of type {type(answer).__name__}; expected a Plan, or a dict of its fields"
        )
    unknown = [key for key in answer if key not in _FIELDS]
    missing = [key for key in _NEEDED if key not in answer]
    if unknown or missing:
        wrong = f"has the unknown field {_short(unknown[0])!r}" if unknown else f"lacks {', '.join(missing)}"
        raise Unjudgeable(f"the plan {wrong}; its fields are {', '.join(_FIELDS)}")
    try:
        return Plan(**answer)
    except (ValueError, TypeError, OverflowError) as error:
        raise Unjudgeable(_short(error)) from None


def _memory(found: Assessment, target: Target) -> Iterator[str]:
    """Why somebody may have thought that it fits; the narrowest explanation only."""
    memory, used = found.memory, found.margin("memory").value
    if found.margin("memory").met or used is None:
        return
    budget = target.budget_B
    if used * GB / GIB <= budget:
        yield "gib-as-gb"
    elif used - memory.get("draft", 0.0) <= budget:
        yield "draft-forgotten"
    elif used - memory["kv"] <= budget:
        yield "kv-forgotten"
    elif used - memory["runtime"] <= target.memory_B:
        yield "runtime-forgotten"
    else:
        yield "weights-do-not-fit"


def _speed(plan: Plan, found: Assessment, target: Target, wanted: Requirements) -> Iterator[str]:
    """What would have brought the first token, or the tokens after it, in time."""
    ttft, speed = found.margin("ttft"), found.margin("speed")
    if not ttft.met and ttft.value is not None:
        techniques = set(plan.techniques)

        def in_time(*names: str) -> bool:
            other = replace(plan, techniques=tuple(sorted(names)))
            return other.evaluate(target, wanted).margin("ttft").met

        if "chunked-prefill" in techniques:
            yield "chunking-lowers-ttft"
        if "prefix-cache" not in techniques and in_time("prefix-cache"):
            yield "recomputed-prefix"
        elif not in_time("prefix-cache"):
            yield "compute-forgotten"
    if not speed.met and speed.value is not None:
        engine = target.unit(plan.unit).engine
        bound = predict(
            plan.model, engine, weights=plan.format, kv=plan.kv, context=plan.kept, runtime="ideal"
        )
        if bound.decode_tok_s >= wanted.decode_tok_s:
            yield "peak-bandwidth"


def _quality(plan: Plan, found: Assessment, wanted: Requirements) -> Iterator[str]:
    """What was given away for it."""
    if not found.margin("sight").met:
        if plan.context < wanted.context:
            yield "context-too-short"
        elif trained_context(plan.model) < wanted.context:
            yield "beyond-training"
        else:
            yield "window-forgets"
    if not found.margin("size").met:
        yield "too-small-a-model"
    loss = found.margin("loss")
    if plan.sparsity:
        smaller = plan.format.bits < weight_format(plan.weights).bits
        yield "pruning-unproven" if smaller else "pruning-saves"
    elif loss.value is None:
        yield "unpublished-loss"
    elif not loss.met:
        yield "too-few-bits"


def _short(text: Any) -> str:
    words = str(text)
    return words if len(words) <= _LONGEST else words[:_LONGEST] + "..."
