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
from qlora_demo.export.prepared import prepared
from qlora_demo.jobs.export_queue import PUSH, Export, ExportQueue
from qlora_demo.recipe import from_json
from qlora_demo.run_dir import Home, read_json
from qlora_demo.systems import free_memory

TICK_SECONDS, TELL_SECONDS = 0.5, 0.5
WAITS_FOR_MEMORY = "Waits until memory is free"
STOPPED = "You stopped it."
FAULT = "This was given up because of a fault in this app. The server's log has the details."
NOT_PREPARED = "The files could not be prepared, so nothing was sent."
NO_TOKEN = "Your token is not here any more. Press the button again."  # noqa: S105 (a sentence)


class ExportLine:
    """`busy` tells whether a training or a chat holds memory that will be free later. Only one process of a home may `start` it."""

    def __init__(self, home: Home, queue: ExportQueue, environ: Mapping[str, str], busy: Callable[[], bool]):
        self._home, self._queue, self._environ, self._busy = home, queue, environ, busy
        self._pushes: dict[int, Push] = {}
        self._lock = threading.Lock()
        self._running: tuple[Export, ExportChild] | None = None
        self._wake, self._closing = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None

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

    def push(self, export: Export, push: Push) -> None:
        """Gives what is in the line its token."""
        with self._lock:
            self._pushes[export.id] = push
        self.wake()

    def stop(self, export: Export) -> None:
        """Out of the line, or ended at once; half of it is worth nothing and goes. A sending says itself how it ended."""
        with self._lock:
            sending = self._running[1] if self._running and self._running[0].id == export.id and export.op == PUSH else None
        if sending is not None:
            sending.cancel()
            return
        if not self._queue.end(export.id, "stopped", STOPPED, was="queued") and self._queue.end(export.id, "stopped", STOPPED):
            self._end_child(lambda running: running.id == export.id)
        with self._lock:
            self._pushes.pop(export.id, None)

    def _end_child(self, which: Callable[[Export], bool]) -> None:
        with self._lock:
            child = self._running[1] if self._running and which(self._running[0]) else None
        if child is not None:
            child.end()

    def _run(self) -> None:
        while not self._closing.is_set():
            try:
                self.tick()
            except Exception:  # this thread's outermost edge: one bad tick must not end the line
                with suppress(OSError):
                    traceback.print_exc()
            self._wake.wait(TICK_SECONDS)
            self._wake.clear()

    def tick(self) -> None:
        """The next in line, from its start to its end."""
        export = self._queue.next()
        if export is None:
            return
        try:
            if not self._has_memory(export):
                return
        except UserError as error:
            self._queue.end(export.id, "failed", str(error), was="queued")
            return
        if self._queue.begin(export.id):
            self._finish(export)

    def _finish(self, export: Export) -> None:
        """One that has begun."""
        try:
            target = self._work(export)
        except DiskFullError:
            self._queue.back(export.id)
            raise
        except Stopped:
            self._queue.end(export.id, "stopped", STOPPED)
        except UserError as error:
            if self._closing.is_set() and export.op != PUSH:
                self._queue.back(export.id)
            else:
                self._queue.end(export.id, "failed", str(error))
        else:
            self._queue.end(export.id, "finished", target=target)
        finally:
            self._queue.end(export.id, "failed", FAULT)  # of one that has not ended in any of these ways

    def _has_memory(self, export: Export) -> bool:
        """False where it will have later. Raises StorageError where it never will."""
        if export.op == PUSH:
            return True
        recipe = from_json(read_json(self._home.run(export.run).recipe_json))
        needed, free = find_form(export.form, recipe.method).memory_bytes(find_model(recipe.model).dimensions), free_memory()
        if needed <= free:
            return True
        if self._busy():
            self._queue.tell(export.id, 0.0, WAITS_FOR_MEMORY)
            return False
        raise StorageError(
            f"This needs about {needed / 1e9:.1f} GB of the machine's memory; {free / 1e9:.1f} GB are free. Close other programs, or take the add-on "
            "file."
        )

    def _work(self, export: Export) -> str:
        """The address of what was sent, "" of what was prepared. Raises UserError."""
        run, told = self._home.run(export.run), [0.0]

        def tell(share: float, doing: str) -> None:
            if time.monotonic() - told[0] >= TELL_SECONDS:
                told[0] = time.monotonic()
                self._queue.tell(export.id, share, doing)

        with self._lock:
            push = self._pushes.pop(export.id, None)
        if export.op == PUSH and push is None:
            raise StorageError(NO_TOKEN)
        if export.op == PUSH and prepared(run, export.form) is None:
            raise StorageError(NOT_PREPARED)
        child = ExportChild(self._environ, self._home.path / "exports.log")
        with self._lock:
            self._running = export, child
        if self._closing.is_set():
            child.end()
        try:
            if push is not None:
                return child.push(run.path, export.form, push, tell)
            child.prepare(run.path, export.form, tell)
            return ""
        finally:
            with self._lock:
                self._running = None
