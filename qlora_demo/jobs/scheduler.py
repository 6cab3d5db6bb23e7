"""The one scheduler of a home: takes the next run in line, starts its worker, and writes down how each ends.

A worker lives on when the server dies, and is adopted by the next: the run's lock says that it is alive, result.json how it ended. One without
either has died; only then does the scheduler speak for it, never in the run's events. A fresh process goes on from the last saved point, at once
and in its place: after too little memory with less of it, after an end that was asked for as often as needed, after any other sudden end twice.
"""

from __future__ import annotations

import subprocess
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass

import psutil
from filelock import FileLock, Timeout

from qlora_demo.errors import BusyError, DiskFullError, StorageError, UserError
from qlora_demo.events import read_events
from qlora_demo.jobs import fitting, processes
from qlora_demo.jobs.ledger import ACTIVE, Job, Ledger
from qlora_demo.jobs.processes import EXIT_DISK, EXIT_INTERRUPTED, EXIT_KILLED, EXIT_MEMORY, EXIT_TAKEN, Identity
from qlora_demo.jobs.warm import Warm
from qlora_demo.jobs.watchdog import Watchdog
from qlora_demo.progress import progress_of
from qlora_demo.room import DISK_FULL, MAKE_ROOM, give_reserve, is_full
from qlora_demo.run_dir import Home, RunDir, write_json
from qlora_demo.systems import memory_kills

WORKER = "qlora_demo.jobs.worker"
TICK_SECONDS = 0.3
AUTOMATIC_ATTEMPTS = 3  # the first and two more after sudden ends
INTERRUPTED = "Training was interrupted. It can go on from its last saved point."
DIED_EARLY = "Training ended unexpectedly before its first step."
NO_ROOM = f"The disk is full. What was saved is kept. {MAKE_ROOM}, then continue."
STOPPED_UNSAVED = "You stopped it, but it ended before it could save its latest steps."
LEFT_THE_LINE = "You took it out of the line before it started."


@dataclass(frozen=True)
class Tenants:
    """Who else uses the device: `make_room` for a training, `room_again` when none is left. Neither may take long."""

    make_room: Callable[[Job], None]
    room_again: Callable[[], None]


class Scheduler:
    """`tenants` are called before a worker starts, to give it the device's memory, and after the last one in line has ended.

    `module` is the worker's program.
    """

    def __init__(self, home: Home, ledger: Ledger, tenants: Tenants, environ: Mapping[str, str], module: str = WORKER):
        self._home, self._ledger, self._tenants, self._environ, self._module = home, ledger, tenants, environ, module
        self._busy = False
        self._troubled = ""
        self._lock = FileLock(home.scheduler_lock, timeout=0, thread_local=False)
        self._children: dict[int, subprocess.Popen[bytes]] = {}
        self._warm: Warm | None = None
        self._watchdog = Watchdog()
        self._ended_by_us: set[int] = set()
        self._kills = memory_kills()
        self._wake = threading.Event()
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, warm: bool = False) -> None:
        """`warm` keeps the next worker ready while nothing trains. Raises StorageError where another server has this home."""
        self.hold()
        self._reconcile()
        self._warm = Warm(self._home, self._environ, self._module) if warm else None
        self._thread = threading.Thread(target=self._run, name="scheduler", daemon=True)
        self._thread.start()

    def hold(self) -> None:
        """No other server of this home from now on, until this process ends. Raises StorageError where there is one."""
        try:
            self._lock.acquire()
        except Timeout as error:
            place = self._home.path
            raise StorageError(f"Another server of this app is using {place}. Close it, or set QLORA_DEMO_HOME to another folder.") from error

    def working(self) -> bool:
        """Whether the line is being worked through here."""
        return self._thread is not None and self._thread.is_alive()

    def wake(self) -> None:
        """Look now instead of at the next tick."""
        self._wake.set()

    def close(self, seconds: float = 30) -> None:
        """Asks a running worker to save a point and waits for it; it goes on at the next start. One that needs longer is adopted then."""
        if self._thread is None:
            return
        self._closing.set()
        self._wake.set()
        self._thread.join()
        if self._warm is not None:
            self._warm.close()
        for job in self._ledger.in_states(ACTIVE):
            run = self._home.run(job.run)
            processes.request_stop(run, "stop" if job.state == "stopping" else "interrupt")
            deadline = time.monotonic() + seconds
            while self._living(job, run) and time.monotonic() < deadline:
                time.sleep(0.1)
            if not self._living(job, run):
                self._settle(job, run)
        self._lock.release()
        self._thread = None

    def stop(self, job: Job) -> None:
        """Out of the line, or: save what it learned and finish. Harmless when asked twice or too late. Should this process die before the worker is
        told, the state tells the next tick or server to do so."""
        left = self._ledger.move(job.id, ("queued",), "stopped", LEFT_THE_LINE)
        if left or self._ledger.move(job.id, ("starting", "running"), "stopping"):
            with suppress(FileNotFoundError):  # deleted by another click
                processes.request_stop(self._home.run(job.run), "stop")

    def give_way(self, job: Job) -> None:
        """Saves a point, and goes on behind all others in line."""
        processes.request_stop(self._home.run(job.run), "interrupt")

    def resume(self, job: Job) -> None:
        """Back into the line, to go on from its newest saved point. Raises BusyError while a worker still holds it."""
        run = self._home.run(job.run)
        if processes.alive(run):
            raise BusyError("This run is just ending. Try again in a few seconds.")
        self._ledger.requeue(job.id, ("failed", "stopped", "interrupted"), attempt=1)

    def tick(self) -> None:
        """One look at everything."""
        for job in self._ledger.in_states(ACTIVE):
            self._watch(job)
        job = None if self._home.paused.exists() else self._ledger.claim("train")
        if job is not None:
            self._launch(job)
        busy = bool(self._ledger.in_states((*ACTIVE, "queued")))
        if self._busy and not busy:
            self._tenants.room_again()
        self._busy = busy
        if self._warm is not None:
            self._warm.look(idle=not busy)

    def waiting_bytes(self) -> int:
        """Memory of the worker that waits for the next run, which will have it."""
        return self._warm.held_bytes() if self._warm is not None else 0

    def _run(self) -> None:
        while not self._closing.is_set():
            try:
                self.tick()
                self._troubled = ""
            except Exception as error:  # this thread's outermost edge: one bad tick must not end the line
                self._tell(error)
            self._wake.wait(TICK_SECONDS)
            self._wake.clear()

    def _tell(self, error: Exception) -> None:
        """A trouble that stays is told once. Where the disk is full, what is in reserve makes room to write down what happened."""
        with suppress(OSError):  # the server's own output may have no room either
            if is_full(error):
                give_reserve(self._home.path)
            if str(error) != self._troubled:
                traceback.print_exc()
        self._troubled = str(error)

    def _watch(self, job: Job) -> None:
        run = self._home.run(job.run)
        if not self._living(job, run):
            self._settle(job, run)
            self._go_on(job)
            return
        if job.state == "starting" and processes.alive(run):
            self._ledger.move(job.id, ("starting",), "running")
        if job.state == "stopping" and processes.stop_request(run) != "stop":
            processes.request_stop(run, "stop")
        why = self._watchdog.look(run)
        if why:
            self._end(job, run, why)

    def _end(self, job: Job, run: RunDir, why: str) -> None:
        """Kills a worker that gets nowhere. The next tick takes it for one that died."""
        with run.log.open("ab") as log:
            log.write(f"{why}\n".encode())
        self._watchdog.forget(run)
        self._ended_by_us.add(job.id)
        for who in (processes.signed(run), _identity(job)):
            if who is not None:
                processes.kill(who)

    def _living(self, job: Job, run: RunDir) -> bool:
        """The lock first: a worker writes its result before it lets go, so whoever sees the lock free sees the result too."""
        if processes.alive(run):
            return True
        if job.id in self._children:
            return self._children[job.id].poll() is None
        who = _identity(job)
        return who is not None and processes.same_process(who)

    def _settle(self, job: Job, run: RunDir, restarted: bool = False) -> None:
        """Writes down how a dead worker's run ended. `restarted`: this server was not there when that happened."""
        child = self._children.get(job.id)
        code = child.wait() if child is not None and child.poll() is not None else None
        self._watchdog.forget(run)
        of_memory = not restarted and job.id not in self._ended_by_us
        try:
            self._write_end(job, run, None if code == EXIT_TAKEN else code, of_memory)
        except DiskFullError:
            raise  # it is written down once there is room
        except StorageError as error:
            self._ledger.move(job.id, ACTIVE, "failed", str(error))
        self._children.pop(job.id, None)
        self._ended_by_us.discard(job.id)

    def _write_end(self, job: Job, run: RunDir, code: int | None, of_memory: bool) -> None:
        """`code` is its exit code, None of a worker that was adopted; `of_memory` says whether it may have been ended for want of memory. Raises
        StorageError."""
        result, asked = run.result(), processes.stop_request(run)
        now = self._ledger.job(job.id)
        if result is not None:
            self._ledger.move(job.id, ACTIVE, result["outcome"], result["reason"])
        elif code == EXIT_DISK:
            self._fail(job, run, NO_ROOM)
        elif asked == "stop" or (now is not None and now.state == "stopping"):
            self._ledger.move(job.id, ACTIVE, "stopped", STOPPED_UNSAVED)
        elif asked == "interrupt":
            self._ledger.move(job.id, ACTIVE, "interrupted", INTERRUPTED)
        elif code == EXIT_MEMORY or (code is None and fitting.stepped_down_since(run, job.started or 0.0)):
            self._ledger.requeue(job.id, ACTIVE, job.attempt, keep_place=True)
        elif of_memory and code in (EXIT_KILLED, None) and fitting.killed_for_memory(run, self._kills):
            self._make_smaller(job, run)
        elif (code is None or code < 0 or code == EXIT_INTERRUPTED) and job.attempt < AUTOMATIC_ATTEMPTS:
            self._ledger.requeue(job.id, ACTIVE, job.attempt + 1, keep_place=True)
        else:
            self._fail(job, run, _died(run))

    def _fail(self, job: Job, run: RunDir, reason: str) -> None:
        """In the run's directory too, so that a ledger that is rebuilt says the same."""
        with suppress(OSError, DiskFullError):  # a full disk must not keep the line from going on
            write_json(run.result_json, {"outcome": "failed", "reason": reason})
        self._ledger.move(job.id, ACTIVE, "failed", reason)

    def _make_smaller(self, job: Job, run: RunDir) -> None:
        """For a worker that could not do so itself. Raises StorageError."""
        if fitting.step_down(run):
            self._ledger.requeue(job.id, ACTIVE, job.attempt, keep_place=True)
            return
        result = fitting.nothing_left(run)
        write_json(run.result_json, result)
        self._ledger.move(job.id, ACTIVE, result["outcome"], result["reason"])

    def _launch(self, job: Job) -> None:
        run = self._home.run(job.run)
        try:
            self._tenants.make_room(job)
            # Kept until now: a stopped model can be chatted with while it waits to go on.
            run.result_json.unlink(missing_ok=True)
            processes.clear_stop(run)  # of an earlier attempt; one for this attempt shows in the state, and is written again
            self._kills = memory_kills()
            warm = self._warm.take(run) if self._warm is not None else None
            child = warm or processes.start(run, self._environ, self._module)
            self._children[job.id] = child
            who = processes.identity(child.pid)
            self._ledger.set_worker(job.id, who.pid, who.created, who.boot_id)
        except psutil.NoSuchProcess:
            return  # it ended at once; the next tick says how
        except DiskFullError:
            raise  # the worker runs; only who it is could not be written down
        except UserError as error:
            self._fail(job, run, str(error))
        except OSError as error:
            reason = DISK_FULL if is_full(error) else f"Training could not be started ({error.strerror}). Try again."
            self._fail(job, run, reason)

    def _reconcile(self) -> None:
        """After a start: living workers are adopted by doing nothing, ended ones written down, interrupted ones put back in line."""
        for job in self._ledger.in_states(ACTIVE):
            run = self._home.run(job.run)
            if not self._living(job, run):
                with suppress(DiskFullError):  # it is looked at again with every tick
                    self._settle(job, run, restarted=True)
        for job in self._ledger.in_states(("interrupted",)):
            self._go_on(job)

    def _go_on(self, job: Job) -> None:
        """Puts a run back in line that was interrupted because somebody asked for it."""
        self._ledger.requeue(job.id, ("interrupted",), job.attempt, keep_place=True)


def _identity(job: Job) -> Identity | None:
    """Of the process that was started for it; None where its server died before writing that down."""
    return Identity(job.pid, job.pid_created or 0.0, job.boot_id or "") if job.pid is not None else None


def _died(run: RunDir) -> str:
    """What people read of a run whose worker ended without a word."""
    progress = progress_of(read_events(run.events)[0])
    if not progress.step:
        return DIED_EARLY
    saved = f"Saved up to step {progress.saved_step}." if progress.saved_step else "Nothing was saved yet."
    return f"Training ended unexpectedly at step {progress.step}. {saved}"
