"""The main line on a graphics card, with a model of 47 million parameters that is made here. Needs CUDA; `benchmarks/gpu.sh` runs these alone."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from runs import make_run

from benchmarks.learning import Learned, Task, learn, made_rows
from benchmarks.made_model import dimensions, save_made_model
from qlora_demo.chat.client import Ask, ChatClient
from qlora_demo.data.conversation import Message
from qlora_demo.data.rendering import load_tokenizer
from qlora_demo.events import read_events
from qlora_demo.hardware import Machine, detect
from qlora_demo.models.pair import BASE, Pair, Sampling, answer_rows
from qlora_demo.pipes import child_environ
from qlora_demo.recipe import METHODS
from qlora_demo.run_dir import Home, read_json
from qlora_demo.settings import Settings
from qlora_demo.source.place import bundled_folder
from qlora_demo.training.artifact import ADAPTER

DEVICE = "cuda"
SHAPE = dimensions(hidden=512, layers=17, vocabulary=320)
"""A vocabulary as large as the tokenizer's, so that all that is answered can be read."""
ADAPTERS = tuple(method for method in METHODS if method != "full")
NEAR_ZERO = 20_000_000
"""Bytes: libraries keep workspaces of some megabytes."""
OTHERS = 100_000_000
"""Bytes by which the card's free memory may differ for reasons that are not ours."""

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no CUDA card on this machine")]


@pytest.fixture(scope="module")
def made_folder(tmp_path_factory: pytest.TempPathFactory, tiny_folder: Path) -> Path:
    folder = tmp_path_factory.mktemp("made") / "model"
    save_made_model(folder, SHAPE, load_tokenizer(tiny_folder), spread=0.1)
    return folder


@pytest.fixture
def run_task(made_folder: Path, tmp_path: Path) -> Callable[[str, str], Learned]:
    return lambda method, precision: learn(Task(made_folder, SHAPE, method, precision, DEVICE, words=20), tmp_path)


def answers(learned: Learned, rows: list[tuple[str, list[int]]]) -> list[str]:
    learned.model.eval()
    return [answer.text for answer in answer_rows(learned.model, learned.renderer.tokenizer, rows, Sampling(max_new_tokens=16))]


def prompt_of(learned: Learned) -> list[int]:
    return learned.renderer.prompt(made_rows(1, 5)[0].prompt())


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
@pytest.mark.parametrize("method", METHODS)
def test_it_learns_in_both_precisions(run_task: Callable[[str, str], Learned], method: str, precision: str) -> None:
    learned = run_task(method, precision)
    assert learned.went_well(), learned.losses
    # fp16's gradient scaling wants what learns in 32 bits; with bf16 the optimizer has the 32-bit masters.
    assert learned.dtypes == {torch.bfloat16 if precision == "bf16" else torch.float32}
    assert learned.peak < learned.predicted


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
@pytest.mark.parametrize("method", ADAPTERS)
def test_the_base_answers_as_if_nothing_had_been_learned(run_task: Callable[[str, str], Learned], method: str, precision: str) -> None:
    """The base's row is the same beside the adapter's as beside its own twin; both columns stream."""
    learned = run_task(method, precision)
    prompt = prompt_of(learned)
    twins = answers(learned, [(BASE, prompt), (BASE, prompt)])
    pair = Pair(learned.model, learned.model, ADAPTER)
    streamed = ["", ""]

    def emit(row: int, text: str) -> None:
        streamed[row] += text

    both = pair.answers(learned.renderer.tokenizer, ([prompt], [prompt]), Sampling(max_new_tokens=16), emit)
    assert [answer.text for answer in both][0] == twins[0] == twins[1]
    assert both[0].text != both[1].text
    # An answer cut in the middle of a character ends in signs for what is missing, which are not worth a stream.
    assert [text.strip() for text in streamed] == [answer.text.rstrip("\N{REPLACEMENT CHARACTER}").strip() for answer in both]


@pytest.mark.parametrize("method", METHODS)
def test_the_memory_is_back_when_the_model_is_gone(run_task: Callable[[str, str], Learned], method: str) -> None:
    gc.collect()
    before = torch.cuda.memory_allocated()
    learned = run_task(method, "bf16")
    assert torch.cuda.memory_allocated() > before
    del learned
    gc.collect()
    assert torch.cuda.memory_allocated() - before < NEAR_ZERO


@pytest.fixture
def card(tmp_path: Path) -> Machine:
    """As the page sees it: asked through NVML, by a process that does not compute."""
    return detect(Settings(home=str(tmp_path / "home"), device=DEVICE))


def is_free_again(card: Machine, before: int) -> bool:
    """The driver needs a moment after a process has ended."""
    deadline = time.monotonic() + 15
    while card.free_bytes() < before - OTHERS and time.monotonic() < deadline:
        time.sleep(0.2)
    return card.free_bytes() >= before - OTHERS


@pytest.mark.parametrize("method", METHODS)
def test_a_run_as_a_process_learns_answers_and_gives_the_card_back(card: Machine, made_folder: Path, tmp_path: Path, method: str) -> None:
    """The worker and the chat worker themselves, with the made model in the bundled one's place."""
    home = Home(tmp_path / "home").create()
    bundled_folder(home.models).symlink_to(made_folder, target_is_directory=True)
    environ = {**child_environ(os.environ), "QLORA_DEMO_HOME": str(home.path), "QLORA_DEMO_DEVICE": DEVICE}
    run = make_run(home, "run", method=method, epochs=6.0)
    before = card.free_bytes()
    with run.log.open("ab") as log:
        code = subprocess.run([sys.executable, "-m", "qlora_demo.jobs.worker", str(run.path)], env=environ, stdout=log, stderr=log, check=False)
    result = read_json(run.result_json)
    assert (code.returncode, result["outcome"], result["reason"]) == (0, "finished", ""), run.log.read_text()
    assert result["peak_memory_bytes"] > 0
    losses = [event["loss"] for event in read_events(run.events)[0] if event["type"] == "step"]
    assert losses[-1] < losses[0]  # rows set aside of random words say nothing
    assert read_json(run.report_json)["adapted"]["loss"] != read_json(run.report_json)["base"]["loss"]
    assert is_free_again(card, before)

    chat = ChatClient(environ, home.path / "chat.log", idle_seconds=600)
    question = [Message("user", "lamp and sea")]
    last = list(chat.ask(run, f"made {method}", [question, question], Ask(max_new_tokens=16)))[-1]
    assert last.status == "done" and last.base and last.base != last.adapted
    assert card.free_bytes() < before - OTHERS
    chat.release()
    assert is_free_again(card, before)
