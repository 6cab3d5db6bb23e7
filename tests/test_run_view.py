"""What a run's files say of it: what can be used, what would be better, what was changed."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ui.ui_examples import ADVICE, GENTLER, KEPT, NOT_LEARNED, REPORT, run

from qlora_demo.catalogue import find_model
from qlora_demo.errors import BusyError, ModelError
from qlora_demo.recipe import Recipe
from qlora_demo.run_view import check_askable


def test_the_results_advice_comes_before_the_reports() -> None:
    view = run("finished", report=NOT_LEARNED)
    assert view.advice() == ADVICE
    assert replace(view, result={"outcome": "finished", "advice": None}).advice() == ADVICE
    assert replace(view, result=KEPT).advice() == GENTLER
    assert (run("finished", report=REPORT).advice(), run("running").advice()) == (None, None)


def test_two_models_of_one_base_packed_alike_can_be_compared_and_others_are_told_why_not() -> None:
    view = replace(run("finished"), name="Mine", result={"artifact_bytes": 1})
    other = replace(view, name="Other", recipe=replace(view.recipe, method="qlora" if view.recipe.method == "qlora" else "full"))
    check_askable(view, other)
    with pytest.raises(BusyError, match="Other is not finished"):
        check_askable(view, replace(other, result=None))
    with pytest.raises(BusyError, match="This model is not finished"):
        check_askable(replace(view, result=None))
    with pytest.raises(ModelError, match="Other was trained on Qwen3 4B, Mine on .*Compare two models with the same base model"):
        check_askable(view, replace(other, model=find_model("Qwen/Qwen3-4B-Instruct-2507")))
    packed, whole = (replace(view, recipe=replace(view.recipe, method=method)) for method in ("qlora", "lora"))
    with pytest.raises(ModelError, match="trained with QLoRA, on a base model packed to 4 bits, and the other was not"):
        check_askable(packed, whole)


def test_the_better_recipe_differs_in_the_advised_fields_alone() -> None:
    view = run("finished", report=NOT_LEARNED)
    assert view.better() == replace(view.recipe, epochs=20.0)
    assert run("finished", report=REPORT).better() is None


def test_smaller_steps_never_hold_fewer_rows_than_are_read_at_once() -> None:
    view = replace(run("finished", report={**NOT_LEARNED, "advice": {**ADVICE, "changes": {"batch_size": 2}}}), recipe=Recipe(micro_batch_size=8))
    assert (view.better().batch_size, view.better().micro_batch_size) == (2, 2)


def test_a_failed_run_can_be_used_from_a_kept_point() -> None:
    view = replace(run("failed"), result=KEPT)
    assert (view.kept_step(), view.usable()) == (50, True)
    assert not replace(view, result={"outcome": "failed", "reason": ""}).usable()
    assert (run("finished").kept_step(), run("finished").usable()) == (None, True)
