"""A file is prepared, reported on, saved and loaded again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from qlora_demo.data.conversation import Conversation, Message, Passage
from qlora_demo.data.dataset import PreparedDataset, Report, Warning_, load_dataset_folder, prepare, save_dataset
from qlora_demo.data.formats import Dropped
from qlora_demo.data.table import Limits
from qlora_demo.errors import StorageError


def prepared(folder: Path, text: str, name: str = "faq.csv") -> PreparedDataset:
    (folder / "upload").write_text(text, encoding="utf-8")
    return prepare(folder / "upload", name, None, Limits())


def messages(dataset: PreparedDataset) -> dict[str, str]:
    return {w.code: w.message for w in dataset.report.warnings}


def test_a_semicolon_file_with_an_empty_answer(tmp_path: Path) -> None:
    dataset = prepared(tmp_path, "Frage;Antwort\nWann?;Um zehn\nWo?;\n")
    assert dataset == PreparedDataset(
        "faq.csv",
        "conversations",
        "question-answer",
        ("Frage", "Antwort"),
        {"user": "Frage", "assistant": "Antwort"},
        (Conversation((Message("user", "Wann?"), Message("assistant", "Um zehn")), "line 2"),),
        Report(
            2,
            1,
            (Dropped("line 3", "no answer"),),
            (
                Warning_("no_answer", 1, ("line 3",), "1 row has no answer (3). Left out."),
                Warning_("few_rows", 1, (), "Only 1 example. It can pick up a tone, not facts. None is set aside, so there is no test score."),
                Warning_("read_as", 1, (), "The file was read with ; between the columns."),
            ),
        ),
    )


def test_repeats_and_gaps_are_counted(tmp_path: Path) -> None:
    rows = [f"q{i},a{i}" for i in range(20)]
    twice = prepared(tmp_path, "\n".join(["q,a", *rows, *rows[:6]]))
    assert messages(twice) == {"duplicates": "6 rows appear twice."}
    assert twice.report.warnings[0].rows == tuple(f"line {i}" for i in range(22, 28))
    assert messages(prepared(tmp_path, "\n".join(["q,a", *rows, "Q0, a0 "]))) == {"duplicates": "1 row appears twice."}
    assert messages(prepared(tmp_path, "\n".join(["q,a", *rows, *rows[:1] * 3]))) == {"duplicates": "3 rows repeat an earlier one."}
    gaps = messages(prepared(tmp_path, "\n".join(["q,a", *rows, *["x,"] * 7, ",y"])))
    assert gaps == {
        "no_answer": "7 rows have no answer (22, 23, 24, 25, 26 and 2 more). Left out.",
        "no_question": "1 row has no question (29). Left out.",
    }


def test_altered_rows_are_counted(tmp_path: Path) -> None:
    turns = [{"role": "user", "content": "x"}, {"role": "assistant", "content": "y"}, {"role": "user", "content": "z"}]
    lines = [json.dumps({"messages": turns}), json.dumps({"messages": turns[:2]})]
    dataset = prepared(tmp_path, "\n".join([*lines, lines[0]]), "chat.jsonl")
    assert messages(dataset)["question_without_answer"] == "2 rows end with a question. Those questions were left out."


def test_the_goal_follows_from_the_data(tmp_path: Path) -> None:
    assert prepared(tmp_path, "q,a\nx,y\n").goal() == "character"
    labelled = prepared(tmp_path, "review,label\n" + "".join(f"r{i},{'good' if i % 2 else 'bad'}\n" for i in range(6)))
    assert (labelled.goal(), labelled.kind, labelled.rows[0].label) == ("sorting", "labels", "bad")


def test_a_guess_at_tokens_grows_with_the_text(tmp_path: Path) -> None:
    dataset = prepared(tmp_path, "q,a\nx,y\n")
    short, long = (Conversation((Message("user", "x"), Message("assistant", "word " * n))) for n in (10, 100))
    assert dataset.tokens_guess(short) < dataset.tokens_guess(long)
    assert dataset.tokens_guess(Passage("word " * 400)) == 506


def test_saved_and_loaded_is_the_same(tmp_path: Path) -> None:
    dataset = prepared(tmp_path, 'q,a\n"é\u2028\n🙂",y\nz,\n')
    save_dataset(dataset, tmp_path / "datasets" / "one")
    assert load_dataset_folder(tmp_path / "datasets" / "one") == dataset
    assert sorted(p.name for p in (tmp_path / "datasets").rglob("*")) == ["dataset.json", "one", "rows.jsonl"]
    assert json.loads((tmp_path / "datasets" / "one" / "dataset.json").read_text())["schema"] == 1


def test_a_report_survives_json(tmp_path: Path) -> None:
    report = prepared(tmp_path, "q;a\nx;y\nz;\n").report
    assert Report.from_json(json.loads(json.dumps(report.to_json()))) == report


def test_a_folder_that_is_not_whole(tmp_path: Path) -> None:
    save_dataset(prepared(tmp_path, "q,a\nx,y\n"), tmp_path / "one")
    (tmp_path / "one" / "rows.jsonl").write_text("")
    with pytest.raises(StorageError, match="The saved data of faq.csv is not whole. Upload the file again."):
        load_dataset_folder(tmp_path / "one")
    with pytest.raises(StorageError, match="is missing"):
        load_dataset_folder(tmp_path / "none")


def test_the_example_is_read_whole() -> None:
    path = Path(__file__).resolve().parents[2] / "examples" / "character.jsonl"
    report = prepare(path, path.name, None, Limits()).report
    assert (report.dropped, report.warnings) == ((), ())
