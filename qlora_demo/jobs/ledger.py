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

from qlora_demo.errors import DiskFullError, NotFoundError, StorageError
from qlora_demo.jobs.processes import Identity
from qlora_demo.room import DISK_FULL, is_full

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
CREATE TABLE IF NOT EXISTS owners(owner TEXT PRIMARY KEY, created REAL NOT NULL);
CREATE TABLE IF NOT EXISTS shares(run TEXT PRIMARY KEY, link TEXT NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS guests(run TEXT NOT NULL, owner TEXT NOT NULL, PRIMARY KEY(run, owner));
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
    set_id: str | None = None


class DamagedLedger(StorageError):
    """The file is no database, or not a whole one."""


class Ledger:
    """A short connection a call: any thread and any process may call. Raises DamagedLedger, StorageError where the file cannot be
    used, and DiskFullError where the disk has no room for a change.

    One more connection stays open: the last to close takes the shared files beside the ledger away, and on a full disk nobody could make them again,
    not even to read.
    """

    def __init__(self, path: Path):
        self._path = path
        try:
            # Switching a new file to WAL does not wait for another opener; the lock does.
            with FileLock(f"{path}.lock"), self.connect() as db:
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
        self._open = sqlite3.connect(path, check_same_thread=False)
        self._open.execute("SELECT count(*) FROM jobs").fetchone()

    def close(self) -> None:
        """Lets go of its files. Calls after this work too."""
        self._open.close()

    def can_write(self) -> bool:
        """Whether a row could be written now; none is."""
        try:
            with self.connect() as db:
                db.execute("BEGIN IMMEDIATE")
                db.execute("INSERT INTO datasets(id, owner, name, created) VALUES('', '', '', 0)")
                db.execute("ROLLBACK")
        except (sqlite3.Error, OSError, DiskFullError):
            return False
        return True

    def add_job(self, kind: str, run: str, owner: str, set_id: str | None = None) -> Job:
        """Into the line. A run that is there already stays as it is: another process may have found its directory first. `set_id` is of those that
        were started together, to be compared."""
        now = time.time()
        sql = """
            INSERT INTO jobs(kind, run, owner, state, set_id, created, queued) VALUES(?, ?, ?, 'queued', ?, ?, ?)
            ON CONFLICT(kind, run) DO UPDATE SET owner=excluded.owner RETURNING *"""
        return self._one(sql, (kind, run, owner, set_id, now, now))

    def restore_job(self, found: Found) -> None:
        """As `add_job`, with all that is known of it."""
        who = found.worker
        process = (who.pid, who.created, who.boot_id) if who else (None, None, None)
        sql = """
            INSERT OR IGNORE INTO jobs(kind, run, owner, state, reason, set_id, created, queued, started, ended, pid, pid_created, boot_id)
            VALUES('train', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"""
        times = (found.created, found.created, found.started, found.ended)
        with self.connect() as db:
            db.execute(sql, (found.run, found.owner, found.state, found.reason, found.set_id, *times, *process))
        self.add_owner(found.owner)  # whose browser still has the key

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
        with self.connect() as db:
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
        """One's own, everyone's, or one that was shared with this owner. Raises NotFoundError, with the same sentence for another owner's run and
        for none."""
        shared = "EXISTS(SELECT 1 FROM guests WHERE guests.run=jobs.run AND guests.owner=?)"
        sql = f"SELECT * FROM jobs WHERE run=? AND kind='train' AND (owner IN (?, ?) OR {shared})"  # noqa: S608 (a constant)
        job = self._maybe(sql, (run, owner, EVERYONE, owner))
        if job is None:
            raise NotFoundError("There is no such model of yours. It may have been deleted.")
        return job

    def waiting(self) -> list[Job]:
        """The line, the next first: in the order of `claim`."""
        return sorted(self.in_states(("queued",)), key=lambda job: (job.owner == EVERYONE, job.queued, job.id))

    def in_line(self, owner: str) -> int:
        """This owner's jobs that are active or wait."""
        return sum(job.state in (*ACTIVE, "queued") for job in self.jobs(owner))

    def line_of_others(self, owner: str) -> tuple[bool, int]:
        """(whether somebody else's is active, how many of others wait); nothing else is told of them."""
        others = [job for job in self.in_states((*ACTIVE, "queued")) if job.owner not in (owner, EVERYONE)]
        waiting = sum(job.state == "queued" for job in others)
        return len(others) > waiting, waiting

    def to_front(self, job_id: int) -> None:
        """Of those that wait."""
        with self.connect() as db:
            first = db.execute("SELECT MIN(queued) AS first FROM jobs WHERE state='queued'").fetchone()["first"]
            db.execute("UPDATE jobs SET queued=? WHERE id=? AND state='queued'", ((first or time.time()) - 1, job_id))

    def active(self) -> Job | None:
        return next(iter(self.in_states(ACTIVE)), None)

    def remove_run(self, run: str, put_away: Callable[[], object]) -> bool:
        """Unless it is active or gone already. `put_away` takes its directory out of the way before the row is gone for good: a crash in between
        leaves a row without a directory, which the next start drops, and never a directory that would come back as a run."""
        with self.connect() as db:
            gone = db.execute("DELETE FROM jobs WHERE run=? AND state NOT IN ('starting', 'running', 'stopping') RETURNING id", (run,)).fetchall()
            if gone:
                put_away()
        if gone:
            self.unshare(run)
        return bool(gone)

    # Owners, and what they share

    def add_owner(self, owner: str) -> None:
        with self.connect() as db:
            db.execute("INSERT OR IGNORE INTO owners(owner, created) VALUES(?, ?)", (owner, time.time()))

    def knows_owner(self, owner: str) -> bool:
        with self.connect() as db:
            return db.execute("SELECT 1 FROM owners WHERE owner=?", (owner,)).fetchone() is not None

    def hand_over(self, owner: str, to: str) -> list[str]:
        """All jobs and data sets of one owner to another. Returns the ids of the runs."""
        with self.connect() as db:
            runs = [row["run"] for row in db.execute("UPDATE jobs SET owner=? WHERE owner=? RETURNING run", (to, owner))]
            db.execute("UPDATE datasets SET owner=? WHERE owner=?", (to, owner))
        return runs

    def share(self, run: str, link: str) -> None:
        """`link` is what the run's secret link hashes to; another one takes its place."""
        with self.connect() as db:
            db.execute("INSERT INTO shares(run, link) VALUES(?, ?) ON CONFLICT(run) DO UPDATE SET link=excluded.link", (run, link))

    def is_shared(self, run: str) -> bool:
        with self.connect() as db:
            return db.execute("SELECT 1 FROM shares WHERE run=?", (run,)).fetchone() is not None

    def unshare(self, run: str) -> None:
        """Neither the link nor those who came by it reach the run any more."""
        with self.connect() as db:
            db.execute("DELETE FROM shares WHERE run=?", (run,))
            db.execute("DELETE FROM guests WHERE run=?", (run,))

    def add_guest(self, link: str, owner: str) -> str:
        """The run behind a link, which this owner may read from now on; "" where there is none, or none any more."""
        sql = "INSERT INTO guests(run, owner) SELECT run, ? FROM shares WHERE link=? ON CONFLICT DO UPDATE SET owner=owner RETURNING run"
        with self.connect() as db:
            row = db.execute(sql, (owner, link)).fetchone()
        return row["run"] if row else ""

    def guest_jobs(self, owner: str) -> list[Job]:
        """What others share with this owner."""
        sql = "SELECT jobs.* FROM jobs JOIN guests ON guests.run=jobs.run WHERE guests.owner=? AND jobs.owner<>? ORDER BY jobs.id"
        return self._all(sql, (owner, owner))

    def add_dataset(self, dataset_id: str, owner: str, name: str) -> None:
        self.restore_dataset(dataset_id, owner, name, time.time())

    def restore_dataset(self, dataset_id: str, owner: str, name: str, created: float) -> None:
        """One that is there already stays as it is."""
        with self.connect() as db:
            db.execute("INSERT OR IGNORE INTO datasets(id, owner, name, created) VALUES(?, ?, ?, ?)", (dataset_id, owner, name, created))
            db.execute("INSERT OR IGNORE INTO owners(owner, created) VALUES(?, ?)", (owner, created))

    def dataset_name(self, dataset_id: str) -> str:
        """The file that it was read from, as a command would name it."""
        with self.connect() as db:
            return db.execute("SELECT name FROM datasets WHERE id=?", (dataset_id,)).fetchone()["name"]

    def dataset_owner(self, dataset_id: str) -> str | None:
        with self.connect() as db:
            row = db.execute("SELECT owner FROM datasets WHERE id=?", (dataset_id,)).fetchone()
        return row["owner"] if row else None

    def datasets(self, owner: str) -> list[str]:
        """The ids of all data sets of this owner."""
        with self.connect() as db:
            return [row["id"] for row in db.execute("SELECT id FROM datasets WHERE owner=? ORDER BY created", (owner,))]

    def all_datasets(self) -> dict[str, str]:
        """Every data set's owner by its id."""
        with self.connect() as db:
            return {row["id"]: row["owner"] for row in db.execute("SELECT id, owner FROM datasets")}

    def remove_dataset(self, dataset_id: str) -> None:
        with self.connect() as db:
            db.execute("DELETE FROM datasets WHERE id=?", (dataset_id,))

    def _one(self, sql: str, values: Sequence[object]) -> Job:
        return self._all(sql, values)[0]

    def _maybe(self, sql: str, values: Sequence[object]) -> Job | None:
        return next(iter(self._all(sql, values)), None)

    def _all(self, sql: str, values: Sequence[object]) -> list[Job]:
        with self.connect() as db:
            return [Job(**dict(row)) for row in db.execute(sql, values).fetchall()]

    @contextmanager
    def connect(self) -> Iterator[sqlite3.Connection]:
        """One transaction, synced to disk at its end. Raises DiskFullError."""
        db = sqlite3.connect(self._path, timeout=30)
        db.row_factory = sqlite3.Row
        try:
            db.execute("PRAGMA synchronous=FULL")
            with db:
                yield db
        except sqlite3.OperationalError as error:
            if is_full(error):
                raise DiskFullError(DISK_FULL) from error
            raise
        finally:
            db.close()
