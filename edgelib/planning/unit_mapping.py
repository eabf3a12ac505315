"""Which layer runs on which unit, and what does the choice cost? Times, hand-overs and what cannot be run.

A layer of a transformer is a chain of steps, each of a class: "linear", "attention" (its two products),
"vector" (softmax, norms, activation). A class is given to a unit. Steps take the longer of their operations
and their bytes (roofline); going to a unit on another island costs a hand-over. A unit that cannot run a
step leaves it to the fallback, as delegates of runtimes do: that is a violation, and two hand-overs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product

from edgelib.errors import choice, integer, nonnegative, positive, scalar
from edgelib.workloads.formats import WeightFormat
from edgelib.workloads.transformer import Transformer

CLASSES = ("linear", "attention", "vector")
# Operations per element: max, subtract, exp, sum, divide; square, sum, scale, weigh; SiLU (5) and product.
SOFTMAX_OPS, NORM_OPS, ACTIVATION_OPS = 5, 4, 6


@dataclass(frozen=True)
class Step:
    """One step of a layer.   kind : one of `CLASSES`.   ops : operations.   size_B : bytes from memory."""

    name: str
    kind: str
    ops: float
    size_B: float


@dataclass(frozen=True)
class Unit:
    """What a unit can do.

    matrix, vector : OP/s in products and elsewhere; 0 where it cannot.   bandwidth : B/s.
    island : units with the same island share a local memory and hand over for free.
    """

    name: str
    matrix: float
    vector: float
    bandwidth: float
    island: str

    def seconds(self, step: Step) -> float | None:
        """The longer of operations and bytes; None if the unit cannot run the step."""
        rate = self.vector if step.kind == "vector" else self.matrix
        return max(step.ops / rate, step.size_B / self.bandwidth) if rate else None


def layer_steps(model: Transformer, weights: WeightFormat, tokens: int, context: int) -> tuple[Step, ...]:
    """The ten steps of one layer for `tokens` new tokens at `context` tokens in all (>= tokens >= 1).

    Causal attention of a whole prompt counts half of the products. KV cache in 16 bits, read once per step.
    """
    n = integer("tokens", tokens, at_least=1)
    length = integer("context", context, at_least=n)
    d, q, k = model.d_model, model.heads * model.head_dim, model.kv_heads * model.head_dim
    pairs = n * length - n * (n - 1) / 2  # query and key positions that meet
    cache = 2.0 * k * length  # bytes of the keys, or of the values

    def linear(name: str, params: float) -> Step:
        return Step(name, "linear", 2 * params * n, params * weights.bits / 8)

    up = model.mlp_matrices - 1
    return (
        Step("norm", "vector", NORM_OPS * n * d, 0),
        linear("q k v", d * (q + 2 * k)),
        Step("scores", "attention", 2 * q * pairs, cache),
        Step("softmax", "vector", SOFTMAX_OPS * model.heads * pairs, 0),
        Step("values", "attention", 2 * q * pairs, cache),
        linear("output", q * d),
        Step("norm", "vector", NORM_OPS * n * d, 0),
        linear("gate, up", up * d * model.d_ff),
        Step("activation", "vector", ACTIVATION_OPS * n * model.d_ff, 0),
        linear("down", model.d_ff * d),
    )


@dataclass(frozen=True)
class Mapped:
    """What a mapping costs, for all layers.

    seconds : by class, work only.   handovers : their number.   handover_s : their time.
    violations : steps that went to the fallback, with the reason.
    """

    seconds: Mapping[str, float]
    handovers: int
    handover_s: float
    violations: tuple[str, ...]

    @property
    def total_s(self) -> float:
        """Everything."""
        return sum(self.seconds.values()) + self.handover_s


def map_layers(
    steps: Sequence[Step],
    units: Mapping[str, Unit],
    assignment: Mapping[str, str],
    layers: int,
    handover_s: float,
    fallback: str = "CPU",
) -> Mapped:
    """Cost of giving each class of steps to a unit.

    assignment : class -> name of a unit, for every one of `CLASSES`.   handover_s : seconds, >= 0.

    Raises
    ------
    UnknownName : a class or unit that does not exist.   ValueError : the fallback cannot run a step either.
    """
    count = integer("layers", layers, at_least=1)
    wait = scalar("handover_s", nonnegative("handover_s", handover_s))
    for kind in CLASSES:
        choice(f"assignment[{kind!r}]", assignment.get(kind), units)
    choice("fallback", fallback, units)
    seconds = dict.fromkeys(CLASSES, 0.0)
    islands, violations = [], []
    for step in steps:
        unit = units[assignment[choice("kind", step.kind, CLASSES)]]
        time = unit.seconds(step)
        if time is None:
            lacks = "vector" if step.kind == "vector" else "matrix"
            violations.append(f"{step.name}: {unit.name} has no {lacks} operations")
            unit = units[fallback]
            time = unit.seconds(step)
        if time is None:
            raise ValueError(f"fallback = {fallback!r}: cannot run {step.name!r}; expected a unit that can")
        seconds[step.kind] += count * time
        islands.append(unit.island)
    # The chain closes: the last step of a layer hands over to the first of the next.
    moves = sum(a != b for a, b in zip(islands, islands[1:] + islands[:1], strict=True)) * count
    return Mapped(seconds, moves, moves * wait, tuple(dict.fromkeys(violations)))


def best_mapping(
    steps: Sequence[Step], units: Mapping[str, Unit], layers: int, handover_s: float, fallback: str = "CPU"
) -> tuple[dict[str, str], Mapped]:
    """The assignment without violations that takes the least time, by trying all."""
    positive("units", len(units))
    tried = [
        (assignment, map_layers(steps, units, assignment, layers, handover_s, fallback))
        for names in product(units, repeat=len(CLASSES))
        for assignment in [dict(zip(CLASSES, names, strict=True))]
    ]
    legal = [pair for pair in tried if not pair[1].violations]
    if not legal:
        raise ValueError("units: no assignment runs every class; expected at least one unit for each")
    return min(legal, key=lambda pair: pair[1].total_s)
