"""A download as events, and what the page says of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from ui.ui_examples import run

from qlora_demo.events import EventWriter, read_events
from qlora_demo.jobs.download import DownloadEvents
from qlora_demo.progress import amount, progress_of
from qlora_demo.ui.views_run import phase, sentence

GB = 1_000_000_000


class Clock:
    """Seconds that pass only when told."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def downloads(path: Path) -> list[tuple[int, int, float | None]]:
    return [(e["done"], e["total"], e["seconds_left"]) for e in read_events(path)[0] if e["type"] == "download"]


@pytest.mark.parametrize(
    ("done", "total", "words"),
    [(3_100_000_000, 8_000_000_000, "3.1 of 8.0 GB"), (0, 65_500_000_000, "0.0 of 65.5 GB"), (12_300_000, 98_400_000, "12 of 98 MB")],
)
def test_amounts(done: int, total: int, words: str) -> None:
    assert amount(done, total) == words


def test_an_event_a_second_with_the_time_that_the_rest_takes(tmp_path: Path) -> None:
    clock = Clock()
    watch = DownloadEvents(EventWriter(tmp_path / "events.jsonl", 1), lambda: "", clock)
    for half in range(9):  # 10 bytes a second
        clock.seconds = half / 2
        assert watch(5 * half + 100, 1000) is False
    assert downloads(tmp_path / "events.jsonl") == [
        (100, 1000, None),
        (110, 1000, None),
        (120, 1000, 88.0),
        (130, 1000, 87.0),
        (140, 1000, 86.0),
    ]


def test_the_pace_is_that_of_the_last_ten_seconds(tmp_path: Path) -> None:
    clock = Clock()
    watch = DownloadEvents(EventWriter(tmp_path / "events.jsonl", 1), lambda: "", clock)
    done = 0
    for second in range(30):
        clock.seconds = float(second)
        done += 100 if second < 10 else 10
        watch(done, 10_000)
    assert downloads(tmp_path / "events.jsonl")[-1] == (1200, 10_000, 880.0)
    for second in range(30, 45):  # it stands still: no time is promised
        clock.seconds = float(second)
        watch(done, 10_000)
    assert downloads(tmp_path / "events.jsonl")[-1] == (1200, 10_000, None)


def test_nothing_is_written_while_nothing_is_known_and_the_end_once(tmp_path: Path) -> None:
    clock = Clock()
    watch = DownloadEvents(EventWriter(tmp_path / "events.jsonl", 1), lambda: "", clock)
    for done, total in [(0, 0), (0, 1000), (400, 1000), (1000, 1000), (1000, 1000)]:
        clock.seconds += 0.5
        watch(done, total)
    assert downloads(tmp_path / "events.jsonl") == [(400, 1000, None), (1000, 1000, None)]


@pytest.mark.parametrize(("asked", "ends"), [("", False), ("stop", True), ("interrupt", True)])
def test_a_stop_that_is_asked_ends_the_download(tmp_path: Path, asked: str, ends: bool) -> None:
    assert DownloadEvents(EventWriter(tmp_path / "events.jsonl", 1), lambda: asked)(0, 0) is ends


def test_a_run_knows_the_newest_download_of_its_newest_attempt(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    first = EventWriter(path, 1)
    first.write("phase", phase="getting", bytes=8 * GB)
    assert progress_of(read_events(path)[0]).download_total == 0
    first.write("download", done=1, total=10, seconds_left=None)
    first.write("download", done=2, total=10, seconds_left=4.0)
    first.close()
    progress = progress_of(read_events(path)[0])
    assert (progress.downloaded, progress.download_total, progress.download_seconds_left) == (2, 10, 4.0)
    second = EventWriter(path, 2)
    second.write("phase", phase="getting", bytes=8 * GB)
    progress = progress_of(read_events(path)[0])
    assert (progress.downloaded, progress.download_total, progress.download_seconds_left) == (0, 0, None)


@pytest.mark.parametrize(
    ("view", "words"),
    [
        (run(phase="getting", download_bytes=8 * GB), "Getting the base model (8.0 GB, once)"),
        (
            run(phase="getting", download_bytes=8 * GB, downloaded=3_100_000_000, download_total=8_050_000_000, download_seconds_left=240.0),
            "Getting the base model (3.1 of 8.1 GB, once) · about 4 min left",
        ),
        (run(phase="getting", downloaded=3_100_000_000, download_total=8 * GB), "Getting the base model (3.1 of 8.0 GB, once)"),
        (run(phase="loading", downloaded=8 * GB, download_total=8 * GB), "Reading the model"),
        (run("stopping", phase="getting", downloaded=1, download_total=8 * GB), "Stopping, a few seconds."),
    ],
)
def test_sentences_of_a_download(view, words: str) -> None:
    assert sentence(view) == words


def test_what_is_announced_does_not_change_with_each_byte() -> None:
    views = [run(phase="getting", downloaded=done, download_total=8 * GB) for done in (1, 3 * GB)]
    assert phase(views[0]) == phase(views[1]) == "Getting the base model (8.0 GB, once)"
