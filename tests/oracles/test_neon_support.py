"""The table of instructions by core and version, against what a compiler of the GNU project knows."""

import os
import re
import shutil
import subprocess

import pytest

from edgelib.explore.book.neon_support import CORES, FEATURES, ROWS, VERSIONS, required

COMPILER = "aarch64-linux-gnu-gcc"
MACROS = {
    "ATOMICS": "lse",
    "FP16_VECTOR_ARITHMETIC": "fp16",
    "DOTPROD": "dotprod",
    "FP16_FML": "fp16fml",
    "MATMUL_INT8": "i8mm",
    "BF16_VECTOR_ARITHMETIC": "bf16",
}
ARM = {name: entry for name, entry in CORES.items() if not name.startswith("M")}


def enabled(option: str) -> set[str] | None:
    """The extensions that the compiler turns on for -mcpu or -march; None if it does not know the name."""
    if not shutil.which(COMPILER):
        message = f"{COMPILER} not found: install the package gcc-aarch64-linux-gnu"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    run = subprocess.run([COMPILER, option, "-dM", "-E", "-"], input="", capture_output=True, text=True)
    if run.returncode:
        assert "unknown value" in run.stderr
        return None
    defined = set(re.findall(r"#define __ARM_FEATURE_(\w+) 1", run.stdout))
    return {feature for macro, feature in MACROS.items() if macro in defined}


def test_cores():
    known = {name: enabled(f"-mcpu=cortex-{name.lower()}") for name in ARM}
    checked = {name for name, features in known.items() if features is not None}
    assert checked >= {"A53", "A55", "A76", "A78", "X1", "A510", "A710", "X2"}  # GCC 12 and later
    for name in checked:
        assert known[name] == CORES[name][1] - {"base"}, name


@pytest.mark.parametrize("version", [v for v in VERSIONS if v != "8.0"])
def test_what_a_version_requires(version):
    name = version.removesuffix(".0") if version == "9.0" else version
    features = enabled(f"-march=armv{name}-a")
    if features is None:
        assert version == "9.2", "GCC 12 knows all the others"
        return
    assert features == {f for f in MACROS.values() if required(f, version) == "must"}


@pytest.mark.parametrize("feature", sorted(set(MACROS.values()) - {"lse"}))
def test_allowed_from_8_2_is_what_the_compiler_accepts(feature):
    assert enabled(f"-march=armv8.2-a+{feature}") >= {feature}
    assert [required(feature, v) for v in ("8.1", "8.2")] == ["no", "may"]


def test_a_version_keeps_what_an_older_one_required():
    for feature in FEATURES:
        for family in ("8", "9"):
            rules = [required(feature, v) for v in VERSIONS if v.startswith(family)]
            order = [("no", "may", "must").index(rule) for rule in rules]
            assert order == sorted(order)
    assert set(ROWS.values()) == set(FEATURES)


def test_no_core_lacks_what_its_version_requires():
    for name, (version, features) in CORES.items():
        assert {f for f in FEATURES if required(f, version) == "must"} <= features, name
