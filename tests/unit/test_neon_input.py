"""NEON functions refuse what no register holds, by name; and a machine without NEON says so in a sentence."""

import platform
import shutil
import sys

import numpy as np
import pytest

from edgelib import store
from edgelib.isa import Trace, native, neon

B, UB = np.zeros(16, np.int8), np.zeros(16, np.uint8)
W, UW, S = np.zeros(4, np.int32), np.zeros(4, np.uint32), np.zeros(4, np.float32)
H, U = np.zeros(8, np.float16), np.zeros(8, np.uint16)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: neon.sdot(W, UB, B),
            r"n is uint8 with shape \[16\]: expected an array of int8 .*\[\.\.\., 16\]",
        ),
        (lambda: neon.sdot(W.astype(np.int64), B, B), "d is int64"),
        (lambda: neon.sdot(W, B, B[:8]), r"m is int8 with shape \[8\]"),
        (lambda: neon.sdot([0] * 4, B, B), r"d = \[0, 0, 0, 0\]: expected an array of int32"),
        (lambda: neon.sdot(W, np.int8(1), B), r"n = np.int8\(1\)"),
        (lambda: neon.sdot(np.zeros((2, 4), np.int32), np.zeros((3, 16), np.int8), B), "batches"),
        (lambda: neon.usdot(W, B, B), "n is int8.*expected an array of uint8"),
        (lambda: neon.udot(W, UB, UB), "d is int32.*uint32"),
        (lambda: neon.smmla(W, B, UB), "m is uint8"),
        (lambda: neon.ummla(UW, B, UB), "n is int8"),
        (lambda: neon.usmmla(W, UB, UB), "m is uint8"),
        (lambda: neon.sdot_lane(W, B, B, 4), "lane = 4: expected 0, 1, 2 or 3"),
        (lambda: neon.sdot_lane(W, B, B, -1), "lane = -1"),
        (lambda: neon.sdot_lane(W, B, B, True), "lane = True"),
        (lambda: neon.mla(W, S, W), "n is float32"),
        (lambda: neon.sqrdmulh(W, UW), "m is uint32"),
        (lambda: neon.sqxtn(W), r"n is int32 .*int16 with shape \[\.\.\., 8\]"),
        (lambda: neon.addv(S), "n is float32"),
        (lambda: neon.dup(1, np.complex64), "dtype = complex64"),
        (lambda: neon.tbl(UB[:8], UB), r"table has shape \[8\]: expected \[\.\.\., 16 k\]"),
        (lambda: neon.tbl(np.zeros(80, np.uint8), UB), r"table has shape \[80\]"),
        (lambda: neon.tbl(3, UB), "table has shape"),
        (lambda: neon.tbl(B, UB), "table is int8"),
        (lambda: neon.tbl(UB, B), "index is int8"),
        (lambda: neon.tbx(B, UB, UB), "d is int8"),
        (lambda: neon.fmla(S, H, H), "n is float16"),
        (lambda: neon.fmla(H, S, H), "n is float32"),
        (lambda: neon.fmla(S.astype(float), S, S), "d is float64.*float32"),
        (lambda: neon.fmlal(S, H, S), "m is float32"),
        (lambda: neon.fmlal2(H, H, H), "d is float16"),
        (lambda: neon.bfdot(S, H, U), "n is float16.*uint16"),
        (lambda: neon.bfmmla(S, U, S), "m is float32"),
        (lambda: neon.bfcvtn(H), "n is float16"),
        (lambda: neon.faddp(S, H), "m is float16"),
        (lambda: neon.fadd_h(1.0, H[0]), "n is float64.*float16"),
        (lambda: neon.ldadd(-1, 2), "cell = -1: expected uint64, or an int from 0"),
        (lambda: neon.ldadd(1, 2**64), "value = 18446744073709551616"),
        (lambda: neon.swp(True, 1), "cell = True"),
        (lambda: neon.cas(1, 1.0, 1), "compare = 1.0"),
        (lambda: neon.cas(np.zeros(2, np.uint64), np.zeros(3, np.uint64), 1), "shapes that broadcast"),
        (lambda: neon.ld1(UB.reshape(4, 4)), "memory: expected a one-dimensional array"),
        (lambda: neon.ld1(UB, at=1), "at = 1: expected 0 to 0"),
        (lambda: neon.ld1(UB, at=-1), "at = -1"),
        (lambda: neon.ld1(UB, at=0.0), "at = 0.0: expected element numbers"),
        (lambda: neon.ld1(np.zeros(99), registers=5), "registers = 5"),
        (lambda: neon.st1(UB.copy(), B), r"value is int8 \[16\]: expected uint8 \[16\]"),
    ],
)
def test_refused_by_name(call, message):
    with Trace() as trace, pytest.raises(ValueError, match=message):
        call()
    assert trace.instructions == 0, "what is refused is not executed"


def test_operands_are_left_alone():
    d, n = W.copy(), B.copy()
    neon.sdot(d, n + 1, n + 1)
    neon.mla(d, d + 1, d + 1)
    assert not d.any() and not n.any()


def test_an_empty_batch_is_no_instruction():
    with Trace() as trace:
        assert neon.sdot(np.zeros((0, 4), np.int32), np.zeros((0, 16), np.int8), B).shape == (0, 4)
        assert neon.bfdot(np.zeros((0, 4), np.float32), np.zeros((0, 8), np.uint16), U).shape == (0, 4)
    assert trace.instructions == 0


def test_atomics_take_plain_integers():
    assert [int(x) for x in neon.ldadd(2**64 - 1, 2)] == [1, 2**64 - 1]
    assert [int(x) for x in neon.cas(5, 5, 9)] == [9, 5]
    with Trace() as trace:
        neon.cas(np.array([1, 2], np.uint64), 1, 7)
    assert (trace.loaded_B, trace.stored_B) == (16, 8)


@pytest.fixture
def fresh(monkeypatch, tmp_path):
    """No machine remembered, before and after; a folder of its own."""
    monkeypatch.setenv("EDGELIB_HOME", str(tmp_path))
    native.machine.cache_clear()
    yield monkeypatch
    native.machine.cache_clear()


@pytest.mark.parametrize(
    ("processor", "system", "message"),
    [
        (
            "x86_64",
            "linux",
            "This Python runs on x86_64; real NEON instructions need a 64-bit Arm processor.",
        ),
        ("armv7l", "linux", "runs on armv7l"),
        ("ARM64", "win32", "Linux and macOS, not on win32"),
    ],
)
def test_elsewhere_a_sentence(fresh, processor, system, message):
    fresh.setattr(platform, "machine", lambda: processor)
    fresh.setattr(sys, "platform", system)
    assert message in native.reason()
    assert set(native.available()) == set(native.FORMS) and not any(native.available().values())
    with pytest.raises(native.Unavailable, match=r"Python|Linux"):
        native.machine()


def test_an_arm_without_a_compiler_says_what_to_do(fresh):
    fresh.setattr(platform, "machine", lambda: "aarch64")
    fresh.setattr(sys, "platform", "linux")
    fresh.setenv("PATH", "")
    fresh.delenv("CC", raising=False)
    assert native.reason().startswith("No C compiler found")


def test_missing_tools_are_named():
    with pytest.raises(native.Unavailable, match="no-such-emulator not found"):
        native.Machine(command=["no-such-emulator"], compiler=["cc"])


STAND_IN = r"""
#include <stddef.h>
#include <string.h>
int edge_has(const char *name) { return !strcmp(name, "sdot") || !strcmp(name, "tbl2"); }
int edge_run(const char *name, size_t count, const char *d, const char *n, const char *m, char *out) {
    int wide = *name == 't';  /* not the instruction: d + n[0] + m[0] in byte 0 of each register */
    for (size_t k = 0; k < count; k++) out[16 * k] = d[16 * k] + n[(wide ? 32 : 16) * k] + m[16 * k];
    return 0;
}
"""


@pytest.fixture
def stand_in(fresh, tmp_path):
    """The path through a shared library, on any processor: a library of the same shape, built here."""
    if not shutil.which("cc"):
        pytest.skip("no C compiler here")
    source = tmp_path / "stand_in.c"
    source.write_text(STAND_IN, encoding="utf-8")
    fresh.setattr(native, "SOURCE", source)
    fresh.setattr(native, "FLAGS", ())
    return native.Machine(compiler=["cc"])


def test_the_library_gets_whole_registers(stand_in):
    d, n, m = np.int32([[1, 0, 0, 0], [20, 0, 0, 0]]), np.full((2, 16), 2, np.int8), np.full(16, 3, np.int8)
    assert stand_in.sdot(d, n, m)[:, 0].tolist() == [6, 25]
    table = np.arange(64, dtype=np.uint8).reshape(2, 32)
    assert stand_in.tbl(table, np.zeros((2, 16), np.uint8))[:, 0].tolist() == [0, 32]
    assert stand_in.forms == {"sdot", "tbl2"}


def test_what_the_processor_lacks_is_not_run(stand_in):
    with pytest.raises(native.Unavailable, match="usdot is not"):
        stand_in.usdot(W, UB, B)
    with pytest.raises(ValueError, match="n is uint8"):
        stand_in.sdot(W, UB, B)
    with pytest.raises(TypeError, match="2 operands came"):
        stand_in.sdot(W, B)
    with pytest.raises(AttributeError, match="no 'fsqrt'"):
        stand_in.fsqrt(S)


def test_compiled_once(stand_in, fresh):
    folder = store.home() / "native"
    built = [path.stat().st_mtime_ns for path in folder.iterdir()]
    native.Machine(compiler=["cc"])
    assert [path.stat().st_mtime_ns for path in folder.iterdir()] == built and len(built) == 1


def test_a_compiler_that_fails_is_quoted(stand_in, tmp_path):
    native.SOURCE.write_text("int nonsense", encoding="utf-8")
    with pytest.raises(native.Unavailable, match=r"cc could not compile native.c: .*error"):
        native.Machine(compiler=["cc"])


def test_a_folder_that_cannot_be_written_is_named(stand_in, fresh, tmp_path):
    (tmp_path / "file").write_text("", encoding="utf-8")
    fresh.setenv("EDGELIB_HOME", str(tmp_path / "file"))
    with pytest.raises(native.Unavailable, match=r"could not be compiled in .*native"):
        native.Machine(compiler=["cc"])


def test_a_library_that_does_not_load_is_reported(stand_in, fresh):
    fresh.setattr(native, "FLAGS", ("-c",))  # an object file is no library
    with pytest.raises(native.Unavailable, match="could not be loaded"):
        native.Machine(compiler=["cc"])
