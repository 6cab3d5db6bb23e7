"""Who has the device: a chat gives it back to a training, says so, and comes back by itself. Real workers on the tiny model."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from runs import conversations

from qlora_demo.chat.client import GIVEN_BACK, Ask
from qlora_demo.data.conversation import Message, write_rows
from qlora_demo.errors import BusyError
from qlora_demo.hardware import Machine
from qlora_demo.owners import LOCAL
from qlora_demo.run_dir import Home
from qlora_demo.settings import Settings
from qlora_demo.studio import Studio

ASKED = [[Message("user", "lamp and sea")]] * 2


@pytest.fixture
def studio(tiny_home: Home) -> Iterator[Studio]:
    made = Studio(Settings(home=str(tiny_home.path), device="cpu", offline=True))
    made.start()
    yield made
    made.close()


@pytest.fixture
def dataset(studio: Studio, tmp_path: Path) -> str:
    write_rows(tmp_path / "rows.jsonl", conversations(24))
    return studio.data.add_file(LOCAL, tmp_path / "rows.jsonl", "rows.jsonl")


def until(true: Callable[[], bool], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def train(studio: Studio, dataset: str, epochs: float) -> str:
    return studio.submit(LOCAL, dataset, replace(studio.recommend(LOCAL, dataset, "", "lora"), epochs=epochs), "x")


def test_chat_makes_room_says_so_and_comes_back_by_itself(studio: Studio, dataset: str, monkeypatch: pytest.MonkeyPatch) -> None:
    first = train(studio, dataset, 1.0)
    until(lambda: studio.run(LOCAL, first).job.state == "finished")
    list(studio.ask(LOCAL, first, ASKED, Ask(max_new_tokens=4)))
    chat = studio.chat.pid()
    answering = studio.ask(LOCAL, first, ASKED, Ask(max_new_tokens=20_000))
    until(lambda: next(answering).status == "answering")

    second = train(studio, dataset, 60.0)  # there is room for it while it is submitted, as the chat's memory will be free
    monkeypatch.setattr(Machine, "free_bytes", lambda machine: 100_000_000)
    with pytest.raises(BusyError) as said:
        list(answering)
    assert str(said.value) == GIVEN_BACK
    assert not psutil.pid_exists(chat)

    until(lambda: studio.run(LOCAL, second).job.state == "running")
    waits_for = studio.memory.chat_waits_for(studio.run(LOCAL, first))
    assert (waits_for.id, studio.chat.given_back()) == (second, True)
    with pytest.raises(BusyError, match="Chat opens when it is done"):
        list(studio.ask(LOCAL, first, ASKED, Ask(max_new_tokens=4)))
    assert studio.forecast(LOCAL, dataset, studio.recommend(LOCAL, dataset)).free_bytes > 100_000_000  # what the running one will give back

    studio.stop(LOCAL, second)
    until(lambda: studio.chat.running() and not studio.chat.given_back())
    assert studio.run(LOCAL, second).job.state == "stopped"
    assert studio.memory.chat_waits_for(studio.run(LOCAL, first)) is None
    assert list(studio.ask(LOCAL, first, ASKED, Ask(max_new_tokens=4)))[-1].status == "done"


def test_where_both_fit_the_chat_stays(studio: Studio, dataset: str) -> None:
    first = train(studio, dataset, 1.0)
    until(lambda: studio.run(LOCAL, first).job.state == "finished")
    list(studio.ask(LOCAL, first, ASKED, Ask(max_new_tokens=4)))
    chat = studio.chat.pid()
    second = train(studio, dataset, 1.0)
    until(lambda: studio.run(LOCAL, second).job.state == "finished")
    assert studio.chat.pid() == chat


def test_everyones_example_gives_way_to_ones_own(studio: Studio, dataset: str) -> None:
    example = studio.train_example()
    until(lambda: studio.run(LOCAL, example).progress.phase == "learning")
    mine = train(studio, dataset, 1.0)
    until(lambda: studio.run(LOCAL, mine).job.state == "finished")
    until(lambda: studio.run(LOCAL, example).job.state == "finished")
    assert studio.run(LOCAL, example).job.started > studio.run(LOCAL, mine).job.ended
    assert studio.run(LOCAL, example).progress.continued_from > 0


def test_a_fully_trained_model_answers_beside_the_base(studio: Studio, dataset: str) -> None:
    recipe = replace(studio.recommend(LOCAL, dataset, "", "full"), epochs=4.0, learning_rate=2e-3)
    run = studio.submit(LOCAL, dataset, recipe, "full")
    until(lambda: not studio.run(LOCAL, run).active())
    assert studio.run(LOCAL, run).job.state == "finished", studio.log(LOCAL, run)
    done = list(studio.ask(LOCAL, run, ASKED, Ask(max_new_tokens=16)))[-1]
    assert done.status == "done"
    assert done.base != done.adapted
    adapter = train(studio, dataset, 1.0)
    until(lambda: studio.run(LOCAL, adapter).job.state == "finished")
    assert list(studio.ask(LOCAL, adapter, ASKED, Ask(max_new_tokens=16)))[-1].base == done.base


def test_a_continued_run_answers_with_what_it_learned_since(studio: Studio, dataset: str) -> None:
    """The chat worker lives on between the two, and must not answer with the weights of before."""
    recipe = replace(studio.recommend(LOCAL, dataset, "", "lora"), epochs=30.0, learning_rate=1e-2)
    run = studio.submit(LOCAL, dataset, recipe, "x")
    until(lambda: studio.run(LOCAL, run).progress.step >= 1)
    studio.stop(LOCAL, run)
    until(lambda: studio.run(LOCAL, run).job.state == "stopped")
    before = list(studio.ask(LOCAL, run, ASKED, Ask(max_new_tokens=24)))[-1]
    chat = studio.chat.pid()
    studio.resume(LOCAL, run)
    until(lambda: studio.run(LOCAL, run).job.state == "finished")
    after = list(studio.ask(LOCAL, run, ASKED, Ask(max_new_tokens=24)))[-1]
    assert studio.chat.pid() == chat
    assert (after.base, after.adapted != before.adapted) == (before.base, True)
