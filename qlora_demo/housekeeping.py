"""The thread that keeps a home tidy: leftovers and what nobody used for long are deleted, what was learned is copied to the bucket.

By age alone, without following links; what a living process may still write is younger. Nothing here waits for a click, and no click for it.
"""

from __future__ import annotations

import os
import shutil
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from qlora_demo.bucket import Bucket, bucket_of
from qlora_demo.errors import StorageError
from qlora_demo.export.prepared import withdraw
from qlora_demo.jobs import processes
from qlora_demo.jobs.ledger import ACTIVE, EVERYONE, FINAL, Ledger
from qlora_demo.room import keep_reserve
from qlora_demo.run_dir import Home, clear_away, put_away
from qlora_demo.settings import Settings
from qlora_demo.storage import DAY, HOUR, Storage, make_way, modified, remove_dataset

LOOK_SECONDS, SWEEP_SECONDS, CLOSE_SECONDS = 5.0, 600.0, 20.0
LOG_BYTES = 20_000_000
LEFTOVER_SECONDS, PREPARED_SECONDS, BROKEN_LEDGER_SECONDS = HOUR, DAY, 30 * DAY


@dataclass(frozen=True)
class House:
    """What is kept tidy."""

    home: Home
    ledger: Ledger
    settings: Settings
    bucket: Bucket | None


class Housekeeper:
    """`start` sweeps at once, then every SWEEP_SECONDS; the bucket is looked after every LOOK_SECONDS."""

    def __init__(self, home: Home, ledger: Ledger, settings: Settings):
        self._house = House(home, ledger, settings, bucket_of(settings))
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="housekeeping", daemon=True)
        self._troubled: dict[Callable[..., None], str] = {}

    def bring_back(self) -> None:
        """Runs that are in the bucket alone. Before the ledger is completed from the runs that are there."""
        brought = self._house.bucket.bring_back(self._house.home) if self._house.bucket is not None else []
        if brought:
            print(f"Models brought back from the bucket: {len(brought)}.", file=sys.stderr, flush=True)

    def delete_run(self, run_id: str) -> bool:
        """For good, in the bucket too. False where it is active or gone already. Raises StorageError."""
        return delete_run(self._house, run_id)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """After the last training has saved its point, which is copied too. A copy that takes long is not waited for: half of it is worth
        nothing, and goes later."""
        self._closing.set()
        if self._thread.is_alive():
            self._thread.join(timeout=CLOSE_SECONDS)

    def _run(self) -> None:
        swept = -SWEEP_SECONDS
        while not self._closing.is_set():
            due = time.monotonic() - swept >= SWEEP_SECONDS
            if due:
                swept = time.monotonic()
                for task in (sweep_leftovers, sweep_temporary, sweep_old, sweep_prepared):
                    self._try(lambda task=task: task(self._house, time.time()), task)
                self._try(lambda: keep_reserve(self._house.home.path), keep_reserve)
            self._copy(due)
            self._closing.wait(LOOK_SECONDS)
        self._copy(False)

    def _copy(self, clear: bool) -> None:
        bucket = self._house.bucket
        if bucket is not None:
            self._try(lambda: bucket.clear(everywhere=clear), bucket.clear)
            self._try(lambda: copy_to_bucket(self._house), copy_to_bucket)

    def _try(self, call: Callable[[], None], task: Callable[..., None]) -> None:
        """A trouble that stays is told once."""
        try:
            call()
            self._troubled.pop(task, None)
        except Exception as error:  # this thread's outermost edge
            if str(error) != self._troubled.get(task):
                with suppress(OSError):  # the server's own output may have no room
                    traceback.print_exc()
            self._troubled[task] = str(error)


def sweep_leftovers(house: House, now: float) -> None:
    """What was begun and never finished, from an hour on."""
    for path in list(leftovers(house.home)):
        if not path.parent.is_symlink() and _untouched(path, now) >= LEFTOVER_SECONDS:
            _delete(path)
    for path in house.home.path.glob("ledger.broken-*"):
        if _untouched(path, now) >= BROKEN_LEDGER_SECONDS:
            _delete(path)
    for path in house.home.path.glob("*.log"):  # of the chat, the data worker and tests: whoever writes goes on at the new end
        if not path.is_symlink() and path.stat().st_size > LOG_BYTES:
            os.truncate(path, 0)
    known = house.ledger.all_datasets()
    for folder in house.home.datasets.iterdir():
        if not folder.name.startswith(".") and folder.name not in known and _untouched(folder, now) >= LEFTOVER_SECONDS:
            _delete(folder)
    for job in house.ledger.in_states(FINAL):
        run = house.home.run(job.run)
        if not run.checkpoints.is_dir() or now - (job.ended or now) < LEFTOVER_SECONDS or processes.alive(run):
            continue
        unfinished = [run.checkpoints] if job.state == "finished" else run.checkpoints.glob("checkpoint-*")
        for path in unfinished:
            _delete(path)


def leftovers(home: Home) -> Iterator[Path]:
    """Everything under a temporary name, in the home and in its runs."""
    for folder, patterns in (
        (home.path, (".*.tmp",)),
        (home.runs, (".new-*", ".deleted-*", ".*.tmp", "*/.*.tmp", "*/data/.*.tmp", "*/exports/.*")),
        (home.datasets, (".new-*", ".deleted-*", ".paste-*", ".hub-*", "*/.*.tmp")),
        (home.path / "tools", (".fetching-*",)),
        (home.models, (".new-*", ".deleted-*", ".bundled-*")),
    ):
        for pattern in patterns:
            yield from folder.glob(pattern)


def sweep_temporary(house: House, now: float) -> None:
    """Uploads that nobody took, in gradio's folder."""
    for folder, names, files in os.walk(house.settings.temp_dir() / "uploads", topdown=False):
        for name in files:
            if _untouched(Path(folder, name), now) >= LEFTOVER_SECONDS:
                _delete(Path(folder, name))
        for name in names:
            path = Path(folder, name)
            if not path.is_symlink() and _untouched(path, now) >= LEFTOVER_SECONDS:
                with suppress(OSError):
                    path.rmdir()  # only where it is empty


def sweep_old(house: House, now: float) -> None:
    """Runs and data sets whose time is over; none that trains or waits, none that is everyone's."""
    storage = Storage(house.home, house.ledger, house.settings)
    for job in house.ledger.in_states(FINAL):
        until = storage.run_until(job)
        if until is not None and until < now and not processes.alive(house.home.run(job.run)):
            delete_run(house, job.run)
    learned = storage.learned_from()
    for dataset_id, owner in house.ledger.all_datasets().items():
        until = storage.data_until(dataset_id, learned.get(dataset_id))
        if owner != EVERYONE and until is not None and until < now:
            remove_dataset(house.home, house.ledger, dataset_id)


def sweep_prepared(house: House, now: float) -> None:
    """What was prepared to be taken along, a day after it was last taken: it can be prepared again."""
    for marker in house.home.runs.glob("*/exports/*.json"):
        if now - modified(marker) >= PREPARED_SECONDS:
            withdraw(house.home.run(marker.parent.parent.name), marker.stem)


def delete_run(house: House, run_id: str) -> bool:
    """A run, its row and its copies. The copies first, or they would come back. False where it is active or gone already. Raises StorageError."""
    run = house.home.run(run_id)
    if any(job.run == run_id for job in house.ledger.in_states(ACTIVE)):
        return False
    if house.bucket is not None:
        house.bucket.forget(run_id)

    def out_of_the_way() -> None:  # once its row is held: a run that was just taken from the line keeps all it has
        make_way(house.home, run.path, run.run_json.name)
        put_away(run.path)

    gone = house.ledger.remove_run(run_id, out_of_the_way)
    if gone:  # else another click is at it
        clear_away(run.path)
    if house.bucket is not None:
        house.bucket.forget(run_id)  # again: it may just have been copied
    return gone


def copy_to_bucket(house: House) -> None:
    """What has been learned since the last look. One run's trouble is not another's. Raises OSError, StorageError: the last of them."""
    assert house.bucket is not None  # noqa: S101
    trouble: OSError | StorageError | None = None
    for job in house.ledger.jobs():
        run = house.home.run(job.run)
        try:
            if run.run_json.exists():
                house.bucket.keep(run)
        except (OSError, StorageError) as error:
            trouble = error
    if trouble is not None:
        raise trouble


def _untouched(path: Path, now: float) -> float:
    """Seconds since the newest change to a file or to anything inside a folder; 0 of one that is just going away."""
    try:
        newest = os.lstat(path).st_mtime
        if path.is_dir() and not path.is_symlink():
            for folder, names, files in os.walk(path):
                newest = max([newest, *(os.lstat(os.path.join(folder, name)).st_mtime for name in (*names, *files))])
    except FileNotFoundError:
        return 0.0
    return now - newest


def _delete(path: Path) -> None:
    """A link goes, what it points to stays."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
