"""What the header and My models say."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest
from ui.ui_examples import HOSTILE, REPORT, run, with_model

from qlora_demo.jobs.ledger import EVERYONE
from qlora_demo.owners import LOCAL
from qlora_demo.ui.views_models import IDLE, activity, chat_choices, chat_waits, delete_question, detail, example_offer, header, run_choices


@pytest.mark.parametrize(
    ("view", "words"),
    [
        (None, IDLE),
        (run("queued", place=3, starts_in=420.0), "You are 3rd in line, about 7 min"),
        (run("queued", place=1), "You are next in line"),
        (run(phase="learning", step=42, seconds_left=38.0), "Yours is training: 37 %, 40 s left"),
        (run(phase="testing"), "Yours is training: 97 %"),
    ],
)
def test_activity(view, words: str) -> None:
    assert activity(view) == words


def test_header_has_the_one_first_heading() -> None:
    text = header("CPU, 2 cores", 21_000_000_000, IDLE)
    assert text.count("<h1>") == 1
    assert "CPU, 2 cores · 21 GB memory free" in text


def test_lists() -> None:
    views = [run("finished"), run("stopped", step=60), run("running", phase="learning"), run("failed")]
    assert [label.splitlines()[1] for label, _ in run_choices(views)] == [
        "ready · SmolLM2 135M",
        "stopped at step 60 · SmolLM2 135M",
        "training · SmolLM2 135M",
        "ended early · SmolLM2 135M",
    ]
    assert len(chat_choices(views)) == 2


def test_detail_shows_the_verdict_and_escapes_the_name() -> None:
    text = detail(with_model(run("finished", report=REPORT), HOSTILE))
    assert "It learned." in text
    assert "<img" not in text


def test_a_full_disk_stands_at_the_top() -> None:
    said = "The disk of this machine is full: nothing new can be trained or uploaded."
    assert said in header("CPU, 2 cores", 21_000_000_000, IDLE, disk_full=True)
    assert said not in header("CPU, 2 cores", 21_000_000_000, IDLE)


def test_until_when_a_model_is_kept() -> None:
    first = time.mktime((2026, 12, 1, 12, 0, 0, 0, 0, -1))
    assert "It learned. Kept until 1 Dec." in detail(replace(run("finished", report=REPORT), keeps_until=first))
    assert "Kept until" not in detail(run("finished", report=REPORT))


def test_delete_says_what_goes() -> None:
    assert delete_question(run("finished")) == "Delete 'customers, 24 Nov'? Model, data and report go for good."


def example(state: str):
    view = run(state, phase="learning", step=42, seconds_left=38.0)
    return replace(view, job=replace(view.job, owner=EVERYONE))


def test_a_model_without_weights_cannot_be_chatted_with() -> None:
    stopped = replace(run("stopped"), result={"outcome": "stopped", "reason": "Stopped while the base model was fetched."})
    assert chat_choices([stopped]) == []


def test_chat_says_why_it_waits_and_when_it_opens() -> None:
    view = run(phase="learning", step=42, seconds_left=38.0)
    assert chat_waits(None, 0.0, True, LOCAL) == ""
    assert chat_waits(view, 0.0, False, LOCAL) == "This machine is training (yours, about 40 s left). Chat opens by itself when it is done."
    others = chat_waits(view, 0.0, False, "somebody else")
    assert others == "This machine is training (another visitor's, about 40 s left). Chat opens by itself when it is done."
    kept = "Your chat was paused to make room; the conversation is kept."
    assert chat_waits(example("running"), 0.0, True, LOCAL).startswith(f"This machine is training (the example, about 40 s left). {kept}")


def test_the_example_is_offered_trained_once_and_named_in_the_header() -> None:
    assert example_offer(None)[1] == "Train the example, a few minutes"
    assert example_offer(example("failed"))[1] == "Train the example, a few minutes"
    assert example_offer(example("running")) == ("Everyone's example is being trained. You can chat with it here when it is done.", "")
    assert activity(example("running")) == "The example is training: 37 %, 40 s left"


@pytest.mark.parametrize(
    ("others", "words"),
    [((False, 0), IDLE), ((True, 0), "Someone else is training"), ((True, 2), "Someone else is training, 2 waiting"), ((False, 2), IDLE)],
)
def test_of_others_only_their_number_is_told(others: tuple[bool, int], words: str) -> None:
    assert activity(None, others) == words
