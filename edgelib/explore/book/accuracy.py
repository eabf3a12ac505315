"""What quantisation does to a model: errors through layers, distributions, words, answers."""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from edgelib.data import table
from edgelib.explore import Choice, Slider, Toggle, explorable
from edgelib.explore.scene import Axis, Bar, Dot, Line, Mark, Scene, Text
from edgelib.kernels.toy_language import predictions, quantised, toy
from edgelib.metrics.accuracy import Shift, compare
from edgelib.metrics.propagation import Propagation, error_bound, network, printed_bound, propagate
from edgelib.units import significant

BITS = {f"{b} bit": b for b in (8, 6, 5, 4, 3, 2)}
GROUPS = {"one scale per output channel": None, "one per tensor": "tensor", "one per 8 weights": 8}
DEPTH, SMALLER = 32, 0.3  # beside a residual, layers are smaller


@cache
def _through(gain: float, size: float, residual: bool) -> Propagation:
    """32 ReLU layers of width 64, rounded to 4 bits per output channel; an input of length `size`."""
    x = np.random.default_rng(1).standard_normal(64)
    weights = network(DEPTH, gain=SMALLER * gain if residual else gain)
    return propagate(weights, size * x / np.linalg.norm(x), 4, residual=residual)


@explorable(
    "error-through-layers",
    label="Does the printed bound hold?",
    hint="Make the input longer: the measured error follows, the printed bound stays. "
    "Then switch the residual off and see how loose a correct bound can be.",
    layers=Slider(1, DEPTH, default=DEPTH, label="Layers"),
    size=Slider(1, 128, log2=True, default=1, label="Length of the input"),
    gain=Slider(0.7, 1.1, step=0.1, default=1, label="Gain of a layer"),
    residual=Toggle(default=True, label="Residual connections"),
)
def error_through_layers(layers: int, size: float, gain: float, residual: bool) -> Scene:
    """Error behind each layer: measured, in quadrature, the printed bound and a correct one."""
    run = _through(float(gain), float(size), residual)
    depth = np.arange(1, DEPTH + 1)
    printed = np.array([printed_bound(run.norms[:n], run.errors[:n]) for n in depth])
    correct = np.array([error_bound(run.norms[:n], run.errors[:n], run.size, residual) for n in depth])
    error, claim, bound = (float(a[layers - 1]) for a in (run.measured, printed, correct))
    broken = error > claim
    state = "violated" if broken else "not violated here"
    readout = (
        f"{layers} layer{'s' * (layers > 1)}: error {_short(error)}, printed bound {_short(claim)} "
        f"({state}), correct bound {_short(bound)}, {_short(bound / error)} times the error."
    )
    marks: list[Mark] = [
        Line(x=depth, y=correct, role="weights", label="correct bound", term="prod (g + |dW|) - prod g"),
        Line(x=depth, y=printed, role="error", label="printed", term="sum |W| |dW| prod |W|"),
        Line(x=depth, y=run.measured, role="activations", label="measured"),
        Line(x=depth, y=run.in_quadrature, width=1.5, ghost=True, term="layers alone, added in quadrature"),
        Line(x=[layers, layers], y=[min(error, claim), max(error, claim)], role="idle", width=1.5),
        Dot(x=layers, y=error, role="activations"),
        Dot(x=layers, y=claim, role="error", label="violated" if broken else ""),
        Dot(x=layers, y=bound, role="weights"),
    ]
    return Scene(
        title="The printed bound does not know its input; the correct one knows too little",
        x=Axis(label="Layers", lo=0, hi=42),
        y=Axis(label="Error at the output", lo=1e-6, hi=1e20, log=True),
        marks=marks,
        readout=readout,
        alt=f"Error against depth at 4 bit, gain {gain:g}, input of length {size:g}. {readout}",
        table=[
            ("layers", "measured", "in quadrature", "printed bound", "correct bound"),
            *(
                (str(n), *(f"{a[n - 1]:.2g}" for a in (run.measured, run.in_quadrature, printed, correct)))
                for n in (1, 2, 4, 8, 16, 32)
            ),
        ],
    )


def _short(value: float) -> str:
    """Three digits, with an exponent where it is far from 1."""
    return significant(value) if 0.001 <= value < 1e5 else f"{value:.1e}"


class Reading(NamedTuple):
    """The toy model before and after quantisation, over a text."""

    before: NDArray[np.float64]  # [n, V]
    after: NDArray[np.float64]
    shift: Shift
    lead: NDArray[np.float64]  # [n], of the best word over the second, nats, before
    lead_after: NDArray[np.float64]  # [n], of the same two words


@cache
def reading(bits: int, group: Any) -> Reading:
    """A text of 4,096 words read by the toy model of `kernels.toy_language`."""
    model, _, text = toy()
    p, q = predictions(model, text), predictions(quantised(model, bits, group), text)
    best = np.argsort(p, axis=1)[:, [-1, -2]]
    leads = [np.log(np.take_along_axis(a, best, axis=1)) @ [1.0, -1.0] for a in (p, q)]
    return Reading(p, q, compare(p[:-1], q[:-1], text[1:]), *leads)


@explorable(
    "two-distributions",
    label="Same favourite, same model?",
    hint="Lower the bits until the favourite changes. How far had the rest moved by then?",
    bits=Choice(BITS, default=4, label="Bits"),
    group=Choice(GROUPS, default=None, label="Scales"),
    position=Slider(0, 40, default=12, label="Position in the text"),
)
def two_distributions(bits: int, group: Any, position: int) -> Scene:
    """Probabilities of twelve words at one position, before and after, and the measures over a text."""
    run = reading(bits, group)
    p, q = run.before[position], run.after[position]
    order = np.argsort(-p, kind="stable")[:12]
    top = int(np.flatnonzero(order == q.argmax())[0]) + 1 if q.argmax() in order else 0
    here = compare(p[None], q[None], order[:1])
    ranks = np.arange(1, 13)
    marks: list[Mark] = []
    for rank, word in zip(ranks, order, strict=True):
        for x, share, role, when in ((-0.2, p, "weights", "before"), (0.2, q, "error", "after")):
            term = f"word {word}, {when}: {share[word]:.3f}"
            marks.append(Bar(x=rank + x, y1=float(share[word]), width=0.36, role=role, term=term))
    marks += [
        Text(x=12.5, y=0.8, text="16 bit", role="weights", anchor="end"),
        Text(x=12.5, y=0.72, text=f"{bits} bit", role="error", anchor="end"),
    ]
    favourite = "the favourite stays" if top == 1 else f"the favourite was number {top or 'above 12'} before"
    s = run.shift
    readout = (
        f"Here {significant(here.kl)} nat apart, {favourite}. Over 4,096 words: KL {significant(s.kl)} nat, "
        f"same favourite {significant(100 * s.same_top)} %, perplexity {s.before:.2f} to {s.after:.2f}."
    )
    return Scene(
        title="The favourite survives when much of the distribution has moved",
        x=Axis(label="Words by rank before quantisation", lo=0.3, hi=12.7),
        y=Axis(label="Probability", lo=0, hi=0.9),
        marks=marks,
        readout=readout,
        alt=f"Next-word probabilities of a toy model at 16 and {bits} bit. {readout}",
        table=[
            ("bits", "KL, nat", "TV", "same favourite", "perplexity"),
            *(
                (f"{b}", f"{t.kl:.4f}", f"{t.variation:.3f}", f"{100 * t.same_top:.1f} %", f"{t.after:.2f}")
                for b, t in ((b, reading(b, group).shift) for b in BITS.values())
            ),
        ],
    )


LLAMA = [row for row in table("perplexity") if row["kl_nats"] and row["format"] != "f16"]


@explorable(
    "divergence-is-perplexity",
    label="Two meters, one quantity?",
    hint="Choose another model or another grouping. Why is a dot below the line, where bits are many?",
    model=Choice(["LLaMA-3 8B", "LLaMA-2 7B"], label="Published"),
    group=Choice(GROUPS, default=None, label="Toy: scales"),
    bits=Choice(BITS, default=4, label="Toy: bits"),
)
def divergence_is_perplexity(model: str, group: Any, bits: int) -> Scene:
    """ln(PPL after / before) against the mean KL divergence: published llama.cpp formats and the toy."""
    rows = [row for row in LLAMA if row["model"] == model]
    before = next(float(r["ppl"]) for r in table("perplexity") if r["model"] == "LLaMA-3 8B")
    dots = []
    for row in rows:
        ratio = float(row["ppl_ratio"]) if row["ppl_ratio"] else float(row["ppl"]) / before
        dots.append((row["format"].removesuffix("_mix"), float(row["kl_nats"]), float(np.log(ratio))))
    named = {"q8_0", "q6_k", "q4_k_m", "q4_0", "q2_k"}
    sweep = [reading(b, group).shift for b in BITS.values()]
    sweep = [s for s in sweep if s.nats > 1e-4]
    mine = reading(bits, group).shift
    seen = "" if mine.nats > 1e-4 else ": no change to see"
    far = [max(b / a, a / b) for _, a, b in dots if a > 0.02]
    readout = (
        f"{model}, {len(dots)} formats: from 0.02 nat on the two agree within a factor "
        f"{significant(max(far))}. Toy at {bits} bit: KL {significant(mine.kl)}, "
        f"change of ln PPL {significant(mine.nats)}."
        if far
        else f"{model}: no format beyond 0.02 nat."
    )
    marks: list[Mark] = [
        Line(x=[1e-4, 10], y=[1e-4, 10], role="idle", width=1.5, label="equal", term="ln PPL ratio = KL"),
        Line(
            x=[s.kl for s in sweep],
            y=[s.nats for s in sweep],
            role="activations",
            width=1.5,
            ghost=True,
            term="the toy model, 8 to 2 bit",
        ),
        *(
            Dot(
                x=k, y=n, role="weights", size=4, label=f if f in named else "", term=f"{f}: {k:.4f}, {n:.4f}"
            )
            for f, k, n in dots
        ),
        Dot(x=mine.kl, y=max(mine.nats, 1e-4), role="activations", label=f"toy, {bits} bit{seen}"),
    ]
    return Scene(
        title="The change of ln PPL is the KL divergence, up to noise",
        x=Axis(label="KL divergence, mean", unit="nat", lo=1e-4, hi=10, log=True),
        y=Axis(label="ln (PPL after / before)", unit="nat", lo=1e-4, hi=10, log=True),
        marks=marks,
        readout=readout,
        alt=f"Perplexity change against divergence of {model} and of a toy model. {readout}",
        table=[("format", "KL, nat", "ln PPL ratio"), *((f, f"{k:.4f}", f"{n:.4f}") for f, k, n in dots)],
    )
