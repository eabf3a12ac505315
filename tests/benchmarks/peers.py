"""How fast do other calculators answer the same question? llm-analysis and mlsysim, from PyPI.

They live in an environment of their own, made on first use in the user's cache folder. A process there
waits for orders on its standard input, so that their times and ours can be taken in turn. Both get what
edgelib gets: bandwidth, peak and shape. Their descriptions of model and device are made beforehand and
not timed; edgelib looks both up by name within its time.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

PEERS = {"llm-analysis": "0.2.2", "mlsysim": "0.3.0"}
SWEEP = [(context, batch) for context in range(512, 5632, 512) for batch in range(1, 11)]


class Peers:
    """The process that runs them."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def ask(self, **order: object) -> float:
        """The answer to one order; see `_serve`."""
        assert self._process.stdin and self._process.stdout
        print(json.dumps(order), file=self._process.stdin, flush=True)
        line = self._process.stdout.readline()
        if not line:
            raise OSError(f"the process of the peers ended at {order}")
        return float(line)


@contextmanager
def running(facts: dict[str, float]) -> Iterator[Peers]:
    """The peers, told what they are to describe."""
    from tests.benchmarks.environment import environment  # not there when this file runs in theirs

    quiet = os.environ | {"TRANSFORMERS_VERBOSITY": "error"}
    command = [str(environment(PEERS)), __file__, json.dumps(facts)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=quiet
    ) as process:
        try:
            yield Peers(process)
        finally:
            assert process.stdin
            process.stdin.close()
            process.wait(timeout=10)


# ------------------------------------------------------------------ in their environment


def _llm_analysis(facts: dict[str, float]) -> Callable[[int, int], float]:
    """Tokens per second for a context and a batch size."""
    from llm_analysis.analysis import LLMAnalysis
    from llm_analysis.config import DtypeConfig, GPUConfig, ModelConfig
    from llm_analysis.logger import logger

    logger.setLevel("ERROR")  # it would otherwise write a report for each call
    model = ModelConfig(
        name="model",
        num_layers=int(facts["layers"]),
        n_head=int(facts["heads"]),
        hidden_dim=int(facts["d_model"]),
        vocab_size=int(facts["vocab"]),
        num_key_value_heads=int(facts["kv_heads"]),
        ffn_embed_dim=int(facts["d_ff"]),
        expansion_ratio=facts["d_ff"] / facts["d_model"],
    )
    gpu = GPUConfig("device", 1e4, facts["bandwidth"] / 1e9, 100, 1e-5, facts["peak"] / 1e12)
    bits = DtypeConfig(name="w4a16e16", weight_bits=4, activation_bits=16, embedding_bits=16)
    analysis = LLMAnalysis(model, gpu, bits, flops_efficiency=0.7, hbm_memory_efficiency=0.7)

    def predict(context: int, batch: int) -> float:
        summary = analysis.inference(batch_size_per_gpu=batch, seq_len=context, num_tokens_to_generate=128)
        return float(summary["decode_tokens_per_sec"])

    return predict


def _mlsysim(facts: dict[str, float]) -> Callable[[int, int], float]:
    """Tokens per second for a context and a batch size."""
    from mlsysim.core.units import Q_
    from mlsysim.engine.solvers.serving import ServingModel
    from mlsysim.hardware.types import ComputeCore, HardwareNode, MemoryHierarchy
    from mlsysim.models.types import TransformerWorkload

    model = TransformerWorkload(
        name="model",
        architecture="Transformer",
        parameters=Q_(facts["params"], "count"),
        layers=int(facts["layers"]),
        hidden_dim=int(facts["d_model"]),
        heads=int(facts["heads"]),
        kv_heads=int(facts["kv_heads"]),
    )
    device = HardwareNode(
        name="device",
        release_year=2020,
        compute=ComputeCore(peak_flops=Q_(facts["peak"], "flop/s")),
        memory=MemoryHierarchy(capacity=Q_(1e4, "GB"), bandwidth=Q_(facts["bandwidth"], "B/s")),
    )
    serving = ServingModel()

    def predict(context: int, batch: int) -> float:
        result = serving.solve(model, device, context, batch, precision="int4", efficiency=0.7)
        return batch / float(result.itl.to("s").magnitude)

    return predict


def _serve(facts: dict[str, float]) -> None:
    """Orders, a line of JSON each: {"peer", "calls"} times one prediction, {"peer", "sweep": true} one
    point of a sweep, both in seconds; {"peer", "value": true} answers in tokens per second."""
    made: dict[str, Callable[[int, int], float]] = {}
    makers = {"llm-analysis": _llm_analysis, "mlsysim": _mlsysim}
    for line in sys.stdin:
        order = json.loads(line)
        name = order["peer"]
        predict = made.get(name) or made.setdefault(name, makers[name](facts))
        points = SWEEP if order.get("sweep") else [(512, 1)] * order.get("calls", 1)
        start = time.perf_counter()
        values = [predict(*point) for point in points]
        taken = (time.perf_counter() - start) / len(points)
        print(values[0] if order.get("value") else taken, flush=True)


if __name__ == "__main__":
    _serve(json.loads(sys.argv[1]))
