"""What a visitor may ask for at most, told where it is met; the host has no limits."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import pytest

from qlora_demo.caps import NO_CAPS, Caps
from qlora_demo.catalogue import MODELS
from qlora_demo.chat.client import Ask
from qlora_demo.errors import BusyError, ModelError, RecipeError
from qlora_demo.owners import HOST, LOCAL
from qlora_demo.recipe import Recipe
from qlora_demo.settings import Settings
from qlora_demo.studio import Studio

FAQ = "question,answer\n" + "".join(f"What is thing {i}?,It is the {i}th of them\n" for i in range(30))


def public(tmp_path: Path, **settings: object) -> Studio:
    return Studio(Settings(home=str(tmp_path / "home"), device="cpu", offline=True, mode="public", **settings))


def added(studio: Studio, owner: str, tmp_path: Path) -> str:
    path = tmp_path / "faq.csv"
    path.write_text(FAQ)
    return studio.data.add_file(owner, path, "faq.csv")


def test_too_many_steps_and_too_long_rows_are_told_together_with_the_way_out() -> None:
    caps = Caps(steps=10, row_tokens=256, own_copy="https://huggingface.co/spaces/a/b?duplicate=true")
    with pytest.raises(RecipeError) as caught:
        caps.check(Recipe(batch_size=8, epochs=3, max_length=512), 100)
    said = str(caught.value)
    assert "up to 10 steps; these settings make 39" in said
    assert "up to 256 word pieces of a row (max_length); these settings ask for 512" in said
    assert said.endswith("Your own copy has no such limits: https://huggingface.co/spaces/a/b?duplicate=true")
    caps.check(Recipe(batch_size=8, epochs=3, max_length=256), 24)


def test_a_visitor_meets_the_limits_and_the_host_does_not(tmp_path: Path) -> None:
    studio = public(tmp_path, max_steps=1)
    visitor = studio.owners.owner(studio.owners.new_key())
    for owner in (HOST, LOCAL):
        dataset = added(studio, owner, tmp_path)
        studio.submit(owner, dataset, studio.recommend(owner, dataset), "x")
    dataset = added(studio, visitor, tmp_path)
    with pytest.raises(RecipeError, match="up to 1 steps"):
        studio.submit(visitor, dataset, studio.recommend(visitor, dataset), "x")
    assert studio.runs(visitor) == []


def test_two_clicks_at_once_do_not_get_past_the_line(tmp_path: Path) -> None:
    studio = public(tmp_path, max_runs=2)
    visitor, other = (studio.owners.owner(studio.owners.new_key()) for _ in range(2))
    dataset, recipe = added(studio, visitor, tmp_path), studio.recommend(visitor, "")
    refused: list[str] = []

    def click() -> None:
        try:
            studio.submit(visitor, dataset, recipe, "x")
        except BusyError as error:
            refused.append(str(error))

    threads = [threading.Thread(target=click) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(studio.runs(visitor)) == 2
    assert len(list(studio.home.runs.iterdir())) == 2
    assert len(refused) == 4 and all("You have 2 trainings in line; this demo takes 2." in said for said in refused)
    studio.submit(other, added(studio, other, tmp_path), recipe, "x")


def test_a_workshop_offers_the_small_model_alone(tmp_path: Path) -> None:
    studio = public(tmp_path, workshop="blue-heron")
    visitor = studio.owners.owner(studio.owners.new_key("blue-heron"))
    assert [choice.model.bundled() for choice in studio.models(visitor)] == [True]
    dataset = added(studio, visitor, tmp_path)
    large = next(model for model in MODELS if not model.bundled())
    with pytest.raises(ModelError, match="small model"):
        studio.submit(visitor, dataset, replace(studio.recommend(visitor, dataset), model=large.id), "x")


def test_an_answer_is_as_long_as_allowed() -> None:
    assert [Caps(answer_tokens=100).answer(asked) for asked in (50, 100, 5000)] == [50, 100, 100]
    assert NO_CAPS.answer(5000) == 5000
    assert Ask(max_new_tokens=7).max_new_tokens == 7


def test_a_space_is_public_and_limited_from_the_start() -> None:
    settings = Settings.from_env({"SPACE_ID": "ann/demo", "SPACE_AUTHOR_NAME": "ann"})
    caps = Caps.of(settings)
    assert settings.public() and settings.author == "ann"
    assert caps.steps and caps.row_tokens and caps.minutes and caps.answer_tokens and caps.runs
    assert caps.seconds() == 60 * caps.minutes
    assert "ann/demo?duplicate=true" in caps.way_out()


def test_ones_own_machine_has_no_limits() -> None:
    assert Caps.of(Settings.from_env({})) == NO_CAPS


def test_a_workshops_limits_hold_unless_others_are_set() -> None:
    settings = Settings.from_env({"QLORA_DEMO_WORKSHOP": "blue-heron", "QLORA_DEMO_MAX_MINUTES": "9"})
    assert (settings.mode, settings.max_minutes, settings.max_runs) == ("public", 9, 2)
