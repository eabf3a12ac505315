"""What machine is this? Cores, memory and the largest cache, as the operating system reports them."""

from __future__ import annotations

import ctypes
import os
import platform
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

_CPUS = Path("/sys/devices/system/cpu")
_SIZES = {"K": 2**10, "M": 2**20}


@dataclass(frozen=True)
class Host:
    """cores_usable : logical cores that this process may run on. A value of None: not reported.

    memory_B : of the machine, or of the container if that is less.   cache_B : the largest cache.
    clock_Hz : nominal or maximum clock of a core.
    """

    name: str
    cores_physical: int
    cores_logical: int
    cores_usable: int
    memory_B: int
    cache_B: int | None = None
    clock_Hz: float | None = None

    @property
    def threads(self) -> int:
        """Threads worth starting: one for each physical core that may be used."""
        return max(1, min(self.cores_physical, self.cores_usable))


def host() -> Host:
    """This machine. OSError if its memory size cannot be read."""
    logical = os.cpu_count() or 1
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else logical
    if sys.platform == "darwin":
        clock = int(_sysctl("hw.cpufrequency") or 0)  # not reported by Apple's own chips
        caches = [
            _sysctl(f"hw.{cache}") for cache in ("l3cachesize", "perflevel0.l2cachesize", "l2cachesize")
        ]
        return Host(
            name=_sysctl("machdep.cpu.brand_string") or platform.machine(),
            cores_physical=int(_sysctl("hw.physicalcpu") or logical),
            cores_logical=logical,
            cores_usable=usable,
            memory_B=os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"),
            cache_B=max(int(size or 0) for size in caches) or None,
            clock_Hz=float(clock) or None,
        )
    if sys.platform == "win32":
        name = os.environ.get("PROCESSOR_IDENTIFIER") or platform.machine()
        return Host(name, logical, logical, usable, _windows_memory())
    siblings = {_read(path) for path in _CPUS.glob("cpu[0-9]*/topology/thread_siblings_list")} - {""}
    caches = [_size(_read(path)) for path in _CPUS.glob("cpu0/cache/index*/size")]
    info = dict(line.split(":", 1) for line in _read(Path("/proc/cpuinfo")).splitlines() if ":" in line)
    facts = {key.strip(): value.strip() for key, value in info.items()}
    highest = _read(_CPUS / "cpu0/cpufreq/cpuinfo_max_freq")  # kHz
    clock_Hz = float(highest) * 1e3 if highest else float(facts.get("cpu MHz") or 0) * 1e6
    return Host(
        name=facts.get("model name") or platform.machine(),
        cores_physical=len(siblings) or logical,
        cores_logical=logical,
        cores_usable=usable,
        memory_B=_linux_memory(),
        cache_B=max(caches, default=0) or None,
        clock_Hz=clock_Hz or None,
    )


def _read(path: Path) -> str:
    """The text of a file of the kernel; "" where this kernel has no such file."""
    try:
        return path.read_text().strip()
    except OSError:
        return ""


def _size(text: str) -> int:
    """ "32768K" in bytes."""
    return int(text.rstrip("KM") or 0) * _SIZES.get(text[-1:], 1)


def _sysctl(name: str) -> str:
    run = subprocess.run(["sysctl", "-n", name], capture_output=True, text=True)
    return run.stdout.strip() if run.returncode == 0 else ""


def _linux_memory() -> int:
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    limits = [Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes")]
    return min([total, *(int(text) for text in map(_read, limits) if text.isdigit())])


def _windows_memory() -> int:
    """ullTotalPhys of GlobalMemoryStatusEx: a structure of 64 bytes, its own size first."""
    status = (ctypes.c_uint64 * 8)()
    ctypes.c_uint32.from_buffer(status).value = ctypes.sizeof(status)
    windll = getattr(ctypes, "windll")  # noqa: B009  (exists on Windows only)
    if not windll.kernel32.GlobalMemoryStatusEx(ctypes.byref(status)):
        raise OSError("GlobalMemoryStatusEx failed: the memory size of this machine is unknown")
    return int(status[1])
