"""What tab 1 says about a data set."""

from __future__ import annotations

from ui.ui_examples import HOSTILE, dataset

from qlora_demo.data.conversation import Conversation, Message
from qlora_demo.ui.views_data import chat_messages, counts, position, questions_and_answers, title


def test_counts() -> None:
    assert counts(dataset(118), 10) == "118 conversations: 108 to learn from, 10 set aside for testing."
    assert counts(dataset(12), 0) == "12 conversations, all to learn from. None is set aside, so there is no test score."
    assert counts(dataset(1240, kind="labels"), 200) == "1,240 texts: 1,040 to learn from, 200 set aside for testing."


def test_a_conversation_is_shown_without_its_instruction() -> None:
    row = Conversation((Message("system", HOSTILE), Message("user", "a"), Message("assistant", "b")), "line 1")
    assert chat_messages(row) == [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]


def test_position_says_the_place_in_the_file() -> None:
    assert "conversation 3 of 3 · line 3" in position(2, dataset(3))


def test_rows_of_a_person_stay_text() -> None:
    row = Conversation((Message("user", HOSTILE), Message("assistant", HOSTILE)))
    assert "<img" not in questions_and_answers([row]) + title(dataset())
