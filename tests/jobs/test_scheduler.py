"""The scheduler with real processes: one at a time, adoption, every kind of death, stop and go on."""

from __future__ import annotations

import json
import os
import signal

import psutil
import pytest
from house import House, crash

from qlora_demo.errors import StorageError
from qlora_demo.events import EventWriter
from qlora_demo.jobs import processes
from qlora_demo.jobs.ledger import EVERYONE, Job
from qlora_demo.jobs.processes import Identity
from qlora_demo.jobs.scheduler import DIED_EARLY, INTERRUPTED, LEFT_THE_LINE, STOPPED_UNSAVED, Scheduler, Tenants
from qlora_demo.run_dir import read_json


def test_runs_train_one_after_the_other(house: House, scheduler: Scheduler) -> None:
    house.submit("a", seconds=0.5)
    house.submit("b", seconds=0.1)
    house.until_state("a", "running")
    assert house.job("b").state == "queued"
    house.until_state("b", "finished")
    assert house.job("a").state == "finished"
    assert house.job("a").ended <= house.job("b").started
    assert house.room_made[:2] == ["a", "b"]


def test_stop_out_of_the_line_and_while_running(house: House, scheduler: Scheduler) -> None:
    house.submit("a")
    house.submit("b")
    house.until_state("a", "running")
    scheduler.stop(house.job("b"))
    assert (house.job("b").state, house.job("b").reason) == ("stopped", LEFT_THE_LINE)
    scheduler.stop(house.job("a"))
    scheduler.stop(house.job("a"))
    assert house.until_state("a", "stopped").reason == "Stopped by you."
    scheduler.stop(house.job("a"))
    assert house.job("a").state == "stopped"


@pytest.mark.parametrize(("plan", "starts"), [({"die": True}, 3), ({"exit": 1}, 1)])
def test_a_killed_worker_goes_on_by_itself_twice_a_faulty_one_never(house: House, scheduler: Scheduler, plan: dict, starts: int) -> None:
    run = house.submit("a", **plan)
    house.submit("b", seconds=0.1)
    job = house.until_state("a", "failed")
    assert (job.reason, job.attempt, len(house.starts(run))) == (DIED_EARLY, starts, starts)
    assert house.until_state("b", "finished").started >= job.ended  # it kept its place
    assert read_json(run.result_json)["reason"] == DIED_EARLY
    (run.path / "plan.json").write_text(json.dumps({"seconds": 0.1}))
    scheduler.resume(house.job("a"))
    assert house.until_state("a", "finished").attempt == starts + 1


def test_a_run_that_died_says_where_and_what_is_saved(house: House, scheduler: Scheduler) -> None:
    run = house.submit("a", exit=1)
    events = EventWriter(run.events, 1)
    for step in range(1, 58):
        events.write("step", step, loss=1.0)
    house.until_state("a", "failed")
    assert house.job("a").reason == "Training ended unexpectedly at step 57. Nothing was saved yet."
    events.write("checkpoint", 50)
    scheduler.resume(house.job("a"))
    house.until(lambda: house.job("a").attempt == 2 and house.job("a").state == "failed")
    assert house.job("a").reason == "Training ended unexpectedly at step 57. Saved up to step 50."


def test_a_killed_server_leaves_the_worker_and_the_next_adopts_it(house: House) -> None:
    first = house.scheduler()
    first.start()
    run = house.submit("a", seconds=3)
    house.until_state("a", "running")
    crash(first)
    second = house.scheduler()
    second.start()
    assert house.job("a").state == "running"
    house.until_state("a", "finished")
    second.close()
    assert len(house.starts(run)) == 1


def test_worker_and_server_dead_goes_on_by_itself_twice(house: House) -> None:
    run = house.submit("a")
    for attempt in (1, 2, 3):
        scheduler = house.scheduler()
        scheduler.start()
        job = house.until_state("a", "running")
        assert job.attempt == attempt
        crash(scheduler)
        psutil.Process(job.pid).kill()
        house.until(lambda: not processes.alive(run))
    last = house.scheduler()
    last.start()
    assert (house.job("a").state, house.job("a").reason) == ("failed", DIED_EARLY)
    last.close()


def test_closing_interrupts_and_the_next_start_goes_on(house: House) -> None:
    run = house.submit("a")
    first = house.scheduler()
    first.start()
    house.until_state("a", "running")
    first.close()
    assert (house.job("a").state, house.job("a").reason) == ("interrupted", INTERRUPTED)
    assert not processes.alive(run)
    (run.path / "plan.json").write_text(json.dumps({"seconds": 0.1}))
    second = house.scheduler()
    second.start()
    house.until_state("a", "finished")
    second.close()


def test_a_claim_without_a_worker_is_started_again(house: House) -> None:
    """The server died between the claim and the start."""
    house.submit("a", seconds=0.1)
    house.ledger.claim("train")
    scheduler = house.scheduler()
    scheduler.start()
    house.until_state("a", "finished")
    scheduler.close()


def test_a_second_server_steps_back(house: House, scheduler: Scheduler) -> None:
    with pytest.raises(StorageError, match="Another server of this app is using"):
        house.scheduler().start()


def test_a_pid_that_is_used_again_is_never_signalled(house: House) -> None:
    stranger = psutil.Process()
    processes.kill(Identity(stranger.pid, stranger.create_time() - 100, processes.boot_id()))
    processes.kill(Identity(stranger.pid, stranger.create_time(), "another boot"))
    assert stranger.is_running()


def test_secrets_do_not_reach_the_worker(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    secrets = ("HF_TOKEN", "OAUTH_CLIENT_ID", "OAUTH_CLIENT_SECRET", "OAUTH_SCOPES", "QLORA_DEMO_AUTH", "QLORA_DEMO_WORKSHOP", "OPENAI_API_KEY")
    secrets += ("AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "GOOGLE_APPLICATION_CREDENTIALS", "SSH_AUTH_SOCK", "db_password", "Session_Cookie")
    for name in secrets:
        monkeypatch.setenv(name, "to be kept")
    monkeypatch.setenv("QLORA_DEMO_DEVICE", "cpu")
    run = house.submit("a")
    worker = processes.start(run, house.environ(), "stand_in_worker")
    house.until(lambda: processes.alive(run))
    reached = psutil.Process(worker.pid).environ()
    worker.kill()
    worker.wait()
    assert [name for name in secrets if name in reached] == []
    assert "to be kept" not in reached.values()
    assert reached["QLORA_DEMO_DEVICE"] == "cpu"


def test_a_worker_of_ours_that_is_killed_is_not_left_as_a_zombie(house: House, scheduler: Scheduler) -> None:
    run = house.submit("a")
    house.until(lambda: house.job("a").state == "running" and house.job("a").pid is not None)
    killed = house.job("a").pid
    os.kill(killed, signal.SIGKILL)
    house.until(lambda: house.job("a").state == "running" and len(house.starts(run)) == 2)
    assert not psutil.pid_exists(killed)


@pytest.mark.parametrize("asked_to_stop", [False, True])
def test_a_worker_that_needs_longer_than_closing_waits_keeps_its_result(house: House, asked_to_stop: bool) -> None:
    """It may be testing or saving, where it looks at no stop file."""
    run = house.submit("a", seconds=3, deaf=True)
    first = house.scheduler()
    first.start()
    house.until_state("a", "running")
    if asked_to_stop:
        first.stop(house.job("a"))
    first.close(seconds=0.2)
    assert processes.alive(run)
    assert house.job("a").state == ("stopping" if asked_to_stop else "running")
    house.until(lambda: not processes.alive(run))
    second = house.scheduler()
    second.start()
    house.until_state("a", "finished")
    second.close()
    assert len(house.starts(run)) == 1


def test_an_adopted_worker_that_was_interrupted_goes_on(house: House) -> None:
    run = house.submit("a")
    first = house.scheduler()
    first.start()
    house.until_state("a", "running")
    crash(first)
    second = house.scheduler()
    second.start()
    processes.request_stop(run, "interrupt")
    house.until(lambda: house.job("a").state == "running" and len(house.starts(run)) == 2)
    assert house.job("a").attempt == 1  # asked for, so it is not counted
    second.close()


def test_a_stop_is_not_forgotten_when_worker_and_server_die(house: House) -> None:
    run = house.submit("a")
    job = house.ledger.claim("train")
    house.ledger.move(job.id, ("starting",), "stopping")
    processes.request_stop(run, "stop")
    scheduler = house.scheduler()
    scheduler.start()
    scheduler.close()
    assert (house.job("a").state, house.job("a").reason) == ("stopped", STOPPED_UNSAVED)


def test_a_damaged_result_fails_its_run_and_not_the_line(house: House) -> None:
    house.submit("a").result_json.write_text("{")
    house.ledger.claim("train")
    house.submit("b", seconds=0.1)
    scheduler = house.scheduler()
    scheduler.start()
    house.until_state("b", "finished")
    scheduler.close()
    assert (house.job("a").state, house.job("a").reason) == ("failed", "a/result.json is damaged and cannot be read.")


def test_a_run_that_room_cannot_be_made_for_says_why(house: House) -> None:
    def no_room(job: Job) -> None:
        raise StorageError("a/run.json is damaged and cannot be read.")

    house.submit("a")
    Scheduler(house.home, house.ledger, Tenants(no_room, lambda: None), {}).tick()
    assert (house.job("a").state, house.job("a").reason) == ("failed", "a/run.json is damaged and cannot be read.")


def test_there_is_room_again_once_the_last_in_line_has_ended(house: House, scheduler: Scheduler) -> None:
    house.submit("a", seconds=0.1)
    house.submit("b", seconds=0.1)
    house.until_state("b", "finished")
    house.until(lambda: house.room_made[-1] == "room again")
    assert house.room_made == ["a", "b", "room again"]


def test_everyones_example_gives_way_and_goes_on_last(house: House, scheduler: Scheduler) -> None:
    house.submit("example", owner=EVERYONE)
    house.until_state("example", "running")
    house.submit("mine", seconds=0.2)
    scheduler.give_way(house.job("example"))
    house.until_state("mine", "finished")
    house.until_state("example", "running")
    assert len(house.starts(house.home.run("example"))) == 2


def test_everyones_example_waits_behind_those_who_came_later(house: House) -> None:
    house.submit("example", owner=EVERYONE)
    house.submit("mine")
    assert [job.run for job in house.ledger.waiting()] == ["mine", "example"]
    assert house.ledger.claim("train").run == "mine"


def test_an_interrupted_run_goes_on_before_those_that_waited_behind_it(house: House) -> None:
    scheduler = house.scheduler()
    scheduler.start()
    house.submit("a")
    house.until_state("a", "running")
    house.submit("b")
    scheduler.close()
    assert house.job("a").state == "interrupted"
    again = house.scheduler()
    again.start()
    house.until_state("a", "running")
    assert house.job("b").state == "queued"
    again.close(seconds=5)
