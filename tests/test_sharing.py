"""A shared model can be read and chatted with by who has the link, and by nobody else; the link can be taken back."""

from __future__ import annotations

from pathlib import Path

import pytest
from finished import filled

from qlora_demo.errors import BusyError, NotFoundError, StorageError
from qlora_demo.run_dir import write_json
from qlora_demo.settings import Settings
from qlora_demo.studio import Studio

FAQ = "question,answer\n" + "".join(f"What is thing {i}?,It is the {i}th of them\n" for i in range(30))


@pytest.fixture
def studio(tmp_path: Path) -> Studio:
    return Studio(Settings(home=str(tmp_path / "home"), device="cpu", offline=True, mode="public"))


def visitors(studio: Studio, count: int) -> list[str]:
    return [studio.owners.owner(studio.owners.new_key()) for _ in range(count)]


def submitted(studio: Studio, owner: str, tmp_path: Path) -> str:
    path = tmp_path / "faq.csv"
    path.write_text(FAQ)
    dataset = studio.data.add_file(owner, path, "faq.csv")
    return studio.submit(owner, dataset, studio.recommend(owner, dataset), "mine")


def test_a_guest_reads_and_changes_nothing(studio: Studio, tmp_path: Path) -> None:
    owner, guest, stranger = visitors(studio, 3)
    run = submitted(studio, owner, tmp_path)
    secret = studio.sharing.link(owner, run)
    assert studio.sharing.come_by(guest, secret) == run
    assert studio.run(guest, run).guest(guest) and not studio.run(owner, run).guest(owner)
    assert [view.id for view in studio.runs(guest)] == [run]
    assert len(studio.questions(guest, run)[0]) == 25
    for change in (studio.stop, studio.delete, studio.resume, lambda o, r: studio.rename(o, r, "x"), studio.sharing.link, studio.sharing.take_back):
        with pytest.raises(BusyError, match="shared with you|Only its owner"):
            change(guest, run)
    write_json(studio.home.run(run).result_json, {"outcome": "finished", "reason": "", "artifact_bytes": 7})
    with pytest.raises(BusyError, match="not download it"):
        studio.download(guest, run)
    with pytest.raises(BusyError, match="not download it"):
        studio.download(guest, run, "csv")
    with pytest.raises(StorageError, match="not whole"):
        studio.download(owner, run)
    filled(studio.home.run(run).adapter)
    assert studio.download(owner, run)
    with pytest.raises(NotFoundError):
        studio.data_of(guest, run)
    with pytest.raises(NotFoundError):
        studio.run(stranger, run)
    assert studio.runs(stranger) == []


def test_a_link_that_was_taken_back_opens_nothing_and_shuts_its_guests_out(studio: Studio, tmp_path: Path) -> None:
    owner, guest, late = visitors(studio, 3)
    run = submitted(studio, owner, tmp_path)
    secret = studio.sharing.link(owner, run)
    studio.sharing.come_by(guest, secret)
    assert studio.sharing.is_shared(owner, run)
    studio.sharing.take_back(owner, run)
    assert not studio.sharing.is_shared(owner, run)
    assert studio.sharing.come_by(late, secret) == ""
    with pytest.raises(NotFoundError):
        studio.run(guest, run)


def test_another_link_takes_the_place_of_the_first(studio: Studio, tmp_path: Path) -> None:
    owner, guest = visitors(studio, 2)
    run = submitted(studio, owner, tmp_path)
    first, second = studio.sharing.link(owner, run), studio.sharing.link(owner, run)
    assert studio.sharing.come_by(guest, first) == ""
    assert studio.sharing.come_by(guest, second) == run


def test_a_deleted_model_has_no_guests(studio: Studio, tmp_path: Path) -> None:
    owner, guest = visitors(studio, 2)
    run = submitted(studio, owner, tmp_path)
    secret = studio.sharing.link(owner, run)
    studio.sharing.come_by(guest, secret)
    studio.delete(owner, run)
    assert studio.runs(guest) == [] and studio.sharing.come_by(guest, secret) == ""


def test_the_link_is_not_stored(studio: Studio, tmp_path: Path) -> None:
    (owner,) = visitors(studio, 1)
    secret = studio.sharing.link(owner, submitted(studio, owner, tmp_path))
    assert secret.encode() not in b"".join(path.read_bytes() for path in studio.home.path.rglob("*") if path.is_file())


def test_others_in_line_are_counted_and_nothing_else_is_told(studio: Studio, tmp_path: Path) -> None:
    owner, other = visitors(studio, 2)
    assert studio.ledger.line_of_others(owner) == (False, 0)
    submitted(studio, other, tmp_path)
    submitted(studio, other, tmp_path)
    assert studio.ledger.line_of_others(owner) == (False, 2)
    studio.ledger.claim("train")
    assert studio.ledger.line_of_others(owner) == (True, 1)
    assert studio.ledger.line_of_others(other) == (False, 0)
