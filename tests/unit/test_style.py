"""The tree is formatted, typed, and free of any one machine's names."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# Written in pieces, so that this file does not find itself.
HOME = re.compile(r"(?<![\w.~-])/(?:" + "|".join(["home", "Users", "root", "work"]) + r")/[\w.-]+")
REGISTRY = re.compile(
    "|".join([r"pypi\.", "python" + r"hosted\.", r"npm" + r"js\.", r"\bconda\.ana" + "conda"])
)


@pytest.mark.parametrize(
    "tool", [["ruff", "check"], ["ruff", "format", "--check"], ["mypy"]], ids=lambda tool: " ".join(tool)
)
def test_clean(tool: list[str]) -> None:
    run = subprocess.run([sys.executable, "-m", *tool], cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr


def offences(text: str) -> list[str]:
    """Paths of a home or work folder, and hosts of package registries."""
    return [found.group() for pattern in (HOME, REGISTRY) for found in pattern.finditer(text)]


def test_no_file_names_a_machine_or_a_registry() -> None:
    # A checkout owned by another user, as in a container, is fine here.
    command = [
        "git",
        "-c",
        "safe.directory=*",
        "ls-files",
        "--cached",
        "--others",
        "--exclude-standard",
        "-z",
    ]
    names = subprocess.run(command, cwd=ROOT, capture_output=True, check=True, text=True).stdout.split("\0")
    assert len(names) > 1
    found = {}
    for name in filter(None, names):
        path = ROOT / name
        if path.is_file() and path.suffix not in {".png", ".npz", ".woff2"} and path != Path(__file__):
            found[name] = offences(path.read_text(encoding="utf-8"))
    assert {name: hits for name, hits in found.items() if hits} == {}


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("see /" + "home/ada/book", 1),
        ("'/" + "root/.config'", 1),
        ("https://pypi" + ".org/simple", 1),
        ("a/" + "home/page and ~/" + "work/x and homework/1", 0),
        ("book/text, /usr/bin, https://example.org", 0),
    ],
)
def test_what_is_an_offence(text: str, count: int) -> None:
    assert len(offences(text)) == count
