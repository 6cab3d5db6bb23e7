"""Telegram: one chat or a whole account, sessions between people, and who the model learns to be."""

from __future__ import annotations

from typing import Any

import pytest
from export_examples import any_json, assert_sound, conversations, mistakes, talk
from hypothesis import given, settings
from hypothesis import strategies as st

from qlora_demo.data.exports.find import read_json_export
from qlora_demo.errors import DataError


def said(who: str | None, text: Any, time: str = "10:00", day: int = 1, **more: Any) -> dict[str, Any]:
    date = f"2025-01-{day:02}T{time}:00"
    return {"id": 1, "type": "message", "date": date, "date_unixtime": "1", "from": who, "from_id": f"user{who}", "text": text, **more}


SERVICE = {"id": 2, "type": "service", "date": "2025-01-01T10:00:00", "actor": "Ann", "action": "phone_call", "text": ""}


def chat(*messages: Any, kind: str = "personal_chat") -> dict[str, Any]:
    return {"name": "Bob", "type": kind, "id": 17, "messages": list(messages)}


def read(value: Any, speaker: str = "") -> Any:
    return read_json_export(value, "result.json", speaker)


def test_a_chat_between_two() -> None:
    table = read(
        chat(
            SERVICE,
            said("Ann", "leading words of the speaker go"),
            said("Bob", "Hello"),
            said("Bob", ["see ", {"type": "link", "text": "example.org"}, "!"]),
            said("Ann", "Hi"),
            said("Ann", "nice and long enough to be the one"),
            said("Bob", "bye"),
            said("Ann", "bye", forwarded_from="Cid"),
            said("Bob", "without an answer"),
        )
    )
    assert (table.kind, table.speakers, table.speaker, table.notes) == ("telegram", ("Ann", "Bob"), "Ann", ())
    assert conversations(table) == [("message 3", talk("Hello\nsee example.org!", "Hi\nnice and long enough to be the one", "bye", "bye"))]


def test_the_other_one_on_request() -> None:
    assert conversations(read(chat(said("Ann", "one two three"), said("Bob", "four")), "Bob")) == [("message 1", talk("one two three", "four"))]


def test_a_pause_of_more_than_six_hours_ends_a_session() -> None:
    exactly = chat(said("Bob", "a", "08:00"), said("Ann", "b c", "14:00"))
    assert conversations(read(exactly)) == [("message 1", talk("a", "b c"))]
    longer = chat(
        said("Bob", "a", "08:00"), said("Ann", "b c", "09:00"), said("Bob", "d", "15:01"), said("Ann", "e", "02:00", day=2), said("Bob", "f")
    )
    assert conversations(read(longer, "Ann")) == [("message 1", talk("a", "b c"))]
    with_picture = chat(said("Bob", "a", "08:00"), said("Ann", "", "13:00", photo="p.jpg"), said("Ann", "b c", "18:00"))
    assert conversations(read(with_picture)) == [("message 1", talk("a", "b c"))]


def test_in_a_group_everybody_else_asks() -> None:
    group = chat(said("Bob", "a"), said("Cid", "b"), said("Ann", "c d e"), kind="private_group")
    assert conversations(read(group)) == [("message 1", talk("a\nb", "c d e"))]


def test_media_are_counted() -> None:
    table = read(
        chat(
            said("Bob", "", photo="p.jpg"),
            said("Bob", "", media_type="voice_message", file="v.ogg"),
            said("Bob", "look", photo="p.jpg"),
            said("Ann", "nice one"),
            said("Bob", ""),
        )
    )
    assert conversations(table) == [("message 3", talk("look", "nice one"))]
    note = "2 messages were pictures or other media. They were left out. 1 message came with pictures or other media. Only its text was kept."
    assert table.notes == (note,)


def test_a_deleted_account_keeps_its_number() -> None:
    assert read(chat(said(None, "c"), said("Ann", "a b"))).speakers == ("Ann", "userNone")


def test_a_whole_account() -> None:
    news = chat(*[said("News", "many words " * 50, photo="p")] * 3, kind="public_channel")
    first = chat(said("Bob", "a"), said("Ann", "b c d"))
    second = chat(said("Cid", "e"), said("Ann", "f"))
    table = read({"about": "x", "chats": {"about": "y", "list": [news, first, chat(), second]}, "left_chats": {"list": []}})
    assert (table.speakers, table.speaker) == (("Ann", "Bob", "Cid"), "Ann")
    assert conversations(table) == [("chat 2, message 1", talk("a", "b c d")), ("chat 4, message 1", talk("e", "f"))]
    assert table.notes == ()


def test_an_unknown_speaker_is_told_who_there_is() -> None:
    with pytest.raises(DataError) as caught:
        read(chat(said("Ann", "a b"), said("Bob", "c")), "Zoe")
    assert str(caught.value) == "Zoe writes nothing in result.json. These people write there: Ann, Bob. Choose one of them."
    assert [(way.label, way.change) for way in caught.value.ways_out] == [
        ("Learn from Ann", {"speaker": "Ann"}),
        ("Learn from Bob", {"speaker": "Bob"}),
    ]


def test_one_person_is_no_chat() -> None:
    with pytest.raises(DataError, match=r"^result\.json holds messages of Ann alone\. Upload a chat in which two people or more write\.$"):
        read(chat(said("Ann", "a"), said("Bob", "", photo="p")))
    with pytest.raises(DataError, match=r"^result\.json holds messages of nobody\."):
        read(chat(SERVICE))


def test_without_an_answer_there_is_nothing_to_learn() -> None:
    with pytest.raises(DataError) as caught:
        read(chat(said("Ann", "a b"), said("Bob", "c")))
    assert str(caught.value) == "Ann answers nobody in result.json. Choose somebody else, or upload a longer chat."
    assert [way.change for way in caught.value.ways_out] == [{"speaker": "Bob"}]


@pytest.mark.parametrize(
    ("message", "sentence"),
    [
        (7, "message 3: an object was expected"),
        (said("Ann", "x", type=None), "message 3: 'type' should be a text"),
        (said("Ann", "x", date="soon"), "message 3: 'date' should be a date and time"),
        (said("Ann", "x", date=1.5), "message 3: 'date' should be a text"),
        (said(None, "x", from_id=None), "message 3: 'from_id' should be a text"),
        (said("Ann", None), "message 3: 'text' should be a text or a list of texts"),
        (said("Ann", [["x"]]), "message 3: 'text' should be a text or a list of texts"),
        (said("Ann", [{"type": "bold"}]), "message 3: 'text' should be a text"),
        (said("Ann", "\ud83d"), "message 3: the text holds half of a character (a lone surrogate)"),
    ],
)
def test_a_broken_message_is_a_mistake(message: Any, sentence: str) -> None:
    assert mistakes(read(chat(said("Bob", "a"), said("Ann", "b c"), message))) == [sentence]


def test_a_date_with_a_zone_and_a_huge_message() -> None:
    table = read(chat(said("Bob", "a", date="2025-01-01T10:00:00+02:00"), said("Ann", "b c"), said("Bob", "x" * 1_000_001)))
    assert conversations(table) == [("message 1", talk("a", "b c"))]
    assert table.notes == ("1 message was longer than 1,000,000 characters and was left out.",)


def test_an_endless_session_is_cut_after_an_answer() -> None:
    pairs = [said(who, who[0] * 30_000) for _ in range(4) for who in ("Bob", "Ann")]
    rows = conversations(read(chat(*pairs), "Ann"))
    assert [(place, len(messages)) for place, messages in rows] == [("message 1", 4), ("message 5", 4)]


@pytest.mark.parametrize(
    "value",
    [
        {"name": "x", "type": "chat", "id": 1, "messages": [{"role": "user", "content": "x"}]},
        {"type": "personal_chat", "id": 1, "messages": []},
        {"chats": {"list": [{"id": 1}]}},
        {"chats": [1]},
        {"messages": [said("Ann", "x")]},
        [chat(said("Ann", "x"))],
    ],
)
def test_other_json_is_no_export(value: Any) -> None:
    assert read(value) is None


NAMES = ["name", "type", "id", "messages", "date", "from", "from_id", "text", "photo", "chats", "list"]
TEXTS = ["message", "service", "personal_chat", "Ann", "Bob", "2025-01-01T10:00:00", "9999-12-31T23:59:59+23:00", "0001-01-01"]
GOOD = [said("Bob", "a"), said("Ann", "b c"), said("Bob", "d")]


@settings(max_examples=100, deadline=None)
@given(
    changes=st.lists(st.tuples(st.sampled_from(NAMES), any_json(NAMES, TEXTS)), max_size=3),
    more=st.lists(any_json(NAMES, TEXTS), max_size=2),
    whole=st.booleans(),
    speaker=st.sampled_from(["", "Ann", "Bob"]),
)
def test_any_json(changes: list[tuple[str, Any]], more: list[Any], whole: bool, speaker: str) -> None:
    one = chat(*GOOD, *[{**said("Ann", "e"), name: value} for name, value in changes], *more)
    try:
        assert_sound(read({"chats": {"list": [one, *more]}} if whole else one, speaker))
    except DataError as error:
        assert str(error).endswith(".")
