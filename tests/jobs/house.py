"""A home with schedulers that use the stand-in worker."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path

from qlora_demo.catalogue import BUNDLED_ID
from qlora_demo.jobs.ledger import Job, Ledger
from qlora_demo.jobs.scheduler import Scheduler, Tenants
from qlora_demo.pipes import child_environ
from qlora_demo.recipe import Recipe
from qlora_demo.run_dir import Home, RunDir, write_json

TESTS = Path(__file__).resolve().parent


class House:
    """A home with schedulers that use the stand-in worker."""

    def __init__(self, folder: Path):
        self.home = Home(folder).create()
        self.ledger = Ledger(self.home.ledger)
        self.room_made: list[str] = []

    def environ(self) -> dict[str, str]:
        environ = child_environ(os.environ)
        environ["PYTHONPATH"] += os.pathsep + str(TESTS)
        return environ

    def scheduler(self) -> Scheduler:
        tenants = Tenants(lambda job: self.room_made.append(job.run), lambda: self.room_made.append("room again"))
        return Scheduler(self.home, self.ledger, tenants, self.environ(), module="stand_in_worker")

    def submit(self, name: str, owner: str = "me", **plan: object) -> RunDir:
        run = self.home.run(name)
        run.path.mkdir()
        (run.path / "plan.json").write_text(json.dumps({"seconds": 60, **plan}))
        write_json(run.recipe_json, Recipe(model=BUNDLED_ID, method="lora", batch_size=8, micro_batch_size=8).to_json())
        self.ledger.add_job("train", name, owner)
        return run

    def job(self, name: str) -> Job:
        return self.ledger.job_of_run(name, "me")

    def starts(self, run: RunDir) -> list[str]:
        """The pids of the workers that had it, in their order."""
        place = run.path / "starts"
        return place.read_text().split() if place.exists() else []

    def until(self, true: Callable[[], bool], seconds: float = 20) -> None:
        deadline = time.monotonic() + seconds
        while not true():
            assert time.monotonic() < deadline, self.ledger.jobs()
            time.sleep(0.05)

    def until_state(self, name: str, state: str) -> Job:
        self.until(lambda: self.job(name).state == state)
        return self.job(name)


def crash(scheduler: Scheduler) -> None:
    """What a kill -9 of the server leaves: no more ticks, its locks gone, the worker alive."""
    scheduler._closing.set()
    scheduler._thread.join()
    scheduler._lock.release()
