"""What the page has drawn of the runs, so that a tick redraws only what has changed since."""

from __future__ import annotations

from dataclasses import dataclass

from qlora_demo.run_view import RunView
from qlora_demo.studio import LOCAL, Studio
from qlora_demo.ui.views_watch import Strip, strip


@dataclass(frozen=True)
class Drawn:
    """Equal as long as nothing that the page shows has changed: the states of all runs, the progress of those that matter, of the run that is
    shown what "watch it learn" says, and whether the disk is full.
    """

    shown: str = ""
    states: tuple = ()
    steps: tuple = ()
    strip: Strip | None = None
    disk_full: bool = False

    def strip_of(self, run_id: str) -> Strip | None:
        """What stands there of this run, None where another one is drawn."""
        return self.strip if self.shown == run_id else None


NOTHING = Drawn()


def drawn_now(studio: Studio, run_id: str) -> Drawn:
    """`run_id` is the run that is shown. Cheap to make."""
    jobs = studio.jobs(LOCAL)
    states = tuple((job.run, job.state, job.attempt) for job in jobs)
    watched = [job.run for job in jobs if job.run == run_id or job.state in ("starting", "running", "stopping", "queued")]
    views = [studio.run(LOCAL, run) for run in watched]
    shown = next((view for view in views if view.id == run_id), None)
    return Drawn(run_id, states, tuple(map(_progress, views)), strip(shown) if shown else None, studio.storage.full())


def _progress(view: RunView) -> tuple:
    p = view.progress
    lengths = tuple(map(len, (p.points, p.held_out, p.answers, p.notes, view.changed)))
    return (view.place, p.phase, p.step, p.downloaded, p.fit is not None, lengths)
