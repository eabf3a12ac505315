"""Which results may threads see? Litmus tests with orders and barriers, and what ordering costs a token."""

from __future__ import annotations

from functools import cache

from edgelib.explore import Choice, Slider, explorable
from edgelib.explore.scene import Axis, Bar, Cell, Dot, Line, Mark, Scene, Text
from edgelib.hardware.memory_order import SHAPES, Outcome, arm, parse, sequential, shape
from edgelib.hardware.memory_order.atomics import expected_retries, retries_in_step
from edgelib.units import counted, significant
from edgelib.workloads import transformer

ORDERS = {
    "relaxed": ("STR", "LDR"),
    "acquire-release": ("STLR", "LDAPR"),
    "sequentially consistent": ("STLR", "LDAR"),
}
TESTS = {
    "pass a message (MP)": "MP",
    "each writes, then looks (SB)": "SB",
    "each looks, then writes (LB)": "LB",
}
VERDICTS = {
    "interleaved": ("activations", "possible"),
    "weak": ("error", "only by reordering"),
    "forbidden": ("idle", "cannot happen"),
}


@cache
def _judged(text: str, plain: str) -> tuple[tuple[Outcome, str], ...]:
    """Every outcome of the plain program, judged for `text`."""
    allowed, ordered = arm(parse(text)), sequential(parse(plain))
    return tuple(
        (o, "forbidden" if o not in allowed else "interleaved" if o in ordered else "weak")
        for o in sorted(arm(parse(plain)))
    )


def _picture(text: str, plain: str, asked: str, ordered_by: str) -> Scene:
    """The threads, instruction by instruction, above all outcomes; the title judges `ordered_by`."""
    judged = _judged(text, plain)
    marks: list[Mark] = []
    threads = parse(text).threads
    for t, thread in enumerate(threads):
        for row, i in enumerate(thread):
            special = i.acquire or i.release or i.barrier
            role, opacity = ("highlight", 0.6) if special else ("weights", 0.2)
            marks.append(Cell(x=t, y=5 - row, text=i.text, height=0.85, role=role, opacity=opacity))
    names = " ".join(name for name, _ in judged[0][0])
    marks.append(Text(x=-0.45, y=1.75, text=f"values of {names}:"))
    for k, (outcome, verdict) in enumerate(judged[:16]):
        role, words = VERDICTS[verdict]
        marks.append(
            Cell(
                x=-0.23 + 0.5 * (k % 8),
                y=1.25 - 0.5 * (k // 8),
                text=" ".join(str(v) for _, v in outcome),
                width=0.46,
                height=0.44,
                role=role,
                opacity=0.2 if verdict == "forbidden" else 0.7,
                term=f"{_written(outcome)}: {words}",
            )
        )
    for k, (role, words) in enumerate(VERDICTS.values()):
        faint = role == "idle"
        marks.append(
            Cell(
                x=1.25 * k, y=0, text=words, width=1.2, height=0.5, role=role, opacity=0.2 + 0.5 * (not faint)
            )
        )
    possible = [o for o, v in judged if v != "forbidden"]
    weak = [o for o, v in judged if v == "weak"]
    readout = f"{len(possible)} of {len(judged)} outcomes can happen. "
    readout += (
        f"{asked} Yes: {_written(weak[0])}, which no interleaving of the threads gives."
        if weak
        else f"{asked} No: what is left, some interleaving of the threads gives too."
    )
    return Scene(
        title=f"{ordered_by} {'lets reordering through: that is the bug' if weak else 'is enough here'}",
        x=Axis(label="Threads", categories=("thread 0", "thread 1", "thread 2", "thread 3")),
        y=Axis(
            label="Programs, outcomes", categories=("colours", "outcomes", " ", "line 3", "line 2", "line 1")
        ),
        marks=marks,
        readout=readout,
        alt=f"Litmus program {text} with all its outcomes on Arm. {readout}",
        table=[("outcome", "on Arm"), *((_written(o), VERDICTS[v][1]) for o, v in judged)],
    )


def _written(outcome: Outcome) -> str:
    return ", ".join(f"{name}={value}" for name, value in outcome)


@explorable(
    "message-passing",
    label="The flag is up: is the data there?",
    hint="Which order is enough to pass a message? Is it enough for the second test?",
    order=Choice(list(ORDERS), label="Order"),
    test=Choice(TESTS, label="Test"),
)
def message_passing(order: str, test: str) -> Scene:
    """Two threads, two variables; all outcomes on Arm for an order of C++, as compilers translate it."""
    plain = shape(test).text
    store, load = ORDERS[order]
    text = plain.replace("STR", store).replace("LDR", load)
    return _picture(text, plain, shape(test).question, f"{order[0].upper()}{order[1:]} order")


FENCES = {"nothing": "", "DMB ISH": "DMB ISH", "DMB ISHLD": "DMB ISHLD", "DMB ISHST": "DMB ISHST"} | {
    "DSB SY": "DSB SY",
    "ISB": "ISB",
}


@explorable(
    "barriers",
    label="Which barrier forbids it?",
    hint="Find the weakest pair that forbids the outcome. Does ISB ever help by itself?",
    test=Choice({f"{n}: {s.question}": n for n, s in SHAPES.items() if n != "CoRR"}, label="Program"),
    first=Choice(FENCES, default="DMB ISHST", label="Barrier in thread 0"),
    others=Choice(FENCES, default="ISB", label="In the others"),
)
def barriers(test: str, first: str, others: str) -> Scene:
    """A litmus test with a barrier between the two accesses of each thread."""
    plain = shape(test).text
    threads = [thread.split("; ") for thread in plain.split(" | ")]
    for t, thread in enumerate(threads):
        fence = first if t == 0 else others
        if fence and len(thread) == 2:
            thread.insert(1, fence)
    text = " | ".join("; ".join(thread) for thread in threads)
    pair = f"{first or 'Nothing'} with {others or 'nothing'}" if first or others else "No barrier"
    return _picture(text, plain, shape(test).question, pair)


# pattern: what orders it, why, which count it needs
PATTERNS = {
    "weights, written before the threads start": ("nothing", "starting a thread orders all that came before"),
    "keys and values, written by the thread that reads them": ("nothing", "a thread sees its own stores"),
    "keys and values, read by all after the join": ("join", "the join already orders them"),
    "requests, handed from thread to thread": (
        "release",
        "a store-release of the tail, a load-acquire of it",
    ),
    "a counter of all threads": ("atomic", "LDADD, relaxed: the sum needs atomicity, not order"),
}


_JOINED = "Inside fork and join nothing needs an order of its own"
TITLES = {"nothing": _JOINED, "join": _JOINED} | {
    "release": "What is handed over outside of joins needs an order: two operations",
    "atomic": "A counter needs atomicity: one operation a thread, none of them ordered",
}


@explorable(
    "sharing-pattern",
    label="What must be ordered, and how often?",
    hint="Compare the orange bar with the chapter's rule at every pattern.",
    pattern=Choice(
        list(PATTERNS), default="keys and values, read by all after the join", label="Shared data"
    ),
    regions=Slider(1, 8, default=4, unit="a layer", label="Parallel regions"),
    threads=Slider(1, 8, default=4, unit="threads", label="Threads"),
)
def sharing_pattern(pattern: str, regions: float, threads: float) -> Scene:
    """Ordered operations per token of LLaMA-2 7B: needed, in the joins, and as the chapter asks."""
    model = transformer("llama-2-7b")
    need, why = PATTERNS[pattern]
    joins = int(model.layers * regions) * int(threads)
    per_vector = int(model.kv_bytes_per_token()) // 16
    needed = {"nothing": 0, "join": 0, "release": 2, "atomic": int(threads)}[need]
    bars = [
        ("needed besides", needed, "activations"),
        ("in the joins", joins, "compute"),
        ("release per vector", per_vector, "error"),
    ]
    marks: list[Mark] = [
        Bar(x=k, y0=0.5, y1=max(value, 0.5), role=role, term=f"{value:,} per token")
        for k, (_, value, role) in enumerate(bars)
    ]
    marks += [
        Text(x=k, y=max(value, 0.5) * 1.35, text=f"{value:,}", anchor="middle")
        for k, (_, value, _) in enumerate(bars)
    ]
    readout = (
        f"Recommended: {need if need != 'join' else 'nothing more'}; {why}. "
        f"{counted(needed, 'operation')} per token besides the {joins:,} of the joins; "
        f"a release for every 16-byte store of keys and values: {per_vector:,}."
    )
    return Scene(
        title=TITLES[need],
        x=Axis(label="Operations that order or are atomic", categories=tuple(name for name, *_ in bars)),
        y=Axis(label="Per token", lo=0.5, hi=1e5, log=True),
        marks=marks,
        readout=readout,
        alt=f"Bars of ordered operations per token of LLaMA-2 7B. {readout}",
        table=[("shared data", "order", "why"), *((p, n, w) for p, (n, w) in PATTERNS.items())],
    )


MODELS = {"any thread may go next": expected_retries, "all in step": retries_in_step}


@explorable(
    "atomic-contention",
    label="How often does an increment try again?",
    hint="Double the threads: do the retries double?",
    threads=Slider(1, 32, default=8, unit="threads", label="Threads"),
    model=Choice(list(MODELS), label="Scheduler"),
)
def atomic_contention(threads: float, model: str) -> Scene:
    """Failed store-exclusives when every thread adds 1, against one LDADD each."""
    count = range(1, 33)
    n = int(threads)
    failed = float(MODELS[model](n))
    marks: list[Mark] = [
        Line(x=list(count), y=[m(k) + k for k in count], role="idle", width=1.5, ghost=True, label=name)
        for name, m in MODELS.items()
        if name != model
    ]
    marks += [
        Line(x=list(count), y=[MODELS[model](k) + k for k in count], role="error", label="LDXR, STXR"),
        Line(x=list(count), y=list(count), role="activations"),
        Text(x=33, y=32, text="LDADD", role="activations"),
        Dot(x=n, y=failed + n, role="error", size=8),
        Dot(x=n, y=n, role="activations", size=8),
    ]
    readout = (
        f"{counted(n, 'increment')}: {significant(failed + n)} tries with exclusives, "
        f"{significant(failed / n)} retries each; LDADD takes {n}, none is repeated."
    )
    return Scene(
        title="With exclusives the tries grow faster than the threads; LDADD never repeats",
        x=Axis(label="Threads, one increment each", lo=0, hi=36),
        y=Axis(label="Tries, all threads together", lo=0.8, hi=1000, log=True),
        marks=marks,
        readout=readout,
        alt=f"Tries against threads for two kinds of atomic increment. {readout}",
        table=[
            ("threads", "any may go next", "all in step", "LDADD"),
            *(
                (str(k), f"{expected_retries(k) + k:.1f}", str(retries_in_step(k) + k), str(k))
                for k in (1, 2, 4, 8, 16, 32)
            ),
        ],
    )
