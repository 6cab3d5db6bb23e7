"""What others train with: TRL's SFTTrainer as its documentation shows it, on the same rows and the same batch, and Unsloth where it is installed."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any

import torch
from datasets import Dataset
from peft import LoraConfig
from transformers import AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig, TrainerCallback
from trl import SFTConfig, SFTTrainer

from benchmarks.learning import Task
from qlora_demo.data.conversation import Conversation
from qlora_demo.systems import peak_memory


@dataclass(frozen=True)
class Stock:
    """`speed` counts tokens without padding, from the end of the first step on. Memory is in bytes."""

    speed: float
    peak: int
    losses: list[float]


@dataclass
class Clock(TrainerCallback):
    """When each step ended, how many tokens had been read by then, and its loss."""

    ends: list[float] = field(default_factory=list)
    tokens: list[int] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if args.device.type == "cuda":
            torch.cuda.synchronize()
        self.ends.append(time.perf_counter())
        self.tokens.append(state.num_input_tokens_seen)

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float] | None = None, **kwargs: Any) -> None:
        if logs and "loss" in logs:
            self.losses.append(logs["loss"])


def messages(rows: Sequence[Conversation]) -> Dataset:
    """In the format of TRL's documentation."""
    return Dataset.from_list([{"messages": [{"role": m.role, "content": m.content} for m in row.messages]} for row in rows])


def train_stock(task: Task) -> Stock:
    """The model by its path, or packed to 4 bits as TRL's documentation shows; everything that is not said is TRL's default."""
    cuda = task.device == "cuda"
    model: Any = str(task.folder)
    if task.method == "qlora":
        packing = BitsAndBytesConfig(
            load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True, bnb_4bit_compute_dtype=torch.bfloat16
        )
        place = {"": 0 if cuda else "cpu"}
        model = AutoModelForCausalLM.from_pretrained(task.folder, quantization_config=packing, dtype=torch.bfloat16, device_map=place)
    adapter = None if task.method == "full" else LoraConfig(r=16, lora_alpha=32, target_modules="all-linear", task_type="CAUSAL_LM")
    return _measured(model, AutoTokenizer.from_pretrained(task.folder), adapter, task)


def train_unsloth(task: Task) -> Stock | None:
    """None where Unsloth is not installed, or for full training. Unsloth wants to be the first import: use a process of its own."""
    if find_spec("unsloth") is None or task.method == "full":
        return None
    from unsloth import FastLanguageModel  # noqa: PLC0415

    model, tokenizer = FastLanguageModel.from_pretrained(str(task.folder), max_seq_length=task.max_length, load_in_4bit=task.method == "qlora")
    kinds = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
    model = FastLanguageModel.get_peft_model(model, r=16, lora_alpha=32, target_modules=kinds)
    return _measured(model, tokenizer, None, task)


def _measured(model: Any, tokenizer: Any, adapter: LoraConfig | None, task: Task) -> Stock:
    clock = Clock()
    if task.device == "cuda":
        torch.cuda.reset_peak_memory_stats()
    with tempfile.TemporaryDirectory() as folder:
        arguments = SFTConfig(
            output_dir=folder,
            per_device_train_batch_size=task.batch_size,
            num_train_epochs=task.epochs,
            learning_rate=1e-4 if task.method == "full" else 5e-4,
            max_length=task.max_length,
            use_cpu=task.device == "cpu",
            fp16=task.precision == "fp16",
            bf16=task.precision != "fp16",
            logging_steps=1,
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
            include_num_input_tokens_seen="non_padding",
        )
        data = messages(task.conversations())
        trainer = SFTTrainer(
            model=model, args=arguments, train_dataset=data, processing_class=tokenizer, peft_config=adapter, callbacks=[clock]
        )
        trainer.train()
    peak = torch.cuda.max_memory_reserved() if task.device == "cuda" else peak_memory()
    return Stock((clock.tokens[-1] - clock.tokens[0]) / (clock.ends[-1] - clock.ends[0]), peak, clock.losses)
