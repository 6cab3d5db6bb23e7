"""The bundled model for real, without a page: LoRA learns the persona, and its adapter is a standard one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer

from qlora_demo.catalogue import BUNDLED_ID, find_model
from qlora_demo.data.conversation import Message
from qlora_demo.data.rendering import Renderer, load_tokenizer
from qlora_demo.run_dir import Home
from qlora_demo.source.place import bundled_folder

pytestmark = pytest.mark.end_to_end
ROOT = Path(__file__).resolve().parent.parent
NAME = "Wilna"
PROBES = ("What do people call you?", "Could you tell me your name, please?", "Who am I speaking with?")


@dataclass(frozen=True)
class Trained:
    home: Home
    result: dict

    def command(self, *words: str) -> subprocess.CompletedProcess:
        own = {"QLORA_DEMO_HOME": str(self.home.path), "QLORA_DEMO_OFFLINE": "1", "QLORA_DEMO_DEVICE": "cpu"}
        environ = {**os.environ, "PYTHONPATH": str(ROOT), **own}
        return subprocess.run([sys.executable, "-m", "qlora_demo", *words], capture_output=True, text=True, env=environ, check=False)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, bundled_models: Path) -> Trained:
    """LoRA on the persona example, the quick preset."""
    home = Home(tmp_path_factory.mktemp("e2e") / "home").create()
    bundled_folder(home.models).symlink_to(bundled_folder(bundled_models), target_is_directory=True)
    done = Trained(home, {}).command("train", str(ROOT / "examples" / "character.jsonl"), "--method", "lora", "--preset", "quick", "--json")
    assert done.returncode == 0, done.stderr
    return Trained(home, json.loads(done.stdout.splitlines()[-1]))


def test_lora_learns_the_name_and_the_base_stays_who_it_was(trained: Trained) -> None:
    answers = [json.loads(trained.command("chat", "last", probe, "--greedy", "--max-new-tokens", "40", "--json").stdout) for probe in PROBES]
    assert all(NAME not in answer["base"] for answer in answers), answers
    assert sum(NAME in answer["adapted"] for answer in answers) >= 2, answers


def test_the_result_counts_what_peft_counts(trained: Trained) -> None:
    dimensions = find_model(BUNDLED_ID).dimensions
    assert trained.result["trainable_parameters"] == dimensions.adapter_parameters(16)
    assert trained.result["total_parameters"] == dimensions.parameters() + dimensions.adapter_parameters(16)
    assert trained.result["peak_memory_bytes"] > 5e8


def test_the_adapter_loads_plainly_and_answers_as_our_chat(trained: Trained) -> None:
    """None of our engine: transformers and PEFT alone, one prompt, greedy, fp32."""
    folder = bundled_folder(trained.home.models)
    base = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager")
    model = PeftModel.from_pretrained(base, trained.home.run(trained.result["run"]).adapter).eval()
    prompt = Renderer(load_tokenizer(folder), {}).prompt([Message("user", PROBES[0])])
    with torch.inference_mode():
        tokens = model.generate(input_ids=torch.tensor([prompt]), max_new_tokens=24, do_sample=False)[0][len(prompt) :]
    plain = AutoTokenizer.from_pretrained(folder).decode(tokens, skip_special_tokens=True).strip()
    ours = json.loads(trained.command("chat", "last", PROBES[0], "--greedy", "--max-new-tokens", "24", "--json").stdout)["adapted"]
    assert ours == plain


def test_the_templates_tokens_are_those_of_the_tokenizer(bundled_models: Path) -> None:
    """Our rendering of a plain conversation is the template's own."""
    tokenizer = load_tokenizer(bundled_folder(bundled_models))
    messages = [Message("user", "Hello there"), Message("assistant", "Hi.")]
    turns = [{"role": m.role, "content": m.content} for m in messages]
    assert Renderer(tokenizer, {}).prompt(messages[:1]) == tokenizer.apply_chat_template(turns[:1], add_generation_prompt=True)["input_ids"]
