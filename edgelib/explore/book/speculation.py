"""Speculative decoding: one word at a time under the dart, then what a whole round is worth."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np

from edgelib.explore import Slider, Step, explorable
from edgelib.explore.scene import Axis, Bar, Dot, Line, Mark, Scene, Text
from edgelib.kernels.speculative import (
    Trial,
    acceptance,
    best_gamma,
    expected_tokens,
    generate,
    residual,
    simulate,
    speedup,
    toy_pair,
)
from edgelib.units import significant

GAMMA, LENGTH, EVENTS, SEED = 3, 15, 15, 6


class Event(NamedTuple):
    """One moment of a round: a trial, or (trial None) the word that the target pass adds."""

    round: int
    context: tuple[int, ...]
    trial: Trial | None
    added: int
    rejected: bool


@cache
def _events(noise: float) -> list[Event]:
    """A sentence that starts with "the", trial by trial."""
    pair = toy_pair(noise)
    said, events = [0], []
    for number, verdict in enumerate(generate(pair.target, pair.draft, 0, GAMMA, LENGTH, SEED).rounds, 1):
        added, rejected = verdict.tokens[-1], verdict.accepted < len(verdict.drafted)
        for trial in verdict.trials:
            events.append(Event(number, tuple(said), trial, added, rejected))
            said += [trial.token] * trial.accepted
        events.append(Event(number, tuple(said), None, added, rejected))
        said.append(added)
    return events


@explorable(
    "speculation-steps",
    label="Which drafted words survive?",
    hint="Step through a sentence. A dart lands at random below the draft's bar: the word stays if the dart "
    "is also below the target's bar. Make the draft worse and step again.",
    step=Step(EVENTS - 1, label="Step"),
    noise=Slider(0.0, 1.0, step=0.1, default=0.4, label="How wrong the draft is"),
)
def speculation_steps(step: int, noise: float) -> Scene:
    """One accept-or-reject trial of speculative sampling on distributions over eight words."""
    pair = toy_pair(noise)
    number, context, trial, added, rejected = _events(noise)[step]
    p, q = pair.target[context[-1]], pair.draft[context[-1]]
    said = " ".join(pair.words[t] for t in context)
    marks: list[Mark] = []
    if trial is None:
        shown, role = (residual(p, q), "error") if rejected else (p, "weights")
        source = "what the target has and the draft lacks" if rejected else "the target itself"
        for i, (word, v) in enumerate(zip(pair.words, shown, strict=True)):
            marks.append(Bar(x=i, y1=v, role=role, term=f"{word}: {v:.2f}"))
        marks.append(Text(x=added, y=shown[added] + 0.03, text="drawn", anchor="middle"))
        readout = (
            f'Round {number}: after "{said}" the round ends with "{pair.words[added]}", drawn from {source}.'
        )
    else:
        for i, word in enumerate(pair.words):
            marks.append(
                Bar(x=i - 0.19, y1=q[i], width=0.36, role="compute", term=f"draft: {q[i]:.2f} for {word}")
            )
            marks.append(
                Bar(x=i + 0.19, y1=p[i], width=0.36, role="weights", term=f"target: {p[i]:.2f} for {word}")
            )
        dart = trial.draw * trial.q
        marks.append(
            Line(x=[trial.token - 0.42, trial.token + 0.42], y=[dart, dart], role="error", width=1.5)
        )
        marks.append(Dot(x=trial.token - 0.19, y=dart, role="error", size=6, term=f"dart at {dart:.2f}"))
        verb = "kept" if trial.accepted else "rejected, and the words drafted after it with it"
        readout = (
            f'Round {number}: after "{said}" the draft says "{pair.words[trial.token]}". '
            f"Dart at {dart:.2f}, target's bar {trial.p:.2f}: {verb}."
        )
    marks.append(Text(x=-0.4, y=0.75, text="draft q", role="compute"))
    marks.append(Text(x=-0.4, y=0.69, text="target p", role="weights"))
    return Scene(
        title="A word stays if the dart under the draft's bar is also under the target's",
        x=Axis(label="Next word", categories=pair.words),
        y=Axis(label="Probability", lo=0, hi=0.8),
        marks=marks,
        readout=readout,
        alt=f"Speculative sampling, step {step} of {EVENTS - 1}. {readout}",
        table=[
            ("word", "draft q", "target p", "kept if drafted"),
            *(
                (w, f"{a:.2f}", f"{b:.2f}", f"{min(1, b / a):.2f}" if a else "never drafted")
                for w, a, b in zip(pair.words, q, p, strict=True)
            ),
        ],
    )


@explorable(
    "speculation-speedup",
    label="How far ahead should the draft run?",
    hint="Make the draft cheaper, then better: which moves the best length? Then let the check cost more.",
    alpha=Slider(0.0, 1.0, step=0.05, default=0.8, label="Acceptance"),
    cost=Slider(0.0, 0.5, step=0.025, default=0.1, label="Draft step / target step"),
    check=Slider(1.0, 3.0, step=0.1, default=1.0, label="Checking pass / target step"),
)
def speculation_speedup(alpha: float, cost: float, check: float) -> Scene:
    """Tokens per target pass and speed-up against draft length, with simulated rounds as dots."""
    lengths = np.arange(17)
    passes = np.where(lengths == 0, 1.0, check)  # nothing drafted, nothing to check
    tokens, faster = expected_tokens(alpha, lengths), speedup(alpha, lengths, cost, passes)
    best = int(best_gamma(alpha, cost, verify_cost=passes))
    p = np.array([alpha, 1 - alpha])  # against a draft that always says word 0: acceptance is alpha
    q = np.array([1.0, 0.0])
    seen = [(g, float(simulate(p, q, int(g), 2000, 7).tokens_per_round.mean())) for g in lengths[1::3]]
    readout = (
        f"Acceptance {alpha:.2f}, draft cost {cost:.3g}, check {check:.1f}: draft {best} ahead for "
        f"{significant(float(faster[best]))} times the speed "
        f"({significant(float(tokens[best]))} tokens per pass)."
    )
    return Scene(
        title="More tokens per pass are not more speed",
        x=Axis(label="Words drafted per pass", lo=0, hi=20),
        y=Axis(label="Tokens per pass, and speed-up", lo=0, hi=10),
        marks=[
            Line(
                x=lengths, y=tokens, role="weights", label="tokens per pass", term="(1 - a^(g+1)) / (1 - a)"
            ),
            Line(x=lengths, y=faster, role="activations", label="speed-up", term="tokens / (g c + check)"),
            Line(x=[0, 16], y=[1, 1], role="idle", width=1, ghost=True),
            *(
                Dot(x=g, y=t, role="weights", size=4, term=f"{t:.2f} tokens per pass, simulated")
                for g, t in seen
            ),
            Dot(x=best, y=float(faster[best]), role="error", size=7, label=f"best: {best}"),
        ],
        readout=readout,
        alt=f"Speed-up of speculative decoding against draft length. {readout}",
        table=[
            ("drafted", "tokens per pass", "speed-up"),
            *((str(g), f"{t:.2f}", f"{s:.2f}") for g, t, s in zip(lengths, tokens, faster, strict=True)),
        ],
    )


@explorable(
    "speculation-overlap",
    label="What is acceptance?",
    hint="Slide the draft away from the target: the shared area is the share of words that survive.",
    noise=Slider(0.0, 1.0, step=0.05, default=0.4, label="How wrong the draft is"),
)
def speculation_overlap(noise: float) -> Scene:
    """The overlap sum of min(p, q) after the word "sees"."""
    pair = toy_pair(noise)
    word = pair.words.index("sees")
    p, q = pair.target[word], pair.draft[word]
    alpha = float(acceptance(p, q))
    marks: list[Mark] = []
    for i in range(len(p)):
        marks.append(Bar(x=i, y1=float(min(p[i], q[i])), role="activations", term="min(p, q): accepted"))
        low, high = sorted((float(p[i]), float(q[i])))
        role = "weights" if p[i] > q[i] else "compute"
        term = "p - q: what the residual must supply" if p[i] > q[i] else "q - p: drafted and rejected"
        marks.append(Bar(x=i, y0=low, y1=high, role=role, term=term))
    readout = (
        f"Acceptance = shared area = {alpha:.2f}; rejected = {1 - alpha:.2f} = supplied by the residual."
    )
    return Scene(
        title="Acceptance is the area that draft and target share",
        x=Axis(label='Next word after "sees"', categories=pair.words),
        y=Axis(label="Probability", lo=0, hi=0.8),
        marks=[
            *marks,
            Text(x=7.4, y=0.74, text="both", role="activations", anchor="end"),
            Text(x=7.4, y=0.68, text="target only", role="weights", anchor="end"),
            Text(x=7.4, y=0.62, text="draft only", role="compute", anchor="end"),
        ],
        readout=readout,
        alt=f"Overlap of draft and target distributions. {readout}",
        table=[
            ("word", "draft q", "target p", "min"),
            *(
                (w, f"{a:.2f}", f"{b:.2f}", f"{min(a, b):.2f}")
                for w, a, b in zip(pair.words, q, p, strict=True)
            ),
        ],
    )
