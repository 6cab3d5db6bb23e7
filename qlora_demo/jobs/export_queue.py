"""The line of what is prepared and sent: a table of its own in the ledger, as it runs on the processor beside a training.

Rows change in one guarded statement each, like those of runs. That something is ready is told by its folder (`export.prepared`), not by a row.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from qlora_demo.jobs.ledger import Ledger

PREPARE, PUSH = "prepare", "push"
OPEN = ("queued", "running")
SENDING_LOST = "The server was restarted while this was sent. Nothing of it is published. Press the button again: your token is kept nowhere."
SCHEMA = """
CREATE TABLE IF NOT EXISTS exports(
    id INTEGER PRIMARY KEY AUTOINCREMENT, run TEXT NOT NULL, form TEXT NOT NULL, op TEXT NOT NULL, owner TEXT NOT NULL, state TEXT NOT NULL,
    reason TEXT NOT NULL DEFAULT '', target TEXT NOT NULL DEFAULT '', share REAL NOT NULL DEFAULT 0, doing TEXT NOT NULL DEFAULT '',
    queued REAL NOT NULL, ended REAL, UNIQUE(run, form, op));
"""


@dataclass(frozen=True)
class Export:
    """One row. `op` is "prepare" or "push"; `target` the repository that is pushed to, then its address. States: queued -> running -> finished |
    failed | stopped."""

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

    def add(self, run: str, form: str, op: str, owner: str, target: str = "") -> Export:
        """Into the line; what waits or runs already stays as it is."""
        sql = """
            INSERT INTO exports(run, form, op, owner, state, target, queued) VALUES(?, ?, ?, ?, 'queued', ?, ?)
            ON CONFLICT(run, form, op) DO UPDATE SET
                owner=excluded.owner, state='queued', reason='', target=excluded.target, share=0, doing='', queued=excluded.queued, ended=NULL
                WHERE state NOT IN ('queued', 'running')"""
        with self._ledger.connect() as db:
            db.execute(sql, (run, form, op, owner, target, time.time()))
        return self.of_run(run)[form, op]

    def next(self) -> Export | None:
        """The first that waits, unless one runs."""
        found = self._all("SELECT * FROM exports WHERE state IN ('running', 'queued') ORDER BY state DESC, queued, id LIMIT 1")
        return found[0] if found and found[0].state == "queued" else None

    def begin(self, export_id: int) -> bool:
        """Whether it still waited, and now runs; at most one does."""
        sql = """
            UPDATE exports SET state='running' WHERE id=? AND state='queued'
            AND NOT EXISTS(SELECT 1 FROM exports WHERE state='running') RETURNING id"""
        with self._ledger.connect() as db:
            return db.execute(sql, (export_id,)).fetchone() is not None

    def tell(self, export_id: int, share: float, doing: str) -> None:
        with self._ledger.connect() as db:
            db.execute("UPDATE exports SET share=?, doing=? WHERE id=? AND state IN ('queued', 'running')", (share, doing, export_id))

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

    def of_run(self, run: str) -> dict[tuple[str, str], Export]:
        """By (form, op)."""
        return {(one.form, one.op): one for one in self._all("SELECT * FROM exports WHERE run=?", run)}

    def ahead(self, export: Export) -> int:
        """How many are before it."""
        return len(self._all("SELECT * FROM exports WHERE state='running' OR (state='queued' AND (queued, id) < (?, ?))", export.queued, export.id))

    def in_line(self, owner: str) -> int:
        """This owner's that wait or run."""
        return len(self._all("SELECT * FROM exports WHERE owner=? AND state IN ('queued', 'running')", owner))

    def remove_run(self, run: str) -> None:
        with self._ledger.connect() as db:
            db.execute("DELETE FROM exports WHERE run=?", (run,))

    def _all(self, sql: str, *values: object) -> list[Export]:
        with self._ledger.connect() as db:
            return [Export(**dict(row)) for row in db.execute(sql, values).fetchall()]
