"""What a crash may leave behind: a pid that is another's now, a clock that was set, a stop that no worker was told of."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator

import psutil
import pytest
from house import House, crash

from qlora_demo.jobs import processes
from qlora_demo.jobs.scheduler import LEFT_THE_LINE, STOPPED_UNSAVED, Scheduler
from qlora_demo.run_dir import write_json


@pytest.fixture
def stranger() -> Iterator[psutil.Process]:
    """Somebody else's process, the leader of its group."""
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
    yield psutil.Process(process.pid)
    assert process.poll() is None, "it was signalled"
    process.kill()
    process.wait()


def test_a_pid_that_is_anothers_now_is_never_signalled_and_the_run_goes_on(house: House, stranger: psutil.Process) -> None:
    run = house.submit("a", seconds=0.5)
    job = house.ledger.claim("train")
    house.ledger.set_worker(job.id, stranger.pid, stranger.create_time() - 100, processes.boot_id())
    write_json(run.worker_json, {"pid": stranger.pid, "created": stranger.create_time() - 100, "boot_id": processes.boot_id()})
    scheduler = house.scheduler()
    scheduler._end(house.job("a"), run, "No sign of life.")
    scheduler.start()
    house.until_state("a", "finished")
    scheduler.close()
    assert len(house.starts(run)) == 1


@pytest.mark.parametrize("hours", [-5, 5])
def test_a_clock_that_is_set_while_no_server_lives_ends_nothing(house: House, monkeypatch: pytest.MonkeyPatch, hours: int) -> None:
    first = house.scheduler()
    first.start()
    run = house.submit("a", seconds=3)
    house.until_state("a", "running")
    crash(first)
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() + hours * 3600)
    house.submit("b", seconds=0.1)
    second = house.scheduler()
    second.start()
    assert house.job("a").state == "running"
    house.until_state("b", "finished")
    second.close()
    assert (house.job("a").state, len(house.starts(run))) == ("finished", 1)


def test_a_stop_that_the_worker_was_not_told_of_is_told_at_the_next_tick(house: House, scheduler: Scheduler) -> None:
    house.submit("a")
    job = house.until_state("a", "running")
    house.ledger.move(job.id, ("running",), "stopping")
    assert house.until_state("a", "stopped").reason == "Stopped by you."


def test_a_stop_that_the_worker_was_not_told_of_is_told_by_the_next_server(house: House) -> None:
    first = house.scheduler()
    first.start()
    run = house.submit("a")
    job = house.until_state("a", "running")
    crash(first)
    house.ledger.move(job.id, ("running",), "stopping")
    second = house.scheduler()
    second.start()
    assert house.until_state("a", "stopped").reason == "Stopped by you."
    second.close()
    assert len(house.starts(run)) == 1


def test_a_stop_before_the_worker_was_there_starts_none(house: House) -> None:
    run = house.submit("a")
    job = house.ledger.claim("train")
    house.ledger.move(job.id, ("starting",), "stopping")
    scheduler = house.scheduler()
    scheduler.start()
    assert (house.job("a").state, house.job("a").reason) == ("stopped", STOPPED_UNSAVED)
    scheduler.close()
    assert house.starts(run) == []


def test_what_was_asked_of_an_earlier_attempt_is_not_asked_of_the_next(house: House, scheduler: Scheduler) -> None:
    house.submit("first")
    house.until_state("first", "running")
    run = house.submit("a", seconds=0.2)
    scheduler.stop(house.job("a"))
    assert house.job("a").reason == LEFT_THE_LINE
    assert processes.stop_request(run) == "stop"  # told to a ledger that is made again
    scheduler.resume(house.job("a"))
    scheduler.stop(house.job("first"))
    house.until_state("a", "finished")
    assert len(house.starts(run)) == 1
