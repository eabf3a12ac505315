"""Which of ten pieces of advice does a measurement call for? The chapter's checklist, applied to trace cards.

The cards are made up, each with the symptoms of one common fault; the limits in `advice` are rules of thumb.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from edgelib.errors import choice, integer
from edgelib.explore import Choice, Step, explorable
from edgelib.explore.scene import Axis, Cell, Mark, Scene, Text


@dataclass(frozen=True)
class Card:
    """What was measured while one kernel ran.

    vector_share : of the arithmetic in vector instructions.   useful_B_per_line : bytes used of 64 fetched.
    shared_lines : cache lines written by two threads.   mispredicted : share of branches.
    waiting : share of time stalled on memory.   tlb_share : of the time in page walks.
    jitter : slowest run over median.   bandwidth : share of the achievable memory bandwidth.
    peak : share of the arithmetic peak.   hot : share of the run time.
    """

    title: str
    vector_share: float = 1.0
    useful_B_per_line: float = 64.0
    shared_lines: int = 0
    mispredicted: float = 0.001
    waiting: float = 0.05
    tlb_share: float = 0.005
    jitter: float = 1.1
    bandwidth: float = 0.4
    peak: float = 0.3
    hot: float = 0.3


CARDS = {
    "scalar": Card("A plain C loop over INT8 weights", vector_share=0.0, peak=0.03, bandwidth=0.1, hot=0.8),
    "strided": Card("Weights read by columns", useful_B_per_line=1, waiting=0.7, bandwidth=0.9, peak=0.01),
    "counters": Card("Four threads, four neighbouring counters", shared_lines=1, waiting=0.4, peak=0.1),
    "sampling": Card("Top-k sampling of the next word", mispredicted=0.18, vector_share=0.9, hot=0.05),
    "gather": Card("Embedding rows from a 1 GB file", tlb_share=0.2, waiting=0.6, bandwidth=0.05, peak=0.02),
    "voice": Card("Speech model with a deadline of 20 ms", jitter=3.5),
    "decode": Card("Decode: a NEON GEMV of all weights", waiting=0.6, bandwidth=0.95, peak=0.25, hot=0.95),
    "prefill": Card("Prefill GEMM, intrinsics", peak=0.55, bandwidth=0.15, hot=0.9),
}
ITEMS = (
    "use NEON",
    "cache-friendly layout",
    "avoid false sharing",
    "predictable branches",
    "prefetch",
    "assembly for hot code",
    "auto-vectorise",
    "NUMA placement",
    "huge pages",
    "interrupts, scheduling",
    "checkpoint activations",
)


def advice(card: Card) -> tuple[tuple[bool, str], ...]:
    """For each of `ITEMS`: whether it applies to the card, and the reason."""
    scalar = card.vector_share < 0.5
    idle_bus = card.bandwidth < 0.7
    saturated = f"{card.bandwidth:.0%} of the bandwidth is in use: only fewer bytes help"
    return (
        (scalar, f"{card.vector_share:.0%} of the arithmetic is in vector instructions"),
        (card.useful_B_per_line < 32, f"{card.useful_B_per_line:g} of 64 bytes fetched are used"),
        (card.shared_lines > 0, f"lines written by several threads: {card.shared_lines}"),
        (card.mispredicted > 0.05, f"{card.mispredicted:.1%} of the branches are mispredicted"),
        (
            card.waiting > 0.3 and idle_bus and card.shared_lines == 0 and not scalar,
            f"{card.waiting:.0%} of the time waiting, {card.bandwidth:.0%} of the bandwidth used"
            if idle_bus
            else saturated,
        ),
        (
            card.hot > 0.5 and not scalar and idle_bus and card.peak < 0.8,
            f"{card.hot:.0%} of the run time, {card.peak:.0%} of the peak" if idle_bus else saturated,
        ),
        (scalar, "a plain loop over arrays: the compiler can" if scalar else "it is vectorised by hand"),
        (False, "a phone has one memory, equally far from all cores; bind to the big cores instead"),
        (card.tlb_share > 0.05, f"{card.tlb_share:.1%} of the time goes into page walks"),
        (card.jitter > 2, f"the slowest run takes {card.jitter:g} times the median"),
        (False, "keeps less for the backward pass of training; inference has none, and frees at once"),
    )


def score(card: str, answer: Iterable[int]) -> tuple[int, tuple[str, ...]]:
    """Points of 11 for the numbers (1 to 11) of the items you hold for right, and why the others are wrong.

    Raises
    ------
    ValueError : an unknown card, or a number that is no item.
    """
    picked = {integer("answer", number, 1) for number in answer}
    if max(picked, default=1) > len(ITEMS):
        raise ValueError(f"answer = {sorted(picked)}: expected numbers from 1 to {len(ITEMS)}")
    verdicts = advice(CARDS[choice("card", card, CARDS)])
    wrong = tuple(
        f"{number}. {ITEMS[number - 1]}: {'applies' if right else 'does not apply'}, {why}"
        for number, (right, why) in enumerate(verdicts, start=1)
        if right != (number in picked)
    )
    return len(ITEMS) - len(wrong), wrong


@explorable(
    "arm-checklist",
    label="Which advice does this measurement call for?",
    hint="Read the card, decide, then step through the verdicts. Two never apply to a phone that infers.",
    card=Choice({card.title: name for name, card in CARDS.items()}, default="decode", label="Trace card"),
    step=Step(len(ITEMS), default=6, label="Verdicts shown"),
)
def arm_checklist(card: str, step: int) -> Scene:
    """A trace card on the left, the checklist on the right, verdicts up to `step`."""
    seen, verdicts = CARDS[card], advice(CARDS[card])
    facts = (
        f"vector arithmetic {seen.vector_share:.0%}",
        f"used of a line {seen.useful_B_per_line:g} of 64 B",
        f"lines shared {seen.shared_lines}",
        f"mispredicted {seen.mispredicted:.1%}",
        f"waiting for memory {seen.waiting:.0%}",
        f"page walks {seen.tlb_share:.1%}",
        f"slowest / median {seen.jitter:g}",
        f"bandwidth used {seen.bandwidth:.0%}",
        f"arithmetic peak {seen.peak:.0%}",
        f"share of the run {seen.hot:.0%}",
    )
    last = len(ITEMS) - 1
    marks: list[Mark] = [Text(x=0.1, y=last - 0.9 * i, text=fact) for i, fact in enumerate(facts)]
    for i, (item, (right, why)) in enumerate(zip(ITEMS, verdicts, strict=True)):
        y, shown = last - i, i < step
        role = ("compute" if right else "idle") if shown else "highlight"
        text = ("yes" if right else "no") if shown else "?"
        marks.append(Cell(x=4.6, y=y, text=text, role=role, width=0.7, height=0.8, term=why if shown else ""))
        marks.append(Text(x=5.1, y=y, text=f"{i + 1}. {item}"))
    count = sum(right for right, _ in verdicts)
    verb = (
        f"{count} of {len(ITEMS)} apply" if step == len(ITEMS) else f"{step} of {len(ITEMS)} verdicts shown"
    )
    shown_last = f"{step}. {ITEMS[step - 1]}: {verdicts[step - 1][1]}" if step else "Decide first"
    readout = f"{seen.title}. {verb}. {shown_last}."
    return Scene(
        title="A checklist is worth what the measurement says about each item",
        x=Axis(label="Left: measured; right: the chapter's list", categories=tuple(" " * 9)),
        y=Axis(label="Trace card", categories=tuple(" " * len(ITEMS))),
        marks=marks,
        readout=readout,
        alt=f"A card of measurements beside eleven pieces of advice. {readout}",
        table=[
            ("item", "applies", "because"),
            *(
                (f"{i + 1}. {item}", "yes" if right else "no", why)
                if i < step
                else (f"{i + 1}. {item}", "?", "step on")
                for i, (item, (right, why)) in enumerate(zip(ITEMS, verdicts, strict=True))
            ),
        ],
    )
