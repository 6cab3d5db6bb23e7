"""The training worker: `python -m qlora_demo.jobs.worker RUN_DIR`. A directory in, events and weights out.

Guarantees: one living worker a run (the run's lock) and one a device (the home's device lock); nothing but whole files under final names;
result.json last; a stop is honoured at the next step; without a result.json the run can go on from its newest checkpoint. It inherits
QLORA_DEMO_* variables and nothing else of the server. Exit code 0 with a result.json, 3 where the run is taken, 75 when interrupted.
"""

from __future__ import annotations

import signal
import sys
import traceback
from pathlib import Path

from filelock import FileLock, Timeout

from qlora_demo.errors import UserError
from qlora_demo.run_dir import Home, RunDir, write_json

TAKEN, INTERRUPTED = 3, 75
MEMORY_RAN_OUT = "The memory ran out. Choose a smaller model, or fewer rows at once in Advanced settings."


def main(run_dir: Path) -> int:
    run = RunDir(run_dir.absolute())
    try:
        with FileLock(run.lock, timeout=2):  # a look whether the run is alive holds its lock for a moment
            return _work(run)
    except Timeout:
        print("Another worker holds this run.", file=sys.stderr)
        return TAKEN


def _work(run: RunDir) -> int:
    asked: list[str] = []
    signal.signal(signal.SIGTERM, lambda number, frame: asked.append("interrupt"))

    def stop_asked() -> str:
        return run.stop.read_text().strip() if run.stop.exists() else (asked[0] if asked else "")

    try:
        # torch and the libraries on top of it take seconds to import: the run's lock is taken first, so that a starting worker counts as alive.
        from qlora_demo.jobs.train import train  # noqa: PLC0415

        device = FileLock(Home(run.path.parent.parent).device_lock)
        while not _taken(device):
            if stop_asked():
                return INTERRUPTED
        try:
            return 0 if train(run, stop_asked) else INTERRUPTED
        finally:
            device.release()
    except UserError as error:
        print(error, file=sys.stderr)
        write_json(run.result_json, {"outcome": "failed", "reason": str(error)})
    except MemoryError:
        traceback.print_exc()
        write_json(run.result_json, {"outcome": "failed", "reason": MEMORY_RAN_OUT})
    except Exception:
        traceback.print_exc()
        write_json(run.result_json, {"outcome": "failed", "reason": "Training stopped because of a fault in this app. The log has the details."})
    return 0


def _taken(device: FileLock) -> bool:
    """Whether the device is ours now; another run's worker may still be ending."""
    try:
        device.acquire(timeout=0.5)
    except Timeout:
        return False
    return True


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
