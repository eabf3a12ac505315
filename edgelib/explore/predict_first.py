"""What do you expect? A card that opens its answer only after the reader has committed a guess."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from edgelib.errors import integer, real
from edgelib.explore.prediction import Prediction, commit, load
from edgelib.units import significant

_FIELDS = ("low", "best", "high")


@dataclass(frozen=True)
class Card:
    """A question whose answer is closed until a prediction is committed. The answer never enters the repr."""

    id: str
    question: str
    unit: str
    answer: float = field(repr=False)
    decimals: int | None = None

    def __repr__(self) -> str:
        return f"Predict first: {self.question}" + (f" [{self.unit}]" if self.unit else "")

    def number(self, value: float) -> str:
        """A value as the card writes it, with its unit."""
        text = significant(value) if self.decimals is None else f"{value:,.{self.decimals}f}"
        return f"{text} {self.unit}".strip()

    def state(self) -> dict[str, Any]:
        """What the page may know: nothing but a note while the card is closed."""
        known, note = load()
        earlier = known.get(self.id)
        return self._opened(earlier, note) if earlier else {"open": False, "note": note}

    def commit(self, entered: Mapping[str, Any]) -> dict[str, Any]:
        """Keep what was entered (low, best, high) and open the card.

        Raises
        ------
        ValueError : not three numbers with low <= best <= high.
        """
        numbers = {name: _entered(name, entered.get(name)) for name in _FIELDS}
        made = Prediction(
            id=self.id,
            question=self.question,
            unit=self.unit,
            answer=self.answer,
            committed=datetime.now(UTC).isoformat(timespec="seconds"),
            **numbers,
        )
        try:
            return self._opened(*commit(made))
        except OSError as error:
            return self._opened(
                made, f"This prediction could not be saved ({error}); it counts for now only."
            )

    def _opened(self, made: Prediction, note: str) -> dict[str, Any]:
        interval = (
            f"{self.number(made.best)}, 90 % interval {self.number(made.low)} to {self.number(made.high)}"
        )
        inside = made.low <= self.answer <= made.high
        verdict = "inside your interval" if inside else "outside your interval"
        factor = Prediction(**{**vars(made), "answer": self.answer}).error_factor
        if factor is not None:
            off = f"your best guess was off by a factor of {significant(factor)}"
        else:
            off = f"your best guess was off by {self.number(abs(made.best - self.answer))}"
        return {
            "open": True,
            "inside": inside,
            "answer": f"Answer: {self.number(self.answer)}",
            "verdict": f"It lies {verdict}; {off}.",
            "guess": f"You said {interval}.",
            "note": note,
        }

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        from edgelib.explore.prediction_widget import LiveCard
        from edgelib.explore.widget import view_data

        return {"text/plain": repr(self), **view_data(LiveCard(self))}


def predict_first(id: str, question: str, unit: str, answer: Any, decimals: int | None = None) -> Card:
    """A card that asks for a value and a 90 % interval before it shows `answer`.

    id : stable name of the question, under which the prediction is kept.   decimals : of the answer as shown;
    None for three significant digits.

    Raises
    ------
    ValueError : an empty id or question, an answer that is not one finite number, negative decimals.
    """
    for name, text in (("id", id), ("question", question)):
        if not isinstance(text, str) or not text.strip():
            raise ValueError(f"{name} = {text!r}: expected text")
    if not isinstance(unit, str):
        raise ValueError(f"unit = {unit!r}: expected text (empty for a bare number)")
    value = real("answer", answer)
    if not isinstance(value, (int, float)):
        raise ValueError(f"answer = {answer!r}: expected one number")
    return Card(id, question, unit, float(value), None if decimals is None else integer("decimals", decimals))


def _entered(name: str, text: Any) -> float:
    """The number a learner typed; "1,000" and "1_000" are refused rather than guessed."""
    try:
        return float(real(name, float(str(text))))
    except ValueError:
        raise ValueError(f"{name.capitalize()}: {text!r} is not a number; write it like 7.5 or 1e3") from None
