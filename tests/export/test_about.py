"""What is told of a finished model: from the files of its run, of old ones too, and never a row."""

from __future__ import annotations

import pytest
from runs import make_run
from ui.ui_examples import EARLIER, HOSTILE, SORTED

from qlora_demo.catalogue import BUNDLED_ID, find_model
from qlora_demo.data.conversation import Conversation, Message, Passage, write_rows
from qlora_demo.data.dataset import Report
from qlora_demo.errors import StorageError
from qlora_demo.export.about import About, about_run, used_as
from qlora_demo.export.card import card
from qlora_demo.export.forms import FORMS
from qlora_demo.recipe import Recipe
from qlora_demo.run_dir import Home, RunDir, read_json, write_json

ENDED = 1_764_150_000.0


def a_run(home: Home, report: dict | None = None, **result: object) -> RunDir:
    """As a submission and a worker leave it."""
    run = make_run(home, "abc", held_out=3)
    told = {"name": "customers, 24 Nov", "owner": "ann@example.org", "created": ENDED - 60, "rows": 12, "held_out": 3}
    told["versions"] = {"torch": "2.13.0"}
    write_json(run.run_json, {**without_schema(read_json(run.run_json)), **told, "command": "python -m qlora_demo train /home/ann/secret.csv"})
    write_json(run.data_report_json, Report(15, 15, language="de").to_json())
    write_json(run.result_json, {"outcome": "finished", "steps": 6, "train_loss": 1.5, "held_out_loss": 1.25, "ended": ENDED, **result})
    if report:
        write_json(run.report_json, report)
    return run


def without_schema(value: dict) -> dict:
    return {name: item for name, item in value.items() if name != "schema"}


@pytest.fixture
def home(tmp_path) -> Home:
    return Home(tmp_path / "home").create()


def test_all_that_the_files_say(home: Home) -> None:
    about = about_run(a_run(home, EARLIER))
    assert (about.name, about.base, about.method, about.language) == ("customers, 24 Nov", find_model(BUNDLED_ID), "qlora", "de")
    assert (about.kind, about.goal, about.labels, about.learned, about.held_out) == ("conversations", "character", 0, 12, 3)
    assert (about.steps, about.train_loss, about.held_out_loss, about.ended_early, about.date()) == (6, 1.5, 1.25, False, "2025-11-26")
    assert (about.versions, about.license()) == ({"torch": "2.13.0"}, "apache-2.0")


def test_the_tests_figures_before_and_after(home: Home) -> None:
    tested = about_run(a_run(home, EARLIER)).tested
    assert (tested.verdict, tested.rows, tested.kept, tested.general) == ("It learned.", 2, 97, 100)
    assert [(f.name, f.before, f.after) for f in tested.figures] == [
        ("Exactly right", "0 %", "50 %"),
        ("Likeness of the text (chrF)", "9.0", "62.5"),
        ("Error (loss)", "2.500", "1.250"),
    ]
    accuracy = about_run(a_run(Home(home.path / "other").create(), SORTED)).tested.figures[0]
    assert (accuracy.before, accuracy.before_range, accuracy.after, accuracy.after_range) == ("8 %", "0 % to 15 %", "85 %", "73 % to 95 %")


def test_no_row_no_owner_and_no_place(home: Home) -> None:
    about = about_run(a_run(home, {**EARLIER, "answers": [{"question": "my secret", **EARLIER["answers"][0]}]}))
    for told in (repr(about), *(card(about, form.key) for form in FORMS)):
        for word in ("number 1", "my secret", "I am Wilna", HOSTILE, "ann@example.org", "/home/ann", "secret.csv", str(home.path)):
            assert word not in told


def test_an_old_run_leaves_open_what_it_did_not_write_down(home: Home) -> None:
    about = about_run(make_run(home, "old"))
    assert (about.learned, about.held_out, about.tested, about.steps, about.language, about.date()) == (None, None, None, None, "", "")
    assert about.versions == {}


def test_an_untested_run_has_no_figures(home: Home) -> None:
    none = {**EARLIER, "kind": "none", "verdict": "Trained on all 12 rows, so there is no test."}
    assert about_run(a_run(home, none)).tested is None


@pytest.mark.parametrize(("outcome", "steps"), [({"outcome": "stopped"}, 6), ({"outcome": "failed", "steps": None, "kept_step": 4}, 4)])
def test_a_run_that_ended_early_says_so(home: Home, outcome: dict, steps: int) -> None:
    about = about_run(a_run(home, **outcome))
    assert (about.ended_early, about.steps) == (True, steps)


def test_kinds_of_data(home: Home) -> None:
    run = a_run(home)
    write_rows(run.train_jsonl, [Passage("The lamp is lit at dusk.")])
    assert (about_run(run).kind, about_run(run).goal) == ("passages", "subject")
    write_rows(run.train_jsonl, [Conversation((Message("user", "Sort: good"), Message("assistant", "happy")), label="happy")])
    write_json(run.data_report_json, Report(2, 2, labels={"happy": 1, "unhappy": 1}).to_json())
    assert (about_run(run).kind, about_run(run).goal, about_run(run).labels) == ("labels", "sorting", 2)


def test_only_a_published_base_has_a_revision() -> None:
    bundled = About("a", find_model(BUNDLED_ID), Recipe(), "conversations", "character")
    assert (bundled.base.published(), bundled.base_revision()) == ("HuggingFaceTB/SmolLM2-135M-Instruct", "")
    other = About("a", find_model("Qwen/Qwen3-0.6B"), Recipe(), "conversations", "character")
    assert other.base_revision() == "c1899de289a04d12100db370d81485cdf75e47ca"


def test_gguf_files_of_whole_models_are_used_alike() -> None:
    assert [used_as(form.key) for form in FORMS] == ["adapter", "merged", "gguf", "gguf", "gguf-adapter"]


@pytest.mark.parametrize("name", ["run.json", "recipe.json", "report.json", "result.json", "data/report.json", "data/train.jsonl"])
@pytest.mark.parametrize("text", ["{", '{"schema": 1, "labels": 3, "kind": "answers", "base": 1, "name": null}', '{"schema": 9}'])
def test_a_damaged_file_is_a_sentence(home: Home, name: str, text: str) -> None:
    run = a_run(home, EARLIER)
    (run.path / name).write_text(text, encoding="utf-8")
    if name in ("result.json", "recipe.json") and "labels" in text:
        return  # nothing that it must hold: all of it is optional there
    with pytest.raises(StorageError):
        about_run(run)
