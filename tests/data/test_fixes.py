"""A fix mends what the doctor found, and nothing else."""

from __future__ import annotations

import pytest

from qlora_demo.data.conversation import Conversation, Message, Passage, Row
from qlora_demo.data.doctor import Doctor
from qlora_demo.data.finding import Finding
from qlora_demo.data.fixes import DONE, DROPPING, EDITING, done, editor

WORDS = (
    "apple baker candle dragon ember forest garden harbour island jacket kettle lemon meadow needle orchard pepper quarry river saddle tent".split()
)
LONG = "You can bring it back within two days, and we will give you a new one without asking."


def row(question: str, answer: str, label: str | None = None, system: str = "") -> Conversation:
    first = (Message("system", system),) if system else ()
    return Conversation((*first, Message("user", question), Message("assistant", answer)), "line 2", label)


def codes(rows: list[Row], kind: str) -> list[str]:
    return [finding.code for finding in seen(rows, kind).findings()]


def seen(rows: list[Row], kind: str) -> Doctor:
    doctor = Doctor(kind)
    for one in rows:
        doctor.look(one)
    return doctor


GOOD = [row(f"Where is the {word}?", f"Beside {word} and {WORDS[-i]}") for i, word in enumerate(WORDS)]
BROKEN = {
    "emails": [row("Who?", "Anna, anna@firma.de")],
    "phones": [row("What is your number, is it 030/1234567?", "No.")],
    "cards": [row("Pay with 4111 1111 1111 1111", "Thank you.")],
    "accounts": [row("Pay to DE89 3704 0044 0532 0130 00", "Thank you.")],
    "secrets": [row("Log in", "password=hunter22")],
    "already_formatted": [row("<|im_start|>user\nWho?<|im_end|>", "<|im_start|>assistant\nAnna<|im_end|>")],
    "bidi_controls": [row("Who\u202e?", "\u2066Anna\u2069")],
    "duplicates": GOOD[:3],
    "near_duplicates": [row("May I?", LONG), row("may I", LONG), row("May I?", LONG.replace("new", "fresh"))],
    "contradictions": [row("Who?", "It was Anna."), row("Who?", "It was Ben."), row("Who?", "It was Ben.")],
}


@pytest.mark.parametrize("code", BROKEN)
def test_after_a_fix_the_doctor_is_content(code: str) -> None:
    rows: list[Row] = [*GOOD, *BROKEN[code]]
    doctor = seen(rows, "conversations")
    assert code in codes(rows, "conversations")
    drops = doctor.drops(code) if code in DROPPING else set()
    fixed = [editor(code, {})(one) for i, one in enumerate(rows) if i not in drops]
    assert code not in codes(fixed, "conversations")
    assert fixed[:20] == GOOD
    assert [fixed[i] is GOOD[i] for i in range(20)] == [True] * 20


def test_what_is_hidden_and_what_stays() -> None:
    assert editor("emails", {})(BROKEN["emails"][0]) == row("Who?", "Anna, [e-mail]")
    assert editor("already_formatted", {})(BROKEN["already_formatted"][0]) == row("Who?", "Anna")
    assert editor("bidi_controls", {})(BROKEN["bidi_controls"][0]) == row("Who?", "Anna")
    assert editor("phones", {})(Passage("Call 030/1234567.", "line 3")) == Passage("Call [phone].", "line 3")
    before = Conversation((Message("user", "a@firma.de"), Message("assistant", "b@firma.de", 0.0), Message("user", "c"), Message("assistant", "d")))
    after = editor("emails", {})(before)
    assert [(m.content, m.weight) for m in after.messages] == [("[e-mail]", 1.0), ("[e-mail]", 0.0), ("c", 1.0), ("d", 1.0)]


def test_a_label_stays_what_is_answered() -> None:
    edited = editor("emails", {})(row("Who is it?", "a@firma.de", "a@firma.de"))
    assert edited == row("Who is it?", "[e-mail]", "[e-mail]")


def test_contradicting_labels_are_left_out() -> None:
    rows: list[Row] = [row(f"{a} {b}", label, label) for a, label in zip(WORDS, ["good", "bad"] * 10, strict=True) for b in WORDS[:2]]
    rows += [row("It was fine", "good", "good"), row("It was fine", "bad", "bad")]
    drops = seen(rows, "labels").drops("contradicting_labels")
    assert drops == {40, 41}
    assert codes([one for i, one in enumerate(rows) if i not in drops], "labels") == []


def test_labels_get_their_usual_spelling() -> None:
    labels = {"Good": 20, "bad": 18, "good": 3, "good.": 1}
    task = "Sort the text. Answer with one of: Good, bad, good, good.."
    rows: list[Row] = [row(f"{label} {WORDS[i]} {count}", label, label, task) for label, count in labels.items() for i in range(count)]
    assert "labels_differ" in codes(rows, "labels")
    edit = editor("labels_differ", labels)
    fixed = [edit(one) for one in rows]
    assert codes(fixed, "labels") == []
    assert fixed[-1] == row("good. apple 1", "Good", "Good", "Sort the text. Answer with one of: Good, bad.")
    assert fixed[0] == row("Good apple 20", "Good", "Good", "Sort the text. Answer with one of: Good, bad.")


def test_instructions_of_somebodys_own_are_kept() -> None:
    edit = editor("labels_differ", {"Good": 2, "good": 1})
    assert edit(row("It", "good", "good", "Is it good?")) == row("It", "Good", "Good", "Is it good?")
    same = row("It", "Good", "Good", "Is it good?")
    assert edit(same) is same
    passage = Passage("good")
    assert edit(passage) is passage


def test_an_unknown_fix_changes_nothing() -> None:
    assert editor("duplicates", {})(GOOD[0]) is GOOD[0]


@pytest.mark.parametrize(
    ("code", "one", "several"),
    [
        ("duplicates", "Removed 1 repeat.", "Removed 1,200 repeats."),
        ("near_duplicates", "Removed 1 near-repeat.", "Removed 1,200 near-repeats."),
        ("contradictions", "Removed 1 answer that differs from the first.", "Removed 1,200 answers that differ from the first."),
        ("contradicting_labels", "Left out 1 row with an unclear label.", "Left out 1,200 rows with unclear labels."),
        ("labels_differ", "Changed the label of 1 row to its usual spelling.", "Changed the labels of 1,200 rows to their usual spelling."),
        ("already_formatted", "Removed the marks from 1 row.", "Removed the marks from 1,200 rows."),
        ("bidi_controls", "Removed invisible marks from 1 row.", "Removed invisible marks from 1,200 rows."),
        ("emails", "Hid e-mail addresses in 1 row.", "Hid e-mail addresses in 1,200 rows."),
        ("secrets", "Hid keys or passwords in 1 row.", "Hid keys or passwords in 1,200 rows."),
    ],
)
def test_what_is_said_when_it_is_done(code: str, one: str, several: str) -> None:
    assert done(code, 1) == Finding(code, 1, (), one, button="Undo", done=True)
    assert done(code, 1200) == Finding(code, 1200, (), several, button="Undo", done=True)


def test_every_fix_has_a_sentence() -> None:
    assert set(DONE) == {*EDITING, *DROPPING, "labels_differ"}
