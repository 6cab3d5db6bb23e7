"""Starting, watching and ending a run's worker: the one seam to other backends, and the one module where systems differ."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil
from filelock import FileLock, Timeout

from qlora_demo.run_dir import RunDir, write_text

NICE = 5  # the page stays responsive while a worker computes
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True)
class Identity:
    """A process that cannot be taken for another: pids are used again, after a restart of the machine too."""

    pid: int
    created: float
    boot_id: str


def start(run: RunDir, environ: Mapping[str, str], module: str) -> subprocess.Popen[bytes]:
    """`python -m module RUN_DIR` in a session of its own: it outlives this server. Its output is appended to the run's log. Raises OSError."""
    with run.log.open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", module, str(run.path)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=run.path,
            env=dict(environ),
            start_new_session=os.name == "posix",
            creationflags=subprocess.CREATE_NEW_PROCESS_GROUP if sys.platform == "win32" else 0,
        )
    if os.name == "posix":
        psutil.Process(process.pid).nice(NICE)
    return process


def identity(pid: int) -> Identity:
    """Raises psutil.NoSuchProcess where it is gone already."""
    return Identity(pid, psutil.Process(pid).create_time(), boot_id())


def boot_id() -> str:
    """Changes with every start of the machine."""
    return BOOT_ID.read_text().strip() if BOOT_ID.exists() else f"{psutil.boot_time():.0f}"


def same_process(who: Identity) -> bool:
    """Whether exactly that process still lives."""
    try:
        process = psutil.Process(who.pid)
        return who.boot_id == boot_id() and abs(process.create_time() - who.created) < 1 and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def alive(run: RunDir) -> bool:
    """Whether a worker holds the run's lock. The kernel lets go of it at any death; a pid would still look alive until it is reaped."""
    try:
        FileLock(run.lock, timeout=0).acquire().__exit__(None, None, None)
    except Timeout:
        return True
    return False


def request_stop(run: RunDir, how: str) -> None:
    """`how` is "stop" (save what it learned and finish) or "interrupt" (save a point, go on later). Looked at after every step."""
    write_text(run.stop, how)


def stop_request(run: RunDir) -> str:
    return run.stop.read_text() if run.stop.exists() else ""


def clear_stop(run: RunDir) -> None:
    run.stop.unlink(missing_ok=True)


def kill(who: Identity) -> None:
    """Ends the worker and its children at once, if it still is that process."""
    if not same_process(who):
        return
    if os.name == "posix":
        os.killpg(who.pid, signal.SIGKILL)
    else:
        psutil.Process(who.pid).kill()
