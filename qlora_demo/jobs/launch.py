"""Several processes for one run: started, waited for, and their ends made one.

The worker that has the run's lock starts them and does not train itself; what it raises and returns is as if it had. Each process has torchrun's
variables (RANK, WORLD_SIZE, LOCAL_RANK), so torchrun can start them as well. It is not used here, for its meeting place listens to the network and
unpickles what comes; these meet in a file. They are in the worker's process group, and end when their input does: with the worker, whatever ends it.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from qlora_demo.errors import DiskFullError, UserError
from qlora_demo.hardware import detect
from qlora_demo.jobs.fitting import killed_for_memory
from qlora_demo.jobs.processes import EXIT_DISK, EXIT_KILLED, EXIT_MEMORY
from qlora_demo.recipe import from_json
from qlora_demo.room import DISK_FULL
from qlora_demo.run_dir import RunDir, read_json
from qlora_demo.settings import Settings
from qlora_demo.systems import loopback, memory_kills, usable_cores

RANK = "qlora_demo.jobs.rank"
EXIT_FAULT, EXIT_TOLD, EXIT_LOST = 1, 77, 78
"""Beside those of `processes`, how one of several ends: by a fault of this app; with a sentence in the file `told`; because another is gone."""
SECONDS_TO_END = 5.0
"""For the others, once one has ended: to say why themselves."""
INTERRUPT = b"\n"
LAST_WORDS = 4000
"""Characters of the log of a process that failed."""
NO_WAY = (
    "The processes of this training cannot reach each other; the log has the details. In a container, give it more shared memory (shm_size). "
    "Or set QLORA_DEMO_PROCESSES=1, which trains on one card."
)


class RankFailed(Exception):
    """One of several processes ended by a fault; its traceback is in the log."""


def processes_of(run: RunDir) -> int:
    """How many train this run on this machine: none would be without a row in every step. Raises StorageError."""
    recipe = from_json(read_json(run.recipe_json))
    return min(detect(Settings.from_env(os.environ)).processes, recipe.batch_size)


def train_together(run: RunDir, processes: int, stop_asked: Callable[[], str]) -> bool:
    """As `train.train`, by several processes. Where one was killed it returns False: the run can go on. Raises UserError, MemoryError, RankFailed."""
    kills = memory_kills()
    ranks: list[subprocess.Popen[bytes]] = []
    with TemporaryDirectory(prefix="qlora-demo-ranks-") as place:
        try:
            for rank in range(processes):
                ranks.append(_start(run, rank, processes, Path(place)))
            codes = _wait(ranks, stop_asked)
        finally:
            for process in ranks:
                process.kill()
                process.wait()
        _show_last_words(Path(place), codes)
        return _together(run, Path(place), codes, kills)


def _start(run: RunDir, rank: int, processes: int, place: Path) -> subprocess.Popen[bytes]:
    """The first one writes the run's log; what the others print is shown where they fail."""
    environ = {**os.environ, "RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(processes)}
    environ["OMP_NUM_THREADS"] = str(max(1, usable_cores() // processes))
    if loopback():
        environ |= {"GLOO_SOCKET_IFNAME": loopback(), "NCCL_SOCKET_IFNAME": loopback()}
    with (place / f"rank-{rank}.log").open("wb") as log:
        output = None if rank == 0 else log
        command = [sys.executable, "-m", RANK, str(run.path), str(processes), str(place)]
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=output, stderr=output, env=environ)


def _wait(ranks: Sequence[subprocess.Popen[bytes]], stop_asked: Callable[[], str]) -> list[int | None]:
    """Until the first process has done all, or any has failed. Returns their exit codes, None of those that go on."""
    told = False
    while ranks[0].poll() is None and not any(rank.poll() for rank in ranks):
        if stop_asked() and not told:
            told = True
            with suppress(OSError):  # it may end just now
                ranks[0].stdin.write(INTERRUPT)  # type: ignore[union-attr]
                ranks[0].stdin.flush()  # type: ignore[union-attr]
        time.sleep(0.1)
    deadline = time.monotonic() + SECONDS_TO_END
    while any(rank.poll() is None for rank in ranks) and time.monotonic() < deadline:
        time.sleep(0.05)
    return [rank.poll() for rank in ranks]


def _show_last_words(place: Path, codes: Sequence[int | None]) -> None:
    """Of those that failed by themselves, in the run's log."""
    for rank, code in enumerate(codes):
        if rank and code in (EXIT_FAULT, EXIT_MEMORY, EXIT_LOST):
            said = (place / f"rank-{rank}.log").read_text(encoding="utf-8", errors="replace")[-LAST_WORDS:]
            print(f"Process {rank + 1} of {len(codes)} ended with code {code}:\n{said}", file=sys.stderr, flush=True)


def _together(run: RunDir, place: Path, codes: Sequence[int | None], kills: int | None) -> bool:
    """What the ends of all mean for the run: whoever says why goes before those that are only gone."""
    if run.result_json.exists():
        return True
    if EXIT_MEMORY in codes or (EXIT_KILLED in codes and killed_for_memory(run, kills)):
        raise MemoryError("one of the processes ran out of memory")
    if EXIT_DISK in codes:
        raise DiskFullError(DISK_FULL)
    if EXIT_TOLD in codes:
        raise UserError((place / "told").read_text(encoding="utf-8"))
    if EXIT_FAULT in codes:
        raise RankFailed
    if all(code == EXIT_LOST for code in codes):  # nobody was ended, and yet none reaches the others: it would be so again
        raise UserError(NO_WAY)
    if EXIT_LOST in codes or any(code is not None and code < 0 for code in codes):
        print(f"One of the {len(codes)} processes of this training ended without a word.", file=sys.stderr, flush=True)
    return False
