"""The worker that waits for its run: handed over, ended with the server, dead before its time, short of memory."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator

import psutil
import pytest
from house import House
from runs import make_run
from working import environ

from qlora_demo.jobs import processes, warm
from qlora_demo.jobs.scheduler import WORKER, Scheduler
from qlora_demo.jobs.warm import Warm
from qlora_demo.run_dir import Home, RunDir, read_json

PLENTY = 100_000_000_000


@pytest.fixture(autouse=True)
def free(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Bytes that are free, which a test may change; and nothing is waited for."""
    bytes_free = [PLENTY]
    monkeypatch.setattr(warm, "free_memory", lambda: bytes_free[0])
    monkeypatch.setattr(warm, "IDLE_SECONDS", 0.0)
    return bytes_free


def until(true: Callable[[], object], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def waiting(home: Home, module: str = "stand_in_worker") -> tuple[Warm, psutil.Process]:
    made = Warm(home, environ(), module)
    made.look(idle=True)
    assert made._process is not None
    return made, psutil.Process(made._process.pid)


def ended(process: psutil.Process) -> bool:
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


def test_it_gets_the_next_run_and_the_one_after_gets_another(house: House) -> None:
    scheduler = house.scheduler()
    scheduler.start(warm=True)
    for name in ("a", "b"):
        until(lambda: scheduler.waiting_bytes() > 0)
        pid = scheduler._warm._process.pid
        run = house.submit(name, seconds=0.3)
        scheduler.wake()
        job = house.until_state(name, "finished")
        assert (job.pid, (run.path / "starts").read_text()) == (pid, f"{pid}\n")
    scheduler.close()


def test_while_something_trains_none_waits(house: House) -> None:
    scheduler = house.scheduler()
    house.submit("a", seconds=1)
    scheduler.start(warm=True)
    house.until_state("a", "running")
    assert scheduler.waiting_bytes() == 0
    house.until_state("a", "finished")
    until(lambda: scheduler.waiting_bytes() > 0)
    scheduler.close()
    assert scheduler.waiting_bytes() == 0


def test_without_the_setting_there_is_none(house: House, scheduler: Scheduler) -> None:
    time.sleep(0.5)
    assert scheduler.waiting_bytes() == 0


def test_a_dead_one_is_not_missed(house: House) -> None:
    scheduler = house.scheduler()
    scheduler.start(warm=True)
    until(lambda: scheduler.waiting_bytes() > 0)
    pid = scheduler._warm._process.pid
    psutil.Process(pid).kill()
    house.submit("a", seconds=0.1)
    scheduler.wake()
    assert house.until_state("a", "finished").pid != pid
    scheduler.close()


def test_one_that_dies_by_itself_is_not_started_again_and_again(house: House) -> None:
    made, process = waiting(house.home)
    process.kill()
    until(lambda: ended(process))
    for _ in range(3):
        made.look(idle=True)
    assert made._process is None
    assert made.take(RunDir(house.home.runs / "a")) is None
    made.look(idle=True)
    assert made._process is not None
    made.close()


def test_only_where_memory_is_plentiful(house: House, free: list[int]) -> None:
    free[0] = warm.ITS_BYTES + warm.LEFT_BYTES - 1
    made = Warm(house.home, environ(), "stand_in_worker")
    made.look(idle=True)
    assert made.held_bytes() == 0
    free[0] += 1
    made.look(idle=True)
    assert made.held_bytes() > 0
    free[0] = warm.LEAST_BYTES - 1
    made.look(idle=True)
    assert made.held_bytes() == 0


@pytest.fixture
def real(tiny_home: Home) -> Iterator[tuple[Warm, psutil.Process]]:
    """The real worker."""
    made, process = waiting(tiny_home, WORKER)
    yield made, process
    made.close()


def test_the_real_one_trains_and_its_log_is_the_runs(tiny_home: Home, real: tuple[Warm, psutil.Process]) -> None:
    run = make_run(tiny_home, "run", method="lora", epochs=1.0)
    until(lambda: real[1].memory_info().rss > 200_000_000)
    child = real[0].take(run)
    assert child is not None and child.pid == real[1].pid
    assert child.wait(timeout=300) == 0
    assert read_json(run.result_json)["outcome"] == "finished", run.log.read_text()
    assert "step 3 of 3" in run.log.read_text()
    assert "step 3 of 3" not in (tiny_home.path / "warm.log").read_text()
    assert not processes.alive(run)


SERVER = """
    import os, sys, time
    from pathlib import Path
    from qlora_demo.jobs import warm
    from qlora_demo.run_dir import Home
    warm.free_memory, warm.IDLE_SECONDS = lambda: 10**11, 0.0
    made = warm.Warm(Home(Path(sys.argv[1])), os.environ, "stand_in_worker")
    made.look(idle=True)
    print(made._process.pid, flush=True)
    if len(sys.argv) > 2:
        made.take(Home(Path(sys.argv[1])).run(sys.argv[2]))
        print("given", flush=True)
    time.sleep(600)
"""


def serve(house: House, *run: str) -> tuple[subprocess.Popen[str], psutil.Process]:
    """A server with a waiting worker, as a process that can be killed."""
    command = [sys.executable, "-c", textwrap.dedent(SERVER), str(house.home.path), *run]
    server = subprocess.Popen(command, env=environ(), stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    worker = psutil.Process(int(server.stdout.readline()))
    if run:
        assert server.stdout.readline() == "given\n"
    return server, worker


def test_a_waiting_one_ends_with_its_server(house: House) -> None:
    server, worker = serve(house)
    time.sleep(0.5)
    assert not ended(worker)
    server.kill()
    server.wait()
    until(lambda: ended(worker))


def test_one_with_a_run_lives_on_when_its_server_dies(house: House) -> None:
    run = house.submit("a", seconds=3)
    server, worker = serve(house, "a")
    until(lambda: processes.alive(run))
    server.kill()
    server.wait()
    until(lambda: run.result_json.exists())
    assert read_json(run.result_json)["outcome"] == "finished"
    assert (run.path / "starts").read_text() == f"{worker.pid}\n"
