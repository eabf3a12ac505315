"""What did a learner expect, before the answer was seen? Kept in the reader's own record."""

from __future__ import annotations

import warnings
from dataclasses import asdict, dataclass

from edgelib.errors import real
from edgelib.store import Store

STORE = Store("predictions.json")


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """A best guess, and an interval that is meant to hold the answer 9 times in 10."""

    id: str
    question: str
    unit: str
    low: float
    best: float
    high: float
    answer: float
    committed: str  # UTC, ISO 8601

    def __post_init__(self) -> None:
        for name in ("id", "question", "unit", "committed"):
            if not isinstance(getattr(self, name), str):
                raise ValueError(f"{name} = {getattr(self, name)!r}: expected text")
        for name in ("low", "best", "high", "answer"):
            object.__setattr__(self, name, float(real(name, getattr(self, name))))
        if not self.low <= self.best <= self.high:
            given = ", ".join(f"{name} = {getattr(self, name):g}" for name in ("low", "best", "high"))
            raise ValueError(f"{given}: expected low <= best <= high")

    @property
    def inside(self) -> bool:
        """Whether the interval holds the answer."""
        return self.low <= self.answer <= self.high

    @property
    def error_factor(self) -> float | None:
        """How many times the best guess is off, at least 1; None where a ratio has no meaning."""
        if self.best <= 0 or self.answer <= 0:
            return None
        return max(self.best / self.answer, self.answer / self.best)


def load() -> tuple[dict[str, Prediction], str]:
    """All predictions by id, oldest first, and a note for the learner if some could not be read."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        rows = STORE.read()
    notes = [str(warning.message) for warning in caught]
    made = []
    for key, row in rows.items():
        try:
            made.append(Prediction(**row))
        except (ValueError, TypeError):
            notes.append(f"The entry {key!r} in {STORE.path} could not be read and is left as it is.")
    made.sort(key=lambda prediction: prediction.committed)
    return {prediction.id: prediction for prediction in made}, " ".join(notes)


def commit(prediction: Prediction) -> tuple[Prediction, str]:
    """Keep `prediction`, unless one with its id was made earlier. Returns the one that counts, and a note.

    Raises
    ------
    OSError : the record cannot be written (TimeoutError: another process holds it).
    """
    made, note = load()
    if prediction.id in made:
        return made[prediction.id], note
    rows = STORE.read()
    if prediction.id in rows:  # damaged: kept under another name
        STORE.update(f"{prediction.id} (damaged before {prediction.committed})", rows[prediction.id])
    STORE.update(prediction.id, asdict(prediction))
    return prediction, note
