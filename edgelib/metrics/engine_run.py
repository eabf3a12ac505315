"""How fast does a real engine run here? llama.cpp on a random-weight model, beside the prediction.

Needs the extra `engine`: pip install "edgelib[engine]". llama.cpp (MIT) comes as the wheel `xllamacpp`
(MIT) for Linux, macOS and Windows; it runs in a process of its own and listens on 127.0.0.1 only.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median
from typing import Any

from edgelib.data import Figure, table
from edgelib.errors import integer
from edgelib.hardware.child import reports
from edgelib.hardware.device import Engine
from edgelib.hardware.host import host
from edgelib.metrics.predict import Estimate, predict
from edgelib.metrics.runtimes import Runtime, runtime
from edgelib.store import Store
from edgelib.workloads.random_gguf import write_random_gguf
from edgelib.workloads.transformer import Transformer, transformer

STORE = Store("engine_runs.json")
INSTALL = 'pip install "edgelib[engine]"'

# figure of an engine -> column of data/engine_runs.csv, SI unit, factor
_COLUMNS = {
    "bandwidth": ("read_GBps", "B/s", 1e9),
    "clock": ("clock_GHz", "Hz", 1e9),
    "simd_pipes": ("simd_pipes", "pipes", 1),
    "threads": ("threads", "threads", 1),
}


@dataclass(frozen=True)
class EngineRun:
    """One model on one machine. The rates are medians of the repetitions; `*_range` the extremes, and
    None where only the median was kept."""

    model: str
    weights: str
    threads: int
    prompt: int
    generate: int
    decode_tok_s: float
    software: str
    decode_range: tuple[float, float] | None = None
    prefill_tok_s: float | None = None
    prefill_range: tuple[float, float] | None = None


def engine_version() -> str | None:
    """The installed engine, such as "xllamacpp 2026.10.11549"; None if the extra is not installed."""
    try:
        version("gguf")
        return f"xllamacpp {version('xllamacpp')}"
    except PackageNotFoundError:
        return None


def run_engine(
    model: Transformer | str = "tinyllama-1.1b",
    weights: str = "q4_0",
    *,
    prompt: int = 128,
    generate: int = 32,
    threads: int | None = None,
    repetitions: int = 5,
    progress: Callable[[float, str], object] | None = None,
) -> EngineRun:
    """Make the file, load it, measure, delete it, and keep the result for the book (`stored_runs`).

    Parameters
    ----------
    model : of the LLaMA family, or its name in the catalogue.   weights : f16, q8_0 or q4_0.
    prompt, generate : tokens, >= 1 and >= 2.   threads : >= 1; one per usable physical core if left out.
    progress : called with the share done (0 to 1) and what is being done.

    Raises
    ------
    ImportError : the extra is not installed.
    ValueError : a bad number, an unknown name, or a shape that llama.cpp's LLaMA does not have.
    OSError : no space for the file, or the engine failed.
    """
    software = engine_version()
    if software is None:
        raise ImportError(f"no engine here; to install llama.cpp: {INSTALL}")
    prompt, generate = integer("prompt", prompt, at_least=1), integer("generate", generate, at_least=2)
    options = {
        "prompt": prompt,
        "generate": generate,
        "threads": host().threads if threads is None else integer("threads", threads, at_least=1),
        "repetitions": integer("repetitions", repetitions, at_least=1),
    }
    shape = transformer(model) if isinstance(model, str) else model
    tell = progress or (lambda share, what: None)
    decode, prefill = [], []
    with tempfile.TemporaryDirectory(prefix="edgelib-") as folder:
        path = Path(folder) / "random.gguf"
        tell(0.0, "writing random weights")
        write_random_gguf(path, shape, weights, context=prompt + generate)
        tell(0.3, "loading")
        for line in reports("edgelib.metrics.engine_run", {**options, "path": str(path)}):
            decode.append(line["decode_tok_s"])
            prefill.append(line["prefill_tok_s"])
            tell(0.4 + 0.6 * len(decode) / options["repetitions"], "measuring")
    run = EngineRun(
        model=shape.name,
        weights=weights,
        threads=options["threads"],
        prompt=prompt,
        generate=generate,
        decode_tok_s=median(decode),
        decode_range=(min(decode), max(decode)),
        prefill_tok_s=median(prefill),
        prefill_range=(min(prefill), max(prefill)),
        software=software,
    )
    STORE.update(f"{shape.name} {weights} {run.threads} threads", asdict(run))
    return run


def stored_runs() -> list[EngineRun]:
    """All runs on this machine, in the order of their names."""
    ranges = ("decode_range", "prefill_range")  # JSON knows no tuples
    rows = [row | {name: tuple(row[name]) for name in ranges} for _, row in sorted(STORE.read().items())]
    return [EngineRun(**row) for row in rows]


def reference_runs() -> list[tuple[EngineRun, Engine]]:
    """The authors' runs in `data/engine_runs.csv`, each with the machine they were made on."""
    pairs = []
    for row in table("engine_runs"):
        figures = {
            name: Figure(float(row[column]) * factor, unit, row["source"], row["confidence"], row["note"])
            for name, (column, unit, factor) in _COLUMNS.items()
        }
        run = EngineRun(
            model=row["model"],
            weights=row["weights"],
            threads=int(row["threads"]),
            prompt=int(row["prompt_tokens"]),
            generate=int(row["gen_tokens"]),
            decode_tok_s=float(row["decode_tok_s"]),
            software=row["software"],
        )
        pairs.append((run, Engine(f"{row['machine']}/CPU", "cpu", row["machine"], figures)))
    return pairs


def measured_runtime(engine: Engine) -> Runtime:
    """llama.cpp's constants for an engine whose bandwidth was probed.

    The probe reads as decoding does, so nothing is taken off a second time: efficiency 1, no limit of
    a cluster.
    """
    return replace(runtime("llama.cpp", engine), read_efficiency=1.0, fabric=None)


def predict_run(run: EngineRun, engine: Engine) -> Estimate:
    """The prediction for what `run` did, on an engine that was probed with as many threads."""
    return predict(
        run.model,
        engine,
        weights=run.weights,
        prompt=run.prompt,
        generate=run.generate,
        threads=run.threads,
        runtime=measured_runtime(engine),
    )


def _serve(options: dict[str, Any]) -> None:
    """In the process of its own: one JSON line with both rates for each repetition."""
    import xllamacpp

    parameters = xllamacpp.CommonParams()
    parameters.model.path = options["path"]
    parameters.n_ctx = options["prompt"] + options["generate"]
    parameters.n_parallel = 1
    parameters.n_gpu_layers = 0
    parameters.cpuparams.n_threads = options["threads"]
    parameters.cpuparams_batch.n_threads = options["threads"]
    parameters.verbosity = -1
    server = xllamacpp.Server(parameters)
    request = {
        "prompt": [1, *[259] * (options["prompt"] - 1)],  # tokens, not text: the start and its first word
        "n_predict": options["generate"],
        "ignore_eos": True,
        "temperature": 0,
        "cache_prompt": False,
    }
    for _ in range(options["repetitions"]):
        answer = server.handle_completions(request)
        if "timings" not in answer:
            raise OSError(f"the engine answered {str(answer)[:500]}")
        timings = answer["timings"]
        rates = {
            "decode_tok_s": timings["predicted_per_second"],
            "prefill_tok_s": timings["prompt_per_second"],
        }
        print(json.dumps(rates), flush=True)


if __name__ == "__main__":
    _serve(json.loads(sys.argv[1]))
