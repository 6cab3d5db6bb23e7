"""Training workers as processes, and what they leave."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from qlora_demo.events import read_events
from qlora_demo.jobs.scheduler import WORKER
from qlora_demo.pipes import child_environ
from qlora_demo.run_dir import RunDir


def environ() -> dict[str, str]:
    """A worker's, which finds the tests' own workers too."""
    made = child_environ(os.environ)
    return {**made, "PYTHONPATH": os.pathsep.join([made["PYTHONPATH"], str(Path(__file__).resolve().parent)])}


def start(run: RunDir, module: str = WORKER) -> subprocess.Popen:
    with run.log.open("ab") as log:
        return subprocess.Popen([sys.executable, "-m", module, str(run.path)], env=environ(), stdout=log, stderr=log)


def finish(run: RunDir, module: str = WORKER) -> int:
    return start(run, module).wait(timeout=300)


def files(run: RunDir) -> set[str]:
    return {path.relative_to(run.path).as_posix() for path in run.path.rglob("*") if path.is_file()}


def wait_for_step(run: RunDir, step: int, process: subprocess.Popen) -> None:
    while process.poll() is None:
        if any(e["type"] == "step" and e["step"] >= step for e in read_events(run.events)[0]):
            return
        time.sleep(0.02)
    raise AssertionError(f"ended before step {step}: {run.log.read_text()}")
