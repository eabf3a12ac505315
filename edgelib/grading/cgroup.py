"""How much may all processes of one sandbox use together? Linux control groups, v2 or v1, where writable.

Without them the limits per process of `runner` still hold, and student code cannot make processes: a group is
the second lock. `Group.create` returns None where this user may not make one.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

MEMORY_B, PROCESSES = 1536 << 20, 64
_ROOT = Path("/sys/fs/cgroup")
_V1 = {"memory": ("memory.limit_in_bytes", MEMORY_B), "pids": ("pids.max", PROCESSES)}
_V2 = {"memory.max": MEMORY_B, "pids.max": PROCESSES}


@dataclass(frozen=True)
class Group:
    """Folders of one group: one under v2, one per controller under v1."""

    folders: tuple[Path, ...]

    @classmethod
    def create(cls, name: str, root: Path = _ROOT) -> Group | None:
        """A new group with its limits, or None where that is not allowed here."""
        unified = (root / "cgroup.controllers").is_file()
        plan = {root: _V2} if unified else {root / part: dict([limit]) for part, limit in _V1.items()}
        made: list[Path] = []
        for parent, limits in plan.items():
            folder = parent / f"edgelib-{name}"
            try:
                folder.mkdir()
                made.append(folder)
                for file, limit in limits.items():
                    (folder / file).write_text(str(limit))
            except OSError:  # not ours to write, or the controller is not delegated: do without
                cls(tuple(made)).remove()
                return None
        return cls(tuple(made))

    def entering(self, command: list[str]) -> list[str]:
        """`command`, run inside the group from its first instruction on."""
        enter = "; ".join(f'echo 0 > "${n}/cgroup.procs"' for n in range(len(self.folders)))
        shift = f"shift {len(self.folders) - 1}; " if len(self.folders) > 1 else ""
        return ["/bin/sh", "-e", "-c", f'{enter}; {shift}exec "$@"', *map(str, self.folders), *command]

    def remove(self, patience_s: float = 2.0) -> None:
        """End what is still inside, then remove the group."""
        deadline = time.monotonic() + patience_s
        for folder in self.folders:
            while folder.is_dir():
                try:
                    folder.rmdir()
                except OSError:
                    if time.monotonic() > deadline:
                        raise
                    for pid in (folder / "cgroup.procs").read_text().split():
                        with suppress(ProcessLookupError):  # ended meanwhile, as it should
                            os.kill(int(pid), 9)
                    time.sleep(0.005)
