"""All methods on the same rows, started together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from qlora_demo import methods
from qlora_demo.errors import BusyError, StorageError
from qlora_demo.jobs.ledger import Ledger
from qlora_demo.owners import LOCAL
from qlora_demo.recipe import Recipe
from qlora_demo.run_dir import Home, read_json
from qlora_demo.settings import Settings
from qlora_demo.studio import Studio
from qlora_demo.ui.views_train import methods_label


@pytest.fixture
def studio(tiny_home: Home) -> Iterator[Studio]:
    """Not started: nothing is trained."""
    made = Studio(Settings(home=str(tiny_home.path), device="cpu", offline=True))
    yield made
    made.close()


@pytest.fixture
def dataset(studio: Studio, tmp_path: Path) -> str:
    path = tmp_path / "faq.csv"
    path.write_text("question,answer\n" + "\n".join(f"question number {i} about {i * 7}?,answer number {i} is {i * 3}" for i in range(40)) + "\n")
    return studio.data.add_file(LOCAL, path, "faq.csv")


def test_each_at_its_own_rate_on_the_same_rows(studio: Studio, dataset: str) -> None:
    recipe = replace(studio.recommend(LOCAL, dataset, "", "qlora", "quick"), held_out=6, seed=7, system_prompt="Be brief.", learning_rate=0.1)
    runs = methods.submit(studio, LOCAL, dataset, recipe, "FAQ")
    views = [studio.run(LOCAL, run) for run in runs]
    assert [view.name for view in views] == ["FAQ, QLoRA", "FAQ, LoRA", "FAQ, Full"]
    for view in views:
        ideal = studio.recommend(LOCAL, dataset, "", view.recipe.method, "quick")
        assert view.recipe == replace(ideal, held_out=6, seed=7, system_prompt="Be brief.")
    rows = [(studio.home.run(run).train_jsonl.read_bytes(), studio.home.run(run).held_out_jsonl.read_bytes()) for run in runs]
    assert rows[0] == rows[1] == rows[2]
    assert [view.place for view in views] == [1, 2, 3]


def test_they_are_known_as_a_set_when_the_ledger_is_made_again_too(studio: Studio, dataset: str) -> None:
    runs = methods.submit(studio, LOCAL, dataset, studio.recommend(LOCAL, dataset), "")
    alone = studio.submit(LOCAL, dataset, studio.recommend(LOCAL, dataset), "")
    sets = {studio.run(LOCAL, run).job.set_id for run in runs}
    assert len(sets) == 1 and None not in sets and studio.run(LOCAL, alone).job.set_id is None
    assert studio.run(LOCAL, runs[0]).name == "faq.csv, QLoRA"
    studio.ledger.close()
    for end in ("", "-wal", "-shm"):
        studio.home.ledger.with_name(studio.home.ledger.name + end).unlink(missing_ok=True)
    again = Studio(studio.settings)
    assert {again.run(LOCAL, run).job.set_id for run in runs} == sets
    assert again.run(LOCAL, alone).job.set_id is None
    again.close()


def test_what_does_not_fit_is_left_out_and_one_alone_is_refused(studio: Studio, dataset: str, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe, forecast = studio.recommend(LOCAL, dataset), studio.forecast
    fitting = {"qlora", "lora"}

    def small(owner: str, dataset_id: str, asked: object) -> object:
        return replace(forecast(owner, dataset_id, asked), fits=asked.method in fitting)

    monkeypatch.setattr(studio, "forecast", small)
    planned = methods.plan(studio, LOCAL, dataset, recipe)
    assert [one.method for one in planned.recipes] == ["qlora", "lora"] and planned.left_out == ("full",)
    assert planned.seconds == pytest.approx(sum(small(LOCAL, dataset, one).seconds for one in planned.recipes))
    fitting.discard("lora")
    with pytest.raises(BusyError, match="memory for one method at most"):
        methods.submit(studio, LOCAL, dataset, recipe, "")
    assert studio.runs(LOCAL) == []


def test_where_one_is_refused_none_stays_in_line(studio: Studio, dataset: str, monkeypatch: pytest.MonkeyPatch) -> None:
    submit = studio.submit

    def full_disk(owner: str, dataset_id: str, recipe: Recipe, name: str, set_id: str | None = None) -> str:
        if recipe.method == "full":
            raise StorageError("There is no room.")
        return submit(owner, dataset_id, recipe, name, set_id)

    monkeypatch.setattr(studio, "submit", full_disk)
    with pytest.raises(StorageError, match="no room"):
        methods.submit(studio, LOCAL, dataset, studio.recommend(LOCAL, dataset), "")
    assert studio.runs(LOCAL) == [] and list(studio.home.runs.iterdir()) == []


def test_it_is_offered_where_there_is_something_to_compare_and_room_in_line(studio: Studio, dataset: str) -> None:
    planned = methods.plan(studio, LOCAL, dataset, studio.recommend(LOCAL, dataset))
    assert [planned.offered(line) for line in (0, 3, 2)] == [True, True, False]
    assert methods_label(planned, 0).startswith("Or compare QLoRA, LoRA and Full: 3 trainings, about ")
    assert methods_label(planned, 2) == "" == methods_label(replace(planned, recipes=planned.recipes[:1]), 0)
    two = replace(planned, recipes=planned.recipes[:2], left_out=("full",), seconds=300.0)
    assert methods_label(two, 2) == "Or compare QLoRA and LoRA (Full does not fit here): 2 trainings, about 5 min"


def test_a_visitor_who_may_not_have_so_many_in_line_gets_none(tiny_home: Home, tmp_path: Path) -> None:
    studio = Studio(Settings(home=str(tiny_home.path), device="cpu", offline=True, mode="public", max_runs=3))
    visitor = "key-visitor"
    path = tmp_path / "faq.csv"
    path.write_text("question,answer\n" + "\n".join(f"what is {i}?,it is {i * 3}" for i in range(40)) + "\n")
    dataset = studio.data.add_file(visitor, path, "faq.csv")
    recipe = studio.recommend(visitor, dataset)
    studio.submit(visitor, dataset, recipe, "")
    with pytest.raises(BusyError, match="^You have 1 training in line, and this would add 3; this demo takes 3."):
        methods.submit(studio, visitor, dataset, recipe, "")
    assert len(Ledger(tiny_home.ledger).jobs(visitor)) == 1
    assert read_json(studio.home.run(studio.find_run(visitor, "last")).run_json)["set"] is None
    studio.close()
