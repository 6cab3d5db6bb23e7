"""What is swept away, what stays, and what goes when its time is over."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from filelock import FileLock

from qlora_demo.errors import StorageError
from qlora_demo.export.prepared import mark, prepared
from qlora_demo.housekeeping import House, Housekeeper, delete_run, sweep_leftovers, sweep_old, sweep_prepared, sweep_temporary
from qlora_demo.jobs.ledger import EVERYONE, Ledger
from qlora_demo.room import RESERVE, RESERVE_BYTES
from qlora_demo.run_dir import Home, write_json
from qlora_demo.settings import Settings
from qlora_demo.storage import DAY, HOUR, SPARE_BYTES

NOW = time.time()


@pytest.fixture
def house(tmp_path: Path) -> House:
    home = Home(tmp_path / "home").create()
    ledger = Ledger(home.ledger)
    settings = Settings(home=str(home.path), temp=str(tmp_path / "temp"), keep_days=7, keep_data_hours=24)
    return House(home, ledger, settings, None)


def aged(path: Path, seconds: float, folder: bool = False) -> Path:
    """A file, or a folder with one, that nobody has touched for so long."""
    if folder:
        aged(path / "inside" / "file", seconds)
        os.utime(path / "inside", (NOW - seconds,) * 2)
    else:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
    os.utime(path, (NOW - seconds,) * 2)
    return path


def run(house: House, name: str, state: str, age: float = 0.0, owner: str = "me", dataset: str = "") -> Path:
    """A run that ended so many seconds ago."""
    made = house.home.run(name)
    made.path.mkdir()
    write_json(made.run_json, {"id": name, "dataset": dataset})
    job = house.ledger.add_job("train", name, owner)
    if state != "queued":
        house.ledger.claim("train")
        house.ledger.move(job.id, ("starting",), state)
    with house.ledger.connect() as db:
        db.execute("UPDATE jobs SET ended=?, created=? WHERE id=?", (NOW - age, NOW - age, job.id))
    return made.path


def dataset(house: House, name: str, age: float, owner: str = "me") -> Path:
    folder = house.home.datasets / name
    aged(folder / "dataset.json", age)
    house.ledger.add_dataset(name, owner, "x.csv")
    return folder


def test_what_was_begun_and_never_finished_goes_after_an_hour(house: House) -> None:
    home, old, young = house.home, HOUR + 60, HOUR - 60
    run(house, "run", "stopped", age=old)
    running = run(house, "running", "running")
    gone = [
        aged(home.runs / ".new-a", old, folder=True),
        aged(home.runs / ".deleted-b", old, folder=True),
        aged(home.datasets / ".new-c", old, folder=True),
        aged(home.datasets / ".paste-d", old, folder=True),
        aged(home.datasets / ".hub-e", old, folder=True),
        aged(home.datasets / "orphan", old, folder=True),
        aged(home.models / ".bundled-f", old, folder=True),
        aged(home.runs / "run" / ".adapter.tmp", old, folder=True),
        aged(home.runs / "run" / ".run.json.77.tmp", old),
        aged(home.runs / "run" / "checkpoints" / "checkpoint-7", old, folder=True),
        aged(home.path / "ledger.broken-1", 31 * DAY),
    ]
    kept = [
        aged(home.runs / ".new-g", young, folder=True),
        aged(home.datasets / ".paste-h", young, folder=True),
        aged(home.datasets / "young", young, folder=True),
        aged(home.models / "base", 99 * DAY, folder=True),
        aged(home.runs / "run" / "worker.log", old),
        aged(home.runs / "run" / "checkpoints" / "step-5", old, folder=True),
        aged(running / "checkpoints" / "checkpoint-7", old, folder=True),
        aged(home.path / "ledger.broken-2", 29 * DAY),
        dataset(house, "mine", 99 * DAY),
        home.ledger,
    ]
    growing = aged(home.datasets / ".hub-i", old, folder=True)  # somebody still fetches into it
    aged(growing / "inside" / "more", 10)
    sweep_leftovers(house, NOW)
    assert [path for path in gone if path.exists()] == []
    assert [path for path in [*kept, growing] if not path.exists()] == []


def test_logs_do_not_grow_for_ever(house: House) -> None:
    for name, size in (("chat.log", 30_000_000), ("data.log", 1_000)):
        (house.home.path / name).touch()
        os.truncate(house.home.path / name, size)
    with (house.home.path / "chat.log").open("ab", buffering=0) as held:
        sweep_leftovers(house, NOW)
        held.write(b"on")
    assert [(house.home.path / name).stat().st_size for name in ("chat.log", "data.log")] == [2, 1_000]


def test_points_left_by_a_finished_run_go_but_not_while_its_worker_lives(house: House) -> None:
    path = run(house, "run", "finished", age=2 * HOUR)
    aged(path / "checkpoints" / "step-5", 2 * HOUR, folder=True)
    with FileLock(path / "lock"):
        sweep_leftovers(house, NOW)
        assert (path / "checkpoints" / "step-5").exists()
    sweep_leftovers(house, NOW)
    assert not (path / "checkpoints").exists()


def test_a_link_goes_and_what_it_points_to_stays(house: House, tmp_path: Path) -> None:
    outside = aged(tmp_path / "precious", 99 * DAY, folder=True)
    for name in (house.home.runs / ".new-link", house.home.datasets / "orphan", house.settings.temp_dir() / "uploads" / "link"):
        name.parent.mkdir(parents=True, exist_ok=True)
        name.symlink_to(outside, target_is_directory=True)
        os.utime(name, (NOW - DAY,) * 2, follow_symlinks=False)
    aged(house.home.runs / ".deleted-x", DAY, folder=True)
    (house.home.runs / ".deleted-x" / "inside" / "link").symlink_to(outside, target_is_directory=True)
    sweep_leftovers(house, NOW + 2 * HOUR)
    sweep_temporary(house, NOW + 2 * HOUR)
    assert not (house.home.runs / ".new-link").is_symlink() and not (house.home.datasets / "orphan").is_symlink()
    assert not (house.home.runs / ".deleted-x").exists()
    assert (outside / "inside" / "file").read_text() == "x"


def test_uploads_that_nobody_took_go_after_an_hour(house: House) -> None:
    uploads = house.settings.temp_dir() / "uploads"
    gone = [aged(uploads / "tmpabc", 2 * HOUR), aged(uploads / "hash" / "file.csv", 2 * HOUR)]
    kept = aged(uploads / "other" / "file.csv", 60)
    os.utime(uploads / "hash", (NOW - 2 * HOUR,) * 2)
    sweep_temporary(house, NOW)
    assert not any(path.exists() for path in gone) and kept.exists() and uploads.exists()
    sweep_temporary(house, NOW + 2 * HOUR)
    assert list(uploads.iterdir()) == []


def test_models_and_data_go_when_their_time_is_over(house: House) -> None:
    old = 8 * DAY
    gone = [
        run(house, "finished", "finished", old),
        run(house, "failed", "failed", old),
        run(house, "stopped", "stopped", old, dataset="learned"),
        dataset(house, "learned", old),
        dataset(house, "unused", 2 * DAY),
    ]
    kept = [
        run(house, "young", "finished", 6 * DAY, dataset="still"),
        run(house, "asked", "finished", old),
        run(house, "example", "finished", old, EVERYONE, "of the example"),
        run(house, "running", "running", old, dataset="needed"),
        run(house, "queued", "queued", old, dataset="wanted"),
        dataset(house, "still", old),
        dataset(house, "needed", old),
        dataset(house, "wanted", old),
        dataset(house, "of the example", old, EVERYONE),
        dataset(house, "fresh", 23 * HOUR),
    ]
    aged(house.home.run("asked").used, DAY)
    sweep_old(house, NOW)
    assert [path.name for path in gone if path.exists()] == []
    assert [path.name for path in kept if not path.exists()] == []
    assert {job.run for job in house.ledger.jobs()} == {"young", "asked", "example", "running", "queued"}
    assert set(house.ledger.all_datasets()) == {"still", "needed", "wanted", "of the example", "fresh"}


def test_for_ever_is_for_ever(house: House) -> None:
    kept = [run(house, "run", "finished", 999 * DAY), dataset(house, "unused", 999 * DAY)]
    sweep_old(House(house.home, house.ledger, Settings(home=str(house.home.path)), None), NOW)
    assert all(path.exists() for path in kept)


def test_the_thread_sweeps_at_once_keeps_a_reserve_and_outlives_trouble(
    house: House, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setattr("qlora_demo.housekeeping.LOOK_SECONDS", 0.05)
    monkeypatch.setattr("qlora_demo.housekeeping.SWEEP_SECONDS", 0.05)
    leftover = aged(house.home.runs / ".new-a", 2 * HOUR, folder=True)
    old = run(house, "old", "finished", 8 * DAY)

    def broken(house: House, run_id: str) -> None:
        raise StorageError("no luck today")

    monkeypatch.setattr("qlora_demo.housekeeping.delete_run", broken)
    keeper = Housekeeper(house.home, house.ledger, house.settings)
    keeper.start()
    deadline = time.monotonic() + 10
    reserve = house.home.path / RESERVE
    while time.monotonic() < deadline and (leftover.exists() or not reserve.exists() or reserve.stat().st_size < RESERVE_BYTES):
        time.sleep(0.05)
    time.sleep(0.3)
    keeper.close()
    assert not leftover.exists() and old.exists()
    assert capsys.readouterr().err.count("StorageError: no luck today") == 1
    assert SPARE_BYTES > RESERVE_BYTES


def test_a_run_that_is_taken_from_the_line_while_it_is_deleted_keeps_all_it_has(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a full disk, where what is deleted goes before its row does."""
    place = run(house, "waits", "queued")
    (place / "data").mkdir()
    house.ledger.claim("train")
    monkeypatch.setattr(house.ledger, "in_states", lambda states: [])  # it was not active when the click came
    monkeypatch.setattr("qlora_demo.storage.free_bytes", lambda folder: 0)
    assert not delete_run(house, "waits")
    assert (place / "data").is_dir() and (place / "run.json").exists()


def test_on_a_full_disk_a_run_goes_with_all_it_has(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    place = run(house, "over", "finished")
    monkeypatch.setattr("qlora_demo.storage.free_bytes", lambda folder: 0)
    assert delete_run(house, "over")
    assert not place.exists() and not house.ledger.jobs()


def test_what_was_prepared_goes_a_day_after_it_was_last_taken(house: House) -> None:
    runs = {name: house.home.run(run(house, name, "finished").name) for name in ("old", "young")}
    for name, made in runs.items():
        aged(made.exports / "merged" / "model.safetensors", 0)
        mark(made, "merged", 1.0)
        os.utime(made.export_json("merged"), (NOW - DAY - (60 if name == "old" else -60),) * 2)
    sweep_prepared(house, NOW)
    assert prepared(runs["old"], "merged") is None and list(runs["old"].exports.iterdir()) == []
    kept = prepared(runs["young"], "merged")
    assert kept is not None and kept.files[0][:2] == ("model.safetensors", 1) and kept.bytes() == 1


def test_what_was_half_prepared_goes_after_an_hour(house: House) -> None:
    made = house.home.run(run(house, "run", "finished").name)
    half = aged(made.exports / ".merged.tmp" / "part-0.safetensors", HOUR + 60)
    os.utime(half.parent, (NOW - HOUR - 60,) * 2)
    fetching = aged(house.home.path / "tools" / ".fetching-x", HOUR + 60, folder=True)
    sweep_leftovers(house, NOW)
    assert not half.parent.exists() and not fetching.exists()
