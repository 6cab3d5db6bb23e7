"""The training worker: `python -m qlora_demo.jobs.worker RUN_DIR`. A directory in, events and weights out.

Guarantees: one living worker a run (the run's lock) and one a device (the home's device lock); nothing but whole files under final names;
result.json last; a stop is honoured at the next step; without a result.json the run can go on from its newest checkpoint. It inherits
QLORA_DEMO_* variables and nothing else of the server. Exit code 0 with a result.json, 3 where the run is taken, 74 where the disk has no room for
one, 75 when interrupted, 76 where the memory ran out and the next process is to go on as the run's fit.json says.

Where several processes are to train the run together, it starts them (`launch`) and waits; all that is said above holds.

With `--wait` in place of RUN_DIR it imports everything, then reads RUN_DIR as a line of its input and does the same; the input's end ends it.
"""

from __future__ import annotations

import gc
import os
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from filelock import FileLock, Timeout

from qlora_demo.errors import DiskFullError, UserError
from qlora_demo.jobs import fitting, launch, processes
from qlora_demo.jobs.processes import EXIT_DISK, EXIT_INTERRUPTED, EXIT_MEMORY, EXIT_TAKEN
from qlora_demo.room import MAKE_ROOM, is_full
from qlora_demo.run_dir import Home, RunDir, write_json
from qlora_demo.training import checkpoints

WAIT = "--wait"
FAULT = "Training stopped because of a fault in this app. The log has the details."


def main(run_dir: Path) -> int:
    run = RunDir(run_dir.absolute())
    try:
        with FileLock(run.lock, timeout=2):  # a look whether the run is alive holds its lock for a moment
            return _work(run)
    except Timeout:
        print("Another worker holds this run.", file=sys.stderr)
        return EXIT_TAKEN


def wait() -> int:
    """As `main`, for a run that is told later. What is printed until then goes where the server said, afterwards to the run's log."""
    from qlora_demo.jobs import train  # noqa: F401, PLC0415 - what takes seconds

    line = sys.stdin.buffer.readline()
    if not line.endswith(b"\n"):
        return 0
    run = RunDir(Path(os.fsdecode(line.removesuffix(b"\n"))))
    with run.log.open("ab") as log:
        for stream in (1, 2):
            os.dup2(log.fileno(), stream)
    os.chdir(run.path)
    return main(run.path)


def _work(run: RunDir) -> int:
    asked: list[str] = []
    signal.signal(signal.SIGTERM, lambda number, frame: asked.append("interrupt"))

    def stop_asked() -> str:
        return run.stop.read_text().strip() if run.stop.exists() else (asked[0] if asked else "")

    reason, out_of_memory, disk_full = FAULT, False, False
    try:
        processes.sign(run)
        return _train(run, stop_asked)
    except UserError as error:
        with suppress(OSError):  # the log may have no room
            print(error, file=sys.stderr, flush=True)
        reason, disk_full = str(error), isinstance(error, DiskFullError)
    except Exception as error:
        with suppress(OSError):
            traceback.print_exc()
        out_of_memory, disk_full = fitting.out_of_memory(error), is_full(error)
    finally:
        run.worker_json.unlink(missing_ok=True)
    if disk_full:
        return _end_on_full_disk(run)
    if not out_of_memory:
        write_json(run.result_json, {"outcome": "failed", "reason": reason})
        return 0
    return _make_smaller(run)  # here, outside of `except`, what the failed step held is free


def _train(run: RunDir, stop_asked: Callable[[], str]) -> int:
    together = launch.processes_of(run)
    if together > 1:
        return 0 if launch.train_together(run, together, stop_asked) else EXIT_INTERRUPTED
    # torch and the libraries on top of it take seconds to import: the run's lock is taken first, so that a starting worker counts as alive.
    from qlora_demo.jobs.train import train  # noqa: PLC0415

    gc.freeze()  # the libraries' many objects stay: no collection looks at them again
    device = processes.take_device(Home(run.path.parent.parent), stop_asked)
    if device is None:
        return EXIT_INTERRUPTED
    try:
        return 0 if train(run, stop_asked) else EXIT_INTERRUPTED
    finally:
        device.release()


def _make_smaller(run: RunDir) -> int:
    if fitting.step_down(run):
        print("The memory ran out. The next process goes on with less of it.", flush=True)
        return EXIT_MEMORY
    write_json(run.result_json, fitting.nothing_left(run))
    return 0


def _end_on_full_disk(run: RunDir) -> int:
    """Deletes what could not be written whole, which makes room to say so. What was saved before stays."""
    _log_no_more()
    for unfinished in run.path.glob(".*.tmp"):
        shutil.rmtree(unfinished) if unfinished.is_dir() else unfinished.unlink()
    saved = checkpoints.newest(run.checkpoints)
    kept = f"Saved up to step {checkpoints.step_of(saved)}." if saved else "Nothing was saved yet."
    reason = f"The disk is full. {kept} {MAKE_ROOM}, then continue."
    try:
        write_json(run.result_json, {"outcome": "failed", "reason": reason, "ended": time.time()})
    except DiskFullError:
        return EXIT_DISK
    return 0


def _log_no_more() -> None:
    """What is still in the buffers would fail at the end, and change the exit code."""
    with open(os.devnull, "wb") as nowhere:
        for stream in (1, 2):
            os.dup2(nowhere.fileno(), stream)


if __name__ == "__main__":
    sys.exit(wait() if sys.argv[1] == WAIT else main(Path(sys.argv[1])))
