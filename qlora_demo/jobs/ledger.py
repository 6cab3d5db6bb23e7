"""What many may touch at once: jobs and data sets with their owners, in SQLite.

A state changes in one guarded statement, so that double clicks, two tabs and a scheduler cannot cross; the first final state wins. Commits are
synced to disk (WAL, synchronous=FULL): what was acknowledged survives a crash of everything.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from qlora_demo.errors import NotFoundError, StorageError
from qlora_demo.jobs.processes import Identity

VERSION = 1
ACTIVE = ("starting", "running", "stopping")
EVERYONE = "everyone"
"""Owner of the example model that all may chat with; it waits behind everybody's own runs."""
FINAL = ("finished", "failed", "stopped", "interrupted")
SCHEMA = """
CREATE TABLE IF NOT EXISTS jobs(
    id INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, run TEXT NOT NULL, owner TEXT NOT NULL, state TEXT NOT NULL,
    reason TEXT NOT NULL DEFAULT '', attempt INTEGER NOT NULL DEFAULT 1, set_id TEXT, created REAL NOT NULL, queued REAL NOT NULL,
    started REAL, ended REAL, pid INTEGER, pid_created REAL, boot_id TEXT, UNIQUE(kind, run));
CREATE INDEX IF NOT EXISTS jobs_by_state ON jobs(state);
CREATE TABLE IF NOT EXISTS datasets(id TEXT PRIMARY KEY, owner TEXT NOT NULL, name TEXT NOT NULL, created REAL NOT NULL);
"""


@dataclass(frozen=True)
class Job:
    """One row. `queued` orders the line; times are seconds since the epoch. `attempt` is 1 when a person puts it in line, and one more after each
    sudden end from which it went on by itself."""

    id: int
    kind: str
    run: str
    owner: str
    state: str
    reason: str
    attempt: int
    set_id: str | None
    created: float
    queued: float
    started: float | None
    ended: float | None
    pid: int | None
    pid_created: float | None
    boot_id: str | None


@dataclass(frozen=True)
class Found:
    """A run that the ledger did not know, by its directory alone; `worker` is who worked on it last."""

    run: str
    owner: str
    state: str
    reason: str
    created: float
    started: float | None
    ended: float | None
    worker: Identity | None


class DamagedLedger(StorageError):
    """The file is no database, or not a whole one."""


class Ledger:
    """A short connection a call: any thread and any process may call. Raises DamagedLedger, and StorageError where the file cannot be used."""

    def __init__(self, path: Path):
        self._path = path
        try:
            # Switching a new file to WAL does not wait for another opener; the lock does.
            with FileLock(f"{path}.lock"), self._connect() as db:
                db.execute("PRAGMA journal_mode=WAL")
                found = db.execute("PRAGMA user_version").fetchone()[0]
                if found not in (0, VERSION):
                    raise StorageError(f"{path.name} was written by another release (schema {found}; this one reads {VERSION}). Use that release.")
                db.executescript(SCHEMA)
                db.execute(f"PRAGMA user_version={VERSION}")
                problems = db.execute("PRAGMA quick_check(1)").fetchone()[0]
                if problems != "ok":
                    raise sqlite3.DatabaseError(problems)
        except (sqlite3.OperationalError, OSError) as error:
            raise StorageError(f"{path} cannot be used ({error}). Check that its disk has room and that you may write there.") from error
        except sqlite3.DatabaseError as error:
            raise DamagedLedger(f"{path} is damaged and cannot be read ({error}).") from error

    def add_job(self, kind: str, run: str, owner: str) -> Job:
        """Into the line. A run that is there already stays as it is: another process may have found its directory first."""
        now = time.time()
        sql = """
            INSERT INTO jobs(kind, run, owner, state, created, queued) VALUES(?, ?, ?, 'queued', ?, ?)
            ON CONFLICT(kind, run) DO UPDATE SET owner=excluded.owner RETURNING *"""
        return self._one(sql, (kind, run, owner, now, now))

    def restore_job(self, found: Found) -> None:
        """As `add_job`, with all that is known of it."""
        who = found.worker
        process = (who.pid, who.created, who.boot_id) if who else (None, None, None)
        sql = """
            INSERT OR IGNORE INTO jobs(kind, run, owner, state, reason, created, queued, started, ended, pid, pid_created, boot_id)
            VALUES('train', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"""
        times = (found.created, found.created, found.started, found.ended)
        with self._connect() as db:
            db.execute(sql, (found.run, found.owner, found.state, found.reason, *times, *process))

    def claim(self, kind: str) -> Job | None:
        """Takes the first in line, unless one of its kind is active: at most one trains. One statement, so two claimers cannot both win."""
        sql = """
            UPDATE jobs SET state='starting', reason='', started=?, ended=NULL, pid=NULL, pid_created=NULL, boot_id=NULL
            WHERE id=(SELECT id FROM jobs WHERE kind=? AND state='queued' ORDER BY owner=?, queued, id LIMIT 1) AND state='queued'
            AND NOT EXISTS(SELECT 1 FROM jobs WHERE kind=? AND state IN ('starting', 'running', 'stopping')) RETURNING *"""
        return self._maybe(sql, (time.time(), kind, EVERYONE, kind))

    def move(self, job_id: int, from_states: Sequence[str], to_state: str, reason: str = "") -> bool:
        """Whether the job was in one of `from_states` and now is in `to_state`."""
        ended = time.time() if to_state in FINAL else None
        marks = ", ".join("?" * len(from_states))
        sql = f"UPDATE jobs SET state=?, reason=?, ended=? WHERE id=? AND state IN ({marks}) RETURNING *"  # noqa: S608 (only question marks)
        return self._maybe(sql, (to_state, reason, ended, job_id, *from_states)) is not None

    def requeue(self, job_id: int, from_states: Sequence[str], attempt: int, keep_place: bool = False) -> bool:
        """Back into the line: at its end, or at its old place after an interruption that nobody wanted."""
        marks = ", ".join("?" * len(from_states))
        cleared = "started=NULL, ended=NULL, pid=NULL, pid_created=NULL, boot_id=NULL"
        fresh = f"state='queued', reason='', attempt=?, queued=COALESCE(?, queued), {cleared}"
        sql = f"UPDATE jobs SET {fresh} WHERE id=? AND state IN ({marks}) RETURNING *"  # noqa: S608 (only question marks)
        return self._maybe(sql, (attempt, None if keep_place else time.time(), job_id, *from_states)) is not None

    def set_worker(self, job_id: int, pid: int, pid_created: float, boot_id: str) -> None:
        with self._connect() as db:
            db.execute("UPDATE jobs SET pid=?, pid_created=?, boot_id=? WHERE id=?", (pid, pid_created, boot_id, job_id))

    def jobs(self, owner: str | None = None) -> list[Job]:
        """In the order of their submission; of one owner, or of all for the scheduler."""
        if owner is None:
            return self._all("SELECT * FROM jobs ORDER BY id", ())
        return self._all("SELECT * FROM jobs WHERE owner=? ORDER BY id", (owner,))

    def job(self, job_id: int) -> Job | None:
        """As it is now; None where it was deleted."""
        return self._maybe("SELECT * FROM jobs WHERE id=?", (job_id,))

    def in_states(self, states: Sequence[str]) -> list[Job]:
        return [job for job in self.jobs() if job.state in states]

    def job_of_run(self, run: str, owner: str) -> Job:
        """One's own, or everyone's. Raises NotFoundError, with the same sentence for another owner's run and for none."""
        job = self._maybe("SELECT * FROM jobs WHERE run=? AND owner IN (?, ?) AND kind='train'", (run, owner, EVERYONE))
        if job is None:
            raise NotFoundError("There is no such model of yours. It may have been deleted.")
        return job

    def waiting(self) -> list[Job]:
        """The line, the next first: in the order of `claim`."""
        return sorted(self.in_states(("queued",)), key=lambda job: (job.owner == EVERYONE, job.queued, job.id))

    def active(self) -> Job | None:
        return next(iter(self.in_states(ACTIVE)), None)

    def remove_run(self, run: str, put_away: Callable[[], object]) -> bool:
        """Unless it is active or gone already. `put_away` takes its directory out of the way before the row is gone for good: a crash in between
        leaves a row without a directory, which the next start drops, and never a directory that would come back as a run."""
        with self._connect() as db:
            gone = db.execute("DELETE FROM jobs WHERE run=? AND state NOT IN ('starting', 'running', 'stopping') RETURNING id", (run,)).fetchall()
            if gone:
                put_away()
        return bool(gone)

    def add_dataset(self, dataset_id: str, owner: str, name: str) -> None:
        self.restore_dataset(dataset_id, owner, name, time.time())

    def restore_dataset(self, dataset_id: str, owner: str, name: str, created: float) -> None:
        """One that is there already stays as it is."""
        with self._connect() as db:
            db.execute("INSERT OR IGNORE INTO datasets(id, owner, name, created) VALUES(?, ?, ?, ?)", (dataset_id, owner, name, created))

    def dataset_name(self, dataset_id: str) -> str:
        """The file that it was read from, as a command would name it."""
        with self._connect() as db:
            return db.execute("SELECT name FROM datasets WHERE id=?", (dataset_id,)).fetchone()["name"]

    def dataset_owner(self, dataset_id: str) -> str | None:
        with self._connect() as db:
            row = db.execute("SELECT owner FROM datasets WHERE id=?", (dataset_id,)).fetchone()
        return row["owner"] if row else None

    def datasets(self, owner: str) -> list[str]:
        """The ids of all data sets of this owner."""
        with self._connect() as db:
            return [row["id"] for row in db.execute("SELECT id FROM datasets WHERE owner=? ORDER BY created", (owner,))]

    def all_datasets(self) -> dict[str, str]:
        """Every data set's owner by its id."""
        with self._connect() as db:
            return {row["id"]: row["owner"] for row in db.execute("SELECT id, owner FROM datasets")}

    def remove_dataset(self, dataset_id: str) -> None:
        with self._connect() as db:
            db.execute("DELETE FROM datasets WHERE id=?", (dataset_id,))

    def _one(self, sql: str, values: Sequence[object]) -> Job:
        return self._all(sql, values)[0]

    def _maybe(self, sql: str, values: Sequence[object]) -> Job | None:
        return next(iter(self._all(sql, values)), None)

    def _all(self, sql: str, values: Sequence[object]) -> list[Job]:
        with self._connect() as db:
            return [Job(**dict(row)) for row in db.execute(sql, values).fetchall()]

    @contextmanager
    def _connect(self) -> Iterator[sqlite3.Connection]:
        db = sqlite3.connect(self._path, timeout=30)
        db.row_factory = sqlite3.Row
        db.execute("PRAGMA synchronous=FULL")
        try:
            with db:
                yield db
        finally:
            db.close()
