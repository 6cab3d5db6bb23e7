"""Runs whose weights are real, of the tiny model: what training would have left, made at random."""

from __future__ import annotations

from pathlib import Path

import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel

from qlora_demo.catalogue import BUNDLED_ID, find_model
from qlora_demo.models.loading import linear_layer_names
from qlora_demo.owners import LOCAL
from qlora_demo.run_dir import RunDir, write_json
from qlora_demo.studio import Studio
from qlora_demo.training.artifact import save_adapter, save_model

FAQ = "question,answer\n" + "".join(f"What is thing {i}?,It is the {i}th of them\n" for i in range(30))


def tiny_model(folder: Path, dtype: torch.dtype = torch.float32) -> PreTrainedModel:
    return AutoModelForCausalLM.from_pretrained(folder, dtype=dtype).eval()


def leave_adapter(run: RunDir, base: Path, seed: int = 1, **config: object) -> None:
    """An adapter that changes much."""
    torch.manual_seed(seed)
    model = tiny_model(base)
    names = linear_layer_names(model)
    adapted = get_peft_model(model, LoraConfig(**{"r": 4, "lora_alpha": 8, "target_modules": names, "task_type": "CAUSAL_LM", **config}))
    for name, parameter in adapted.named_parameters():
        if "lora_" in name:
            parameter.data = torch.randn_like(parameter) * 0.3
    save_adapter(adapted, find_model(BUNDLED_ID), run.adapter)


def leave_model(run: RunDir, base: Path, seed: int = 2) -> None:
    """The whole model, changed."""
    torch.manual_seed(seed)
    model = tiny_model(base, torch.bfloat16)
    for parameter in model.parameters():
        parameter.data += 0.05 * torch.randn_like(parameter)
    save_model(model, AutoTokenizer.from_pretrained(base), find_model(BUNDLED_ID), run.model)


def learned_run(studio: Studio, base: Path, name: str = "My FAQ", method: str = "lora", owner: str = LOCAL) -> RunDir:
    """Submitted as all are, and finished."""
    file = studio.home.path.parent / f"{name}.csv"
    file.write_text(FAQ)
    dataset = studio.data.add_file(owner, file, "faq.csv")
    run = studio.home.run(studio.submit(owner, dataset, studio.recommend(owner, dataset, method=method), name))
    if method == "full":
        leave_model(run, base)
    else:
        leave_adapter(run, base)
    write_json(run.result_json, {"outcome": "finished", "reason": "", "artifact_bytes": 5, "steps": 9})
    studio.ledger.move(studio.run(owner, run.id).job.id, ("queued",), "finished")
    return run
