"""The scheduler's tests share a home and a scheduler in it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from house import House

from qlora_demo.jobs import processes
from qlora_demo.jobs.processes import Identity
from qlora_demo.jobs.scheduler import Scheduler


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path / "home")
    yield made
    for job in made.ledger.jobs():
        if job.pid:
            processes.kill(Identity(job.pid, job.pid_created, job.boot_id))


@pytest.fixture
def scheduler(house: House) -> Iterator[Scheduler]:
    made = house.scheduler()
    made.start()
    yield made
    made.close(seconds=5)
