"""By how much is a constraint met or missed? Margins, and all of them together."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from edgelib.errors import UnknownFigure, choice
from edgelib.units import si, significant


@dataclass(frozen=True)
class Margin:
    """One constraint: what the plan has, the limit, and how much of the limit is left over."""

    name: str
    value: float | None  # None: it rests on a figure that nobody has published
    limit: float
    unit: str
    at_most: bool = False
    why: str = ""

    @property
    def met(self) -> bool:
        """Whether the constraint holds; an unknown value does not show that it does."""
        if self.value is None:
            return False
        return self.value <= self.limit if self.at_most else self.value >= self.limit

    @property
    def share(self) -> float | None:
        """Room left, as a share of the limit: 0.1 is 10 % inside it, -0.1 is 10 % outside."""
        if self.value is None:
            return None
        room = self.limit - self.value if self.at_most else self.value - self.limit
        return room / self.limit

    @property
    def times(self) -> float | None:
        """Times as good as asked: 1 is exactly kept, 2 twice as good, 0.5 half; infinity at no cost."""
        if self.value is None:
            return None
        if self.at_most:
            return self.limit / self.value if self.value > 0 else float("inf")
        return self.value / self.limit

    def __str__(self) -> str:
        if self.value is None or self.share is None:
            return f"{self.name}: {self.why}"
        sense = "at most" if self.at_most else "at least"
        room = f"{significant(abs(100 * self.share), 2)} %"
        verdict = f"met with {room} to spare" if self.met else f"missed by {room}"
        return f"{self.name}: {self.text(self.value)}, {sense} {self.text(self.limit)}; {verdict}"

    def text(self, value: float) -> str:
        """A value of this constraint with its unit."""
        if self.unit == "":
            return f"+{significant(100 * value)} % perplexity"
        if self.unit == "params":
            return f"{significant(value / 1e9)}e9 parameters"
        return f"{value:,.0f} tokens" if self.unit == "tokens" else si(value, self.unit)


@dataclass(frozen=True)
class Assessment:
    """What is known of a design: bytes of memory by part, and a margin for each constraint."""

    memory: Mapping[str, float]
    margins: tuple[Margin, ...]

    @property
    def feasible(self) -> bool:
        """Whether every constraint holds."""
        return all(margin.met for margin in self.margins)

    def margin(self, name: str) -> Margin:
        """The margin of one constraint, by name."""
        known = {margin.name: margin for margin in self.margins}
        return known[choice("constraint", name, known)]

    def __str__(self) -> str:
        parts = ", ".join(f"{name} {si(size, 'B')}" for name, size in self.memory.items())
        verdict = "every constraint is met" if self.feasible else "not feasible"
        return "\n".join([*map(str, self.margins), f"memory is {parts}", verdict])

    __repr__ = __str__


def margin(
    name: str, value: Callable[[], float], limit: float, unit: str, *, at_most: bool = False
) -> Margin:
    """The margin of a value that may rest on an unpublished figure."""
    try:
        return Margin(name, value(), limit, unit, at_most)
    except UnknownFigure as error:
        return Margin(name, None, limit, unit, at_most, str(error))
