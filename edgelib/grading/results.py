"""What has been graded so far? One SQLite file beside the table of marks, one transaction per submission.

A grader that is killed loses the submission it was at, and nothing else: the next run goes on from here.
"""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from types import TracebackType
from typing import Any, Self

_FORMAT = 1
PATIENCE_S = 60.0  # for another grader that writes


class Results:
    """Results by student; each with the fingerprint of all that it follows from.

    Raises
    ------
    ValueError : the file is something else, or of another version.
    """

    def __init__(self, path: Path) -> None:
        self._database = sqlite3.connect(path, timeout=PATIENCE_S, isolation_level=None)
        try:
            self._database.execute("BEGIN IMMEDIATE")  # two graders may begin at once
            (version,) = self._database.execute("PRAGMA user_version").fetchone()
            if version not in (0, _FORMAT):
                raise ValueError(f"{path} was written by another version (format {version}); move it away")
            self._database.execute(
                "CREATE TABLE IF NOT EXISTS result (student TEXT PRIMARY KEY, fingerprint TEXT, data TEXT)"
            )
            self._database.execute(f"PRAGMA user_version = {_FORMAT}")
            self._database.execute("COMMIT")
        except sqlite3.OperationalError as error:
            raise ValueError(
                f"{path} cannot be used now ({error}); is another grader at work on it?"
            ) from None
        except sqlite3.DatabaseError as error:
            raise ValueError(f"{path} holds no results of this grader ({error}); move it away") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._database.close()

    def get(self, student: str, fingerprint: str) -> dict[str, Any] | None:
        """The result of a student, if it follows from the same things."""
        row = self._database.execute(
            "SELECT data FROM result WHERE student = ? AND fingerprint = ?", (student, fingerprint)
        ).fetchone()
        return None if row is None else json.loads(row[0])

    def put(self, student: str, fingerprint: str, result: dict[str, Any]) -> None:
        """Keep a result, in place of an older one."""
        self._database.execute(
            "INSERT OR REPLACE INTO result VALUES (?, ?, ?)", (student, fingerprint, json.dumps(result))
        )
