"""What a blind vote says."""

from __future__ import annotations

import gradio as gr
from ui.ui_examples import HOSTILE

from qlora_demo.ui import blind_box
from qlora_demo.ui.parts import esc
from qlora_demo.ui.views_blind import last_words, progress, revealed, sides, tally
from qlora_demo.votes import BAD, BASE, SAME, YOURS, Ballot, BlindVote, Vote


def vote(yours: int, base: int, same: int = 0, bad: int = 0) -> BlindVote:
    choices = [*[YOURS] * yours, *[BASE] * base, *[SAME] * same, *[BAD] * bad]
    return BlindVote(1_764_000_000.0, tuple(Vote("q", "I am an AI.", "I am Wilna.", choice) for choice in choices))


def test_the_tally_in_words() -> None:
    luck = "With a difference this small, it could be luck."
    assert tally(vote(7, 2, 1)) == f"You chose your model 7 times, the base model twice, one same. {luck}"
    assert tally(vote(8, 1, 0, 1)) == "You chose your model 8 times, the base model once, both bad once."
    assert tally(vote(0, 5)) == "You chose your model never, the base model 5 times."
    assert tally(vote(2, 2, 3, 2)) == "You chose your model twice, the base model twice, 3 same, both bad twice. Neither is ahead."
    assert "Your last blind vote, 24 Nov: you chose your model 8 times" in last_words(vote(8, 1))
    assert last_words(None) == ""


def test_nothing_but_the_order_tells_a_swapped_pair_from_one_that_is_not() -> None:
    with gr.Blocks():
        box = blind_box.build()
    straight, swapped = Ballot("run", ("q",), (False,)).answered("one", "two"), Ballot("run", ("q",), (True,)).answered("two", "one")
    drawn = [blind_box.draw_ballot(box, ballot) for ballot in (straight, swapped)]
    for updates in drawn:
        assert updates.pop(box.ballot) in (straight, swapped)  # a gr.State, which stays on the server
    assert drawn[0] == drawn[1]
    assert list(drawn[0]) == list(drawn[1])


def test_nothing_of_a_question_is_html() -> None:
    ballot = Ballot("run", (HOSTILE,), (True,)).answered(HOSTILE, f"{HOSTILE} 2")
    assert esc(HOSTILE) in progress(ballot)
    page = progress(ballot) + "".join(sides(ballot)) + revealed(BlindVote(0.0, ballot.chosen("a").votes), HOSTILE)
    assert "<img" not in page and page.count("&lt;img") == 7


def test_the_end_tells_whose_the_answers_were() -> None:
    page = revealed(vote(1, 0, 1), "Kept with this model.")
    assert "You chose: your model" in page and "You chose: the same" in page and "I am Wilna." in page
    same = BlindVote(0.0, (Vote("q", "yes", "yes ", SAME),))
    assert "Word for word the same, so nothing was asked." in revealed(same, "")
