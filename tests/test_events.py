"""Events: appended whole, tailed by offset, torn lines cut off."""

from __future__ import annotations

from pathlib import Path

from qlora_demo.events import EventWriter, latest_by_step, read_events
from qlora_demo.progress import progress_of


def test_a_reader_goes_on_where_it_was(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    writer = EventWriter(path, 1)
    writer.write("phase", phase="learning")
    events, offset = read_events(path)
    writer.write("step", 1, loss=2.0)
    more, end = read_events(path, offset)
    assert [e["type"] for e in events + more] == ["phase", "step"]
    assert [e["seq"] for e in events + more] == [0, 1]
    assert end == path.stat().st_size


def test_a_partial_last_line_waits(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    EventWriter(path, 1).write("step", 1, loss=2.0)
    with path.open("ab") as file:
        file.write(b'{"attempt": 1, "seq"')
    assert len(read_events(path)[0]) == 1


def test_a_new_attempt_cuts_off_a_torn_line_and_counts_on(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    EventWriter(path, 1).write("step", 1, loss=2.0)
    with path.open("ab") as file:
        file.write(b'{"torn')
    EventWriter(path, 2).write("step", 1, loss=1.0)
    events, _ = read_events(path)
    assert [(e["attempt"], e["seq"]) for e in events] == [(1, 0), (2, 1)]


def test_the_highest_attempt_of_a_step_counts() -> None:
    events = [{"type": "step", "attempt": a, "step": s, "loss": a * 10 + s} for a, s in [(1, 1), (1, 2), (1, 3), (2, 2)]]
    assert [e["loss"] for e in latest_by_step(events, "step")] == [11, 22, 13]


def test_no_events_is_waiting() -> None:
    assert progress_of([]).phase == "waiting"


def test_progress_adds_up_two_attempts(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    first = EventWriter(path, 1)
    first.write("plan", steps=4, tokens=10, rows=2, trainable_parameters=7)
    for step in (1, 2, 3):
        first.write("step", step, loss=float(step), seconds_left=9.0)
    first.write("checkpoint", 2)
    second = EventWriter(path, 2)
    second.write("plan", steps=4, tokens=10, rows=2, trainable_parameters=7)
    second.write("phase", phase="learning")
    second.write("step", 3, loss=0.5, seconds_left=1.0)
    second.write("held_out", 3, loss=0.7)
    progress = progress_of(read_events(path)[0])
    assert (progress.step, progress.steps, progress.phase, progress.attempt) == (3, 4, "learning", 2)
    assert progress.points == ((1, 1.0), (2, 2.0), (3, 0.5))
    assert (progress.saved_step, progress.continued_from) == (2, 2)
    assert progress.held_out == ((3, 0.7),)
