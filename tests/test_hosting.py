"""What the host of a shared page sees and does, and nobody else."""

from __future__ import annotations

from pathlib import Path

import pytest

from qlora_demo.errors import BusyError, NotFoundError
from qlora_demo.owners import HOST, LOCAL
from qlora_demo.settings import Settings
from qlora_demo.studio import Studio

FAQ = "question,answer\n" + "".join(f"What is thing {i}?,It is the {i}th of them\n" for i in range(30))


@pytest.fixture
def studio(tmp_path: Path) -> Studio:
    return Studio(Settings(home=str(tmp_path / "home"), device="cpu", offline=True, mode="public"))


def submitted(studio: Studio, owner: str, tmp_path: Path, name: str) -> str:
    path = tmp_path / "faq.csv"
    path.write_text(FAQ)
    dataset = studio.data.add_file(owner, path, "faq.csv")
    return studio.submit(owner, dataset, studio.recommend(owner, dataset), name)


def visitor(studio: Studio) -> str:
    return studio.owners.owner(studio.owners.new_key())


def test_the_line_has_no_names(studio: Studio, tmp_path: Path) -> None:
    ann, bob = visitor(studio), visitor(studio)
    for owner in (bob, ann, bob, HOST):
        submitted(studio, owner, tmp_path, "a secret name")
    studio.ledger.claim("train")
    line = studio.hosting.line(HOST)
    assert [(one.visitor, one.training) for one in line] == [(1, True), (2, False), (1, False), (0, False)]
    assert "secret" not in repr(line) and ann not in repr(line)


def test_the_host_stops_and_moves_up(studio: Studio, tmp_path: Path) -> None:
    ann = visitor(studio)
    first, second, third = (submitted(studio, ann, tmp_path, name) for name in "abc")
    jobs = {job.run: job.id for job in studio.ledger.jobs(ann)}
    studio.hosting.to_front(HOST, jobs[third])
    assert [job.run for job in studio.ledger.waiting()] == [third, first, second]
    studio.hosting.to_front(HOST, jobs[second])
    assert [job.run for job in studio.ledger.waiting()] == [second, third, first]
    studio.hosting.stop(HOST, jobs[second])
    assert studio.run(ann, second).job.state == "stopped"
    with pytest.raises(NotFoundError, match="over already"):
        studio.hosting.stop(HOST, jobs[second])


def test_while_paused_nothing_starts_over_restarts_too(studio: Studio, tmp_path: Path) -> None:
    studio.hosting.pause(HOST, True)
    run = submitted(studio, visitor(studio), tmp_path, "x")
    studio.scheduler.tick()
    again = Studio(studio.settings)
    again.scheduler.tick()
    assert again.hosting.paused() and [job.run for job in again.ledger.waiting()] == [run]
    again.hosting.pause(HOST, False)
    assert again.ledger.claim("train").run == run


def test_nobody_else_may(studio: Studio, tmp_path: Path) -> None:
    ann = visitor(studio)
    submitted(studio, ann, tmp_path, "x")
    job = studio.ledger.jobs(ann)[0].id
    hosting = studio.hosting
    for ask in (
        lambda: hosting.line(ann),
        lambda: hosting.stop(ann, job),
        lambda: hosting.to_front(ann, job),
        lambda: hosting.pause(ann, True),
        lambda: hosting.minutes_used(ann),
    ):
        with pytest.raises(BusyError, match="Only the host"):
            ask()
    assert not hosting.paused() and studio.ledger.jobs(ann)[0].state == "queued"
    assert len(hosting.line(LOCAL)) == 1


def test_signing_in_takes_along_what_the_browser_had(studio: Studio, tmp_path: Path) -> None:
    ann = visitor(studio)
    run = submitted(studio, ann, tmp_path, "x")
    studio.hand_over(ann, "hub-1")
    assert [view.id for view in studio.runs("hub-1")] == [run] and studio.runs(ann) == []
    assert studio.data_of("hub-1", run)
    assert '"owner": "hub-1"' in studio.home.run(run).run_json.read_text()
    assert '"owner": "hub-1"' in (studio.home.datasets / studio.data_of("hub-1", run) / "owner.json").read_text()


def test_on_ones_own_machine_everybody_is_host(tmp_path: Path) -> None:
    studio = Studio(Settings(home=str(tmp_path / "home"), device="cpu", offline=True))
    assert studio.hosting.line(LOCAL) == []
    assert studio.hosting.minutes_used(LOCAL) == 0
