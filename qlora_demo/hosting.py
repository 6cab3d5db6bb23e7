"""What the host of a shared page may see and do: the line of trainings, the room they take; never anybody's data, names or chats."""

from __future__ import annotations

import time
from dataclasses import dataclass

from qlora_demo.errors import BusyError, NotFoundError, StorageError
from qlora_demo.jobs.ledger import ACTIVE, EVERYONE, Job, Ledger
from qlora_demo.jobs.scheduler import Scheduler
from qlora_demo.owners import Owners
from qlora_demo.run_dir import Home
from qlora_demo.run_view import read_view

NOT_HOST = "Only the host of this page can do that."


@dataclass(frozen=True)
class Waiting:
    """One training in line, without its name: `visitor` is 1 for the first visitor in it, and so on; 0 is the host's own, -1 everyone's example."""

    job_id: int
    visitor: int
    training: bool
    minutes: float
    share: float


class Hosting:
    """Every method takes the owner, and is for the host alone."""

    def __init__(self, home: Home, ledger: Ledger, scheduler: Scheduler, owners: Owners):
        self._home, self._ledger, self._scheduler, self._owners = home, ledger, scheduler, owners

    def line(self, owner: str) -> list[Waiting]:
        """What trains first, then who waits; `minutes` are how long it has trained or waited. Raises BusyError."""
        self._check(owner)
        jobs = [*self._ledger.in_states(ACTIVE), *self._ledger.waiting()]
        visitors = list(dict.fromkeys(job.owner for job in jobs if job.owner not in (owner, EVERYONE)))
        numbers = {owner: 0, EVERYONE: -1, **{visitor: 1 + i for i, visitor in enumerate(visitors)}}
        return [self._waiting(job, numbers[job.owner]) for job in jobs]

    def _waiting(self, job: Job, visitor: int) -> Waiting:
        training = job.state in ACTIVE
        minutes = (time.time() - ((job.started or job.queued) if training else job.queued)) / 60
        try:
            share = read_view(self._home, job).progress.share() if training else 0.0
        except StorageError:  # a damaged run ends as soon as it begins
            share = 0.0
        return Waiting(job.id, visitor, training, minutes, share)

    def stop(self, owner: str, job_id: int) -> None:
        """Raises BusyError, NotFoundError where it is over already."""
        self._scheduler.stop(self._job(owner, job_id))

    def to_front(self, owner: str, job_id: int) -> None:
        """Raises BusyError, NotFoundError."""
        self._ledger.to_front(self._job(owner, job_id).id)

    def pause(self, owner: str, paused: bool) -> None:
        """What trains goes on to its end; nothing new starts, over restarts too. Raises BusyError."""
        self._check(owner)
        if paused:
            self._home.paused.touch()
        else:
            self._home.paused.unlink(missing_ok=True)
            self._scheduler.wake()

    def paused(self) -> bool:
        return self._home.paused.exists()

    def minutes_used(self, owner: str) -> float:
        """Minutes of training, of all runs that are still here. Raises BusyError."""
        self._check(owner)
        return sum((job.ended or time.time()) - job.started for job in self._ledger.jobs() if job.started) / 60

    def _job(self, owner: str, job_id: int) -> Job:
        self._check(owner)
        job = next((job for job in self._ledger.in_states((*ACTIVE, "queued")) if job.id == job_id), None)
        if job is None:
            raise NotFoundError("This training is over already.")
        return job

    def _check(self, owner: str) -> None:
        if not self._owners.is_host(owner):
            raise BusyError(NOT_HOST)
