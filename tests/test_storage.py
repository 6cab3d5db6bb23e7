"""What a home may keep: room, quotas and dates, in the sentences that people read."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from runs import conversations
from small_disk import fill, small_disk

from qlora_demo.data.conversation import write_rows
from qlora_demo.errors import DataError, DiskFullError, StorageError
from qlora_demo.jobs.ledger import EVERYONE
from qlora_demo.owners import LOCAL
from qlora_demo.room import keep_reserve
from qlora_demo.run_dir import Home
from qlora_demo.settings import Settings
from qlora_demo.source.place import bundled_folder
from qlora_demo.storage import DAY, HOUR
from qlora_demo.studio import Studio

Make = Callable[..., Studio]


@pytest.fixture
def make(tiny_home: Home) -> Iterator[Make]:
    """A studio with other settings, not started."""
    made: list[Studio] = []

    def studio(**settings: object) -> Studio:
        made.append(Studio(Settings(home=str(tiny_home.path), device="cpu", offline=True, **settings)))
        return made[-1]

    yield studio
    for one in made:
        one.close()


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    path = tmp_path / "rows.jsonl"
    write_rows(path, conversations(24))
    return path


def add(studio: Studio, rows: Path, owner: str = LOCAL) -> str:
    return studio.data.add_file(owner, rows, "rows.jsonl")


def submit(studio: Studio, dataset_id: str, method: str = "lora", owner: str = LOCAL) -> str:
    return studio.submit(owner, dataset_id, studio.recommend(owner, dataset_id, "", method), "x")


def only_free(monkeypatch: pytest.MonkeyPatch, count: float) -> None:
    monkeypatch.setattr("qlora_demo.storage.free_bytes", lambda folder: int(count))


def test_a_run_that_would_not_find_room_is_refused_in_numbers(make: Make, rows: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    studio = make()
    dataset = add(studio, rows)
    only_free(monkeypatch, 1.1e9)
    with pytest.raises(StorageError) as error:
        submit(studio, dataset)
    words = str(error.value)
    assert words.startswith("This needs about 1.")
    assert " GB of disk for its saved points and its result; 1.1 GB are free. Choose a smaller model, or delete" in words
    only_free(monkeypatch, 3e9)
    assert submit(studio, dataset)
    with pytest.raises(StorageError, match=r"^This needs about [67]\.\d GB of disk .* 3.0 GB are free. Choose QLoRA or a smaller model, or delete"):
        submit(studio, dataset, "full")
    assert len(studio.runs(LOCAL)) == 1


def test_a_file_that_would_not_find_room_is_refused(make: Make, rows: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    studio = make()
    dataset = add(studio, rows)
    only_free(monkeypatch, 50e6)
    sentence = "^The disk is nearly full: this file needs about 100 MB, 50 MB are free. Delete a model or a data set that is no longer needed.$"
    refused = (
        lambda: add(studio, rows),
        lambda: studio.data.add_text(LOCAL, "Where?;Here"),
        lambda: studio.data.change(LOCAL, dataset, replace(studio.data.get(LOCAL, dataset).choices, test=False)),
    )
    for ask in refused:
        with pytest.raises(StorageError, match=sentence):
            ask()
    assert [path.name for path in studio.home.datasets.iterdir()] == [dataset]


def test_each_owner_has_so_much_and_deleting_makes_room(make: Make, rows: Path) -> None:
    studio = make(owner_disk_mb=30)
    dataset = add(studio, rows)
    first = submit(studio, dataset)  # leaves an adapter of 10 MB
    (studio.home.run(first).path / "adapter.bin").write_bytes(bytes(25_000_000))
    with pytest.raises(StorageError, match="^Your models and data sets take 25 MB of your 30 MB here. Delete a model or a data set to make room.$"):
        submit(studio, dataset)
    other = add(studio, rows, "somebody")
    assert submit(studio, other, owner="somebody")
    studio.delete(LOCAL, first)
    assert submit(studio, dataset)


def test_all_together_have_so_much_base_models_not_counted(make: Make, rows: Path) -> None:
    studio = make(disk_gb=1)
    dataset = add(studio, rows)
    (studio.home.models / "base").write_bytes(b"")
    os.truncate(studio.home.models / "base", 2_000_000_000)
    (studio.home.path / "hub").mkdir()
    shutil.copy(rows, studio.home.path / "hub" / "base")
    os.truncate(studio.home.path / "hub" / "base", 2_000_000_000)
    first = submit(studio, dataset)
    (studio.home.path / "chat.log").write_bytes(b"")
    os.truncate(studio.home.path / "chat.log", 1_000_000_000)
    sentence = "^All models and data sets here take 1.0 GB of 1.0 GB. Delete a model or a data set of yours to make room, or try again later.$"
    for refused in (lambda: submit(studio, dataset), lambda: add(studio, rows)):
        with pytest.raises(StorageError, match=sentence):
            refused()
    assert studio.storage.used_by(LOCAL) < 1_000_000
    assert len(studio.runs(LOCAL)) == 1 and first


def test_a_file_that_several_data_sets_share_counts_once(make: Make, rows: Path) -> None:
    studio = make()
    rows.write_text(rows.read_text() + "\n" * 1_000_000)
    first = add(studio, rows)
    before = studio.storage.used_by(LOCAL)
    studio.data.change(LOCAL, first, replace(studio.data.get(LOCAL, first).choices, test=False))
    assert before > 1_000_000 > studio.storage.used_by(LOCAL) - before


def test_a_model_is_kept_so_many_days_after_its_last_use(make: Make, rows: Path) -> None:
    studio = make(keep_days=7)
    run = submit(studio, add(studio, rows))
    assert studio.run(LOCAL, run).keeps_until is None  # it waits
    studio.scheduler.stop(studio.ledger.job_of_run(run, LOCAL))
    ended = studio.ledger.job_of_run(run, LOCAL).ended
    assert studio.run(LOCAL, run).keeps_until == ended + 7 * DAY
    used = studio.home.run(run).used
    used.touch()
    os.utime(used, (ended + 500, ended + 500))
    assert studio.run(LOCAL, run).keeps_until == pytest.approx(ended + 500 + 7 * DAY)
    assert make().run(LOCAL, run).keeps_until is None


def test_everyones_example_stays(make: Make) -> None:
    studio = make(keep_days=7, owner_disk_mb=1)
    run = studio.train_example()
    studio.scheduler.stop(studio.ledger.job_of_run(run, EVERYONE))
    assert studio.run(LOCAL, run).keeps_until is None


def test_how_long_data_is_kept(make: Make, rows: Path) -> None:
    dataset = add(make(), rows)
    now = time.time()

    def left(studio: Studio, learned: float | None = None) -> float | None:
        until = studio.storage.data_until(dataset, learned)
        return until if until is None else round((until - now) / HOUR)

    assert left(make()) is None
    assert left(make(keep_data_hours=24)) == 24
    assert left(make(keep_data_hours=24), learned=now) is None
    assert left(make(keep_data_hours=24, keep_days=7)) == 24
    assert left(make(keep_data_hours=24, keep_days=7), learned=now + 2 * DAY) == 9 * 24
    assert left(make(keep_days=7)) == 7 * 24


def test_on_a_full_disk_all_that_is_asked_for_gets_a_sentence(tmp_path: Path, tiny_folder: Path, rows: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with small_disk(tmp_path / "small", 16) as place:
        home = Home(place / "home").create()
        bundled_folder(home.models).symlink_to(tiny_folder, target_is_directory=True)
        studio = Studio(Settings(home=str(home.path), device="cpu", offline=True))
        assert studio.storage.full()  # less than 20 MB in all
        with pytest.raises(StorageError, match="^The disk is nearly full: "):
            add(studio, rows)
        monkeypatch.setattr("qlora_demo.storage.SPARE_BYTES", -1e9)  # it fills after somebody looked
        monkeypatch.setattr("qlora_demo.storage.DATA_SPARE_BYTES", -1e9)
        dataset = add(studio, rows)
        run = submit(studio, dataset)
        filler = fill(place)
        sentence = "^The disk is full. Delete a model or a data set that is no longer needed, then try again.$"
        for write in (lambda: add(studio, rows), lambda: submit(studio, dataset), lambda: studio.rename(LOCAL, run, "another name" * 5)):
            with pytest.raises((DiskFullError, DataError), match=sentence):
                write()
        assert [view.name for view in studio.runs(LOCAL)] == ["x"]
        assert [path.name for path in home.runs.iterdir()] == [run]
        studio.delete(LOCAL, run)  # the way out works
        filler.unlink()
        assert submit(studio, dataset)
        studio.close()


def test_a_server_starts_on_a_full_disk_and_helps_out_of_it(tmp_path: Path, tiny_folder: Path, rows: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("storage.SPARE_BYTES", -1e9), ("storage.DATA_SPARE_BYTES", -1e9), ("room.ROOM_FOR_RESERVE", 1_000_000)):
        monkeypatch.setattr(f"qlora_demo.{name}", value)
    with small_disk(tmp_path / "small", 12) as place:
        home = Home(place / "home").create()
        bundled_folder(home.models).symlink_to(tiny_folder, target_is_directory=True)
        settings = Settings(home=str(home.path), device="cpu", offline=True)
        studio = Studio(settings)
        run = submit(studio, add(studio, rows))
        studio.scheduler.stop(studio.ledger.job_of_run(run, LOCAL))
        keep_reserve(home.path)
        studio.close()
        fill(place)
        again = Studio(settings)
        again.start()
        assert again.storage.full()
        assert [view.id for view in again.runs(LOCAL)] == [run]
        again.delete(LOCAL, run)
        assert again.runs(LOCAL) == []
        again.close()
