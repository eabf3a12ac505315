"""The reader's records survive crashes, damage and two writers at once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgelib import store
from edgelib.store import Store, home

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@pytest.fixture(autouse=True)
def reader_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EDGELIB_HOME", str(tmp_path / "reader"))
    return tmp_path / "reader"


def test_the_folder_is_the_one_asked_for(reader_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert home() == reader_home
    monkeypatch.delenv("EDGELIB_HOME")
    assert home().is_absolute() and home().name == "edgelib"


def test_reading_what_was_never_written_creates_nothing(reader_home: Path) -> None:
    assert Store("notes.json").read() == {}
    assert not reader_home.exists()


@settings(deadline=None, max_examples=30)
@given(records=st.lists(st.tuples(st.text(max_size=5), JSON), max_size=4))
def test_it_behaves_like_a_dict(records: list[tuple[str, object]]) -> None:
    notes, expected = Store("dict.json"), {}
    notes.path.unlink(missing_ok=True)
    for key, value in records:
        notes.update(key, value)
        expected[key] = value
    assert notes.read() == expected
    assert Store("dict.json").read() == expected


WRITER = """
import sys
from edgelib.store import Store
for number in range(25):
    Store("shared.json").update(f"{sys.argv[1]}-{number}", number)
"""


def test_two_processes_writing_at_once_lose_nothing() -> None:
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, name]) for name in "ab"]
    assert [writer.wait(timeout=60) for writer in writers] == [0, 0]
    assert Store("shared.json").read() == {f"{name}-{n}": n for name in "ab" for n in range(25)}


@pytest.mark.parametrize("damage", [b"", b'{"a": 1', b"[1]", b"null", b"\xff\xfe{\x00"])
def test_a_damaged_file_is_kept_and_reported(damage: bytes, reader_home: Path) -> None:
    notes = Store("notes.json")
    for number in (1, 2):
        notes.update("before", number)
        notes.path.write_bytes(damage)
        with pytest.warns(UserWarning, match=rf"notes\.json\.corrupt-{number}"):
            assert notes.read() == {}
        assert (reader_home / f"notes.json.corrupt-{number}").read_bytes() == damage
    notes.update("after", 3)
    assert notes.read() == {"after": 3}


def test_a_write_that_fails_leaves_the_old_file_and_no_rubbish(monkeypatch: pytest.MonkeyPatch) -> None:
    notes = Store("notes.json")
    notes.update("kept", 1)

    def power_cut(*_: object) -> None:
        raise OSError("power cut")

    with monkeypatch.context() as patched:
        patched.setattr(store.os, "fsync", power_cut)
        with pytest.raises(OSError, match="power cut"):
            notes.update("lost", 2)
    assert json.loads(notes.path.read_text()) == {"kept": 1}
    assert sorted(os.listdir(notes.path.parent)) == ["notes.json", "notes.json.lock"]


def test_a_lock_that_is_never_given_back_is_named() -> None:
    notes = Store("notes.json", timeout_s=0.05)
    notes.update("a", 1)
    with notes._locked(notes.path), pytest.raises(TimeoutError, match=r"notes\.json\.lock is held"):
        notes.update("b", 2)
    notes.update("c", 3)
    assert notes.read() == {"a": 1, "c": 3}


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {1, 2}, object(), 1j, b"x"])
def test_what_json_cannot_hold_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="expected what JSON can hold"):
        Store("notes.json").update("a", value)


@pytest.mark.parametrize("filename", ["", ".", "..", "a/b.json", "../x.json", "/etc/x", None, 3])
def test_only_plain_file_names(filename: object) -> None:
    with pytest.raises(ValueError, match="expected a plain file name"):
        Store(filename)  # type: ignore[arg-type]


def test_keys_are_strings() -> None:
    with pytest.raises(ValueError, match="key = 3"):
        Store("notes.json").update(3, 1)  # type: ignore[arg-type]
