"""Double clicks, two tabs and a scheduler at the same moment: one wins, the others are told, and nothing is left half."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from qlora_demo.errors import UserError
from qlora_demo.jobs import processes
from qlora_demo.jobs.ledger import FINAL
from qlora_demo.owners import LOCAL
from qlora_demo.run_dir import RunDir, write_json
from qlora_demo.settings import Settings
from qlora_demo.studio import Studio

THREADS, ROUNDS = 8, 25


@pytest.fixture
def studio(tmp_path: Path) -> Iterator[Studio]:
    """Not started: the tests claim runs themselves."""
    made = Studio(Settings(home=str(tmp_path / "home"), device="cpu", offline=True))
    yield made
    made.close()


def a_run(studio: Studio, name: str) -> RunDir:
    run = studio.home.run(name)
    run.path.mkdir()
    write_json(run.run_json, {"id": name, "name": name, "owner": LOCAL, "created": 1.0})
    studio.ledger.add_job("train", name, LOCAL)
    return run


def at_once(*clicks: Callable[[], object]) -> Counter[str]:
    """What each of them said: "" or its sentence."""
    together = Barrier(len(clicks))

    def click(one: Callable[[], object]) -> str:
        together.wait()
        try:
            one()
        except UserError as error:
            return str(error)
        return ""

    with ThreadPoolExecutor(len(clicks)) as pool:
        return Counter(pool.map(click, clicks))


def state(studio: Studio, run: RunDir) -> str:
    return studio.ledger.job_of_run(run.id, LOCAL).state


def test_many_deletions_are_one(studio: Studio) -> None:
    run = a_run(studio, "a")
    said = at_once(*[lambda: studio.delete(LOCAL, "a")] * THREADS)
    assert said == {"": 1, "There is no such model of yours. It may have been deleted.": THREADS - 1}
    assert list(studio.home.runs.iterdir()) == []
    assert not run.path.exists()


def test_a_run_is_deleted_or_claimed_never_both(studio: Studio) -> None:
    for number in range(ROUNDS):
        run = a_run(studio, str(number))
        said = at_once(lambda: studio.ledger.claim("train"), lambda run=run: studio.delete(LOCAL, run.id))
        claimed = studio.ledger.active()
        if claimed is None:
            assert (said, run.path.exists(), studio.ledger.jobs()) == ({"": 2}, False, [])
        else:
            assert said == {"": 1, "This model is still training. Stop it first, then delete it.": 1}
            assert run.run_json.exists()
            studio.ledger.move(claimed.id, ("starting",), "finished")
            studio.delete(LOCAL, run.id)


def test_a_stop_that_meets_the_claim_stops_all_the_same(studio: Studio) -> None:
    for number in range(ROUNDS):
        run = a_run(studio, str(number))
        at_once(lambda: studio.ledger.claim("train"), *[lambda run=run: studio.stop(LOCAL, run.id)] * 3)
        assert state(studio, run) in ("stopped", "stopping")
        assert processes.stop_request(run) == "stop"
        studio.ledger.move(studio.ledger.job_of_run(run.id, LOCAL).id, ("stopping",), "stopped")


def test_many_clicks_on_continue_are_one(studio: Studio) -> None:
    run = a_run(studio, "a")
    studio.ledger.move(studio.ledger.job_of_run("a", LOCAL).id, ("queued",), "failed", "It died.")
    at_once(*[lambda: studio.scheduler.resume(studio.ledger.job_of_run("a", LOCAL))] * THREADS)
    assert state(studio, run) == "queued"
    assert [job.run for job in studio.ledger.waiting()] == ["a"]


def test_stop_continue_and_delete_at_once_leave_a_whole_run_or_none(studio: Studio) -> None:
    for number in range(ROUNDS):
        run = a_run(studio, str(number))
        job = studio.ledger.job_of_run(run.id, LOCAL)
        at_once(
            lambda run=run: studio.stop(LOCAL, run.id),
            lambda job=job: studio.scheduler.resume(job),
            lambda run=run: studio.delete(LOCAL, run.id),
            lambda run=run: studio.stop(LOCAL, run.id),
        )
        left = [one for one in studio.ledger.jobs() if one.run == run.id]
        assert [one.state in ("queued", *FINAL) for one in left] == [True] * len(left)
        assert run.run_json.exists() == bool(left)
        if left:
            studio.delete(LOCAL, run.id)
    assert list(studio.home.runs.glob("*/run.json")) == []
