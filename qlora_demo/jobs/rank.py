"""One of several processes that train a run together: `python -m qlora_demo.jobs.rank RUN_DIR PROCESSES PLACE`, started by `launch` or torchrun.

RANK and WORLD_SIZE say which one it is; PLACE is an empty folder in which all meet. The end of its input ends it at once, so that none trains on
without the worker that has the run's lock. The first one holds the device's lock. Exit codes: see `launch`.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from qlora_demo.errors import DiskFullError, UserError
from qlora_demo.hardware import cards, detect
from qlora_demo.jobs import fitting, processes
from qlora_demo.jobs.launch import EXIT_FAULT, EXIT_LOST, EXIT_TOLD
from qlora_demo.jobs.processes import EXIT_DISK, EXIT_INTERRUPTED, EXIT_MEMORY
from qlora_demo.room import is_full
from qlora_demo.run_dir import Home, RunDir
from qlora_demo.settings import Settings


def main(run_dir: Path, expected: int, place: Path) -> int:
    rank, size = _taken_from_environment()
    if size != expected:
        print(f"{expected} processes were to train this run together, but {size} was started.", file=sys.stderr)
        return EXIT_FAULT
    asked: list[str] = []
    threading.Thread(target=_listen, args=(asked,), daemon=True).start()
    signal.signal(signal.SIGTERM, lambda number, frame: asked.append("interrupt"))  # sent to the whole group; only what the first was told counts
    _see_own_card(rank)
    run = RunDir(run_dir.absolute())

    def stop_asked() -> str:
        return processes.stop_request(run).strip() or (asked[0] if asked else "")

    try:
        return _train(run, rank, size, place, stop_asked)
    except Exception as error:
        return _why(error, place)


def _train(run: RunDir, rank: int, size: int, place: Path, stop_asked: Callable[[], str]) -> int:
    from qlora_demo.jobs.train import train  # noqa: PLC0415 - after the card was chosen: torch looks at the environment once
    from qlora_demo.training.ranks import Ranks  # noqa: PLC0415

    gc.freeze()
    device = processes.take_device(Home(run.path.parent.parent), stop_asked) if rank == 0 else None
    if rank == 0 and device is None:
        return EXIT_INTERRUPTED
    ranks = Ranks.join(rank, size, place / "meeting", detect(Settings.from_env(os.environ)).device)
    return 0 if train(run, stop_asked, ranks) else EXIT_INTERRUPTED


def _taken_from_environment() -> tuple[int, int]:
    """(its number, how many there are). accelerate and transformers, which would make a group of their own of it, do not find it any more."""
    rank, size = int(os.environ.pop("RANK", "0")), int(os.environ.pop("WORLD_SIZE", "1"))
    for name in [n for n in os.environ if n in ("LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT") or n.startswith("TORCHELASTIC")]:
        del os.environ[name]
    return rank, size


def _see_own_card(rank: int) -> None:
    """No other: what asks for the first card gets this process's."""
    if detect(Settings.from_env(os.environ)).device == "cuda":
        os.environ["CUDA_VISIBLE_DEVICES"] = cards()[rank]


def _listen(asked: list[str]) -> None:
    """A byte asks for a saved point and the end; the input's own end is the worker's."""
    while os.read(0, 1):
        asked.append("interrupt")
    os._exit(EXIT_LOST)


def _why(error: Exception, place: Path) -> int:
    """The exit code that says it, after the details went to the log."""
    from qlora_demo.training.ranks import lost  # noqa: PLC0415

    if isinstance(error, UserError) and not isinstance(error, DiskFullError):
        (place / "told").write_text(str(error), encoding="utf-8")
        return EXIT_TOLD
    traceback.print_exception(error)
    if fitting.out_of_memory(error):
        return EXIT_MEMORY
    if lost(error):  # before the disk: NCCL calls shared memory that is too small "no space left on device" too
        print("The way to another process of this training is lost.", file=sys.stderr, flush=True)
        return EXIT_LOST
    return EXIT_DISK if isinstance(error, DiskFullError) or is_full(error) else EXIT_FAULT


def _end(code: int) -> NoReturn:
    """At once: what cards' libraries do at an interpreter's end may fail or wait for others, and what they say then counts for nothing."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    _end(main(Path(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])))
