"""The ledger: guarded changes, one claim, nothing acknowledged is lost, owners kept apart."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from qlora_demo.errors import NotFoundError, StorageError
from qlora_demo.jobs.ledger import FINAL, DamagedLedger, Ledger


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "ledger.sqlite")


def test_the_line_is_first_come_first_served(ledger: Ledger) -> None:
    first, second = ledger.add_job("train", "a", "me"), ledger.add_job("train", "b", "you")
    assert [job.id for job in ledger.waiting()] == [first.id, second.id]
    assert ledger.claim("train").run == "a"
    assert [job.id for job in ledger.waiting()] == [second.id]


def test_only_one_trains_at_a_time(ledger: Ledger) -> None:
    ledger.add_job("train", "a", "me")
    ledger.add_job("train", "b", "me")
    claimed = ledger.claim("train")
    assert ledger.claim("train") is None
    ledger.move(claimed.id, ("starting",), "finished")
    assert ledger.claim("train").run == "b"


def test_many_claimers_win_once(ledger: Ledger) -> None:
    for i in range(10):
        ledger.add_job("train", str(i), "me")

    def claim_all(_: int) -> list[str]:
        won = []
        while len(ledger.in_states(("queued",))):
            job = ledger.claim("train")
            if job:
                won.append(job.run)
                ledger.move(job.id, ("starting",), "finished")
        return won

    with ThreadPoolExecutor(4) as pool:
        won = [run for runs in pool.map(claim_all, range(4)) for run in runs]
    assert sorted(won) == sorted(map(str, range(10)))


def test_the_first_final_state_wins(ledger: Ledger) -> None:
    job = ledger.add_job("train", "a", "me")
    ledger.claim("train")
    assert ledger.move(job.id, ("starting", "running"), "stopped", "You stopped it.")
    assert not ledger.move(job.id, ("starting", "running"), "finished")
    after = ledger.job_of_run("a", "me")
    assert (after.state, after.reason) == ("stopped", "You stopped it.")
    assert after.ended is not None


def test_a_requeued_job_goes_to_the_end_as_the_next_attempt(ledger: Ledger) -> None:
    first, second = ledger.add_job("train", "a", "me"), ledger.add_job("train", "b", "me")
    ledger.claim("train")
    ledger.move(first.id, ("starting",), "failed", "It died.")
    assert ledger.requeue(first.id, FINAL)
    assert [job.id for job in ledger.waiting()] == [second.id, first.id]
    again = ledger.job_of_run("a", "me")
    assert (again.attempt, again.reason, again.started) == (2, "", None)


def test_another_owners_run_is_as_unknown_as_none(ledger: Ledger) -> None:
    ledger.add_job("train", "a", "me")
    sentences = []
    for run, owner in (("a", "you"), ("b", "me")):
        with pytest.raises(NotFoundError) as error:
            ledger.job_of_run(run, owner)
        sentences.append(str(error.value))
    assert sentences[0] == sentences[1]
    assert ledger.jobs("you") == []


def test_acknowledged_rows_survive_a_killed_writer(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    code = (
        "import sys; from pathlib import Path; from qlora_demo.jobs.ledger import Ledger\n"
        "ledger = Ledger(Path(sys.argv[1]))\n"
        "for i in range(10**6):\n    ledger.add_job('train', str(i), 'me'); print(i, flush=True)\n"
    )
    writer = subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, text=True)
    for _ in range(20):
        writer.stdout.readline()
    writer.send_signal(signal.SIGKILL)
    acknowledged = 20 + len(writer.stdout.read().split())
    assert len(Ledger(path).jobs()) in (acknowledged, acknowledged + 1)


def test_a_broken_file_and_a_newer_schema_are_sentences(tmp_path: Path) -> None:
    broken = tmp_path / "broken.sqlite"
    broken.write_bytes(b"not a database at all" * 100)
    with pytest.raises(DamagedLedger, match="is damaged and cannot be read"):
        Ledger(broken)
    newer = tmp_path / "newer.sqlite"
    with sqlite3.connect(newer) as db:
        db.execute("PRAGMA user_version=7")
    with pytest.raises(StorageError, match="schema 7; this one reads 1"):
        Ledger(newer)


def test_data_sets_have_owners(ledger: Ledger) -> None:
    ledger.add_dataset("d", "me", "orders.csv")
    assert ledger.dataset_owner("d") == "me"
    ledger.remove_dataset("d")
    assert ledger.dataset_owner("d") is None


def test_times_are_those_of_the_clock(ledger: Ledger) -> None:
    before = time.time()
    assert before <= ledger.add_job("train", "a", "me").created <= time.time()


def test_a_file_that_cannot_be_opened_is_not_called_damaged(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="cannot be used .unable to open database file.. Check that its disk has room"):
        Ledger(tmp_path)


def test_many_processes_open_a_new_ledger_and_claim_once_each(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    code = (
        "import sys; from pathlib import Path; from qlora_demo.jobs.ledger import Ledger\n"
        "print('ready', flush=True); sys.stdin.readline(); ledger = Ledger(Path(sys.argv[1]))\n"
        "for i in range(10): ledger.add_job(f'kind {i}', sys.argv[2], 'me')\n"
        "for i in range(10):\n    job = ledger.claim(f'kind {i}')\n    print(job.id if job else '')\n"
    )
    pipe = subprocess.PIPE
    claimers = [subprocess.Popen([sys.executable, "-c", code, str(path), str(i)], stdin=pipe, stdout=pipe, text=True) for i in range(4)]
    for claimer in claimers:
        claimer.stdout.readline()
    for claimer in claimers:
        claimer.stdin.write("\n")
        claimer.stdin.flush()
    won = [job_id for claimer in claimers for job_id in claimer.communicate()[0].split()]
    assert [claimer.returncode for claimer in claimers] == [0] * 4
    assert len(won) == len(set(won)) == 10
