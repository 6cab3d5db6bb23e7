"""A base model into memory: precision by what the device can really compute, and 4-bit packing for QLoRA."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import bitsandbytes
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, BitsAndBytesConfig, PreTrainedModel

from qlora_demo.models.inert import check_adapter, check_model
from qlora_demo.models.packing import fast_packing

PROBE_SIZE, PROBE_TIMES = 512, 5
SURELY_FASTER = 1.3
"""A run that goes on must compute as it began: what the probe cannot tell clearly is fp32."""


@dataclass(frozen=True)
class Precision:
    """`dtype` is that of the base's weights; `autocast` names the Trainer's mixed precision, or is "" for none. `ampere` says whether it is for a
    card of capability 8 or more, which has TF32 and flash attention too."""

    dtype: torch.dtype
    autocast: str
    reason: str
    ampere: bool = False


def training_precision(device: str, method: str, paged: bool = False) -> Precision:
    """What to train in, with the reason for the log.

    CUDA: `torch.cuda.is_bf16_supported()` says yes on a T4, where bf16 is emulated and slow (pytorch#148322), so the compute capability decides. From
    Ampere on everything is bf16, and what learns has its 32-bit masters in the optimizer. The `paged` optimizer keeps none, so there, and with fp16,
    the weights of a model that learns whole are the masters, and autocast makes the 16-bit copies.

    CPU: bf16 products are 4 times as fast as fp32 where the processor has AVX512_BF16 or AMX; others are tried for some milliseconds.
    """
    if device == "cuda":
        major, minor = torch.cuda.get_device_capability()
        card = f"this card (capability {major}.{minor})"
        if major >= 8:
            weights, autocast = (torch.float32, "bf16") if paged else (torch.bfloat16, "")
            return Precision(weights, autocast, f"bf16: {card} computes it directly", ampere=True)
        weights = torch.float32 if method == "full" else torch.float16
        return Precision(weights, "fp16", f"fp16: {card} only emulates bf16")
    known = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    if known or product_seconds(torch.float32) > SURELY_FASTER * product_seconds(torch.bfloat16):
        return Precision(torch.bfloat16, "", "bf16: this processor multiplies 16-bit numbers faster than 32-bit ones")
    return Precision(torch.float32, "", "fp32: this processor has no fast 16-bit arithmetic")


def product_seconds(dtype: torch.dtype) -> float:
    """What one small matrix product takes on this processor, at its best."""
    a, b = torch.ones(PROBE_SIZE, PROBE_SIZE, dtype=dtype), torch.ones(PROBE_SIZE, PROBE_SIZE, dtype=dtype)
    best = float("inf")
    for _ in range(PROBE_TIMES):
        began = time.perf_counter()
        a @ b
        best = min(best, time.perf_counter() - began)
    return best


def attention_of(device: str, precision: Precision) -> str:
    """The fastest attention that is installed, in transformers' words."""
    if device == "cpu":
        return "eager"  # short rows: fewer, cheaper calls
    return "flash_attention_2" if precision.ampere and find_spec("flash_attn") else "sdpa"


def chat_precision(device: str) -> Precision:
    """What to answer in: as in training. Two rows of bf16 take a processor that has it as long as one, two of fp32 half as long again."""
    return training_precision(device, "lora")


def measuring_precision(device: str) -> Precision:
    """What a finished model is tested in again: on a processor 32 bits, in which numbers do not depend on which rows are in a batch together."""
    return training_precision(device, "lora") if device == "cuda" else Precision(torch.float32, "", "fp32: exact")


def load_base(folder: Path, method: str, precision: Precision, device: str, to_shard: bool = False) -> PreTrainedModel:
    """The base model of a run, or the model that a full run saved in `folder`.

    For QLoRA its linear layers are packed to NF4 with double quantisation (QLoRA paper, section 3). One that is to be spread over cards (`to_shard`)
    stays in the machine's memory, its packed weights seen as numbers of the dtype it is trained in: all that is spread must have one.

    A process that will train calls `keep_packing_layout` next. Raises ModelError for a folder that asks for code to be run.
    """
    check_model(folder)
    packing = None
    if method == "qlora":
        packing = BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=precision.dtype,
            bnb_4bit_quant_storage=precision.dtype if to_shard else torch.uint8,
        )
    with fast_packing():
        model = AutoModelForCausalLM.from_pretrained(
            folder,
            dtype=precision.dtype,
            quantization_config=packing,
            device_map={"": 0 if device == "cuda" and not to_shard else "cpu"},
            attn_implementation=attention_of(device, precision),
            trust_remote_code=False,
            use_safetensors=True,
        )
    keep_one_head(model)
    return model


def load_to_answer(folder: Path, method: str, precision: Precision, device: str) -> PreTrainedModel:
    """As `load_base`, for answers alone, and after a first token: bitsandbytes repacks its weights then.

    On a processor torch's fused attention is quicker for one token at a time, and a long prompt needs no square of its length. Raises ModelError.
    """
    model = load_base(folder, method, precision, device).eval()
    if device == "cpu":
        model.set_attn_implementation("sdpa")
    with torch.inference_mode():
        model(input_ids=torch.zeros(1, 1, dtype=torch.long, device=model.device), use_cache=False)
    return model


def with_adapter(model: PreTrainedModel | PeftModel, folder: Path, name: str) -> PeftModel:
    """`model` with what a run learned, beside other adapters if it has some. Raises ModelError for a folder that asks for code to be run."""
    check_adapter(folder)
    with same_packing(model):
        if isinstance(model, PeftModel):
            model.load_adapter(folder, adapter_name=name)
            return model
        return PeftModel.from_pretrained(model, folder, adapter_name=name)


@contextmanager
def same_packing(model: torch.nn.Module) -> Iterator[None]:
    """Puts 4-bit weights back as they were.

    PEFT asks for a state dict when it loads an adapter. For that bitsandbytes 0.50 turns weights that it had repacked for the processor back, in
    place and with their scales rounded once more (functional.py, `_convert_weight_packed_for_cpu_inverse`): each adapter would change the base.
    """
    layers = [module for module in model.modules() if isinstance(module, bitsandbytes.nn.Linear4bit)]
    before = [(layer.weight, layer.weight.data, layer.weight.quant_state, dict(vars(layer.weight.quant_state))) for layer in layers]
    try:
        yield
    finally:
        for weight, data, state, values in before:
            weight.data, weight.quant_state = data, state
            vars(state).clear()
            vars(state).update(values)


def keep_one_head(model: PreTrainedModel) -> None:
    """Stops torch from copying the head's weights once for each row.

    `generate` gives the head the last position of every row, (rows, 1, hidden) with gaps between. On a processor torch 2.13 multiplies that row by
    row, with as many copies of the weights: 20 rows of a model with 49,152 words took a gigabyte. tests/models/test_loading.py reproduces it.
    """
    model.get_output_embeddings().register_forward_pre_hook(lambda module, inputs: (inputs[0].contiguous(),))


def causal_model(model: PreTrainedModel | PeftModel) -> PreTrainedModel:
    """The causal model itself: inside a PEFT model its base, with the adapter's layers in it."""
    return model.get_base_model() if isinstance(model, PeftModel) else model


def keep_packing_layout(model: torch.nn.Module) -> None:
    """Stops bitsandbytes from repacking 4-bit weights on CPUs with AVX512_BF16.

    Its first evaluation forward converts the weights to a layout that has no backward: every later training step then gets no gradient through
    them, with no error (bitsandbytes 0.50, nn/modules.py, Linear4bit.forward). tests/models/test_loading.py reproduces it.
    """
    for module in model.modules():
        if isinstance(module, bitsandbytes.nn.Linear4bit):
            module.support_avx512bf16_for_cpu = False


def linear_layer_names(model: PreTrainedModel) -> list[str]:
    """The kinds of linear layers an adapter goes on: all but the head, e.g. q_proj, down_proj."""
    head = model.get_output_embeddings()
    names = {name.rpartition(".")[2] for name, module in model.named_modules() if isinstance(module, torch.nn.Linear) and module is not head}
    return sorted(names)
