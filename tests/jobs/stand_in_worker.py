"""A worker without a model, for the scheduler's tests: takes the run's lock, follows `plan.json`, honours the stop file."""

import json
import os
import signal
import sys
import time
from pathlib import Path

from filelock import FileLock

from qlora_demo.run_dir import RunDir, write_json


def main() -> int:
    run = RunDir(Path(sys.argv[1]))
    plan = json.loads((run.path / "plan.json").read_text())
    with FileLock(run.lock, timeout=2):
        with (run.path / "starts").open("a") as file:
            file.write(f"{os.getpid()}\n")
        if plan.get("die"):
            os.kill(os.getpid(), signal.SIGKILL)
        if plan.get("exit") is not None:
            return plan["exit"]
        deadline = time.monotonic() + plan["seconds"]
        while time.monotonic() < deadline:
            if run.stop.exists() and not plan.get("deaf"):
                if run.stop.read_text() == "interrupt":
                    return 75
                write_json(run.result_json, {"outcome": "stopped", "reason": "Stopped by you."})
                return 0
            time.sleep(0.02)
        write_json(run.result_json, {"outcome": "finished", "reason": ""})
    return 0


if __name__ == "__main__":
    sys.exit(main())
