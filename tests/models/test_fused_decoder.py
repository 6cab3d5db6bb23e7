"""The hand-written loss and gradients are transformers' and autograd's own."""

from __future__ import annotations

import copy
import sys
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, LlamaConfig, PreTrainedModel, Qwen2Config, Qwen3Config

from qlora_demo.models.fused_decoder import FusedDecoder, supports
from qlora_demo.models.loading import Precision, causal_model, keep_packing_layout, load_base
from qlora_demo.models.loss import loss_sum
from qlora_demo.recipe import METHODS, Recipe
from qlora_demo.training.trainer import add_adapter

SIZES = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 320}
CONFIGS = {
    "llama": LlamaConfig(**SIZES, tie_word_embeddings=True),
    "qwen2": Qwen2Config(**SIZES, tie_word_embeddings=True),
    "qwen3": Qwen3Config(**SIZES, head_dim=32, tie_word_embeddings=False),
}


def batch(lengths: tuple[int, ...] = (40, 31, 12)) -> dict[str, torch.Tensor]:
    """Right-padded rows, of which the first third is only read."""
    torch.manual_seed(1)
    width = max(lengths)
    ids = torch.randint(3, 320, (len(lengths), width))
    labels, mask = ids.clone(), torch.zeros_like(ids)
    for row, length in enumerate(lengths):
        labels[row, : length // 3], labels[row, length:] = -100, -100
        mask[row, :length] = 1
    return {"input_ids": ids, "labels": labels, "attention_mask": mask}


def made(family: str) -> PreTrainedModel:
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(copy.deepcopy(CONFIGS[family]), attn_implementation="eager")
    for name, parameter in model.named_parameters():  # biases and norms begin as zeros and ones: nothing would show
        if parameter.dim() == 1:
            parameter.data += torch.randn_like(parameter) * 0.3
        else:
            parameter.data *= 4 if "embed" not in name else 20
    return model


def with_adapter(model: PreTrainedModel) -> PreTrainedModel:
    """An adapter whose B is not zero, so that A has a gradient too."""
    adapted = add_adapter(model, Recipe(method="lora", rank=4, alpha=8))
    for name, parameter in adapted.named_parameters():
        if "lora_B" in name:
            parameter.data = torch.randn_like(parameter) * 0.05
    return causal_model(adapted)


def gradients(model: PreTrainedModel) -> dict[str, torch.Tensor]:
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


def by_autograd(model: PreTrainedModel, rows: dict[str, torch.Tensor], learned: int) -> tuple[float, dict[str, torch.Tensor]]:
    loss = loss_sum(model, rows) / learned
    loss.backward()
    found = gradients(model)
    model.zero_grad()
    return float(loss), found


def learned_in(rows: dict[str, torch.Tensor]) -> int:
    return int((rows["labels"][:, 1:] != -100).sum())


def assert_close(ours: dict[str, torch.Tensor], theirs: dict[str, torch.Tensor], tolerance: float) -> None:
    assert ours.keys() == theirs.keys()
    for name, gradient in theirs.items():
        assert float((ours[name] - gradient).norm() / gradient.norm()) < tolerance, name


@pytest.mark.parametrize("kernel", [False, True])
@pytest.mark.parametrize("recompute", [False, True])
@pytest.mark.parametrize("method", ["lora", "full"])
@pytest.mark.parametrize("family", CONFIGS)
def test_loss_and_gradients_equal_autograds(family: str, method: str, recompute: bool, kernel: bool) -> None:
    model = with_adapter(made(family)) if method == "lora" else made(family)
    rows = batch()
    loss, expected = by_autograd(model, rows, learned_in(rows))
    assert supports(model)
    ours = FusedDecoder(model, recompute, kernel).accumulate(rows, learned_in(rows))
    assert float(ours) == pytest.approx(loss, abs=1e-5)
    assert_close(gradients(model), expected, 1e-4)


def test_the_loss_is_transformers_own() -> None:
    model, rows = made("llama"), batch()
    own = model(**rows).loss
    assert float(FusedDecoder(model).accumulate(rows, learned_in(rows))) == pytest.approx(float(own), abs=1e-5)


def test_a_steps_gradient_is_the_same_however_it_is_split() -> None:
    model, rows = with_adapter(made("qwen3")), batch()
    decoder, learned = FusedDecoder(model), learned_in(rows)
    whole = float(decoder.accumulate(rows, learned))
    expected = gradients(model)
    model.zero_grad()
    parts = sum(float(decoder.accumulate({name: tensor[i : i + 1] for name, tensor in rows.items()}, learned)) for i in range(3))
    assert parts == pytest.approx(whole, abs=1e-5)
    assert_close(gradients(model), expected, 1e-4)


def test_long_rows_whose_attention_is_made_again() -> None:
    model, rows = with_adapter(made("llama")), batch((300, 280))
    loss, expected = by_autograd(model, rows, learned_in(rows))
    assert float(FusedDecoder(model).accumulate(rows, learned_in(rows))) == pytest.approx(loss, abs=1e-5)
    assert_close(gradients(model), expected, 1e-4)


@pytest.mark.parametrize("recompute", [False, True])
@pytest.mark.parametrize("family", CONFIGS)
def test_each_rows_loss_without_a_way_back(family: str, recompute: bool) -> None:
    model, rows = with_adapter(made(family)), batch((300, 31, 12))
    alone = [float(loss_sum(model, {name: tensor[i : i + 1] for name, tensor in rows.items()}).detach()) for i in range(3)]
    decoder = FusedDecoder(model, recompute)
    assert decoder.row_losses(rows).tolist() == pytest.approx(alone, rel=1e-5)
    assert not gradients(model)
    loss = float(decoder.accumulate(rows, learned_in(rows)))  # what a test used is free again
    assert loss == pytest.approx(sum(alone) / learned_in(rows), abs=1e-5)


@pytest.mark.skipif(sys.platform != "linux", reason="what is mapped is asked of Linux")
@pytest.mark.parametrize("method", METHODS)
def test_the_models_file_is_not_in_memory_beside_what_learns(tiny_folder: Path, method: str) -> None:
    """One weight left where the file is mapped would keep all of the file there."""

    def mapped() -> bool:
        return str(tiny_folder) in Path("/proc/self/maps").read_text()

    model = load_base(tiny_folder, method, Precision(torch.bfloat16, "", ""), "cpu")
    assert mapped()
    causal = model if method == "full" else with_adapter(model)
    decoder = FusedDecoder(causal)
    assert not mapped()
    assert decoder.dtype == torch.bfloat16


def test_the_models_own_forward_pass_is_unchanged_and_follows_what_is_learned() -> None:
    model, rows = with_adapter(made("llama")), batch()
    before = loss_sum(model, rows)
    decoder = FusedDecoder(model)
    assert torch.equal(loss_sum(model, rows), before)
    decoder.accumulate(rows, learned_in(rows))
    torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.5).step()
    model.zero_grad()
    after = float(loss_sum(model, rows)) / learned_in(rows)
    assert after < float(before) / learned_in(rows)
    assert float(decoder.accumulate(rows, learned_in(rows))) == pytest.approx(after, abs=1e-5)


def test_4_bit_gradients_are_those_through_the_unpacked_weights_before_and_after_an_evaluation(tiny_folder: Path) -> None:
    packed = load_base(tiny_folder, "qlora", Precision(torch.float32, "", ""), "cpu")
    keep_packing_layout(packed)
    model = with_adapter(packed)
    plain = copy.deepcopy(CONFIGS["llama"])
    rows = batch()
    rows["input_ids"].clamp_(max=packed.config.vocab_size - 1)
    rows["labels"].clamp_(max=packed.config.vocab_size - 1)
    assert plain.model_type == packed.config.model_type
    loss, expected = by_autograd(model, rows, learned_in(rows))
    decoder = FusedDecoder(model)
    for _ in range(2):
        assert float(decoder.accumulate(rows, learned_in(rows))) == pytest.approx(loss, abs=1e-5)
        assert_close(gradients(model), expected, 1e-4)
        model.zero_grad()
        with torch.no_grad():
            loss_sum(model.eval(), rows)
        model.train()


def test_dropout_and_other_families_are_left_to_autograd() -> None:
    dropped = add_adapter(made("llama"), Recipe(method="lora", rank=4, alpha=8, dropout=0.1))
    assert not supports(causal_model(dropped))
    other = made("llama")
    other.config.model_type = "gemma"
    assert not supports(other)


def test_16_bit_gradients_are_near_those_in_32() -> None:
    model = with_adapter(made("llama"))
    rows = batch()
    _, exact = by_autograd(model, rows, learned_in(rows))
    half = model.to(torch.bfloat16)
    FusedDecoder(half).accumulate(rows, learned_in(rows))
    assert_close({name: g.float() for name, g in gradients(half).items()}, exact, 0.1)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no CUDA card on this machine")
@pytest.mark.parametrize("method", ["lora", "full"])
@pytest.mark.parametrize("family", CONFIGS)
def test_on_a_card_loss_and_gradients_equal_autograds(family: str, method: str) -> None:
    """In 32 bits nearly, in 16 bits, through the flash kernel, as closely as 16 bits allow."""
    model = (with_adapter(made(family)) if method == "lora" else made(family)).cuda()
    rows = {name: tensor.cuda() for name, tensor in batch().items()}
    loss, exact = by_autograd(model, rows, learned_in(rows))
    decoder = FusedDecoder(model)
    assert float(decoder.accumulate(rows, learned_in(rows))) == pytest.approx(loss, abs=1e-4)
    assert_close(gradients(model), exact, 1e-3)
    assert decoder.row_losses(rows).sum().item() == pytest.approx(loss * learned_in(rows), rel=1e-3)

    model.zero_grad()
    half = model.to(torch.bfloat16)
    assert supports(half)
    assert float(FusedDecoder(half).accumulate(rows, learned_in(rows))) == pytest.approx(loss, rel=0.02)
    assert_close({name: g.float() for name, g in gradients(half).items()}, exact, 0.1)
