"""Runs whose memory runs out: a fresh process goes on with fewer rows at once, in its place, as often as that helps."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from house import House, crash

from qlora_demo import systems
from qlora_demo.jobs.fitting import HALVED
from qlora_demo.jobs.scheduler import DIED_EARLY, Scheduler
from qlora_demo.run_dir import RunDir, read_json

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Linux counts the processes it kills")


@pytest.fixture(autouse=True)
def counter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """How many processes this system has ended for want of memory."""
    place = tmp_path / "memory.events"
    place.write_text("oom_kill 0\n")
    monkeypatch.setattr(systems, "CGROUP_EVENTS", place)
    return place


def starts(run: RunDir) -> int:
    return len(set((run.path / "starts").read_text().split()))


@pytest.mark.parametrize("killed", [False, True])
def test_fresh_processes_go_on_with_half_the_rows_before_all_others(house: House, scheduler: Scheduler, counter: Path, killed: bool) -> None:
    run = house.submit("a", seconds=0.1, fits=2, before=0.1, **({"counter": str(counter)} if killed else {}))
    house.submit("b", seconds=0.1)
    job = house.until_state("a", "finished")
    assert starts(run) == 3
    fit = read_json(run.fit_json)
    assert (fit["micro_batch_size"], fit["checkpointing"], fit["attempts"]) == (2, False, [HALVED])
    assert job.attempt == 1  # none of them counts as an interruption
    assert house.until_state("b", "finished").started >= job.ended


def test_where_nothing_is_left_to_change_the_run_fails_with_advice(house: House, scheduler: Scheduler, counter: Path) -> None:
    run = house.submit("a", fits=0, counter=str(counter))
    reason = house.until_state("a", "failed").reason
    assert starts(run) == 5
    result = read_json(run.result_json)
    assert (result["reason"], result["advice"]["button"], result["advice"]["changes"]) == (reason, "Train again with QLoRA", {"method": "qlora"})


def test_a_kill_that_was_not_for_memory_stays_an_unexpected_end(house: House, scheduler: Scheduler) -> None:
    run = house.submit("a", die=True)
    assert house.until_state("a", "failed").reason == DIED_EARLY
    assert starts(run) == 3
    assert not run.fit_json.exists()


@pytest.mark.parametrize("killed", [False, True])
def test_an_adopted_worker_whose_memory_runs_out_goes_on_too(house: House, counter: Path, killed: bool) -> None:
    run = house.submit("a", seconds=0.1, fits=4, before=1.5, **({"counter": str(counter)} if killed else {}))
    first = house.scheduler()
    first.start()
    house.until_state("a", "running")
    crash(first)
    first._children.clear()  # another server has none of them
    second = house.scheduler()
    second.start()
    house.until_state("a", "finished")
    second.close()
    assert starts(run) == 2
    assert house.job("a").attempt == 1


def test_an_adopted_worker_that_vanishes_otherwise_is_tried_again_as_it_was(house: House, counter: Path) -> None:
    run = house.submit("a", exit=1)
    job = house.ledger.claim("train")
    scheduler = house.scheduler()
    scheduler._settle(job, run)
    assert (house.job("a").state, house.job("a").attempt, run.fit_json.exists()) == ("queued", 2, False)


def test_asked_to_stop_while_memory_runs_out_it_stops(house: House, scheduler: Scheduler) -> None:
    house.submit("a", fits=4, before=0.5)
    house.until_state("a", "running")
    scheduler.stop(house.job("a"))
    house.until_state("a", "stopped")
