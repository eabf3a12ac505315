"""A real JupyterLab, and a notebook open in it: what the browser tests and the slider benchmark share."""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nbformat
from playwright.sync_api import Browser, ConsoleMessage, Page, Playwright, Request

ROOT = Path(__file__).parents[2]
_CHROMIUM_ARGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
_IDLE = "() => window.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel?.status === 'idle'"


@dataclass(frozen=True)
class Lab:
    """A running JupyterLab."""

    url: str
    token: str
    folder: Path  # what it serves


@contextmanager
def jupyterlab(folder: Path, home: Path, theme: str = "JupyterLab Light") -> Iterator[Lab]:
    """JupyterLab on a free port, serving `folder`, with configuration and data below `home` only."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    lab = Lab(f"http://127.0.0.1:{port}", secrets.token_hex(16), folder)
    settings = home / "settings" / "@jupyterlab" / "apputils-extension"
    settings.mkdir(parents=True)
    (settings / "themes.jupyterlab-settings").write_text(f'{{"theme": "{theme}"}}')
    folders = {
        "JUPYTER_CONFIG_DIR": "config",
        "JUPYTER_DATA_DIR": "data",
        "JUPYTER_RUNTIME_DIR": "runtime",
        "JUPYTERLAB_SETTINGS_DIR": "settings",
        "JUPYTERLAB_WORKSPACES_DIR": "workspaces",
        "IPYTHONDIR": "ipython",
        "EDGELIB_HOME": "edgelib",
    }
    env = {
        **os.environ,
        **{name: str(home / below) for name, below in folders.items()},
        "JUPYTER_CONFIG_PATH": str(ROOT / "jupyter"),
        "PYTHONPATH": str(ROOT),
    }
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--ip=127.0.0.1", f"--port={port}"]
    command += [f"--IdentityProvider.token={lab.token}", f"--ServerApp.root_dir={folder}"]
    command += ["--LabApp.expose_app_in_browser=True", "--ServerApp.port_retries=0"]
    with open(home / "lab.log", "wb") as log:
        server = subprocess.Popen(command, env=env, stdout=log, stderr=log, cwd=home)
    try:
        _wait_for(lab, server, home / "lab.log")
        yield lab
    finally:
        server.terminate()
        server.wait(timeout=30)


def _wait_for(lab: Lab, server: subprocess.Popen[bytes], log: Path, limit_s: float = 90) -> None:
    deadline = time.monotonic() + limit_s
    while time.monotonic() < deadline and server.poll() is None:
        try:
            urllib.request.urlopen(f"{lab.url}/api?token={lab.token}", timeout=2).close()
            return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    raise RuntimeError(f"JupyterLab did not start:\n{log.read_text(errors='replace')[-3000:]}")


def launch(playwright: Playwright, chromium: str) -> Browser:
    """A headless browser with an empty profile that calls nobody by itself."""
    return playwright.chromium.launch(executable_path=chromium, args=_CHROMIUM_ARGS)


@dataclass
class Notebook:
    """One notebook open in one page, with everything the page asked for or complained about."""

    lab: Lab
    page: Page
    path: str
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.context.on("request", self._asked)
        self.page.on("console", self._said)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def _asked(self, request: Request) -> None:
        self.requests.append(request.url)

    def _said(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.complaints.append(message.text)

    def open(self) -> None:
        """Load the page and wait for the kernel."""
        self.page.goto(f"{self.lab.url}/lab/tree/{self.path}?token={self.lab.token}&reset")
        self.page.wait_for_function(_IDLE, timeout=120_000)

    def command(self, name: str) -> Any:
        """Run one of JupyterLab's own commands and wait for its result."""
        return self.page.evaluate("name => window.jupyterapp.commands.execute(name)", name)

    def run_all(self) -> None:
        """Run every cell; RuntimeError if one of them fails."""
        if not self.command("notebook:run-all-cells"):
            failed = self.page.locator(
                '.jp-OutputArea-output[data-mime-type*="error"], .jp-RenderedText'
            ).all()
            raise RuntimeError(f"{self.path}: {[output.inner_text()[-600:] for output in failed]}")

    def foreign_requests(self) -> list[str]:
        """What was asked of anybody else than this JupyterLab."""
        own = (self.lab.url, self.lab.url.replace("http", "ws"), "data:", "blob:", "about:")
        return [url for url in self.requests if not url.startswith(own)]


def write_notebook(path: Path, *cells: str) -> Path:
    """A notebook with these code cells and no outputs."""
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(cell) for cell in cells],
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
    )
    nbformat.write(notebook, path)
    return path
