"""TRL's SFTTrainer on rows that we rendered, with our plan of steps and our loss.

One item of its data loader is a whole optimizer step: the Trainer then counts, schedules, clips, saves and resumes in steps, and how a step is
split into micro-batches is nobody's business but `training_step`'s.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from peft import LoraConfig, get_peft_model
from torch.utils.data import DataLoader
from transformers import PreTrainedModel, PreTrainedTokenizerBase, TrainerCallback
from trl import SFTConfig, SFTTrainer

from qlora_demo.data.rendering import Rendered
from qlora_demo.models.loading import Precision, causal_model, linear_layer_names
from qlora_demo.models.loss import Batch, collate, loss_sum
from qlora_demo.recipe import Recipe
from qlora_demo.training.batches import Step, split
from qlora_demo.training.optimizer import MasterAdamW

MAX_GRAD_NORM = 1.0


class StepTrainer(SFTTrainer):
    """`steps` are row indices into `rows`; see `batches.plan`. `model` is a PEFT model or a plain one on the wanted device."""

    def __init__(self, model: Any, rows: Sequence[Rendered], steps: Sequence[Step], micro_batch_size: int, **options: Any):
        self._rows, self._steps, self._micro_batch_size = rows, steps, micro_batch_size
        super().__init__(model=model, train_dataset=_columns(rows), **options)

    def get_train_dataloader(self) -> DataLoader:
        return DataLoader(self._rows, batch_sampler=[list(step) for step in self._steps], collate_fn=self._micro_batches)

    def _micro_batches(self, rows: list[Rendered]) -> list[Batch]:
        indices = split(tuple(range(len(rows))), [len(row.input_ids) for row in rows], self._micro_batch_size)
        return [collate([rows[i] for i in group], self.processing_class.pad_token_id) for group in indices]

    def training_step(self, model: torch.nn.Module, inputs: list[Batch], num_items_in_batch: Any = None) -> torch.Tensor:
        """Gradients of the mean loss over the step's learned tokens, however it is split. Returns that mean."""
        model.train()
        batches = self._prepare_inputs(inputs)
        learned = sum(int((batch["labels"][:, 1:] != -100).sum()) for batch in batches)
        total = torch.zeros((), device=self.args.device)
        for batch in batches:
            with self.compute_loss_context_manager():
                loss = self.compute_loss(model, batch) / learned
            self.accelerator.backward(loss)
            total += loss.detach()
        return total

    def compute_loss(self, model: Any, inputs: Batch, return_outputs: bool = False, num_items_in_batch: Any = None) -> torch.Tensor:
        """The summed loss. (`compute_loss_func` would make SFTTrainer run every batch twice.)"""
        return loss_sum(causal_model(self.accelerator.unwrap_model(model)), inputs)

    def create_optimizer(self, model: Any = None) -> torch.optim.Optimizer:
        """32-bit masters where what learns is kept in bf16: alone, 8 bits lose most of the small changes."""
        weights = [p for p in self.model.parameters() if p.requires_grad]
        if weights[0].dtype == torch.bfloat16:
            self.optimizer = MasterAdamW(weights, lr=self.args.learning_rate)
            return self.optimizer
        return super().create_optimizer(model) if model is not None else super().create_optimizer()

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        """Trainer's own; PEFT loads 16-bit weights as 32-bit ones, which would be another optimizer than the saved one's."""
        dtypes = {name: p.dtype for name, p in self.model.named_parameters() if p.requires_grad}
        super()._load_from_checkpoint(resume_from_checkpoint, model)
        for name, parameter in self.model.named_parameters():
            if name in dtypes:
                parameter.data = parameter.data.to(dtypes[name])

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        """Trainer's own, without the model card that SFTTrainer writes first."""
        super(SFTTrainer, self)._save_checkpoint(model, trial)


def _columns(rows: Sequence[Rendered]) -> Dataset:
    """SFTTrainer wants a data set of its own kind to look at; ours comes through the data loader."""
    return Dataset.from_dict({"input_ids": [list(r.input_ids) for r in rows], "labels": [list(r.labels) for r in rows]})


def add_adapter(base: PreTrainedModel, recipe: Recipe) -> Any:
    """A fresh LoRA adapter on every linear layer but the head."""
    config = LoraConfig(
        r=recipe.rank,
        lora_alpha=recipe.alpha,
        lora_dropout=recipe.dropout,
        bias="none",
        target_modules=linear_layer_names(base),
        task_type="CAUSAL_LM",
    )
    return get_peft_model(base, config)


def learning_dtype(precision: Precision) -> torch.dtype:
    """Of the weights that learn: 16 bits where the base computes in bf16 without autocast (CPU); else 32, which fp16's gradient scaling needs."""
    return torch.bfloat16 if precision.dtype == torch.bfloat16 and not precision.autocast else torch.float32


def build_trainer(
    model: Any,
    tokenizer: PreTrainedTokenizerBase,
    recipe: Recipe,
    data: tuple[Sequence[Rendered], Sequence[Step]],
    setting: tuple[Precision, str, Path],
    callbacks: list[TrainerCallback],
) -> StepTrainer:
    """`data` is rows and steps; `setting` is precision, device and the folder for checkpoints."""
    rows, steps = data
    precision, device, folder = setting
    arguments = SFTConfig(
        output_dir=str(folder),
        max_steps=len(steps),
        per_device_train_batch_size=recipe.batch_size,
        gradient_accumulation_steps=1,
        learning_rate=recipe.learning_rate,
        lr_scheduler_type={"constant": "constant_with_warmup"}.get(recipe.schedule, recipe.schedule),
        warmup_steps=recipe.warmup,
        max_grad_norm=MAX_GRAD_NORM,
        weight_decay=0.0,
        optim="adamw_torch_fused" if device == "cuda" else "adamw_torch",
        bf16=precision.autocast == "bf16",
        fp16=precision.autocast == "fp16",
        activation_checkpointing=False,
        logging_steps=1,
        logging_nan_inf_filter=False,
        save_strategy="no",
        eval_strategy="no",
        report_to="none",
        seed=recipe.seed,
        data_seed=recipe.seed,
        dataloader_num_workers=0,
        dataloader_pin_memory=device == "cuda",
        remove_unused_columns=False,
        dataset_kwargs={"skip_prepare_dataset": True},
        max_length=None,
        use_cpu=device == "cpu",
        disable_tqdm=True,
    )
    trainer = StepTrainer(
        model, rows, steps, recipe.micro_batch_size, args=arguments, processing_class=tokenizer, callbacks=callbacks
    )
    # SFTTrainer casts the adapter of a 4-bit base to bf16, which kills fp16's gradient scaler on a T4 (trl#4901).
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.to(learning_dtype(precision))
    return trainer
