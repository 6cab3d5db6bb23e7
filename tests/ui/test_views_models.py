"""What the header and My models say."""

from __future__ import annotations

import pytest
from ui.ui_examples import HOSTILE, REPORT, run, with_model

from qlora_demo.ui.views_models import IDLE, activity, chat_choices, delete_question, detail, header, run_choices


@pytest.mark.parametrize(
    ("view", "words"),
    [
        (None, IDLE),
        (run("queued", place=3), "You are 3rd in line"),
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


def test_delete_says_what_goes() -> None:
    assert delete_question(run("finished")) == "Delete 'customers, 24 Nov'? Model, data and report go for good."
