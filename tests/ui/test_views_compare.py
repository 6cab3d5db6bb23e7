"""What a comparison says."""

from __future__ import annotations

from dataclasses import replace

from ui_examples import BAD, GOOD, HOSTILE, SAME, answered, made, run

from qlora_demo.comparison import MOST, Comparison
from qlora_demo.progress import Progress
from qlora_demo.ui.views_compare import comparison, figures, key, plot_rows, sentence, settings


def test_the_sentence_names_the_best_what_could_be_luck_and_what_to_take() -> None:
    three = [made("Full", answered(SAME), 4_000_000_000), made("QLoRA", answered(GOOD), 1_200_000_000), made("tiny", answered(BAD), 10)]
    assert sentence(Comparison(three)) == (
        "Best on the rows set aside: 'Full' (90.5 of 100). Its lead over 'QLoRA' could be luck. "
        "Take 'QLoRA': of those that are as good, it needed the least memory (1.2 GB)."
    )
    two = [three[1], three[2]]
    assert sentence(Comparison(two)) == "Best on the rows set aside: 'QLoRA' (90.0 of 100). Its lead is more than luck. Take 'QLoRA'."


def test_what_cannot_be_said_yet_or_at_all_is_said_to_be_so() -> None:
    done, other = made("a", answered(GOOD), 1), made("b", answered(GOOD, asked="other"), 1)
    assert sentence(Comparison([done, run("running")])) == "1 training of 2 not done yet. What follows is said when all are over."
    assert sentence(Comparison([done, other])).startswith("These were tested on different rows")
    assert sentence(Comparison([done, made("b", None, 1)])).startswith("Fewer than two of these were tested")


def test_where_none_has_learned_none_is_recommended() -> None:
    two = [made("a", {**answered(GOOD), "learned": "no"}, 1), made("b", {**answered(BAD), "learned": "no"}, 1)]
    told = "None of these has learned your answers, so none is to be recommended. Train longer, or with more rows."
    assert sentence(Comparison(two)).endswith(told)


def test_the_table_has_a_column_a_run_and_a_bar_a_figure() -> None:
    table = figures(Comparison([made("a", answered(GOOD), 2_000_000_000), made("b", answered(BAD), 1_000_000_000)]))
    assert '<th scope="col">1. a</th><th scope="col">2. b</th>' in table
    assert "90.0" in table and "20.0" in table and "97 %" in table and "4.9 million" in table and "10 MB" in table
    assert 'aria-label="Memory: 1.0 GB"><span style="width:50%">' in table
    assert "Right on the rows set aside" not in table  # nobody sorts here


def test_settings_that_differ_are_shown_in_words() -> None:
    table = settings(Comparison([made("a", None, 1), made("b", None, 1, method="full", learning_rate=5e-5)]))
    assert "<td>QLoRA</td><td>Full</td>" in table and "5e-05" in table and "Times through your data" not in table
    assert "None" in settings(Comparison([made("a", None, 1), made("b", None, 1)]))


def test_names_stay_text() -> None:
    hostile = replace(made("a", answered(GOOD), 1), name=HOSTILE)
    for text in (comparison(Comparison([hostile, made("b", answered(BAD), 1)])), key([hostile], ["x"])):
        assert "<img" not in text and "&lt;img" in text


def test_the_plot_knows_every_series_from_the_first() -> None:
    assert [row[2] for row in plot_rows(Comparison([]))] == [f"run {number}" for number in range(1, MOST + 1)]
    long = replace(made("a", None, 1), progress=Progress(held_out=tuple((i, 1.0 / i) for i in range(1, 500))))
    points = [row for row in plot_rows(Comparison([long])) if row[1] is not None]
    assert len(points) <= 80 and points[-1][0] == 499 and {row[2] for row in points} == {"run 1"}
