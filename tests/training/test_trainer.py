"""What a step is made of, and in what numbers it is computed."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest
import torch
from runs import conversations

from qlora_demo.data.rendering import Rendered, Renderer, load_tokenizer
from qlora_demo.models.fused_decoder import FusedDecoder
from qlora_demo.models.loading import Precision, causal_model, keep_packing_layout, load_base
from qlora_demo.models.loss import collate
from qlora_demo.recipe import Recipe
from qlora_demo.training.batches import plan, split
from qlora_demo.training.optimizer import MasterAdamW
from qlora_demo.training.trainer import Setting, StepTrainer, add_adapter, build_trainer

FP32, BF16, T4 = Precision(torch.float32, "", ""), Precision(torch.bfloat16, "", ""), Precision(torch.float16, "", "")


def rendered(folder: Path) -> list[Rendered]:
    return list(Renderer(load_tokenizer(folder), {}).render_all(conversations(8), 256))


def trainer_of(folder: Path, place: Path, precision: Precision, recipe: Recipe, checkpointing: bool = False) -> StepTrainer:
    torch.manual_seed(0)
    model = load_base(folder, recipe.method, precision, "cpu")
    model.config.use_cache = False
    keep_packing_layout(model)
    if recipe.method != "full":
        model = add_adapter(model, recipe)
    rows = rendered(folder)
    steps = plan([len(row.input_ids) for row in rows], recipe.batch_size, recipe.seed, recipe.epochs)
    return build_trainer(model, load_tokenizer(folder), recipe, (rows, steps), Setting(precision, "cpu", place, checkpointing), [])


def gradients(folder: Path, rows: list[Rendered], learned: int) -> dict[str, torch.Tensor]:
    """One process's share of a step. At the top of the module, so that a second process can find it."""
    torch.manual_seed(0)
    model = add_adapter(load_base(folder, "lora", FP32, "cpu"), Recipe(method="lora", rank=4))
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.02)
    FusedDecoder(causal_model(model)).accumulate(collate(rows, 0), learned)
    return {name: p.grad for name, p in model.named_parameters() if p.grad is not None}


def test_two_processes_that_share_a_step_make_the_same_step(tiny_folder: Path) -> None:
    rows = rendered(tiny_folder)
    learned = sum(row.learned() for row in rows)
    whole = gradients(tiny_folder, rows, learned)
    halves = split(tuple(range(len(rows))), [len(row.input_ids) for row in rows], len(rows) // 2)
    assert len(halves) == 2
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as processes:
        shares = [processes.submit(gradients, tiny_folder, [rows[i] for i in half], learned) for half in halves]
        first, second = (share.result() for share in shares)
    for name, gradient in whole.items():
        torch.testing.assert_close(first[name] + second[name], gradient, atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize("method", ["lora", "qlora", "full"])
def test_the_fused_gradients_train_as_autograds_do(tiny_folder: Path, tmp_path: Path, method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = Recipe(method=method, rank=4, epochs=2, batch_size=4, micro_batch_size=2, learning_rate=1e-3)
    fused = trainer_of(tiny_folder, tmp_path / "a", FP32, recipe)
    fused.train()
    monkeypatch.setattr("qlora_demo.training.trainer.supports", lambda model: False)
    plain = trainer_of(tiny_folder, tmp_path / "b", FP32, recipe)
    plain.train()
    losses = [[log["loss"] for log in trainer.state.log_history if "loss" in log] for trainer in (fused, plain)]
    assert losses[0] == pytest.approx(losses[1], abs=2e-4)


def test_16_bit_weights_that_learn_have_masters(tiny_folder: Path, tmp_path: Path) -> None:
    recipe = Recipe(method="lora", rank=4, epochs=1, batch_size=4, micro_batch_size=4)
    trainer = trainer_of(tiny_folder, tmp_path, BF16, recipe)
    trainer.train()
    assert isinstance(trainer.optimizer.optimizer, MasterAdamW)
    assert {p.dtype for p in trainer.model.parameters() if p.requires_grad} == {torch.bfloat16}


@pytest.mark.parametrize("method", ["lora", "qlora"])
def test_a_cards_fp16_base_has_an_adapter_in_32_bits_and_finite_gradients(tiny_folder: Path, tmp_path: Path, method: str) -> None:
    """The dtypes of a T4: a gradient scaler refuses 16-bit gradients, and SFTTrainer casts the adapter of a 4-bit base to bf16."""
    trainer = trainer_of(tiny_folder, tmp_path, T4, Recipe(method=method, rank=4, batch_size=4, micro_batch_size=4))
    learning = [p for p in trainer.model.parameters() if p.requires_grad]
    assert {p.dtype for p in learning} == {torch.float32}
    causal = causal_model(trainer.model)
    with torch.autocast("cpu", dtype=torch.float16):
        loss = trainer.compute_loss(trainer.model, collate(rendered(tiny_folder), 0))
    (loss * 128).backward()
    assert causal.dtype == torch.float16 and loss.dtype == torch.float32
    scaler = torch.amp.GradScaler("cpu", init_scale=128.0)
    optimizer = torch.optim.AdamW(learning, lr=1e-3)
    scaler.scale(torch.zeros((), requires_grad=True))
    scaler.unscale_(optimizer)
    assert all(p.grad.dtype == torch.float32 and bool(p.grad.isfinite().all()) for p in learning if p.grad is not None)


def test_rows_at_once_are_bounded_by_their_tokens_on_a_processor() -> None:
    lengths = [1500, 1000, 1000, 900, 100, 100, 100, 100]
    groups = split(tuple(range(8)), lengths, 8, 2048)
    assert groups == [(0,), (1, 2), (3, 4), (5, 6, 7)]
    assert split(tuple(range(8)), lengths, 8) == [tuple(range(8))]
    assert Setting(BF16, "cpu", Path()).tokens_at_once() == 2048
    assert Setting(BF16, "cuda", Path()).tokens_at_once() == 0


def test_a_card_gets_the_optimizer_that_fits() -> None:
    assert Setting(BF16, "cuda", Path()).optimizer() == "adamw_torch_fused"
    assert Setting(BF16, "cuda", Path(), paged_optimizer=True).optimizer() == "paged_adamw_8bit"
