"""llama.cpp's converters: fetched once, checked before they are opened, alone in their folder, and what they cannot read is a sentence."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from qlora_demo.errors import ModelError
from qlora_demo.export import llama_cpp
from qlora_demo.export.llama_cpp import convert_model, converter_environ, converters
from qlora_demo.run_dir import Home


def test_only_the_converters_and_their_licence_are_kept(converters: Path) -> None:
    folder = converters / f"llama.cpp-{llama_cpp.VERSION}"
    assert {path.name for path in folder.iterdir()} == set(llama_cpp.WANTED)
    assert "MIT License" in (folder / "LICENSE").read_text()
    assert not list(converters.glob(".fetching-*"))


def test_what_is_there_is_not_fetched_again(converters: Path, tmp_path: Path) -> None:
    home = Home(tmp_path)
    (home.path / "tools").symlink_to(converters, target_is_directory=True)
    assert llama_cpp.converters(home, offline=True).is_dir()


def test_offline_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="QLORA_DEMO_OFFLINE is set"):
        converters(Home(tmp_path), offline=True)


@pytest.mark.parametrize(
    ("name", "value"),
    [("SHA256", "0" * 64), ("PACKAGE", "llama-cpp-python==0.0.0")],
    ids=["other content", "not there"],
)
def test_another_content_is_not_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setattr(llama_cpp, name, value)
    with pytest.raises(ModelError, match="could not be fetched"):
        converters(Home(tmp_path), offline=False)
    assert [path.suffix for path in (tmp_path / "tools").iterdir()] == [".lock"]


def test_a_model_that_the_converter_does_not_know_is_a_sentence(converters: Path, tiny_folder: Path, tmp_path: Path) -> None:
    """The tiny model's tokenizer is one that llama.cpp has never seen."""
    with pytest.raises(ModelError, match="could not read this model"):
        convert_model(converters / f"llama.cpp-{llama_cpp.VERSION}", tiny_folder, tmp_path / "x.gguf", "q8_0", "x", lambda size: None)


def test_a_converter_has_no_secret_and_asks_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    environ = converter_environ(os.environ)
    assert "hf_secret" not in environ.values() and environ["HF_HUB_OFFLINE"] == "1"
