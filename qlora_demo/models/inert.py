"""Whether a folder holds numbers and settings alone: what could make a library run code from it is refused before the library sees it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from qlora_demo.errors import ModelError

WEIGHTS = "adapter_model.safetensors"
SETTINGS = ("config.json", "generation_config.json", "tokenizer_config.json", "adapter_config.json")
CODE = ("auto_map", "auto_mapping", "custom_pipelines", "custom_generate", "trust_remote_code", "_attn_implementation_internal", "kernel_config")
"""Settings that name code to run or to fetch; a model that was saved by a library has none of them, or null."""
PICKLES = (".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".joblib")
LARGEST_RANK = 256


def check_model(folder: Path) -> None:
    """Of a base model, or of one that was trained whole. Raises ModelError."""
    for path in folder.rglob("*"):
        if path.suffix == ".py":
            raise ModelError(f"This model brings code along ({path.name}). No code of a model is run here, so it is not used.")
    if not any(folder.glob("*.safetensors")):
        raise ModelError("This model has no weights in the safetensors format. Other formats can run code, so they are not read.")
    for name in SETTINGS:
        if (folder / name).exists():
            _check_settings(folder / name)


def check_adapter(folder: Path) -> None:
    """Of what a run learned. Raises ModelError."""
    config = _check_settings(folder / "adapter_config.json")
    others = [path.name for path in folder.iterdir() if path.suffix == ".py" or path.suffix in PICKLES]
    if others or not (folder / WEIGHTS).is_file():
        raise ModelError("What this model learned is not in the safetensors format alone. Other formats can run code, so it is not used.")
    if config.get("peft_type") != "LORA" or not _is_rank(config.get("r")):
        raise ModelError("What this model learned is of a kind that is not known here, so it is not used.")


def _check_settings(path: Path) -> dict[str, Any]:
    try:
        settings = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"The model's file {path.name} cannot be read. Delete this model and train it again.") from error
    if not isinstance(settings, dict):
        raise ModelError(f"The model's file {path.name} cannot be read. Delete this model and train it again.")
    _look_for_code(settings, path.name)
    return settings


def _look_for_code(settings: dict[str, Any], name: str) -> None:
    for key, value in settings.items():
        if key in CODE and value not in (None, False):
            raise ModelError(f"The model's file {name} asks for code to be run ({key}). No code of a model is run here, so it is not used.")
        if isinstance(value, dict):
            _look_for_code(value, name)


def _is_rank(rank: object) -> bool:
    return isinstance(rank, int) and not isinstance(rank, bool) and 1 <= rank <= LARGEST_RANK
