"""Two real processes train one run: the same run, whatever is killed. In 32 bits, where sums in another order differ in their last digits only."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
import torch
from runs import make_run
from safetensors.torch import load_file
from working import environ, files, start, wait_for_step

from qlora_demo.errors import DiskFullError, UserError
from qlora_demo.events import read_events
from qlora_demo.jobs import launch, processes
from qlora_demo.jobs.launch import EXIT_FAULT, EXIT_LOST, EXIT_TOLD, RankFailed
from qlora_demo.jobs.ledger import Ledger
from qlora_demo.jobs.processes import EXIT_DISK, EXIT_INTERRUPTED, EXIT_KILLED, EXIT_MEMORY
from qlora_demo.jobs.scheduler import Scheduler, Tenants
from qlora_demo.run_dir import Home, RunDir, read_json, write_json
from qlora_demo.source.place import bundled_folder

pytestmark = pytest.mark.timeout(400)
WORKER = "exact_worker"
STEPS = 30
LOSS, WEIGHT = 2e-5, 5e-5
"""Events round losses to five digits; 30 steps of Adam make a difference in the last digits of a gradient somewhat larger (weights are about 0.1)."""
SECONDS = 150


@dataclass(frozen=True)
class Place:
    """A home for all tests of this file, and the runs in it that one process trained."""

    home: Home
    alone: dict[str, RunDir]

    def run(self, name: str, method: str = "lora", **fields: object) -> RunDir:
        return make_run(self.home, name, rows=9, method=method, epochs=10.0, micro_batch_size=1, evaluations=1, **fields)

    def by_one(self, method: str) -> RunDir:
        if method not in self.alone:
            self.alone[method] = self.run(f"alone-{method}", method)
            os.environ["QLORA_DEMO_PROCESSES"] = "1"
            assert start(self.alone[method], WORKER).wait(SECONDS) == 0, self.alone[method].log.read_text()
            os.environ["QLORA_DEMO_PROCESSES"] = "2"
        return self.alone[method]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, tiny_folder: Path) -> Place:
    home = Home(tmp_path_factory.mktemp("ranks") / "home").create()
    bundled_folder(home.models).symlink_to(tiny_folder, target_is_directory=True)
    return Place(home, {})


@pytest.fixture
def place(shared: Place, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.setenv("QLORA_DEMO_HOME", str(shared.home.path))
    monkeypatch.setenv("QLORA_DEMO_PROCESSES", "2")
    return shared


@pytest.fixture
def line(place: Place) -> Iterator[tuple[Ledger, Scheduler]]:
    ledger = Ledger(place.home.ledger)
    scheduler = Scheduler(place.home, ledger, Tenants(lambda job: None, lambda: None), environ(), module=WORKER)
    scheduler.start()
    yield ledger, scheduler
    scheduler.close(seconds=20)


def ranks_of(run: RunDir) -> list[psutil.Process]:
    """The living ones, in their order."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        command = process.info["cmdline"] or []
        if str(run.path) in command and command[-1] != str(run.path) and process.status() != psutil.STATUS_ZOMBIE:
            found.append(process)
    return sorted(found, key=lambda process: process.create_time())


def same_run(run: RunDir, other: RunDir) -> None:
    """Every step once with the same loss, the same weights, the same files, events without a gap."""
    events = [read_events(one.events)[0] for one in (run, other)]
    assert [event["seq"] for event in events[0]] == list(range(len(events[0])))
    latest = [{e["step"]: e["loss"] for e in some if e["type"] == "step"} for some in events]
    assert list(latest[0]) == list(range(1, STEPS + 1))
    assert latest[0] == pytest.approx(latest[1], abs=LOSS)
    weights = [load_file(next(one.weights().glob("*.safetensors"))) for one in (run, other)]
    assert weights[0].keys() == weights[1].keys()
    for name, weight in weights[0].items():
        torch.testing.assert_close(weight.float(), weights[1][name].float(), atol=WEIGHT, rtol=8e-3 if weight.dtype == torch.bfloat16 else WEIGHT)
    assert files(run) - {"fit.json"} == files(other)
    assert read_json(run.result_json)["outcome"] == "finished"


def test_a_run_on_several_cards_is_the_same_run(place: Place) -> None:
    run = place.run("two")
    assert start(run, WORKER).wait(SECONDS) == 0, run.log.read_text()
    same_run(run, place.by_one("lora"))
    events = read_events(run.events)[0]
    assert [e["phase"] for e in events if e["type"] == "phase"] == ["getting", "loading", "fitting", "learning", "testing", "saving"]
    assert len([e for e in events if e["type"] == "step"]) == STEPS
    assert "Uses 2 processes: each reads half of every step." in [e["text"] for e in events if e["type"] == "note"]
    assert (read_json(run.result_json)["processes"], read_json(run.fit_json)["processes"]) == (2, 2)
    assert "Traceback" not in run.log.read_text()
    assert ranks_of(run) == []


def test_torchrun_can_start_them_too_and_a_whole_model_learns_alike(place: Place, tmp_path: Path) -> None:
    run = place.run("by-torchrun", "full")
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2", "-m", WORKER]
    with run.log.open("wb") as log:
        command = [*torchrun, str(run.path), "2", str(tmp_path)]
        done = subprocess.Popen(command, env=environ(), stdin=subprocess.PIPE, stdout=log, stderr=log)
    assert done.wait(SECONDS) == 0, run.log.read_text()
    run.lock.touch()  # a worker's, which was not there
    same_run(run, place.by_one("full"))


def test_whatever_is_killed_the_run_goes_on_and_ends_as_if_nothing_had_happened(place: Place, line: tuple[Ledger, Scheduler]) -> None:
    """First a rank, then the worker above them: each time all others end, and the scheduler goes on from the last saved point by itself."""
    ledger, scheduler = line
    run = place.run("killed")
    ledger.add_job("train", run.id, "me")
    scheduler.wake()
    first = until_step(run, 1, 5)
    first[1].send_signal(signal.SIGKILL)
    assert psutil.wait_procs(first, timeout=20)[1] == []
    second = until_step(run, 2, 10)
    psutil.Process(processes.signed(run).pid).kill()
    assert psutil.wait_procs(second, timeout=20)[1] == []
    deadline = time.monotonic() + SECONDS
    while ledger.job_of_run(run.id, "me").state != "finished":
        assert time.monotonic() < deadline, run.log.read_text()
        time.sleep(0.1)
    same_run(run, place.by_one("lora"))
    begun = {e["attempt"]: e["step"] for e in reversed(read_events(run.events)[0]) if e["type"] == "step"}
    assert begun[1] == 1 and begun[2] > 4 and begun[3] > 9
    assert ranks_of(run) == []


def until_step(run: RunDir, attempt: int, step: int) -> list[psutil.Process]:
    """Its ranks, once they are there and it has come so far."""
    deadline = time.monotonic() + SECONDS
    while not any(e["type"] == "step" and e["attempt"] == attempt and e["step"] >= step for e in read_events(run.events)[0]):
        assert time.monotonic() < deadline, run.log.read_text()
        time.sleep(0.02)
    found = ranks_of(run)
    assert len(found) == 2
    return found


def test_asked_to_stop_they_save_and_one_process_can_go_on(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    run = place.run("stopped")
    worker = start(run, WORKER)
    wait_for_step(run, 3, worker)
    run.stop.write_text("stop")
    assert worker.wait(SECONDS) == 0
    result = read_json(run.result_json)
    assert (result["outcome"], result["reason"]) == ("stopped", f"Stopped by you at step {result['steps']} of {STEPS}.")
    assert (run.checkpoints / f"step-{result['steps']}" / "COMPLETE.json").exists() and (run.adapter / "adapter_model.safetensors").exists()
    run.stop.unlink()
    run.result_json.unlink()
    monkeypatch.setenv("QLORA_DEMO_PROCESSES", "1")
    assert start(run, WORKER).wait(SECONDS) == 0, run.log.read_text()
    same_run(run, place.by_one("lora"))


def test_a_model_that_is_spread_learns_as_a_whole_one_and_goes_on_after_an_interruption(place: Place) -> None:
    """4-bit weights, each process with its share of every layer; a step of one row leaves nothing to one of them."""
    run = place.run("spread", "qlora")
    how = {"micro_batch_size": 1, "checkpointing": True, "paged": False, "processes": 2, "sharded": True}
    write_json(run.fit_json, {**how, "attempts": []})
    worker = start(run, WORKER)
    wait_for_step(run, 3, worker)
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(SECONDS) == EXIT_INTERRUPTED, run.log.read_text()
    assert not run.result_json.exists() and ranks_of(run) == []
    assert start(run, WORKER).wait(SECONDS) == 0, run.log.read_text()
    same_run(run, place.by_one("qlora"))
    result, alone = read_json(run.result_json), read_json(place.by_one("qlora").result_json)
    assert result["sharded"] and not alone["sharded"]
    assert result["trainable_parameters"] == alone["trainable_parameters"]
    assert result["held_out_loss"] == pytest.approx(alone["held_out_loss"], abs=LOSS)
    reports = [read_json(one.report_json) for one in (run, place.by_one("qlora"))]
    assert reports[0]["adapted"]["loss"] == pytest.approx(reports[1]["adapted"]["loss"], abs=LOSS)


def test_a_launch_that_starts_fewer_fails_loudly(place: Place, tmp_path: Path) -> None:
    run = place.run("fewer")
    done = subprocess.run(
        [sys.executable, "-m", "qlora_demo.jobs.rank", str(run.path), "2", str(tmp_path)], env=environ(), capture_output=True, text=True, timeout=60
    )
    assert done.returncode == EXIT_FAULT
    assert "2 processes were to train this run together, but 1 was started." in done.stderr
    assert not run.events.exists()


ENDS = [
    ([EXIT_MEMORY, EXIT_LOST], MemoryError),
    ([EXIT_LOST, EXIT_MEMORY], MemoryError),
    ([EXIT_LOST, EXIT_DISK], DiskFullError),
    ([EXIT_TOLD, EXIT_LOST], UserError),
    ([EXIT_LOST, EXIT_FAULT], RankFailed),
]


@pytest.mark.parametrize(("codes", "error"), ENDS)
def test_who_says_why_goes_before_who_is_only_gone(tmp_path: Path, codes: list[int], error: type[Exception]) -> None:
    (tmp_path / "told").write_text("This model needs the internet.")
    with pytest.raises(error):
        launch._together(RunDir(tmp_path), tmp_path, codes, None)


def test_a_result_stands_and_without_one_the_run_can_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = RunDir(tmp_path)
    monkeypatch.setattr(launch, "killed_for_memory", lambda run, kills: kills == 3)
    for codes in ([EXIT_KILLED, EXIT_LOST], [EXIT_INTERRUPTED, None], [-signal.SIGSEGV, None], [EXIT_LOST, None]):
        assert not launch._together(run, tmp_path, codes, None)
    with pytest.raises(MemoryError):
        launch._together(run, tmp_path, [EXIT_KILLED, EXIT_LOST], 3)
    write_json(run.result_json, {"outcome": "finished", "reason": ""})
    assert launch._together(run, tmp_path, [0, None], None)


def test_processes_that_never_reach_each_other_are_a_sentence_and_not_tried_again(place: Place, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="QLORA_DEMO_PROCESSES=1"):
        launch._together(place.run("apart"), tmp_path, [EXIT_LOST, EXIT_LOST], None)
