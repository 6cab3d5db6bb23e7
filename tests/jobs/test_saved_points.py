"""A newest saved point that is not whole, in whatever file, is passed over for the one before, and the end is bit-equal all the same."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from runs import make_run
from working import environ, finish, wait_for_step

from qlora_demo.events import read_events
from qlora_demo.run_dir import Home, RunDir
from qlora_demo.training import checkpoints

SAVING_AT_EVERY_STEP = """
import sys
from pathlib import Path
from qlora_demo.jobs import worker
from qlora_demo.training import callbacks
callbacks.CHECKPOINT_SECONDS = callbacks.FIRST_CHECKPOINT_SECONDS = callbacks.CHECKPOINT_SHARE = 0
worker.main(Path(sys.argv[1]))
"""
ONE_AFTER_THE_OTHER = """
import sys
from pathlib import Path
from qlora_demo.jobs import worker
sys.exit(max(worker.main(Path(path)) for path in sys.argv[1:]))
"""


def killed_run(home: Home) -> tuple[RunDir, int, int]:
    """(run, step of its newest saved point, of the one before)."""
    run = make_run(home, "killed", epochs=20.0, evaluations=0)
    with run.log.open("ab") as log:
        process = subprocess.Popen([sys.executable, "-c", SAVING_AT_EVERY_STEP, str(run.path)], env=environ(), stdout=log, stderr=log)
    wait_for_step(run, 10, process)
    process.kill()
    process.wait()
    newest, before = checkpoints.whole(run.checkpoints)[:2]
    return run, checkpoints.step_of(newest), checkpoints.step_of(before)


def copies(home: Home, run: RunDir, newest: int) -> dict[str, RunDir]:
    """The run with each of the newest point's files cut in half, and without the mark of a whole one."""
    made = {}
    for file in sorted((run.checkpoints / f"step-{newest}").iterdir()):
        copy = made[f"cut {file.name}"] = home.run(f"cut-{file.name}")
        shutil.copytree(run.path, copy.path)
        place = copy.checkpoints / f"step-{newest}" / file.name
        place.write_bytes(place.read_bytes()[: place.stat().st_size // 2])
    made["unmarked"] = home.run("unmarked")
    shutil.copytree(run.path, made["unmarked"].path)
    (made["unmarked"].checkpoints / f"step-{newest}" / checkpoints.COMPLETE).unlink()
    return made


def test_every_file_of_the_newest_point_may_be_cut(tiny_home: Home) -> None:
    straight = make_run(tiny_home, "straight", epochs=20.0, evaluations=0)
    assert finish(straight) == 0
    run, newest, before = killed_run(tiny_home)
    made = copies(tiny_home, run, newest)
    assert {"cut COMPLETE.json", "cut adapter_model.safetensors", "cut optimizer.pt", "cut trainer_state.json"} <= set(made)
    command = [sys.executable, "-c", ONE_AFTER_THE_OTHER, *[str(copy.path) for copy in made.values()], str(run.path)]
    done = subprocess.run(command, env=environ(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert {how: first_step(copy) for how, copy in made.items()} == dict.fromkeys(made, before + 1)
    assert first_step(run) == newest + 1
    assert {how: weights(copy) == weights(straight) for how, copy in made.items()} == dict.fromkeys(made, True)
    assert weights(run) == weights(straight)


def first_step(run: RunDir) -> int:
    """Of its second attempt."""
    return next(e["step"] for e in read_events(run.events)[0] if e["type"] == "step" and e["attempt"] == 2)


def weights(run: RunDir) -> bytes:
    return Path(run.adapter / "adapter_model.safetensors").read_bytes()
