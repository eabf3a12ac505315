"""environment.yml, for conda and Binder, asks for what pyproject.toml asks for."""

import tomllib
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
ENVIRONMENT = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))


def test_same_name_python_and_packages() -> None:
    extras = ",".join(sorted(PROJECT["optional-dependencies"]))
    assert ENVIRONMENT["name"] == PROJECT["name"]
    assert ENVIRONMENT["channels"] == ["conda-forge"]
    assert ENVIRONMENT["dependencies"] == [
        f"python{PROJECT['requires-python']}",
        "pip",
        # The package itself with every extra: its names come from pyproject.toml.
        {"pip": [f"-e .[{extras}]"]},
    ]


def test_lock_names_every_requirement_with_a_hash() -> None:
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8").replace("\\\n", " ")
    pinned = {line.split("==")[0] for line in lock.splitlines()}
    asked = PROJECT["dependencies"] + [
        name for extra in PROJECT["optional-dependencies"].values() for name in extra
    ]
    names = {name.split(">")[0].split("=")[0].lower() for name in asked}
    assert names - pinned == set(), "run `make lock`"
    assert [line for line in lock.splitlines() if "--hash=sha256:" not in line] == []
    assert "://" not in lock
