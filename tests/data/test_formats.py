"""Each format, compared exactly; and what is said where a row or a table does not fit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from qlora_demo.data.conversation import Conversation, Message
from qlora_demo.data.formats import Converted, Dropped, Recognised, convert, recognise
from qlora_demo.data.reading import read_table
from qlora_demo.data.table import Limits, Table
from qlora_demo.errors import DataError


def table_of(*rows: dict[str, Any]) -> Table:
    columns = tuple(dict.fromkeys(column for row in rows for column in row))
    return Table("data.jsonl", columns, rows, tuple(f"line {i}" for i in range(1, len(rows) + 1)), "jsonl")


def converted(*rows: dict[str, Any], mapping: dict[str, str] | None = None) -> tuple[Recognised, Converted]:
    table = table_of(*rows)
    recognised = recognise(table, mapping)
    return recognised, convert(table, recognised)


def refusal(*rows: dict[str, Any], mapping: dict[str, str] | None = None) -> str:
    with pytest.raises(DataError) as error:
        converted(*rows, mapping=mapping)
    return str(error.value)


def talk(*turns: str, source: str = "line 1", label: str | None = None) -> Conversation:
    """Turns as "role: text"."""
    parted = [turn.partition(": ") for turn in turns]
    return Conversation(tuple(Message(role, text) for role, _, text in parted), source, label)


def msgs(*turns: str) -> list[dict[str, str]]:
    return [{"role": role, "content": text} for role, _, text in (turn.partition(": ") for turn in turns)]


ONE_TURN = talk("user: Hi", "assistant: Hello")
FORMATS = [
    ("messages", {"messages": msgs("system: Be kind", "user: Hi", "assistant: Hello")}, talk("system: Be kind", "user: Hi", "assistant: Hello")),
    ("sharegpt", {"conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}]}, ONE_TURN),
    ("sharegpt", {"conversation": [{"role": "human", "value": "Hi"}, {"role": "gpt", "value": "Hello"}], "system": ""}, ONE_TURN),
    ("sharegpt", {"conversations": ["Hi", "Hello"]}, ONE_TURN),
    ("prompt-completion", {"prompt": "Hi", "completion": "Hello"}, ONE_TURN),
    ("prompt-completion", {"prompt": msgs("user: Hi"), "completion": msgs("assistant: Hello")}, ONE_TURN),
    ("prompt-completion", {"prompt": "Hi", "completion": msgs("assistant: Hello")}, ONE_TURN),
    ("instruction", {"instruction": "Add", "input": "1, 2", "output": "3"}, talk("user: Add\n\n1, 2", "assistant: 3")),
    ("instruction", {"instruction": "Hi", "input": "", "output": "Hello"}, ONE_TURN),
    ("instruction", {"instruction": "Hi", "context": "", "response": "Hello", "category": "x"}, ONE_TURN),
    (
        "instruction",
        {"system": "Be kind", "instruction": "Hi", "output": "Hello"},
        talk("system: Be kind", "user: Hi", "assistant: Hello"),
    ),
    ("question-answer", {"Question": "Hi", "Answer": "Hello", "id": 3}, ONE_TURN),
    ("question-answer", {"question": "Who?", "context": "Ann did.", "answer": "Ann"}, talk("user: Who?\n\nAnn did.", "assistant: Ann")),
    ("question-answer", {"Frage": "Hi", "Antwort": "Hello"}, ONE_TURN),
    ("question-answer", {"question": "Hi", "réponse": "Hello"}, ONE_TURN),
    ("question-answer", {"Pregunta": "Hi", "Respuesta": "Hello"}, ONE_TURN),
    ("question-answer", {"q": "1+1", "a": 2}, talk("user: 1+1", "assistant: 2")),
]


@pytest.mark.parametrize(("name", "row", "expected"), FORMATS)
def test_each_format(name: str, row: dict[str, Any], expected: Conversation) -> None:
    recognised, result = converted(row)
    assert (recognised.format_name, recognised.kind) == (name, "conversations")
    assert result == Converted((expected,), (), ())


def test_roles_are_told_by_column() -> None:
    table = table_of({"System Prompt": "s", "instruction": "i", "input": "x", "output": "o"})
    roles = {"user": "instruction", "assistant": "output", "system": "System Prompt", "context": "input"}
    assert recognise(table, None) == Recognised("instruction", "conversations", roles)


def test_texts_with_labels_become_a_sorting_task() -> None:
    rows = [{"text": f"day {i}", "label": ("happy", "unhappy")[i % 2]} for i in range(6)]
    recognised, result = converted(*rows)
    assert recognised == Recognised("text-label", "labels", {"user": "text", "label": "label"}, ("happy", "unhappy"))
    task = "system: Sort the text. Answer with one of: happy, unhappy."
    assert result.rows[1] == talk(task, "user: day 1", "assistant: unhappy", source="line 2", label="unhappy")


def test_too_many_labels_are_answers() -> None:
    recognised, result = converted({"text": "x", "label": 0}, {"text": "y", "label": 1})
    assert (recognised.kind, recognised.column_roles) == ("conversations", {"user": "text", "assistant": "label"})
    assert recognised.notes == ("'label' has 2 different values, so it was taken as an answer, not as a label to sort by.",)
    assert result.rows[0] == talk("user: x", "assistant: 0")


def test_a_label_that_is_missing() -> None:
    rows = [{"text": f"day {i}", "label": ("happy", "unhappy")[i % 2]} for i in range(6)]
    _, result = converted(*rows, {"text": "x", "label": ""}, {"text": " ", "label": "happy"})
    assert result.dropped == (Dropped("line 7", "no label"), Dropped("line 8", "no text"))


# Mapping and guessing


def test_a_mapping_beats_the_names() -> None:
    row = {"question": "Hello", "answer": "Hi", "how": "Be kind"}
    recognised, result = converted(row, mapping={"user": "ANSWER", "assistant": "question", "system": "how"})
    assert recognised.column_roles == {"user": "answer", "assistant": "question", "system": "how"}
    assert result.rows == (talk("system: Be kind", "user: Hi", "assistant: Hello"),)


def test_a_mapped_label_sorts_however_few_rows_there_are() -> None:
    recognised, _ = converted({"t": "x", "l": "a"}, {"t": "y", "l": "b"}, mapping={"user": "t", "label": "l"})
    assert (recognised.kind, recognised.labels) == ("labels", ("a", "b"))


@pytest.mark.parametrize(
    ("mapping", "expected"),
    [
        ({"user": "q", "assistant": "nope"}, "data.jsonl has no column 'nope'. Its columns are: q, a."),
        ({"user": "q", "assistant": "q"}, "The question and the answer cannot be the same column. Choose two different ones."),
        ({"user": "q", "bot": "a"}, "'bot' is not something a column can be. Use user, assistant, system or label."),
        (
            {"user": "q"},
            "Choose the column that is asked (user) and the one that is the answer (assistant), or the label to sort by (label).",
        ),
    ],
)
def test_a_mapping_that_does_not_fit(mapping: dict[str, str], expected: str) -> None:
    assert refusal({"q": "x", "a": "y"}, mapping=mapping) == expected


def test_two_unknown_columns_are_guessed_by_length_or_question_marks() -> None:
    recognised, _ = converted({"left": "a longer text", "id": "7", "right": "short"})
    assert recognised.column_roles == {"user": "right", "assistant": "left"}
    assert recognised.notes == ("We took 'right' as the question and 'left' as the answer, guessed from the texts.",)
    recognised, _ = converted({"left": "Is this a longer text?", "right": "Yes"})
    assert recognised.column_roles == {"user": "left", "assistant": "right"}
    recognised, _ = converted({"Antwort": "x", "right": "a longer text"})
    assert recognised.column_roles == {"user": "right", "assistant": "Antwort"}


NAMES = "Names we know: question and answer, prompt and completion, instruction and output, text and label, or messages."


def test_no_columns_fit() -> None:
    assert refusal({"id": "1", "date": "2024-01-02"}) == (
        f"We found numbers and dates but no two columns of text. Which column is asked, which is the answer? The columns are: id, date. {NAMES}"
    )
    assert refusal({"x": "a", "y": "b", "z": "c"}) == (
        f"We found 3 columns of text and no names that we know. Which column is asked, which is the answer? The columns are: x, y, z. {NAMES}"
    )
    assert refusal({"id": "1", "text": "b"}) == (
        f"We found one column of text, 'text'. Add a second column with the answers. The columns are: id, text. {NAMES}"
    )


# Rows


def test_rows_without_an_answer_or_a_question_are_left_out() -> None:
    _, result = converted({"q": "x", "a": "y"}, {"q": "x", "a": " "}, {"q": None, "a": "y"}, {"q": "x"})
    assert [row.source for row in result.rows] == ["line 1"]
    assert result.dropped == (Dropped("line 2", "no answer"), Dropped("line 3", "no question"), Dropped("line 4", "no answer"))


def test_nothing_is_left() -> None:
    expected = "No row of data.jsonl can be learned from: all 2 rows were left out (no answer). Fill them in."
    assert refusal({"q": "x", "a": ""}, {"q": "y", "a": None}) == expected


GOOD = {"messages": msgs("user: Hi", "assistant: Hello")}


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        (msgs("assistant: Hello"), "line 2: the conversation begins with an answer; the first turn must be a question"),
        (msgs("user: Hi", "pirate: Arr"), "line 2, message 2: the role 'pirate' is not known; use system, user or assistant"),
        ([{"role": "user", "content": None}], "line 2, message 1: the content is missing"),
        ([{"role": "user"}], "line 2, message 1: the content is missing"),
        ([{"content": "x"}], "line 2, message 1: the role is missing"),
        ([{"role": "user", "content": 5}], "line 2, message 1: the content is no text; only text can be learned"),
        ([5], "line 2, message 1: an object with role and content was expected"),
        ({"role": "user"}, "line 2: a list of messages was expected"),
        ("hello", "line 2: a list of messages was expected, and the text is no list in JSON"),
        ('{"a": 1}', "line 2: a list of messages was expected"),
        (
            msgs("user: Hi", "assistant: Hello", "system: x", "user: y", "assistant: z"),
            "line 2: instructions (system) must stand before everything else",
        ),
        ([{"role": "user", "content": "x"}, {"role": "assistant", "content": "y", "weight": 2}], "line 2, message 2: the weight must be 0 or 1"),
    ],
)
def test_messages_that_cannot_be_understood(messages: Any, expected: str) -> None:
    message = f"We could not read data.jsonl: {expected}. Fix line 2 and upload it again."
    assert refusal(GOOD, {"messages": messages}) == message


def test_a_row_of_another_format_in_between() -> None:
    expected = "We could not read data.jsonl: line 2: 'messages' is missing; the other rows have it. Fix line 2 and upload it again."
    assert refusal(GOOD, {"prompt": "x", "completion": "y"}) == expected
    pair = refusal({"q": "x", "a": "y"}, {"text": "z"})
    assert pair == "We could not read data.jsonl: line 2: 'q' is missing; 'a' is missing; the other rows have it. Fix line 2 and upload it again."


@pytest.mark.parametrize(
    ("messages", "expected", "codes"),
    [
        (msgs("user: Hi", "assistant: Hello", "user: Bye"), ONE_TURN, ["question_without_answer"]),
        (msgs("user: Hi", "bot: Hello"), ONE_TURN, ["roles_renamed"]),
        (msgs("system: ", "user: Hi", "assistant: Hello"), ONE_TURN, []),
        (msgs("user: a", "user: b", "assistant: c", "assistant: d"), talk("user: a\n\nb", "assistant: c\n\nd"), ["merged_turns"]),
        (json.dumps(msgs("user: Hi", "assistant: Hello")), ONE_TURN, ["list_as_text"]),
        (msgs("user: Hi\x07", "assistant: Hello"), ONE_TURN, ["control_characters"]),
        (
            [{"role": "user", "content": [{"type": "text", "text": "Hi"}, {"type": "image_url", "image_url": {}}]}, *msgs("assistant: Hello")],
            ONE_TURN,
            ["pictures_left_out"],
        ),
        (
            [*msgs("user: Hi"), {"role": "assistant", "content": None, "tool_calls": [{}]}, *msgs("tool: 4", "assistant: Hello")],
            ONE_TURN,
            ["tools_left_out"],
        ),
    ],
)
def test_messages_that_are_taken_with_something_altered(messages: Any, expected: Conversation, codes: list[str]) -> None:
    _, result = converted({"messages": messages})
    assert result.rows == (expected,)
    assert result.changes == tuple(("line 1", code) for code in codes)


def test_weights_are_kept() -> None:
    turns = [*msgs("user: Hi"), {"role": "assistant", "content": "Hm", "weight": 0}, *msgs("user: Hi", "assistant: Hello")]
    _, result = converted({"messages": turns}, {"messages": turns[:2]})
    assert [m.weight for m in result.rows[0].messages] == [1.0, 0.0, 1.0, 1.0]
    assert result.dropped == (Dropped("line 2", "every answer has weight 0"),)


@pytest.mark.parametrize(
    ("messages", "reason"),
    [
        (msgs("user: Hi"), "no answer"),
        (msgs("user: Hi", "assistant: "), "no answer"),
        (msgs("user: ", "assistant: x"), "no question"),
        (msgs("system: s"), "no messages"),
        ([], "no messages"),
        (None, "no messages"),
    ],
)
def test_messages_that_teach_nothing_are_left_out(messages: Any, reason: str) -> None:
    _, result = converted(GOOD, {"messages": messages})
    assert result.dropped == (Dropped("line 2", reason),)


def test_a_list_where_a_text_was_expected() -> None:
    expected = (
        "We could not read data.jsonl: line 1, column 'answer': a list or an object stands where a text was expected. Fix line 1 and upload it again."
    )
    assert refusal({"question": "x", "answer": {"text": "y"}}) == expected


def test_texts_are_data_and_stay_as_they_are(tmp_path: Path) -> None:
    odd = "=cmd() <b>x</b> <|im_start|> \u202eabc 🙂 \u2028 {{ x }}"
    (tmp_path / "f").write_text(json.dumps({"q": odd, "a": odd}))
    table = read_table(tmp_path / "f", "f.jsonl", Limits())
    assert convert(table, recognise(table, None)).rows == (talk(f"user: {odd}", f"assistant: {odd}"),)
