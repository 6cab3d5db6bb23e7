"""Runs side by side: which is best, what could be luck, and what is recommended."""

from __future__ import annotations

from dataclasses import replace

from ui_examples import BAD, GOOD, REPORT, SAME, answered, job, made, run

from qlora_demo.comparison import Comparison, beyond_luck, kept_share, main_score, total_seconds


def test_the_main_score_is_of_the_kind_of_task() -> None:
    assert (main_score(made("a", answered(GOOD), 1)).name, main_score(made("a", answered(GOOD), 1)).value) == ("chrf", 90.0)
    assert main_score(made("a", answered([1.0, 0.0], accuracy=0.5, chrf=None), 1)).name == "accuracy"
    assert main_score(made("a", {**REPORT, "answers": [], "adapted": {"perplexity": 3.0}}, 1)).name == "perplexity"
    assert main_score(made("a", None, 1)) is None


def test_a_clear_lead_is_more_than_luck_and_a_small_one_is_not() -> None:
    assert beyond_luck(made("a", answered(GOOD), 1), made("b", answered(BAD), 1))
    assert not beyond_luck(made("a", answered(SAME), 1), made("b", answered(GOOD), 1))
    assert not beyond_luck(made("a", answered([90.0] * 3), 1), made("b", answered([20.0] * 3), 1))  # three rows prove nothing


def test_of_those_as_good_the_one_with_the_least_memory_is_recommended() -> None:
    small, large, bad = made("small", answered(GOOD), 1_000), made("large", answered(SAME), 4_000), made("bad", answered(BAD), 10)
    compared = Comparison([large, bad, small])
    assert [view.name for view in compared.ranked()] == ["large", "small", "bad"]
    assert [view.name for view in compared.as_good()] == ["large", "small"]
    assert compared.recommended() is small


def test_one_that_forgot_more_is_not_recommended_for_its_memory() -> None:
    small, large = made("small", answered(GOOD, kept=60), 1_000), made("large", answered(SAME), 4_000)
    assert Comparison([small, large]).recommended() is large
    assert kept_share(small) == 0.6


def test_where_nothing_can_be_said_nothing_is_recommended() -> None:
    a, other = made("a", answered(GOOD), 1), made("b", answered(GOOD, asked="other"), 1)
    assert not Comparison([a, other]).same_test() and Comparison([a, other]).recommended() is None
    assert Comparison([a, made("b", None, 1)]).recommended() is None
    assert not Comparison([a, run("queued")]).ready() and Comparison([a, other]).ready()


def test_a_run_that_failed_is_shown_and_spoils_nothing() -> None:
    compared = Comparison([made("good", answered(GOOD), 2), made("bad", answered(BAD), 1), made("failed", None, 1)])
    assert compared.same_test() and compared.learned() and compared.recommended().name == "good"
    no = [made(name, {**answered(GOOD), "learned": "no"}, 1) for name in "ab"]
    assert not Comparison([*no, made("failed", None, 1)]).learned()


def test_a_test_that_was_cut_short_is_held_against_on_what_both_were_asked() -> None:
    whole, cut = made("whole", answered(GOOD), 1), made("cut", answered(BAD[:6]), 1)
    assert Comparison([whole, cut]).same_test() and beyond_luck(whole, cut)
    assert not Comparison([whole, made("few", answered(BAD[:4], asked="x"), 1)]).same_test()


def test_plain_text_is_held_against_by_its_perplexity() -> None:
    reports = [{**REPORT, "answers": [], "adapted": {"accuracy": None, "chrf": None, "perplexity": value}} for value in (10.0, 10.1, 12.0)]
    best, near, far = (made(str(i), report, memory) for i, (report, memory) in enumerate(zip(reports, (3_000, 2_000, 1_000), strict=True)))
    assert not beyond_luck(best, near) and beyond_luck(best, far)
    assert Comparison([far, near, best]).recommended() is near


def test_a_report_of_an_earlier_version_proves_nothing_by_single_answers() -> None:
    old = answered(GOOD)
    old["answers"] = [{key: value for key, value in answer.items() if key != "adapted_score"} for answer in old["answers"]]
    assert not beyond_luck(made("a", old, 1), made("b", answered(BAD), 1))


def test_the_settings_that_differ_are_named() -> None:
    assert Comparison([made("a", None, 1), made("b", None, 1, method="full", learning_rate=5e-5)]).differing() == ["method", "learning_rate"]


def test_the_time_counts_from_its_turn_to_its_end() -> None:
    assert total_seconds(made("a", None, 1)) == job("finished").ended - job("finished").started
    assert total_seconds(replace(made("a", None, 1), job=replace(job("running"), ended=None))) is None
