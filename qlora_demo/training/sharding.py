"""A base model spread over cards: each keeps a share of every layer, and a layer is whole only while it computes (FSDP).

The adapter stays whole on every card, so that gradients, optimizer, saved points and the result are those of processes that each have the whole
model. How layers come and go is read from the configuration that TRL ships for this (accelerate_configs/fsdp2.yaml).
"""

from __future__ import annotations

from importlib.resources import files

import bitsandbytes
import yaml
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from transformers import PreTrainedModel


def shipped() -> dict[str, object]:
    """TRL's `fsdp_config` for torch's FSDP2."""
    text = (files("trl") / "accelerate_configs" / "fsdp2.yaml").read_text(encoding="utf-8")
    return yaml.safe_load(text)["fsdp_config"]


def shard(model: PreTrainedModel, device: str, size: int) -> None:
    """`model` is the causal model with its adapter in it, in the machine's memory; afterwards its frozen weights are spread over `size` cards. A head
    that is the embedding too stays whole, as it is read outside of the layers' own pass."""
    inner, embedding, head = model.model, model.get_input_embeddings(), model.get_output_embeddings()
    tied = embedding.weight is head.weight
    whole = {p for p in model.parameters() if p.requires_grad} | ({embedding.weight} if tied else set())
    back = bool(shipped()["fsdp_reshard_after_forward"])
    how = {"mesh": init_device_mesh(device, (size,)), "reshard_after_forward": back, "ignored_params": whole}
    for layer in inner.layers:
        fully_shard(layer, **how)
    for part in () if tied else (embedding, head):
        fully_shard(part, **how)
    fully_shard(inner, **how)
    for weight in whole:
        weight.data = weight.data.to(device)
    for module in model.modules():
        if isinstance(module, bitsandbytes.nn.Linear4bit):
            module.quant_state.to(device)  # the scales of its packed weights; the layer itself keeps them whole
    model.hf_device_map = {"": 0 if device == "cuda" else "cpu"}  # accelerate refuses 4-bit weights that lie elsewhere than it computes
