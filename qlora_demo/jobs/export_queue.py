"""The line of what is prepared and sent: a table of its own in the ledger, as it runs on the processor beside a training.

Rows change in one guarded statement each, like those of runs. That something is ready is told by its folder (`export.prepared`), not by a row.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from qlora_demo.jobs.ledger import Ledger

PREPARE, PUSH = "prepare", "push"
OPEN = ("queued", "running")
SENDING_LOST = (
    "The server was restarted while this was sent. Look on the Hub whether it arrived; if not, send it again with your token, which is kept nowhere."
)
SCHEMA = """
CREATE TABLE IF NOT EXISTS exports(
    id INTEGER PRIMARY KEY AUTOINCREMENT, run TEXT NOT NULL, form TEXT NOT NULL, op TEXT NOT NULL, owner TEXT NOT NULL, state TEXT NOT NULL,
    reason TEXT NOT NULL DEFAULT '', target TEXT NOT NULL DEFAULT '', share REAL NOT NULL DEFAULT 0, doing TEXT NOT NULL DEFAULT '',
    queued REAL NOT NULL, ended REAL, UNIQUE(run, form, op, owner));
"""


@dataclass(frozen=True)
class Export:
    """One row. `op` is "prepare" or "push"; `target` the repository that is pushed to, then its address. What is prepared is the run's, so `owner` is
    the run's; what is pushed is whose account it goes to. States: queued -> running -> finished | failed | stopped."""

    id: int
    run: str
    form: str
    op: str
    owner: str
    state: str
    reason: str
    target: str
    share: float
    doing: str
    queued: float
    ended: float | None

    def open(self) -> bool:
        return self.state in OPEN


class ExportQueue:
    """Any thread and any process may call."""

    def __init__(self, ledger: Ledger):
        self._ledger = ledger
        with ledger.connect() as db:
            db.executescript(SCHEMA)

    def add(self, run: str, form: str, op: str, owner: str, target: str = "") -> bool:
        """Into the line. False where it waits or runs already: that stays as it is."""
        sql = """
            INSERT INTO exports(run, form, op, owner, state, target, queued) VALUES(?, ?, ?, ?, 'queued', ?, ?)
            ON CONFLICT(run, form, op, owner) DO UPDATE SET
                state='queued', reason='', target=excluded.target, share=0, doing='', queued=excluded.queued, ended=NULL
                WHERE state NOT IN ('queued', 'running') RETURNING id"""
        with self._ledger.connect() as db:
            return db.execute(sql, (run, form, op, owner, target, time.time())).fetchone() is not None

    def open(self) -> list[Export]:
        """What runs, then what waits, the next first."""
        return self._all("SELECT * FROM exports WHERE state IN ('running', 'queued') ORDER BY state DESC, queued, id")

    def is_open(self, export_id: int) -> bool:
        return bool(self._all("SELECT * FROM exports WHERE id=? AND state IN ('queued', 'running')", export_id))

    def begin(self, export_id: int) -> bool:
        """Whether it still waited, and now runs; at most one does."""
        sql = """
            UPDATE exports SET state='running' WHERE id=? AND state='queued'
            AND NOT EXISTS(SELECT 1 FROM exports WHERE state='running') RETURNING id"""
        with self._ledger.connect() as db:
            return db.execute(sql, (export_id,)).fetchone() is not None

    def tell(self, export_id: int, share: float, doing: str) -> bool:
        """Whether somebody still waits for it."""
        sql = "UPDATE exports SET share=?, doing=? WHERE id=? AND state IN ('queued', 'running') RETURNING id"
        with self._ledger.connect() as db:
            return db.execute(sql, (share, doing, export_id)).fetchone() is not None

    def end(self, export_id: int, state: str, reason: str = "", target: str = "", was: str = "running") -> bool:
        """Whether it was in the state `was` until now: the first end wins, and one that was stopped and asked for again is not ended by the first."""
        sql = """
            UPDATE exports SET state=?, reason=?, target=CASE WHEN ?='' THEN target ELSE ? END, ended=?
            WHERE id=? AND state=? RETURNING id"""
        with self._ledger.connect() as db:
            return db.execute(sql, (state, reason, target, target, time.time(), export_id, was)).fetchone() is not None

    def put_back(self) -> None:
        """At a start: what was being prepared begins anew, in its old place. What was sent has ended, as the token went with the server."""
        with self._ledger.connect() as db:
            db.execute("UPDATE exports SET state='queued', share=0, doing='' WHERE state='running' AND op=?", (PREPARE,))
            sql = "UPDATE exports SET state='failed', reason=?, ended=? WHERE state IN ('queued', 'running') AND op=?"
            db.execute(sql, (SENDING_LOST, time.time(), PUSH))

    def back(self, export_id: int) -> None:
        """One that was cut off by the server's end waits again, in its old place."""
        with self._ledger.connect() as db:
            db.execute("UPDATE exports SET state='queued', share=0, doing='' WHERE id=? AND state='running'", (export_id,))

    def of_run(self, run: str, owner: str) -> dict[tuple[str, str], Export]:
        """By (form, op): what is prepared of a run, and what this owner sent."""
        return {(one.form, one.op): one for one in self.all_of_run(run) if one.op == PREPARE or one.owner == owner}

    def all_of_run(self, run: str) -> list[Export]:
        """Everybody's."""
        return self._all("SELECT * FROM exports WHERE run=?", run)

    def ahead(self, export: Export) -> int:
        """How many are before it."""
        return len(self._all("SELECT * FROM exports WHERE state='running' OR (state='queued' AND (queued, id) < (?, ?))", export.queued, export.id))

    def in_line(self, owner: str) -> int:
        """This owner's that wait or run."""
        return len(self._all("SELECT * FROM exports WHERE owner=? AND state IN ('queued', 'running')", owner))

    def hand_over(self, owner: str, to: str) -> None:
        """All of one owner's to another."""
        with self._ledger.connect() as db:
            db.execute("UPDATE OR IGNORE exports SET owner=? WHERE owner=?", (to, owner))

    def remove_run(self, run: str) -> None:
        with self._ledger.connect() as db:
            db.execute("DELETE FROM exports WHERE run=?", (run,))

    def _all(self, sql: str, *values: object) -> list[Export]:
        with self._ledger.connect() as db:
            return [Export(**dict(row)) for row in db.execute(sql, values).fetchall()]
