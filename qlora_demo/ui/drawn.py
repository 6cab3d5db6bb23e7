"""What the page has drawn of the runs, so that a tick redraws only what has changed since."""

from __future__ import annotations

from dataclasses import dataclass

from qlora_demo.run_view import RunView
from qlora_demo.ui.guard import Visit
from qlora_demo.ui.views_watch import Strip, strip


@dataclass(frozen=True)
class Drawn:
    """Equal as long as nothing that the page shows has changed: the states of all runs, the progress of those that matter, and of the run that is
    shown what "watch it learn" says; how many others train or wait, and whether the disk is full.
    """

    shown: str = ""
    states: tuple = ()
    steps: tuple = ()
    strip: Strip | None = None
    others: tuple[bool, int] = (False, 0)
    disk_full: bool = False

    def strip_of(self, run_id: str) -> Strip | None:
        """What stands there of this run, None where another one is drawn."""
        return self.strip if self.shown == run_id else None

    def state_of(self, run_id: str | None) -> tuple | None:
        """Of one run, None of one that was not there."""
        return next((state for state in self.states if state[0] == run_id), None)


NOTHING = Drawn()


def drawn_now(visit: Visit, run_id: str) -> Drawn:
    """`run_id` is the run that is shown. Cheap to make."""
    jobs = visit.studio.jobs(visit.owner)
    states = tuple((job.run, job.state, job.attempt) for job in jobs)
    watched = [job.run for job in jobs if job.run == run_id or job.state in ("starting", "running", "stopping", "queued")]
    views = [visit.studio.run(visit.owner, run) for run in watched]
    shown = next((view for view in views if view.id == run_id), None)
    watched_lines, others = strip(shown) if shown else None, visit.studio.ledger.line_of_others(visit.owner)
    return Drawn(run_id, states, tuple(map(_progress, views)), watched_lines, others, visit.studio.storage.full())


def _progress(view: RunView) -> tuple:
    p = view.progress
    lengths = tuple(map(len, (p.points, p.held_out, p.answers, p.notes, view.changed)))
    return (view.place, p.phase, p.step, p.downloaded, p.fit is not None, lengths)
