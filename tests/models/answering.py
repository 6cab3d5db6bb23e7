"""Small random models with loud adapters, for tests of what answers: what each says differs clearly from what the others say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel

from qlora_demo.models.loading import Precision, linear_layer_names, load_base

SMALL = {
    "vocab_size": 320,
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 512,
    "initializer_range": 0.2,
    "pad_token_id": 0,
    "eos_token_id": 2,
}
FAMILIES = ("llama", "qwen2", "qwen3", "smollm3", "gemma", "gemma3_text")


def made(family: str, **fields: Any) -> PreTrainedModel:
    """In fp32. Gemma 3's layers look back 512 tokens at most, but for one in six; here 16, and every second."""
    torch.manual_seed(0)
    more = {"sliding_window": 16, "layer_types": ["sliding_attention", "full_attention"]} if family == "gemma3_text" else {}
    if "gemma" in family:
        more["head_dim"] = 16
    return AutoModelForCausalLM.from_config(AutoConfig.for_model(family, **{**SMALL, **more, **fields}), attn_implementation="sdpa").eval()


def with_adapters(model: PreTrainedModel, *names: str) -> Any:
    """A PEFT model with loud random adapters of these names."""
    config = LoraConfig(r=4, lora_alpha=8, target_modules=linear_layer_names(model), task_type="CAUSAL_LM")
    first, *others = names
    adapted = get_peft_model(model, config, adapter_name=first)
    for name in others:
        adapted.add_adapter(name, config)
    for number, name in enumerate(names):
        torch.manual_seed(number + 1)
        for parameter, weight in adapted.named_parameters():
            if f"lora_B.{name}." in parameter:
                torch.nn.init.normal_(weight, std=0.3)
    return adapted.eval()


def adapted_folder(folder: Path, method: str, dtype: torch.dtype, *names: str) -> Any:
    return with_adapters(load_base(folder, method, Precision(dtype, "", ""), "cpu").eval(), *(names or ("one",)))
