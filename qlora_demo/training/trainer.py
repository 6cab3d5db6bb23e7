"""TRL's SFTTrainer on rows that we rendered, with our plan of steps and our loss.

One item of its data loader is a whole optimizer step: the Trainer then counts, schedules, clips, saves and resumes in steps, and how a step is
split into micro-batches, and dealt to several processes, is nobody's business but `training_step`'s.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from peft import LoraConfig, PeftModel, get_peft_model
from torch.utils.data import DataLoader
from transformers import PreTrainedModel, PreTrainedTokenizerBase, TrainerCallback
from trl import SFTConfig, SFTTrainer

from qlora_demo.data.rendering import IGNORED, Rendered
from qlora_demo.models.fused_decoder import FusedDecoder, supports
from qlora_demo.models.loading import Precision, attention_of, causal_model, linear_layer_names
from qlora_demo.models.loss import Batch, collate, collate_unpadded, loss_sum
from qlora_demo.recipe import Recipe
from qlora_demo.training.batches import Step, deal, split
from qlora_demo.training.optimizer import MasterAdamW
from qlora_demo.training.ranks import ALONE, Ranks

MAX_GRAD_NORM = 1.0
TOKENS_AT_ONCE = 2048
"""Of one micro-batch on a processor: more makes nothing faster there, only larger."""


@dataclass(frozen=True)
class Setting:
    """Where and in what a run is trained. `folder` gets the checkpoints. With `checkpointing` the layers' inner values are made again on the way back
    instead of being kept: less memory, a third more work."""

    precision: Precision
    device: str
    folder: Path
    checkpointing: bool = False
    paged_optimizer: bool = False
    """On a card: Adam's moments in 8 bits, moved to the machine's memory where the card's runs short (bitsandbytes). For full training that would not
    fit otherwise: an adapter's moments are small."""
    ranks: Ranks = ALONE
    """The processes that share each step. `sharded` says that the base model is spread over them: see `sharding`."""
    sharded: bool = False

    def by_hand(self, model: Any) -> bool:
        """Whether gradients are made by hand: written for this model, and its weights are all here."""
        return not self.sharded and supports(causal_model(model))

    def padding_free(self) -> bool:
        """Whether autograd gets rows laid one after the other: worth it only with flash attention, which takes no mask."""
        return attention_of(self.device, self.precision) == "flash_attention_2"

    def optimizer(self) -> str:
        """In the Trainer's words."""
        if self.device == "cpu":
            return "adamw_torch"
        return "paged_adamw_8bit" if self.paged_optimizer else "adamw_torch_fused"

    def tokens_at_once(self) -> int:
        """0 where only the number of rows counts."""
        return TOKENS_AT_ONCE if self.device == "cpu" else 0


class StepTrainer(SFTTrainer):
    """`steps` are row indices into `rows`; see `batches.plan`. `model` is a PEFT model or a plain one on the wanted device."""

    def __init__(self, model: Any, rows: Sequence[Rendered], steps: Sequence[Step], micro_batch_size: int, setting: Setting, **options: Any):
        self._rows, self._steps, self._micro_batch_size, self._setting = rows, steps, micro_batch_size, setting
        self._learned = [sum(rows[i].learned() for i in step) for step in steps]
        self._decoder: FusedDecoder | None = None
        super().__init__(model=model, train_dataset=_stand_in(rows[0]), **options)

    def get_train_dataloader(self) -> DataLoader:
        return DataLoader(self._rows, batch_sampler=[list(step) for step in self._steps], collate_fn=self._micro_batches)

    def _micro_batches(self, rows: list[Rendered]) -> list[Batch]:
        """This process's share of a step's rows; where it has none, no batch."""
        lengths, ranks = [len(row.input_ids) for row in rows], self._setting.ranks
        shares = deal(tuple(range(len(rows))), lengths, ranks.size)
        indices = [split(share, lengths, self._micro_batch_size, self._setting.tokens_at_once()) for share in shares]
        groups = [[rows[i] for i in group] for group in indices[ranks.rank]]
        if self._setting.sharded:  # each needs the others in every pass: whoever has fewer goes along with a row that it learns nothing from
            groups += [[unlearned(rows[0])]] * (max(map(len, indices)) - len(groups))
        if self._setting.padding_free() and not self._setting.by_hand(self.model):
            return [collate_unpadded(group) for group in groups]
        return [collate(group, self.processing_class.pad_token_id) for group in groups]

    def training_step(self, model: torch.nn.Module, inputs: list[Batch], num_items_in_batch: Any = None) -> torch.Tensor:
        """Gradients of the mean loss over the step's learned tokens, however it is split and dealt. Returns that mean."""
        model.train()
        step, ranks = self.state.global_step, self._setting.ranks
        weights = [p for p in model.parameters() if p.requires_grad]
        ranks.begin_step(weights, self.args.seed + step)
        mine = self._prepare_inputs(inputs) if inputs else []  # Trainer's own takes nothing for a mistake
        return ranks.add_up(weights, self._accumulate(mine, self._learned[step]))

    def _accumulate(self, batches: list[Batch], learned: int) -> torch.Tensor:
        """Gradients of these batches' part of the mean over `learned` tokens; returns that part."""
        total = torch.zeros((), device=self.args.device)
        decoder = self.decoder()
        if decoder is not None:
            return torch.stack([total, *(decoder.accumulate(batch, learned) for batch in batches)]).sum()
        if self.accelerator.scaler is not None:
            self.accelerator.scaler.scale(total)  # it makes its factor with its first loss, and a share without rows has none
        for batch in batches:
            with self.compute_loss_context_manager():
                loss = self.compute_loss(self.model, batch) / learned
            self.accelerator.backward(loss)
            total += loss.detach()
        return total

    def decoder(self) -> FusedDecoder | None:
        """What makes the gradients instead of autograd, where it is written for the model."""
        model = self.accelerator.unwrap_model(self.model)
        if self._decoder is None and self._setting.by_hand(model):
            self._decoder = FusedDecoder(causal_model(model), self._setting.checkpointing)
        return self._decoder

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
        self._decoder = None  # PEFT has put other parameters in the place of those it knew

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        """Trainer's own, without the model card that SFTTrainer writes first."""
        super(SFTTrainer, self)._save_checkpoint(model, trial)


def unlearned(row: Rendered) -> Rendered:
    """The same row without anything to learn."""
    return replace(row, labels=(IGNORED,) * len(row.labels))


def _stand_in(row: Rendered) -> Dataset:
    """SFTTrainer wants a data set of its own kind to look at; ours comes through the data loader."""
    return Dataset.from_dict({"input_ids": [list(row.input_ids)], "labels": [list(row.labels)]})


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


def save_memory(model: Any) -> None:
    """Each layer's inner values are computed again on the way back instead of being kept: a third more work, a fraction of the memory."""
    model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    if isinstance(model, PeftModel):
        model.enable_input_require_grads()


def learning_dtype(precision: Precision) -> torch.dtype:
    """Of the weights that learn: 16 bits where all is bf16 without autocast; else 32, which fp16's gradient scaling needs."""
    return torch.bfloat16 if precision.dtype == torch.bfloat16 and not precision.autocast else torch.float32


def build_trainer(
    model: Any,
    tokenizer: PreTrainedTokenizerBase,
    recipe: Recipe,
    data: tuple[Sequence[Rendered], Sequence[Step]],
    setting: Setting,
    callbacks: list[TrainerCallback],
) -> StepTrainer:
    """`data` is rows and steps."""
    rows, steps = data
    precision, device = setting.precision, setting.device
    arguments = SFTConfig(
        output_dir=str(setting.folder),
        max_steps=len(steps),
        per_device_train_batch_size=recipe.batch_size,
        gradient_accumulation_steps=1,
        learning_rate=recipe.learning_rate,
        lr_scheduler_type={"constant": "constant_with_warmup"}.get(recipe.schedule, recipe.schedule),
        warmup_steps=recipe.warmup,
        max_grad_norm=MAX_GRAD_NORM,
        weight_decay=0.0,
        optim=setting.optimizer(),
        tf32=True if precision.ampere else None,  # what is left in 32 bits: three times as fast with 10 bits of 23, as good for training
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
    if arguments.device.type == "cuda":
        arguments._n_gpu = 1  # several cards are several processes, never torch's DataParallel
    trainer = StepTrainer(
        model, rows, steps, recipe.micro_batch_size, setting, args=arguments, processing_class=tokenizer, callbacks=callbacks
    )
    # SFTTrainer casts the adapter of a 4-bit base to bf16, which kills fp16's gradient scaler on a T4 (trl#4901).
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.to(learning_dtype(precision))
    if setting.checkpointing and not setting.by_hand(model):
        save_memory(model)
    return trainer
