"""What a training leaves behind: an adapter as a standard PEFT folder, or a whole model as a standard transformers folder."""

from __future__ import annotations

import shutil
from pathlib import Path

import torch
from peft import PeftModel
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from qlora_demo.catalogue import BaseModel
from qlora_demo.models.loading import Precision
from qlora_demo.run_dir import publish

ADAPTER = "default"


def save_adapter(model: PeftModel, base: BaseModel, folder: Path) -> None:
    """`folder` is there only once it is whole; an earlier one is replaced."""
    temporary = _empty(folder)
    config = model.peft_config[ADAPTER]
    config.base_model_name_or_path, config.revision = base.id, base.revision
    model.save_pretrained(temporary, save_embedding_layers=False)  # "auto" would look the base up on the hub
    (temporary / "README.md").unlink()  # PEFT's empty model card
    _publish(temporary, folder)


def save_model(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, base: BaseModel, folder: Path) -> None:
    """With its tokenizer, so that the folder is enough to answer. As `save_adapter` otherwise."""
    temporary = _empty(folder)
    model.config._name_or_path, model.config.use_cache = base.id, True
    model.save_pretrained(temporary)
    tokenizer.save_pretrained(temporary)
    _publish(temporary, folder)


def rounded(model: PreTrainedModel, precision: Precision) -> PreTrainedModel:
    """A fully trained model in the 16 bits it is saved in, so that what is tested is what answers in chat."""
    return model.to(torch.float16 if precision.autocast == "fp16" else torch.bfloat16)


def _empty(folder: Path) -> Path:
    temporary = folder.with_name(f".{folder.name}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    return temporary


def _publish(temporary: Path, folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)
    publish(temporary, folder)
