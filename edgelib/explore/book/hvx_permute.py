"""Can bytes go anywhere? The stages of VDELTA and VRDELTA, and the orders that one pass cannot make."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgelib.explore import Choice, Step, explorable
from edgelib.explore.scene import Axis, Cell, Line, Mark, Scene, Text
from edgelib.isa import hvx

Array = NDArray[Any]

SIZE = 8  # bytes drawn: the stages of distance 4, 2 and 1 of the seven
ORDERS = {  # byte that each place gets
    "reverse": (7, 6, 5, 4, 3, 2, 1, 0),
    "rotate by 3": (3, 4, 5, 6, 7, 0, 1, 2),
    "swap 0 and 3": (3, 1, 2, 0, 4, 5, 6, 7),
    "interleave the halves": (0, 4, 1, 5, 2, 6, 3, 7),
    "byte 5 everywhere": (5, 5, 5, 5, 5, 5, 5, 5),
    "each of 0 to 3 twice": (0, 0, 1, 1, 2, 2, 3, 3),
}
PASSES = {
    "vdelta": ("vdelta",),
    "vrdelta": ("vrdelta",),
    "vdelta, then vrdelta": ("vdelta", "vrdelta"),
}
DISTANCES = {"vdelta": (4, 2, 1), "vrdelta": (1, 2, 4)}


def whole(order: tuple[int, ...]) -> Array:
    """An order of the first 8 bytes as one of all 128."""
    return np.concatenate([order, np.arange(SIZE, 128)])


def paths(order: tuple[int, ...], name: str) -> Array:
    """Where the byte for each place is before the first stage and after each: int[4, 8]; the only way."""
    place = np.array(order)
    rows = [place]
    for distance in DISTANCES[name]:
        place = place & ~distance | np.arange(SIZE) & distance
        rows.append(place)
    return np.array(rows)


def controls(order: tuple[int, ...], names: tuple[str, ...]) -> list[Array] | None:
    """Control bytes for each pass, or None if they cannot do it."""
    if len(names) == 2 and len(set(order)) == SIZE:
        return list(hvx.route_twice(whole(order)))
    one = hvx.route(whole(order), names[0])  # of two passes, one is enough for the copies among ORDERS
    return None if one is None else [one, np.zeros(128, np.uint8)][: len(names)]


@explorable(
    "delta-network",
    label="Can a permute instruction make any order?",
    hint="Step through. One swap of two bytes, and one pass cannot do it: where do two bytes meet?",
    step=Step(6, default=3, label="Stage"),
    order=Choice(list(ORDERS), default="swap 0 and 3", label="Wanted"),
    passes=Choice(list(PASSES), label="Instructions"),
)
def delta_network(step: int, order: str, passes: str) -> Scene:
    """Eight bytes through the last stages of a butterfly network, with the control bit of each switch."""
    wanted, names = ORDERS[order], PASSES[passes]
    control = controls(wanted, names)
    distances = [d for name in names for d in DISTANCES[name]]
    done = min(step, len(distances))
    marks: list[Mark] = [
        Line(x=(s, s + 1), y=(SIZE - 1 - k, SIZE - 1 - (k ^ bit)), role="idle", width=0.8, ghost=True)
        for s, distance in enumerate(distances)
        for k in range(SIZE)
        for bit in (0, distance)
    ]
    if control is not None:
        held = _run(control, names)
        verdict = "The order is reached." if done == len(distances) else "No two bytes meet: step on."
        for s in range(done):
            bits = control[s // 3]
            for k in range(SIZE):
                swapped = bool(bits[k] & distances[s])
                source = k ^ distances[s] if swapped else k
                ends: dict[str, Any] = dict(x=(s, s + 1), y=(SIZE - 1 - source, SIZE - 1 - k))
                marks.append(Line(role="compute" if swapped else "activations", width=2.5, **ends))
        for s in range(done + 1):
            marks += [_byte(s, k, str(held[s][k]), "activations") for k in range(SIZE)]
    else:
        verdict = _draw_paths(marks, wanted, names[0], done)
    end = len(distances) + 0.35
    marks += [Text(x=end, y=SIZE - 1 - k, text=f"wants {wanted[k]}") for k in range(SIZE)]
    readout = (
        f"Stage {done} of {len(distances)}. {verdict} The 12 switches of one pass over 8 bytes make 4,096 of "
        f"40,320 orders."
    )
    return Scene(
        title="One pass makes few orders, two passes make all",
        x=Axis(label="After stage", lo=-0.4, hi=7.6),
        y=Axis(label="Byte", categories=tuple(str(k) for k in reversed(range(SIZE)))),
        marks=marks,
        readout=readout,
        alt=f"Eight bytes through {passes}, to {order}. {readout}",
        table=[
            ("place", "wants byte", *(f"control, {name}" for name in ("first", "second"))),
            *((str(k), str(wanted[k]), *_bits(control, k)) for k in range(SIZE)),
        ],
    )


def _run(control: list[Array], names: tuple[str, ...]) -> list[Array]:
    """The first 8 bytes before, between and after the stages that are drawn."""
    held = [np.arange(SIZE)]
    state = np.arange(128, dtype=np.uint8)
    for name, bits in zip(names, control, strict=True):
        states = hvx.network(state, bits, name)
        shown = states[5:] if name == "vdelta" else states[1:4]  # stages 4, 2, 1 are its last or its first
        held += [row[:SIZE] for row in shown]
        state = states[-1]
    return held


def _byte(stage: int, place: int, text: str, role: str) -> Cell:
    return Cell(x=stage, y=SIZE - 1 - place, text=text, width=0.56, height=0.72, role=role)


def _draw_paths(marks: list[Mark], wanted: tuple[int, ...], name: str, done: int) -> str:
    """The only path of every byte, and the first places at which two different bytes would have to be."""
    at, where = paths(wanted, name), ""
    for s in range(done):
        for k in range(SIZE):
            ends: dict[str, Any] = dict(x=(s, s + 1), y=(SIZE - 1 - at[s, k], SIZE - 1 - at[s + 1, k]))
            marks.append(Line(role="activations", width=1.8, **ends))
    clash = False
    for s in range(done + 1):
        for place in range(SIZE):
            here = sorted({wanted[k] for k in range(SIZE) if at[s, k] == place})
            meets = len(here) > 1 and s < len(at) - 1
            if meets and not clash:
                both = f"bytes {here[0]} and {here[1]}"
                where = f"Impossible: after stage {s}, {both} would have to be at place {place}."
            clash = clash or meets
            if here:
                text = "+".join(map(str, here))
                marks.append(_byte(s, place, text, "error" if meets else "activations"))
    return where or "No two bytes meet so far: step on."


def _bits(control: list[Array] | None, place: int) -> tuple[str, str]:
    """The control bits 4, 2, 1 of both passes at one place."""
    written = [f"{int(bits[place]) & 7:03b}" for bits in control or []]
    return (*written, "-", "-")[0], (*written, "-", "-")[1]
