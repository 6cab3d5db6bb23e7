"""Works through the line of what is prepared and sent, one at a time, each in a child process on the processor."""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress

from qlora_demo.catalogue import find_model
from qlora_demo.errors import DiskFullError, StorageError, UserError
from qlora_demo.export.client import ExportChild, Push, Stopped
from qlora_demo.export.forms import find_form
from qlora_demo.export.prepared import clear_half, prepared
from qlora_demo.jobs.export_queue import PREPARE, PUSH, SENDING_LOST, Export, ExportQueue
from qlora_demo.recipe import from_json
from qlora_demo.run_dir import Home, read_json
from qlora_demo.storage import Storage
from qlora_demo.systems import free_memory

TICK_SECONDS, TELL_SECONDS = 0.5, 0.5
WAITS_FOR_MEMORY = "Waits until memory is free"
STOPPED = "You stopped it."
CUT_OFF = "This was given up, as the disk was full. Make room, then try again."
FAULT = "This was given up because of a fault in this app. The server's log has the details."
NOT_PREPARED = "The files could not be prepared, so nothing was sent."
NO_TOKEN = "Your token is not here any more. Press the button again."  # noqa: S105 (a sentence)


class ExportLine:
    """`busy` tells whether a training or a chat holds memory that will be free later. Only one process of a home may `start` it."""

    def __init__(self, home: Home, storage: Storage, queue: ExportQueue, environ: Mapping[str, str], busy: Callable[[], bool]):
        self._home, self._storage, self._queue, self._environ, self._busy = home, storage, queue, environ, busy
        self._pushes: dict[int, Push] = {}
        self._lock = threading.Lock()
        self._running: tuple[Export, ExportChild] | None = None
        self._wake, self._closing = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None
        self._troubled = ""

    def start(self) -> None:
        self._queue.put_back()
        self._thread = threading.Thread(target=self._run, name="exports", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """Look now instead of at the next tick."""
        self._wake.set()

    def close(self) -> None:
        """What is being prepared begins anew at the next start."""
        if self._thread is None:
            return
        self._closing.set()
        self._wake.set()
        self._end_child(lambda export: True)
        self._thread.join()
        self._thread = None

    def push(self, run: str, form: str, owner: str, push: Push) -> bool:
        """Into the line, with its token. False where this owner is sending that form already."""
        with self._lock:  # until its token is there, it does not begin
            if not self._queue.add(run, form, PUSH, owner, push.name):
                return False
            self._pushes[self._queue.of_run(run, owner)[form, PUSH].id] = push
        self.wake()
        return True

    def stop(self, export: Export) -> None:
        """Out of the line, or ended at once; half of it is worth nothing and goes. A sending says itself how it ended."""
        with self._lock:
            sending = self._running[1] if self._running and self._running[0].id == export.id and export.op == PUSH else None
        if sending is not None:
            sending.cancel()
            return
        if not self._queue.end(export.id, "stopped", STOPPED, was="queued") and self._queue.end(export.id, "stopped", STOPPED):
            self._end_child(lambda running: running.id == export.id)

    def _end_child(self, which: Callable[[Export], bool]) -> None:
        with self._lock:
            child = self._running[1] if self._running and which(self._running[0]) else None
        if child is not None:
            child.end()

    def _run(self) -> None:
        while not self._closing.is_set():
            try:
                self.tick()
                self._troubled = ""
            except Exception as error:  # this thread's outermost edge: one bad tick must not end the line
                if str(error) != self._troubled:  # a trouble that stays is told once
                    with suppress(OSError):
                        traceback.print_exc()
                self._troubled = str(error)
            self._wake.wait(TICK_SECONDS)
            self._wake.clear()

    def tick(self) -> None:
        """The first in line that can be made now, from its start to its end."""
        with self._lock:  # or a row that is just added would lose its token
            waiting = self._queue.open()
            self._pushes = {number: push for number, push in self._pushes.items() if any(export.id == number for export in waiting)}
        for export in waiting:
            if export.state == "running":  # left by a tick that could not write down how it ended, as on a full disk
                self._queue.end(export.id, "failed", SENDING_LOST if export.op == PUSH else CUT_OFF)
                return
        for export in waiting:
            try:
                if not self._can_begin(export):
                    continue
            except UserError as error:
                self._queue.end(export.id, "failed", str(error), was="queued")
                continue
            if self._queue.begin(export.id):
                self._finish(export)
            return

    def _can_begin(self, export: Export) -> bool:
        """False of what will have the memory later. Raises StorageError of what never will, or has no room on the disk any more."""
        if export.op == PUSH:  # behind its own preparing
            own = self._queue.of_run(export.run, export.owner).get((export.form, PREPARE))
            return own is None or not own.open()
        recipe = from_json(read_json(self._home.run(export.run).recipe_json))
        form, dimensions = find_form(export.form, recipe.method), find_model(recipe.model).dimensions
        self._storage.check_export(export.owner, form.disk_bytes(dimensions, recipe), form.bytes(dimensions, recipe))
        needed, free = form.memory_bytes(dimensions), free_memory()
        if needed <= free:
            return True
        if not self._busy():
            raise StorageError(
                f"This needs about {needed / 1e9:.1f} GB of the machine's memory; {free / 1e9:.1f} GB are free. Close other programs, or take the "
                "add-on file."
            )
        if export.doing != WAITS_FOR_MEMORY:
            self._queue.tell(export.id, 0.0, WAITS_FOR_MEMORY)
        return False

    def _finish(self, export: Export) -> None:
        """One that has begun."""
        try:
            target = self._work(export)
        except DiskFullError:
            self._queue.end(export.id, "failed", SENDING_LOST if export.op == PUSH else CUT_OFF)
            raise  # also what is raised where there is no room for that either: a later tick sees to it
        except Stopped as left:
            said = SENDING_LOST if self._closing.is_set() else f"{STOPPED} Nothing was published. {left}".strip()
            self._queue.end(export.id, "failed" if self._closing.is_set() else "stopped", said)
        except UserError as error:
            if not self._closing.is_set():
                self._queue.end(export.id, "failed", str(error))
            elif export.op == PUSH:
                self._queue.end(export.id, "failed", SENDING_LOST)
            else:
                self._queue.back(export.id)
        else:
            self._queue.end(export.id, "finished", target=target)
        finally:
            self._queue.end(export.id, "failed", FAULT)  # of one that has not ended in any of these ways

    def _work(self, export: Export) -> str:
        """The address of what was sent, "" of what was prepared. Raises UserError, and Stopped."""
        run = self._home.run(export.run)
        with self._lock:
            push = self._pushes.pop(export.id, None)
        if export.op == PUSH and push is None:
            raise StorageError(NO_TOKEN)
        if export.op == PUSH and prepared(run, export.form) is None:
            raise StorageError(NOT_PREPARED)
        child = ExportChild(self._environ, self._home.path / "exports.log")
        with self._lock:
            self._running = export, child
        if self._closing.is_set() or not self._queue.is_open(export.id):  # stopped while the child was started
            child.end()
        try:
            if push is not None:
                return child.push(run.path, export.form, push, self._teller(export, child.cancel))
            child.prepare(run.path, export.form, self._teller(export, child.end))
            return ""
        finally:
            with self._lock:
                self._running = None
            if export.op != PUSH and not run.export_json(export.form).exists() and run.path.exists():
                clear_half(run, export.form)

    def _teller(self, export: Export, give_up: Callable[[], None]) -> Callable[[float, str], None]:
        """Writes down how far it is, now and then, and gives up what nobody waits for any more: another process may have taken it out of the line."""
        told = [0.0]

        def tell(share: float, doing: str) -> None:
            if time.monotonic() - told[0] >= TELL_SECONDS:
                told[0] = time.monotonic()
                if not self._queue.tell(export.id, share, doing):
                    give_up()

        return tell
