"""Watch it learn, the first step's memory and the smoothed error, as events add up to them."""

from __future__ import annotations

from pathlib import Path

import pytest

from qlora_demo.events import EventWriter, read_events
from qlora_demo.progress import Watched, evaluation_steps, progress_of, smoothed

QUESTIONS = [{"question": "Who?", "expected": "Wilna.", "set_aside": True}, {"question": "Why?", "expected": "So.", "set_aside": False}]


def test_answers_are_sorted_by_step_and_the_last_attempts_win(tmp_path: Path) -> None:
    first = EventWriter(tmp_path / "events.jsonl", 1)
    first.write("watch", questions=QUESTIONS)
    for step, index, answer in ((0, 0, "An AI."), (0, 1, "Because."), (5, 0, "Wil"), (10, 0, "lost with this attempt")):
        first.write("sample", step, index=index, answer=answer)
    first.close()
    second = EventWriter(tmp_path / "events.jsonl", 2)
    second.write("watch", questions=QUESTIONS)
    second.write("sample", 10, index=0, answer="Wilna.")
    second.write("fit", micro_batch_size=2, checkpointing=False, predicted_bytes=10, measured_bytes=9)
    second.close()
    progress = progress_of(read_events(tmp_path / "events.jsonl")[0])
    assert progress.watched == (
        Watched("Who?", "Wilna.", True, ((0, "An AI."), (5, "Wil"), (10, "Wilna."))),
        Watched("Why?", "So.", False, ((0, "Because."),)),
    )
    assert progress.fit is not None and progress.fit["measured_bytes"] == 9


def test_without_questions_nothing_is_watched(tmp_path: Path) -> None:
    writer = EventWriter(tmp_path / "events.jsonl", 1)
    writer.write("phase", phase="loading")
    progress = progress_of(read_events(tmp_path / "events.jsonl")[0])
    assert (progress.watched, progress.fit) == ((), None)


@pytest.mark.parametrize(
    ("steps", "evaluations", "expected"), [(108, 3, {36, 72, 108}), (80, 3, {27, 53, 80}), (1, 3, {1}), (2, 100, {1, 2}), (50, 0, set())]
)
def test_tests_are_spread_evenly_and_the_last_step_is_among_them(steps: int, evaluations: int, expected: set[int]) -> None:
    assert evaluation_steps(steps, evaluations) == expected


def test_a_smoothed_curve_begins_at_the_first_point_and_follows_the_rest() -> None:
    assert smoothed(((1, 4.0),)) == ((1, pytest.approx(4.0)),)
    assert [loss for _, loss in smoothed(tuple((i, 2.0) for i in range(1, 9)))] == pytest.approx([2.0] * 8)
    noisy = tuple((i, 1.0 + (i % 2)) for i in range(1, 101))
    assert [step for step, _ in smoothed(noisy)] == list(range(1, 101))
    assert all(1.4 < loss < 1.6 for _, loss in smoothed(noisy)[30:])
    assert smoothed(()) == ()
