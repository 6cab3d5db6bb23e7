"""The line of exports: each change is one statement, what is there twice is there once, and a restart loses nothing but a token."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from qlora_demo.jobs.export_queue import PREPARE, PUSH, SENDING_LOST, Export, ExportQueue
from qlora_demo.jobs.ledger import Ledger


@pytest.fixture
def queue(tmp_path: Path) -> ExportQueue:
    return ExportQueue(Ledger(tmp_path / "ledger.sqlite"))


def added(queue: ExportQueue, run: str, op: str = PREPARE, owner: str = "me", target: str = "") -> Export:
    assert queue.add(run, "merged", op, owner, target)
    return queue.of_run(run, owner)["merged", op]


def test_one_runs_at_a_time_in_the_order_of_their_coming(queue: ExportQueue) -> None:
    first, second = added(queue, "a"), added(queue, "b", owner="you")
    assert queue.open() == [first, second] and (queue.ahead(first), queue.ahead(second)) == (0, 1)
    assert queue.begin(first.id) and not queue.begin(second.id)
    assert queue.tell(first.id, 0.4, "Converting")
    told = queue.of_run("a", "me")["merged", PREPARE]
    assert (told.state, told.share, told.doing) == ("running", 0.4, "Converting") and queue.open() == [told, second]
    assert queue.end(first.id, "finished") and not queue.end(first.id, "failed", "too late")
    assert queue.open() == [second] and not queue.is_open(first.id) and not queue.tell(first.id, 0.5, "")


def test_a_second_click_changes_nothing_and_a_later_one_begins_anew(queue: ExportQueue) -> None:
    first = added(queue, "a")
    queue.begin(first.id)
    assert not queue.add("a", "merged", PREPARE, "me")
    queue.end(first.id, "failed", "The disk is full.")
    again = added(queue, "a")
    assert (again.id, again.state, again.reason, again.share) == (first.id, "queued", "", 0.0)
    assert not queue.end(first.id, "failed", "what was begun before")  # it waits, and is not ended by the first one's end


def test_each_owner_sends_for_themselves(queue: ExportQueue) -> None:
    mine, yours = added(queue, "example", PUSH, "me", "me/x"), added(queue, "example", PUSH, "you", "you/x")
    assert mine.id != yours.id and queue.of_run("example", "me")["merged", PUSH].target == "me/x"
    assert {one.id for one in queue.all_of_run("example")} == {mine.id, yours.id}


def test_many_threads_begin_one(queue: ExportQueue) -> None:
    ids = [added(queue, f"run-{i}").id for i in range(8)]
    begun: list[int] = []
    threads = [threading.Thread(target=lambda i=i: begun.append(i) if queue.begin(i) else None) for i in ids]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(begun) == 1


def test_after_a_restart_preparing_begins_anew_and_sending_says_that_it_was_lost(queue: ExportQueue) -> None:
    running, sending, waits = added(queue, "a"), added(queue, "a", PUSH, target="me/x"), added(queue, "b", PUSH)
    queue.begin(running.id)
    queue.put_back()
    assert queue.open() == [running]
    ended = queue.of_run("a", "me")["merged", PUSH]
    assert (ended.id, ended.state, ended.reason, ended.target) == (sending.id, "failed", SENDING_LOST, "me/x")
    assert not queue.is_open(waits.id)


def test_a_deleted_run_leaves_no_row(queue: ExportQueue) -> None:
    added(queue, "a")
    added(queue, "b")
    queue.remove_run("a")
    assert queue.all_of_run("a") == [] and [one.run for one in queue.open()] == ["b"]
