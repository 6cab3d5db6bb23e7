"""A file as data to learn from: its rows, its report, the folder it is kept in."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from data.made import made

from qlora_demo.data.choices import Choices
from qlora_demo.data.conversation import Conversation, Message, Passage
from qlora_demo.data.dataset import PreparedDataset, load_dataset_folder
from qlora_demo.data.formats import Dropped
from qlora_demo.data.stored import tokens_guess
from qlora_demo.data.table import Limits
from qlora_demo.errors import DataError, StorageError

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def messages(dataset: PreparedDataset) -> dict[str, str]:
    return {finding.code: finding.message for finding in dataset.report.findings}


def test_a_semicolon_file_with_an_empty_answer(tmp_path: Path) -> None:
    dataset = made(tmp_path, "Frage;Antwort\nWann?;Um zehn\nWo?;\n")
    assert (dataset.name, dataset.kind, dataset.format, dataset.columns) == ("faq.csv", "conversations", "question-answer", ("Frage", "Antwort"))
    assert dataset.column_roles == {"user": "Frage", "assistant": "Antwort"}
    assert list(dataset.rows) == [Conversation((Message("user", "Wann?"), Message("assistant", "Um zehn")), "line 2")]
    report = dataset.report
    assert (report.rows_read, report.kept, report.dropped, report.reasons) == (2, 1, (Dropped("line 3", "no answer"),), {"no answer": 1})
    assert messages(dataset) == {
        "few_rows": "Only 1 example. It can pick up a tone, not facts. None is set aside, so there is no test score.",
        "no_answer": "1 row has no answer (3). Left out.",
        "read_as": "The file was read with ; between the columns.",
    }


def test_gaps_are_counted(tmp_path: Path) -> None:
    rows = [f"what is {i}?,it is {i * i} and more" for i in range(20)]
    gaps = messages(made(tmp_path, "\n".join(["q,a", *rows, *["x,"] * 7, ",y"])))
    assert gaps["no_answer"] == "7 rows have no answer (22, 23, 24, 25, 26 and 2 more). Left out."
    assert gaps["no_question"] == "1 row has no question (29). Left out."


def test_altered_rows_are_counted(tmp_path: Path) -> None:
    turns = [{"role": "user", "content": "x"}, {"role": "assistant", "content": "y"}, {"role": "user", "content": "z"}]
    lines = [json.dumps({"messages": turns}), json.dumps({"messages": turns[:2]})]
    dataset = made(tmp_path, "\n".join([*lines, lines[0]]), "chat.jsonl")
    assert messages(dataset)["question_without_answer"] == "2 rows end with a question. Those questions were left out."


def test_all_mistakes_are_told_at_once_and_can_be_left_out(tmp_path: Path) -> None:
    text = '{"q": "a", "a": "b"}\n{"q": "c"\n{"q": "d", "a": {"b": 1}}\n{"q": "e", "a": "f"}\n{"q": "g", "a": NaN}\n'
    with pytest.raises(DataError) as error:
        made(tmp_path, text, "orders.jsonl")
    assert str(error.value) == (
        "orders.jsonl has 3 mistakes. Line 2, character 10: a comma is missing. Line 3, column 'a': a list or an object stands where a text was "
        "expected. Line 5, field 'a': NaN is not a value that JSON allows. Fix them and upload it again."
    )
    (way_out,) = error.value.ways_out
    assert way_out.label == "Leave these 3 lines out"
    dataset = made(tmp_path, text, "orders.jsonl", Choices(**way_out.change))
    assert [row.answer() for row in dataset.rows] == ["b", "f"]
    assert messages(dataset)["it_cannot_be_read"] == "3 rows could not be read (2, 3, 5). Left out."
    assert dataset.report.left_out() == 3


def test_too_many_rows_are_told_with_a_way_out(tmp_path: Path) -> None:
    text = "question,answer\n" + "".join(f"What is {i}?,It is number {i}.\n" for i in range(1240))
    with pytest.raises(DataError, match="^This demo takes up to 500 rows; yours has 1,240. Upload a shorter file.$") as error:
        made(tmp_path, text, limits=Limits(max_rows=500))
    (way_out,) = error.value.ways_out
    assert way_out.label == "Use the first 500"
    dataset = made(tmp_path, text, choices=Choices(**way_out.change), limits=Limits(max_rows=500))
    assert (len(dataset.rows), dataset.rows[499].source) == (500, "line 501")
    assert messages(dataset)["first_rows"] == "Only the first 500 rows of your file are used."


def test_the_goal_follows_from_the_data(tmp_path: Path) -> None:
    assert made(tmp_path, "q,a\nx,y\n").goal == "character"
    labelled = made(tmp_path, "review,label\n" + "".join(f"r{i},{'good' if i % 2 else 'bad'}\n" for i in range(6)))
    assert (labelled.goal, labelled.kind, labelled.rows[0].label) == ("sorting", "labels", "bad")
    assert labelled.report.labels == {"bad": 3, "good": 3}
    assert list(labelled.rows.index["label"]) == [0, 1, 0, 1, 0, 1]


def test_a_guess_at_tokens_grows_with_the_text() -> None:
    short, long = (Conversation((Message("user", "x"), Message("assistant", "word " * n))) for n in (10, 100))
    assert tokens_guess(short) < tokens_guess(long)
    assert tokens_guess(Passage("word " * 400)) == 506


def test_saved_and_loaded_is_the_same(tmp_path: Path) -> None:
    dataset = made(tmp_path, 'q,a\n"é\u2028\n🙂",y\nz,\n', choices=Choices(first_rows=5))
    folder = next(tmp_path.iterdir())
    loaded = load_dataset_folder(folder)
    assert replace(loaded, rows=()) == replace(dataset, rows=())
    assert list(loaded.rows) == list(dataset.rows) == [Conversation((Message("user", "é\u2028\n🙂"), Message("assistant", "y")), "line 2")]
    assert loaded.rows.index.tolist() == dataset.rows.index.tolist()
    assert sorted(path.name for path in folder.iterdir()) == ["dataset.json", "index.npy", "rows.jsonl", "source"]
    assert json.loads((folder / "dataset.json").read_text())["schema"] == 1


def test_rows_are_at_hand_by_number(tmp_path: Path) -> None:
    rows = made(tmp_path, "q,a\n" + "".join(f"what {i}?,that {i}\n" for i in range(9))).rows
    assert rows[8].question() == "what 8?"
    assert [row.question() for row in rows.at([7, 2])] == ["what 7?", "what 2?"]
    assert [row.question() for row in rows[3:5]] == ["what 3?", "what 4?"]


def test_a_folder_that_is_not_whole(tmp_path: Path) -> None:
    made(tmp_path, "q,a\nx,y\nz,w\n")
    folder = next(tmp_path.iterdir())
    np.save(folder / "index.npy", np.load(folder / "index.npy")[:1])
    with pytest.raises(StorageError, match="The saved data of faq.csv is not whole. Upload the file again."):
        load_dataset_folder(folder)
    with pytest.raises(StorageError, match="is missing"):
        load_dataset_folder(tmp_path / "none")


def test_fixes_are_done_in_their_order_and_told(tmp_path: Path) -> None:
    rows = [f"what is the number {i}?,it is {i * i} by itself" for i in range(25)]
    text = "\n".join(["q,a", *rows, *rows[:6], "Who is it?,Write to ann@waldhof-reisen.de", "Who is it?,Write to bob@waldhof-reisen.de"])
    dataset = made(tmp_path, text)
    assert messages(dataset)["duplicates"] == "6 rows appear twice."
    fixed = made(tmp_path, text, choices=Choices(fixes=("duplicates", "emails", "duplicates")))
    assert len(fixed.rows) == 26  # the last two are the same once their addresses are hidden
    assert fixed.rows[25].answer() == "Write to [e-mail]"
    done = {finding.code: finding for finding in fixed.report.findings if finding.done}
    assert done["duplicates"].message == "Removed 7 repeats."
    assert done["duplicates"].button == "Undo"
    assert "duplicates" not in {finding.code for finding in fixed.report.findings if not finding.done}


@pytest.mark.parametrize("name", sorted(path.name for path in EXAMPLES.iterdir() if path.suffix != ".md"))
def test_the_examples_are_read_whole_without_remarks(tmp_path: Path, name: str) -> None:
    dataset = made(tmp_path, (EXAMPLES / name).read_bytes(), name)
    assert dataset.report.reasons == {}
    assert [finding.message for finding in dataset.report.findings if finding.code != "read_as"] == []
