"""PagedAttention: the allocator one event at a time, then what a page of each size wastes."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np

from edgelib.explore import Slider, Step, explorable
from edgelib.explore.scene import Axis, Cell, Dot, Line, Mark, Scene, Text
from edgelib.kernels.paged_kv import PagedKV, admitted
from edgelib.units import GIB, gib, si, significant
from edgelib.workloads import transformer

SLOTS, COLUMNS, LONGEST = 64, 8, 16  # token slots, slots in a row of the picture, longest request
ROLES = dict(
    zip("ABCDEFG", ("weights", "compute", "activations", "memory", "kv", "highlight", "error"), strict=True)
)
# (what happens, request, its tokens or its parent)
SCRIPT: tuple[tuple[str, str, int | str], ...] = (
    ("asks", "A", 10),
    ("asks", "B", 5),
    ("asks", "C", 13),
    ("writes", "A", 3),
    ("asks", "D", 6),
    ("asks", "E", 4),
    ("ends", "B", 0),
    ("asks", "F", 7),
    ("forks", "G", "C"),
    ("writes", "G", 2),
    ("writes", "C", 2),
    ("ends", "A", 0),
)


class Moment(NamedTuple):
    """Both memories after an event: who is in each slot ("" for nobody), and what happened."""

    paged: tuple[str, ...]
    owned: tuple[str, ...]  # paged slots that are taken, filled or not
    whole: tuple[str, ...]
    reserved: tuple[str, ...]
    text: str
    tables: tuple[tuple[str, str], ...]


@cache
def _moments(page_tokens: int) -> tuple[Moment, ...]:
    """The script, played on a paged memory and on one that reserves the longest request for each."""
    pool = PagedKV(SLOTS // page_tokens, page_tokens)
    places: list[str] = [""] * (SLOTS // LONGEST)
    waiting: list[str] = []
    moments = []
    for event, request, detail in SCRIPT:
        before = pool.tables.get(request, [])[:]
        if event == "asks":
            pool.start(request)
            pool.append(request, np.zeros((int(detail), 1)))
            text = f"{request} arrives with {detail} tokens"
        elif event == "writes":
            pool.append(request, np.zeros((int(detail), 1)))
            text = f"{request} writes {detail} tokens"
            moved = [(a, b) for a, b in zip(before, pool.tables[request], strict=False) if a != b]
            text += "".join(
                f"; page {a} is shared, so {request} copies it to page {b} first" for a, b in moved
            )
        elif event == "forks":
            pool.fork(str(detail), request)
            text = f"{request} goes on from {detail}: it shares every page and copies none"
        else:
            pool.finish(request)
            text = f"{request} ends and gives its pages back"
        lengths = {name: pool.lengths[name] for name in pool.tables}
        places = [name if name in lengths else "" for name in places]
        waiting += [request] * (event in ("asks", "forks"))
        while waiting and "" in places:
            places[places.index("")] = waiting.pop(0)
        if request in waiting:
            text += f" (the reservations are full: {request} waits there)"
        moments.append(Moment(*_slots(pool), *_contiguous(places, lengths), text, _tables(pool)))
    return tuple(moments)


def _slots(pool: PagedKV) -> tuple[tuple[str, ...], tuple[str, ...]]:
    filled, owned = [""] * SLOTS, [""] * SLOTS
    for request, table in pool.tables.items():
        for i, page in enumerate(table):
            for offset in range(pool.page_tokens):
                slot = page * pool.page_tokens + offset
                owned[slot] = request
                if i * pool.page_tokens + offset < pool.lengths[request]:
                    filled[slot] += request
    return tuple(filled), tuple(owned)


def _contiguous(places: list[str], lengths: dict[str, int]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    reserved = [name for name in places for _ in range(LONGEST)]
    filled = [name if i % LONGEST < lengths.get(name, 0) else "" for i, name in enumerate(reserved)]
    return tuple(filled), tuple(reserved)


def _tables(pool: PagedKV) -> tuple[tuple[str, str], ...]:
    return tuple((name, " ".join(map(str, table))) for name, table in pool.tables.items())


def _grid(filled: tuple[str, ...], owned: tuple[str, ...], left: float) -> list[Mark]:
    marks: list[Mark] = []
    for slot, (who, owner) in enumerate(zip(filled, owned, strict=True)):
        x, y = left + slot % COLUMNS, SLOTS // COLUMNS - 1 - slot // COLUMNS
        role = ROLES[who[0]] if who else "idle"
        shade = 1.0 if who else 0.55 if owner else 0.1
        term = f"slot {slot}: {who or ('reserved by ' + owner + ', empty' if owner else 'free')}"
        marks.append(Cell(x=x, y=y, text=who, role=role, opacity=shade, width=0.92, height=0.9, term=term))
    return marks


@explorable(
    "paged-steps",
    label="Where do the tokens of seven requests go?",
    hint="Step through. Grey slots are taken and empty. Watch who has to wait on the right, and what the "
    "fork copies. Then try other page sizes.",
    step=Step(len(SCRIPT) - 1, default=5, label="Event"),
    page_tokens=Slider(2, 8, log2=True, default=4, unit="tokens", label="Page"),
)
def paged_steps(step: int, page_tokens: int) -> Scene:
    """Two memories of 64 token slots after each event: pages, and reservations of the longest request."""
    now = _moments(page_tokens)[step]
    marks = [*_grid(now.paged, now.owned, 0), *_grid(now.whole, now.reserved, 9)]
    marks.append(Text(x=3.5, y=7.85, text=f"pages of {page_tokens}", anchor="middle"))
    marks.append(Text(x=12.5, y=7.85, text=f"{LONGEST} reserved for each", anchor="middle"))

    def waste(filled: tuple[str, ...], owned: tuple[str, ...]) -> int:
        return sum(bool(o) and not f for f, o in zip(filled, owned, strict=True))

    paged, whole = waste(now.paged, now.owned), waste(now.whole, now.reserved)
    readout = f"{now.text}. Slots taken and empty: {paged} with pages, {whole} with reservations."
    tables = dict(now.tables)
    return Scene(
        title="Pages leave room where reservations leave holes",
        x=Axis(label="Token slots", lo=-0.6, hi=16.6),
        y=Axis(label="Rows of memory", lo=-0.6, hi=8.3),
        marks=marks,
        readout=readout,
        alt=f"Two memories of {SLOTS} token slots, event {step + 1} of {len(SCRIPT)}. {readout}",
        table=[("request", "page table"), *((name, tables.get(name, "none")) for name in ROLES)],
    )


KV_PER_TOKEN = transformer("llama-2-7b").kv_bytes_per_token()
PAGES = tuple(2**k for k in range(10))


@cache
def _lengths(mean: int, longest: int) -> tuple[int, ...]:
    """Final lengths of 4,000 requests: exponential, cut at the longest (drawn with a fixed seed)."""
    drawn = np.random.default_rng(5).exponential(mean, 4000)
    return tuple(np.clip(np.ceil(drawn), 1, longest).astype(int).tolist())


@explorable(
    "page-size",
    label="How large should a page be?",
    hint="Short answers, long allowance: that is where reservations hurt. Pages of 16 tokens waste little; "
    "smaller ones only lengthen the tables.",
    page=Slider(1, 512, log2=True, default=16, unit="tokens", label="Page"),
    mean=Slider(64, 1024, log2=True, default=256, unit="tokens", label="Mean length"),
    longest=Slider(1024, 4096, log2=True, default=2048, unit="tokens", label="Longest allowed"),
)
def page_size(page: int, mean: int, longest: int) -> Scene:
    """Share of 16 GiB of keys and values (LLaMA-2 7B) that holds tokens, against page size."""
    slots = int(16 * GIB / KV_PER_TOKEN)
    lengths = _lengths(mean, longest)
    share = [100 * admitted(lengths, slots, p)[1] / slots for p in PAGES]
    paged, held = admitted(lengths, slots, page)
    whole, whole_held = admitted(lengths, slots, longest)
    readout = (
        f"Pages of {page}: {paged} requests at once, {significant(100 * held / slots)} % of the slots hold "
        f"tokens. {longest:,} reserved for each: {whole} requests, {significant(100 * whole_held / slots)} %."
    )
    return Scene(
        title="A page of 16 tokens wastes hardly anything",
        x=Axis(label="Page", unit="tokens", lo=0.8, hi=1000, log=True),
        y=Axis(label="Slots that hold tokens", unit="%", lo=0, hi=110),
        marks=[
            Line(x=PAGES, y=share, role="kv", label="paged", term="tokens / slots"),
            Line(
                x=[0.8, 1000],
                y=[100 * whole_held / slots] * 2,
                role="error",
                width=2,
                ghost=True,
                term="reserved for the longest",
            ),
            Text(x=1, y=100 * whole_held / slots + 4, text="longest reserved for each", role="error"),
            Dot(x=page, y=100 * held / slots, role="kv", size=7, label=f"{paged} requests"),
        ],
        readout=readout,
        alt=f"Share of a memory of {gib(16 * GIB)} ({slots:,} tokens of {si(KV_PER_TOKEN, 'B')}) that holds "
        f"tokens, against page size. {readout}",
        table=[
            ("page", "requests at once", "slots that hold tokens"),
            *(
                (str(p), str(admitted(lengths, slots, p)[0]), f"{s:.1f} %")
                for p, s in zip(PAGES, share, strict=True)
            ),
        ],
    )
