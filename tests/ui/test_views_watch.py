"""Watch it learn: what stands there before, during and after."""

from __future__ import annotations

from dataclasses import replace

import gradio as gr
import pytest
from ui.ui_examples import HOSTILE, WATCHED, run

from qlora_demo.progress import Watched
from qlora_demo.ui import train_watch
from qlora_demo.ui.views_watch import ANSWERS, LABEL, LEARNED, Strip, strip


@pytest.fixture
def part() -> train_watch.WatchStrip:
    with gr.Blocks():
        return train_watch.build()


def test_answers_come_in_order_and_those_to_come_are_named() -> None:
    text = strip(run(phase="learning", watched=WATCHED[:1])).answers
    lines = ["Your answer", "I am Wilna.", "Before training", "I am an AI.", "After step 36", "I am Wil.", "After step 72", "not yet"]
    places = [text.index(line) for line in lines]
    assert places == sorted(places)
    assert "Set aside: your model never sees it." in text


def test_nothing_is_to_come_when_it_is_over() -> None:
    assert "not yet" not in strip(run("stopped", watched=WATCHED)).answers


def test_without_questions_there_is_no_strip() -> None:
    assert strip(run(phase="loading")) == Strip()


def test_texts_stay_text_and_no_words_are_said_so() -> None:
    found = strip(run(watched=WATCHED))
    assert "<img" not in found.answers
    assert found.choices == (("Who are you?", 0), (HOSTILE, 1))
    assert "no words" in found.answers and LEARNED in found.answers


def test_a_long_question_is_cut_in_its_label_and_whole_above_its_answers() -> None:
    question = "Tell me\n" + "how it was once " * 20
    found = strip(run(watched=(Watched(question, "Fine.", True),)))
    assert len(found.choices[0][0]) <= LABEL and found.choices[0][0].endswith(" once…") and "\n" not in found.choices[0][0]
    assert question in found.answers


def test_of_many_answers_the_newest_are_shown() -> None:
    many = Watched("?", "!", True, tuple((step, f"said {step}") for step in range(20)))
    text = strip(run(watched=(many,))).answers
    assert "said 0<" in text and "said 19<" in text
    assert text.count("After step") - text.count("not yet") == ANSWERS


def test_a_drawing_keeps_the_chosen_question_and_does_nothing_where_nothing_changed(part: train_watch.WatchStrip) -> None:
    first = strip(run(watched=WATCHED))
    drawn = train_watch.draw(part, first, None)
    assert drawn[part.question]["value"] == 0 and drawn[part.box]["visible"]
    assert train_watch.draw(part, first, first) == {}
    answered = replace(WATCHED[0], answers=(*WATCHED[0].answers, (72, "I am Wilna.")))
    more = strip(run(watched=(answered, WATCHED[1])))
    assert train_watch.draw(part, more, first) == {part.answers: more.answers}
    assert not train_watch.draw(part, Strip(), more)[part.box]["visible"]
