"""Finds a Chromium: the system's, Playwright's, else installs one."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from playwright.sync_api import Playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def find(playwright: Playwright) -> tuple[str | None, str]:
    """(path, "") or (None, the reason why none can be had)."""
    found = _present(playwright)
    if found:
        return found, ""
    tried = [_run([sys.executable, "-m", "playwright", "install", "--with-deps", "chromium"])]
    if not _present(playwright) and os.name == "posix" and os.geteuid() == 0 and shutil.which("apt-get"):
        tried += [_run(["apt-get", "update", "-qq"]), _run(["apt-get", "install", "-y", "-qq", "chromium"])]
    found = _present(playwright)
    return found, "" if found else f"no Chromium can be had here: {' | '.join(filter(None, tried))}"


def _present(playwright: Playwright) -> str | None:
    system = next((path for path in map(shutil.which, NAMES) if path), None)
    own = playwright.chromium.executable_path
    return system or (own if Path(own).exists() else None)


def _run(command: list[str]) -> str:
    """The last line of a failed command."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=900)
    return "" if done.returncode == 0 else (done.stderr or done.stdout).strip().splitlines()[-1][:200]
