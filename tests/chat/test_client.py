"""Chat through its worker process: both columns, several turns, stopping, dying, giving memory back."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

import psutil
import pytest
import torch
from runs import make_run

from qlora_demo.chat.client import DIED, GIVEN_BACK, Ask, ChatClient, Turn
from qlora_demo.data.conversation import Message
from qlora_demo.errors import BusyError, UserError
from qlora_demo.models.loading import Precision, load_base
from qlora_demo.pipes import child_environ
from qlora_demo.recipe import Recipe
from qlora_demo.run_dir import Home, RunDir
from qlora_demo.training.trainer import add_adapter

QUESTION = [Message("user", "lamp and sea")]


def finished_run(home: Home, tiny_folder: Path, name: str, seed: int) -> RunDir:
    """A run with a loud random adapter."""
    run = make_run(home, name, method="lora")
    torch.manual_seed(seed)
    model = add_adapter(load_base(tiny_folder, "lora", Precision(torch.float32, "", ""), "cpu"), Recipe(rank=4))
    for parameter, weight in model.named_parameters():
        if "lora_B" in parameter:
            torch.nn.init.normal_(weight, std=0.5)
    model.save_pretrained(run.adapter, save_embedding_layers=False)
    return run


@pytest.fixture
def client(tiny_home: Home):
    made = ChatClient(child_environ(os.environ), tiny_home.path / "chat.log", idle_seconds=600)
    yield made
    made.release()


def last(turns) -> Turn:
    return list(turns)[-1]


def test_both_columns_stream_and_the_second_run_shares_the_base(client: ChatClient, tiny_home: Home, tiny_folder: Path) -> None:
    one, two = finished_run(tiny_home, tiny_folder, "one", 1), finished_run(tiny_home, tiny_folder, "two", 2)
    turns = list(client.ask(one, "tiny lora", [QUESTION, QUESTION], Ask(max_new_tokens=16)))
    assert [t.status for t in turns[:2]] == ["waking", "reading"]
    growing = [t for t in turns if t.status == "answering"]
    assert growing and all(later.base.startswith(earlier.base) for earlier, later in zip(growing, growing[1:], strict=False))
    first = turns[-1]
    assert first.status == "done" and first.base and first.base != first.adapted
    assert first.unchanged is True and growing[-1].unchanged is None
    pid = client.pid()
    second = last(client.ask(two, "tiny lora", [QUESTION, QUESTION], Ask(max_new_tokens=16)))
    assert client.pid() == pid
    assert second.base == first.base
    assert second.adapted != first.adapted
    against = last(client.ask(one, "tiny lora", [QUESTION, QUESTION], Ask(max_new_tokens=16), against=two))
    assert (against.base, against.adapted, against.unchanged) == (second.adapted, first.adapted, None)
    history = [*QUESTION, Message("assistant", first.base), Message("user", "storm")]
    assert last(client.ask(one, "tiny lora", [history, QUESTION], Ask(max_new_tokens=16))).adapted == first.adapted


def test_another_base_waits_for_the_answer_in_progress_and_is_told(client: ChatClient, tiny_home: Home, tiny_folder: Path) -> None:
    """The worker of the first is not ended under its answer."""
    run = finished_run(tiny_home, tiny_folder, "run", 1)
    first = client.ask(run, "tiny lora", [QUESTION, QUESTION], Ask(max_new_tokens=24))
    while next(first).status != "answering":
        pass
    seen: list[Turn] = []
    second = threading.Thread(target=lambda: seen.extend(client.ask(run, "tiny full", [QUESTION, QUESTION], Ask(max_new_tokens=4))))
    second.start()
    while not seen:
        pass
    pid = client.pid()
    assert (seen[0].status, seen[0].before) == ("waking", 1)
    assert last(first).status == "done"
    second.join(60)
    assert (seen[-1].status, client.pid() != pid) == ("done", True)


def test_who_stands_in_line_when_the_chat_is_given_back_is_told(client: ChatClient, tiny_home: Home, tiny_folder: Path) -> None:
    run = finished_run(tiny_home, tiny_folder, "run", 1)
    first = client.ask(run, "tiny lora", [QUESTION, QUESTION], Ask(max_new_tokens=400))
    while next(first).status != "answering":
        pass
    second = client.ask(run, "tiny lora", [QUESTION, QUESTION], Ask(max_new_tokens=4))
    assert next(second).before == 1
    client.release()
    with pytest.raises(BusyError, match=GIVEN_BACK):
        list(first)
    with pytest.raises(BusyError, match=GIVEN_BACK):
        list(second)
    assert not client.running()


def test_closing_the_iterator_stops_and_the_next_question_works(client: ChatClient, tiny_home: Home, tiny_folder: Path) -> None:
    run = finished_run(tiny_home, tiny_folder, "run", 1)
    answer = client.ask(run, "tiny lora", [QUESTION, QUESTION], Ask(max_new_tokens=400))
    while next(answer).status != "answering":
        pass
    answer.close()
    assert last(client.ask(run, "tiny lora", [QUESTION, QUESTION], Ask(max_new_tokens=8))).status == "done"


def test_a_killed_worker_is_said_and_the_next_question_works(client: ChatClient, tiny_home: Home, tiny_folder: Path) -> None:
    run = finished_run(tiny_home, tiny_folder, "run", 1)
    answer = client.ask(run, "tiny lora", [QUESTION, QUESTION], Ask(max_new_tokens=400))
    while next(answer).status != "answering":
        pass
    os.kill(client.pid(), signal.SIGKILL)
    with pytest.raises(BusyError, match=DIED):
        list(answer)
    assert last(client.ask(run, "tiny lora", [QUESTION, QUESTION], Ask(max_new_tokens=8))).status == "done"


def test_given_back_to_training_is_said(client: ChatClient, tiny_home: Home, tiny_folder: Path) -> None:
    run = finished_run(tiny_home, tiny_folder, "run", 1)
    answer = client.ask(run, "tiny lora", [QUESTION, QUESTION], Ask(max_new_tokens=400))
    while next(answer).status != "answering":
        pass
    process = psutil.Process(client.pid())
    client.release()
    with pytest.raises(BusyError, match=GIVEN_BACK):
        list(answer)
    assert not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


def test_an_idle_chat_gives_its_memory_back(tiny_home: Home, tiny_folder: Path) -> None:
    client = ChatClient(child_environ(os.environ), tiny_home.path / "chat.log", idle_seconds=0.2)
    run = finished_run(tiny_home, tiny_folder, "run", 1)
    last(client.ask(run, "tiny lora", [QUESTION, QUESTION], Ask(max_new_tokens=4)))
    ended = threading.Event()
    psutil.wait_procs([psutil.Process(client.pid())], timeout=20, callback=lambda process: ended.set())
    assert ended.is_set()
    assert not client.running()


def test_a_question_that_is_too_long_is_a_sentence(client: ChatClient, tiny_home: Home, tiny_folder: Path) -> None:
    run = finished_run(tiny_home, tiny_folder, "run", 1)
    long = [Message("user", "lamp " * 6000)]
    with pytest.raises(UserError, match="This question is too long: [0-9]+ tokens"):
        list(client.ask(run, "tiny lora", [long, long], Ask()))


def test_where_the_oldest_turns_are_left_out_it_is_said(client: ChatClient, tiny_home: Home, tiny_folder: Path) -> None:
    run = finished_run(tiny_home, tiny_folder, "run", 1)
    long = [Message("user", "lamp " * 3000), Message("assistant", "sea " * 1500), *QUESTION]
    assert last(client.ask(run, "tiny lora", [QUESTION, long], Ask(max_new_tokens=2))).shortened
    assert not last(client.ask(run, "tiny lora", [QUESTION, QUESTION], Ask(max_new_tokens=2))).shortened


def test_what_was_given_back_stays_so_however_long_the_training_takes(tmp_path: Path) -> None:
    """The time after which an unused chat ends goes on running otherwise, and would take it for one that nobody wants."""
    client = ChatClient({}, tmp_path / "chat.log", idle_seconds=0.2)
    client._rest()
    client.release()
    assert not threading.Event().wait(0.6) and client.given_back()
