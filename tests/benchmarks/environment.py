"""Where do the tools live that this book is compared with? Each set in an environment of its own.

Made on first use in the user's cache folder, so that they change nothing here.
"""

import os
import subprocess
import sys
from pathlib import Path


class PeersUnavailable(Exception):
    """They cannot be installed here."""


def environment(wanted: dict[str, str]) -> Path:
    """The interpreter of an environment with these packages and versions, which is made if it is missing.

    Raises
    ------
    PeersUnavailable : it cannot be made.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = (
        cache / "edgelib" / "-".join(["peers", *(f"{name}-{version}" for name, version in wanted.items())])
    )
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    done = folder / "complete"
    if not done.exists():
        uv = str(Path(sys.executable).with_name("uv"))
        packages = [f"{name}=={version}" for name, version in wanted.items()]
        steps = [
            [uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(folder)],
            [uv, "pip", "install", "--quiet", "--python", str(python), *packages],
        ]
        for step in steps:
            try:
                subprocess.run(step, check=True, capture_output=True, timeout=180)
            except (subprocess.CalledProcessError, subprocess.TimeoutExpired, FileNotFoundError) as error:
                raise PeersUnavailable(
                    f"{' and '.join(packages)} cannot be installed here (no network?)"
                ) from error
        done.touch()
    return python
