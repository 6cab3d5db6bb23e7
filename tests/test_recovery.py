"""A ledger that is missing, broken or short of rows is made again from the folders: the same lists, the same owners, nothing that was deleted."""

from __future__ import annotations

import os
import shutil
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock

from qlora_demo.errors import NotFoundError, StorageError
from qlora_demo.events import EventWriter
from qlora_demo.jobs import processes
from qlora_demo.jobs.scheduler import DIED_EARLY, INTERRUPTED, LEFT_THE_LINE, STOPPED_UNSAVED
from qlora_demo.recovery import open_ledger
from qlora_demo.run_dir import Home, put_away, read_json, write_json
from qlora_demo.settings import Settings
from qlora_demo.studio import Studio

OWNERS = ("anna", "ben")
TEXT = "\n".join(f"question number {i} about {i * 7}?\tanswer number {i} is {i * 3}" for i in range(20))


def studio_of(home: Home) -> Studio:
    return Studio(Settings(home=str(home.path), device="cpu", offline=True))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home in which two people have runs in every state that lasts."""
    home = Home(tmp_path_factory.mktemp("recovery") / "home").create()
    studio = studio_of(home)
    for owner in OWNERS:
        dataset = studio.data.add_text(owner, TEXT)
        recipe = studio.recommend(owner, dataset, method="lora")
        ids = [studio.submit(owner, dataset, recipe, f"{owner}'s {name}") for name in ("finished", "failed", "left", "stopped", "waiting")]
        write_json(home.run(ids[0]).result_json, {"outcome": "finished", "reason": "", "ended": 5.0})
        studio.stop(owner, ids[2])
        EventWriter(home.run(ids[3]).events, 1).write("phase", phase="learning")
        processes.request_stop(home.run(ids[3]), "stop")
        studio.ledger.move(studio.ledger.job_of_run(ids[3], owner).id, ("queued",), "stopped", STOPPED_UNSAVED)
        job = studio.ledger.job_of_run(ids[0], owner)
        studio.ledger.move(job.id, ("queued",), "finished")
        job = studio.ledger.job_of_run(ids[1], owner)
        studio.ledger.move(job.id, ("queued",), "running")
        studio.scheduler._fail(job, home.run(ids[1]), DIED_EARLY)
    studio.close()
    return home.path


@pytest.fixture
def home(made: Path, tmp_path: Path) -> Home:
    shutil.copytree(made, tmp_path / "home", dirs_exist_ok=True)
    return Home(tmp_path / "home")


def lists(studio: Studio) -> dict[str, list[object]]:
    """What each person sees."""
    runs = {o: [(v.id, v.name, v.job.owner, v.job.state, v.job.reason) for v in studio.runs(o)] for o in OWNERS}
    data = {o: [(i, studio.ledger.dataset_name(i), len(studio.data.get(o, i).rows)) for i in studio.ledger.datasets(o)] for o in OWNERS}
    return {owner: [runs[owner], data[owner]] for owner in OWNERS}


def damaged(change: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    return lambda path: (path.write_bytes(change(path.read_bytes())), None)[1]


BREAKS: dict[str, Callable[[Path], None]] = {
    "missing": Path.unlink,
    "empty": damaged(lambda data: b""),
    "no database": damaged(lambda data: b"not a database at all" * 300),
    "half": damaged(lambda data: data[: len(data) // 2]),
    "a torn page": damaged(lambda data: data[:-10_000]),
    "zeros": damaged(lambda data: bytes(len(data))),
    "no header": damaged(lambda data: bytes(100) + data[100:]),
    "garbage after the header": damaged(lambda data: data[:100] + os.urandom(len(data) - 100)),
    "a page of garbage": damaged(lambda data: data[:4096] + os.urandom(4096) + data[8192:]),
}


@pytest.mark.parametrize("how", BREAKS)
def test_everyone_finds_what_they_had(home: Home, how: str) -> None:
    before = studio_of(home)
    expected = lists(before)
    assert [len(expected[owner][0]) for owner in OWNERS] == [5, 5]
    states = {(state, reason) for _, _, _, state, reason in expected["anna"][0]}
    stopped = {("stopped", LEFT_THE_LINE), ("stopped", STOPPED_UNSAVED)}
    assert states == {("finished", ""), ("failed", DIED_EARLY), ("queued", ""), *stopped}
    before.close()
    BREAKS[how](home.ledger)
    after = studio_of(home)
    assert lists(after) == expected
    annas, bens = ([view.id for view in after.runs(owner)] for owner in OWNERS)
    with pytest.raises(NotFoundError):
        after.run("ben", annas[0])
    with pytest.raises(NotFoundError):
        after.data.get("anna", after.ledger.datasets("ben")[0])
    assert not set(annas) & set(bens)
    assert len([p for p in home.path.glob("ledger.broken-*") if not p.name.endswith(("-wal", "-shm"))]) == (how not in ("missing", "empty"))
    after.close()


def test_a_broken_ledger_of_a_working_server_is_left_alone(home: Home) -> None:
    BREAKS["no database"](home.ledger)
    with FileLock(home.scheduler_lock), pytest.raises(StorageError, match="is damaged and cannot be read"):
        studio_of(home)
    assert home.ledger.read_bytes().startswith(b"not a database")


def test_a_newer_ledger_is_not_taken_for_a_broken_one(home: Home) -> None:
    with sqlite3.connect(home.ledger) as db:
        db.execute("PRAGMA user_version=7")
    with pytest.raises(StorageError, match="schema 7; this one reads 1"):
        studio_of(home)


def test_living_and_begun_runs_are_told_apart(home: Home) -> None:
    studio = studio_of(home)
    dataset, recipe = studio.ledger.datasets("anna")[0], studio.runs("anna")[0].recipe
    living, begun, untouched = (studio.submit("anna", dataset, recipe, name) for name in "abc")
    studio.close()
    for run_id in (living, begun):
        EventWriter(home.run(run_id).events, 1).write("phase", phase="learning")
    processes.sign(home.run(living))
    home.ledger.unlink()
    with FileLock(home.run(living).lock):
        ledger = open_ledger(home)
    job = ledger.job_of_run(living, "anna")
    assert (job.state, job.pid) == ("running", os.getpid())
    assert (ledger.job_of_run(begun, "anna").state, ledger.job_of_run(begun, "anna").reason) == ("interrupted", INTERRUPTED)
    assert ledger.job_of_run(untouched, "anna").state == "queued"


def test_a_run_whose_row_a_crash_has_left_out_is_in_line_after_the_next_start(home: Home) -> None:
    studio = studio_of(home)
    run = studio.runs("ben")[0].id
    expected = lists(studio)
    with studio.ledger.connect() as db:
        db.execute("DELETE FROM jobs WHERE run=?", (run,))
    with pytest.raises(NotFoundError):
        studio.run("ben", run)
    again = studio_of(home)
    assert lists(again) == expected
    assert studio.ledger.add_job("train", run, "ben").run == run  # the process that was quicker changes nothing
    assert lists(again) == expected


def test_what_was_being_deleted_does_not_come_back(home: Home) -> None:
    """Killed between the folder's new name and the row's end."""
    studio = studio_of(home)
    run, dataset = studio.runs("anna")[0].id, studio.ledger.datasets("anna")[0]
    put_away(home.run(run).path)
    put_away(home.datasets / dataset)
    again = studio_of(home)
    assert run not in [job.run for job in again.ledger.jobs()]
    assert again.ledger.datasets("anna") == []
    assert len(again.runs("anna")) == 4


def test_a_damaged_run_is_given_to_nobody_and_the_others_are_found(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    studio = studio_of(home)
    run = studio.runs("anna")[0].id
    studio.close()
    home.run(run).run_json.write_text("{")
    home.ledger.unlink()
    assert len(studio_of(home).runs("anna")) == 4
    assert f"{run}/run.json is damaged" in capsys.readouterr().err


def test_run_and_data_set_say_their_owner_as_the_ledger_does(home: Home) -> None:
    studio = studio_of(home)
    for owner in OWNERS:
        assert {read_json(home.run(view.id).run_json)["owner"] for view in studio.runs(owner)} == {owner}
        assert [read_json(home.datasets / i / "owner.json")["owner"] for i in studio.ledger.datasets(owner)] == [owner]


@pytest.mark.skipif(sys.platform != "linux", reason="an open file can be deleted on Linux")
def test_a_ledger_that_is_deleted_under_a_server_is_whole_after_the_next_start(home: Home) -> None:
    studio = studio_of(home)
    expected = lists(studio)
    home.ledger.unlink()
    with pytest.raises(Exception, match="no such table"):
        studio.runs("anna")
    assert lists(studio_of(home)) == expected
