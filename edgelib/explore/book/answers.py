"""What a changed distribution means for an answer: flips, whole texts, and a printed perplexity."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from edgelib.data import table
from edgelib.explore import Choice, Slider, explorable
from edgelib.explore.book.accuracy import BITS, GROUPS, reading
from edgelib.explore.scene import Axis, Bar, Dot, Line, Mark, Scene, Text
from edgelib.metrics.accuracy import flip_probability, flip_rate, nats, unchanged
from edgelib.units import significant

EDGES = np.arange(0, 4.25, 0.25)


@explorable(
    "flip-margin",
    label="Which decisions does rounding turn?",
    hint="The favourite falls where it hardly led. Lower the bits: the danger zone grows to the right.",
    bits=Choice(BITS, default=4, label="Bits"),
    group=Choice(GROUPS, default=None, label="Scales"),
)
def flip_margin(bits: int, group: Any) -> Scene:
    """Share of changed favourites by the lead of the favourite, in the toy model, against the formula."""
    run = reading(bits, group)
    error = float(np.std(run.lead_after - run.lead)) / np.sqrt(2)
    flipped = run.before.argmax(axis=1) != run.after.argmax(axis=1)
    marks: list[Mark] = []
    rows = []
    for low, high in pairwise(EDGES):
        inside = (run.lead >= low) & (run.lead < high)
        if count := int(inside.sum()):
            share = float(flipped[inside].mean())
            term = f"lead {low:.2f} to {high:.2f} nat: {share:.1%} of {count} favourites changed"
            marks.append(Bar(x=(low + high) / 2, y1=share, width=0.22, role="error", term=term))
            rows.append((f"{low:.2f} to {high:.2f}", str(count), f"{share:.1%}"))
    x = np.linspace(0, 4, 81)
    formula = flip_probability(x, error)
    marks += [
        Line(x=x, y=formula, role="ink", width=1.5, term="Q(m / (s sqrt 2))"),
        Text(x=4.1, y=float(formula[-1]) + 0.03, text="formula"),
    ]
    narrow = run.lead < 0.25
    readout = (
        f"Logits off by {significant(error)}: {significant(100 * float(flipped.mean()))} % of the favourites "
        f"change, {significant(100 * float(flipped[narrow].mean()))} % where they led by less than 0.25 nat."
    )
    return Scene(
        title="Rounding turns decisions that were close anyway",
        x=Axis(label="Lead of the favourite", unit="nat", lo=0, hi=4.8),
        y=Axis(label="Share that changes", lo=0, hi=1),
        marks=marks,
        readout=readout,
        alt=f"Share of flipped favourites against their lead, toy model at {bits} bit. {readout}",
        table=[("lead, nat", "words", "changed"), *rows],
    )


@explorable(
    "answer-unchanged",
    label="Will the answer be the same?",
    hint="One label, or hundreds of words: raise the words. Then give the classifier a narrow lead.",
    bits=Choice(BITS, default=6, label="Bits"),
    words=Slider(1, 1024, log2=True, default=64, unit="words", label="Length of the answer"),
    lead=Slider(0.5, 8, step=0.5, default=4, unit="nat", label="Classifier's mean lead"),
)
def answer_unchanged(bits: int, words: int, lead: float) -> Scene:
    """Chance that nothing changes: one class, the best word each time, a sampled word each time."""
    run = reading(bits, None)
    error = float(np.std(run.lead_after - run.lead)) / np.sqrt(2)
    one = 1 - float(flip_rate(lead, error))
    n = 2.0 ** np.arange(0, 10.01, 0.25)
    greedy = float(unchanged(1 - run.shift.same_top, words))
    sampled = float(unchanged(run.shift.variation, words))
    readout = (
        f"At {bits} bit the class stays with {significant(100 * one)} %; an answer of {words:,} "
        f"word{'s' * (words > 1)} stays with {_share(greedy)} if the best word is taken, "
        f"with {_share(sampled)} at best if words are drawn."
    )
    marks: list[Mark] = [
        Line(x=[1, 1024], y=[one, one], role="activations", label="one class"),
        Line(x=n, y=unchanged(1 - run.shift.same_top, n), role="weights", term="(1 - flip rate)^n"),
        Line(x=n, y=unchanged(run.shift.variation, n), role="memory", term="(1 - TV)^n"),
        Dot(x=words, y=greedy, role="weights", label="best word"),
        Dot(x=words, y=sampled, role="memory", label="drawn word"),
    ]
    return Scene(
        title="A class survives rounding, a long text does not",
        x=Axis(label="Decisions in the answer", unit="words", lo=0.9, hi=6000, log=True),
        y=Axis(label="Chance that nothing changes", lo=0, hi=1.08),
        marks=marks,
        readout=readout,
        alt=f"Chance of an unchanged answer against its length, toy model at {bits} bit. {readout}",
        table=[
            ("words", "best word", "drawn word"),
            *(
                (
                    f"{k}",
                    _share(float(unchanged(1 - run.shift.same_top, k))),
                    _share(float(unchanged(run.shift.variation, k))),
                )
                for k in (1, 4, 16, 64, 256, 1024)
            ),
        ],
    )


def _share(value: float) -> str:
    return f"{100 * value:.1f} %" if value >= 0.0005 else "below 0.1 %"


SETS = ("WikiText-2", "PTB", "C4")
LLAMA_7B = [row for row in table("perplexity") if row["model"] == "LLaMA-7B"]


@explorable(
    "perplexity-converter",
    label="How much worse is +6.7 %?",
    hint="Change the text that was measured: the same 4-bit files move. "
    "Then change the baseline: nats do not.",
    change=Slider(-5, 25, step=0.1, default=6.7, unit="%", label="Change of perplexity"),
    before=Slider(4, 20, step=0.5, default=10.5, label="Perplexity before"),
    dataset=Choice(SETS, label="Measured on"),
)
def perplexity_converter(change: float, before: float, dataset: str) -> Scene:
    """Per cent of perplexity to nats per word, with published 4-bit results of one model."""
    after = before * (1 + change / 100)
    lost = float(nats(before, after))
    published = {r["method"]: float(r["ppl"]) for r in LLAMA_7B if r["dataset"] == dataset}
    base = published["none"]
    x = np.linspace(-5, 25, 61)
    marks: list[Mark] = [
        Line(x=x, y=np.log1p(x / 100), role="idle", width=1.5, term="ln(1 + change)"),
        Dot(x=change, y=lost, role="error", size=7, label=f"{before:g} to {after:.2f}"),
    ]
    rows = []
    for method, ppl in published.items():
        percent = 100 * (ppl / base - 1)
        rows.append((method, f"{ppl:g}", f"{percent:+.1f} %", f"{np.log(ppl / base):+.3f}"))
        if "4 bit" in method:
            marks.append(Dot(x=percent, y=float(np.log(ppl / base)), role="weights", size=5, label=method))
    readout = (
        f"{before:g} to {after:.2f} is {change:+.1f} %: {lost:+.4f} nat per word. The word that comes is "
        f"{significant(100 * np.exp(-lost), 4)} % as likely as before, in the geometric mean."
    )
    return Scene(
        title="A change of perplexity is a few hundredths of a nat per word",
        x=Axis(label="Change of perplexity", unit="%", lo=-6, hi=34),
        y=Axis(label="Change of ln PPL", unit="nat", lo=-0.06, hi=0.26),
        marks=marks,
        readout=readout,
        alt=f"Nats against per cent of perplexity, with LLaMA-7B at 4 bit on {dataset}. {readout}",
        table=[("LLaMA-7B", f"perplexity, {dataset}", "change", "nat"), *rows],
    )
