"""What a run left, as it lies there, with the few texts that others need: nothing is computed, so it can be taken along at once."""

from __future__ import annotations

import json
from pathlib import Path

from qlora_demo.errors import StorageError
from qlora_demo.export.about import About, about_run
from qlora_demo.export.card import card
from qlora_demo.export.template import fixed
from qlora_demo.run_dir import RunDir

CARD, TEMPLATE, CONFIG, TOKENIZER = "README.md", "chat_template.jinja", "adapter_config.json", "tokenizer_config.json"
NOT_WHOLE = "The files of this model are not whole, so it cannot be downloaded. Train it again."


def texts(run: RunDir) -> dict[str, str]:
    """File names with their contents, to stand beside or in the place of those in `run.weights()`. Raises StorageError."""
    about = about_run(run)
    try:
        if about.method == "full":
            return {CARD: card(about, "merged"), **speaking_texts(run.model, about)}
        return {CARD: card(about, "adapter"), CONFIG: adapter_config(run, about)}
    except (OSError, ValueError, KeyError) as error:
        raise StorageError(NOT_WHOLE) from error


def adapter_config(run: RunDir, about: About) -> str:
    """PEFT's, with the base model as everybody finds it: its id on the hub, and its revision where it is one of there."""
    config = json.loads((run.adapter / CONFIG).read_text(encoding="utf-8"))
    config["base_model_name_or_path"] = about.base.published()
    config["revision"] = None if about.base.bundled() else about.base.revision
    return json.dumps(config, indent=2, sort_keys=True) + "\n"


def speaking_texts(folder: Path, about: About) -> dict[str, str]:
    """The chat template of a folder, so that it speaks as in training wherever it is used. Older programs read it from the tokenizer's settings."""
    settings = json.loads((folder / TOKENIZER).read_text(encoding="utf-8"))
    own = folder / TEMPLATE
    template = fixed(own.read_text(encoding="utf-8") if own.exists() else settings["chat_template"], about.base.template_options)
    return {TEMPLATE: template, TOKENIZER: json.dumps({**settings, "chat_template": template}, indent=2, ensure_ascii=False) + "\n"}
