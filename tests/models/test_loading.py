"""4-bit weights keep their gradients, whatever was evaluated in between."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from runs import conversations

from qlora_demo.data.rendering import Renderer, load_tokenizer
from qlora_demo.models.loading import Precision, chat_precision, keep_packing_layout, linear_layer_names, load_base, training_precision
from qlora_demo.models.loss import collate, loss_sum, mean_loss
from qlora_demo.recipe import Recipe
from qlora_demo.training.trainer import add_adapter

BF16 = Precision(torch.bfloat16, "", "")
HAS_REPACKING = torch.cpu._is_avx512_bf16_supported()


def first_adapter_gradient(folder: Path, keep: bool, evaluate_first: bool) -> torch.Tensor:
    """Of the first layer's first adapter weight: it comes through every 4-bit layer above."""
    torch.manual_seed(0)
    base = load_base(folder, "qlora", BF16, "cpu")
    if keep:
        keep_packing_layout(base)
    model = add_adapter(base, Recipe(rank=4))
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.02)
    tokenizer = load_tokenizer(folder)
    rows = [r for c in conversations(4) for r in Renderer(tokenizer, {}).render(c, 256)]
    if evaluate_first:
        mean_loss(model.get_base_model(), rows, tokenizer.pad_token_id, 4)
    model.train()
    loss_sum(model.get_base_model(), collate(rows, tokenizer.pad_token_id)).backward()
    return next(p.grad for name, p in model.named_parameters() if "lora_A" in name).clone()


def test_gradients_are_the_same_before_and_after_an_evaluation(tiny_folder: Path) -> None:
    before = first_adapter_gradient(tiny_folder, keep=True, evaluate_first=False)
    after = first_adapter_gradient(tiny_folder, keep=True, evaluate_first=True)
    assert before.abs().max() > 0
    assert torch.equal(before, after)


@pytest.mark.skipif(not HAS_REPACKING, reason="this processor has no AVX512_BF16, so bitsandbytes does not repack")
def test_bitsandbytes_still_needs_the_workaround(tiny_folder: Path) -> None:
    """Without it the same gradient is wrong after an evaluation. When this fails, keep_packing_layout can go."""
    right = first_adapter_gradient(tiny_folder, keep=True, evaluate_first=False)
    wrong = first_adapter_gradient(tiny_folder, keep=False, evaluate_first=True)
    assert not torch.allclose(right.float(), wrong.float(), rtol=0.1)


def test_the_adapter_goes_on_every_linear_layer_but_the_head(tiny_folder: Path) -> None:
    base = load_base(tiny_folder, "lora", BF16, "cpu")
    assert linear_layer_names(base) == ["down_proj", "gate_proj", "k_proj", "o_proj", "q_proj", "up_proj", "v_proj"]


def test_precision_comes_with_its_reason() -> None:
    assert "processor" in training_precision("cpu", "lora").reason
    assert chat_precision("cpu").dtype == torch.float32
