"""Merging: equal to PEFT's own in 32 bits, from one file or many, and refused where it would be wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from learned import leave_adapter, tiny_model
from peft import PeftModel
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, BitsAndBytesConfig

from qlora_demo.errors import ModelError
from qlora_demo.export import merging
from qlora_demo.export.merging import merge
from qlora_demo.run_dir import RunDir


@pytest.fixture
def run(tmp_path: Path, tiny_folder: Path) -> RunDir:
    made = RunDir(tmp_path / "run")
    made.path.mkdir()
    leave_adapter(made, tiny_folder)
    return made


def merged_folder(run: RunDir, base: Path, dtype: torch.dtype = torch.bfloat16) -> Path:
    out = run.path / "out"
    out.mkdir()
    merge(base, run.adapter, out, dtype, lambda share: None)
    return out


def peft_merged(run: RunDir, base: Path) -> dict[str, torch.Tensor]:
    model = PeftModel.from_pretrained(tiny_model(base), run.adapter).merge_and_unload()
    return dict(model.state_dict())


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_weights_are_pefts_own_rounded_once(run: RunDir, tiny_folder: Path, dtype: torch.dtype) -> None:
    ours, theirs = load_file(merged_folder(run, tiny_folder, dtype) / "model.safetensors"), peft_merged(run, tiny_folder)
    assert set(ours) == set(theirs) - {"lm_head.weight"}  # tied to the embedding
    step = torch.finfo(dtype).eps
    for name, weight in ours.items():
        assert weight.dtype == dtype
        torch.testing.assert_close(weight.float(), theirs[name], rtol=step, atol=1e-6)
    changed = [name for name, weight in load_file(tiny_folder / "model.safetensors").items() if not torch.equal(weight.to(dtype), ours[name])]
    assert len(changed) == 14  # all seven linear layers of both blocks, and nothing else


def test_it_answers_as_base_and_adapter_do(run: RunDir, tiny_folder: Path) -> None:
    ids = torch.arange(40).reshape(2, 20)
    apart = PeftModel.from_pretrained(tiny_model(tiny_folder), run.adapter).eval()
    together = tiny_model(merged_folder(run, tiny_folder))
    with torch.inference_mode():
        expected, found, base = apart(ids).logits, together(ids).logits, tiny_model(tiny_folder)(ids).logits
    assert (found - expected).abs().max() < 0.1 * (base - expected).abs().max()
    assert (found.argmax(-1) == expected.argmax(-1)).float().mean() > 0.9


def test_many_files_are_read_and_written(run: RunDir, tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = load_file(merged_folder(run, tiny_folder) / "model.safetensors")
    parts = tmp_path / "parts"
    tiny_model(tiny_folder, torch.bfloat16).save_pretrained(parts, max_shard_size="50KB")
    assert len(list(parts.glob("*.safetensors"))) > 3
    monkeypatch.setattr(merging, "SHARD_BYTES", 60_000)
    out, shares = tmp_path / "sharded", []
    out.mkdir()
    merge(parts, run.adapter, out, torch.bfloat16, shares.append)
    index = json.loads((out / "model.safetensors.index.json").read_text())
    assert sorted(index["weight_map"]) == sorted(whole)
    assert {path.name for path in out.glob("*.safetensors")} == set(index["weight_map"].values())
    assert shares == sorted(shares) and shares[-1] == pytest.approx(1.0, abs=0.05) and len(shares) > 3
    for name, weight in tiny_model(out, torch.bfloat16).state_dict().items():
        assert name == "lm_head.weight" or torch.equal(weight, whole[name]), name


def test_a_4_bit_runs_adapter_goes_on_the_16_bit_base(run: RunDir, tiny_folder: Path) -> None:
    """bitsandbytes is not even asked: the same adapter, trained beside packed weights, is put on the weights as they were."""
    packed = AutoModelForCausalLM.from_pretrained(tiny_folder, quantization_config=BitsAndBytesConfig(load_in_4bit=True), dtype=torch.float32)
    PeftModel.from_pretrained(packed, run.adapter)
    ours, theirs = load_file(merged_folder(run, tiny_folder) / "model.safetensors"), peft_merged(run, tiny_folder)
    name = "model.layers.0.mlp.up_proj.weight"
    torch.testing.assert_close(ours[name].float(), theirs[name], rtol=torch.finfo(torch.bfloat16).eps, atol=1e-6)


def test_a_base_whose_weights_have_a_longer_name(run: RunDir, tiny_folder: Path, tmp_path: Path) -> None:
    renamed = tmp_path / "renamed"
    renamed.mkdir()
    (renamed / "config.json").write_bytes((tiny_folder / "config.json").read_bytes())
    weights = load_file(tiny_folder / "model.safetensors")
    save_file({name.replace("model.", "model.language_model."): weight for name, weight in weights.items()}, renamed / "model.safetensors")
    ours = load_file(merged_folder(run, renamed) / "model.safetensors")
    name = "layers.1.self_attn.q_proj.weight"
    assert torch.equal(ours[f"model.language_model.{name}"], load_file(_plain(run, tiny_folder, tmp_path) / "model.safetensors")[f"model.{name}"])


def _plain(run: RunDir, base: Path, tmp_path: Path) -> Path:
    out = tmp_path / "plain"
    out.mkdir()
    merge(base, run.adapter, out, torch.bfloat16, lambda share: None)
    return out


def test_another_base_is_a_sentence(run: RunDir, tiny_folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "config.json").write_bytes((tiny_folder / "config.json").read_bytes())
    save_file({"wte.weight": torch.zeros(2, 2)}, other / "model.safetensors")
    with pytest.raises(ModelError, match="names its weights in another way"):
        merged_folder(run, other)


def test_more_than_plain_lora_is_a_sentence(tmp_path: Path, tiny_folder: Path) -> None:
    run = RunDir(tmp_path / "dora")
    run.path.mkdir()
    leave_adapter(run, tiny_folder, use_dora=True)
    with pytest.raises(ModelError, match="cannot be made into one"):
        merged_folder(run, tiny_folder)


def test_code_in_a_base_is_refused(run: RunDir, tiny_folder: Path, tmp_path: Path) -> None:
    trap = tmp_path / "trap"
    trap.mkdir()
    (trap / "model.safetensors").write_bytes((tiny_folder / "model.safetensors").read_bytes())
    (trap / "config.json").write_text('{"auto_map": {"AutoModel": "evil.py"}}')
    with pytest.raises(ModelError, match="asks for code"):
        merged_folder(run, trap)
