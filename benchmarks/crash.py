"""Runs of a small model whose worker, server or both are killed (SIGKILL) at random moments, a worker also while it saves a point.

Usage: python -m benchmarks.crash [--kills 20] [--seed 0]. After every kill and every run it is checked that the final weights are those of a run that
nobody disturbed, that training goes on from the last whole saved point, that a reader of the events misses none and sees none twice, that a server
that starts anew finds all runs within 5 seconds, and that two workers never live at once. Ends with 1 if anything else happens.

`--serve HOME` is the server that it starts and kills: a Studio as the page has it, with a worker that saves often (crash_worker.py).
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import select
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from qlora_demo.catalogue import BUNDLED_ID, Dimensions
from qlora_demo.data.conversation import Conversation, Message, write_rows
from qlora_demo.events import Event, latest_by_step, read_events
from qlora_demo.jobs import processes
from qlora_demo.jobs.ledger import FINAL
from qlora_demo.jobs.scheduler import Scheduler, Tenants
from qlora_demo.pipes import child_environ, training_environ
from qlora_demo.recipe import Recipe
from qlora_demo.run_dir import Home, RunDir
from qlora_demo.settings import Settings
from qlora_demo.source.place import bundled_folder
from qlora_demo.studio import LOCAL, Studio
from qlora_demo.training import checkpoints

WORKER = "benchmarks.crash_worker"
KINDS = ("worker", "save", "server", "both")
"""`save`: the worker, while it writes a saved point."""
MOST_DEATHS = 2
"""Of one run's workers: after a third sudden end the app leaves it to people."""
MOST_KILLS = 4
FOUND_SECONDS = 5.0
RUN_SECONDS = 300.0
ROWS, EPOCHS = 40, 30.0


@dataclass
class Kill:
    """One kill and what came of it. `saved` is the newest whole saved point, `events` how many were written, when the worker was dead."""

    kind: str
    when: str
    run: str
    saved: int | None = None
    events: int = 0
    found_seconds: float | None = None
    went_on: int | None = None


@dataclass
class Bench:
    """A home with its server. `problems` are sentences about whatever broke a promise."""

    studio: Studio
    chance: random.Random
    server: subprocess.Popen[str] | None = None
    kills: list[Kill] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def serve(self) -> float:
        """Starts the server. Returns the seconds until it knew every run."""
        environ = child_environ(os.environ)
        began = time.monotonic()
        command = [sys.executable, "-m", "benchmarks.crash", "--serve", str(self.studio.home.path)]
        self.server = subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, text=True)
        assert self.server.stdout is not None
        ready = select.select([self.server.stdout], [], [], 60)[0]
        found = set(json.loads(self.server.stdout.readline())) if ready else set()
        seconds = time.monotonic() - began
        missing = {job.run for job in self.studio.ledger.jobs()} - found
        if missing:
            self.problems.append(f"After a restart {len(missing)} runs were not found.")
        if seconds > FOUND_SECONDS:
            self.problems.append(f"After a restart the runs were found after {seconds:.1f} s only.")
        return seconds

    def end_server(self, number: int) -> None:
        assert self.server is not None
        self.server.send_signal(number)
        self.server.wait(timeout=60)

    def workers(self) -> list[psutil.Process]:
        """Training processes of this home that live now."""
        begin = str(self.studio.home.runs)
        found = []
        for process in psutil.process_iter(["cmdline"]):
            words = process.info["cmdline"] or []
            if len(words) == 4 and words[2] == WORKER and words[3].startswith(begin):
                found.append(process)
        return found

    def state(self, run: RunDir) -> str:
        return self.studio.ledger.job_of_run(run.id, LOCAL).state


class Watcher:
    """Looks on while a run trains: its events as a reader sees them, by byte offset, and how many workers live."""

    def __init__(self, bench: Bench, run: RunDir):
        self._bench, self._run = bench, run
        self._over = threading.Event()
        self.seen: list[Event] = []
        self.most_workers = 0
        self._threads = [threading.Thread(target=look) for look in (self._read, self._count)]
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _read(self) -> None:
        offset, over = 0, False
        while not over:
            over = self._over.is_set()  # one more look after the end
            events, offset = read_events(self._run.events, offset)
            self.seen += events
            time.sleep(0.02)

    def _count(self) -> None:
        while not self._over.is_set():
            self.most_workers = max(self.most_workers, len(self._bench.workers()))
            time.sleep(0.05)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--serve", type=Path)
    options = parser.parse_args()
    if options.serve:
        return serve(options.serve)
    chance = random.Random(options.seed)  # noqa: S311 - moments, no secrets
    kinds = [KINDS[i % len(KINDS)] for i in range(options.kills)]
    chance.shuffle(kinds)
    with tempfile.TemporaryDirectory() as place:
        bench = crash(Path(place) / "home", kinds, chance)
    print(table(bench))
    return 1 if bench.problems else 0


def serve(home: Path) -> int:
    """Until it is ended. Prints the runs that it knows once it works."""
    studio = Studio(Settings(home=str(home), device="cpu", offline=True))
    environ = {**training_environ(os.environ, studio.machine.cores), "QLORA_DEMO_HOME": str(home), "QLORA_DEMO_DEVICE": "cpu"}
    studio.scheduler = Scheduler(studio.home, studio.ledger, Tenants(lambda job: None, lambda: None), environ, WORKER)
    studio.start()
    print(json.dumps([view.id for view in studio.runs(LOCAL)]), flush=True)
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    while not ended.wait(1):
        pass
    studio.close()
    return 0


def crash(place: Path, kinds: list[str], chance: random.Random) -> Bench:
    """One kill after the other as `kinds` says, over as many runs as that takes."""
    home = Home(place).create()
    make_model(bundled_folder(home.models))
    bench = Bench(Studio(Settings(home=str(place), device="cpu", offline=True)), chance)
    rows = place / "rows.jsonl"
    write_rows(rows, [conversation(i) for i in range(ROWS)])
    dataset = bench.studio.data.add_file(LOCAL, rows, "rows.jsonl")
    bench.serve()
    straight = submit(bench, dataset)
    until(lambda: bench.state(straight) in FINAL)
    left = list(kinds)
    while left and not bench.problems:
        one_run(bench, dataset, straight, left)
    bench.end_server(signal.SIGTERM)
    bench.studio.close()
    return bench


def one_run(bench: Bench, dataset: str, straight: RunDir, left: list[str]) -> None:
    """Takes from `left` what it can bear."""
    run, mine = submit(bench, dataset), []
    watcher = Watcher(bench, run)
    deaths = 0
    while left and len(mine) < MOST_KILLS and deaths + (left[0] != "server") <= MOST_DEATHS:
        kill = Kill(left[0], "", run.id)
        if not reach_moment(bench, run, kill):
            break  # it was over first
        strike(bench, run, kill)
        deaths += kill.kind != "server"
        mine.append(left.pop(0))
        bench.kills.append(kill)
    try:
        until(lambda: bench.state(run) in FINAL)
    finally:
        watcher.close()
    check(bench, run, straight, watcher)


def reach_moment(bench: Bench, run: RunDir, kill: Kill) -> bool:
    """Waits for a random moment. False where the run ends before it."""
    chance, before = bench.chance, len(read_events(run.events)[0])
    if kill.kind == "save":
        return reached(bench, run, kill, lambda: any(run.checkpoints.glob("checkpoint-*/*")), chance.uniform(0, 0.03))
    if kill.kind != "server" and not reached(bench, run, kill, lambda: bool(bench.workers()), 0.0):
        return False
    moment = chance.choice(("start", "learning", "learning", "end"))
    if moment == "start":
        return reached(bench, run, kill, lambda: True, chance.uniform(0, 8 if kill.kind != "server" else 2))
    if moment == "learning":
        steps = chance.randrange(1, 150)
        return reached(bench, run, kill, lambda: len(steps_of(read_events(run.events)[0][before:])) >= steps, 0.0)
    return reached(bench, run, kill, lambda: any(e.get("phase") == "testing" for e in read_events(run.events)[0][before:]), chance.uniform(0, 0.6))


def reached(bench: Bench, run: RunDir, kill: Kill, true: Callable[[], bool], seconds: float) -> bool:
    until(lambda: true() or bench.state(run) in FINAL, pause=0.002)
    time.sleep(seconds)
    events = read_events(run.events)[0]
    phases = [e["phase"] for e in events if e["type"] == "phase"]
    kill.when = f"{phases[-1] if phases else 'starting'}, step {(steps_of(events) or [0])[-1]}"
    return bench.state(run) not in FINAL


def strike(bench: Bench, run: RunDir, kill: Kill) -> None:
    """The kill itself; a server is started again after a moment."""
    if kill.kind in ("server", "both"):
        bench.end_server(signal.SIGKILL)
    if kill.kind != "server":
        for process in bench.workers():
            process.kill()
        until(lambda: not processes.alive(run))
        whole = checkpoints.whole(run.checkpoints)
        kill.saved, kill.events = checkpoints.step_of(whole[0]) if whole else 0, len(read_events(run.events)[0])
    if kill.kind in ("server", "both"):
        time.sleep(bench.chance.uniform(0, 1.5))
        kill.found_seconds = bench.serve()


def check(bench: Bench, run: RunDir, straight: RunDir, watcher: Watcher) -> None:
    """Everything that is promised of a run that was killed."""
    events, mine = read_events(run.events)[0], [kill for kill in bench.kills if kill.run == run.id]
    say = bench.problems.append
    job = bench.studio.ledger.job_of_run(run.id, LOCAL)
    if job.state != "finished":
        say(f"A run ended as {job.state}: {job.reason}")
        return
    if weights(run) != weights(straight):
        say("The weights are not those of a run that nobody disturbed.")
    losses = [[e["loss"] for e in latest_by_step(found, "step")] for found in (events, read_events(straight.events)[0])]
    if losses[0] != losses[1]:
        say("The losses are not those of a run that nobody disturbed.")
    if watcher.seen != events or [e["seq"] for e in events] != list(range(len(events))):
        say("A reader of the events missed some, or saw some twice.")
    if [e["attempt"] for e in events] != sorted(e["attempt"] for e in events):
        say("The events of two attempts are mixed.")
    if watcher.most_workers > 1:
        say(f"{watcher.most_workers} workers lived at once.")
    deaths = [kill for kill in mine if kill.kind != "server"]
    if events[-1]["attempt"] > 1 + len(deaths):
        say("A worker was started anew although it lived.")
    for kill in deaths:
        kill.went_on = next(iter(steps_of(events[kill.events :])), None)
        if kill.went_on is not None and kill.went_on != (kill.saved or 0) + 1:
            say(f"Saved up to step {kill.saved}, but it went on with step {kill.went_on}.")


def steps_of(events: list[Event]) -> list[int]:
    return [event["step"] for event in events if event["type"] == "step"]


def weights(run: RunDir) -> str:
    return hashlib.sha256((run.adapter / "adapter_model.safetensors").read_bytes()).hexdigest()


def until(true: Callable[[], bool], seconds: float = RUN_SECONDS, pause: float = 0.05) -> None:
    """Raises TimeoutError."""
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {seconds:.0f} s")
        time.sleep(pause)


def submit(bench: Bench, dataset: str) -> RunDir:
    recipe = Recipe(model=BUNDLED_ID, method="lora", batch_size=4, micro_batch_size=4, epochs=EPOCHS, evaluations=2, held_out=4)
    return bench.studio.home.run(bench.studio.submit(LOCAL, dataset, recipe, "crash"))


def conversation(number: int) -> Conversation:
    words = ["lamp", "sea", "night", "storm", "boat", "harbour", "tea", "rope", "keeper", "gull", "rock", "wind"]
    question, answer = (" ".join(words[(number * k + j) % len(words)] for j in range(4)) for k in (1, 5))
    return Conversation((Message("user", f"{question} {number}"), Message("assistant", f"{answer} {number}")), f"row {number + 1}")


def make_model(folder: Path) -> None:
    """A random model of two layers in the place of the one that comes along."""
    from benchmarks.made_model import byte_tokenizer, save_made_model  # noqa: PLC0415 - the server starts without torch

    tokenizer = byte_tokenizer()
    save_made_model(folder, Dimensions(64, 2, 128, 4, 2, 16, len(tokenizer)), tokenizer, spread=0.1)


def table(bench: Bench) -> str:
    lines = ["| killed | run | when | saved up to step | went on with step | all runs found after |", "|---|---|---|---|---|---|"]
    runs = list(dict.fromkeys(kill.run for kill in bench.kills))
    for kill in bench.kills:
        what = {"save": "worker, saving", "both": "worker and server"}.get(kill.kind, kill.kind)
        found = f"{kill.found_seconds:.1f} s" if kill.found_seconds is not None else "-"
        saved, went_on = ("-" if kill.saved is None else str(kill.saved)), ("-" if kill.went_on is None else str(kill.went_on))
        lines.append(f"| {what} | {runs.index(kill.run) + 1} | {kill.when} | {saved} | {went_on} | {found} |")
    said = bench.problems or ["Every run ended in the weights of one that nobody disturbed; no promise was broken."]
    return "\n".join([*lines, "", f"{len(bench.kills)} kills of {len(runs)} runs. " + " ".join(said)])


if __name__ == "__main__":
    sys.exit(main())
