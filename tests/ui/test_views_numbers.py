"""The error plot and the figures of a run."""

from __future__ import annotations

from dataclasses import replace

from ui.ui_examples import FIT, HOSTILE, REPORT, run

from qlora_demo.progress import smoothed
from qlora_demo.ui.views_numbers import ASIDE_ROWS, EACH_STEP, POINTS, YOUR_ROWS, compared, measured, numbers, plot_rows, scores


def values(view) -> dict[str, str]:
    """Figures by their labels."""
    return {label: value for label, _, value in measured(view)}


def test_the_plot_has_three_series_and_keeps_the_newest_point_of_many() -> None:
    points = tuple((i, 1.0 + i % 2) for i in range(1, 1001))
    rows = plot_rows(run(points=points, held_out=((500, 2.0), (1000, 1.5))))
    assert len(rows) <= 400
    by_series = {series: [row[:2] for row in rows if row[2] == series and row[1] is not None] for series in (EACH_STEP, YOUR_ROWS, ASIDE_ROWS)}
    assert by_series[EACH_STEP][-1] == points[-1]
    assert by_series[YOUR_ROWS][-1] == smoothed(points)[-1]
    assert by_series[ASIDE_ROWS] == [(500, 2.0), (1000, 1.5)]
    assert max(map(len, by_series.values())) <= POINTS


def test_every_series_is_there_from_the_first_drawing() -> None:
    assert {row[2] for row in plot_rows(run(points=((1, 2.0),)))} == {EACH_STEP, YOUR_ROWS, ASIDE_ROWS}


def test_figures_leave_out_what_is_not_known() -> None:
    waiting = run("queued")
    assert values(replace(waiting, job=replace(waiting.job, started=None))) == {"Rows to learn from": "108"}
    known = values(run(memory_bytes=5_000_000_000, points=((1, 2.0),), held_out=((1, 1.9),), learning_rate=2e-4, gradient_norm=1.5))
    assert known["Memory"] == "5.0 GB used, 5.1 GB expected"
    assert known["Error on your rows (loss)"] == "2.000"
    assert known["Size of each change now (learning rate)"] == "2.00e-04"
    assert known["Strength of the pull (gradient norm)"] == "1.50"


def test_the_first_step_shows_how_it_fits() -> None:
    known = values(run(fit=FIT))
    assert known["Memory at the first step"] == "4.9 GB used, 5.0 GB expected"
    assert (known["Rows at once (micro-batch)"], known["Recomputes to save memory (checkpointing)"]) == ("2", "yes")


def test_the_time_that_it_took_stands_beside_what_was_expected() -> None:
    assert values(run("finished"))["Time"] == "2 min 51 s, 3 min expected"
    assert values(run(seen=140.0))["Time"] == "30 s so far, 3 min expected"


def test_at_the_end_the_highest_point_of_the_memory_counts() -> None:
    done = run("finished", memory_bytes=5_000_000_000, learning_rate=0.0, saved_step=50)
    peak = values(replace(done, result={"outcome": "finished", "artifact_bytes": 1, "peak_memory_bytes": 5_200_000_000}))
    assert peak["Memory"] == "5.2 GB used, 5.1 GB expected"
    assert not peak.keys() & {"Newest saved point", "Size of each change now (learning rate)"}


def test_both_sides_of_every_score_that_is_known() -> None:
    found = {label: (base, yours) for label, _, base, yours in scores(run("finished", report=REPORT))}
    assert found == {
        "Error (loss)": ("2.500", "1.250"),
        "Perplexity": ("12.2", "3.49"),
        "Exact match": ("0 %", "50 %"),
        "Likeness of the text (chrF)": ("9.0", "62.5"),
    }
    assert scores(run("finished")) == []


def test_large_perplexities_stay_readable() -> None:
    sides = {side: {"loss": None, "perplexity": value} for side, value in (("base", 1159.2), ("adapted", 1e30))}
    assert scores(run("finished", report={**REPORT, **sides})) == [
        ("Perplexity", "Between how many next word pieces it wavers. 1 is certain.", "1,159", "1e+30")
    ]


def test_sorting_is_held_against_the_commonest_label() -> None:
    sides = {side: {**REPORT[side], "accuracy": share, "chrf": None} for side, share in (("base", 0.08), ("adapted", 0.85))}
    view = run("finished", report={**REPORT, **sides, "majority": {"label": "happy", "accuracy": 0.525}, "p_value": 0.0005})
    assert ("8 %", "85 %") in [row[2:] for row in scores(view)]
    rows = {label: value for label, _, value in compared(view)}
    assert rows["Always saying 'happy' (majority class)"] == "52 %"
    assert rows["Could be luck (sign test)"] == "0.1 %"


def test_the_tables_hold_words_for_each_figure_and_nobodys_html() -> None:
    view = run("finished", report={**REPORT, "majority": {"label": HOSTILE, "accuracy": 0.5}}, notes=(HOSTILE,))
    assert "<img" not in numbers(view) and "&lt;img" in numbers(view)
    for words in ("How surprised it is by the right answer.", "yours 2, base 0, the same 0", "2.900 before, 2.950 after"):
        assert words in numbers(view)
