"""All that differs between Linux, macOS and Windows, and nothing else: no other module asks which system it runs on.

What a system lacks has an alternative here that keeps the promise, or a weaker one that the docstring names. Linux is what was run; the
alternatives were run on Linux, with `sys.platform` set to the other's name.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

import psutil

if sys.platform != "win32":
    import resource

NICE = 5  # the page stays responsive while a worker computes
CREATE_NEW_PROCESS_GROUP, BELOW_NORMAL_PRIORITY = 0x200, 0x4000  # CreateProcess's numbers; Python names them on Windows only
O_BINARY = 0x8000  # likewise
TOO_MUCH_MEMORY = 137
"""Exit code of a process that `limit_memory` ended; where the system keeps the limit, there is a MemoryError instead."""
WATCH_SECONDS = 0.02
RENAME_SECONDS, RENAME_PAUSE = 3.0, 0.05
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # mallopt's numbers (man 3 mallopt)
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
PROCESSOR = Path("/proc/cpuinfo")
OWN_STATUS = Path("/proc/self/status")
CGROUP_LIMIT, CGROUP_USED = Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory.current")
CGROUP_EVENTS, MACHINE_EVENTS = Path("/sys/fs/cgroup/memory.events"), Path("/proc/vmstat")


# Processes


def start_detached(
    command: Sequence[str], folder: Path, environ: Mapping[str, str], output: IO[bytes], told: bool = False
) -> subprocess.Popen[bytes]:
    """A process that outlives this one and gives way to others: in a session of its own, on Windows in a group. `told` says whether it
    has a pipe to read from, which ends with this process. Raises OSError."""
    windows = sys.platform == "win32"
    told_by = subprocess.PIPE if told else subprocess.DEVNULL
    own: dict[str, Any] = {"creationflags": CREATE_NEW_PROCESS_GROUP | BELOW_NORMAL_PRIORITY} if windows else {"start_new_session": True}
    process = subprocess.Popen(command, stdin=told_by, stdout=output, stderr=output, cwd=folder, env=dict(environ), **own)
    if not windows:
        psutil.Process(process.pid).nice(NICE)
    return process


def give_way() -> None:
    """From now on this process gives way to others, as a detached one does."""
    if sys.platform == "win32":
        psutil.Process().nice(BELOW_NORMAL_PRIORITY)
    else:
        os.nice(NICE)


def kill_tree(pid: int) -> None:
    """Ends a process that `start_detached` started, and its children, at once."""
    if sys.platform != "win32":
        with suppress(ProcessLookupError):  # it may end by itself just now
            os.killpg(pid, signal.SIGKILL)
        return
    parent = psutil.Process(pid)
    for process in [*parent.children(recursive=True), parent]:
        with suppress(psutil.NoSuchProcess):
            process.kill()


def loopback() -> str:
    """The network that ends in this machine, by its name. "" on Windows, which has none."""
    return {"linux": "lo", "darwin": "lo0"}.get(sys.platform, "")


def cards_work_together() -> bool:
    """Whether several graphics cards can train one model: NVIDIA's library for that (NCCL) is there for Linux alone."""
    return sys.platform == "linux"


def boot_id() -> str:
    """Changes with every start of the machine. "" where a process's start is told by the clock, which no restart repeats; Linux counts from boot."""
    return BOOT_ID.read_text().strip() if sys.platform == "linux" else ""


def end_signals() -> tuple[signal.Signals, ...]:
    """What asks a program to end: Ctrl-C, and a polite kill. Windows has Ctrl-Break, by another number, in the latter's place."""
    return (signal.SIGINT, signal.SIGBREAK) if sys.platform == "win32" else (signal.SIGINT, signal.SIGTERM)


# Files


def user_data_folder() -> Path:
    """Where a user's applications keep their data."""
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support"
    if sys.platform == "win32":
        return Path.home() / "AppData" / "Local"
    return Path.home() / ".local" / "share"


def open_file(path: Path) -> int:
    """A descriptor for reading. A link is an OSError with ELOOP, a named pipe does not wait for its other end. Raises OSError.

    On Windows a link that is put there between the look and the opening would be followed.
    """
    if sys.platform != "win32":
        return os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    if path.is_symlink():
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path))
    return os.open(path, os.O_RDONLY | O_BINARY)


def replace(source: Path, target: Path) -> None:
    """Renames, over a file that is there. Windows refuses while somebody reads either: tried again for RENAME_SECONDS. Raises OSError."""
    deadline = time.monotonic() + (RENAME_SECONDS if sys.platform == "win32" else 0)
    while True:
        try:
            source.replace(target)
            return
        except PermissionError:
            if time.monotonic() >= deadline:
                raise
            time.sleep(RENAME_PAUSE)


def sync_folder(folder: Path) -> None:
    """Makes renames inside `folder` durable. Windows cannot: there a loss of power may undo the last ones."""
    if sys.platform == "win32":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


# Memory and processor


def limit_memory(most: int) -> None:
    """Caps this process at `most` bytes. Linux keeps the limit, with a MemoryError. Elsewhere a thread looks, and ends the process with
    TOO_MUCH_MEMORY: no clean-up runs, and one large step may go above it before the thread gets its turn."""
    if sys.platform == "linux":
        # What a process may fill, whatever it only reserves: libraries map far more than they use.
        resource.setrlimit(resource.RLIMIT_DATA, (most, most))
        return
    threading.Thread(target=_watch_memory, args=(most,), daemon=True).start()


def _watch_memory(most: int) -> None:
    process = psutil.Process()
    while process.memory_info().rss <= most:
        time.sleep(WATCH_SECONDS)
    os._exit(TOO_MUCH_MEMORY)


def peak_memory() -> int:
    """Bytes that this process held at its highest point. (Linux's `ru_maxrss` would begin with the parent's.)"""
    if sys.platform == "linux":
        peak = next(line for line in OWN_STATUS.read_text().splitlines() if line.startswith("VmHWM"))
        return int(peak.split()[1]) * 1024
    if sys.platform == "win32":
        return int(psutil.Process().memory_info().peak_wset)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # bytes on macOS


def return_freed_memory() -> None:
    """From now on, memory that is free again goes back to the system at once. For work that makes large blocks and keeps small ones, as packing a
    model does: beside a block that stays, glibc would keep those that went. Other C libraries are left as they are."""
    _mallopt({M_MMAP_THRESHOLD: 2**17})


def keep_freed_memory() -> None:
    """From now on, memory that is free again is kept for the next use. A step of training on a processor makes and frees hundreds of blocks of some
    megabytes; glibc would hand each back to the system, which clears every page of it again: an eighth of the time.

    (torch's THP_MEM_ALLOC_ENABLE is not for this: it aligns every large block to 2 MB, and the gaps between them are memory that is never used again,
    40 % of a training with long rows.)
    """
    _mallopt({M_MMAP_THRESHOLD: 2**30, M_TRIM_THRESHOLD: -1})


def _mallopt(values: Mapping[int, int]) -> None:
    if sys.platform == "linux" and platform.libc_ver()[0] == "glibc":
        library = ctypes.CDLL("libc.so.6")
        for name, value in values.items():
            library.mallopt(name, value)


def free_memory() -> int:
    """Bytes that new processes can take, within a container's limit where there is one."""
    free = psutil.virtual_memory().available
    if CGROUP_LIMIT.exists() and CGROUP_LIMIT.read_text().strip() != "max":
        free = min(free, int(CGROUP_LIMIT.read_text()) - int(CGROUP_USED.read_text()))
    return free


def memory_kills() -> int | None:
    """How many processes the system has ended so far because memory ran out, in this container or else on this machine. None where nobody
    counts: on macOS, in some sandboxes, and on Windows, which refuses memory instead."""
    counting = [place for place in (CGROUP_EVENTS, MACHINE_EVENTS) if place.exists()] if sys.platform == "linux" else []
    if not counting:
        return None
    counts = dict(line.split() for line in counting[0].read_text().splitlines())
    return int(counts["oom_kill"])


def usable_cores() -> int:
    """Processor cores that this process may use; all of them where the system does not say."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


def processor_name() -> str:
    return next(_processor_lines("model name"), platform.processor() or "CPU")


def processor_flags() -> set[str]:
    """Instruction sets by Linux's names; empty elsewhere, where nothing fast is assumed."""
    return set(next(_processor_lines("flags"), "").split())


def _processor_lines(begin: str) -> Iterator[str]:
    """What Linux says about the processor, of the lines that begin so; none on other systems."""
    lines = PROCESSOR.read_text().splitlines() if sys.platform == "linux" else []
    return (line.partition(":")[2].strip() for line in lines if line.startswith(begin))
