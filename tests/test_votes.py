"""A blind vote: its secret, its count, and what is kept."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from finished import finished
from runs import conversations

from qlora_demo.errors import NotFoundError
from qlora_demo.owners import LOCAL
from qlora_demo.settings import Settings
from qlora_demo.studio import Studio
from qlora_demo.votes import BAD, BASE, FIRST, MOST_QUESTIONS, SAME, SECOND, YOURS, Ballot, BlindVote, Vote, new_ballot, some, typed


def vote(*choices: str) -> BlindVote:
    return BlindVote(0.0, tuple(Vote("q", "b", "y", choice) for choice in choices))


def test_a_choice_goes_to_whoever_stood_there() -> None:
    ballot = Ballot("run", ("one", "two", "three"), (False, True, True)).answered("base", "yours")
    assert ballot.sides() == ("yours", "base") and (ballot.number(), ballot.question()) == (1, "one")
    ballot = ballot.chosen(FIRST)
    assert ballot.answers is None and ballot.number() == 2
    assert ballot.chosen(SECOND) is ballot  # a second click before the next answers
    ballot = ballot.answered("base", "yours")
    assert ballot.sides() == ("base", "yours")
    ballot = ballot.chosen(FIRST).answered("base", "yours").chosen(SECOND)
    assert ballot.done() and [one.choice for one in ballot.votes] == [YOURS, BASE, YOURS]


def test_equal_answers_need_no_vote() -> None:
    ballot = Ballot("run", ("one", "two"), (False, True)).answered("both", "both ")
    assert ballot.number() == 2 and ballot.votes[0].choice == SAME


def test_sides_fall_by_chance() -> None:
    fallen = Counter(swapped for _ in range(200) for swapped in new_ballot("run", ["q"] * 12).swapped)
    assert fallen.total() == 200 * MOST_QUESTIONS
    assert 850 < fallen[True] < 1150  # seven standard deviations
    assert len({new_ballot("run", ["q"] * 10).swapped for _ in range(50)}) > 20


def test_ten_questions_at_most_each_once() -> None:
    assert typed("who?\n\n  who? \nwhere?\r\nwhen?") == ["who?", "where?", "when?"]
    assert len(typed("\n".join(map(str, range(30))))) == MOST_QUESTIONS
    assert len(set(some([str(i) for i in range(30)]))) == MOST_QUESTIONS and sorted(some(["b", "a"])) == ["a", "b"]


def test_a_lead_of_either_side_can_be_more_than_luck() -> None:
    assert vote(*[YOURS] * 7, BASE, BASE, SAME).luck()
    assert not vote(*[YOURS] * 8, BASE, BAD).luck()
    assert not vote(*[BASE] * 5).luck()
    assert vote(*[SAME] * 10).luck()


def test_the_owners_last_vote_is_kept_with_the_run_and_goes_with_it(tmp_path: Path) -> None:
    studio = Studio(Settings(home=str(tmp_path / "home"), device="cpu", offline=True))
    run = finished(studio, tmp_path, "rows", conversations(40))
    assert studio.votes.last(LOCAL, run.id) is None
    assert studio.votes.keep(LOCAL, run.id, vote(BASE)) and studio.votes.keep(LOCAL, run.id, vote(YOURS, SAME))
    assert studio.votes.last(LOCAL, run.id) == vote(YOURS, SAME)
    secret = studio.sharing.link(LOCAL, run.id)
    with pytest.raises(NotFoundError):
        studio.votes.keep("key-other", run.id, vote(BASE))
    with pytest.raises(NotFoundError):
        studio.votes.last("key-other", run.id)
    assert studio.sharing.come_by("key-other", secret) == run.id
    assert studio.votes.last("key-other", run.id) is None
    assert not studio.votes.keep("key-other", run.id, vote(BASE))
    assert studio.votes.last(LOCAL, run.id) == vote(YOURS, SAME)
    studio.delete(LOCAL, run.id)
    assert not run.blind_vote_json.exists()
    studio.close()
