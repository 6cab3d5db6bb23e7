"""A home's data sets: read again with other choices, kept apart by owner, removed for good."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from qlora_demo.data.choices import Choices
from qlora_demo.errors import DataError, NotFoundError
from qlora_demo.owners import LOCAL
from qlora_demo.run_dir import Home
from qlora_demo.settings import Settings
from qlora_demo.studio import Studio
from qlora_demo.ui.data_attempt import Attempt, current
from qlora_demo.ui.guard import Visit

FAQ = "question,answer\n" + "".join(f"What is thing {i}?,It is the {i}th of them\n" for i in range(24))


@pytest.fixture
def studio(tmp_path: Path) -> Studio:
    return Studio(Settings(home=str(tmp_path / "home"), device="cpu", offline=True))


def added(studio: Studio, folder: Path, content: str = FAQ, choices: Choices | None = None) -> str:
    path = folder / "faq.csv"
    path.write_text(content)
    return studio.data.add_file(LOCAL, path, "faq.csv", choices or Choices())


def folders(studio: Studio) -> list[str]:
    return sorted(path.name for path in studio.home.datasets.iterdir())


def test_other_choices_are_another_data_set_of_the_same_file(studio: Studio, tmp_path: Path) -> None:
    first = added(studio, tmp_path)
    (tmp_path / "faq.csv").unlink()  # the upload is not needed any more
    second = studio.data.change(LOCAL, first, Choices({"user": "answer", "assistant": "question"}))
    assert studio.data.get(LOCAL, second).rows[0].question() == "It is the 0th of them"
    assert studio.data.get(LOCAL, second).choices.columns == {"user": "answer", "assistant": "question"}
    assert studio.data.newest(first) == second
    assert folders(studio) == sorted([first, second])  # a click that is on its way may still speak of the first
    studio.close()
    assert folders(studio) == [second]


def test_quick_clicks_are_one_after_the_other(studio: Studio, tmp_path: Path) -> None:
    """Two clicks on what stood on the page, the second while the first is still worked on."""
    first = added(studio, tmp_path, FAQ + "What is thing 1?,It is the 1th of them\nWho?,Write to ann@waldhof-reisen.de\n")

    def click(code: str) -> None:
        with studio.data.turn(LOCAL, first):
            newest = studio.data.newest(first)
            studio.data.change(LOCAL, newest, studio.data.get(LOCAL, newest).choices.with_fix(code))

    threads = [threading.Thread(target=click, args=(code,)) for code in ("duplicates", "emails")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    dataset = studio.data.get(LOCAL, studio.data.newest(first))
    assert set(dataset.choices.fixes) == {"duplicates", "emails"}
    assert (len(dataset.rows), dataset.rows[24].answer()) == (25, "Write to [e-mail]")


def test_starting_over_forgets_the_upload_but_not_what_a_run_learned_from(tiny_home: Home, tmp_path: Path) -> None:
    studio = Studio(Settings(home=str(tiny_home.path), device="cpu", offline=True))
    first = added(studio, tmp_path)
    studio.submit(LOCAL, first, studio.recommend(LOCAL, first), "one")
    second = studio.data.change(LOCAL, first, Choices(test=False))
    studio.data.forget(LOCAL, second)
    assert folders(studio) == [first]


def test_a_refused_choice_leaves_everything_as_it_was(studio: Studio, tmp_path: Path) -> None:
    first = added(studio, tmp_path)
    with pytest.raises(DataError, match="has no column 'nope'"):
        studio.data.change(LOCAL, first, Choices({"user": "nope", "assistant": "answer"}))
    assert folders(studio) == [first]
    assert len(studio.data.get(LOCAL, first).rows) == 24


def test_what_a_run_learned_from_is_kept(tiny_home: Home, tmp_path: Path) -> None:
    studio = Studio(Settings(home=str(tiny_home.path), device="cpu", offline=True))
    first = added(studio, tmp_path)
    run = studio.submit(LOCAL, first, studio.recommend(LOCAL, first), "one")
    second = studio.data.change(LOCAL, first, Choices(test=False))
    assert folders(studio) == sorted([first, second])
    assert studio.data_of(LOCAL, run) == first
    assert studio.recommend(LOCAL, second).held_out == 0 < studio.recommend(LOCAL, first).held_out
    studio.data.remove(LOCAL, second)  # the file, and every data set that was read from it
    assert folders(studio) == []
    assert len(studio.questions(LOCAL, run)[0]) > 0


def test_removing_takes_only_what_was_read_from_the_same_file(studio: Studio, tmp_path: Path) -> None:
    first = added(studio, tmp_path)
    other = added(studio, tmp_path)
    studio.data.remove(LOCAL, first)
    assert folders(studio) == [other]


def test_nobody_meets_anothers_data(studio: Studio, tmp_path: Path) -> None:
    mine = added(studio, tmp_path)
    for forbidden in (
        lambda: studio.data.get("other", mine),
        lambda: studio.data.change("other", mine, Choices()),
        lambda: studio.data.remove("other", mine),
        lambda: list(studio.data.count("other", mine, studio.recommend(LOCAL, mine))),
    ):
        with pytest.raises(NotFoundError):
            forbidden()


@pytest.mark.parametrize(
    ("text", "pairs"),
    [
        ("Where?;By the sea\nWhen?;At noon", [("Where?", "By the sea"), ("When?", "At noon")]),
        ("Where?\tBy the sea\nWhen?\tAt noon\n", [("Where?", "By the sea"), ("When?", "At noon")]),
        ("Question\tAnswer\nWhere?\tBy the sea\n", [("Where?", "By the sea")]),
        ("Hello;Hi\nBye;See you", [("Hello", "Hi"), ("Bye", "See you")]),
        ('[{"question": "Where?", "answer": "By the sea"}]', [("Where?", "By the sea")]),
        ('{"prompt": "Where?", "completion": "By the sea"}\n', [("Where?", "By the sea")]),
    ],
)
def test_what_is_pasted(studio: Studio, text: str, pairs: list[tuple[str, str]]) -> None:
    dataset = studio.data.get(LOCAL, studio.data.add_text(LOCAL, text))
    assert [(row.question(), row.answer()) for row in dataset.rows] == pairs
    assert dataset.name == "Pasted text"


def test_pasted_prose_is_a_subject(studio: Studio) -> None:
    text = "The railway was dug by hand, in four winters, and it still leaks.\n\nIts engines are older than anyone who drives them; three are left."
    dataset = studio.data.get(LOCAL, studio.data.add_text(LOCAL, text))
    assert dataset.kind == "passages"


def test_too_much_and_nothing_pasted(studio: Studio) -> None:
    with pytest.raises(DataError, match="^The pasted text has 1.2 MB; up to 1 MB can be pasted. Save it as a file and upload that.$"):
        studio.data.add_text(LOCAL, "x" * 1_200_000)
    with pytest.raises(DataError, match="^Nothing was pasted yet."):
        studio.data.add_text(LOCAL, " \n")
    assert folders(studio) == []


def test_the_settings_limit_what_is_read(tmp_path: Path) -> None:
    small = Studio(Settings(home=str(tmp_path / "home"), device="cpu", offline=True, max_rows=10, max_cell_kb=1))
    with pytest.raises(DataError, match="takes up to 10 rows; yours has 24"):
        added(small, tmp_path)
    with pytest.raises(DataError, match="one value may have 0.0 MB|one value may have"):
        added(small, tmp_path, f"question,answer\nWhat?,{'x' * 2000}\nAnd?,Yes\n")


def test_an_example_is_told_from_an_upload(studio: Studio, tmp_path: Path) -> None:
    assert studio.data.is_example(studio.data.add_example(LOCAL, "character"))
    assert not studio.data.is_example(added(studio, tmp_path))


def test_the_command_repeats_every_choice(tiny_home: Home, tmp_path: Path) -> None:
    studio = Studio(Settings(home=str(tiny_home.path), device="cpu", offline=True))
    choices = Choices({"user": "answer", "assistant": "question"}, leave_out_broken=True, first_rows=22, fixes=("duplicates",))
    dataset = added(studio, tmp_path, FAQ + "alone\n", choices)
    run = studio.submit(LOCAL, dataset, studio.recommend(LOCAL, dataset), "one")
    command = studio.run(LOCAL, run).command
    options = "--map user=answer --map assistant=question --fix duplicates --first-rows 22 --leave-out-broken --name one"
    assert command.endswith(options)


def test_choices_are_about_what_is_shown_though_another_file_was_refused(studio: Studio, tmp_path: Path) -> None:
    shown = added(studio, tmp_path)
    refused = Attempt(path="/photo.csv")
    visit = Visit(studio, LOCAL)
    now = current(visit, refused, shown)
    assert (now.dataset_id, now.seen, now.pending()) == (shown, shown, False)
    assert current(visit, refused, "") == refused
