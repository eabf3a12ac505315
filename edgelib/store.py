"""Where does a reader's own record live? In small JSON files that any process may update.

The folder is `$EDGELIB_HOME`, or the operating system's place for user data.
A write is atomic (temporary file, then rename): a crash leaves the old file or the new one, never a half.
Writers take turns by a lock, so two notebooks that record at once lose nothing.
A file that is not what we wrote is set aside under another name, with a warning, and never overwritten.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

if sys.platform == "win32":
    import msvcrt

    def _take(descriptor: int) -> None:
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _take(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


_HELD_BY_ANOTHER = (BlockingIOError, PermissionError)  # what flock and msvcrt raise for a taken lock


def home() -> Path:
    """The folder of the reader's records: `$EDGELIB_HOME`, else the platform's user data folder."""
    chosen = os.environ.get("EDGELIB_HOME")
    if chosen:
        return Path(chosen).expanduser()
    import platformdirs  # imported here: `import edgelib` stays as light as numpy

    return Path(platformdirs.user_data_dir("edgelib", appauthor=False))


class Store:
    """One JSON object in one file, shared between processes.

    Parameters
    ----------
    filename : a plain file name such as "progress.json"; the folder is `home()` at each call.
    timeout_s : how long to wait for another process that holds the lock.

    Raises
    ------
    ValueError : `filename` is not a plain name; a key or value that JSON cannot hold.
    TimeoutError : another process kept the lock for longer than `timeout_s`.
    OSError : the folder cannot be written.
    """

    def __init__(self, filename: str, timeout_s: float = 10.0) -> None:
        if not isinstance(filename, str) or not filename.strip(".") or Path(filename).name != filename:
            raise ValueError(f"filename = {filename!r}: expected a plain file name such as 'progress.json'")
        self.filename = filename
        self.timeout_s = timeout_s

    @property
    def path(self) -> Path:
        return home() / self.filename

    def read(self) -> dict[str, Any]:
        """Everything recorded so far; an empty dict where there is no file yet."""
        path = self.path
        if not path.exists():
            return {}
        with self._locked(path):
            return _load(path)

    def update(self, key: str, value: Any) -> None:
        """Record `value` under `key`, keeping every other key, even if another process writes too."""
        if not isinstance(key, str):
            raise ValueError(f"key = {key!r}: expected a string")
        try:
            json.dumps(value, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise ValueError(f"value = {value!r}: expected what JSON can hold ({error})") from None
        path = self.path
        path.parent.mkdir(parents=True, exist_ok=True)
        with self._locked(path):
            _write(path, {**_load(path), key: value})

    @contextmanager
    def _locked(self, path: Path) -> Iterator[None]:
        # The lock is a file of its own: the data file is replaced at each write. Readers take it too,
        # because Windows cannot replace a file that someone reads. Closing the file gives the lock back.
        lock = path.with_name(path.name + ".lock")
        deadline = time.monotonic() + self.timeout_s
        with open(lock, "a+b") as handle:
            while True:
                try:
                    handle.seek(0)  # msvcrt locks from the current position
                    _take(handle.fileno())
                    break
                except _HELD_BY_ANOTHER:
                    if time.monotonic() > deadline:
                        raise TimeoutError(
                            f"{lock} is held by another process for over {self.timeout_s:g} s; close the "
                            "other notebook or program that uses it, then try again"
                        ) from None
                    time.sleep(0.01)
            yield


def _load(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    except ValueError:  # not JSON, or not UTF-8
        content = None
    if isinstance(content, dict):
        return content
    number = 1
    while (aside := path.with_name(f"{path.name}.corrupt-{number}")).exists():
        number += 1
    os.replace(path, aside)
    warnings.warn(
        f"{path} was damaged and is kept as {aside.name}; a new record begins", UserWarning, stacklevel=5
    )
    return {}


def _write(path: Path, content: dict[str, Any]) -> None:
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name + ".", suffix=".tmp")
    try:
        with open(descriptor, "w", encoding="utf-8") as handle:
            json.dump(content, handle, ensure_ascii=False, indent=1, sort_keys=True, allow_nan=False)
            handle.flush()
            os.fsync(handle.fileno())
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
