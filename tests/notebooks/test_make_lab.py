"""`make lab` as a newcomer sees it: the book opens, nothing asks questions, nobody is called."""

import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

from tests.browser.lab import launch

ROOT = Path(__file__).parents[2]
TOKEN = "a-token-for-one-test"


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """The address that `make lab` prints, started in an empty home."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = tmp_path / "lab.log"
    arguments = f"--no-browser --ip=127.0.0.1 --port={port} --IdentityProvider.token={TOKEN}"
    env = {name: value for name, value in os.environ.items() if not name.startswith("JUPYTER")}
    env |= {"HOME": str(tmp_path), "LAB_ARGS": arguments}
    with log.open("wb") as output:
        server = subprocess.Popen(
            ["make", "lab"], cwd=ROOT, env=env, stdout=output, stderr=output, start_new_session=True
        )
    try:
        deadline = time.monotonic() + 120
        while not (found := re.search(rf"http://127\.0\.0\.1:{port}(/\S*?)\?token=", log.read_text())):
            assert server.poll() is None and time.monotonic() < deadline, log.read_text()
            time.sleep(0.2)
        yield f"http://127.0.0.1:{port}{found[1]}"
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(timeout=30)


def test_opens_the_book_and_asks_nothing(address: str, chromium: str) -> None:
    assert address.endswith("/lab/tree/book/index.ipynb")
    requests: list[str] = []
    with sync_playwright() as playwright:
        browser = launch(playwright, chromium)
        page = browser.new_page()
        page.on("request", lambda request: requests.append(request.url))
        page.goto(f"{address}?token={TOKEN}")
        page.locator(".jp-Notebook .jp-MarkdownOutput h1").first.wait_for(timeout=60_000)
        # Where Jupyter asks for permission to show news, it does so within two seconds.
        page.wait_for_timeout(5000)
        assert page.locator(".Toastify__toast, .jp-Dialog").all_inner_texts() == []
        browser.close()
    host = address.split("/")[2]
    foreign = [
        url for url in requests if not re.match(rf"(?:https?|wss?)://{re.escape(host)}/|data:|blob:", url)
    ]
    assert foreign == []
