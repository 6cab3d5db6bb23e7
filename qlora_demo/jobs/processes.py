"""Starting, watching and ending a run's worker: the one seam to other backends."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import psutil
from filelock import FileLock, Timeout

from qlora_demo.errors import StorageError
from qlora_demo.run_dir import Home, RunDir, read_json, write_json, write_text
from qlora_demo.systems import boot_id, kill_tree, start_detached

EXIT_TAKEN, EXIT_DISK, EXIT_INTERRUPTED, EXIT_MEMORY = 3, 74, 75, 76
"""How a worker ends without a result: another has its run; the disk has not even room for one; it saved a point and can go on; memory ran out, and
fit.json says how to go on."""
EXIT_KILLED = -9


@dataclass(frozen=True)
class Identity:
    """A process that cannot be taken for another: pids are used again, after a restart of the machine too."""

    pid: int
    created: float
    boot_id: str


def start(run: RunDir, environ: Mapping[str, str], module: str) -> subprocess.Popen[bytes]:
    """`python -m module RUN_DIR` detached: it outlives this server. Its output is appended to the run's log. Raises OSError."""
    with run.log.open("ab") as log:
        return start_detached([sys.executable, "-m", module, str(run.path)], run.path, environ, log)


def start_waiting(folder: Path, environ: Mapping[str, str], module: str, log: IO[bytes]) -> subprocess.Popen[bytes]:
    """`python -m module --wait` detached: it reads its run from its input, whose end ends it. Raises OSError."""
    return start_detached([sys.executable, "-m", module, "--wait"], folder, environ, log, told=True)


def identity(pid: int) -> Identity:
    """Raises psutil.NoSuchProcess where it is gone already."""
    return Identity(pid, psutil.Process(pid).create_time(), boot_id())


def same_process(who: Identity) -> bool:
    """Whether exactly that process still lives."""
    try:
        process = psutil.Process(who.pid)
        return who.boot_id == boot_id() and abs(process.create_time() - who.created) < 1 and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def sign(run: RunDir) -> None:
    """Says in the run's directory which process works on it: for a server that did not start it, or whose ledger was lost."""
    me = identity(os.getpid())
    write_json(run.worker_json, {"pid": me.pid, "created": me.created, "boot_id": me.boot_id})


def signed(run: RunDir) -> Identity | None:
    """The last process that worked on it and did not end by itself; None where there is none."""
    try:
        about = read_json(run.worker_json)
    except StorageError:
        return None
    return Identity(about["pid"], about["created"], about["boot_id"])


def alive(run: RunDir) -> bool:
    """Whether a worker holds the run's lock. The kernel lets go of it at any death; a pid would still look alive until it is reaped."""
    if not run.lock.exists():  # to look would make it, and the directory of a run that was just deleted with it
        return False
    try:
        FileLock(run.lock, timeout=0).acquire().__exit__(None, None, None)
    except Timeout:
        return True
    return False


def take_device(home: Home, asked: Callable[[], str]) -> FileLock | None:
    """The device's lock, once the worker before has let go of it; None where this one was `asked` to end meanwhile."""
    device = FileLock(home.device_lock)
    while True:
        with suppress(Timeout):
            device.acquire(timeout=0.5)
            return device
        if asked():
            return None


def request_stop(run: RunDir, how: str) -> None:
    """`how` is "stop" (save what it learned and finish) or "interrupt" (save a point, go on later). Looked at after every step."""
    write_text(run.stop, how)


def stop_request(run: RunDir) -> str:
    return run.stop.read_text() if run.stop.exists() else ""


def clear_stop(run: RunDir) -> None:
    run.stop.unlink(missing_ok=True)


def kill(who: Identity) -> None:
    """Ends the worker and its children at once, if it still is that process."""
    if same_process(who):
        kill_tree(who.pid)
