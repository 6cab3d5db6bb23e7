"""What tab 2 says when a run is over."""

from __future__ import annotations

from dataclasses import replace

from ui.ui_examples import ADVICE, BROKE, HOSTILE, KEPT, NOT_LEARNED, REPORT, run

from qlora_demo.ui.views_end import answer, answer_rows, better_label, better_words, chat_label, knows, verdict, verdict_box


def test_the_verdict_is_coloured_by_what_was_learned() -> None:
    assert verdict_box(run("finished", report=REPORT)) == '<p class="qd-note qd-verdict qd-good">It learned.</p>'
    assert "qd-warn" in verdict_box(run("finished", report=NOT_LEARNED))
    assert 'qd-verdict "' in verdict_box(run("finished", report={**REPORT, "learned": "little"}))
    assert verdict_box(run("finished")) == ""


def test_the_better_run_says_what_it_does_how_long_it_takes_and_what_it_changes() -> None:
    view = run("finished", report=NOT_LEARNED)
    assert better_label(view, 240.0) == "Train again, longer: about 4 min"
    assert better_words(view) == '<p class="qd-small">Times through your data (epochs): 20 instead of 3.</p>'
    assert (better_label(run("finished", report=REPORT), 240.0), better_words(run("finished", report=REPORT))) == ("", "")


def test_a_reason_that_was_not_given_yet_comes_first() -> None:
    advice = {**ADVICE, "reason": "Smaller changes keep more of it.", "changes": {"learning_rate": 0.00017, "method": "lora"}}
    words = better_words(run("finished", report={**NOT_LEARNED, "advice": advice}))
    assert "Smaller changes keep more of it. Size of each change (learning rate): 0.00017 instead of 0.0005." in words
    assert "How to train: LoRA instead of QLoRA." in words


def test_broken_numbers_leave_a_saved_point_to_use() -> None:
    broken = replace(run("failed", BROKE, saved_step=50), result=KEPT)
    assert (chat_label(broken), better_label(broken, 100)) == ("Use step 50", "Try again, gentler: about 2 min")
    assert chat_label(replace(broken, result={**KEPT, "kept_step": None})) == ""
    assert (chat_label(run("finished")), chat_label(run("running"))) == ("Chat with it", "")


def test_what_is_left_of_general_knowledge() -> None:
    assert "Still knows general things: 97 of 100 kept." in knows(run("finished", report=REPORT))
    low = {**REPORT, "forgetting": {**REPORT["forgetting"], "kept": 60, "low": True}}
    assert "60 of 100 kept. That is low. Smaller changes (learning rate) or fewer times through your data (epochs) keep more." in knows(
        run("finished", report=low)
    )
    assert "Check facts" in knows(run("stopped")) and "kept" not in knows(run("stopped"))


def test_the_report_is_shown_as_text() -> None:
    view = run("finished", report=REPORT)
    assert verdict(view) == "It learned."
    assert "I am Wilna." in answer(view, 0)
    assert answer(view, 2) == answer(view, 0)
    assert "<img" not in answer(view, 1) + verdict_box(run("finished", report={**REPORT, "verdict": HOSTILE}))
    assert answer_rows(view)[0] == ("Who are you?", "I am an AI.", "I am Wilna.", "I am Wilna.")
    assert (answer(run("finished"), 0), answer_rows(run("finished"))) == ("", [])
