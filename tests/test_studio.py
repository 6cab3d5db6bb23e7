"""The studio: owners kept apart, submissions on disk before the click returns, sentences for what cannot be."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from qlora_demo.data.choices import Choices
from qlora_demo.errors import BusyError, DataError, NotFoundError, RecipeError
from qlora_demo.owners import LOCAL, Owners
from qlora_demo.recipe import METHODS
from qlora_demo.run_dir import Home, read_json, write_json
from qlora_demo.settings import Settings
from qlora_demo.studio import Studio


@pytest.fixture
def studio(tiny_home: Home) -> Iterator[Studio]:
    """Not started: nothing is trained."""
    made = Studio(Settings(home=str(tiny_home.path), device="cpu", offline=True))
    yield made
    made.close()


@pytest.fixture
def csv(tmp_path: Path) -> Path:
    path = tmp_path / "faq.csv"
    rows = [f"question number {i} about {i * 7}?,answer number {i} is {i * 3}" for i in range(40)]
    path.write_text("question,answer\n" + "\n".join(rows) + "\n")
    return path


def test_a_submission_is_whole_on_disk_and_in_line(studio: Studio, csv: Path) -> None:
    dataset = studio.data.add_file(LOCAL, csv, "faq.csv")
    run = studio.submit(LOCAL, dataset, studio.recommend(LOCAL, dataset), "My FAQ")
    files = {path.relative_to(studio.home.run(run).path).as_posix() for path in studio.home.run(run).path.rglob("*") if path.is_file()}
    assert files == {"run.json", "recipe.json", "data/train.jsonl", "data/held_out.jsonl", "data/report.json"}
    view = studio.run(LOCAL, run)
    assert (view.name, view.job.state, view.place) == ("My FAQ", "queued", 1)
    assert studio.data_of(LOCAL, run) == dataset
    assert [path.name for path in studio.home.runs.iterdir()] == [run]


def test_the_rows_are_split_once_and_for_all(studio: Studio, csv: Path) -> None:
    dataset = studio.data.add_file(LOCAL, csv, "faq.csv")
    recipe = studio.recommend(LOCAL, dataset)
    first, second = (studio.submit(LOCAL, dataset, recipe, "x") for _ in range(2))
    learn, held_out = studio.questions(LOCAL, first)
    assert studio.questions(LOCAL, second) == (learn, held_out)
    assert len(held_out) == recipe.held_out
    assert not {row.key() for row in learn} & {row.key() for row in held_out}


def test_another_owner_meets_nothing(studio: Studio, csv: Path) -> None:
    dataset = studio.data.add_file(LOCAL, csv, "faq.csv")
    run = studio.submit(LOCAL, dataset, studio.recommend(LOCAL, dataset), "x")
    assert studio.runs("stranger") == []
    calls = (studio.run, studio.log, studio.stop, studio.resume, studio.delete, studio.questions, studio.data_of, studio.evaluate)
    for call in calls:
        with pytest.raises(NotFoundError):
            call("stranger", run)
    with pytest.raises(NotFoundError):
        studio.data.get("stranger", dataset)
    with pytest.raises(NotFoundError):
        list(studio.ask("stranger", run, [[], []], None))
    theirs = studio.submit("stranger", studio.data.add_file("stranger", csv, "faq.csv"), studio.recommend(LOCAL, dataset), "x")
    with pytest.raises(NotFoundError):
        list(studio.ask("stranger", theirs, [[], []], None, against=run))
    assert studio.run(LOCAL, run).job.state == "queued"


def test_a_model_that_is_not_finished_cannot_be_tested(studio: Studio, csv: Path) -> None:
    dataset = studio.data.add_file(LOCAL, csv, "faq.csv")
    run = studio.submit(LOCAL, dataset, studio.recommend(LOCAL, dataset), "x")
    with pytest.raises(BusyError, match="not finished"):
        studio.evaluate(LOCAL, run)


def test_a_run_remembers_its_owner_and_no_key(studio: Studio, csv: Path) -> None:
    studio.owners = Owners(replace(studio.settings, mode="public"), studio.ledger)
    key = studio.owners.new_key()
    owner = studio.owners.owner(key)
    dataset = studio.data.add_file(owner, csv, "faq.csv")
    run = studio.submit(owner, dataset, studio.recommend(owner, dataset), "x")
    assert read_json(studio.home.run(run).run_json)["owner"] == owner
    written = b"".join(path.read_bytes() for path in studio.home.path.rglob("*") if path.is_file())
    assert owner.encode() in written and key.encode() not in written


def test_bad_settings_leave_no_run(studio: Studio, csv: Path) -> None:
    dataset = studio.data.add_file(LOCAL, csv, "faq.csv")
    with pytest.raises(RecipeError, match="rank must be from 1 to 256"):
        studio.submit(LOCAL, dataset, replace(studio.recommend(LOCAL, dataset), rank=0), "x")
    assert studio.runs(LOCAL) == []
    assert list(studio.home.runs.iterdir()) == []


def test_a_bad_file_leaves_no_data_set(studio: Studio, tmp_path: Path) -> None:
    path = tmp_path / "empty.csv"
    path.write_text("")
    with pytest.raises(DataError, match="empty"):
        studio.data.add_file(LOCAL, path, "empty.csv")
    assert list(studio.home.datasets.iterdir()) == []


def test_an_unfinished_run_cannot_answer_nor_continue(studio: Studio, csv: Path) -> None:
    dataset = studio.data.add_file(LOCAL, csv, "faq.csv")
    run = studio.submit(LOCAL, dataset, studio.recommend(LOCAL, dataset), "x")
    with pytest.raises(BusyError, match="not finished"):
        list(studio.ask(LOCAL, run, [[], []], None))
    with pytest.raises(BusyError, match="nothing to continue"):
        studio.resume(LOCAL, run)


def test_a_run_is_found_by_the_beginning_of_its_id(studio: Studio, csv: Path) -> None:
    dataset = studio.data.add_file(LOCAL, csv, "faq.csv")
    run = studio.submit(LOCAL, dataset, studio.recommend(LOCAL, dataset), "x")
    assert studio.find_run(LOCAL, run[:6]) == studio.find_run(LOCAL, "last") == run
    with pytest.raises(NotFoundError, match="No run of yours begins with 'zz'"):
        studio.find_run(LOCAL, "zz")


def test_a_deleted_run_is_gone(studio: Studio, csv: Path) -> None:
    dataset = studio.data.add_file(LOCAL, csv, "faq.csv")
    run = studio.submit(LOCAL, dataset, studio.recommend(LOCAL, dataset), "x")
    studio.delete(LOCAL, run)
    assert studio.runs(LOCAL) == []
    assert list(studio.home.runs.iterdir()) == []


def test_offline_the_bundled_model_is_the_default_and_the_others_come_last(studio: Studio) -> None:
    choices = studio.models(LOCAL)
    assert choices[0].default and choices[0].here and choices[0].model.bundled()
    assert not any(choice.here or choice.reachable for choice in choices[1:])


def test_the_command_repeats_the_run(studio: Studio, csv: Path) -> None:
    dataset = studio.data.add_file(LOCAL, csv, "faq.csv")
    run = studio.submit(LOCAL, dataset, studio.recommend(LOCAL, dataset), "Hello 'world'")
    command = read_json(studio.home.run(run).run_json)["command"]
    assert command.startswith("python -m qlora_demo train faq.csv --model bundled/SmolLM2-135M-Instruct --method ")
    assert "--set epochs=" in command


def test_tokens_are_counted_by_the_data_worker(studio: Studio, csv: Path) -> None:
    dataset = studio.data.add_file(LOCAL, csv, "faq.csv")
    tokens = studio.data.count_tokens(LOCAL, dataset, studio.recommend(LOCAL, dataset))
    assert 0 < tokens["trained"] < tokens["total"]
    assert tokens["longest"] > 10 and tokens["cut"] == 0


def test_qlora_is_preselected_where_4_bit_is_fast_and_lora_elsewhere(studio: Studio) -> None:
    studio.machine = replace(studio.machine, fast_4_bit=True)
    assert studio.default_method()[0] == "qlora"
    studio.machine = replace(studio.machine, fast_4_bit=False)
    method, why = studio.default_method()
    assert method == "lora" and "slowly" in why
    studio.machine = replace(studio.machine, note="This machine has a card that torch cannot use.")
    assert studio.default_method()[1].startswith("This machine has a card that torch cannot use.")


def test_what_does_not_fit_is_refused_with_both_figures(studio: Studio, csv: Path) -> None:
    dataset = studio.data.add_file(LOCAL, csv, "faq.csv")
    recipe = replace(studio.recommend(LOCAL, dataset), batch_size=256, micro_batch_size=256, rank=256, model="Qwen/Qwen3-32B")
    with pytest.raises(BusyError, match=r"This needs about [0-9.]+ GB of memory; [0-9.]+ GB are free\. Choose QLoRA or a smaller model\."):
        studio.submit(LOCAL, dataset, recipe, "x")
    assert studio.runs(LOCAL) == []


def test_run_json_can_rebuild_a_ledger_row(studio: Studio, csv: Path) -> None:
    dataset = studio.data.add_file(LOCAL, csv, "faq.csv")
    run = studio.submit(LOCAL, dataset, studio.recommend(LOCAL, dataset), "x")
    about = json.loads(studio.home.run(run).run_json.read_text())
    assert {"schema", "id", "name", "owner", "created", "base", "versions", "command", "dataset"} <= set(about)


def test_a_damaged_run_does_not_hide_the_others(studio: Studio, csv: Path, capfd: pytest.CaptureFixture) -> None:
    dataset = studio.data.add_file(LOCAL, csv, "faq.csv")
    good, bad = (studio.submit(LOCAL, dataset, studio.recommend(LOCAL, dataset), "x") for _ in range(2))
    studio.home.run(bad).run_json.write_text("{")
    assert [view.id for view in studio.runs(LOCAL)] == [good]
    assert "is damaged and cannot be read" in capfd.readouterr().err
    studio.delete(LOCAL, bad)
    assert not studio.home.run(bad).path.exists()


def test_those_in_line_know_their_place_and_when_they_start(studio: Studio, csv: Path) -> None:
    dataset = studio.data.add_file(LOCAL, csv, "faq.csv")
    first, second, third = (studio.submit(LOCAL, dataset, studio.recommend(LOCAL, dataset), name) for name in "abc")
    views = [studio.run(LOCAL, run) for run in (first, second, third)]
    forecast = views[0].forecast_seconds
    assert [(view.place, view.starts_in) for view in views] == [(1, 0), (2, forecast), (3, 2 * forecast)]
    studio.stop(LOCAL, second)
    assert (studio.run(LOCAL, second).job.state, studio.run(LOCAL, third).place) == ("stopped", 2)


def test_a_new_name_is_in_the_command_too(studio: Studio, csv: Path) -> None:
    dataset = studio.data.add_file(LOCAL, csv, "faq.csv")
    run = studio.submit(LOCAL, dataset, studio.recommend(LOCAL, dataset), "old")
    studio.rename(LOCAL, run, "  Anna's FAQ  ")
    view = studio.run(LOCAL, run)
    assert view.name == "Anna's FAQ"
    assert shlex.split(view.command)[-2:] == ["--name", "Anna's FAQ"]
    with pytest.raises(RecipeError, match="at least one letter"):
        studio.rename(LOCAL, run, "   ")
    with pytest.raises(NotFoundError):
        studio.rename("stranger", run, "mine now")


def test_the_command_names_an_examples_file_and_chosen_columns(studio: Studio, csv: Path) -> None:
    example = studio.data.add_example(LOCAL, "character")
    mapped = studio.data.add_file(LOCAL, csv, "faq.csv", Choices({"user": "answer", "assistant": "question"}))
    runs = [studio.submit(LOCAL, dataset, studio.recommend(LOCAL, dataset), "x") for dataset in (example, mapped)]
    assert " train examples/character.jsonl " in studio.run(LOCAL, runs[0]).command
    assert " --map user=answer --map assistant=question --name x" in studio.run(LOCAL, runs[1]).command


def test_everyones_example_is_made_once_and_can_be_read_by_all(studio: Studio) -> None:
    run = studio.train_example()
    assert studio.train_example() == run
    for owner in (LOCAL, "stranger"):
        view = studio.run(owner, run)
        assert (view.name, view.shared(), studio.runs(owner)[-1].id) == ("Example: a character", True, run)
        assert len(studio.questions(owner, run)[1]) == 10
        assert studio.data_of(owner, run)


def test_a_space_that_nobody_uses_trains_the_example_on_the_model_that_comes_along(tiny_home: Home) -> None:
    made = Studio(Settings(home=str(tiny_home.path), device="cpu", space="somebody/demo", offline=True))
    made.start()
    view = made.runs("anybody")[0]
    assert (view.shared(), view.model.bundled(), view.name) == (True, True, "Example: a character")
    made.close()


def test_on_a_space_nobody_changes_the_example(studio: Studio) -> None:
    public = replace(studio.settings, mode="public", space="somebody/demo")
    studio.owners = Owners(public, studio.ledger)
    run = studio.train_example()
    for change in (studio.stop, studio.delete, studio.resume, lambda owner, run: studio.rename(owner, run, "mine")):
        with pytest.raises(BusyError, match="everyone's"):
            change("stranger", run)
    studio.delete(LOCAL, run)
    assert studio.runs(LOCAL) == []


def test_the_better_run_begins_with_the_advised_change_on_the_same_data(studio: Studio, csv: Path) -> None:
    dataset = studio.data.add_file(LOCAL, csv, "faq.csv")
    recipe = replace(studio.recommend(LOCAL, dataset), batch_size=8, micro_batch_size=8)
    run = studio.submit(LOCAL, dataset, recipe, "n" * 80)
    with pytest.raises(BusyError, match="Nothing is known"):
        studio.better(LOCAL, run)
    advice = {"reason": "It only took 6 steps.", "button": "Train again, longer", "changes": {"epochs": 20.0, "batch_size": 4}}
    write_json(studio.home.run(run).result_json, {"outcome": "finished", "reason": "", "advice": advice})
    with pytest.raises(NotFoundError):
        studio.better("stranger", run)
    better = studio.run(LOCAL, studio.better(LOCAL, run))
    assert better.recipe == replace(recipe, epochs=20.0, batch_size=4, micro_batch_size=4)
    assert (better.name, studio.data_of(LOCAL, better.id), better.job.state) == ("n" * 73 + ", again", dataset, "queued")
    write_json(studio.home.run(better.id).result_json, {"outcome": "finished", "reason": "", "advice": advice})
    assert studio.run(LOCAL, studio.better(LOCAL, better.id)).name == better.name


def test_what_was_changed_to_make_a_run_fit_is_part_of_it(studio: Studio, csv: Path) -> None:
    dataset = studio.data.add_file(LOCAL, csv, "faq.csv")
    run = studio.submit(LOCAL, dataset, studio.recommend(LOCAL, dataset), "x")
    assert studio.run(LOCAL, run).changed == ()
    write_json(studio.home.run(run).fit_json, {"micro_batch_size": 2, "checkpointing": False, "attempts": ["It did not fit."]})
    assert studio.run(LOCAL, run).changed == ("It did not fit.",)


def test_each_method_is_predicted_and_full_needs_the_most(studio: Studio, csv: Path) -> None:
    dataset = studio.data.add_file(LOCAL, csv, "faq.csv")
    found = {method: studio.forecast(LOCAL, dataset, studio.recommend(LOCAL, dataset, "", method)) for method in METHODS}
    assert found["qlora"].memory_bytes < found["lora"].memory_bytes < found["full"].memory_bytes
    assert found["lora"].seconds < found["full"].seconds
    assert studio.recommend(LOCAL, dataset, "", "full").learning_rate == studio.recommend(LOCAL, dataset, "", "lora").learning_rate / 10


def test_a_run_whose_time_is_over_does_not_go_on(studio: Studio, csv: Path) -> None:
    dataset = studio.data.add_file(LOCAL, csv, "faq.csv")
    run = studio.submit(LOCAL, dataset, studio.recommend(LOCAL, dataset), "x")
    assert read_json(studio.home.run(run).run_json)["max_seconds"] is None
    studio.stop(LOCAL, run)
    write_json(studio.home.run(run).result_json, {"outcome": "stopped", "reason": "", "time_is_up": True})
    with pytest.raises(BusyError, match="used all its time here"):
        studio.resume(LOCAL, run)
    assert studio.run(LOCAL, run).job.state == "stopped"


def test_a_log_is_shown_in_whole_lines_without_secrets_and_places(studio: Studio, csv: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_API_KEY", "0a1b2c3d4e")
    dataset = studio.data.add_file(LOCAL, csv, "faq.csv")
    run = studio.submit(LOCAL, dataset, studio.recommend(LOCAL, dataset), "x")
    assert studio.log(LOCAL, run) == ""
    lines = [f"a line with hf_{'x' * 30}", f"{studio.home.run(run).path}/worker.log", "0a1b2c3d4e", "step 1"]
    studio.home.run(run).log.write_text("\n".join(lines))
    assert studio.log(LOCAL, run) == f"a line with <secret>\n<home>/runs/{run}/worker.log\n<secret>\nstep 1"
    assert studio.log(LOCAL, run, last_bytes=len("\n".join(lines)) - 30) == f"<home>/runs/{run}/worker.log\n<secret>\nstep 1"
