"""How was this number made? Formulas that name their inputs, and the tree they form.

A formula is a plain function with one `return`; its parameters are the names of other formulas or
of given values. A Graph evaluates them in the right order and can show, for any result, the tree
of formulas, values, units and sources below it. The text shown is the code that ran.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from html import escape
from textwrap import dedent
from typing import Any, NamedTuple

import numpy as np

from edgelib.errors import Number, UnknownFigure, choice
from edgelib.units import si

Formula = Callable[..., Number]


def quantity(unit: str, source: str = "") -> Callable[[Formula], Formula]:
    """Marks a function as a formula: its unit, and the source of the formula itself."""

    def mark(function: Formula) -> Formula:
        function.unit = unit  # type: ignore[attr-defined]
        function.source = source or f"{function.__module__}.{function.__name__}"  # type: ignore[attr-defined]
        return function

    return mark


class Given(NamedTuple):
    """A value that is not computed: a figure of a device, a count of a model, a request."""

    value: Number
    unit: str
    source: str


@dataclass(frozen=True)
class Unpublished:
    """A value that nobody has published; using it raises UnknownFigure with this message."""

    message: str


@dataclass(frozen=True, eq=False, repr=False)
class Explanation:
    """One node of the tree: a value, its unit, its source, the formula and the nodes it uses."""

    name: str
    value: Number
    unit: str
    source: str
    function: Formula | None = None
    inputs: tuple[Explanation, ...] = ()

    @property
    def formula(self) -> str:
        """The expression that was evaluated; "" for a given value."""
        if self.function is None:
            return ""
        body = ast.parse(dedent(inspect.getsource(self.function))).body[0]
        returned = next(node for node in ast.walk(body) if isinstance(node, ast.Return))
        assert returned.value is not None
        return ast.unparse(returned.value)

    def evaluate(self) -> Number:
        """The value once more, from the given values up."""
        if self.function is None:
            return self.value
        return self.function(*(node.evaluate() for node in self.inputs))

    def rows(self) -> list[tuple[int, Explanation, str]]:
        """Every node with its depth and its formula or source; "above" where it stands already."""
        rows: list[tuple[int, Explanation, str]] = []
        seen: set[str] = set()

        def walk(node: Explanation, depth: int) -> None:
            known = node.name in seen
            rows.append((depth, node, "above" if known else node.formula or node.source))
            seen.add(node.name)
            for child in () if known else node.inputs:
                walk(child, depth + 1)

        walk(self, 0)
        return rows

    def text(self) -> str:
        """The value for a person: an SI prefix and three digits."""
        return show(self.value, self.unit)

    def __repr__(self) -> str:
        return "\n".join(
            f"{'  ' * depth + node.name:<34} {node.text():>18}  {why}" for depth, node, why in self.rows()
        )

    def _repr_html_(self) -> str:
        cells = [
            f'<tr><td style="text-align:left;padding-left:{depth * 1.4 + 0.4}em">{escape(node.name)}</td>'
            f'<td>{escape(node.text())}</td><td style="text-align:left">{escape(why)}</td></tr>'
            for depth, node, why in self.rows()
        ]
        head = '<tr><th style="text-align:left">quantity</th><th>value</th><th>formula or source</th></tr>'
        return f"<table>{head}{''.join(cells)}</table>"


def show(value: Number, unit: str) -> str:
    """A value, or the ends of an array of values, with unit."""
    if isinstance(value, np.ndarray):
        return f"{si(float(value.min()), unit)} .. {si(float(value.max()), unit)}"
    if isinstance(value, int) and (not unit or value < 1000):
        return f"{value:,} {unit}".strip()
    return si(value, unit)


class Graph:
    """Formulas that use one another by name."""

    def __init__(self, formulas: Iterable[Formula]) -> None:
        self.formulas: dict[str, Formula] = {f.__name__: f for f in formulas}
        self.inputs = {
            name: f.__code__.co_varnames[: f.__code__.co_argcount] for name, f in self.formulas.items()
        }

    def value(self, name: str, known: dict[str, Any]) -> Number:
        """The value of `name`; what is computed on the way is kept in `known`.

        Raises
        ------
        UnknownFigure : the value rests on a figure that is unpublished.
        """
        if name in known:
            value = known[name]
            if type(value) is Unpublished:
                raise UnknownFigure(value.message)
            return value
        if name not in self.formulas:
            choice("quantity", name, [*self.formulas, *known])
        arguments = []
        for i in self.inputs[name]:
            argument = known[i] if i in known else self.value(i, known)
            if type(argument) is Unpublished:
                raise UnknownFigure(argument.message)
            arguments.append(argument)
        known[name] = result = self.formulas[name](*arguments)
        return result

    def explain(self, name: str, given: Mapping[str, Given | Unpublished]) -> Explanation:
        """The tree of formulas and given values under `name`."""
        known = {k: v.value if isinstance(v, Given) else v for k, v in given.items()}

        def node(name: str) -> Explanation:
            value = self.value(name, known)
            if name in given:
                leaf = given[name]
                assert isinstance(leaf, Given)
                return Explanation(name, value, leaf.unit, leaf.source)
            function = self.formulas[name]
            inputs = tuple(node(i) for i in self.inputs[name])
            return Explanation(name, value, function.unit, function.source, function, inputs)  # type: ignore[attr-defined]

        return node(name)
