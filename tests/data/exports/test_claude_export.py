"""Claude: a chat's texts, without thoughts, tools, and branches that were given up."""

from __future__ import annotations

from typing import Any

import pytest
from export_examples import any_json, assert_sound, conversations, mistakes, talk
from hypothesis import given, settings
from hypothesis import strategies as st

from qlora_demo.data.exports.find import read_json_export

ROOT = "00000000-0000-4000-8000-000000000000"


def said(sender: str, text: Any, **more: Any) -> dict[str, Any]:
    return {"uuid": f"{sender}-{text}", "sender": sender, "text": text, "content": [], "attachments": [], "files": [], **more}


def chat(*messages: Any) -> dict[str, Any]:
    return {"uuid": "c", "name": "A chat", "created_at": "2025-01-01T10:00:00Z", "account": {"uuid": "a"}, "chat_messages": list(messages)}


def read(*chats: Any) -> Any:
    return read_json_export(list(chats), "conversations.json", "")


def test_old_exports_with_plain_texts() -> None:
    table = read(chat(said("human", "Q"), said("assistant", "A"), said("human", "R"), said("assistant", "B")), chat(said("human", "S")), chat())
    assert (table.kind, table.rows_known, table.notes) == ("claude", 3, ())
    assert conversations(table) == [("chat 1", talk("Q", "A", "R", "B")), ("chat 2", talk("S")), ("chat 3", [])]


def test_parts_count_and_thoughts_and_tools_do_not() -> None:
    parts = [
        {"type": "thinking", "thinking": "hm"},
        {"type": "text", "text": "Let me look."},
        {"type": "tool_use", "name": "search", "input": {}},
        {"type": "tool_result", "content": []},
        {"type": "text", "text": "Found."},
    ]
    plain = "hm Let me look.\n```\nThis block is not supported on your current device yet.\n```\nFound."
    question = said("human", "Q", content=[{"type": "text", "text": "Q"}])
    assert conversations(read(chat(question, said("assistant", plain, content=parts)))) == [("chat 1", talk("Q", "Let me look.\n\nFound."))]


def test_a_branch_that_was_given_up_is_left_out() -> None:
    messages = [
        said("human", "Q", uuid="1", parent_message_uuid=ROOT),
        said("assistant", "first try", uuid="2", parent_message_uuid="1"),
        said("assistant", "second try", uuid="3", parent_message_uuid="1"),
        said("human", "R", uuid="4", parent_message_uuid="3"),
        said("assistant", "B", uuid="5", parent_message_uuid="4"),
    ]
    assert conversations(read(chat(*messages))) == [("chat 1", talk("Q", "second try", "R", "B"))]


def test_files_are_counted() -> None:
    with_file = said("human", "Read this", files=[{"file_name": "a.png"}])
    only_file = said("human", "", attachments=[{"file_name": "a.pdf", "extracted_content": "x"}])
    picture = said("human", "", content=[{"type": "image"}, {"type": "text", "text": "And this"}])
    table = read(chat(with_file, said("assistant", "A"), only_file, said("assistant", "B"), picture, said("assistant", "C")))
    assert conversations(table) == [("chat 1", talk("Read this", "A\n\nB", "And this", "C"))]
    assert table.notes == (
        "1 message was a picture or other media. It was left out. 2 messages came with pictures or other media. Only their text was kept.",
    )


@pytest.mark.parametrize(
    ("messages", "sentence"),
    [
        ("none", "chat 2: 'chat_messages' should be a list"),
        ([said("human", "Q"), "text"], "chat 2, message 2: an object was expected"),
        ([said("human", "Q"), said("robot", "A")], "chat 2, message 2: the sender should be human or assistant"),
        ([said("human", None)], "chat 2, message 1: 'text' should be a text"),
        ([said("human", "Q", content="Q")], "chat 2, message 1: 'content' should be a list"),
        ([said("human", "Q", content=["Q"])], "chat 2, message 1: each part of 'content' should be an object"),
        ([said("human", "\ud83d")], "chat 2, message 1: the text holds half of a character (a lone surrogate)"),
        (
            [said("human", "Q", uuid="1", parent_message_uuid="2"), said("assistant", "A", uuid="2", parent_message_uuid="1")],
            "chat 2: its messages follow each other in a circle",
        ),
    ],
)
def test_a_broken_chat_is_a_mistake(messages: Any, sentence: str) -> None:
    good = chat(said("human", "Q"), said("assistant", "A"))
    table = read(good, {**good, "chat_messages": messages}, good)
    assert mistakes(table) == [sentence]
    assert len(list(table.entries())) == 3


@pytest.mark.parametrize("value", [[{"chat_messages": "x", "uuid": "a"}], [{"uuid": "a", "chat_messages": [{"role": "user", "content": "x"}]}]])
def test_other_json_is_no_export(value: Any) -> None:
    assert read_json_export(value, "a.json", "") is None


NAMES = ["uuid", "chat_messages", "sender", "text", "content", "type", "parent_message_uuid", "files", "attachments"]
TEXTS = ["human", "assistant", "text", "image"]


@settings(max_examples=100, deadline=None)
@given(messages=st.lists(any_json(NAMES, TEXTS) | st.builds(lambda value, name: {**said("human", "Q"), name: value}, any_json(NAMES, TEXTS),
       st.sampled_from(NAMES)), max_size=4), other=any_json(NAMES, TEXTS))  # fmt: skip
def test_any_json(messages: list[Any], other: Any) -> None:
    assert_sound(read(chat(said("human", "Q"), *messages), other))
