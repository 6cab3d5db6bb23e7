"""`python app.py` as a process, and what the browser tests do with a page."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from qlora_demo.run_dir import Home
from qlora_demo.settings import Settings
from qlora_demo.studio import Studio

ROOT = Path(__file__).resolve().parent.parent.parent
SHOTS = os.environ.get("QLORA_DEMO_SCREENSHOTS", "")


@dataclass
class Server:
    """`python app.py` with a home of its own. `environ` is set beside what every test sets."""

    home: Home
    environ: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen | None = None
    url: str = ""

    def start(self) -> None:
        environ = {name: value for name, value in os.environ.items() if not name.startswith("QLORA_DEMO_")}
        environ |= {
            "QLORA_DEMO_HOME": str(self.home.path),
            "QLORA_DEMO_TEMP": str(self.home.path.parent / "uploads"),
            "QLORA_DEMO_DEVICE": "cpu",
            "QLORA_DEMO_OFFLINE": "1",
            "QLORA_DEMO_WARM_WORKER": "0",
            **self.environ,
        }
        log = self.home.path.parent / "server.log"
        with log.open("ab") as output:
            self.process = subprocess.Popen([sys.executable, str(ROOT / "app.py")], env=environ, stdout=output, stderr=output)
        before = log.read_text().count("open http")
        deadline = time.monotonic() + 90
        while log.read_text().count("open http") <= before and time.monotonic() < deadline:
            assert self.process.poll() is None, log.read_text()
            time.sleep(0.1)
        self.url = re.findall(r"open (http\S+?)/? in a browser", log.read_text())[-1]

    def kill(self) -> None:
        """As a crash."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(timeout=60)

    def studio(self) -> Studio:
        """A second reader of the same home, which never takes its lock."""
        return Studio(Settings(home=str(self.home.path), device="cpu", offline=True))

    def log(self) -> str:
        return (self.home.path.parent / "server.log").read_text()


def shot(page: Page, name: str) -> None:
    """Both widths and schemes of what is on the page, where QLORA_DEMO_SCREENSHOTS names a folder."""
    if not SHOTS:
        return
    Path(SHOTS).mkdir(parents=True, exist_ok=True)
    for width in (1280, 390):
        for scheme in ("light", "dark"):
            page.set_viewport_size({"width": width, "height": 900})
            page.emulate_media(color_scheme=scheme)
            page.wait_for_timeout(400)
            page.screenshot(path=f"{SHOTS}/{name}-{width}-{scheme}.png", full_page=True)
    page.set_viewport_size({"width": 1280, "height": 900})
    page.emulate_media(color_scheme="light")
    page.wait_for_timeout(500)  # colours fade


STILL = """() => Promise.all(document.getAnimations()
    .filter(one => one.effect.getComputedTiming().iterations !== Infinity).map(one => one.finished.catch(() => null))).then(() => true)"""


def serious(page: Page) -> list[str]:
    """What axe-core finds serious or critical.

    Read with motion reduced: half way from off to on a button's words are faint, and an answer of the server may switch one on at any moment.
    """
    page.emulate_media(reduced_motion="reduce")
    page.evaluate(STILL)
    found = Axe().run(page).response["violations"]
    page.emulate_media(reduced_motion="no-preference")
    return [f"{v['id']}: {[n['html'][:120] for n in v['nodes'][:3]]}" for v in found if v["impact"] in ("serious", "critical")]
