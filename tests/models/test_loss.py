"""Our loss is transformers' own, computed on fewer positions."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from runs import conversations
from transformers import AutoModelForCausalLM

from qlora_demo.data.rendering import Renderer, load_tokenizer
from qlora_demo.models.loss import collate, collate_unpadded, loss_sum


@pytest.fixture
def model(tiny_folder: Path) -> torch.nn.Module:
    return AutoModelForCausalLM.from_pretrained(tiny_folder, dtype=torch.float32)


def test_the_loss_is_the_models_own(model, tiny_folder: Path) -> None:
    tokenizer = load_tokenizer(tiny_folder)
    rows = [r for c in conversations(5) for r in Renderer(tokenizer, {}).render(c, 256)]
    batch = collate(rows, tokenizer.pad_token_id)
    learned = sum(row.learned() for row in rows)
    own = model(**batch).loss
    assert float(loss_sum(model, batch) / learned) == pytest.approx(float(own), abs=1e-5)


def test_the_gradient_is_the_same_however_a_step_is_split(model, tiny_folder: Path) -> None:
    tokenizer = load_tokenizer(tiny_folder)
    rows = [r for c in conversations(6) for r in Renderer(tokenizer, {}).render(c, 256)]

    def gradient(size: int) -> torch.Tensor:
        model.zero_grad()
        learned = sum(row.learned() for row in rows)
        for start in range(0, len(rows), size):
            (loss_sum(model, collate(rows[start : start + size], tokenizer.pad_token_id)) / learned).backward()
        return model.model.layers[0].mlp.down_proj.weight.grad.clone()

    torch.testing.assert_close(gradient(6), gradient(2), atol=1e-5, rtol=1e-4)


def test_rows_laid_one_after_the_other_do_not_see_each_other(model, tiny_folder: Path) -> None:
    tokenizer = load_tokenizer(tiny_folder)
    rows = [r for c in conversations(5) for r in Renderer(tokenizer, {}).render(c, 256)]
    padded, unpadded = collate(rows, tokenizer.pad_token_id), collate_unpadded(rows)
    assert unpadded["input_ids"].numel() == sum(len(row.input_ids) for row in rows) < padded["input_ids"].numel()
    assert float(loss_sum(model, unpadded)) == pytest.approx(float(loss_sum(model, padded)), abs=1e-3)
