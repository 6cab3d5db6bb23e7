"""Where base models are kept on this disk. Apart from the rest, so that the web process can look without importing torch or asking the hub."""

from __future__ import annotations

import json
from pathlib import Path

from huggingface_hub import snapshot_download
from huggingface_hub.errors import LocalEntryNotFoundError

from qlora_demo.catalogue import BUNDLED_ID, BaseModel, find_model

# Weights in safetensors only: a pickle can run code. No Python files: none would be run.
TOKENIZER_PATTERNS = ["*.json", "*.jinja", "tokenizer.model", "merges.txt", "vocab.txt"]
PATTERNS = ["*.safetensors", *TOKENIZER_PATTERNS]


def bundled_folder(models: Path) -> Path:
    """There if and only if it is whole."""
    return models / f"smollm2-135m-instruct-{find_model(BUNDLED_ID).sha256[:12]}"


def hub_folder(model: BaseModel) -> Path | None:
    """The folder of a model of the hub at its pinned revision, None where it is not whole on this disk."""
    folder = _cached(model, PATTERNS)
    return folder if folder and all((folder / name).exists() for name in ("tokenizer_config.json", *_weights(folder))) else None


def hub_tokenizer_folder(model: BaseModel) -> Path | None:
    """As `hub_folder`, for its small files alone."""
    folder = _cached(model, TOKENIZER_PATTERNS)
    return folder if folder and (folder / "tokenizer_config.json").exists() else None


def _cached(model: BaseModel, patterns: list[str]) -> Path | None:
    """Where an earlier release of the hub's library has left no list of the files, the folder may lack some."""
    try:
        return Path(snapshot_download(model.id, revision=model.revision, allow_patterns=patterns, local_files_only=True))
    except LocalEntryNotFoundError:
        return None


def _weights(folder: Path) -> set[str]:
    """The files that must be there: one, or the parts that an index names."""
    index = folder / "model.safetensors.index.json"
    if not index.exists():
        return {"model.safetensors"}
    return set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
