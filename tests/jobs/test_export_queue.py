"""The line of exports: each change is one statement, what is there twice is there once, and a restart loses nothing but a token."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from qlora_demo.jobs.export_queue import PREPARE, PUSH, SENDING_LOST, ExportQueue
from qlora_demo.jobs.ledger import Ledger


@pytest.fixture
def queue(tmp_path: Path) -> ExportQueue:
    return ExportQueue(Ledger(tmp_path / "ledger.sqlite"))


def test_one_runs_at_a_time_in_the_order_of_their_coming(queue: ExportQueue) -> None:
    first, second = queue.add("a", "merged", PREPARE, "me"), queue.add("b", "merged", PREPARE, "you")
    assert queue.next() == first and (queue.ahead(first), queue.ahead(second)) == (0, 1)
    assert queue.begin(first.id) and not queue.begin(second.id)
    assert queue.next() is None
    queue.tell(first.id, 0.4, "Converting")
    told = queue.of_run("a")["merged", PREPARE]
    assert (told.state, told.share, told.doing) == ("running", 0.4, "Converting")
    assert queue.end(first.id, "finished") and not queue.end(first.id, "failed", "too late")
    assert queue.next() == second


def test_a_second_click_changes_nothing_and_a_later_one_begins_anew(queue: ExportQueue) -> None:
    first = queue.add("a", "merged", PREPARE, "me")
    queue.begin(first.id)
    assert queue.add("a", "merged", PREPARE, "me").state == "running"
    queue.end(first.id, "failed", "The disk is full.")
    again = queue.add("a", "merged", PREPARE, "me")
    assert (again.id, again.state, again.reason, again.share) == (first.id, "queued", "", 0.0)


def test_many_threads_begin_one(queue: ExportQueue) -> None:
    ids = [queue.add(f"run-{i}", "merged", PREPARE, "me").id for i in range(8)]
    begun: list[int] = []
    threads = [threading.Thread(target=lambda i=i: begun.append(i) if queue.begin(i) else None) for i in ids]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(begun) == 1


def test_after_a_restart_preparing_begins_anew_and_sending_says_that_it_was_lost(queue: ExportQueue) -> None:
    running, sending = queue.add("a", "merged", PREPARE, "me"), queue.add("a", "merged", PUSH, "me", "me/x")
    waits = queue.add("b", "merged", PUSH, "me")
    queue.begin(running.id)
    queue.put_back()
    assert queue.next() == running
    ended = queue.of_run("a")["merged", PUSH]
    assert (ended.id, ended.state, ended.reason, ended.target) == (sending.id, "failed", SENDING_LOST, "me/x")
    assert queue.of_run("b")["merged", PUSH].id == waits.id and not queue.of_run("b")["merged", PUSH].open()


def test_a_deleted_run_leaves_no_row(queue: ExportQueue) -> None:
    queue.add("a", "merged", PREPARE, "me")
    queue.add("b", "merged", PREPARE, "me")
    assert queue.in_line("me") == 2
    queue.remove_run("a")
    assert queue.of_run("a") == {} and queue.in_line("me") == 1
