"""The Python program for an add-on that learned on a packed base: it runs as it stands, and answers as the app's own loading does.

tests/test_end_to_end.py runs those for LoRA and for full training, against the chat.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import torch
from models_told import told
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM

from qlora_demo.data.conversation import Message
from qlora_demo.data.rendering import Renderer, load_tokenizer
from qlora_demo.export.usage import LONGEST_ANSWER, QUESTION, ways
from qlora_demo.models.loading import Precision, load_to_answer, with_adapter

LORA = LoraConfig(task_type="CAUSAL_LM", target_modules="all-linear", init_lora_weights=False)


def test_a_packed_base_is_packed_alike(tiny_folder: Path, tmp_path: Path) -> None:
    torch.manual_seed(1)
    adapted = get_peft_model(AutoModelForCausalLM.from_pretrained(tiny_folder), LORA)
    adapted.save_pretrained(tmp_path / "adapter", save_embedding_layers=False)
    about = told(method="qlora", system_prompt='Say "no".\n\nAlways.')
    code, published = ways(about, "adapter", "adapter")[0].code, repr(about.base.published())
    assert code.count(published) == 1
    code = code.replace(published, repr(str(tiny_folder)))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == answered(tiny_folder, tmp_path / "adapter", about.system_prompt)


def answered(base: Path, adapter: Path, system_prompt: str) -> str:
    """With what the chat loads and renders."""
    model = with_adapter(load_to_answer(base, "qlora", Precision(torch.bfloat16, "", ""), "cpu"), adapter, "learned").eval()
    renderer = Renderer(load_tokenizer(base), {}, system_prompt)
    prompt = torch.tensor([renderer.prompt([Message("user", QUESTION)])])
    with torch.inference_mode():
        whole = model.generate(input_ids=prompt, attention_mask=torch.ones_like(prompt), max_new_tokens=LONGEST_ANSWER, do_sample=False)
    return renderer.text(whole[0, prompt.shape[1] :].tolist())
