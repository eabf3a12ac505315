"""An explorable is a pure function with finite controls; every face of it says what the function says."""

from __future__ import annotations

import ast
import json
import struct
import subprocess
import sys
import zlib
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgelib.explore import Choice, Explorable, Slider, Step, Toggle, explorable
from edgelib.explore.explorable import View
from edgelib.explore.pyplot import figure, png
from edgelib.explore.scene import Area, Axis, Bar, Cell, Dot, Line, Mark, Scene, Span, Text
from edgelib.explore.widget import Live

WIDGET = "application/vnd.jupyter.widget-view+json"


@explorable(
    "speed",
    label="What bounds decode?",
    hint="Turn the bits.",
    model=Choice({"Seven billion": 7e9, "One billion": 1e9}, label="Model"),
    bits=Slider(2, 16, default=8, unit="bit", label="Weight bits"),
    fused=Toggle(label="Fused"),
    step=Step(3),
)
def speed(model: float, bits: int, fused: bool, step: int) -> Scene:
    """Tokens per second at 100 GB/s."""
    rate = 100e9 / (model * bits / 8) * (1.1 if fused else 1.0)
    return Scene(
        title="Fewer bits, more tokens",
        x=Axis(label="Weight bits", unit="bit", lo=0, hi=20),
        y=Axis(label="Decode", unit="tok/s", lo=1, hi=1e3, log=True),
        marks=[Dot(x=bits, y=rate, role="weights", label=f"step {step}", term="bandwidth / bytes")],
        readout=f"{rate:.1f} tok/s",
        alt=f"Decode with {bits} bit weights: {rate:.1f} tokens per second, step {step}.",
        table=[["bits", "tok/s"], [str(bits), f"{rate:.1f}"]],
    )


def of(marks: list[Mark], **changes: Any) -> Scene:
    scene = Scene(
        title="T.",
        x=Axis(label="Context", unit="tokens", lo=0, hi=10),
        y=Axis(label="Time", unit="s", lo=0, hi=10),
        marks=marks,
        readout="1 s",
        alt="A.",
    )
    return replace(scene, **changes)


# The function


def test_defaults_are_filled_in() -> None:
    assert speed.scene() == speed.scene(model=7e9, bits=8, fused=False, step=0)
    assert speed.scene(bits=4).readout == "28.6 tok/s"  # 100e9 / 3.5e9
    assert speed.scene(bits=np.int64(4)) == speed.scene(bits=4)


def test_it_is_still_the_function() -> None:
    assert isinstance(speed, Explorable)
    assert speed.__doc__ == "Tokens per second at 100 GB/s."
    assert speed.__name__ == "speed"
    assert speed.__wrapped__(7e9, 8, False, 0) == speed.scene()  # type: ignore[attr-defined]
    assert (speed.name, speed.label, speed.hint) == ("speed", "What bounds decode?", "Turn the bits.")
    assert [control.label for control in speed.controls.values()] == ["Model", "Weight bits", "Fused", "Step"]


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        ({"weights": 4}, "no control 'weights'; accepted: model, bits, fused, step"),
        ({"bits": 17}, r"Weight bits = 17: accepted: 2, 3,"),
        ({"bits": "4"}, "Weight bits = '4'"),
        ({"bits": None}, "Weight bits = None"),
        ({"bits": True}, "Weight bits = True"),
        ({"model": "Seven billion"}, "Model = 'Seven billion': accepted: 7"),
        ({"fused": 1}, "Fused = 1: accepted: False, True"),
        ({"step": 4}, "Step = 4"),
    ],
)
def test_unknown_controls_and_values_off_the_grid(chosen: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        speed.scene(**chosen)
    with pytest.raises(ValueError, match=message):
        speed(**chosen)


def test_bad_decorations() -> None:
    def takes_a(a: int) -> Scene:
        return of([Dot(x=a, y=1)])

    for controls in ({}, {"b": Toggle()}, {"a": Toggle(), "b": Toggle()}):
        with pytest.raises(ValueError, match=r"arguments \['a'\], controls .*; expected equal"):
            explorable("x", label="X", **controls)(takes_a)
    with pytest.raises(ValueError, match="a = 3; expected a Choice"):
        explorable("x", label="X", a=3)(takes_a)  # type: ignore[arg-type]
    for name, label in (("", "X"), ("x", "")):
        with pytest.raises(ValueError, match="non-empty"):
            explorable(name, label=label, a=Toggle())(takes_a)


def test_a_function_that_returns_no_scene() -> None:
    broken = explorable("broken", label="B", a=Toggle())(lambda a: "picture")  # type: ignore[arg-type,return-value]
    with pytest.raises(TypeError, match="broken returned str; expected a Scene"):
        broken.scene()


# What a cell shows


def test_a_cell_shows_the_sentence_the_picture_and_the_widget() -> None:
    view = speed(bits=4)
    assert isinstance(view, View)
    assert repr(view) == "Decode with 4 bit weights: 28.6 tokens per second, step 0."
    bundle = view._repr_mimebundle_()
    assert set(bundle) == {"text/plain", "image/png", WIDGET}
    assert bundle["text/plain"] == speed.scene(bits=4).alt
    assert bundle["image/png"] == png(speed.scene(bits=4))
    again = speed(bits=4)._repr_mimebundle_()
    assert {**again, WIDGET: None} == {**bundle, WIDGET: None}


def test_importing_explore_does_not_import_matplotlib_or_widgets() -> None:
    heavy = ("matplotlib", "ipywidgets", "anywidget")
    code = f"import sys, edgelib.explore; print([m for m in {heavy} if m in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_drawing_leaves_pyplot_alone() -> None:
    code = (
        "import sys; from tests.unit.test_explorable import speed\n"
        "from edgelib.explore.pyplot import png; png(speed.scene())\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
        "import matplotlib.pyplot as plt; assert plt.get_fignums() == []"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


# Live


def frames_after(requests: list[dict[str, Any]]) -> list[dict[str, Any]]:
    live = Live(speed, speed.indexes())
    frames = []
    for request in requests:
        live._handle_custom_msg(request, [])
        frames.append(json.loads(json.dumps(live.frame)))  # what crosses to the browser is plain JSON
    return frames


@settings(max_examples=30, deadline=None)
@given(st.tuples(st.integers(0, 1), st.integers(0, 14), st.integers(0, 1), st.integers(0, 3)))
def test_the_widget_answers_with_the_scene_of_the_request(indexes: tuple[int, ...]) -> None:
    (frame,) = frames_after([{"serial": "a-1", "indexes": list(indexes)}])
    values = {key: c.values[i] for (key, c), i in zip(speed.controls.items(), indexes, strict=True)}
    scene = speed.scene(**values)
    assert (frame["serial"], frame["indexes"]) == ("a-1", list(indexes))
    for name in ("title", "readout", "alt"):
        assert frame["drawing"][name] == getattr(scene, name)
    assert frame["drawing"]["table"] == [list(row) for row in scene.table]


def test_an_exception_is_shown_and_raised() -> None:
    @explorable("fails", label="Fails", a=Slider(0, 2, default=1))
    def fails(a: int) -> Scene:
        if a == 0:
            raise ZeroDivisionError("a = 0: nothing to divide by")
        return of([Dot(x=a, y=1)])

    live = Live(fails, fails.indexes())
    with pytest.raises(ZeroDivisionError):
        live._answer(live, {"serial": "s", "indexes": [0]}, [])
    assert live.frame == {
        "serial": "s",
        "indexes": [0],
        "error": "ZeroDivisionError: a = 0: nothing to divide by",
    }
    live._answer(live, {"serial": "t", "indexes": [2]}, [])
    assert "drawing" in live.frame
    with pytest.raises(ZeroDivisionError):
        fails.scene(a=0)
    with pytest.raises(ZeroDivisionError):
        fails(a=0)


# The printed picture

ROLE = {"role": "weights"}
MARKS = {
    "line": Line(x=(1, 5, 9), y=(1, 8, 9), **ROLE),
    "area": Area(x=(1, 9), y0=(1, 2), y1=(6, 9), **ROLE),
    "bar": Bar(x=5, y1=8, width=3, **ROLE),
    "span": Span(x0=2, x1=8, y=5, height=3, **ROLE),
    "dot": Dot(x=5, y=5, size=20, **ROLE),
    "cell": Cell(x=5, y=5, width=4, height=4, text="a", **ROLE),
    "text": Text(x=5, y=5, text="words", **ROLE),
}


def pixels(scene: Scene) -> np.ndarray:
    """The picture as numbers, read by matplotlib's own canvas."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure(scene))
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[:, :, :3].astype(int)


@pytest.mark.parametrize("ghost", [False, True])
@pytest.mark.parametrize("kind", MARKS)
def test_every_kind_of_mark_leaves_ink_and_a_ghost_less(kind: str, ghost: bool) -> None:
    blank = pixels(of([Text(x=1, y=1, text=" ")]))
    drawn = pixels(of([replace(MARKS[kind], ghost=ghost)]))
    assert (drawn != blank).any(axis=2).sum() > 100
    if kind != "text":
        solid = pixels(of([MARKS[kind]]))
        ink = [np.abs(picture - blank).sum() for picture in (drawn, solid)]
        assert ink[0] < ink[1] if ghost else ink[0] == ink[1]


@pytest.mark.parametrize("kind", ["line", "area", "bar", "span", "cell"])
def test_marks_are_clipped_to_the_axes(kind: str) -> None:
    huge: dict[str, Mark] = {
        "line": Line(x=(-1e4, 1e4), y=(-1e4, 1e4)),
        "area": Area(x=(-1e4, 1e4), y0=(-1e4, -1e4), y1=(1e4, 1e4)),
        "bar": Bar(x=5, y0=-1e4, y1=1e4, width=1e4),
        "span": Span(x0=-1e4, x1=1e4, y=5, height=1e4),
        "cell": Cell(x=5, y=5, width=1e4, height=1e4),
    }
    blank, drawn = pixels(of([Text(x=1, y=1, text=" ")])), pixels(of([huge[kind]]))
    rows, columns = np.nonzero((drawn != blank).any(axis=2))
    height, width, _ = drawn.shape
    assert columns.min() >= 44 and columns.max() <= width - 26  # the margins of the axes
    assert rows.min() >= 60 and rows.max() <= height - 50


@pytest.mark.parametrize(
    "changes",
    [
        {"x": Axis(label="Context", lo=1, hi=1e6, log=True)},
        {"y": Axis(label="Rate", lo=1e-9, hi=1e13, log=True)},
        {"x": Axis(label="Model", categories=("a", "b", "c"))},
        {"y": Axis(label="Unit", categories=("CPU", "GPU"))},
        {"x": Axis(label="Tiny", lo=0, hi=1e-9)},
        {"y": Axis(label="Huge", lo=-1e15, hi=1e15)},
        {"x": Axis(label="Far from zero", lo=1e6, hi=1e6 + 1)},
        {"title": "A finding of several lines. " * 6, "readout": "A long readout. " * 12},
    ],
)
def test_axes_of_all_kinds_and_extremes(changes: dict[str, Any]) -> None:
    content = png(of(list(MARKS.values()), **changes))
    assert content != png(of(list(MARKS.values())))


def test_different_scenes_differ_and_equal_ones_do_not() -> None:
    assert png(speed.scene(bits=4)) == png(speed.scene(bits=4))
    assert png(speed.scene(bits=4)) != png(speed.scene(bits=5))


def test_the_png_is_100_dpi_and_carries_no_date() -> None:
    content = png(speed.scene())
    chunks, at = {}, 8
    while at < len(content):
        (length,) = struct.unpack(">I", content[at : at + 4])
        name, body = content[at + 4 : at + 8], content[at + 8 : at + 8 + length]
        assert zlib.crc32(name + body) == struct.unpack(">I", content[at + 8 + length : at + 12 + length])[0]
        chunks.setdefault(name, body)
        at += 12 + length
    assert set(chunks) == {b"IHDR", b"pHYs", b"IDAT", b"IEND"}
    assert struct.unpack(">II", chunks[b"pHYs"][:8]) == (3937, 3937)  # pixels per metre


def test_no_module_of_explore_reads_the_network() -> None:
    from pathlib import Path

    import edgelib.explore

    for path in Path(edgelib.explore.__file__).parent.glob("*.js"):
        text = path.read_text(encoding="utf-8")
        assert not any(
            word in text for word in ("fetch(", "XMLHttpRequest", "import ", "WebSocket", "https:")
        )
    for path in Path(edgelib.explore.__file__).parent.glob("*.py"):
        names = {
            n.name
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Import)
            for n in node.names
        }
        assert not names & {"urllib", "requests", "socket"}
