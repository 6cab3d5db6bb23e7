"""Row losses are transformers' own, however rows are batched."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from runs import conversations

from qlora_demo.data.rendering import Rendered, Renderer, load_tokenizer
from qlora_demo.evaluation import likelihood
from qlora_demo.evaluation.likelihood import mean, row_losses
from qlora_demo.models.loading import Precision, load_base
from qlora_demo.models.loss import collate, loss_sum


@pytest.fixture
def rows(tiny_folder: Path) -> list[Rendered]:
    return list(Renderer(load_tokenizer(tiny_folder), {}).render_all(conversations(9), 256))


def test_each_rows_loss_is_that_of_the_row_alone(tiny_folder: Path, rows: list[Rendered], monkeypatch: pytest.MonkeyPatch) -> None:
    model = load_base(tiny_folder, "full", Precision(torch.float32, "", ""), "cpu").eval()
    alone = []
    for row in rows:
        loss = model(torch.tensor([row.input_ids]), labels=torch.tensor([row.labels])).loss
        alone.append(float(loss.detach()) * row.learned())
    assert row_losses(model, rows, 0) == pytest.approx(alone, rel=1e-5)
    monkeypatch.setattr(likelihood, "BATCH_TOKENS", 120)
    monkeypatch.setattr(likelihood, "HEAD_TOKENS", 7)
    assert row_losses(model, rows, 0) == pytest.approx(alone, rel=1e-5)
    assert mean(alone, rows) == pytest.approx(float(loss_sum(model, collate(rows, 0)).detach()) / sum(row.learned() for row in rows), rel=1e-5)


def test_the_models_mode_is_left_as_it_was(tiny_folder: Path, rows: list[Rendered]) -> None:
    model = load_base(tiny_folder, "full", Precision(torch.float32, "", ""), "cpu").train()
    row_losses(model, rows[:1], 0)
    assert model.training and all(p.grad is None for p in model.parameters())


def test_a_row_longer_than_a_batch_stands_alone() -> None:
    assert list(likelihood._batches([10, 5000, 10, 1000, 1000])) == [[1], [3, 4], [0, 2]]
