"""What tab 3 keeps, shows and sends."""

from __future__ import annotations

from ui.ui_examples import run

from qlora_demo.chat.client import Turn
from qlora_demo.data.conversation import Conversation, Message, Passage
from qlora_demo.ui.views_chat import column, headings, history, own_instruction, sampling, status, suggestions, turns_for

TURNS = [["hello", "I am an AI.", "I am Wilna."]]


def row(*texts: str, system: str = "") -> Conversation:
    turns = [Message(("user", "assistant")[i % 2], text) for i, text in enumerate(texts)]
    return Conversation((*([Message("system", system)] if system else []), *turns))


def test_each_column_reads_its_own_answers() -> None:
    assert [m.content for m in history(TURNS, 1, "", "and now?")] == ["hello", "I am an AI.", "and now?"]
    yours = history(TURNS, 2, "Be brief.", "and now?")
    assert [(m.role, m.content) for m in yours[:1]] == [("system", "Be brief.")]
    assert [m.content for m in yours[1:]] == ["hello", "I am Wilna.", "and now?"]
    assert column(TURNS, 2)[1] == {"role": "assistant", "content": "I am Wilna."}


def test_another_models_chat_is_another_chat() -> None:
    kept = {"run": "abc", "turns": [*TURNS, ["torn"]]}
    assert turns_for(kept, "abc") == TURNS
    assert turns_for(kept, "def") == []


def test_settings_in_words() -> None:
    assert (sampling("same", 200).temperature, sampling("same", 200).max_new_tokens) == (0.0, 280)
    assert sampling("varied", 50).temperature == 0.8


def test_suggestions_make_sense_alone() -> None:
    rows = [row("first", "a"), row("x", "y", "and that?", "b"), row("first", "c"), Passage("text"), *(row(f"q{i}", "a") for i in range(5))]
    assert suggestions(rows) == ["first", "q0", "q1"]


def test_the_instruction_is_the_one_it_was_trained_with() -> None:
    assert own_instruction(run(), [row("q", "a", system="Sort it.")]) == "Sort it."
    assert own_instruction(run(), [row("q", "a")]) == ""


def test_status_words() -> None:
    assert "Waking the model up, about 10 seconds." in status(Turn())
    assert "Both answered in 3 s, 12 word pieces." in status(Turn("a", "b", "done", 12, 3.0))


def test_headings_say_that_the_base_is_packed_too() -> None:
    base, yours = headings(run("finished"))
    assert "Base model · before training · packed to 4 bits, as yours" in base
    assert "Your model · customers, 24 Nov" in yours
