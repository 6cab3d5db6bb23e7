"""ChatGPT: the way through the tree that was on the screen, its texts, and what is no text."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from export_examples import any_json, assert_sound, conversations, mistakes, talk
from hypothesis import given, settings
from hypothesis import strategies as st

from qlora_demo.data.exports.find import read_json_export


def message(role: str, *parts: Any, kind: str = "text", **more: Any) -> dict[str, Any]:
    return {"id": "m", "author": {"role": role, "name": None}, "content": {"content_type": kind, "parts": list(parts)}, "recipient": "all", **more}


def chat(*messages: dict[str, Any] | None) -> dict[str, Any]:
    """One message after the other below an empty root, as ChatGPT exports them."""
    mapping: dict[str, Any] = {"root": {"id": "root", "message": None, "parent": None, "children": ["n1"]}}
    before = "root"
    for number, one in enumerate(messages, 1):
        mapping[f"n{number}"] = {"id": f"n{number}", "message": one, "parent": before, "children": [f"n{number + 1}"]}
        before = f"n{number}"
    return {"title": "A chat", "create_time": 1.7e9, "mapping": mapping, "current_node": before}


def read(*chats: Any) -> Any:
    return read_json_export(list(chats), "conversations.json", "")


def test_chats_in_order_without_what_was_never_on_the_screen() -> None:
    first = chat(
        message("system", ""),
        message("user", "my profile", kind="user_editable_context", metadata={"is_visually_hidden_from_conversation": True}),
        message("user", "Hello?"),
        message("assistant", kind="thoughts"),
        message("assistant", "search()", recipient="browser"),
        message("tool", "a page"),
        message("assistant", "hidden", metadata={"is_visually_hidden_from_conversation": True}),
        message("assistant", "Hello."),
        message("assistant", "What is it?", recipient="all"),
        message("user", "Nothing."),
        message("assistant", "Fine."),
    )
    table = read(first, chat(message("user", "Two"), message("assistant", "2")))
    assert (table.kind, table.rows_known, table.notes, table.speakers) == ("chatgpt", 2, (), ())
    assert conversations(table) == [("chat 1", talk("Hello?", "Hello.\n\nWhat is it?", "Nothing.", "Fine.")), ("chat 2", talk("Two", "2"))]


def test_of_an_answer_asked_for_twice_the_last_one_counts() -> None:
    one = chat(message("user", "Q"), message("assistant", "first try"))
    one["mapping"]["n3"] = {"id": "n3", "message": message("assistant", "second try"), "parent": "n1", "children": []}
    assert conversations(read({**one, "current_node": "n3"})) == [("chat 1", talk("Q", "second try"))]
    assert conversations(read(one)) == [("chat 1", talk("Q", "first try"))]


def test_pictures_are_left_out_and_counted() -> None:
    picture = {"content_type": "image_asset_pointer", "asset_pointer": "file-service://x"}
    spoken = {"content_type": "audio_transcription", "text": "Said aloud"}
    table = read(
        chat(message("user", picture, "What is this?", kind="multimodal_text"), message("assistant", "A cat.")),
        chat(message("user", picture, kind="multimodal_text"), message("user", "And?"), message("assistant", "A dog.")),
        chat(message("user", spoken, {"content_type": "audio_asset_pointer"}, kind="multimodal_text"), message("assistant", "Yes.")),
    )
    assert [messages for _, messages in conversations(table)] == [talk("What is this?", "A cat."), talk("And?", "A dog."), talk("Said aloud", "Yes.")]
    assert table.notes == (
        "1 message was a picture or other media. It was left out. 2 messages came with pictures or other media. Only their text was kept.",
    )


def test_marks_for_links_go_and_names_stay() -> None:
    link = "\ue200url\ue202this page\ue202turn0search1\ue201"
    text = f'See \ue200entity\ue202["city","Paris","capital"]\ue201 and {link} \ue200cite\ue202turn0search0\ue201.'
    assert conversations(read(chat(message("user", "Q"), message("assistant", text)))) == [("chat 1", talk("Q", "See Paris and this page."))]


def test_a_greeting_goes_and_a_question_without_answer_stays_to_be_reported() -> None:
    table = read(chat(message("assistant", "Welcome"), message("user", "Q")), chat(message("assistant", "Welcome")), {**chat(), "mapping": {}})
    assert conversations(table) == [("chat 1", talk("Q")), ("chat 2", []), ("chat 3", [])]


def broken(change: str) -> Any:
    one = chat(message("user", "Q"), message("assistant", "A"))
    mapping = one["mapping"]
    if change == "circle":
        mapping["root"]["parent"] = "n2"
    elif change == "own parent":
        mapping["n2"]["parent"] = "n2"
    elif change == "last":
        one["current_node"] = "gone"
    elif change == "no last":
        one["current_node"] = None
    elif change == "node":
        mapping["n1"] = "text"
    elif change == "parent":
        mapping["n1"]["parent"] = ["root"]
    elif change == "author":
        mapping["n1"]["message"]["author"] = "user"
    elif change == "parts":
        mapping["n2"]["message"]["content"]["parts"] = "A"
    elif change == "half":
        mapping["n2"]["message"]["content"]["parts"] = ["\ud83d"]
    return one


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ("circle", "chat 2: its messages follow each other in a circle"),
        ("own parent", "chat 2: its messages follow each other in a circle"),
        ("last", "chat 2: its last message is not in the file"),
        ("no last", "chat 2: 'current_node' should be a text"),
        ("node", "chat 2: each of its messages should be an object"),
        ("parent", "chat 2: 'parent' should be a text"),
        ("author", "chat 2, message 2: 'author' should be an object"),
        ("parts", "chat 2, message 3: 'parts' should be a list"),
        ("half", "chat 2, message 3: the text holds half of a character (a lone surrogate)"),
    ],
)
def test_a_broken_chat_is_a_mistake_and_the_others_are_read(change: str, sentence: str) -> None:
    good = chat(message("user", "Q"), message("assistant", "A"))
    table = read(good, broken(change), good)
    assert mistakes(table) == [sentence]
    assert len(list(table.entries())) == 3


def test_what_is_no_chat_among_chats_is_a_mistake() -> None:
    assert mistakes(read(chat(message("user", "Q")), 7, None)) == ["chat 2: an object was expected", "chat 3: an object was expected"]


@pytest.mark.parametrize(
    "value",
    [
        [],
        {},
        None,
        "text",
        [[]],
        [{"mapping": {"a": "b"}, "answer": "x"}],
        [{"mapping": {"a": {"b": "c"}}, "current_node": "a"}],
        [{"mapping": "a to b", "current_node": "x"}],
        [{"question": "Q", "answer": "A"}],
        [{"messages": [{"role": "user", "content": "x"}]}],
    ],
)
def test_other_json_is_no_export(value: Any) -> None:
    assert read_json_export(value, "a.json", "") is None


NAMES = ["mapping", "current_node", "message", "parent", "author", "role", "content", "content_type", "parts", "text", "metadata"]
TEXTS = ["user", "assistant", "text", "multimodal_text", "a", "b"]


@settings(max_examples=100, deadline=None)
@given(st.lists(any_json(NAMES, TEXTS), max_size=4))
def test_any_json(value: list[Any]) -> None:
    assert_sound(read_json_export(value, "a.json", ""))


@settings(max_examples=100, deadline=None)
@given(
    node=st.sampled_from(["root", "n1", "n2", "n3"]),
    path=st.sampled_from([(), ("message",), ("parent",), ("message", "author"), ("message", "author", "role"), ("message", "content", "parts")]),
    value=any_json(NAMES, [*TEXTS, "root", "n1", "n2"]),
)
def test_one_wrong_value_anywhere(node: str, path: tuple[str, ...], value: Any) -> None:
    one = chat(message("user", "Q"), message("assistant", "A"), message("user", "R"))
    place: Any = copy.deepcopy(one["mapping"])
    one["mapping"] = place
    keys = [node, *path]
    for key in keys[:-1]:
        place = place[key]
        if place is None:
            return
    place[keys[-1]] = value
    assert_sound(read(one, chat(message("user", "Q"))))
