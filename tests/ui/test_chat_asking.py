"""Streaming into the two columns, and what moves them: asking again, changing a question, taking back, stopping."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import gradio as gr
import pytest
from ui.ui_examples import run

from qlora_demo.chat.client import Turn
from qlora_demo.ui import chat_tab
from qlora_demo.ui.chat_after import toggle
from qlora_demo.ui.chat_asking import (
    Exchange,
    answer,
    ask,
    ask_again,
    ask_otherwise,
    begin,
    give_back,
    leave,
    start_over,
    stopped,
    undo,
    with_partial,
)
from qlora_demo.ui.chat_drawing import draw_against
from qlora_demo.ui.chat_tab import Asked, ChatTab, Partial
from qlora_demo.ui.guard import Edited

CHAT = {"run": "abc", "turns": [["who?", "I am an AI.", "I am Wilna."], ["<b>?", "b1", "y1"]]}


@pytest.fixture
def tab() -> Iterator[ChatTab]:
    with gr.Blocks():
        yield chat_tab.build(gr.BrowserState({"run": "", "turns": []}))


def contents(messages: list[dict]) -> list[str]:
    return [message["content"] for message in messages]


def changed(index: object, text: object) -> Edited:
    return Edited(None, {"index": index, "value": text})


def test_the_last_update_says_everything_even_where_those_before_are_skipped(tab: ChatTab) -> None:
    """Gradio empties an update once it has sent it, and the page may skip all but the last."""
    turns = [Turn(), Turn("I", "We", "answering"), Turn("I am.", "We are.", "done", 4, 1.0, unchanged=True)]
    last: dict = {}
    for updates in answer(tab, iter(turns), Exchange(run(), CHAT["turns"][:1], "Who?", False)):
        last = {part: dict(update) if isinstance(update, dict) else update for part, update in updates.items()}
        for update in updates.values():
            if isinstance(update, dict):
                update.clear()
    assert "Both answered in 1 s, 4 word pieces.<" in last[tab.status]["value"]
    assert contents(last[tab.yours]) == ["who?", "I am Wilna.", "Who?", "We are."]
    assert last[tab.kept] == {"run": "abc", "turns": [CHAT["turns"][0], ["Who?", "I am.", "We are."]], "against": ""}
    assert (last[tab.ask]["visible"], last[tab.stop]["visible"], last[tab.partial]) == (True, False, None)
    assert "unchanged" in last[tab.base_heading]


def test_differing_words_are_marked_once_both_answers_are_whole(tab: ChatTab) -> None:
    turns = [Turn("I", "We", "answering"), Turn("I am.", "We are.", "done", 4, 1.0)]
    first, _, last = answer(tab, iter(turns), Exchange(run(), CHAT["turns"][:1], "Who?", True, ["Who?", "I am.", "We are."]))
    assert contents(first[tab.yours]) == ["who?", "I am <mark>Wilna</mark>.", "Who?", "We"] == contents(last[tab.yours])[:3] + ["We"]
    assert contents(last[tab.yours])[3] == "<mark>We are</mark>."
    assert "The answers are the same each time." in last[tab.status]["value"]


def test_asking_again_takes_the_place_of_the_last_turn(tab: ChatTab) -> None:
    updates = ask_again(tab, "abc", CHAT, None)
    assert updates[tab.asked] == Asked("<b>?", 1) and updates[tab.partial] == Partial("abc", Asked("<b>?", 1))
    assert contents(updates[tab.base]) == ["who?", "I am an AI.", "&lt;b>?", ""]
    assert ask_again(tab, "abc", {"run": "abc", "turns": []}, None) == {tab.asked: Asked()}


def test_a_changed_question_takes_the_place_of_its_turn_and_of_all_after(tab: ChatTab) -> None:
    updates = ask_otherwise(tab, changed(0, "who else? &lt;i>"), "abc", CHAT, None)
    assert updates[tab.asked] == Asked("who else? <i>", 0)
    assert contents(updates[tab.yours]) == ["who else? &lt;i>", ""]


WRONG = [{"index": i, "value": "x"} for i in (1, 4, -2, "0", True, None)] + [{"index": 0, "value": v} for v in ("  ", ["x"], None)] + [{}, None, "x"]


@pytest.mark.parametrize("told", WRONG)
def test_nothing_else_can_be_changed(tab: ChatTab, told: object) -> None:
    updates = ask_otherwise(tab, Edited(None, told), "abc", CHAT, None)
    assert updates[tab.asked] == Asked() and tab.kept not in updates
    assert contents(updates[tab.yours]) == ["who?", "I am Wilna.", "&lt;b>?", "y1"]


def test_while_an_answer_comes_no_other_question_is_begun(tab: ChatTab) -> None:
    answering = Partial("abc", Asked("x", 2))
    assert ask(tab, "x", "abc", CHAT, answering) == ask_again(tab, "abc", CHAT, answering) == {tab.asked: Asked()}
    assert ask_otherwise(tab, changed(0, "x"), "abc", CHAT, answering) == {tab.asked: Asked()}
    assert undo(tab, "abc", CHAT, answering, False) == {}
    assert ask(tab, " ", "abc", CHAT, None) == {tab.asked: Asked()}
    assert ask(tab, "x", "abc", CHAT, None)[tab.question] == ""


def test_taking_back_puts_the_question_into_its_box(tab: ChatTab) -> None:
    updates = undo(tab, "abc", CHAT, None, False)
    assert updates[tab.kept] == {"run": "abc", "turns": CHAT["turns"][:1], "against": ""} and updates[tab.question] == "<b>?"
    assert contents(updates[tab.base]) == ["who?", "I am an AI."]
    assert undo(tab, "other", CHAT, None, False) == {}


def test_after_an_error_the_conversation_is_as_it_was(tab: ChatTab) -> None:
    for asked, box in ((Asked("new?", 2), "new?"), (Asked("<b>?", 1), None), (Asked("other?", 1), "other?")):
        updates = give_back(tab, asked, "abc", CHAT, False)
        assert updates.get(tab.question) == box and tab.kept not in updates
        assert contents(updates[tab.yours]) == ["who?", "I am Wilna.", "&lt;b>?", "y1"]


def test_stopped_in_between_keeps_what_was_said(tab: ChatTab) -> None:
    half = Partial("abc", Asked("<b>?", 1), "half")
    assert stopped(tab, "abc", CHAT, half, False)[tab.kept]["turns"] == [CHAT["turns"][0], ["<b>?", "half", ""]]
    assert tab.kept not in stopped(tab, "abc", CHAT, Partial("abc", Asked("<b>?", 1)), False)


def test_a_click_while_an_answer_comes_does_not_cost_the_earlier_turns_when_it_is_stopped(tab: ChatTab) -> None:
    first = ask(tab, "third?", "abc", CHAT, None)
    second = ask(tab, "fourth?", "abc", CHAT, first[tab.partial])
    assert tab.partial not in second
    updates = stopped(tab, "abc", CHAT, first[tab.partial], False)
    assert updates[tab.question] == "third?" and contents(updates[tab.yours]) == ["who?", "I am Wilna.", "&lt;b>?", "y1"]
    half = Partial("abc", Asked("third?", 2), "ha", "lf")
    assert stopped(tab, "abc", CHAT, half, False)[tab.kept]["turns"] == [*CHAT["turns"], ["third?", "ha", "lf"]]


def test_what_one_model_was_answering_is_no_turn_of_another(tab: ChatTab) -> None:
    half = Partial("abc", Asked("third?", 2), "ha", "lf")
    other = {"run": "xyz", "turns": [["o?", "b", "y"]], "against": ""}
    assert tab.kept not in stopped(tab, "xyz", other, half, False)
    assert with_partial(other, "xyz", half) == other
    assert with_partial(CHAT, "abc", half)["turns"] == [*CHAT["turns"], ["third?", "ha", "lf"]]
    assert leave(tab)[tab.partial] is None


def test_a_comparison_with_another_model_stays_one(tab: ChatTab) -> None:
    chat = {**CHAT, "against": "def"}
    assert undo(tab, "abc", chat, None, False)[tab.kept]["against"] == "def"
    assert start_over(tab, "abc", chat)[tab.kept] == {"run": "abc", "turns": [], "against": "def"}
    assert start_over(tab, "xyz", chat)[tab.kept]["against"] == ""
    other = replace(run("finished"), id="def", name="reviews")
    *_, last = answer(tab, iter([Turn("a", "b", "done", 4, 1.0)]), Exchange(run(), [], "Who?", False, None, other))
    assert last[tab.kept]["against"] == "def" and "Compared with · reviews" in last[tab.base_heading]


def test_a_comparison_with_a_model_that_is_gone_begins_anew_with_the_base(tab: ChatTab) -> None:
    views = [run("finished"), replace(run("finished"), id="def", name="reviews")]
    kept = draw_against(tab, views, "abc", {**CHAT, "against": "def"})
    assert (kept[tab.against]["value"], tab.kept in kept) == ("def", False) and "reviews" in kept[tab.base_heading]
    fresh = draw_against(tab, views[:1], "abc", {**CHAT, "against": "def"})
    assert (fresh[tab.against]["value"], fresh[tab.kept]) == ("", {"run": "abc", "turns": [], "against": ""})
    assert fresh[tab.against]["choices"] == [("Base model, before training", "")] and fresh[tab.base] == []


def test_differences_are_shown_and_hidden_but_not_while_an_answer_comes(tab: ChatTab) -> None:
    on = toggle(tab, "abc", CHAT, False, None)
    assert (on[tab.tools.marking], on[tab.tools.differences]) == (True, "Hide differences")
    assert contents(on[tab.yours])[1] == "I am <mark>Wilna</mark>."
    off = toggle(tab, "abc", CHAT, True, None)
    assert (off[tab.tools.marking], off[tab.tools.differences], contents(off[tab.yours])[1]) == (False, "Show differences", "I am Wilna.")
    assert toggle(tab, "abc", CHAT, False, Partial("abc", Asked("x", 2))) == {}
    assert begin(tab, Asked("x", 2), "abc", CHAT, None)[tab.tools.differences]["interactive"] is False
