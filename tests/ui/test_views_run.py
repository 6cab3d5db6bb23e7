"""What tab 2 says during and after a training."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ui.ui_examples import HOSTILE, REPORT, run

from qlora_demo.ui.views_run import (
    POINTS,
    answer,
    answer_rows,
    numbers,
    phase,
    plot_rows,
    progress_bar,
    remark,
    resume_label,
    sentence,
    stop_label,
    title,
    verdict,
)


@pytest.mark.parametrize(
    ("view", "words"),
    [
        (run("queued", place=3), "You are 3rd in line. You can close this page."),
        (run("starting", phase="saving", step=60), "Getting ready"),
        (run(phase="getting", download_bytes=98_362_432), "Getting the base model (98 MB, once)"),
        (run(phase="loading"), "Reading the model"),
        (run(phase="fitting"), "Checking that it fits"),
        (run(phase="learning", step=42, seconds_left=38.0), "Learning · step 42 of 108 · about 40 s left"),
        (run(phase="testing", step=108), "Testing"),
        (run(phase="saving", step=108), "Saving"),
        (run("stopping", phase="learning", step=42), "Saving what it has learned so far, a few seconds."),
        (run("finished", phase="saving"), "Done"),
    ],
)
def test_sentences_of_the_phases(view, words: str) -> None:
    assert sentence(view) == words


def test_what_is_announced_does_not_change_with_each_step() -> None:
    assert phase(run(phase="learning", step=42)) == phase(run(phase="learning", step=43)) == "Learning"


def test_the_bar_is_gone_when_it_is_over() -> None:
    assert "38 %" not in progress_bar(run("finished"))
    assert "37 %" in progress_bar(run(phase="learning", step=42))


@pytest.mark.parametrize(
    ("view", "words"),
    [
        (run(continued_from=50, phase="learning"), "Training continued from step 50; nothing before it was lost."),
        (run("failed", "Training ended unexpectedly.", saved_step=50), "Training ended unexpectedly. Saved up to step 50."),
        (run("failed", "It broke. Saved up to step 50.", saved_step=50), "It broke. Saved up to step 50."),
        (run("stopped", step=60), "Stopped by you at step 60 of 108."),
        (run("running", phase="learning"), ""),
        (run("finished"), ""),
    ],
)
def test_remarks(view, words: str) -> None:
    assert remark(view)[0] == words


def test_buttons_say_what_they_do() -> None:
    assert [resume_label(run("failed", saved_step=50)), resume_label(run("interrupted")), resume_label(run("finished"))] == [
        "Continue from step 50",
        "Try again",
        "",
    ]
    assert [stop_label(run("queued")), stop_label(run("running")), stop_label(run("finished"))] == [
        "Leave the line",
        "Stop and keep what it learned",
        "",
    ]


def test_title_compares_the_time_with_what_was_expected() -> None:
    assert "done in 2 min 51 s (3 min expected)" in title(run("finished"))


def test_the_report_is_shown_as_text() -> None:
    view = run("finished", report=REPORT)
    assert verdict(view) == "It learned."
    assert "I am Wilna." in answer(view, 0)
    assert answer(view, 2) == answer(view, 0)
    assert "<img" not in answer(view, 1) + title(replace(view, name=HOSTILE))
    assert answer_rows(view)[0] == ("Who are you?", "I am an AI.", "I am Wilna.", "I am Wilna.")
    assert (answer(run("finished"), 0), answer_rows(run("finished"))) == ("", [])


def test_plot_keeps_the_newest_point_of_many() -> None:
    view = run(points=tuple((i, 1.0) for i in range(1, 1001)), held_out=((500, 2.0),))
    rows = plot_rows(view)
    assert rows[-1] == (500, 2.0, "rows set aside")
    yours = [row for row in rows if row[2] == "your rows" and row[1] is not None]
    assert yours[-1] == (1000, 1.0, "your rows")
    assert len(yours) <= POINTS


def test_numbers_leave_out_what_is_not_known() -> None:
    assert numbers(run()) == [("Rows to learn from", "108")]
    known = dict(numbers(run("finished", report=REPORT, memory_bytes=5_000_000_000, points=((1, 2.0),))))
    assert known["Memory"] == "5.0 GB used, 5.1 GB expected"
    assert known["Held-out loss, your model"] == "1.250"
