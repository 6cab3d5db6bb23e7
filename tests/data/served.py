"""The page, served by this process over real HTTP; files are sent to it as its own page in a browser sends them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
import httpx2

from qlora_demo.run_dir import Home
from qlora_demo.settings import Settings
from qlora_demo.studio import Studio
from qlora_demo.ui.page import build_page
from qlora_demo.ui.serving import launch

SECONDS = 60


@dataclass
class Served:
    """`uploads` is where the page keeps what is on its way."""

    studio: Studio
    page: gr.Blocks
    url: str
    uploads: Path

    def upload(self, *files: tuple[str, bytes]) -> httpx2.Response:
        """The first half of an upload: JSON with the paths that the files have now."""
        return httpx2.post(f"{self.url}gradio_api/upload", files=[("files", file) for file in files], timeout=SECONDS)

    def choose(self, paths: str | Sequence[str]) -> dict[str, Any]:
        """The second half: what the page answers to a file under `paths`. "output" is {"error"} where gradio itself refuses."""
        about = {"meta": {"_type": "gradio.FileData"}}
        value = {"path": paths, **about} if isinstance(paths, str) else [{"path": path, **about} for path in paths]
        asked = {"data": ["", value, ""], "fn_index": self._handler(), "session_hash": "test"}
        httpx2.post(f"{self.url}gradio_api/queue/join", json=asked, timeout=SECONDS).raise_for_status()
        with httpx2.stream("GET", f"{self.url}gradio_api/queue/data?session_hash=test", timeout=SECONDS) as stream:
            messages = [json.loads(line.removeprefix("data: ")) for line in stream.iter_lines() if line.startswith("data: ")]
        return next(message for message in messages if message["msg"] == "process_completed")

    def _handler(self) -> int:
        uploads = {number for number, block in self.page.blocks.items() if block.elem_id == "upload"}
        asked = [number for number, handler in self.page.fns.items() if handler.fn]  # the others happen in the browser
        return next(n for n in asked if any(i in uploads and event == "upload" for i, event in self.page.fns[n].targets))


@contextmanager
def serve(folder: Path, max_upload_mb: int, mode: str = "local") -> Iterator[Served]:
    """GRADIO_TEMP_DIR must name the folder `uploads` inside `folder`."""
    home = Home(folder / "home").create()
    settings = Settings(home=str(home.path), device="cpu", offline=True, max_upload_mb=max_upload_mb, mode=mode)
    studio = Studio(settings)
    page = build_page(studio)
    try:
        yield Served(studio, page, launch(page, studio), folder / "uploads")
    finally:
        page.close(verbose=False)
        studio.close()
