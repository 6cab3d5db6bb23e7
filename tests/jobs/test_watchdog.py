"""Workers that get nowhere are ended and go on from their saved point; a clock that somebody sets changes nothing."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from house import House
from runs import make_run
from working import files, finish

from qlora_demo.events import EventWriter, read_events
from qlora_demo.jobs import processes, watchdog
from qlora_demo.jobs.deadline import LONGEST_PAUSE, Deadline, duration, worked
from qlora_demo.jobs.scheduler import DIED_EARLY, Scheduler
from qlora_demo.jobs.watchdog import GRACE_SECONDS, LEARNING_SECONDS, OTHER_SECONDS, Watchdog
from qlora_demo.run_dir import Home, RunDir, read_json, write_json


class Clock:
    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    made = RunDir(tmp_path / "run")
    made.path.mkdir()
    return made


def test_silence_is_borne_as_long_as_the_phase_may_be_silent(run: RunDir) -> None:
    clock = Clock()
    dog = Watchdog(clock)
    assert dog.look(run) == ""
    clock.seconds = OTHER_SECONDS
    assert dog.look(run) == ""
    events = EventWriter(run.events, 1)
    events.write("phase", phase="learning")
    assert dog.look(run) == ""
    clock.seconds += LEARNING_SECONDS
    run.log.write_text("a line of the log is a sign of life too\n")
    assert dog.look(run) == ""
    clock.seconds += LEARNING_SECONDS
    assert dog.look(run) == ""
    clock.seconds += 1
    assert dog.look(run) == f"The app ended this process: no sign of life for {LEARNING_SECONDS + 1} s."
    events.write("phase", phase="testing")
    clock.seconds += LEARNING_SECONDS + 1
    dog.look(run)
    clock.seconds += LEARNING_SECONDS + 1
    assert dog.look(run) == ""


def test_a_worker_that_overstays_is_ended_one_without_a_limit_never(run: RunDir) -> None:
    clock = Clock()
    dog = Watchdog(clock)
    write_json(run.run_json, {"max_seconds": 300})
    events = EventWriter(run.events, 1)
    dog.look(run)
    clock.seconds = 300 + GRACE_SECONDS
    events.write("step", 1)
    assert dog.look(run) == ""
    clock.seconds += 1
    events.write("step", 2)
    assert dog.look(run) == "The app ended this process: 901 s, where 300 s are allowed."
    dog.forget(run)
    write_json(run.run_json, {"max_seconds": None})
    dog.look(run)
    clock.seconds += 10**6
    events.write("step", 3)
    assert dog.look(run) == ""


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LEARNING_SECONDS", "OTHER_SECONDS", "GRACE_SECONDS"):
        monkeypatch.setattr(watchdog, name, 1)


def test_a_silent_worker_is_killed_and_tried_again(house: House, impatient: None, scheduler: Scheduler) -> None:
    run = house.submit("a", deaf=True)
    house.submit("b", seconds=0.1)
    job = house.until_state("a", "failed")
    assert (job.reason, job.attempt, len(house.starts(run))) == (DIED_EARLY, 3, 3)
    assert run.log.read_text().count("The app ended this process: no sign of life") == 3
    house.until_state("b", "finished")


def test_a_worker_that_overstays_is_killed_however_much_it_says(house: House, impatient: None, scheduler: Scheduler) -> None:
    run = house.submit("a", deaf=True, noisy=True)
    write_json(run.run_json, {"max_seconds": 0.2})
    house.until(lambda: len(house.starts(run)) == 2)
    log = run.log.read_text()
    assert "no sign of life" not in log
    assert log.count("s, where 0 s are allowed.") == 1


def test_a_silent_worker_that_another_server_started_is_killed_too(house: House, impatient: None) -> None:
    """Its ledger may know no pid: the worker itself has signed."""
    run = house.submit("a", seconds=60)
    worker = processes.start(run, house.environ(), "stand_in_worker")
    house.until(lambda: processes.signed(run) is not None and processes.alive(run))
    house.ledger.claim("train")
    scheduler = house.scheduler()
    scheduler.start()
    house.until(lambda: worker.poll() is not None)
    house.until(lambda: len(house.starts(run)) == 2)
    scheduler.close(seconds=5)


@pytest.mark.parametrize("hours", [-5, 5])
def test_clock_jumps_end_nothing(house: House, scheduler: Scheduler, monkeypatch: pytest.MonkeyPatch, hours: int) -> None:
    run = house.submit("a", seconds=3)
    write_json(run.run_json, {"max_seconds": 60})
    house.until_state("a", "running")
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() + hours * 3600)
    waiting = house.submit("b", seconds=0.1)
    house.until_state("b", "finished")
    assert (house.job("a").state, len(house.starts(run)), len(house.starts(waiting))) == ("finished", 1, 1)


def test_time_that_was_worked_is_counted_over_all_attempts() -> None:
    times = [(1, 100.0), (1, 110.0), (2, 5000.0), (2, 5005.0), (2, 1405.0), (2, 1406.0), (2, 99999.0)]
    events = [{"attempt": attempt, "time": at} for attempt, at in times]
    assert worked(events) == 10 + 5 + 0 + 1 + LONGEST_PAUSE
    clock = Clock()
    deadline = Deadline(200.0, events, clock)
    clock.seconds = 63.0
    assert not deadline.over()
    clock.seconds = 64.0
    assert deadline.over()
    assert not Deadline(None, events, clock).over()
    assert deadline.ended_while_fetching()["reason"] == "Stopped at this demo's 3.3 minutes, while the base model was fetched."


@pytest.mark.parametrize(
    ("seconds", "words"), [(1, "1 second"), (45, "45 seconds"), (60, "1 minute"), (90, "1.5 minutes"), (300, "5 minutes"), (600, "10 minutes")]
)
def test_durations_in_words(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_a_real_worker_ends_at_its_runs_time_and_keeps_what_it_learned(tiny_home: Home) -> None:
    run = make_run(tiny_home, "run", epochs=2000.0, evaluations=0)
    about = {name: value for name, value in read_json(run.run_json).items() if name != "schema"}
    write_json(run.run_json, {**about, "max_seconds": 6.0})
    began = time.monotonic()
    assert finish(run) == 0, run.log.read_text()
    assert time.monotonic() - began < 60
    result = read_json(run.result_json)
    assert (result["outcome"], result["time_is_up"]) == ("stopped", True)
    assert result["reason"] == f"Stopped at this demo's 6 seconds. What it learned until step {result['steps']} is kept."
    assert 0 < result["steps"] < 6000
    assert {"adapter/adapter_model.safetensors", f"checkpoints/step-{result['steps']}/COMPLETE.json"} <= files(run)
    assert "worker.json" not in files(run)
    run.result_json.unlink()
    assert finish(run) == 0  # going on ends after one step: its time is over
    assert read_json(run.result_json)["steps"] == result["steps"] + 1
    assert worked(read_events(run.events)[0]) >= 6.0
