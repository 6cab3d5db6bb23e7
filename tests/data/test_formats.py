"""Each format, compared exactly; and what is said where a row or a table does not fit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from data.format_cases import FORMATS, HELLO
from data.tables import converted, msgs, table_of, talk

from qlora_demo.data.choices import Choices
from qlora_demo.data.conversation import Conversation, Message, Passage
from qlora_demo.data.formats import Dropped, Recognised, Taken, convert, recognise
from qlora_demo.data.reading import read_table
from qlora_demo.data.table import Entry, Limits, Table
from qlora_demo.data.wording import Mistake
from qlora_demo.errors import DataError, WayOut


def refusal(*rows: dict[str, Any], **choices: Any) -> DataError:
    with pytest.raises(DataError) as error:
        converted(*rows, **choices)
    return error.value


@pytest.mark.parametrize(("name", "row", "expected"), FORMATS)
def test_each_format(name: str, row: dict[str, Any], expected: Conversation) -> None:
    recognised, results = converted(row)
    assert (recognised.format_name, recognised.kind) == (name, "conversations")
    assert results == [Taken(expected)]


def test_a_bare_list_a_line(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("".join(json.dumps(msgs("user: Hi", f"assistant: {text}")) + "\n" for text in ("Hello", "Hey")))
    table = read_table(tmp_path / "f", "f.jsonl", Choices(), Limits())
    assert list(convert(table, recognise(table, Choices()))) == [Taken(HELLO), Taken(talk("user: Hi", "assistant: Hey", source="line 2"))]


def test_roles_are_told_by_column() -> None:
    table = table_of({"System Prompt": "s", "instruction": "i", "input": "x", "output": "o"})
    roles = {"user": "instruction", "assistant": "output", "system": "System Prompt", "context": "input"}
    assert recognise(table, Choices()) == Recognised("instruction", "conversations", roles)


def test_a_text_is_learned_as_it_is() -> None:
    table = Table("a.txt", ("text",), lambda: iter([Entry("line 1", {"text": "Once upon a time."})]), "text")
    recognised = recognise(table, Choices())
    assert recognised == Recognised("text", "passages", {"text": "text"})
    assert list(convert(table, recognised)) == [Taken(Passage("Once upon a time.", "line 1"))]


def test_two_languages_side_by_side() -> None:
    recognised, results = converted({"id": 1, "EN": "Good morning", "Deutsch": "Guten Morgen"})
    assert recognised.notes == ("The model learns to translate from English to German.",)
    assert recognised.column_roles == {"user": "EN", "assistant": "Deutsch"}
    assert results == [Taken(talk("system: Translate from English to German.", "user: Good morning", "assistant: Guten Morgen"))]


def test_bad_answers_are_left_out() -> None:
    rows = [{"prompt": "Hi", "completion": text, "label": good} for text, good in (("Hello", True), ("No", False), ("Go", None))]
    recognised, results = converted(*rows)
    assert recognised.notes == ("Some answers are marked as good, some as bad. The model learns the good ones.",)
    bad = "it was marked as bad"
    assert results == [Taken(HELLO), Dropped("line 2", bad), Dropped("line 3", bad)]


def test_the_better_answer_is_learned_and_that_is_said() -> None:
    recognised, _ = converted({"prompt": "Hi", "chosen": "Hello", "rejected": "No"})
    assert recognised.notes == ("Each row holds a better and a worse answer. The model learns the better one.",)


def test_of_several_answers_the_first_is_taken() -> None:
    answers: list[Any] = [{"text": ["Ann", "Ann B."]}, ["Ann", "Ben"], {"text": []}, []]
    _, results = converted(*({"question": "Who?", "answers": value} for value in answers))
    ann = ("user: Who?", "assistant: Ann")
    assert results == [
        Taken(talk(*ann), ("first_answer",)),
        Taken(talk(*ann, source="line 2"), ("first_answer",)),
        Dropped("line 3", "no answer"),
        Dropped("line 4", "no answer"),
    ]


def test_marks_are_told() -> None:
    recognised, results = converted(*[{"text": "Q: Hi\nA: Hello"}] * 4, {"text": "Read me"})
    assert recognised.column_roles == {"marked": "text"}
    assert recognised.notes == ("'text' holds whole conversations with marks between the turns (names before the lines).",)
    assert (results[0], results[4]) == (Taken(HELLO), Dropped("line 5", "no question and answer"))


def test_a_tree_of_messages() -> None:
    nodes = [("1", None, "prompter", "Hi"), ("2", "1", "assistant", "Hello"), ("3", "1", "assistant", "Hey"), ("4", "2", "prompter", "Bye")]
    nodes += [("5", "4", "assistant", "See you"), ("6", "9", "assistant", "Lost"), ("7", None, "prompter", "Alone")]
    rows = [{"message_id": node, "parent_id": parent, "role": role, "text": text} for node, parent, role, text in nodes]
    recognised, results = converted(*rows)
    assert recognised.format_name == "tree"
    assert results == [
        Dropped("line 6", "the message that it answers does not stand before it"),
        Taken(talk("user: Hi", "assistant: Hey", source="line 3")),
        Taken(talk("user: Hi", "assistant: Hello", "user: Bye", "assistant: See you", source="line 5")),
    ]


# Labels

HAPPY = [{"text": f"day {i}", "label": ("happy", "unhappy")[i % 2]} for i in range(6)]
NUMBERED = [{"text": f"day {i}", "label": i % 2} for i in range(6)]
UNNAMED = "The labels are numbers. Give them names so that the model learns words."


def test_texts_with_labels_become_a_sorting_task() -> None:
    recognised, results = converted(*HAPPY)
    labels = ("happy", "unhappy")
    assert recognised == Recognised("text-label", "labels", {"user": "text", "label": "label"}, labels, label_values=labels)
    task = "system: Sort the text. Answer with one of: happy, unhappy."
    assert results[1] == Taken(talk(task, "user: day 1", "assistant: unhappy", source="line 2", label="unhappy"))


def test_labels_that_are_numbers_want_names() -> None:
    recognised, results = converted(*NUMBERED)
    assert (recognised.labels, recognised.label_values, recognised.notes) == (("0", "1"), ("0", "1"), (UNNAMED,))
    recognised, results = converted(*NUMBERED, labels={"0": "bad", "1": " good ", "7": "other"})
    assert (recognised.labels, recognised.label_values, recognised.notes) == (("bad", "good"), ("0", "1"), ())
    task = "system: Sort the text. Answer with one of: bad, good."
    assert results[1] == Taken(talk(task, "user: day 1", "assistant: good", source="line 2", label="good"))
    assert converted(*NUMBERED, labels={"0": "bad"})[0].notes == (UNNAMED,)


def test_numbers_are_in_order_and_two_labels_may_share_a_name() -> None:
    rows = [{"text": f"day {i}", "label": str(i % 11)} for i in range(33)]
    assert converted(*rows)[0].label_values == tuple(str(i) for i in range(11))
    assert converted(*HAPPY, labels={"happy": "mood", "unhappy": "mood"})[0].labels == ("mood",)


def test_too_many_labels_are_answers() -> None:
    recognised, results = converted({"text": "x", "label": 0}, {"text": "y", "label": 1})
    assert (recognised.kind, recognised.column_roles) == ("conversations", {"user": "text", "assistant": "label"})
    assert recognised.notes == ("'label' has 2 different values, so it was taken as an answer, not as a label to sort by.",)
    assert results[0] == Taken(talk("user: x", "assistant: 0"))
    many, _ = converted(*({"text": "x", "label": f"kind {i % 60}"} for i in range(600)))
    assert many.notes == ("'label' has more than 50 different values, so it was taken as an answer, not as a label to sort by.",)


def test_a_label_that_is_missing() -> None:
    _, results = converted(*HAPPY, {"text": "x", "label": ""}, {"text": " ", "label": "happy"})
    assert results[6:] == [Dropped("line 7", "no label"), Dropped("line 8", "no text")]


# What a person chose


def test_a_mapping_beats_the_names() -> None:
    row = {"question": "Hello", "answer": "Hi", "how": "Be kind", "more": "now"}
    columns = {"user": "ANSWER", "assistant": "question", "system": "how", "context": "more"}
    recognised, results = converted(row, columns=columns)
    assert recognised.column_roles == {"user": "answer", "assistant": "question", "system": "how", "context": "more"}
    assert results == [Taken(talk("system: Be kind", "user: Hi\n\nnow", "assistant: Hello"))]


def test_a_mapped_label_sorts_however_few_rows_there_are() -> None:
    recognised, _ = converted({"t": "x", "l": "a"}, {"t": "y", "l": "b"}, columns={"user": "t", "label": "l"})
    assert (recognised.kind, recognised.labels) == ("labels", ("a", "b"))


def test_a_mapped_text_is_a_subject() -> None:
    recognised, results = converted({"story": "Once\x07 upon a time."}, {"story": " "}, {"story": ["x"]}, columns={"text": "story"})
    assert recognised == Recognised("mapping", "passages", {"text": "story"})
    assert results == [
        Taken(Passage("Once upon a time.", "line 1"), ("control_characters",)),
        Dropped("line 2", "no text"),
        Mistake("line 3, column 'story'", "a list or an object stands where a text was expected"),
    ]


CHOOSE = "Choose the column that is asked (user) and the one that is the answer (assistant), or the label to sort by (label)."


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({"user": "q", "assistant": "nope"}, "data.jsonl has no column 'nope'. Its columns are: q, a."),
        ({"user": "q", "assistant": "q"}, "The question and the answer cannot be the same column. Choose two different ones."),
        ({"user": "q", "bot": "a"}, "'bot' is not something a column can be. Use user, assistant, system, context, label or text."),
        ({"user": "q"}, CHOOSE),
        ({"user": "q", "text": "a"}, CHOOSE),
    ],
)
def test_a_mapping_that_does_not_fit(columns: dict[str, str], expected: str) -> None:
    assert str(refusal({"q": "x", "a": "y"}, columns=columns)) == expected


# Unknown names


def test_one_column_of_text_may_be_a_subject() -> None:
    error = refusal({"id": "1", "notes": "Once upon a time"})
    assert str(error) == (
        "Only 'notes' holds text. Teach the model this text as a subject, or choose which column is asked and which is the answer."
    )
    alone = refusal({"notes": "Once upon a time"})
    assert str(alone) == (
        "This looks like plain text: one column, 'notes'. Teach the model this text as a subject, or add a second column with answers."
    )
    assert error.ways_out == (WayOut("Teach it as a subject", {"columns": {"text": "notes"}}),)
    assert error.columns == ("id", "notes")


def test_no_column_of_text() -> None:
    error = refusal({"id": "1", "date": "2024-01-02"})
    assert str(error) == (
        "We found numbers and dates but no two columns of text. Which column is asked, which is the answer? The columns are: id, date. "
        "Names we know: question and answer, prompt and completion, instruction and output, text and label, or messages."
    )
    assert (error.ways_out, error.columns) == ((), ("id", "date"))


def test_a_guess_is_taken_and_said() -> None:
    recognised, results = converted({"left": "a longer text", "right": "short"})
    assert recognised == Recognised(
        "guess",
        "conversations",
        {"user": "right", "assistant": "left"},
        notes=("We took 'right' as the question and 'left' as the answer, guessed from the texts.",),
    )
    assert results == [Taken(talk("user: short", "assistant: a longer text"))]


# Rows


def test_rows_without_an_answer_or_a_question_are_left_out() -> None:
    _, results = converted({"q": "x", "a": "y"}, {"q": "x", "a": " "}, {"q": None, "a": "y"}, {"q": "x"})
    assert results == [
        Taken(talk("user: x", "assistant: y")),
        Dropped("line 2", "no answer"),
        Dropped("line 3", "no question"),
        Dropped("line 4", "no answer"),
    ]


def test_mistakes_of_the_table_pass_through() -> None:
    broken = Mistake("line 1", "3 values, the first line has 2", "has")
    table = Table("a.csv", ("q", "a"), lambda: iter([broken, Entry("line 2", {"q": "Hi", "a": "Hello"})]), "csv")
    assert list(convert(table, recognise(table, Choices()))) == [broken, Taken(talk("user: Hi", "assistant: Hello", source="line 2"))]


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"text": "z"}, Mistake("line 2", "'question' is missing; 'answer' is missing; the other rows have it")),
        ({"question": "x", "answer": {"value": "y"}}, Mistake("line 2, column 'answer'", "a list or an object stands where a text was expected")),
        ({"question": {"x": 1}, "answer": "y"}, Mistake("line 2, column 'question'", "a list or an object stands where a text was expected")),
        (
            {"question": "x", "answer": [{"role": "pirate", "content": "Arr"}]},
            Mistake("line 2, message 2", "the role 'pirate' is not known; use system, user or assistant"),
        ),
    ],
)
def test_a_row_that_does_not_fit_the_others(row: dict[str, Any], expected: Mistake) -> None:
    _, results = converted({"question": "x", "answer": "y"}, row)
    assert results[1] == expected


def test_a_row_of_another_format_among_messages() -> None:
    _, results = converted({"messages": msgs("user: Hi", "assistant: Hello")}, {"prompt": "x", "completion": "y"})
    assert results[1] == Mistake("line 2", "'messages' is missing; the other rows have it")


def test_texts_are_data_and_stay_as_they_are() -> None:
    odd = "=cmd() <b>x</b> <|im_start|> \u202eabc 🙂 \u2028 {{ x }}"
    for row in ({"q": odd, "a": odd}, {"messages": json.loads(json.dumps(msgs(f"user: {odd}", f"assistant: {odd}")))}):
        assert converted(row)[1] == [Taken(talk(f"user: {odd}", f"assistant: {odd}"))]


def test_thoughts_before_an_answer_are_left_out() -> None:
    _, results = converted(
        {"q": "Hi", "a": "<think>\nGreet.\n</think>\n\nHello"}, {"q": "Hi", "a": "<think>Hm.</think>"}, {"q": "Hi", "a": "<b>x</b>"}
    )
    assert results == [
        Taken(HELLO, ("reasoning_left_out",)),
        Dropped("line 2", "no answer"),
        Taken(Conversation((Message("user", "Hi"), Message("assistant", "<b>x</b>")), "line 3")),
    ]
