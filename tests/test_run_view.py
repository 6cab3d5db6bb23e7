"""What a run's files say of it: what can be used, what would be better, what was changed."""

from __future__ import annotations

from dataclasses import replace

from ui.ui_examples import ADVICE, GENTLER, KEPT, NOT_LEARNED, REPORT, run

from qlora_demo.recipe import Recipe


def test_the_results_advice_comes_before_the_reports() -> None:
    view = run("finished", report=NOT_LEARNED)
    assert view.advice() == ADVICE
    assert replace(view, result={"outcome": "finished", "advice": None}).advice() == ADVICE
    assert replace(view, result=KEPT).advice() == GENTLER
    assert (run("finished", report=REPORT).advice(), run("running").advice()) == (None, None)


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
