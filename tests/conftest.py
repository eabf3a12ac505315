"""Fixtures that find the programs which pip cannot install."""

import os
import shutil
from pathlib import Path
from typing import NoReturn

import pytest


def _missing(what: str, install: str) -> NoReturn:
    """Skip on a reader's machine; fail where CI=true, so that a broken runner cannot pass unnoticed."""
    message = f"{what} not found: {install}"
    if os.environ.get("CI") == "true":
        pytest.fail(message)
    pytest.skip(message)


def _playwright_chromium() -> str | None:
    """The Chromium that `playwright install chromium` downloaded, if it did."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        path = playwright.chromium.executable_path
    return path if Path(path).exists() else None


def find_chromium() -> str | None:
    """Path of a Chromium: $CHROMIUM, the PATH, or Playwright's own download."""
    named = os.environ.get("CHROMIUM")
    if named and not shutil.which(named):
        raise FileNotFoundError(f"CHROMIUM = {named!r}: expected the path of a program")
    candidates = [named] if named else ["chromium", "chromium-browser", "google-chrome"]
    return next(filter(None, map(shutil.which, candidates)), None) or _playwright_chromium()


@pytest.fixture(scope="session")
def chromium() -> str:
    """Path of a Chromium for the browser tests."""
    install = "install the package chromium, or run .venv/bin/playwright install chromium"
    return find_chromium() or _missing("Chromium", install)


@pytest.fixture(scope="session")
def bubblewrap() -> str:
    """Path of bubblewrap, which shuts a learner's code in."""
    if found := shutil.which("bwrap"):
        return found
    _missing("bubblewrap", "install the package bubblewrap (Linux only)")
