"""The training worker while it fetches its base model: what it tells, how it is stopped, and that it goes on where it ended."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from pathlib import Path

from runs import make_run
from source.fake_hub import FakeHub

from qlora_demo.catalogue import find_model
from qlora_demo.events import read_events
from qlora_demo.pipes import child_environ
from qlora_demo.recipe import from_json
from qlora_demo.run_dir import Home, RunDir, read_json, write_json

MODEL = find_model("Qwen/Qwen3-0.6B")
SIZE = 8_000_000


def start(run: RunDir, hub: FakeHub, cache: Path) -> subprocess.Popen[bytes]:
    environ = {name: value for name, value in child_environ(os.environ).items() if name != "HF_HUB_OFFLINE"}
    with run.log.open("ab") as log:
        command = [sys.executable, "-m", "qlora_demo.jobs.worker", str(run.path)]
        return subprocess.Popen(command, env={**environ, "HF_ENDPOINT": hub.url, "HF_HOME": str(cache)}, stdout=log, stderr=log)


def downloads(run: RunDir, attempt: int) -> list[dict]:
    return [e for e in read_events(run.events)[0] if e["type"] == "download" and e["attempt"] == attempt]


def ask_while_it_fetches(run: RunDir, process: subprocess.Popen[bytes], attempt: int, word: str) -> int:
    while process.poll() is None and not downloads(run, attempt):
        time.sleep(0.05)
    run.stop.write_text(word)
    return process.wait(timeout=60)


def test_a_download_is_told_interrupted_and_stopped(tmp_path: Path) -> None:
    run = make_run(Home(tmp_path / "home").create(), "run")
    recipe = from_json(read_json(run.recipe_json)).to_json()
    write_json(run.recipe_json, {**recipe, "model": MODEL.id})
    with FakeHub({"model.safetensors": random.Random(0).randbytes(SIZE)}, MODEL.revision, pace=1_000_000) as hub:
        assert ask_while_it_fetches(run, start(run, hub, tmp_path / "cache"), 1, "interrupt") == 75, run.log.read_text()
        assert not run.result_json.exists()
        run.stop.unlink()
        assert ask_while_it_fetches(run, start(run, hub, tmp_path / "cache"), 2, "stop") == 0, run.log.read_text()
        assert hub.ranges()[0] == "" and int(hub.ranges()[1].removeprefix("bytes=").rstrip("-")) > 0
    reason = "Stopped while the base model was fetched. What came is kept; the next start goes on there."
    assert read_json(run.result_json) == {"schema": 1, "outcome": "stopped", "reason": reason}
    assert {event["total"] for event in downloads(run, 1) + downloads(run, 2)} == {SIZE}
    assert downloads(run, 2)[0]["done"] >= downloads(run, 1)[0]["done"]
    assert "Traceback" not in run.log.read_text()
