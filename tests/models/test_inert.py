"""Models and adapters that would run code: refused before a library sees them, and refused by our loading functions in whatever way they come."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch
from bomb import Bomb

from qlora_demo.data.rendering import load_tokenizer
from qlora_demo.errors import ModelError
from qlora_demo.models.inert import check_adapter, check_model
from qlora_demo.models.loading import Precision, load_base, with_adapter
from qlora_demo.recipe import Recipe
from qlora_demo.training.trainer import add_adapter

FP32 = Precision(torch.float32, "", "")


@pytest.fixture
def marker(tmp_path: Path) -> Path:
    return tmp_path / "code was run"


@pytest.fixture
def model(tmp_path: Path, tiny_folder: Path) -> Path:
    return Path(shutil.copytree(tiny_folder, tmp_path / "model"))


@pytest.fixture
def adapter(tmp_path: Path, tiny_folder: Path) -> Path:
    made = add_adapter(load_base(tiny_folder, "lora", FP32, "cpu"), Recipe(rank=4))
    made.peft_config["default"].base_model_name_or_path = "some/base"
    made.save_pretrained(tmp_path / "adapter", save_embedding_layers=False)
    return tmp_path / "adapter"


def change(path: Path, **values: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def code(marker: Path) -> str:
    return f"open({str(marker)!r}, 'w')\nfrom transformers import LlamaConfig as Own, LlamaForCausalLM as OwnModel\n"


def bring_code(folder: Path, marker: Path) -> None:
    (folder / "own.py").write_text(code(marker))


def name_code(folder: Path, marker: Path) -> None:
    bring_code(folder, marker)
    change(folder / "config.json", model_type="own", auto_map={"AutoConfig": "own.Own", "AutoModelForCausalLM": "own.OwnModel"})


def name_code_elsewhere(folder: Path, marker: Path) -> None:
    change(folder / "config.json", auto_map={"AutoConfig": "some/repo--own.Own"})


def name_kernels(folder: Path, marker: Path) -> None:
    change(folder / "config.json", _attn_implementation_internal="some/kernels")


def trust_itself(folder: Path, marker: Path) -> None:
    change(folder / "config.json", trust_remote_code=True)


def hide_it_inside(folder: Path, marker: Path) -> None:
    change(folder / "config.json", text_config={"sub": {"auto_map": {"AutoConfig": "own.Own"}}})


def generate_by_code(folder: Path, marker: Path) -> None:
    change(folder / "generation_config.json", custom_generate="own")


def tokenize_by_code(folder: Path, marker: Path) -> None:
    change(folder / "tokenizer_config.json", auto_map={"AutoTokenizer": ["own.Own", None]})


def weights_as_a_pickle(folder: Path, marker: Path) -> None:
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(Bomb(marker)))


def broken_settings(folder: Path, marker: Path) -> None:
    (folder / "config.json").write_text("{")


POISONS = [
    (bring_code, "This model brings code along (own.py). No code of a model is run here, so it is not used."),
    (name_code, "This model brings code along (own.py). No code of a model is run here, so it is not used."),
    (name_code_elsewhere, "The model's file config.json asks for code to be run (auto_map)."),
    (name_kernels, "The model's file config.json asks for code to be run (_attn_implementation_internal)."),
    (trust_itself, "The model's file config.json asks for code to be run (trust_remote_code)."),
    (hide_it_inside, "The model's file config.json asks for code to be run (auto_map)."),
    (generate_by_code, "The model's file generation_config.json asks for code to be run (custom_generate)."),
    (tokenize_by_code, "The model's file tokenizer_config.json asks for code to be run (auto_map)."),
    (weights_as_a_pickle, "This model has no weights in the safetensors format."),
    (broken_settings, "The model's file config.json cannot be read."),
]


@pytest.mark.parametrize(("poison", "sentence"), POISONS, ids=[poison.__name__ for poison, _ in POISONS])
def test_a_poisoned_model_is_refused(model: Path, marker: Path, poison: Callable[[Path, Path], None], sentence: str) -> None:
    check_model(model)
    poison(model, marker)
    for method in ("lora", "qlora", "full"):
        with pytest.raises(ModelError) as said:
            load_base(model, method, FP32, "cpu")
        assert str(said.value).startswith(sentence)
    assert not marker.exists()


@pytest.mark.parametrize("elsewhere", [False, True])
def test_a_tokenizer_that_names_code_runs_none(model: Path, marker: Path, elsewhere: bool) -> None:
    """The data worker reads tokenizers alone. transformers takes its own class, or refuses where it has none."""
    bring_code(model, marker)
    change(model / "tokenizer_config.json", auto_map={"AutoTokenizer": ["some/repo--own.Own" if elsewhere else "own.Own", None]})
    assert load_tokenizer(model).encode("lamp")
    assert not marker.exists()
    change(model / "tokenizer_config.json", tokenizer_class="Own")
    change(model / "config.json", model_type="own", auto_map={"AutoConfig": "own.Own"})
    with suppress(ValueError, OSError):
        load_tokenizer(model)
    assert not marker.exists()


def test_a_good_adapter_is_taken(adapter: Path, tiny_folder: Path) -> None:
    check_adapter(adapter)
    loaded = with_adapter(load_base(tiny_folder, "lora", FP32, "cpu"), adapter, "first")
    assert list(with_adapter(loaded, adapter, "second").peft_config) == ["first", "second"]


ADAPTERS: list[tuple[dict[str, Any], str]] = [
    ({"auto_mapping": {"base_model_class": "Own", "parent_library": "own"}}, "asks for code to be run (auto_mapping)"),
    ({"auto_map": {"x": "own.Own"}}, "asks for code to be run (auto_map)"),
    ({"peft_type": "XLORA"}, "is of a kind that is not known here"),
    ({"peft_type": ["LORA"]}, "is of a kind that is not known here"),
    ({"r": 100_000}, "is of a kind that is not known here"),
    ({"r": True}, "is of a kind that is not known here"),
]


@pytest.mark.parametrize(("changed", "sentence"), ADAPTERS)
def test_a_hostile_adapter_is_refused(adapter: Path, tiny_folder: Path, changed: dict[str, Any], sentence: str) -> None:
    base = load_base(tiny_folder, "lora", FP32, "cpu")
    change(adapter / "adapter_config.json", **changed)
    with pytest.raises(ModelError) as said:
        with_adapter(base, adapter, "first")
    assert sentence in str(said.value)


def test_an_adapter_as_a_pickle_is_refused(adapter: Path, tiny_folder: Path, marker: Path) -> None:
    base = load_base(tiny_folder, "lora", FP32, "cpu")
    good = with_adapter(load_base(tiny_folder, "lora", FP32, "cpu"), adapter, "first")
    (adapter / "adapter_model.bin").write_bytes(pickle.dumps(Bomb(marker)))
    for _ in range(2):  # beside the safetensors file, and in its place; as the first adapter, and beside another
        with pytest.raises(ModelError, match="not in the safetensors format alone"):
            with_adapter(base, adapter, "first")
        with pytest.raises(ModelError, match="not in the safetensors format alone"):
            with_adapter(good, adapter, "second")
        (adapter / "adapter_model.safetensors").unlink(missing_ok=True)
    assert not marker.exists()


def test_an_installed_package_kernels_is_not_used(tmp_path: Path, marker: Path) -> None:
    """bitsandbytes imports it on some processors, transformers on all, and both then fetch compiled code from the hub."""
    package = tmp_path / "site" / "kernels"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(f"open({str(marker)!r}, 'w')\n")
    about = tmp_path / "site" / "kernels-0.99.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: kernels\nVersion: 0.99.0\n")
    look = "import transformers.integrations.hub_kernels, bitsandbytes; print(transformers.utils.is_kernels_available())"
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path / "site"), str(Path(__file__).resolve().parents[2])])}
    for worker in ("chat.worker", "data.worker"):
        program = f"import qlora_demo.{worker}\n{look}"
        done = subprocess.run([sys.executable, "-c", program], env=environ, capture_output=True, text=True, check=False)
        assert done.stdout.strip() == "False", done.stderr
        assert not marker.exists()
    subprocess.run([sys.executable, "-c", "import kernels"], env=environ, check=True)
    assert marker.exists()  # so the package would have been found
