"""How does a picture follow a hand? The browser sends grid positions; Python answers with a Drawing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anywidget
import traitlets

from edgelib.explore.explorable import Explorable
from edgelib.explore.layout import lay_out

_HERE = Path(__file__).parent


class Live(anywidget.AnyWidget):
    """The live face of an explorable.

    spec : what does not change (name, label, hint, controls).
    frame : the answer to one request: its `serial`, grid `indexes`, and a `drawing` or an `error`.
    """

    _esm = _HERE / "explore.js"
    _css = _HERE / "explore.css"
    spec = traitlets.Dict().tag(sync=True)
    frame = traitlets.Dict().tag(sync=True)

    def __init__(self, explorable: Explorable, indexes: list[int]) -> None:
        self.explorable = explorable
        super().__init__(spec=spec(explorable), frame=frame(explorable, indexes))
        self.on_msg(self._answer)

    def _answer(self, _: Any, request: dict[str, Any], __: Any) -> None:
        """Draw the requested state; a failure is shown in the page and raised here."""
        state = {"serial": request["serial"], "indexes": request["indexes"]}
        try:
            self.frame = frame(self.explorable, **state)
        except Exception as error:
            self.frame = {**state, "error": f"{type(error).__name__}: {error}"}
            raise

    def __repr__(self) -> str:
        return f"<live {self.explorable.name}>"


def spec(explorable: Explorable) -> dict[str, Any]:
    """What the browser has to know of an explorable."""
    return {
        "name": explorable.name,
        "label": explorable.label,
        "hint": explorable.hint,
        "controls": [control.data() for control in explorable.controls.values()],
    }


def frame(explorable: Explorable, indexes: list[int], serial: str = "") -> dict[str, Any]:
    """One state, drawn."""
    drawing = lay_out(explorable.scene_at(indexes)).data()
    return {"serial": serial, "indexes": indexes, "drawing": drawing}


def view_data(widget: anywidget.AnyWidget) -> dict[str, Any]:
    """The part of a cell's output that JupyterLab turns into the widget."""
    mime = "application/vnd.jupyter.widget-view+json"
    return {mime: {"version_major": 2, "version_minor": 0, "model_id": widget.model_id}}
