"""Where do the specs come from? From `solutions/` in a checkout of the book: trusted code."""

from __future__ import annotations

import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

from edgelib.grading.spec import Exercise

ROOT = Path(__file__).resolve().parents[2]


def sources(root: Path = ROOT) -> list[Path]:
    """`solutions/exN.md` of the checkout, in order.

    Raises
    ------
    FileNotFoundError : `root` has no solutions (an installed package, or a copy made for students).
    """
    found = sorted((root / "solutions").glob("ex*.md"))
    if not found:
        raise FileNotFoundError(
            f"{root / 'solutions'} holds no ex*.md; run this in a full checkout of the book"
        )
    return found


def load_spec(name: str, root: Path = ROOT) -> Exercise:
    """The `EXERCISE` of `solutions/<name>.py`.

    Raises
    ------
    FileNotFoundError : there is no such spec.
    ValueError : the file does not define `EXERCISE`, or calls it by another name.
    """
    path = root / "solutions" / f"{name}.py"
    if not path.is_file():
        raise FileNotFoundError(f"there is no spec {path}")
    module_name = f"edgelib_solutions_{name}"
    location = spec_from_file_location(module_name, path)
    assert location is not None and location.loader is not None  # a .py file always has a loader
    module = sys.modules[module_name] = module_from_spec(location)  # dataclasses in a spec look themselves up
    location.loader.exec_module(module)
    exercise = getattr(module, "EXERCISE", None)
    if not isinstance(exercise, Exercise) or exercise.name != name:
        raise ValueError(f"{path} must define EXERCISE = Exercise({name!r}, ...), not {exercise!r}")
    return exercise
