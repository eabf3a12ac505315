"""How slow is it, as a multiple of something known? `make bench` prints one table.

Both sides of a ratio are measured in turn in the same run, so that a busy machine slows both.
Times differ from machine to machine; ratios hardly do.
"""

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from nbformat import v4
from playwright.sync_api import sync_playwright

from book.build import BOOK, execute, notebook_of, read_text
from edgelib.hardware import engine
from edgelib.metrics import predict, runtime
from edgelib.workloads import transformer, weight_format
from tests.benchmarks import graders
from tests.benchmarks.environment import PeersUnavailable
from tests.benchmarks.peers import PEERS, SWEEP, running
from tests.browser.lab import Notebook, jupyterlab, launch, write_notebook
from tests.conftest import find_chromium

MODEL, ENGINE, WEIGHTS = "llama-2-7b", "M1-7c/GPU", "q4_0"
NOTEBOOK = BOOK / "text" / "2_metrics" / "1_latency.md"
MOVES = 60


@dataclass(frozen=True)
class Ratio:
    """Seconds of two things, measured in turn: the one in question, and the one it is compared with."""

    what: str
    against: str
    ours: list[float]
    base: list[float]

    def row(self) -> str:
        """What, median seconds of both, and the ratio: median, 5th and 95th percentile."""
        low, middle, high = np.percentile(np.divide(self.ours, self.base), [5, 50, 95])
        p95 = np.percentile(self.ours, 95)
        return (
            f"{self.what:<34} {seconds(np.median(self.ours)):>9} {seconds(p95):>9}  {self.against:<26} "
            f"{seconds(np.median(self.base)):>9}  {middle:7.3g}  ({low:.3g} .. {high:.3g})"
        )


def seconds(value: float) -> str:
    """A time with three digits and a unit that suits it."""
    scale, unit = next(
        pair for pair in [(1, "s"), (1e3, "ms"), (1e6, "us"), (1e9, "ns")] if value * pair[0] >= 1
    )
    return f"{value * scale:.3g} {unit}"


def measure(work: Callable[[], object], calls: int = 1) -> float:
    """Seconds per call."""
    start = time.perf_counter()
    for _ in range(calls):
        work()
    return (time.perf_counter() - start) / calls


def in_turn(
    ours: Callable[[], object], base: Callable[[], object], runs: int, calls: int = 1
) -> list[list[float]]:
    """Seconds per call of both, `runs` times each, alternating."""

    pairs = [(measure(ours, calls), measure(base, calls)) for _ in range(runs)]
    return [list(column) for column in zip(*pairs, strict=True)]


def imports(runs: int = 25) -> Ratio:
    """Importing the library, in a fresh interpreter; its start is not counted."""

    def fresh(module: str) -> float:
        script = (
            f"import time; start = time.perf_counter(); import {module}; print(time.perf_counter() - start)"
        )
        return float(subprocess.run([sys.executable, "-c", script], capture_output=True, check=True).stdout)

    pairs = [(fresh("edgelib"), fresh("numpy")) for _ in range(runs)]
    ours, base = zip(*pairs, strict=True)
    return Ratio("import edgelib", "import numpy", list(ours), list(base))


def closed_form() -> Callable[..., np.ndarray]:
    """decode_tok_s of one model on one engine with every constant filled in."""
    model, silicon, weights, kv = (
        transformer(MODEL),
        engine(ENGINE),
        weight_format(WEIGHTS),
        weight_format("f16"),
    )
    constants = runtime("typical", silicon)
    read = (model.layer_params * weights.bits + model.head_params * weights.head_bits) / 8
    read_per_token = 2 * model.layers * model.kv_heads * model.head_dim * kv.bits / 8
    ops = 2 * (model.layer_params + model.head_params)
    ops_per_token = 4 * model.layers * model.heads * model.head_dim
    bandwidth = constants.read_efficiency * silicon.figures["bandwidth"].value
    peak = constants.utilisation * silicon.peak.value
    overhead = model.layers * (constants.layer_s + constants.width_s * model.d_model)

    def decode_tok_s(context: np.ndarray, batch: np.ndarray) -> np.ndarray:
        read_s = (read + read_per_token * context * batch) / bandwidth
        compute_s = batch * (ops + ops_per_token * context) / peak
        return batch / (np.maximum(read_s, compute_s) + overhead)

    return decode_tok_s


def predictions(runs: int = 31) -> list[Ratio]:
    """One prediction, and a sweep of 100 contexts by 100 batch sizes, against the formula in bare numpy."""
    formula = closed_form()
    context, batch = np.linspace(0, 32768, 100)[:, None], np.arange(1, 101)[None, :]
    ratios = []
    for name, x, y, calls in [("one prediction", 512, 1, 500), ("sweep of 100 x 100", context, batch, 20)]:

        def ours(x: object = x, y: object = y) -> object:
            return predict(MODEL, ENGINE, weights=WEIGHTS, context=x, batch=y).decode_tok_s

        def base(x: object = x, y: object = y) -> object:
            return formula(x, y)

        np.testing.assert_allclose(ours(), base(), rtol=1e-12)
        ratios.append(Ratio(name, "the formula in numpy", *in_turn(ours, base, runs, calls)))
    return ratios


def beside_peers(runs: int = 15) -> list[Ratio]:
    """One prediction, and one point of a sweep, against other calculators that are told the same facts."""
    model, silicon = transformer(MODEL), engine(ENGINE)
    shape = ("layers", "heads", "kv_heads", "d_model", "d_ff", "vocab", "params")
    facts = {name: getattr(model, name) for name in shape}
    facts |= {"bandwidth": silicon.bandwidth, "peak": silicon.peak.value}
    context, batch = np.array(SWEEP).T

    def one() -> float:
        return float(predict(MODEL, ENGINE, weights=WEIGHTS, context=512).decode_tok_s)

    def sweep() -> object:
        return predict(MODEL, ENGINE, weights=WEIGHTS, context=context, batch=batch).decode_tok_s

    ratios = []
    with running(facts) as peers:
        for name in PEERS:
            assert 0.5 < peers.ask(peer=name, value=True) / one() < 2, f"{name} answers another question"
            for what, work, calls, order in (
                ("one prediction", one, 500, {"calls": 20}),
                (f"a point of a sweep of {len(SWEEP)}", sweep, 100, {"sweep": True}),
            ):
                pairs = [(measure(work, calls), peers.ask(peer=name, **order)) for _ in range(runs)]
                ours, base = zip(*pairs, strict=True)
                points = len(SWEEP) if work is sweep else 1
                ratios.append(Ratio(what, f"{name} {PEERS[name]}", [s / points for s in ours], list(base)))
    return ratios


# Each move waits for the redraw that it causes, and for the frame that shows it.
_DRAG = """async (moves) => {
    const root = document.querySelector(".jp-OutputArea [data-explorable]");
    const slider = root.querySelector('input[type="range"]:not([disabled])');
    const kernel = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel;
    const low = Number(slider.min), positions = Number(slider.max) - low + 1;
    const drawn = () => new Promise((done) => {
        const seen = new MutationObserver(() => { seen.disconnect(); requestAnimationFrame(done); });
        seen.observe(root, { attributes: true, attributeFilter: ["data-updated"] });
    });
    const times = { ours: [], base: [] };
    for (let move = 1; move <= moves; move++) {
        let start = performance.now();
        const shown = drawn();
        slider.value = low + (Number(slider.value) - low + 1) % positions;
        slider.dispatchEvent(new Event("input", { bubbles: true }));
        await shown;
        times.ours.push((performance.now() - start) / 1000);
        start = performance.now();
        await kernel.requestKernelInfo();
        times.base.push((performance.now() - start) / 1000);
    }
    return times;
}"""


def slider() -> Ratio:
    """Moving a slider until the picture has followed, against an empty round trip to the kernel."""
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        folder = Path(name) / "served"
        folder.mkdir()
        cell = "from edgelib.explore.book.tps import decode_roofline\ndecode_roofline()"
        write_notebook(folder / "slider.ipynb", cell)
        with jupyterlab(folder, Path(name)) as lab:
            browser = launch(playwright, find_chromium())
            notebook = Notebook(
                lab, browser.new_page(viewport={"width": 1200, "height": 900}), "slider.ipynb"
            )
            notebook.open()
            notebook.run_all()
            notebook.page.locator("[data-explorable] input[type=range]").first.wait_for()
            times = notebook.page.evaluate(_DRAG, MOVES)
            browser.close()
    return Ratio("slider move to drawing", "empty kernel round trip", times["ours"], times["base"])


def notebook(runs: int = 3) -> Ratio:
    """Executing one notebook of the book, against a notebook that does nothing."""
    folder = notebook_of(NOTEBOOK, BOOK).parent

    def ours() -> None:
        execute(read_text(NOTEBOOK, BOOK), folder)

    def base() -> None:
        execute(v4.new_notebook(cells=[v4.new_code_cell("pass")]), folder)

    return Ratio(
        f"run {NOTEBOOK.relative_to(BOOK / 'text')}", "an empty notebook", *in_turn(ours, base, runs)
    )


def grading(runs: int = 5) -> Ratio:
    """Grading all exercises of a student in the sandbox, against one exercise in nbgrader."""
    submission = graders.solved()
    graders.ours(submission)  # loads the specs
    with graders.nbgrader_course() as (command, folder):
        times = in_turn(lambda: graders.ours(submission), lambda: graders.run(command, folder), runs)
    count = len(graders.course())
    return Ratio(f"grade a student, {count} exercises", f"nbgrader, {graders.EXERCISE} alone", *times)


def classroom(students: int = 300, processes: int = 2) -> Ratio:
    """Grading a class, hostile and damaged submissions included, against one solved submission."""
    submission = graders.solved()
    graders.ours(submission)
    one = [measure(lambda: graders.ours(submission)) for _ in range(5)]
    whole = graders.class_seconds(students, processes)
    return Ratio(
        f"grade {students} students, -j {processes}", "one student", [whole], [float(np.median(one))]
    )


def main() -> None:
    """Print the table, row by row as it is measured."""
    print(f"{'':<34} {'median':>9} {'p95':>9}  {'against':<26} {'median':>9}    ratio  (p5 .. p95)")
    for measured in (
        lambda: [imports()],
        predictions,
        beside_peers,
        lambda: [slider()],
        lambda: [notebook()],
        lambda: [grading()],
        lambda: [classroom()],
    ):
        try:
            for ratio in measured():
                print(ratio.row(), flush=True)
        except PeersUnavailable as error:
            print(f"not measured: {error}", flush=True)


if __name__ == "__main__":
    main()
