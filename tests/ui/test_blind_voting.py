"""What happens in a blind vote."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import gradio as gr
import pytest
from finished import finished
from runs import conversations

from qlora_demo.chat.client import Turn
from qlora_demo.errors import BusyError, DiskFullError
from qlora_demo.owners import LOCAL
from qlora_demo.run_dir import RunDir
from qlora_demo.settings import Settings
from qlora_demo.studio import Studio
from qlora_demo.ui import blind_box
from qlora_demo.ui.blind_box import ASIDE, OWN, BlindBox
from qlora_demo.ui.blind_voting import answered, choose, end, open_box, start
from qlora_demo.ui.guard import Visit
from qlora_demo.votes import BASE, YOURS, Ballot


@pytest.fixture
def box() -> Iterator[BlindBox]:
    with gr.Blocks():
        yield blind_box.build()


@pytest.fixture
def visit(tmp_path: Path) -> Iterator[Visit]:
    studio = Studio(Settings(home=str(tmp_path / "home"), device="cpu", offline=True))
    yield Visit(studio, LOCAL)
    studio.close()


@pytest.fixture
def run(visit: Visit, tmp_path: Path) -> RunDir:
    return finished(visit.studio, tmp_path, "rows", conversations(40))


def ballot(run: RunDir) -> Ballot:
    """The second question of two, with its answers; "A" is the base model."""
    return Ballot(run.id, ("one", "two"), (False, True)).answered("b", "y").chosen("a").answered("b2", "y2")


def test_asked_is_what_was_set_aside_or_what_a_person_types(box: BlindBox, visit: Visit, run: RunDir) -> None:
    aside = {row.question() for row in visit.studio.questions(LOCAL, run.id)[1]}
    assert "Set aside from your data (5 questions)" in str(open_box(box, visit, run.id, None)[box.source])
    assert set(start(box, visit, run.id, ASIDE, "")[box.ballot].questions) == aside
    assert start(box, visit, run.id, OWN, "who?\nwhere?")[box.ballot].questions == ("who?", "where?")
    with pytest.raises(BusyError, match="Type at least one question"):
        start(box, visit, run.id, OWN, " \n ")


def test_answers_are_shown_once_both_are_whole(box: BlindBox) -> None:
    asked = Ballot("run", ("one",), (True,))
    updates = blind_box.draw_ballot(box, asked)
    assert (updates[box.first], updates[box.choices[0]]["visible"], updates[box.answers]["visible"]) == ("", False, False)
    whole = answered(asked, iter([Turn("b", "", "answering"), Turn("base", "yo", "answering"), Turn("base", "yours", "done")]))
    assert whole.sides() == ("base", "yours")
    updates = blind_box.draw_ballot(box, whole)
    assert (updates[box.choices[0]]["visible"], updates[box.answers]["visible"]) == (True, True)


def test_a_vote_out_of_place_changes_nothing(box: BlindBox) -> None:
    assert choose(box, None, "a") == choose(box, Ballot("run", ("one",), (True,)), "a") == {}


def test_a_vote_that_goes_on_is_not_begun_anew(box: BlindBox, visit: Visit, run: RunDir) -> None:
    assert open_box(box, visit, run.id, ballot(run)) == {}


def test_the_end_is_kept_for_its_owner_and_told_to_a_guest(box: BlindBox, visit: Visit, run: RunDir) -> None:
    after = choose(box, ballot(run), "a")[box.ballot]
    assert [vote.choice for vote in after.votes] == [YOURS, BASE]
    guest = Visit(visit.studio, "key-guest")
    visit.studio.sharing.come_by(guest.owner, visit.studio.sharing.link(LOCAL, run.id))
    assert "Not kept: this model is not yours." in end(box, guest, after)[box.result]["value"]
    assert not run.blind_vote_json.exists()
    told = end(box, visit, after)
    assert "Kept with this model." in told[box.result]["value"] and told[box.ballot] is None
    assert visit.studio.votes.last(LOCAL, run.id).votes == after.votes
    assert "you chose your model once, the base model once" in open_box(box, visit, run.id, None)[box.last]["value"]


def test_ended_early_the_votes_until_then_count_and_without_any_it_is_closed(box: BlindBox, visit: Visit, run: RunDir) -> None:
    assert "1. one" in end(box, visit, ballot(run))[box.result]["value"]
    assert end(box, visit, Ballot(run.id, ("one",), (True,)))[box.box]["visible"] is False
    assert end(box, visit, None)[box.box]["visible"] is False


def test_without_room_the_tally_is_told_all_the_same(box: BlindBox, visit: Visit, run: RunDir, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> bool:
        raise DiskFullError("The disk is full.")

    monkeypatch.setattr(visit.studio.votes, "keep", full)
    told = end(box, visit, ballot(run))[box.result]["value"]
    assert "You chose your model once" in told and "The disk is full." in told
