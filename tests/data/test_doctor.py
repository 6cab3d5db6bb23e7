"""What the doctor says of data: the exact sentence, for one row and for several, and nothing where nothing is wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from qlora_demo.data.choices import Choices
from qlora_demo.data.conversation import Conversation, Message, Passage, Row
from qlora_demo.data.doctor import Doctor
from qlora_demo.data.finding import Finding
from qlora_demo.data.formats import Taken, convert, recognise
from qlora_demo.data.near import MOST_ROWS
from qlora_demo.data.reading import read_table
from qlora_demo.data.table import Limits

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
WORDS = (
    "apple baker candle dragon ember forest garden harbour island jacket kettle lemon meadow needle orchard pepper quarry river saddle tent".split()
)
LONG = "You can bring it back within two days, and we will give you a new one without asking."


def row(question: str, answer: str, number: int = 0, label: str | None = None, system: str = "") -> Conversation:
    first = (Message("system", system),) if system else ()
    return Conversation((*first, Message("user", question), Message("assistant", answer)), f"line {number}", label)


def many(count: int = 20) -> list[Row]:
    """Rows with nothing wrong."""
    return [row(f"Where is the {WORDS[i % 20]} {i}?", f"{WORDS[(i + 7) % 20]} {WORDS[i % 20]} and more", i + 2) for i in range(count)]


def labelled(counts: dict[str, int]) -> list[Row]:
    labels = [label for label, count in counts.items() for _ in range(count)]
    return [row(f"text {i} {WORDS[i % 20]}", label, i + 2, label, "Sort it.") for i, label in enumerate(labels)]


def seen(rows: list[Row], kind: str = "conversations") -> Doctor:
    doctor = Doctor(kind)
    for one in rows:
        doctor.look(one)
    return doctor


def said(rows: list[Row], kind: str = "conversations") -> list[tuple[str, str, str, str]]:
    return [(f.code, f.message, f.why, f.button) for f in seen(rows, kind).findings()]


def test_nothing_is_wrong() -> None:
    assert said(many()) == []
    assert said([Passage(f"{word} is a passage of its own") for word in WORDS], "passages") == []
    assert said(labelled({"good": 20, "bad": 20}), "labels") == []


EXPECTED_KINDS = {"character.jsonl": "conversations", "python.json": "conversations", "sentiment.csv": "labels"} | {
    "subject.txt": "passages",
    "summaries.jsonl": "conversations",
}


@pytest.mark.parametrize("name", EXPECTED_KINDS)
def test_no_false_alarm_on_the_examples(name: str) -> None:
    table = read_table(EXAMPLES / name, name, Choices(), Limits())
    recognised = recognise(table, Choices())
    assert recognised.kind == EXPECTED_KINDS[name]
    rows = [item.row for item in convert(table, recognised) if isinstance(item, Taken)]
    doctor = seen(rows, recognised.kind)
    assert len(rows) > 20
    assert doctor.findings() == ()
    assert doctor.language() == "en"
    assert doctor.groups().tolist() == list(range(len(rows)))


def test_repeats() -> None:
    why = "A row that is repeated counts more than the others."
    again = [row("where is THE  apple 0?", "harbour apple and more", 30)]
    assert said([*many(), *again]) == [("duplicates", "1 row appears twice.", why, "Remove 1 repeat")]
    assert said([*many(), *many(6)]) == [("duplicates", "6 rows appear twice.", why, "Remove 6 repeats")]
    assert said([*many(), *many(1), *many(1)]) == [("duplicates", "2 rows repeat an earlier one.", why, "Remove 2 repeats")]
    (finding,) = seen([*many(), *many(2)]).findings()
    assert (finding.count, finding.rows) == (2, ("line 2", "line 3"))
    assert seen([*many(), *many(2)]).drops("duplicates") == {20, 21}


def test_only_a_hundred_places_are_told() -> None:
    (finding,) = seen(many(500) + many(250)).findings()
    assert (finding.count, len(finding.rows), finding.message) == (250, 100, "250 rows appear twice.")


def test_near_repeats() -> None:
    why = "Only a word or two differ, or capitals and punctuation. Such rows count more than the others."
    first = row("Can I return it?", LONG, 30)
    near = [row("Can I return it", LONG.replace("days,", "days;"), 31), row("Can I return it?", LONG.replace("new one", "fresh one"), 32)]
    assert said([*many(), first, near[0]]) == [("near_duplicates", "1 row nearly repeats an earlier one.", why, "Remove 1 near-repeat")]
    doctor = seen([*many(), first, *near])
    assert [f.message for f in doctor.findings()] == ["2 rows nearly repeat an earlier one."]
    assert doctor.drops("near_duplicates") == {21, 22}
    assert said([*many(), row("Is 3 < 5?", "yes indeed", 30), row("Is 3 > 5?", "no indeed", 31)]) == []
    assert said([*many(), row("What colour is it?", "red"), row("What flavour is it?", "red")]) == []


def test_another_system_prompt_makes_another_row() -> None:
    rows = [row("Can I return it?", LONG, 30, system="Be kind."), row("Can I return it?", LONG, 31, system="Be short.")]
    assert said([*many(), *rows]) == []


def test_past_twenty_thousand_rows_only_punctuation_is_seen() -> None:
    rows = [Passage(f"passage number{i} of a long text", f"line {i}") for i in range(MOST_ROWS)]
    near = [Passage(LONG, "line 8"), Passage(LONG.upper().replace(",", ""), "line 9"), Passage(LONG.replace("new", "fresh"), "line 10")]
    why = "Only capitals and punctuation differ. In so much text, rows that differ in a word are not looked for."
    finding = Finding("near_duplicates", 1, ("line 9",), "1 row nearly repeats an earlier one.", why, "Remove 1 near-repeat")
    assert seen([*rows, *near], "passages").findings() == (finding,)


def test_groups_join_repeats_and_near_repeats() -> None:
    near = row("Can I return it?", LONG.replace("new one", "fresh one"))
    doctor = seen([*many(2), row("Can I return it?", LONG), *many(1), near, row("can I return it", LONG)])
    assert doctor.groups().tolist() == [0, 1, 2, 0, 2, 2]
    assert doctor.groups().dtype == np.uint32


def test_contradictions() -> None:
    why = "The model cannot know which answer you want."
    rows = [row("Where is it?", "In the old town.", 30), row("where is it", "Behind the mill.", 31)]
    one = ("contradictions", "1 question is asked more than once, with different answers.", why, "Keep the first answer")
    assert said([*many(), *rows]) == [one]
    rows += [row("When is it?", "On Sunday.", 32), row("When is it?", "On Monday.", 33), row("When is it?", "On Monday!", 34)]
    several = ("contradictions", "2 questions are asked more than once, with different answers.", why, "Keep the first answer of each")
    assert said([*many(), *rows])[0] == several
    assert seen([*many(), *rows]).drops("contradictions") == {21, 23}


def test_the_same_last_question_of_other_talks_is_no_contradiction() -> None:
    def talk(first: str, answer: str) -> Conversation:
        turns = ("user", first), ("assistant", "Yes."), ("user", "And then?"), ("assistant", answer)
        return Conversation(tuple(Message(role, text) for role, text in turns))

    assert said([*many(), talk("Is it open?", "It closes at six."), talk("Is it far?", "You turn left.")]) == []
    assert [code for code, *_ in said([*many(), talk("Is it open?", "It closes."), talk("Is it open?", "It rains.")])] == ["contradictions"]


def test_contradicting_labels() -> None:
    rows = [*labelled({"good": 20, "bad": 20}), row("It was fine", "good", 60, "good", "Sort it."), row("it was fine.", "bad", 61, "bad", "Sort it.")]
    why = "The model cannot know which label is right."
    assert said(rows, "labels") == [("contradicting_labels", "1 text appears more than once, with different labels.", why, "Leave them out")]
    assert seen(rows, "labels").drops("contradicting_labels") == {40, 41}


def test_one_answer() -> None:
    why = "The model learns to answer everything with it."
    assert said([row(f"Question {i} {WORDS[i]}?", "I do not know.", i) for i in range(20)]) == [
        ("one_answer", "In all 20 rows the last answer is the same.", why, "")
    ]
    rows = [row(f"Question {i}?", "I do not know." if i else "It is an apple.", i) for i in range(20)]
    assert said(rows) == [("one_answer", "In 19 of 20 rows the last answer is the same.", why, "")]
    assert said([*rows, *many(2)]) == [
        ("one_opening", "In 19 of 22 rows the last answer begins with 'I do not'.", "The model will begin nearly every answer like this.", "")
    ]
    assert said([*rows, *many(10)]) == []


def test_one_opening() -> None:
    why = "The model will begin nearly every answer like this."
    rows = [row(f"Where is it, {word}?", f"Of course, my {word}", i) for i, word in enumerate(WORDS)]
    assert said([*rows[:17], *many(3)]) == [("one_opening", "In 17 of 20 rows the last answer begins with 'Of course, my'.", why, "")]
    assert said([*rows[:16], *many(4)]) == []
    assert said([row(f"Write {word}.", f"def main() -> {word}:\n    pass", i) for i, word in enumerate(WORDS)]) == []
    assert said([row(f"Write {word}.", f"import numpy as {word}", i) for i, word in enumerate(WORDS)]) == []


def test_few_rows() -> None:
    advice = "It can pick up a tone, not facts. None is set aside, so there is no test score."
    why = "The more examples, the better it learns what they have in common."
    assert said(many(12)) == [("few_rows", f"Only 12 examples. {advice}", why, "")]
    assert said(many(1)) == [("few_rows", f"Only 1 example. {advice}", why, "")]
    assert said(many(19)) == [("few_rows", f"Only 19 examples. {advice}", why, "")]


def test_few_rows_to_sort() -> None:
    why = "Sorting takes about 10 examples for each label."
    untested = "None is set aside, so there is no test score."
    assert said(labelled({"a": 6, "b": 6}), "labels") == [("few_rows", f"Only 12 examples for 2 labels. {untested}", why, "")]
    assert said(labelled({"a": 13, "b": 14, "c": 2}), "labels") == [("few_rows", "Only 29 examples for 3 labels.", why, "")]
    assert said(labelled({"a": 13, "b": 12, "c": 5}), "labels") == []


def test_one_label() -> None:
    why = "Always answering 'good' would be right most of the time."
    assert said(labelled({"good": 81, "bad": 19}), "labels") == [("one_label", "81 of 100 rows have the label 'good'.", why, "")]
    assert said(labelled({"good": 80, "bad": 20}), "labels") == []
    alone = ("one_label", "All rows have the label 'good'.", "There is nothing to tell apart.", "")
    assert said(labelled({"good": 40}), "labels") == [alone]


def test_rare_labels() -> None:
    why = "So few are hardly learned, and the test says little about them."
    assert said(labelled({"a": 20, "b": 20, "c": 1}), "labels") == [("rare_labels", "The label 'c' has only 1 row.", why, "")]
    rows = labelled({"a": 30, "b": 30, "c": 4, "d": 1, "e": 2, "f": 3})
    message = "4 labels have fewer than 5 rows: 'c' (4), 'd' (1), 'e' (2) and 1 more."
    assert said(rows, "labels") == [("rare_labels", message, why, "")]
    assert len(seen(rows, "labels").findings()[0].rows) == 10


def test_spellings_of_a_label() -> None:
    why = "The model learns each spelling as a label of its own."
    rows = labelled({"Positive": 20, "negative": 20, "positive": 5, "positive.": 5})
    doctor = seen(rows, "labels")
    first = doctor.findings()[0]
    assert (first.code, first.message) == ("labels_differ", "'Positive', 'positive' and 'positive.' look like one label.")
    assert (first.why, first.button, first.count, first.rows[0]) == (why, "Treat them as one", 10, "line 42")
    two = said(labelled({"Yes": 20, "yes": 20, "No": 20, "NO": 20}), "labels")
    message = "2 labels are spelled in more than one way, such as 'Yes' and 'yes'."
    assert two == [("labels_differ", message, why, "Use one spelling for each")]


@pytest.mark.parametrize(
    ("code", "text", "one", "several"),
    [
        ("emails", "a@firma.de", "an e-mail address", "e-mail addresses"),
        ("phones", "+49 30 1234567", "a phone number", "phone numbers"),
        ("cards", "4111 1111 1111 1111", "a card number", "card numbers"),
        ("accounts", "DE89 3704 0044 0532 0130 00", "an account number", "account numbers"),
        ("secrets", "password=hunter22", "a key or a password", "keys or passwords"),
    ],
)
def test_personal_data(code: str, text: str, one: str, several: str) -> None:
    why = "Whoever can ask the model may get to read what it has learned."
    held = [row(f"Who is {word}?", f"{word}, {text}", 40 + i) for i, word in enumerate(WORDS[:4])]
    assert said([*many(), held[0]]) == [(code, f"1 row holds {one}. The model may repeat it.", why, "Hide it")]
    assert said([*many(), *held]) == [(code, f"4 rows hold {several}. The model may repeat them.", why, "Hide them")]
    assert seen([*many(), *held]).findings()[0].rows == ("line 40", "line 41", "line 42", "line 43")


def test_marks_of_a_chat_format() -> None:
    why = "They are read as plain text, not as marks."
    rows = [row(f"[INST] Who is {word}? [/INST]", f"{word}</s>", 40) for word in WORDS[:2]]
    sentence = "holds marks of a chat format, such as [INST]."
    assert said([*many(), rows[0]]) == [("already_formatted", f"1 row {sentence}", why, "Remove the marks")]
    assert said([*many(), *rows]) == [("already_formatted", "2 rows hold marks of a chat format, such as [INST].", why, "Remove the marks")]


def test_words_that_are_special_to_some_models() -> None:
    why = "To some models it is a sign. Here it is learned as plain text."
    rows = [row(f"Who is {word}?", f"<think>\n</think>\n{word}", 40) for word in WORDS[:2]]
    assert said([*many(), rows[0]]) == [("special_text", "1 row holds <think> or the like.", why, "")]
    assert said([*many(), *rows]) == [("special_text", "2 rows hold <think> or the like.", why, "")]


def test_hidden_marks_of_direction() -> None:
    why = "What you see may not be what the model reads."
    rows = [*many(), row("Who is it?", "user\u202egnp.exe", 40)]
    message = "1 row holds invisible marks that turn the direction of the text."
    assert said(rows) == [("bidi_controls", message, why, "Remove them")]
    assert said([*many(), row("Who is it?", "שלום “quoted” 👩\u200d🚀", 40)]) == []


def test_the_most_important_comes_first() -> None:
    rows = [*many(8), *many(1), row("Who?", "password=hunter22"), row("Who else?", "a@firma.de")]
    assert [code for code, *_ in said(rows)] == ["secrets", "few_rows", "duplicates", "emails"]


def test_the_language_is_not_that_of_our_own_instructions() -> None:
    german = "Das Essen war gut, und wir sind mit dem Service sehr zufrieden, aber es war auch zu teuer für uns."
    rows = [row(f"{german} {word}", "good", 2, "good", "Sort the text. Answer with one of: good, bad. " * 9) for word in WORDS]
    assert seen(rows, "labels").language() == "de"
    assert seen([Passage("apple")], "passages").language() == ""


def test_the_language_is_that_of_the_whole_file() -> None:
    english = [row("What is it that you want to have from us?", "It is the best that we can do for you.") for _ in range(1000)]
    german = [row("Was ist es, das Sie von uns haben möchten?", "Das ist das Beste, was wir für Sie tun können.") for _ in range(9000)]
    assert seen([*english, *german]).language() == "de"


def test_places_of_every_kind() -> None:
    sources = ["line 7", "line 9", "row 3", "sheet A, row 4", "sheet A, row 5", "the end", "message 01", "x 99999999999"]
    rows = [Conversation((Message("user", f"q{i}"), Message("assistant", f"a{i}@firma.de")), source) for i, source in enumerate(sources)]
    assert next(f for f in seen(rows).findings() if f.code == "emails").rows == tuple(sources)


def test_an_unknown_fix() -> None:
    with pytest.raises(KeyError):
        seen(many()).drops("emails")
