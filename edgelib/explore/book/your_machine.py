"""What can the reader's own machine do? Its roofline, the models that fit it, and a button to measure it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from edgelib.explore import Choice, Slider, explorable
from edgelib.explore.book.devices import MODELS, WEIGHTS, name_of
from edgelib.explore.scene import Axis, Dot, Line, Mark, Scene, Text
from edgelib.hardware import Engine, attainable, engine, ridge
from edgelib.hardware.probe import Probe, probe, stored
from edgelib.metrics.engine_run import EngineRun, measured_runtime, reference_runs, stored_runs
from edgelib.metrics.predict import Estimate, predict
from edgelib.metrics.runtimes import Runtime
from edgelib.units import GB, GIB, gib, si, significant
from edgelib.workloads import model_names, transformer

EXAMPLE = "RPi5/CPU"
EXAMPLE_MEMORY = 8 * GIB  # the board is sold with 2 to 16 GiB; this is the middle one
THREE = {text: name for text, name in WEIGHTS.items() if name != "q2_k"}


@dataclass(frozen=True)
class Machine:
    """The machine in the pictures: the reader's once it is probed, a labelled example before."""

    name: str
    engine: Engine
    memory_B: float
    runtime: Runtime | str
    measured: Probe | None = None

    def predict(self, model: str, **request: Any) -> Estimate:
        """`metrics.predict` on this machine, with llama.cpp's constants."""
        return predict(model, self.engine, runtime=self.runtime, **request)

    def __repr__(self) -> str:
        if self.measured:
            return str(self.measured)
        return (
            f"EXAMPLE, not your machine: {self.name} with {gib(self.memory_B)} of memory\n"
            f"reads at most {si(self.engine.bandwidth, 'B/s')}, computes at most "
            f"{si(self.engine.peak.value, 'OP/s')}: figures of a catalogue, nothing measured"
        )


def my_machine() -> Machine:
    """The machine of the latest probe; a Raspberry Pi 5 of the catalogue where nothing was probed."""
    found = stored()
    if found is None:
        return Machine("Raspberry Pi 5", engine(EXAMPLE), EXAMPLE_MEMORY, "llama.cpp")
    on = found.engine()
    return Machine(found.host.name, on, found.host.memory_B, measured_runtime(on), found)


def engine_runs() -> tuple[str, list[tuple[EngineRun, Engine]]]:
    """Whose runs of a real engine are at hand, and each with the engine to predict it on: the reader's,
    where both a probe and a run are stored, else the authors'."""
    machine, runs = my_machine(), stored_runs()
    if machine.measured and runs:
        return machine.name, [(run, machine.engine) for run in runs]
    return "EXAMPLE, not your machine: the authors' virtual machine", reference_runs()


class MeasureButton:
    """A button that probes this machine, with a progress bar; a sentence where there is no kernel."""

    def __repr__(self) -> str:
        return "Press the button to measure your machine (about 10 s), or run: edgelib probe"

    def widget(self) -> Any:
        """The live face, an ipywidgets box."""
        import ipywidgets

        button = ipywidgets.Button(description="Measure my machine", layout={"width": "14em"})
        bar = ipywidgets.FloatProgress(max=1.0, description="0 %", layout={"width": "24em"})
        text = ipywidgets.HTML("It takes about 10 seconds. Close what else is running.")

        def show(share: float, what: str) -> None:
            bar.value, bar.description = share, f"{share:.0%}"
            text.value = f"measuring: {what}"

        def measure(_: Any) -> None:
            button.disabled = True
            try:
                found = probe(progress=show)
                text.value = f"<pre>{found}</pre>Now run all cells again: the pictures show your machine."
            except OSError as error:
                text.value = f"That failed: {error}"
            finally:
                button.disabled = False

        button.on_click(measure)
        return ipywidgets.VBox([button, bar, text])

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        from edgelib.explore.widget import view_data

        return {"text/plain": repr(self), **view_data(self.widget())}


@explorable(
    "machine-roofline",
    label="How much of your machine does one token use?",
    hint="Raise the tokens at once, as a prompt or a batch does: where does the arithmetic fill up? "
    "Then take fewer bits: the corner comes sooner.",
    model=Choice(MODELS, label="Model"),
    weights=Choice(THREE, default="q8_0", label="Weights"),
    tokens=Slider(1, 512, log2=True, default=1, unit="tokens", label="Tokens at once"),
)
def machine_roofline(model: str, weights: str, tokens: int) -> Scene:
    """The machine's roofline, and one pass over the weights with a number of tokens."""
    machine = my_machine()
    bandwidth, peak = machine.engine.bandwidth, machine.engine.peak.value
    corner = ridge(peak, bandwidth)
    size = machine.predict(model, weights=weights).value("weight_bytes")
    ops = 2 * transformer(model).matmul_params
    alone, together = ops / size, tokens * ops / size
    rate = attainable(together, peak, bandwidth)
    x = np.geomspace(0.25, 4096, 57)
    marks: list[Mark] = [
        Line(
            x=[0.25, corner],
            y=[0.25 * bandwidth, peak],
            role="memory",
            term="slanted roof: intensity x bandwidth",
        ),
        Line(x=[corner, 4096], y=[peak, peak], role="compute", term="flat roof: peak rate"),
        Text(x=0.4, y=0.4 * bandwidth / 4, text=f"reads {si(bandwidth, 'B/s')}", role="memory"),
        Text(x=3500, y=1.5 * peak, text=si(peak, "OP/s"), role="compute", anchor="end"),
        Dot(
            x=alone,
            y=attainable(alone, peak, bandwidth),
            ghost=True,
            size=5,
            label="" if tokens == 1 else "1 token",
            term="one token: every weight that is read is used once",
        ),
        Dot(
            x=together,
            y=rate,
            role="weights",
            size=8,
            label=f"{tokens} token{'s' * (tokens > 1)}",
            term="tokens x operations per token / max(bytes / bandwidth, operations / peak)",
        ),
    ]
    if machine.measured:
        one = machine.measured.read_1.median
        roof = attainable(x, peak, one)
        marks.append(Line(x=x, y=roof, role="memory", ghost=True, term=f"one thread reads {si(one, 'B/s')}"))
    busy = 100 * rate / peak
    bound = "reading the weights" if together < corner else "arithmetic"
    readout = (
        f"{machine.name}: {tokens} token{'s' * (tokens > 1)} at once: {significant(busy, 2)} % of the "
        f"arithmetic is used, at most {significant(rate / ops)} tok/s together, bound by {bound}."
    )
    return Scene(
        title="One token leaves the arithmetic waiting for the weights",
        x=Axis(label="Arithmetic intensity", unit="OP/B", lo=0.25, hi=4096, log=True),
        y=Axis(label="Rate", unit="OP/s", lo=1e9, hi=2e13, log=True),
        marks=marks,
        readout=readout,
        alt=f"Roofline with its corner at {significant(corner)} OP/B; {name_of(model, MODELS)} with "
        f"{weights} weights at {significant(together)} OP/B. {readout}",
        table=[
            ("quantity", "value"),
            ("reading", si(bandwidth, "B/s")),
            ("arithmetic", si(peak, "OP/s")),
            ("corner", f"{significant(corner)} OP/B"),
            ("weights read", si(size, "B")),
            ("operations", si(tokens * ops, "OP")),
            ("tokens that fill the arithmetic", f"{significant(corner / alone)}"),
        ],
    )


@explorable(
    "machine-models",
    label="Which models can your machine run, and how fast?",
    hint="Go from 16 bit to 4: the dots move left, under the memory line, and up. Then lengthen the context.",
    weights=Choice(THREE, default="q4_0", label="Weights"),
    context=Slider(512, 32768, log2=True, default=2048, unit="tokens", label="Context"),
    others=Slider(0, 8, default=1, unit="GiB", label="Memory for everything else"),
)
def machine_models(weights: str, context: int, others: int) -> Scene:
    """Predicted decode of every model of the catalogue, with its 80 % interval, against its memory."""
    machine = my_machine()
    room = max(machine.memory_B - others * GIB, 0.0)
    marks: list[Mark] = [
        Line(
            x=[max(room / GB, 0.1)] * 2,
            y=[0.02, 1000],
            role="memory",
            label=f"{room / GB:.1f} GB to fill",
            term="memory of the machine - memory for everything else",
        )
    ]
    rows, fitting = [], []
    for model in model_names():
        estimate = machine.predict(model, weights=weights, prompt=context, generate=0)
        need = sum(estimate.memory_B.values())
        rate, (low, high) = estimate.decode_tok_s, estimate.interval("decode_tok_s")
        fits = need <= room
        if fits:
            fitting.append((need, model, rate, low, high))
        role = "weights" if fits else "error"
        interval = f"{model}: {significant(low, 2)} to {significant(high, 2)} tok/s in 8 of 10 cases"
        marks.append(Line(x=[need / GB] * 2, y=[low, high], role=role, width=1.5, term=interval))
        marks.append(
            Dot(x=need / GB, y=rate, role=role, size=4, term=f"{model}: {significant(rate)} tok/s expected")
        )
        rows.append(
            (
                model,
                f"{need / GB:.2f} GB",
                "yes" if fits else "no",
                f"{significant(rate)} tok/s",
                f"{significant(low)} to {significant(high)}",
            )
        )
    verdict = "none of them fits"
    if fitting:
        need, model, rate, low, high = max(fitting)
        marks.append(Text(x=need / GB, y=high * 1.6, text=model, role="weights", anchor="middle"))
        verdict = (
            f"{len(fitting)} of them fit; the largest, {model}, says {significant(rate, 2)} tok/s "
            f"(80 % interval {significant(low, 2)} to {significant(high, 2)})"
        )
    readout = f"{machine.name}, {len(rows)} models, {context:,} tokens of context: {verdict}."
    return Scene(
        title="Twice the bytes, half the speed, until they no longer fit",
        x=Axis(label="Weights, keys and values", unit="GB", lo=0.1, hi=300, log=True),
        y=Axis(label="Decode, expected", unit="tok/s", lo=0.02, hi=1000, log=True),
        marks=marks,
        readout=readout,
        alt=f"Expected tokens per second of the catalogue's models at {weights} against memory. {readout}",
        table=[("model", "memory", "fits", "decode", "80 % interval"), *rows],
    )
