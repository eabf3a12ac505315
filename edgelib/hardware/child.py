"""Work that needs a process of its own: it reports one JSON object per line, and may fail alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from typing import Any


def reports(
    module: str, options: Mapping[str, Any], environment: Mapping[str, str] | None = None
) -> Iterator[dict[str, Any]]:
    """What `python -m module OPTIONS` prints, line by line; other lines than JSON objects are left out.

    Raises
    ------
    OSError : the process failed; the message holds the end of what it wrote to stderr.
    """
    command = [sys.executable, "-m", module, json.dumps(options)]
    # A file, not a pipe: nobody reads a pipe while the process runs, and a full one would stop it.
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as errors:
        with subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            encoding="utf-8",
            env=os.environ | dict(environment or {}),
        ) as process:
            try:
                assert process.stdout is not None
                for line in process.stdout:
                    if line.startswith("{"):
                        yield json.loads(line)
            except BaseException:  # the reader gave up: so does the process
                process.kill()
                raise
        if process.returncode:
            errors.seek(0)
            raise OSError(f"{module} ended with status {process.returncode}: {errors.read()[-2000:].strip()}")
