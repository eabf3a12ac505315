"""How fast is this machine? Read bandwidth and matrix products, measured with numpy in about 10 seconds."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

import numpy as np

from edgelib.data import Figure
from edgelib.errors import integer, positive
from edgelib.hardware.child import reports
from edgelib.hardware.device import Engine
from edgelib.hardware.host import Host, host
from edgelib.hardware.streams import DTYPES
from edgelib.store import Store
from edgelib.units import GIB, gib, si, significant

STORE = Store("probe.json")
SOURCE = "edgelib probe"
NOISY = 1.25  # fastest over median, above which the machine was not at rest
STAGES = ("read_1", "read_all", *DTYPES)
_ONE_THREAD_EACH = {f"{library}_NUM_THREADS": "1" for library in ("OPENBLAS", "OMP", "MKL", "BLIS")} | {
    "VECLIB_MAXIMUM_THREADS": "1"
}


@dataclass(frozen=True)
class Rate:
    """The median of the repetitions, and the slowest and fastest of them; B/s or OP/s."""

    median: float
    low: float
    high: float


@dataclass(frozen=True)
class Probe:
    """What was measured on one machine; SI units.

    read_1, read_all : B/s of one thread, and of all `threads`.   gemm : OP/s of all threads, by dtype.
    blas : the library behind numpy's float32 and float64 products.   seconds : what measuring took.
    """

    host: Host
    threads: int
    read_1: Rate
    read_all: Rate
    gemm: Mapping[str, Rate]
    blas: str
    seconds: float

    def path(self, dtype: str) -> str:
        """Who multiplies matrices of this type: the BLAS library, or numpy's own loops."""
        return self.blas if dtype in ("float64", "float32") else "numpy's own loops"

    def engine(self) -> Engine:
        """This machine's CPU, its figures measured here.

        A 16-bit weight is widened to float32 before it is multiplied, so the float32 product is its
        rate. Where the clock is known, the same product says how many 128-bit pipes a core keeps busy:
        4 lanes x 2 OP per cycle each.
        """
        rate = self.gemm["float32"].median
        figures = {
            "bandwidth": _figure(self.read_all.median, "B/s", f"read by {self.threads} threads"),
            "peak_fp16": _figure(rate, "OP/s", "float32 matrix product"),
            "threads": _figure(float(self.threads), "threads", "physical cores that may be used"),
        }
        if clock := self.host.clock_Hz:
            figures["clock"] = _figure(clock, "Hz", "as the operating system reports it")
            pipes = rate / (self.threads * clock * 8)
            figures["simd_pipes"] = _figure(pipes, "pipes", "128-bit pipes that a float32 product keeps busy")
        return Engine("this machine/CPU", "cpu", self.host.name, figures)

    def report(self) -> dict[str, Any]:
        """The numbers for a file or another program, units in the names."""
        one, every = self.read_1, self.read_all
        return {
            "machine": self.host.name,
            "cores": {
                "physical": self.host.cores_physical,
                "logical": self.host.cores_logical,
                "usable": self.host.cores_usable,
            },
            "threads": self.threads,
            "memory_B": self.host.memory_B,
            "read_GBps": {"one_thread": one.median / 1e9, "all_threads": every.median / 1e9},
            "read_range_GBps": {
                "one_thread": [one.low / 1e9, one.high / 1e9],
                "all_threads": [every.low / 1e9, every.high / 1e9],
            },
            "gemm_GFLOPps": {dtype: rate.median / 1e9 for dtype, rate in self.gemm.items()},
            "gemm_path": {dtype: self.path(dtype) for dtype in self.gemm},
            "seconds": self.seconds,
        }

    def __str__(self) -> str:
        lines = [
            f"{self.host.name}: {self.threads} threads, {gib(self.host.memory_B)} of memory",
            f"reading, 1 thread    {_range(self.read_1, 'B/s')}",
            f"reading, {self.threads} threads  {_range(self.read_all, 'B/s')}",
            *(
                f"{dtype:<8} products    {_range(rate, 'OP/s')}  {self.path(dtype)}"
                for dtype, rate in self.gemm.items()
            ),
            f"measured in {significant(self.seconds)} s",
        ]
        if self.read_all.high > NOISY * self.read_all.median:
            lines.append("the repetitions differ: something else was running; close it and probe again")
        return "\n".join(lines)


def _figure(value: float, unit: str, note: str) -> Figure:
    return Figure(value, unit, SOURCE, "medium", f"measured: {note}")


def _range(rate: Rate, unit: str) -> str:
    return f"{si(rate.median, unit):>12}  ({si(rate.low, unit)} to {si(rate.high, unit)})"


def probe(
    *,
    seconds: float = 1.0,
    size_B: float | None = None,
    threads: int | None = None,
    progress: Callable[[float, str], object] | None = None,
) -> Probe:
    """Measure this machine, and keep the result for the book (`stored`).

    Parameters
    ----------
    seconds : per matrix type, > 0; reading takes twice as long. 1.0 makes about 10 s in all.
    size_B : bytes read per repetition; the default is `beyond_cache` of this machine.
    threads : >= 1; one per usable physical core if left out.
    progress : called with the share done (0 to 1) and what is being measured.

    Raises
    ------
    ValueError : seconds, size_B or threads out of range.
    OSError : the measuring process failed.
    """
    begin = time.perf_counter()
    machine = host()
    threads = machine.threads if threads is None else integer("threads", threads, at_least=1)
    options = {
        "threads": threads,
        "seconds": positive("seconds", seconds),
        "size_B": beyond_cache(machine) if size_B is None else positive("size_B", size_B),
    }
    expected = (2 * 2 + len(DTYPES)) * seconds + 1.5  # starting and filling the memory
    samples: dict[str, list[float]] = {stage: [] for stage in STAGES}
    for line in reports("edgelib.hardware.streams", options, _ONE_THREAD_EACH):
        samples[line["stage"]].append(line["rate"])
        if progress:
            progress(min((time.perf_counter() - begin) / expected, 0.99), line["stage"])
    rates = {stage: Rate(median(found), min(found), max(found)) for stage, found in samples.items()}
    result = Probe(
        host=machine,
        threads=threads,
        read_1=rates["read_1"],
        read_all=rates["read_all"],
        gemm={dtype: rates[dtype] for dtype in DTYPES},
        blas=_blas(),
        seconds=time.perf_counter() - begin,
    )
    STORE.update("probe", asdict(result))
    if progress:
        progress(1.0, "done")
    return result


def beyond_cache(machine: Host) -> float:
    """Bytes to read so that next to nothing is still in the cache from the time before: 8 caches, at
    least 512 MiB, at most an eighth of the memory."""
    return float(min(max(8 * (machine.cache_B or 0), GIB // 2), machine.memory_B // 8))


def stored() -> Probe | None:
    """The latest probe on this machine; None if there is none that can be read."""
    known = STORE.read().get("probe")
    if known is None:
        return None
    rate = {name: Rate(**known[name]) for name in ("read_1", "read_all")}
    gemm = {dtype: Rate(**found) for dtype, found in known["gemm"].items()}
    return Probe(**{**known, **rate, "gemm": gemm, "host": Host(**known["host"])})


def _blas() -> str:
    """The BLAS library that this numpy was built with."""
    config: Any = np.show_config(mode="dicts")
    return str(config["Build Dependencies"]["blas"]["name"])


def main(as_json: bool) -> int:
    """The command `edgelib probe`: progress on stderr, the result on stdout."""
    import sys

    def bar(share: float, what: str) -> None:
        if sys.stderr.isatty():
            done = round(30 * share)
            print(f"\r[{'#' * done}{'.' * (30 - done)}] {what:<9}", end="", file=sys.stderr, flush=True)

    result = probe(progress=bar)
    if sys.stderr.isatty():
        print(file=sys.stderr)
    print(json.dumps(result.report()) if as_json else result)
    return 0
