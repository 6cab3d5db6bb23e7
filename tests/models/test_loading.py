"""4-bit weights keep their gradients, whatever was evaluated in between."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from runs import conversations

from qlora_demo.data.rendering import Renderer, load_tokenizer
from qlora_demo.evaluation.likelihood import row_losses
from qlora_demo.models import loading
from qlora_demo.models.loading import (
    Precision,
    attention_of,
    chat_precision,
    keep_packing_layout,
    linear_layer_names,
    load_base,
    load_to_answer,
    training_precision,
    with_adapter,
)
from qlora_demo.models.loss import collate, loss_sum
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
        row_losses(model.get_base_model(), rows, tokenizer.pad_token_id)
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
    assert chat_precision("cpu").dtype == training_precision("cpu", "lora").dtype


def test_a_processor_without_16_bit_arithmetic_trains_in_what_a_short_probe_finds_faster(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
    for seconds_16, expected in ((0.5, torch.bfloat16), (0.9, torch.float32), (4.0, torch.float32)):
        monkeypatch.setattr(loading, "product_seconds", lambda dtype, slow=seconds_16: slow if dtype == torch.bfloat16 else 1.0)
        assert training_precision("cpu", "lora").dtype == expected


def test_the_probe_measures_a_real_product() -> None:
    assert 0 < loading.product_seconds(torch.float32) < 1


@pytest.mark.parametrize(
    ("capability", "method", "dtype", "autocast"),
    [
        ((7, 5), "qlora", torch.float16, "fp16"),
        ((7, 5), "full", torch.float32, "fp16"),
        ((8, 0), "lora", torch.bfloat16, ""),
        ((9, 0), "full", torch.bfloat16, ""),
    ],
)
def test_a_card_computes_in_what_its_capability_is_fast_at(monkeypatch, capability, method, dtype, autocast) -> None:
    """Torch says that a T4 supports bf16, which it only emulates."""
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: capability)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: True)
    precision = training_precision("cuda", method)
    assert (precision.dtype, precision.autocast, precision.ampere) == (dtype, autocast, capability >= (8, 0))


def test_the_paged_optimizer_gets_32_bit_weights_as_it_keeps_no_masters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: (8, 0))
    precision = training_precision("cuda", "full", paged=True)
    assert (precision.dtype, precision.autocast) == (torch.float32, "bf16")


def test_flash_attention_is_used_where_it_is_installed_and_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    ampere, turing = Precision(torch.bfloat16, "", "", ampere=True), Precision(torch.float16, "fp16", "")
    assert attention_of("cpu", BF16) == "eager"
    monkeypatch.setattr(loading, "find_spec", lambda name: object() if name == "flash_attn" else None)
    assert (attention_of("cuda", ampere), attention_of("cuda", turing)) == ("flash_attention_2", "sdpa")
    monkeypatch.setattr(loading, "find_spec", lambda name: None)
    assert attention_of("cuda", ampere) == "sdpa"


def bytes_made(work: Callable[[], object]) -> int:
    """The most that one operation of `work` allocated."""
    with torch.no_grad(), torch.profiler.profile(profile_memory=True) as found:
        work()
    return max(event.cpu_memory_usage for event in found.key_averages())


def test_torch_still_copies_a_heads_weights_for_rows_with_gaps_between() -> None:
    """When this fails, keep_one_head can go."""
    rows, weight = torch.randn(20, 3, 64, dtype=torch.bfloat16), torch.randn(5000, 64, dtype=torch.bfloat16)
    copies = 20 * weight.numel() * weight.element_size()
    assert bytes_made(lambda: torch.nn.functional.linear(rows[:, -1:], weight)) >= copies
    assert bytes_made(lambda: torch.nn.functional.linear(rows[:, -1:].contiguous(), weight)) < copies / 4


def test_the_head_of_a_loaded_model_makes_no_copies(tiny_folder: Path) -> None:
    model = load_base(tiny_folder, "lora", BF16, "cpu")
    hidden = torch.randn(20, 3, 64, dtype=torch.bfloat16)
    head = model.get_output_embeddings()
    assert bytes_made(lambda: head(hidden[:, -1:])) < 20 * head.weight.numel() * head.weight.element_size()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_packed_base_stays_the_same_bit_for_bit_when_adapters_are_loaded(tiny_folder: Path, tmp_path: Path, dtype: torch.dtype) -> None:
    """bitsandbytes repacks its weights at the first answer, and for PEFT's state dict turns them back with other scales."""
    ids = torch.tensor([[5, 6, 7, 8]])
    add_adapter(load_base(tiny_folder, "lora", BF16, "cpu"), Recipe(rank=4)).save_pretrained(tmp_path, save_embedding_layers=False)
    model = load_to_answer(tiny_folder, "qlora", Precision(dtype, "", ""), "cpu")
    with torch.inference_mode():
        before = model(input_ids=ids).logits
        for name in ("one", "two", "three"):
            model = with_adapter(model, tmp_path, name).eval()
            with model.disable_adapter():
                assert torch.equal(model(input_ids=ids).logits, before)
