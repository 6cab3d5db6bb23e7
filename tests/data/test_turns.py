"""One row's messages: spellings, what is left out or joined, and what cannot be understood."""

from __future__ import annotations

import json
from typing import Any

import pytest
from data.tables import msgs, said, talk

from qlora_demo.data.conversation import Conversation
from qlora_demo.data.turns import Skip, Turns, Wrong, read_turns

HELLO = talk("user: Hi", "assistant: Hello")
TWICE = talk("user: Hi", "assistant: Hello", "user: Bye", "assistant: See you")


def part(kind: str, **values: Any) -> dict[str, Any]:
    return {"type": kind, **values}


def by_user(*parts: Any) -> list[dict[str, Any]]:
    return [{"role": "user", "content": list(parts)}, *msgs("assistant: Hello")]


def by_assistant(**message: Any) -> list[dict[str, Any]]:
    return [*msgs("user: Hi"), {"role": "assistant", **message}]


SPELLINGS = [
    (msgs("user: Hi", "assistant: Hello"), HELLO),
    (said("human: Hi", "gpt: Hello"), HELLO),
    (said("prompter: Hi", "model: Hello"), HELLO),
    (said("Customer: Hi", "AGENT: Hello"), HELLO),
    ([{"speaker": "user", "text": "Hi"}, {"sender": "ai", "message": "Hello"}], HELLO),
    (["Hi", "Hello", "Bye", "See you"], TWICE),
    ([["Hi", "Hello"], ["Bye", "See you"]], TWICE),
    ([{"user": "Hi", "assistant": "Hello"}, {"Question": "Bye", "Answer": "See you"}], TWICE),
    (by_user(part("text", text="Hi")), HELLO),
    (by_user(part("text", value="Hi")), HELLO),
    (by_user(part("text", text={"value": "Hi"})), HELLO),
    (by_user({"text": "Hi"}), HELLO),
    (by_user("H", "i"), HELLO),
    ([{"role": "user", "parts": [{"text": "Hi"}]}, {"role": "model", "parts": [{"text": "Hello"}]}], HELLO),
    (msgs("system: ", "user: Hi", "assistant: Hello"), HELLO),
]


@pytest.mark.parametrize(("messages", "expected"), SPELLINGS)
def test_all_spellings_are_the_same(messages: Any, expected: Conversation) -> None:
    assert read_turns(messages) == Turns(expected.messages)


def test_instructions_beside_the_messages_come_first() -> None:
    assert read_turns(msgs("user: Hi", "assistant: Hello"), "Be kind") == Turns(talk("system: Be kind", "user: Hi", "assistant: Hello").messages)


CALL = {"tool_calls": [{"id": "1"}]}
CHANGES = [
    (msgs("user: Hi", "assistant: Hello", "user: Bye"), HELLO, ["question_without_answer"]),
    (msgs("user: Hi", "bot: Hello"), HELLO, ["roles_renamed"]),
    (msgs("user: a", "user: b", "assistant: c", "assistant: d"), talk("user: a\n\nb", "assistant: c\n\nd"), ["merged_turns"]),
    (json.dumps(msgs("user: Hi", "assistant: Hello")), HELLO, ["list_as_text"]),
    (str(msgs("user: Hi", "assistant: Hello")), HELLO, ["list_as_text"]),
    (msgs("user: Hi\x07", "assistant: Hello"), HELLO, ["control_characters"]),
    (msgs("user: Hi\r\nyou", "assistant: Hello"), talk("user: Hi\nyou", "assistant: Hello"), []),
    # Pictures and sounds
    (by_user(part("text", text="Hi"), part("image_url", image_url={"url": "data:"})), HELLO, ["pictures_left_out"]),
    (by_user(part("image", text=None), part("text", text="Hi")), HELLO, ["pictures_left_out"]),
    # Tools
    ([*by_assistant(content=None, **CALL), *msgs("tool: 4", "assistant: Hello")], HELLO, ["tools_left_out"]),
    ([*by_assistant(content="", function_call={"name": "f"}), *msgs("function: 4", "assistant: Hello")], HELLO, ["tools_left_out"]),
    (said("human: Hi", "function_call: {}", "observation: 4", "gpt: Hello"), HELLO, ["tools_left_out"]),
    (
        [*by_assistant(content="Let me see.", **CALL), *msgs("tool: 4", "assistant: Hello")],
        talk("user: Hi", "assistant: Let me see.\n\nHello"),
        ["tools_left_out", "merged_turns"],
    ),
    (
        [
            *by_assistant(content=[part("tool_use", name="f")]),
            {"role": "user", "content": [part("tool_result", content="4")]},
            *msgs("assistant: Hello"),
        ],
        HELLO,
        ["tools_left_out"],
    ),
    # Thoughts
    (by_assistant(content="Hello", reasoning_content="Greet."), HELLO, ["reasoning_left_out"]),
    (by_assistant(content=[part("thinking", thinking="Greet."), part("text", text="Hello")]), HELLO, ["reasoning_left_out"]),
    (by_assistant(content="<think>\nGreet.\n</think>\n\nHello"), HELLO, ["reasoning_left_out"]),
    (msgs("user: <think>Hi</think>", "assistant: Hello <think>x</think>"), None, []),
]


@pytest.mark.parametrize(("messages", "expected", "codes"), CHANGES)
def test_what_is_left_out_or_joined_is_said(messages: Any, expected: Conversation | None, codes: list[str]) -> None:
    as_it_is = expected or talk(*(f"{m['role']}: {m['content']}" for m in messages))
    assert read_turns(messages) == Turns(as_it_is.messages, tuple(codes))


def test_weights_are_kept() -> None:
    turns = [*msgs("user: Hi"), {"role": "assistant", "content": "Hm", "weight": 0}, *msgs("user: Hi", "assistant: Hello")]
    assert [m.weight for m in read_turns(turns).messages] == [1.0, 0.0, 1.0, 1.0]
    turns[1]["weight"] = None
    assert [m.weight for m in read_turns(turns).messages] == [1.0, 1.0, 1.0, 1.0]


LIST = "a list of messages was expected"
WRONG = [
    (msgs("assistant: Hello"), "", "the conversation begins with an answer; the first turn must be a question"),
    (msgs("user: Hi", "pirate: Arr"), "message 2", "the role 'pirate' is not known; use system, user or assistant"),
    ([{"role": "user", "content": None}], "message 1", "the content is missing"),
    ([{"role": "user"}], "message 1", "the content is missing"),
    ([{"content": "x"}], "message 1", "the role is missing"),
    ([{"role": ["user"], "content": "x"}], "message 1", "the role is missing"),
    ([{"role": "user", "content": 5}], "message 1", "the content is no text; only text can be learned"),
    (by_user(5), "message 1", "a part of the content is no text; only text can be learned"),
    ([5], "message 1", "an object with role and content was expected"),
    ({"role": "user"}, "", LIST),
    ("hello", "", f"{LIST}, and the text is no list in JSON"),
    ("[" * 5000, "", f"{LIST}, and the text is no list in JSON"),
    ('{"a": 1}', "", LIST),
    (msgs("user: Hi", "assistant: Hello", "system: x", "user: y", "assistant: z"), "", "instructions (system) must stand before everything else"),
    (by_assistant(content="y", weight=2), "message 2", "the weight must be 0 or 1"),
]


@pytest.mark.parametrize(("messages", "inside", "expected"), WRONG)
def test_messages_that_cannot_be_understood(messages: Any, inside: str, expected: str) -> None:
    with pytest.raises(Wrong) as wrong:
        read_turns(messages)
    assert (wrong.value.inside, wrong.value.text) == (inside, expected)


SKIPPED = [
    (msgs("user: Hi"), "no answer"),
    (msgs("user: Hi", "assistant: "), "no answer"),
    (msgs("user: ", "assistant: x"), "no question"),
    (msgs("system: s"), "no messages"),
    ([], "no messages"),
    (None, "no messages"),
    (by_user(part("image_url")), "no question"),
    (by_assistant(content=None, **CALL), "no answer"),
    (by_assistant(content=None, reasoning_content="Hm."), "no answer"),
    (by_assistant(content="Hello", weight=0), "every answer has weight 0"),
]


@pytest.mark.parametrize(("messages", "reason"), SKIPPED)
def test_messages_that_teach_nothing_are_left_out(messages: Any, reason: str) -> None:
    with pytest.raises(Skip) as skip:
        read_turns(messages)
    assert skip.value.reason == reason
