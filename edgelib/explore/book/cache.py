"""What do caches do for a program? Latency by size, prefetching, tiles, and a ring of keys and values."""

from __future__ import annotations

from functools import cache

import numpy as np

from edgelib.explore import Choice, Slider, Step, Toggle, explorable
from edgelib.explore.scene import Area, Axis, Cell, Dot, Line, Mark, Scene, Text
from edgelib.hardware.cache.blocking import Tiling
from edgelib.hardware.cache.hierarchy import MEMORIES
from edgelib.hardware.cache.prefetch import AGAIN, COVERED, LATE, MISS, Prefetched, prefetch
from edgelib.units import KIB, si, significant
from edgelib.workloads import transformer

WORKING_SETS = np.geomspace(1 << 10, 128 << 20, 409)


@explorable(
    "pointer-chase",
    label="How long does one load take?",
    hint="Read the same chase in cycles, then in nanoseconds: in which is the printed range right?",
    memory=Choice(list(MEMORIES), label="Core"),
    working_set=Slider(1, 131072, log2=True, default=32768, unit="KiB", label="Working set"),
    in_ns=Toggle(label="In nanoseconds (off: cycles)"),
)
def pointer_chase(memory: str, working_set: float, in_ns: bool) -> Scene:
    """Latency per load of a pointer chase against its working set, with the range that the chapter prints."""
    core = MEMORIES[memory]
    scale = 1e9 if in_ns else core.clock_Hz  # to nanoseconds, or to cycles
    here = core.chase_s(working_set * KIB)
    marks: list[Mark] = [
        Area(x=[1, 131072], y0=[100, 100], y1=[150, 150], role="error", label="printed for DRAM: 100 to 150"),
        Line(x=WORKING_SETS / KIB, y=core.chase_s(WORKING_SETS) * scale, role="memory"),
    ]
    starts = [1.3, *(level.cache.size / KIB * 1.2 for level in core.levels)]
    for name, seconds, at in zip(core.names, core.latencies_s, starts, strict=True):
        marks.append(Text(x=at, y=seconds * scale * 0.72, text=f"{name} {significant(seconds * scale)}"))
    marks.append(Dot(x=working_set, y=here * scale, role="error", size=7))
    readout = (
        f"{significant(here * 1e9)} ns per load, {significant(here * core.clock_Hz)} cycles "
        f"at {core.clock_Hz / 1e9:.2f} GHz, for {working_set:,.0f} KiB of data."
    )
    return Scene(
        title="The printed 100 to 150 fits the DRAM in nanoseconds, not in cycles",
        x=Axis(label="Working set", unit="KiB", lo=1, hi=131072, log=True),
        y=Axis(label="Per load, in the unit chosen", lo=0.5, hi=1000, log=True),
        marks=marks,
        readout=readout,
        alt=f"Staircase of load latency against working set, {memory}. {readout}",
        table=[
            ("served by", "size", "ns", "cycles", "confidence"),
            *(
                (
                    n,
                    si(level.cache.size, "B") if level else "-",
                    significant(t * 1e9),
                    significant(t * core.clock_Hz),
                    (level.latency if level else core.dram).confidence,
                )
                for n, t, level in zip(core.names, core.latencies_s, [*core.levels, None], strict=True)
            ),
        ],
    )


PATTERNS = {
    "a row, 8 bytes a step": "row",
    "every 4th line": "stride",
    "a column, 4 KiB a step": "column",
    "random lines": "random",
}
KINDS = {"none": "none", "next line": "next line", "stride": "stride", "2 KB region": "region"}
LATENCY, GAP, TOUCHES = 324, 20, 48


@cache
def _run(pattern: str, kind: str, distance: int) -> Prefetched:
    n = 8 * 256 if pattern == "row" else 256
    steps = {"row": 8, "stride": 256, "column": 4096}
    trace = np.random.default_rng(5).permutation(1 << 14)[:n] * 64
    return prefetch(
        np.arange(n) * steps[pattern] if pattern in steps else trace, kind, distance, LATENCY, GAP
    )


@explorable(
    "prefetch-strip",
    label="Can a line be asked for in time?",
    hint="Find the distance at which orange turns green. Then try the column, and the random lines.",
    pattern=Choice(PATTERNS, label="Access"),
    kind=Choice(KINDS, default="next line", label="Prefetcher"),
    distance=Slider(1, 32, log2=True, default=1, unit="ahead", label="Distance"),
)
def prefetch_strip(pattern: str, kind: str, distance: float) -> Scene:
    """The first 48 lines that a program touches: missed, late or there in time."""
    run = _run(pattern, kind, int(distance))
    first = np.flatnonzero(run.outcome != AGAIN)
    roles = {MISS: ("error", "miss"), LATE: ("compute", "late"), COVERED: ("activations", "ok")}
    marks: list[Mark] = []
    for k, at in enumerate(first[:TOUCHES].tolist()):
        role, text = roles[int(run.outcome[at])]
        marks.append(
            Cell(
                x=k % 12,
                y=3 - k // 12,
                text=text,
                role=role,
                term=f"waits {run.wait[at]} cycles",
                opacity=0.7,
            )
        )
    waited = float(run.wait.sum()) / first.size
    missed = run.count(MISS) / run.outcome.size
    asked = f"Coverage {run.coverage:.1%}, accuracy {run.accuracy:.1%}, timely {run.timeliness:.0%}"
    readout = (
        f"{asked if run.issued else 'Nothing is asked for in advance'}; "
        f"miss rate {missed:.1%} of accesses; {waited:.0f} cycles of waiting per line (unaided: {LATENCY})."
    )
    return Scene(
        title="Asked for is not yet there: a short distance is late, a wrong guess is waste",
        x=Axis(label="Lines in the order of their first touch, 12 a row", lo=-0.5, hi=11.5),
        y=Axis(label="Rows", categories=("lines 37-48", "lines 25-36", "lines 13-24", "lines 1-12")),
        marks=marks,
        readout=readout,
        alt=f"Strip of the first 48 lines touched, each a miss, late or in time. {readout}",
        table=[
            ("coverage", "accuracy", "timely", "issued", "used"),
            (
                f"{run.coverage:.1%}",
                f"{run.accuracy:.1%}",
                f"{run.timeliness:.0%}",
                str(run.issued),
                str(run.used),
            ),
        ],
    )


WIDTH = 4096
TILES = 2.0 ** np.arange(4, 13)


def _tiling(tokens: float, tile: float) -> Tiling:
    """`tokens` rows of activations times a 4096 x 4096 weight matrix, 8 bits, square tiles."""
    t = int(tile)
    return Tiling(int(tokens), WIDTH, WIDTH, min(int(tokens), t), t, t)


@explorable(
    "cache-blocking",
    label="What does a tile save?",
    hint="Set the tokens to 1: which tile still helps?",
    tokens=Slider(1, 1024, log2=True, default=512, unit="tokens", label="Rows of activations"),
    tile=Slider(16, 4096, log2=True, default=256, unit="wide", label="Tile"),
    l2=Slider(128, 2048, log2=True, default=512, unit="KiB", label="L2"),
)
def cache_blocking(tokens: float, tile: float, l2: float) -> Scene:
    """Bytes from DRAM of a tiled matrix product against the tile's edge."""
    moved = np.array([_tiling(tokens, t).dram_bytes for t in TILES]) / 1e6
    fits = np.array([_tiling(tokens, t).fits(int(l2 * KIB)) for t in TILES])
    now = _tiling(tokens, tile)
    fit = now.fits(int(l2 * KIB))
    least = now.least_bytes / 1e6
    good = int(fits.sum())
    marks: list[Mark] = [
        Line(x=[16, 4096], y=[least, least], role="idle", width=1.5, ghost=True),
        Text(x=17, y=least * 0.72, text=f"each matrix once: {significant(least)} MB", role="idle"),
        Line(x=TILES, y=moved, role="idle", width=1.5, ghost=True),
    ]
    if good:
        marks.append(Line(x=TILES[:good], y=moved[:good], role="memory", label="fits the L2"))
    at = moved[int(np.log2(tile)) - 4]
    marks.append(
        Dot(x=tile, y=at, role="activations" if fit else "error", size=8, label="" if fit else "too large")
    )
    verdict = "fits" if fit else "does not fit, so its blocks evict each other and this count is not reached"
    readout = (
        f"{significant(float(at))} MB from and to DRAM, {significant(float(at) / least)} times the least; "
        f"the three blocks take {significant(now.tile_bytes / KIB)} KiB of {l2:,.0f} KiB: {verdict}."
    )
    return Scene(
        title="Tiles save by using a weight for many tokens; one token has nothing to use it for",
        x=Axis(label="Edge of the tile", unit="weights", lo=14, hi=6000, log=True),
        y=Axis(label="From and to DRAM", unit="MB", lo=10, hi=3000, log=True),
        marks=marks,
        readout=readout,
        alt=f"DRAM traffic of a product with a 4096 x 4096 matrix of 8 bits against the tile. {readout}",
        table=[
            ("tile", "blocks", "fits", "from and to DRAM"),
            *(
                (f"{t:.0f}", si(_tiling(tokens, t).tile_bytes, "B"), "yes" if f else "no", f"{m:.1f} MB")
                for t, f, m in zip(TILES, fits, moved, strict=True)
            ),
        ],
    )


WORDS = (
    *("The", "phone", "answers", "while", "the", "train", "is", "in"),
    *("the", "tunnel", "and", "no", "network", "is", "there"),
)


@explorable(
    "ring-kv",
    label="Where does the next token's key go?",
    hint="Step on: from when on does a new token cost an old one its place?",
    step=Step(len(WORDS) - 1, default=9, label="Token"),
    window=Slider(3, 8, default=6, unit="tokens", label="Window"),
)
def ring_kv(step: int, window: float) -> Scene:
    """A ring buffer for keys and values: token t goes into slot t mod window."""
    size = int(window)
    per_token = transformer("llama-2-7b").kv_bytes_per_token()
    marks: list[Mark] = []
    for slot in range(8):
        held = [t for t in range(step + 1) if t % size == slot]
        if slot >= size:
            marks.append(Cell(x=slot, y=1, text="", role="idle", opacity=0.1))
        elif held:
            role = "highlight" if held[-1] == step else "kv"
            marks.append(Cell(x=slot, y=1, text=WORDS[held[-1]], role=role, opacity=0.7))
            marks.append(Cell(x=slot, y=0, text=str(held[-1]), role="idle", opacity=0.15))
        else:
            marks.append(Cell(x=slot, y=1, text="-", role="idle", opacity=0.2))
    lost = step - size
    marks.append(Text(x=-0.4, y=1.7, text=f"slot = {step} mod {size} = {step % size}"))
    gone = f'"{WORDS[lost]}" (token {lost}) is overwritten' if lost >= 0 else "nothing is lost yet"
    readout = (
        f'"{WORDS[step]}" (token {step}) goes into slot {step % size}; {gone}. '
        f"LLaMA-2 7B in 16 bits: {size} slots take {si(size * per_token, 'B')}, for a text of any length."
    )
    return Scene(
        title="The ring keeps its size: a new token takes the slot of the oldest",
        x=Axis(label="Slot", categories=tuple(str(k) for k in range(8))),
        y=Axis(label="Content", categories=("token", "word", " ")),
        marks=marks,
        readout=readout,
        alt=f"Ring buffer of {size} slots after token {step}. {readout}",
        table=[
            ("slot", "token", "word"),
            *(
                (str(s), str(h[-1]) if h else "-", WORDS[h[-1]] if h else "-")
                for s in range(size)
                for h in [[t for t in range(step + 1) if t % size == s]]
            ),
        ],
    )
