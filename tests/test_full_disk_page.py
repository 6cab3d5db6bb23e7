"""The page on a disk that is full, over real HTTP: it answers, says so, and refuses in sentences."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import gradio as gr
import httpx2
import pytest
from data.served import SECONDS, Served, serve
from small_disk import fill, small_disk

from qlora_demo.room import FULL_BYTES
from qlora_demo.ui.views_models import DISK_FULL


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    """Its home lies on a disk of 150 MB; what is uploaded comes to another."""
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "uploads"))
    monkeypatch.setenv("GRADIO_ANALYTICS_ENABLED", "False")
    with small_disk(tmp_path / "home", 150), serve(tmp_path, max_upload_mb=1) as served:
        yield served


def opened(page: Served) -> str:
    """What the page is drawn with when somebody opens it."""
    land = next(n for n, handler in page.page.fns.items() if handler.fn and any(event == "load" for _, event in handler.targets))
    fresh = [part.default_value if isinstance(part, gr.BrowserState) else "" for part in page.page.fns[land].inputs]
    asked = {"data": fresh, "fn_index": land, "session_hash": "opening"}
    httpx2.post(f"{page.url}gradio_api/queue/join", json=asked, timeout=SECONDS).raise_for_status()
    with httpx2.stream("GET", f"{page.url}gradio_api/queue/data?session_hash=opening", timeout=SECONDS) as stream:
        messages = [json.loads(line.removeprefix("data: ")) for line in stream.iter_lines() if line.startswith("data: ")]
    done = next(message for message in messages if message["msg"] == "process_completed")
    assert done["success"], done
    return json.dumps(done["output"])


def chosen(page: Served) -> str:
    """What it answers to an upload."""
    path = page.upload(("a.csv", b"question,answer\n" + b"".join(b"What is %d?,It is %d\n" % (i, i * i) for i in range(30)))).json()[0]
    reply = page.choose(path)
    assert reply["success"], reply
    return json.dumps(reply["output"])


def test_the_page_answers_says_it_and_refuses_in_a_sentence(page: Served) -> None:
    assert DISK_FULL not in opened(page)
    assert "30 conversations" in chosen(page)
    filler = fill(Path(page.studio.home.path), leave=FULL_BYTES - 1_000_000)
    assert DISK_FULL in opened(page)
    refused = chosen(page)
    assert "The disk is nearly full: this file needs about 100 MB, 19 MB are free." in refused and "Traceback" not in refused
    fill(Path(page.studio.home.path))
    assert DISK_FULL in opened(page)
    assert "The disk is nearly full: this file needs about 100 MB, 0 MB are free." in chosen(page)
    assert httpx2.get(page.url, timeout=SECONDS).status_code == 200
    filler.unlink()
    assert DISK_FULL not in opened(page)
    assert "30 conversations" in chosen(page)
