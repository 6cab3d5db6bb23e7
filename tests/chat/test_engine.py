"""The chat worker's engine itself: base and run, run against run, what stays in memory, and whether the base column was the base model."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from runs import make_run
from transformers import AutoModelForCausalLM

from qlora_demo.chat.engine import ADAPTERS_KEPT, Engine, Question, Reply
from qlora_demo.data.conversation import Message
from qlora_demo.models import reading
from qlora_demo.models.loading import Precision, load_base
from qlora_demo.models.pair import Sampling
from qlora_demo.recipe import Recipe
from qlora_demo.run_dir import Home, RunDir
from qlora_demo.settings import Settings
from qlora_demo.training.trainer import add_adapter

QUESTION = [Message("user", "lamp and sea")]
FP32 = Precision(torch.float32, "", "fp32")


@pytest.fixture(autouse=True)
def exact(monkeypatch: pytest.MonkeyPatch) -> None:
    """In 32 bits an answer does not depend on what is in the batch beside it."""
    monkeypatch.setattr("qlora_demo.chat.engine.chat_precision", lambda device: FP32)


@pytest.fixture
def engine(tiny_home: Home) -> Engine:
    return Engine(Settings.from_env(os.environ))


def adapter_run(home: Home, folder: Path, name: str, seed: int, method: str = "lora") -> RunDir:
    run = make_run(home, name, method=method)
    torch.manual_seed(seed)
    model = add_adapter(load_base(folder, "lora", FP32, "cpu"), Recipe(rank=4))
    for parameter, weight in model.named_parameters():
        if "lora_B" in parameter:
            torch.nn.init.normal_(weight, std=0.5)
    model.save_pretrained(run.adapter, save_embedding_layers=False)
    return run


def whole_run(home: Home, folder: Path, name: str, seed: int) -> RunDir:
    run = make_run(home, name, method="full")
    torch.manual_seed(seed)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    for weight in model.parameters():
        weight.data += 0.05 * torch.randn_like(weight)
    model.save_pretrained(run.model)
    return run


def asked(engine: Engine, run: RunDir, against: RunDir | None = None, column: list[Message] = QUESTION) -> Reply:
    question = Question(run, [column, column], Sampling(16), against)
    return engine.ask(question, lambda row, text: None, lambda: False)


def texts(reply: Reply) -> list[str]:
    return [answer.text for answer in reply.answers]


def test_two_adapters_answer_in_one_batch_what_each_answers_beside_the_base(engine: Engine, tiny_home: Home, tiny_folder: Path) -> None:
    one, two = adapter_run(tiny_home, tiny_folder, "one", 1), adapter_run(tiny_home, tiny_folder, "two", 2)
    beside_base = [texts(asked(engine, run)) for run in (one, two)]
    assert texts(asked(engine, one, against=two)) == [beside_base[1][1], beside_base[0][1]]
    assert engine.pair.base is engine.pair.adapted
    assert len({beside_base[0][0], beside_base[0][1], beside_base[1][1]}) == 3


def test_whole_models_and_adapters_answer_against_each_other(engine: Engine, tiny_home: Home, tiny_folder: Path) -> None:
    lora = adapter_run(tiny_home, tiny_folder, "lora", 1)
    first, second = whole_run(tiny_home, tiny_folder, "first", 2), whole_run(tiny_home, tiny_folder, "second", 3)
    alone = {run.id: texts(asked(engine, run))[1] for run in (lora, first, second)}
    for run, against in ((first, second), (lora, first), (second, lora)):
        assert texts(asked(engine, run, against)) == [alone[against.id], alone[run.id]]
    assert len(engine.wholes) == 1
    assert len(set(alone.values())) == 3


def test_the_base_column_is_checked_where_there_is_one(engine: Engine, tiny_home: Home, tiny_folder: Path) -> None:
    lora, whole = adapter_run(tiny_home, tiny_folder, "lora", 1), whole_run(tiny_home, tiny_folder, "whole", 2)
    assert asked(engine, lora).unchanged is True
    assert asked(engine, whole).unchanged is True
    assert asked(engine, lora, against=whole).unchanged is None
    engine.model.get_input_embeddings().weight.data[5, 5] += 0.01
    assert asked(engine, lora).unchanged is False
    assert asked(engine, whole).unchanged is False


def test_an_adapter_that_reaches_the_base_column_is_said(engine: Engine, tiny_home: Home, tiny_folder: Path) -> None:
    run = adapter_run(tiny_home, tiny_folder, "run", 1)
    asked(engine, run)
    engine.model.merge_adapter()
    assert asked(engine, run).unchanged is False


@pytest.mark.parametrize("method", ["lora", "qlora"])
def test_in_16_bits_and_packed_the_base_column_is_unchanged(
    engine: Engine, tiny_home: Home, tiny_folder: Path, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    monkeypatch.setattr("qlora_demo.chat.engine.chat_precision", lambda device: Precision(torch.bfloat16, "", "bf16"))
    run = adapter_run(tiny_home, tiny_folder, "run", 1, method)
    assert [asked(engine, run).unchanged for _ in range(2)] == [True, True]


def test_adapters_that_were_asked_longest_ago_are_dropped(engine: Engine, tiny_home: Home, tiny_folder: Path) -> None:
    runs = [adapter_run(tiny_home, tiny_folder, f"run{i}", i) for i in range(ADAPTERS_KEPT + 2)]
    first = texts(asked(engine, runs[0]))
    for run in runs[1:ADAPTERS_KEPT]:
        asked(engine, run)
    asked(engine, runs[0])  # asked again: now the second is the oldest
    for run in runs[ADAPTERS_KEPT:]:
        asked(engine, run)
    kept = [name.rpartition("-")[0] for name in engine.model.peft_config]
    assert sorted(kept) == sorted(run.id for run in (runs[0], *runs[3:]))
    assert len(engine.adapters) == ADAPTERS_KEPT
    assert not any("run1-" in name for name, _ in engine.model.named_parameters())
    assert texts(asked(engine, runs[1]))[0] == first[0]
    assert texts(asked(engine, runs[0])) == first


def test_a_second_question_goes_on_from_the_first(engine: Engine, tiny_home: Home, tiny_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = adapter_run(tiny_home, tiny_folder, "run", 1)
    question = [Message("user", "lamp and sea, quiet tea and a rope " * 8)]
    columns = [[*question, Message("assistant", answer), Message("user", "quiet tea")] for answer in texts(asked(engine, run, None, question))]
    known: list[list[int]] = []
    moved = reading.Memory.moved
    monkeypatch.setattr(reading.Memory, "moved", lambda memory, counts: known.append(counts) or moved(memory, counts))
    warm = engine.ask(Question(run, columns, Sampling(16)), lambda row, text: None, lambda: False)
    assert len(known) == 1 and min(known[0]) > 60
    cold = Engine(engine.settings).ask(Question(run, columns, Sampling(16)), lambda row, text: None, lambda: False)
    assert texts(warm) == texts(cold)
