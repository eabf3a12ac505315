"""How does a prediction card live in a page? The browser sends what was typed, Python opens the answer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anywidget
import traitlets

from edgelib.explore.predict_first import Card

_HERE = Path(__file__).parent


class LiveCard(anywidget.AnyWidget):
    """The live face of a card. The answer reaches the browser in `state`, and only once it is open."""

    _esm = _HERE / "predict_first.js"
    _css = _HERE / "explore.css"
    spec = traitlets.Dict().tag(sync=True)
    state = traitlets.Dict().tag(sync=True)

    def __init__(self, card: Card) -> None:
        self.card = card
        super().__init__(
            spec={"id": card.id, "question": card.question, "unit": card.unit}, state=card.state()
        )
        self.on_msg(self._commit)

    def _commit(self, _: Any, entered: dict[str, Any], __: Any) -> None:
        """Open the card, or say what is wrong with the numbers."""
        try:
            self.state = self.card.commit(entered)
        except ValueError as error:
            self.state = {"open": False, "note": str(error), "again": entered}

    def __repr__(self) -> str:
        return repr(self.card)
