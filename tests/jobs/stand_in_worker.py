"""A worker without a model, for the scheduler's tests: takes the run's lock, follows `plan.json`, honours the stop file, can wait."""

import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

from filelock import FileLock

from qlora_demo.jobs import fitting, processes
from qlora_demo.recipe import from_json
from qlora_demo.run_dir import RunDir, read_json, write_json


def main() -> int:
    given = sys.argv[1]
    if given == "--wait":
        given = sys.stdin.readline().removesuffix("\n")
    return work(RunDir(Path(given))) if given else 0


def work(run: RunDir) -> int:
    plan = json.loads((run.path / "plan.json").read_text())
    with FileLock(run.lock, timeout=2):
        processes.sign(run)
        with (run.path / "starts").open("a") as file:
            file.write(f"{os.getpid()}\n")
        if plan.get("die"):
            os.kill(os.getpid(), signal.SIGKILL)
        if plan.get("exit") is not None:
            return plan["exit"]
        if "fits" in plan and fitting.read_fit(run, from_json(read_json(run.recipe_json))).micro_batch_size > plan["fits"]:
            return too_large(run, plan)
        deadline = time.monotonic() + plan["seconds"]
        while time.monotonic() < deadline:
            if run.stop.exists() and not plan.get("deaf"):
                if run.stop.read_text() == "interrupt":
                    return 75
                write_json(run.result_json, {"outcome": "stopped", "reason": "Stopped by you."})
                return 0
            if plan.get("noisy"):
                print("still there", flush=True)
            time.sleep(0.02)
        if plan.get("exit_later") is not None:
            return plan["exit_later"]
        write_json(run.result_json, {"outcome": "finished", "reason": ""})
    return 0


def too_large(run: RunDir, plan: dict[str, Any]) -> int:
    """Needs more rows at once than fit: says so itself, or is killed by a system that counts it in the file `counter`."""
    time.sleep(plan.get("before", 0))
    if "counter" not in plan:
        fitting.step_down(run)
        return 76
    place = Path(plan["counter"])
    place.write_text(f"oom_kill {int(place.read_text().split()[1]) + 1}\n")
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("unreachable")


if __name__ == "__main__":
    sys.exit(main())
