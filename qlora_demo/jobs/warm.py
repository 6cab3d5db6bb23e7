"""The next worker, warm: a process that has imported all that training needs and waits for its run, so that a click is felt at once.

At most one waits, only while nothing trains and only where memory is plentiful. It ends with the server, unless it has a run by then: then it
lives on as any worker does.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Mapping

import psutil

from qlora_demo.jobs import processes
from qlora_demo.run_dir import Home, RunDir
from qlora_demo.systems import free_memory

IDLE_SECONDS = 3.0
"""How long nothing must have trained before one is started: not while a page loads, nor between two runs in line."""
ITS_BYTES = 600_000_000
"""What a waiting worker holds."""
LEFT_BYTES, LEAST_BYTES = 3_000_000_000, 1_000_000_000
"""Free beside it for one to be started, and for one to stay."""


class Warm:
    """Only the scheduler's thread calls what changes it, so nothing is locked."""

    def __init__(self, home: Home, environ: Mapping[str, str], module: str):
        self._home, self._environ, self._module = home, environ, module
        self._process: subprocess.Popen[bytes] | None = None
        self._idle_since: float | None = None
        self._died = False

    def look(self, idle: bool) -> None:
        """Starts one where nothing has trained for a while, ends one where memory has become short."""
        if self._process is not None and self._process.poll() is not None:
            self._process, self._died = None, True  # not tried again before the next run: it would die again
        if not idle:
            self._idle_since = None
            return
        now = time.monotonic()
        if self._idle_since is None:
            self._idle_since = now
        if self._process is not None:
            if free_memory() < LEAST_BYTES:
                self.close()
        elif not self._died and now - self._idle_since >= IDLE_SECONDS and free_memory() >= ITS_BYTES + LEFT_BYTES:
            self._start()

    def _start(self) -> None:
        try:
            with (self._home.path / "warm.log").open("wb") as log:
                self._process = processes.start_waiting(self._home.path, self._environ, self._module, log)
        except OSError:
            self._died = True  # the next run is started cold, and says why it cannot be

    def take(self, run: RunDir) -> subprocess.Popen[bytes] | None:
        """Gives the run to the waiting worker, which is nobody's then but the run's. None where there is none, or none that lives."""
        process, self._process, self._died = self._process, None, False
        if process is None or process.poll() is not None:
            return None
        assert process.stdin is not None  # noqa: S101
        try:
            process.stdin.write(os.fsencode(run.path.absolute()) + b"\n")
            process.stdin.close()
        except OSError:
            process.wait()
            return None
        return process

    def held_bytes(self) -> int:
        """What it holds now; the next run will have it."""
        process = self._process
        if process is None:
            return 0
        try:
            return int(psutil.Process(process.pid).memory_info().rss)
        except psutil.NoSuchProcess:
            return 0

    def close(self) -> None:
        """Ends the waiting worker."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
