"""A disk that really fills: on a small mount, in the middle of a training, while the line is worked through, and while people use the page."""

from __future__ import annotations

import json
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from house import House
from runs import conversations, make_run
from small_disk import fill, small_disk
from working import finish, start, wait_for_step

from qlora_demo.catalogue import Dimensions
from qlora_demo.data.conversation import write_rows
from qlora_demo.errors import DiskFullError
from qlora_demo.estimate import checkpoint_bytes
from qlora_demo.events import read_events
from qlora_demo.jobs.ledger import Ledger
from qlora_demo.jobs.processes import EXIT_DISK
from qlora_demo.jobs.scheduler import NO_ROOM
from qlora_demo.owners import LOCAL
from qlora_demo.recipe import Recipe
from qlora_demo.room import DISK_FULL, RESERVE, keep_reserve
from qlora_demo.run_dir import Home, RunDir, read_json, write_json
from qlora_demo.settings import Settings
from qlora_demo.source.place import bundled_folder
from qlora_demo.studio import Studio
from qlora_demo.training import checkpoints

SAVED = re.compile(r"The disk is full\. Saved up to step (\d+)\. Delete a model or a data set that is no longer needed, then continue\.")


@pytest.fixture(scope="module")
def interrupted(tmp_path_factory: pytest.TempPathFactory, tiny_folder: Path) -> RunDir:
    """A run with a saved point, to be copied."""
    home = Home(tmp_path_factory.mktemp("interrupted")).create()
    bundled_folder(home.models).symlink_to(tiny_folder, target_is_directory=True)
    run = make_run(home, "run", epochs=40.0, method="lora", evaluations=0)
    os.environ.update(QLORA_DEMO_HOME=str(home.path), QLORA_DEMO_DEVICE="cpu", HF_HUB_OFFLINE="1")
    process = start(run)
    wait_for_step(run, 3, process)
    run.stop.write_text("interrupt")
    process.wait(timeout=60)
    run.stop.unlink()
    return run


@pytest.fixture
def disk(tmp_path: Path, tiny_folder: Path) -> Iterator[Home]:
    """A home of its own on 12 MB; the base model lies elsewhere."""
    with small_disk(tmp_path / "small", 12) as place:
        home = Home(place / "home").create()
        bundled_folder(home.models).symlink_to(tiny_folder, target_is_directory=True)
        yield home


def copied(interrupted: RunDir, home: Home, monkeypatch: pytest.MonkeyPatch) -> tuple[RunDir, int]:
    """The run in another home, and the step of its saved point."""
    monkeypatch.setenv("QLORA_DEMO_HOME", str(home.path))
    run = home.run("run")
    shutil.copytree(interrupted.path, run.path)
    return run, checkpoints.step_of(checkpoints.newest(run.checkpoints))


def steps(run: RunDir) -> list[int]:
    return [event["step"] for event in read_events(run.events)[0] if event["type"] == "step"]


@pytest.mark.parametrize("leave", [0, 200_000], ids=["nothing", "part_of_a_point"])
def test_a_disk_that_fills_ends_the_run_and_keeps_its_last_saved_point(
    interrupted: RunDir, disk: Home, leave: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, saved = copied(interrupted, disk, monkeypatch)
    (run.path / "tamper.json").write_text(json.dumps({"save_each": 5}))
    filler = fill(disk.path, leave)
    code = finish(run, "tampered_worker")
    if code == EXIT_DISK:  # not even room to say so: the scheduler says it
        assert not run.result_json.exists()
    else:
        assert code == 0
        result = read_json(run.result_json)
        assert result["outcome"] == "failed"
        kept = SAVED.fullmatch(result["reason"])
        assert kept, result["reason"]
        assert int(kept[1]) == checkpoints.step_of(checkpoints.newest(run.checkpoints)) >= saved
    assert all(path.name.startswith("step-") and checkpoints.is_whole(path) for path in run.checkpoints.iterdir())
    assert not run.adapter.exists()
    at = checkpoints.step_of(checkpoints.newest(run.checkpoints))
    filler.unlink()
    run.result_json.unlink(missing_ok=True)
    (run.path / "tamper.json").unlink()
    began = len(steps(run))
    assert finish(run) == 0, run.log.read_text()
    assert read_json(run.result_json)["outcome"] == "finished"
    assert steps(run)[began] == at + 1


def test_a_disk_that_fills_at_the_end_keeps_the_last_saved_point(interrupted: RunDir, tiny_home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a mount: the system refuses to write the adapter."""
    run, saved = copied(interrupted, tiny_home, monkeypatch)
    (run.path / "tamper.json").write_text(json.dumps({"full_at": "adapter_model.safetensors"}))
    assert finish(run, "tampered_worker") == 0
    assert read_json(run.result_json)["reason"].startswith(f"The disk is full. Saved up to step {saved}.")
    assert not run.adapter.exists() and not list(run.path.glob(".*"))
    run.result_json.unlink()
    (run.path / "tamper.json").unlink()
    assert finish(run) == 0
    assert read_json(run.result_json)["outcome"] == "finished"


def test_a_saved_point_takes_what_the_arithmetic_says(interrupted: RunDir) -> None:
    newest = checkpoints.newest(interrupted.checkpoints)
    optimizer = (newest / "optimizer.pt").stat().st_size + (newest / "adapter_model.safetensors").stat().st_size
    tokenizer = (newest / "tokenizer.json").stat().st_size
    dimensions = Dimensions(64, 2, 128, 4, 2, 16, 320)
    recipe = Recipe(model="", method="lora")
    learning = dimensions.adapter_parameters(recipe.rank)
    assert 10 * learning < optimizer < 16 * learning + 50_000  # 12 or 14 bytes each, and names
    assert optimizer + tokenizer < checkpoint_bytes(dimensions, recipe, 2)


def test_a_server_lives_through_it_and_the_run_goes_on(disk: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of it: a studio with its scheduler and a real worker, on a disk that somebody else fills while it learns."""
    monkeypatch.setattr("qlora_demo.storage.SPARE_BYTES", -1e9)
    monkeypatch.setattr("qlora_demo.storage.DATA_SPARE_BYTES", -1e9)
    monkeypatch.setattr("qlora_demo.room.ROOM_FOR_RESERVE", 5_000_000)
    monkeypatch.setenv("QLORA_DEMO_HOME", str(disk.path))
    studio = Studio(Settings(home=str(disk.path), device="cpu", offline=True))
    write_rows(tmp_path / "rows.jsonl", conversations(24))
    dataset = studio.data.add_file(LOCAL, tmp_path / "rows.jsonl", "rows.jsonl")
    recipe = replace(studio.recommend(LOCAL, dataset, "", "lora"), epochs=100.0, evaluations=0, batch_size=1, micro_batch_size=1)
    run = disk.run(studio.submit(LOCAL, dataset, recipe, "x"))
    studio.start()
    until(lambda: steps(run), studio)
    studio.close()  # a saved point
    saved = checkpoints.step_of(checkpoints.newest(run.checkpoints))
    studio = Studio(Settings(home=str(disk.path), device="cpu", offline=True))
    studio.start()
    until(lambda: steps(run)[-1] > saved + 2, studio)
    filler = fill(disk.path)
    until(lambda: studio.run(LOCAL, run.id).job.state == "failed", studio)
    assert studio.run(LOCAL, run.id).job.reason.startswith("The disk is full. ")
    assert studio.scheduler._thread.is_alive()
    assert studio.storage.full()
    filler.unlink()
    began = len(steps(run))
    studio.resume(LOCAL, run.id)
    until(lambda: len(steps(run)) > began, studio)
    assert steps(run)[began] == saved + 1
    studio.stop(LOCAL, run.id)
    until(lambda: studio.run(LOCAL, run.id).job.state == "stopped", studio)
    assert studio.run(LOCAL, run.id).usable()
    studio.close()


def until(true: Callable[[], object], studio: Studio, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, studio.ledger.jobs()
        time.sleep(0.05)


def test_the_line_goes_on_once_there_is_room(tmp_path: Path) -> None:
    """A worker that could not say why, and a ledger that cannot be written."""
    with small_disk(tmp_path / "small", 4) as place:
        house = House(place / "home")
        scheduler = house.scheduler()
        scheduler.start()
        house.submit("a", seconds=1.5, exit_later=EXIT_DISK)
        house.until_state("a", "running")
        filler = fill(place)
        time.sleep(3)
        assert scheduler._thread.is_alive()
        assert house.job("a").state in ("running", "failed")  # still readable
        filler.unlink()
        assert house.until_state("a", "failed").reason == NO_ROOM
        house.submit("b", seconds=0.1)
        house.until_state("b", "finished")
        scheduler.close(seconds=5)
        house.ledger.close()


def test_a_reserve_makes_room_to_write_down_what_happened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qlora_demo.room.ROOM_FOR_RESERVE", 1_000_000)
    with small_disk(tmp_path / "small", 12) as place:
        house = House(place / "home")
        keep_reserve(house.home.path)
        scheduler = house.scheduler()
        scheduler.start()
        house.submit("a", seconds=1.5, exit_later=EXIT_DISK)
        house.until_state("a", "running")
        fill(place)
        assert house.until_state("a", "failed").reason == NO_ROOM
        scheduler.close(seconds=5)
        house.ledger.close()


def test_a_full_disk_is_a_sentence_to_whoever_writes(tmp_path: Path) -> None:
    with small_disk(tmp_path / "small", 2) as place:
        ledger = Ledger(place / "ledger.sqlite")
        ledger.add_job("train", "a", "me")
        fill(place)
        with pytest.raises(DiskFullError, match=re.escape(DISK_FULL)):
            write_json(place / "x.json", {"much": "x" * 100_000})
        with pytest.raises(DiskFullError, match=re.escape(DISK_FULL)):
            for i in range(2000):
                ledger.add_dataset(f"id{i}", "me", "x" * 4000)
        assert [job.run for job in ledger.jobs("me")] == ["a"]
        ledger.close()
    assert not (tmp_path / "small" / RESERVE).exists()


def test_a_full_disk_is_told_from_other_trouble(tmp_path: Path) -> None:
    import torch  # noqa: PLC0415
    from safetensors.torch import save_file  # noqa: PLC0415

    from qlora_demo.room import is_full  # noqa: PLC0415

    with small_disk(tmp_path / "small", 1) as place:
        for write in (lambda path: torch.save(torch.zeros(1_000_000), path), lambda path: save_file({"x": torch.zeros(1_000_000)}, path)):
            with pytest.raises(Exception) as error:  # noqa: PT011, B017
                write(place / "file")
            assert is_full(error.value), repr(error.value)
            (place / "file").unlink(missing_ok=True)
    for other in (OSError(5, "Input/output error"), RuntimeError("out of memory"), ValueError("x")):
        assert not is_full(other)
    shutil.rmtree(tmp_path / "small")
