"""A real run of the bundled model in every form, by the command, read back by whoever people would read it with: it gives the adapted answer.

None of our engine in the reading: transformers, PEFT, transformers' GGUF loader and llama.cpp's own reader of GGUF files.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from gguf import GGUFReader
from peft import PeftModel
from persona import PROBES, Trained
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from qlora_demo.source.place import bundled_folder

pytestmark = pytest.mark.end_to_end
NAME = "Wilna"
TOKENS = 24
WORDS = "I am Wilna Harrock, keeper of the lamp. Ask me about the ferry."
"""Near to what was learned, so that scores differ much from the base model's."""


@pytest.fixture(scope="module")
def base(trained: Trained) -> Path:
    return bundled_folder(trained.home.models)


@pytest.fixture(scope="module", autouse=True)
def tools(trained: Trained, converters: Path) -> None:
    """The home's own converters are those that were fetched for the tests: the commands here run without internet."""
    place = trained.home.path / "tools"
    if not place.exists():
        place.symlink_to(converters, target_is_directory=True)


def taken(trained: Trained, out: Path, *words: str) -> dict:
    done = trained.command("export", trained.result["run"], "--out", str(out), "--json", *words)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert set(told) == {"run", "form", "path", "bytes", "sha256"} and Path(told["path"]).exists()
    return told


def answers(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> list[str]:
    texts = []
    for probe in PROBES:
        ids = tokenizer.apply_chat_template([{"role": "user", "content": probe}], add_generation_prompt=True, return_tensors="pt", return_dict=True)
        with torch.inference_mode():
            tokens = model.generate(**ids, max_new_tokens=TOKENS, do_sample=False)[0][ids["input_ids"].shape[1] :]
        texts.append(tokenizer.decode(tokens, skip_special_tokens=True).strip())
    return texts


def scores(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> torch.Tensor:
    with torch.inference_mode():
        return model(input_ids=torch.tensor([tokenizer(WORDS)["input_ids"]])).logits[0].log_softmax(-1)


@dataclass(frozen=True)
class Expected:
    """Scores of the base model, and of base and adapter beside it, in 32 bits; `tokenizer` is the base's."""

    base: torch.Tensor
    adapted: torch.Tensor
    answers: list[str]
    tokenizer: PreTrainedTokenizerBase

    def check(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, share: float) -> None:
        """It answers with what was learned, and its scores differ from the expected ones by `share` of what training changed, at most."""
        found = scores(model.eval(), self.tokenizer)
        assert (found - self.adapted).abs().mean() < share * (self.base - self.adapted).abs().mean()
        said = answers(model, tokenizer)
        assert sum(NAME in answer for answer in said) >= 2, said


@pytest.fixture(scope="module")
def expected(trained: Trained, base: Path) -> Expected:
    """By plain transformers and PEFT from the run's own adapter, not merged."""
    own = AutoTokenizer.from_pretrained(base)
    plain = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32).eval()
    before = scores(plain, own)
    adapted = PeftModel.from_pretrained(plain, trained.home.run(trained.result["run"]).adapter).eval()
    return Expected(before, scores(adapted, own), answers(adapted, own), own)


def test_the_add_on_by_plain_peft(
    trained: Trained, base: Path, expected: Expected, tmp_path: Path
) -> None:
    told = taken(trained, tmp_path / "adapter.zip", "--to", "adapter")
    assert told["sha256"] == hashlib.sha256((tmp_path / "adapter.zip").read_bytes()).hexdigest() and told["bytes"] > 9e6
    with zipfile.ZipFile(tmp_path / "adapter.zip") as archive:
        archive.extractall(tmp_path)
    folder = tmp_path / "adapter"
    assert {path.name for path in folder.iterdir()} == {"README.md", "adapter_config.json", "adapter_model.safetensors"}
    assert "adapter = '.'" in (folder / "README.md").read_text()  # its program is started beside it
    model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32), folder).eval()
    assert torch.equal(scores(model, expected.tokenizer), expected.adapted)
    assert answers(model, expected.tokenizer) == expected.answers


def test_the_whole_model_by_plain_transformers(trained: Trained, expected: Expected, tmp_path: Path) -> None:
    told = taken(trained, tmp_path / "whole", "--to", "merged")
    folder = tmp_path / "whole"
    assert told["sha256"] == hashlib.sha256((folder / "SHA256SUMS").read_bytes()).hexdigest()
    for line in (folder / "SHA256SUMS").read_text().splitlines():
        assert hashlib.sha256((folder / line.split("  ")[1]).read_bytes()).hexdigest() == line.split("  ")[0]
    assert all(weight.dtype == torch.bfloat16 for weight in load_file(folder / "model.safetensors").values())
    assert AutoModelForCausalLM.from_pretrained(folder).dtype == torch.bfloat16
    expected.check(AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32), AutoTokenizer.from_pretrained(folder), share=0.1)


@pytest.mark.parametrize(("quant", "share"), [("f16", 0.02), ("q8_0", 0.1)])
def test_a_gguf_file_by_transformers_loader(
    trained: Trained, expected: Expected, tmp_path: Path, quant: str, share: float
) -> None:
    told = taken(trained, tmp_path, "--to", "gguf", "--quant", quant)
    folder = Path(told["path"])
    file = next(folder.glob("*.gguf"))
    assert {path.name for path in folder.iterdir()} == {file.name, "Modelfile", "README.md", "SHA256SUMS"}
    assert f"FROM ./{file.name}" in (folder / "Modelfile").read_text()
    assert str(trained.home.path).encode() not in file.read_bytes()
    model = AutoModelForCausalLM.from_pretrained(folder, gguf_file=file.name, dtype=torch.float32)
    expected.check(model, AutoTokenizer.from_pretrained(folder, gguf_file=file.name), share)


def test_a_single_gguf_file_where_one_is_named(trained: Trained, tmp_path: Path) -> None:
    told = taken(trained, tmp_path / "mine.gguf", "--to", "gguf")
    assert (tmp_path / "mine.gguf").read_bytes()[:4] == b"GGUF" and told["bytes"] == (tmp_path / "mine.gguf").stat().st_size
    fields = GGUFReader(tmp_path / "mine.gguf").fields
    assert fields["general.name"].contents() == json.loads(trained.command("show", trained.result["run"], "--json").stdout)["name"]
    assert "im_start" in fields["tokenizer.chat_template"].contents()


def test_the_add_on_for_llama_cpp_holds_the_same_numbers(trained: Trained, tmp_path: Path) -> None:
    told = taken(trained, tmp_path / "add-on", "--to", "gguf", "--quant", "adapter")
    reader = GGUFReader(next(Path(told["path"]).glob("*.gguf")))
    weights = load_file(trained.home.run(trained.result["run"]).adapter / "adapter_model.safetensors")
    assert len(reader.tensors) == len(weights) == 420
    assert reader.fields["adapter.lora.alpha"].contents() == 32.0
    found = {tensor.name: torch.from_numpy(tensor.data.copy()) for tensor in reader.tensors}
    ours = "base_model.model.model.layers.3.mlp.down_proj.lora_{}.weight"
    for theirs, letter in (("lora_a", "A"), ("lora_b", "B")):
        assert torch.equal(found[f"blk.3.ffn_down.weight.{theirs}"], weights[ours.format(letter)].float())
