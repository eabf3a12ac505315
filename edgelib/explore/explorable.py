"""How does a function become something to play with?

An explorable is a pure function of its controls, `scene = f(controls)`. From that one function come the
live widget, the printed picture, the sentence that replaces it, and the tests.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import update_wrapper
from typing import Any

from edgelib.explore.controls import Control
from edgelib.explore.scene import Scene

Bundle = dict[str, Any]


class Explorable:
    """A Scene function together with its controls."""

    def __init__(
        self, function: Callable[..., Scene], name: str, label: str, hint: str, controls: dict[str, Control]
    ) -> None:
        if not name or not label:
            raise ValueError(f"explorable: name = {name!r}, label = {label!r}; expected both to be non-empty")
        for key, control in controls.items():
            if not isinstance(control, Control):
                raise ValueError(f"explorable {name!r}: {key} = {control!r}; expected a Choice, Slider, ...")
        arguments = list(inspect.signature(function).parameters)
        if sorted(arguments) != sorted(controls):
            raise ValueError(
                f"explorable {name!r}: arguments {arguments}, controls {list(controls)}; expected equal"
            )
        self.name, self.label, self.hint = name, label, hint
        self.controls = {
            key: control.named(key.replace("_", " ").capitalize()) for key, control in controls.items()
        }
        self._function = function
        update_wrapper(self, function)

    def scene(self, **chosen: Any) -> Scene:
        """The Scene for these control values; controls that are not named keep their default.

        Raises
        ------
        ValueError : an unknown control, or a value that is not on the control's grid.
        TypeError : the function returned something else than a Scene.
        """
        return self.scene_at(self.indexes(**chosen))

    def indexes(self, **chosen: Any) -> list[int]:
        """Grid position of each control, in order."""
        for key in chosen:
            if key not in self.controls:
                raise ValueError(
                    f"{self.name}: no control {key!r}; accepted: {', '.join(self.controls) or 'none'}"
                )
        return [c.index(chosen.get(key, c.default)) for key, c in self.controls.items()]

    def scene_at(self, indexes: list[int]) -> Scene:
        """The Scene for grid positions (what the browser sends)."""
        values = {
            key: control.values[position]
            for (key, control), position in zip(self.controls.items(), indexes, strict=True)
        }
        scene = self._function(**values)
        if not isinstance(scene, Scene):
            raise TypeError(f"{self.name} returned {type(scene).__name__}; expected a Scene")
        return scene

    def __call__(self, **start: Any) -> View:
        """What a notebook cell shows, starting at these control values."""
        return View(self, self.indexes(**start))

    def __repr__(self) -> str:
        return f"<explorable {self.name}: {', '.join(self.controls)}>"


class View:
    """An explorable in a notebook cell: live where there is a kernel, a picture where there is none."""

    def __init__(self, explorable: Explorable, indexes: list[int]) -> None:
        self.explorable = explorable
        self.indexes = indexes
        self.scene = explorable.scene_at(indexes)

    def __repr__(self) -> str:
        return self.scene.alt

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> Bundle:
        from edgelib.explore.pyplot import png
        from edgelib.explore.widget import Live, view_data

        return {
            "text/plain": repr(self),
            "image/png": png(self.scene),
            **view_data(Live(self.explorable, self.indexes)),
        }


def explorable(
    name: str, /, *, label: str, hint: str = "", **controls: Control
) -> Callable[[Callable[..., Scene]], Explorable]:
    """Decorator: `@explorable("name", label="What a reader asks", argument=Slider(...), ...)`.

    label : the question, read out by screen readers.   hint : what to try, written under the picture.
    """
    return lambda function: Explorable(function, name, label, hint, controls)
