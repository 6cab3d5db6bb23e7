"""One form of a finished run, from its weights to a folder that others can use. Read top to bottom."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from transformers import AutoTokenizer

from qlora_demo.errors import ModelError
from qlora_demo.export import llama_cpp
from qlora_demo.export.about import About, about_run
from qlora_demo.export.as_is import CARD, CONFIG, adapter_config, speaking_texts
from qlora_demo.export.card import card
from qlora_demo.export.forms import ADAPTER, GGUF_ADAPTER, MERGED, Form, find_form
from qlora_demo.export.merging import merge
from qlora_demo.export.ollama import modelfile
from qlora_demo.export.prepared import clear_half, half, mark
from qlora_demo.export.usage import gguf_name
from qlora_demo.models.inert import WEIGHTS
from qlora_demo.run_dir import Home, RunDir, publish
from qlora_demo.settings import Settings
from qlora_demo.source.locate import locate
from qlora_demo.source.place import TOKENIZER_PATTERNS
from qlora_demo.systems import peak_memory

Tell = Callable[[float, str], None]
"""Hears the share that is done, and what is being done."""
NO_WEIGHTS = "This model is not finished, so it cannot be taken along yet."


@dataclass(frozen=True)
class Making:
    """`folder` is where the files go; `base` where the base model lies."""

    run: RunDir
    form: Form
    about: About
    base: Path
    folder: Path
    tell: Tell

    def full(self) -> bool:
        return self.about.method == "full"


def make(run: RunDir, key: str, settings: Settings, tell: Tell) -> None:
    """Leaves exports/KEY and its marker in the run's folder; whatever was half there before goes. Raises UserError, OSError."""
    began = time.monotonic()
    about = about_run(run)
    form = find_form(key, about.method)
    if not run.weights().is_dir():
        raise ModelError(NO_WEIGHTS)
    clear_half(run, key)
    tell(0.0, "Getting the base model")
    base, temporary = locate(about.base, settings), half(run, key)
    temporary.mkdir(parents=True)
    try:
        making = Making(run, form, about, base, temporary, tell)
        if form == ADAPTER:
            _adapter(making)
        elif form == MERGED:
            _merged(making, temporary, None, 1.0)
        else:
            _gguf(making, settings)
        _write(temporary, {CARD: card(about, form.key)})
        publish(temporary, run.exports / key)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    tell(1.0, "Counting")
    mark(run, key, time.monotonic() - began, peak_memory_bytes=peak_memory())


def _adapter(making: Making) -> None:
    shutil.copyfile(making.run.adapter / WEIGHTS, making.folder / WEIGHTS)
    _write(making.folder, {CONFIG: adapter_config(making.run, making.about)})


def _merged(making: Making, folder: Path, dtype: torch.dtype | None, share: float) -> None:
    """The whole model with its tokenizer in `folder`; in the base's own 16 bits where `dtype` is None. `share` is what it is of all the work."""
    making.tell(0.0, "Putting base and add-on together")
    source = making.run.model if making.full() else making.base
    _copy_texts(making, source, folder)
    if making.full():
        for path in (*source.glob("*.safetensors*"), source / "config.json"):
            shutil.copyfile(path, folder / path.name)
        return
    own = torch.float16 if dtype is None and _config(source).get("dtype") == "float16" else torch.bfloat16
    merge(source, making.run.adapter, folder, dtype or own, lambda done: making.tell(done * share, "Putting base and add-on together"))


def _config(folder: Path) -> dict[str, object]:
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    return {**config, "dtype": config.get("dtype") or config.get("torch_dtype")}


def _copy_texts(making: Making, source: Path, folder: Path) -> None:
    """The tokenizer's files."""
    for pattern in TOKENIZER_PATTERNS:
        for path in source.glob(pattern):
            if path.name not in ("config.json", "model.safetensors.index.json"):
                shutil.copyfile(path, folder / path.name)
    _write(folder, speaking_texts(source, making.about))


def _write(folder: Path, texts: dict[str, str]) -> None:
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")


def _gguf(making: Making, settings: Settings) -> None:
    """By llama.cpp's converter. The merged model on the way is in fp16, which keeps 8 times as much of a weight's digits as bf16 does."""
    form, tell = making.form, making.tell
    tell(0.0, "Getting llama.cpp's converter")
    tools = llama_cpp.converters(Home(making.run.path.parent.parent), settings.offline)
    if form == GGUF_ADAPTER:
        tell(0.1, "Converting the add-on")
        llama_cpp.convert_adapter(tools, making.base, making.run.adapter, making.folder / gguf_name(making.about.name, form.key), lambda size: None)
        return
    quant = form.key.removeprefix("gguf-")
    model, target = making.folder / "merged", making.folder / gguf_name(making.about.name, form.key)
    model.mkdir()
    _merged(making, model, torch.float16, 0.4)
    expected = making.about.base.dimensions.parameters() * form.bits / 8

    def converted(size: int) -> None:
        tell(min(0.95, 0.4 + 0.55 * size / expected), "Converting for llama.cpp")

    llama_cpp.convert_model(tools, model, target, quant, making.about.name, converted)
    tokenizer = AutoTokenizer.from_pretrained(model, trust_remote_code=False)
    _write(making.folder, {"Modelfile": modelfile(tokenizer, making.about, target.name)})
    shutil.rmtree(model)
