"""What is copied to a bucket and found again: whole runs, saved points, half copies, deleted runs. A plain folder stands for the mount."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from runs import conversations, make_run

from qlora_demo.bucket import MARKER, Bucket
from qlora_demo.data.conversation import write_rows
from qlora_demo.events import read_events
from qlora_demo.housekeeping import House, copy_to_bucket
from qlora_demo.jobs.ledger import Ledger
from qlora_demo.owners import LOCAL
from qlora_demo.run_dir import Home, RunDir, write_json
from qlora_demo.settings import Settings
from qlora_demo.source.place import bundled_folder
from qlora_demo.studio import Studio
from qlora_demo.training import checkpoints

WHOLE = ["adapter/adapter_config.json", "adapter/adapter_model.safetensors", "events.jsonl", "recipe.json", "report.json", "result.json", "run.json"]
DATA = ["data/held_out.jsonl", "data/train.jsonl"]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home").create()


@pytest.fixture
def bucket(tmp_path: Path) -> Bucket:
    return Bucket(tmp_path / "bucket")


def learning(home: Home, name: str) -> RunDir:
    run = make_run(home, name)
    run.events.write_text('{"attempt": 1, "seq": 0, "step": null, "type": "phase"}\n')
    run.log.write_text("step 1 of 2\n")
    save(run, 5)
    return run


def save(run: RunDir, step: int) -> None:
    written = run.checkpoints / f"checkpoint-{step}"
    written.mkdir(parents=True)
    (written / "adapter_model.safetensors").write_bytes(bytes([step]) * 1000)
    checkpoints.seal(written, run.checkpoints, step)


def finish(run: RunDir) -> None:
    shutil.rmtree(run.checkpoints, ignore_errors=True)
    run.adapter.mkdir()
    (run.adapter / "adapter_model.safetensors").write_bytes(b"weights" * 1000)
    (run.adapter / "adapter_config.json").write_text("{}")
    write_json(run.report_json, {"rows": 3})
    write_json(run.result_json, {"outcome": "finished", "reason": "", "artifact_bytes": 7000})


def names(run: RunDir) -> list[str]:
    return sorted(path.relative_to(run.path).as_posix() for path in run.path.rglob("*") if path.is_file())


def contents(run: RunDir) -> dict[str, bytes]:
    return {name: (run.path / name).read_bytes() for name in names(run)}


def copies(bucket: Bucket, name: str) -> list[Path]:
    place = bucket._runs / name
    return sorted(place.iterdir()) if place.exists() else []


def test_a_finished_run_is_found_again_on_an_empty_disk(home: Home, bucket: Bucket) -> None:
    run = learning(home, "a")
    finish(run)
    before = {name: value for name, value in contents(run).items() if name != "worker.log"}
    assert bucket.keep(run)
    assert not bucket.keep(run)
    shutil.rmtree(home.path)
    home.create()
    assert bucket.bring_back(home) == ["a"]
    assert contents(home.run("a")) == {**before, "used": b""}
    assert names(home.run("a")) == sorted([*WHOLE, *DATA, "used"])
    assert [path.name for path in home.runs.iterdir()] == ["a"]
    assert not Bucket(bucket._runs.parent).keep(home.run("a"))  # not taken for changed, though the next server remembers nothing
    assert bucket.bring_back(home) == []


def test_of_a_run_that_trains_the_newest_saved_point_is_kept(home: Home, bucket: Bucket) -> None:
    run = learning(home, "a")
    assert bucket.keep(run)
    run.events.write_text(run.events.read_text() * 2)
    assert not bucket.keep(run)  # events alone are no reason
    save(run, 10)
    (run.checkpoints / "checkpoint-15").mkdir()
    assert bucket.keep(run)
    assert len(copies(bucket, "a")) == 1
    shutil.rmtree(run.path)
    assert bucket.bring_back(home) == ["a"]
    assert [path.name for path in run.checkpoints.iterdir()] == ["step-10"]
    assert checkpoints.step_of(checkpoints.newest(run.checkpoints)) == 10
    assert not run.result_json.exists()


def test_a_half_copy_is_not_found_and_goes(home: Home, bucket: Bucket, capsys: pytest.CaptureFixture) -> None:
    run = learning(home, "a")
    bucket.keep(run)
    (copies(bucket, "a")[0] / MARKER).unlink()
    shutil.rmtree(run.path)
    assert bucket.bring_back(home) == []
    assert list(home.runs.iterdir()) == []
    assert "The bucket has no whole copy of a." in capsys.readouterr().err
    bucket.clear(everywhere=True)
    assert list(bucket._runs.iterdir()) == []


@pytest.mark.parametrize("damage", ["cut", "changed", "missing", "more", "torn marker"])
@pytest.mark.parametrize("older_there", [True, False])
def test_a_damaged_copy_is_passed_over_for_the_one_before(home: Home, bucket: Bucket, damage: str, older_there: bool) -> None:
    run = learning(home, "a")
    bucket.keep(run)
    aside = shutil.copytree(copies(bucket, "a")[0], home.path.parent / "aside")
    save(run, 10)
    bucket.keep(run)
    newer = copies(bucket, "a")[0]
    weights = newer / "checkpoints" / "step-10" / "adapter_model.safetensors"
    if damage == "cut":
        weights.write_bytes(weights.read_bytes()[:10])
    elif damage == "changed":
        weights.write_bytes(b"x" * 1000)
    elif damage == "missing":
        weights.unlink()
    elif damage == "more":
        (newer / "more").write_text("x")
    else:
        (newer / MARKER).write_text((newer / MARKER).read_text()[:-20])
    if older_there:
        shutil.move(aside, newer.with_name("older"))
    shutil.rmtree(run.path)
    assert bucket.bring_back(home) == (["a"] if older_there else [])
    assert [path.name for path in home.runs.iterdir()] == (["a"] if older_there else [])
    assert not older_there or [path.name for path in run.checkpoints.iterdir()] == ["step-5"]
    bucket.clear(everywhere=True)
    assert newer.exists()  # it stays for somebody to look at


def test_a_deleted_run_does_not_come_back(home: Home, bucket: Bucket) -> None:
    run = learning(home, "a")
    bucket.keep(run)
    bucket.forget("a")
    shutil.rmtree(run.path)
    assert bucket.bring_back(home) == []
    bucket.clear(everywhere=False)
    assert copies(bucket, "a") == []
    bucket.forget("never there")


def test_a_run_that_is_deleted_or_changed_while_it_is_copied_leaves_no_copy(home: Home, bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    from qlora_demo import bucket as module  # noqa: PLC0415

    real = module._copy
    run = learning(home, "a")

    def save_meanwhile(source: Path, target: Path) -> list:
        if source == run.run_json:
            save(run, 10)
            save(run, 15)  # the point that was to be copied is gone by now
        return real(source, target)

    monkeypatch.setattr(module, "_copy", save_meanwhile)
    assert not bucket.keep(run)
    assert copies(bucket, "a") == []
    monkeypatch.setattr(module, "_copy", real)

    def delete_meanwhile(path: Path, value: dict) -> None:
        path.write_text(json.dumps(value))
        shutil.rmtree(run.path)

    monkeypatch.setattr(module, "_write", delete_meanwhile)
    assert not bucket.keep(run)
    assert copies(bucket, "a") == []


def test_one_runs_trouble_is_not_anothers(home: Home, bucket: Bucket) -> None:
    ledger = Ledger(home.ledger)
    for name in ("a", "b", "c"):
        finish(learning(home, name))
        ledger.add_job("train", name, "me")
    bucket._runs.mkdir(parents=True)
    (bucket._runs / "a").write_text("in the way")
    shutil.rmtree(home.run("c").path)
    with pytest.raises(OSError):  # noqa: PT011
        copy_to_bucket(House(home, ledger, Settings(home=str(home.path)), bucket))
    assert [len(copies(bucket, name)) for name in ("b", "c")] == [1, 0]
    ledger.close()


def test_a_disk_without_room_for_it_leaves_it_in_the_bucket(
    home: Home, bucket: Bucket, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    run = learning(home, "a")
    bucket.keep(run)
    shutil.rmtree(run.path)
    monkeypatch.setattr("qlora_demo.bucket.free_bytes", lambda folder: 5_000_000)
    assert bucket.bring_back(home) == []
    assert "a could not be brought back: The disk has no 1.0 GB free." in capsys.readouterr().err
    assert len(copies(bucket, "a")) == 1


def test_a_server_copies_some_seconds_later_and_the_next_finds_it(tiny_home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qlora_demo.housekeeping.LOOK_SECONDS", 0.1)
    settings = Settings(home=str(tiny_home.path), bucket=str(tmp_path / "bucket"), device="cpu", offline=True)
    bucket = Bucket(tmp_path / "bucket")
    studio = Studio(settings)
    for name in ("a", "b"):
        finish(learning(tiny_home, name))
        job = studio.ledger.add_job("train", name, LOCAL)
        studio.ledger.claim("train")
        studio.ledger.move(job.id, ("starting",), "finished")
    studio.start()
    until = time.monotonic() + 10
    while time.monotonic() < until and not all(copies(bucket, name) and (copies(bucket, name)[0] / MARKER).exists() for name in ("a", "b")):
        time.sleep(0.05)
    studio.delete(LOCAL, "b")
    while time.monotonic() < until and copies(bucket, "b"):
        time.sleep(0.05)
    studio.close()
    shutil.rmtree(tiny_home.path)
    again = Studio(settings)
    again.start()
    assert [path.name for path in again.home.runs.iterdir()] == ["a"]
    assert (again.home.run("a").adapter / "adapter_model.safetensors").read_bytes() == b"weights" * 1000
    again.close()


def test_after_a_restart_on_an_empty_disk_models_answer_and_trainings_go_on(
    tiny_home: Home, tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a Space does: all is gone but the bucket. Real workers on the tiny model."""
    monkeypatch.setattr("qlora_demo.housekeeping.LOOK_SECONDS", 0.2)
    settings = Settings(home=str(tiny_home.path), bucket=str(tmp_path / "bucket"), device="cpu", offline=True)
    studio = Studio(settings)
    write_rows(tmp_path / "rows.jsonl", conversations(24))
    dataset = studio.data.add_file("somebody", tmp_path / "rows.jsonl", "rows.jsonl")
    recipe = replace(studio.recommend("somebody", dataset, "", "lora"), evaluations=0, batch_size=1, micro_batch_size=1)
    short = studio.submit("somebody", dataset, replace(recipe, epochs=0.2), "short")
    long = studio.submit("somebody", dataset, replace(recipe, epochs=100.0), "long")
    waiting = studio.submit("somebody", dataset, replace(recipe, epochs=0.2), "waiting")
    studio.start()
    until(lambda: len(steps(studio.home.run(long))) > 2)
    studio.close()
    saved = checkpoints.step_of(checkpoints.newest(studio.home.run(long).checkpoints))
    assert studio.ledger.job_of_run(waiting, "somebody").state == "queued"
    shutil.rmtree(tiny_home.path)
    bundled_folder(Home(tiny_home.path).create().models).symlink_to(tiny_folder, target_is_directory=True)
    again = Studio(settings)
    again.start()
    assert {view.name: view.usable() for view in again.runs("somebody")} == {"short": True, "long": False, "waiting": False}
    assert again.runs("another") == []
    began = len(steps(again.home.run(long)))
    until(lambda: len(steps(again.home.run(long))) > began)
    assert steps(again.home.run(long))[began] == saved + 1
    again.stop("somebody", long)
    until(lambda: again.run("somebody", waiting).job.state == "finished")
    again.delete("somebody", short)
    again.close()
    assert sorted(path.name for path in (tmp_path / "bucket" / "runs").iterdir()) == sorted([long, waiting])


def steps(run: RunDir) -> list[int]:
    return [event["step"] for event in read_events(run.events)[0] if event["type"] == "step"]


def until(true: Callable[[], bool], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)
