"""What tab 3 keeps, shows and sends."""

from __future__ import annotations

from dataclasses import replace

from ui.ui_examples import HOSTILE, run

from qlora_demo.chat.client import Turn
from qlora_demo.data.conversation import Conversation, Message, Passage
from qlora_demo.ui.views_chat import (
    columns,
    comparisons,
    headings,
    history,
    own_answer,
    own_instruction,
    own_words,
    questions,
    sampling,
    status,
    suggestions,
    turns_for,
)

TURNS = [["hello", "I am an AI.", "I am Wilna."]]


def row(*texts: str, system: str = "") -> Conversation:
    turns = [Message(("user", "assistant")[i % 2], text) for i, text in enumerate(texts)]
    return Conversation((*([Message("system", system)] if system else []), *turns))


def test_each_column_reads_its_own_answers() -> None:
    assert [m.content for m in history(TURNS, 1, "", "and now?")] == ["hello", "I am an AI.", "and now?"]
    yours = history(TURNS, 2, "Be brief.", "and now?")
    assert [(m.role, m.content) for m in yours[:1]] == [("system", "Be brief.")]
    assert [m.content for m in yours[1:]] == ["hello", "I am Wilna.", "and now?"]
    assert columns(TURNS)[1][1] == {"role": "assistant", "content": "I am Wilna."}
    marks = columns([["a <b>?", "I am <b>.", "I am Wilna."]], differences=True)
    assert [message["content"] for message in marks[0]] == ["a &lt;b>?", "I am <mark>&lt;b&gt;</mark>."]
    assert [message["content"] for message in marks[1]] == ["a &lt;b>?", "I am <mark>Wilna</mark>."]


def test_another_models_chat_is_another_chat() -> None:
    kept = {"run": "abc", "turns": [*TURNS, ["torn"]]}
    assert turns_for(kept, "abc") == TURNS
    assert turns_for(kept, "def") == []


def test_settings_in_words() -> None:
    assert (sampling("same", 200).temperature, sampling("same", 200).max_new_tokens) == (0.0, 280)
    assert sampling("varied", 50).temperature == 0.8
    assert len({sampling("varied", 50).seed for _ in range(5)}) > 1 and sampling("same", 50) == sampling("same", 50)


def test_suggestions_make_sense_alone() -> None:
    rows = [row("first", "a"), row("x", "y", "and that?", "b"), row("first", "c"), Passage("text"), *(row(f"q{i}", "a") for i in range(5))]
    assert suggestions(rows) == ["first", "q0", "q1"]
    assert questions(rows) == ["first", *(f"q{i}" for i in range(5))]


def test_the_datas_own_answer_is_to_a_question_that_stands_alone() -> None:
    rows = [Passage("text"), row("x", "y", "and that?", "b"), row("first", HOSTILE)]
    assert (own_answer(rows, "first"), own_answer(rows, "and that?"), own_answer(rows, "else")) == (HOSTILE, "", "")
    assert "<img" not in own_words(HOSTILE)


def test_the_instruction_is_the_one_it_was_trained_with() -> None:
    assert own_instruction(run(), [row("q", "a", system="Sort it.")]) == "Sort it."
    assert own_instruction(run(), [row("q", "a")]) == ""


def test_status_words() -> None:
    assert "Waking the model up, about 10 seconds." in status(Turn())
    assert "Answering 2 questions before yours." in status(Turn(before=2))
    done = Turn("a", "b", "done", 12, 3.0)
    assert "Both answered in 3 s, 12 word pieces.</p>" in status(done)
    assert "The answers are the same each time." in status(done, same_again=True)
    assert "This chat has grown too long; the oldest part is no longer read." in status(replace(done, shortened=True))
    assert "too long" not in status(done)


def test_headings_say_that_the_base_is_packed_too() -> None:
    base, yours = headings(run("finished"))
    assert "Base model · before training · packed to 4 bits, as yours" in base
    assert "Your model · customers, 24 Nov" in yours
    assert "unchanged" not in base


def test_a_model_is_compared_with_its_base_or_with_others_of_the_same_packed_alike() -> None:
    mine, other, waiting = run("finished"), replace(run("finished"), id="def", name="reviews"), replace(run("queued"), id="ghi")
    lora, bigger = (replace(other, id=name, recipe=replace(other.recipe, method=method)) for name, method in (("lora", "lora"), ("full", "full")))
    assert comparisons([mine, other, waiting, lora], "abc") == [("Base model, before training", ""), ("reviews", "def")]
    assert comparisons([mine, lora, bigger], "lora")[1:] == [("reviews", "full")]
    assert comparisons([mine], None) == [("Base model, before training", "")]


def test_headings_say_whether_the_base_is_unchanged() -> None:
    assert "✓ unchanged" in headings(run(), True)[0] and "Do not trust" not in headings(run(), True)[0]
    assert "Do not trust this comparison." in headings(run(), False)[0] and "✓" not in headings(run(), False)[0]
    assert headings(run(), False)[1] == headings(run(), None)[1]
