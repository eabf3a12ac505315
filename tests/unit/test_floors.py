"""The floors of the house: a module of edgelib imports only floors below its own."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parents[2]
LIBRARY = ROOT / "edgelib"
FLOORS = {
    "errors": 0,
    "units": 0,
    "data": 0,
    "store": 0,
    "isa": 1,
    "hardware": 1,
    "workloads": 1,
    "kernels": 2,
    "metrics": 3,
    "planning": 4,
    "explore": 5,
    "exercises": 5,
    "grading": 6,
    "cli": 7,
    "__main__": 8,
}
# A floor below is not enough here: kernels know no device, the grader draws nothing.
FORBIDDEN = {("kernels", "hardware"), ("grading", "explore")}
# Models of silicon read instructions: a packet checker, a lock in a loop of atomics.
NEIGHBOURS = {("hardware", "isa")}
OUTSIDE = {"solutions", "exercises", "tests", "book"}
MODULES = sorted(path.relative_to(ROOT).as_posix() for path in LIBRARY.rglob("*.py"))


def imports(source: str, package: str = "") -> set[str]:
    """Every module that a source imports, inside functions too, by its full dotted name."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            parents = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*parents, *filter(None, [node.module])])
            found |= {f"{base}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in {
            "import_module",
            "__import__",
        }:
            found |= {str(part.value) for part in node.args if isinstance(part, ast.Constant)}
    return found


def parts(source: str, package: str = "") -> set[str]:
    """The parts of edgelib that a source imports."""
    names = [name.split(".") for name in imports(source, package)]
    return {name[1] for name in names if name[0] == "edgelib" and len(name) > 1 and name[1] in FLOORS}


def violations(part: str, source: str, package: str = "edgelib") -> set[str]:
    """What a source in `part` imports against the rules."""
    wrong = set()
    for used in parts(source, package) - {part}:
        beside = FLOORS[used] == FLOORS[part] == 0 or (part, used) in NEIGHBOURS
        if (FLOORS[used] >= FLOORS[part] and not beside) or (part, used) in FORBIDDEN:
            wrong.add(used)
    return wrong | ({name.split(".")[0] for name in imports(source, package)} & OUTSIDE)


def part_of(module: str) -> str:
    return Path(module).with_suffix("").parts[1]


def test_every_part_has_a_floor() -> None:
    assert {part_of(module) for module in MODULES} - {"__init__"} <= set(FLOORS)


@pytest.mark.parametrize("module", [module for module in MODULES if module != "edgelib/__init__.py"])
def test_imports_only_lower_floors(module: str) -> None:
    path = ROOT / module
    package = ".".join(path.relative_to(ROOT).parent.parts)
    assert violations(part_of(module), path.read_text(encoding="utf-8"), package) == set()


@pytest.mark.parametrize("module", MODULES)
def test_says_what_it_answers(module: str) -> None:
    assert ast.get_docstring(ast.parse((ROOT / module).read_text(encoding="utf-8")))


def test_notebooks_and_texts_never_import_the_grader() -> None:
    for path in sorted([*(ROOT / "book").rglob("*.ipynb"), *(ROOT / "exercises").rglob("*.ipynb")]):
        for cell in nbformat.read(path, as_version=4).cells:
            if cell.cell_type == "code":
                assert "grading" not in parts(cell.source), path.name


@pytest.mark.parametrize(
    ("part", "source", "wrong"),
    [
        ("hardware", "from edgelib.errors import positive", set()),
        ("units", "import edgelib.errors", set()),
        ("hardware", "from edgelib.hardware.device import Engine", set()),
        ("hardware", "import edgelib.metrics.predict", {"metrics"}),
        ("hardware", "from edgelib import workloads", {"workloads"}),
        ("hardware", "from edgelib.isa import neon", set()),
        ("isa", "from edgelib.hardware import cache", {"hardware"}),
        ("hardware", "from .metrics import predict", {"metrics"}),
        ("metrics", "def f():\n    from edgelib.explore.scene import Scene", {"explore"}),
        ("metrics", "import importlib\nimportlib.import_module('edgelib.cli')", {"cli"}),
        ("kernels", "from edgelib.hardware import roofline", {"hardware"}),
        ("exercises", "import edgelib.grading", {"grading"}),
        ("exercises", "from solutions.ex2 import SPEC", {"solutions"}),
        ("grading", "from edgelib.explore import scene", {"explore"}),
    ],
)
def test_what_is_a_violation(part: str, source: str, wrong: set[str]) -> None:
    assert violations(part, source) == wrong


def test_import_edgelib_loads_numpy_and_nothing_heavier() -> None:
    script = "import sys, json, {}; print(json.dumps(sorted({{name.split('.')[0] for name in sys.modules}})))"

    def loaded(module: str) -> set[str]:
        command = [sys.executable, "-c", script.format(module)]
        return set(json.loads(subprocess.run(command, capture_output=True, check=True, text=True).stdout))

    third_party = loaded("edgelib") - loaded("numpy") - set(sys.stdlib_module_names)
    assert third_party == {"edgelib"}
