"""What tab 2 says during and after a training."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ui.ui_examples import BROKE, HOSTILE, KEPT, run

from qlora_demo.ui.views_run import phase, progress_bar, remark, resume_label, sentence, stop_label, title


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
    assert "· done in 2 min 51 s (3 min expected)" in title(run("finished"))
    assert "<img" not in title(replace(run("finished"), name=HOSTILE))


def test_what_was_changed_to_make_it_fit_is_said_during_and_after() -> None:
    halved = "It did not fit, so we halved the group of rows read at once and went on."
    going_on = replace(run(phase="learning"), changed=(halved,))
    assert remark(going_on) == (halved, "qd-warn")
    assert remark(replace(run("finished"), changed=(halved,))) == (halved, "")
    both, kind = remark(replace(run(phase="learning", continued_from=50), changed=(halved,)))
    assert (both, kind) == (f"{halved} Training continued from step 50; nothing before it was lost.", "qd-warn")
    assert remark(replace(run("failed", "It broke."), changed=(halved,))) == (f"{halved} It broke.", "qd-bad")


def test_going_on_is_not_offered_where_it_would_break_again() -> None:
    broken = replace(run("failed", BROKE, saved_step=50), result=KEPT)
    assert resume_label(broken) == ""
    assert remark(broken) == (BROKE, "qd-bad")


def test_going_on_is_not_offered_where_the_time_is_over() -> None:
    reason = "Stopped at this demo's 5 minutes. What it learned until step 80 is kept."
    over = replace(run("stopped", reason, saved_step=80), result={"outcome": "stopped", "reason": reason, "artifact_bytes": 1, "time_is_up": True})
    assert (resume_label(over), remark(over)) == ("", (reason, ""))
    assert over.usable()
