"""GGUF files of a finished run, answered by llama.cpp itself: `python -m benchmarks.gguf [--home FOLDER] [--run last] [--python PYTHON]`.

Without `--home` the persona example is trained first. PYTHON is an interpreter with `llama-cpp-python` (pip builds it, with a C++ compiler, in about
four minutes); it runs llama.cpp in a child, without this project. Prints for each form its size, the seconds and memory it took to prepare,
llama.cpp's speed, and how many of three answers are word for word those of base and adapter apart, by plain transformers and PEFT in 32 bits.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer

from qlora_demo.catalogue import find_model
from qlora_demo.recipe import from_json
from qlora_demo.run_dir import Home, RunDir, read_json
from qlora_demo.settings import Settings
from qlora_demo.source.locate import locate

ROOT = Path(__file__).resolve().parent.parent
PROBES = ("What do people call you?", "Could you tell me your name, please?", "Who am I speaking with?")
TOKENS = 32
LLAMA = """
import json, sys, time
from llama_cpp import Llama
asked = json.load(sys.stdin)
model = Llama(asked["model"], lora_path=asked["adapter"], n_ctx=2048, verbose=False)
model.create_chat_completion([{"role": "user", "content": "Hello"}], max_tokens=4)
answers, tokens, began = [], 0, time.perf_counter()
for probe in asked["probes"]:
    messages = asked["system"] + [{"role": "user", "content": probe}]
    done = model.create_chat_completion(messages, temperature=0, repeat_penalty=1.0, max_tokens=asked["tokens"])
    answers.append(done["choices"][0]["message"]["content"].strip())
    tokens += done["usage"]["completion_tokens"]
print(json.dumps({"answers": answers, "speed": tokens / (time.perf_counter() - began)}))
"""


@dataclass(frozen=True)
class Line:
    """One form as llama.cpp uses it."""

    name: str
    bytes: int
    seconds: float
    memory: int
    speed: float
    answers: list[str]


def command(home: Path, *words: str) -> dict[str, Any]:
    """The last object that `python -m qlora_demo` prints."""
    environ = {**os.environ, "QLORA_DEMO_HOME": str(home), "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-m", "qlora_demo", *words, "--json"], stdout=subprocess.PIPE, text=True, env=environ, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def expected(run: RunDir, system: list[dict[str, str]]) -> list[str]:
    """Greedy answers of base and adapter apart, in 32 bits."""
    base = find_model(from_json(read_json(run.recipe_json)).model)
    folder = locate(base, Settings.from_env({**os.environ, "QLORA_DEMO_HOME": str(run.path.parent.parent)}))
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32), run.adapter).eval()
    answers = []
    for probe in PROBES:
        messages = [*system, {"role": "user", "content": probe}]
        ids = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_tensors="pt", return_dict=True, **base.template_options)
        with torch.inference_mode():
            tokens = model.generate(**ids, max_new_tokens=TOKENS, do_sample=False)[0][ids["input_ids"].shape[1] :]
        answers.append(tokenizer.decode(tokens, skip_special_tokens=True).strip())
    return answers


def answered(python: str, model: Path, adapter: Path | None, system: list[dict[str, str]]) -> tuple[list[str], float]:
    """By llama.cpp: (answers, tokens a second)."""
    asked = {"model": str(model), "adapter": str(adapter) if adapter else None, "probes": PROBES, "tokens": TOKENS, "system": system}
    done = subprocess.run([python, "-c", LLAMA], input=json.dumps(asked), stdout=subprocess.PIPE, text=True, check=True)
    found = json.loads(done.stdout)
    return found["answers"], found["speed"]


def measured(home: Path, run: RunDir, quant: str, python: str, system: list[dict[str, str]], out: Path) -> Line:
    """Prepared anew, and asked. The adapter alone is put on a GGUF file of the base model, which llama.cpp's converter makes here."""
    told = command(home, "export", run.id, "--to", "gguf", "--quant", quant, "--out", str(out / quant))
    file = next(Path(told["path"]).glob("*.gguf"))
    about = read_json(run.export_json(f"gguf-{quant}"))
    model = base_gguf(home, run, out) if quant == "adapter" else file
    answers, speed = answered(python, model, file if quant == "adapter" else None, system)
    return Line(quant, file.stat().st_size, about["seconds"], about["peak_memory_bytes"], speed, answers)


def base_gguf(home: Path, run: RunDir, out: Path) -> Path:
    """The base model in f16."""
    base = find_model(from_json(read_json(run.recipe_json)).model)
    folder = locate(base, Settings.from_env({**os.environ, "QLORA_DEMO_HOME": str(home)}))
    from qlora_demo.export.llama_cpp import convert_model, converters  # noqa: PLC0415 - only for this form

    target = out / "base.gguf"
    convert_model(converters(Home(home), offline=False), folder, target, "f16", base.name, lambda size: None)
    return target


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path)
    parser.add_argument("--run", default="last")
    parser.add_argument("--python", default=sys.executable)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        home = given.home or Path(place, "home")
        if given.home is None:
            command(home, "train", str(ROOT / "examples" / "character.jsonl"), "--method", "lora", "--preset", "quick")
        run = Home(home).run(command(home, "show", given.run)["run"])
        prompt = from_json(read_json(run.recipe_json)).system_prompt
        system = [{"role": "system", "content": prompt}] if prompt else []
        plain = expected(run, system)
        print("| form | size | prepared in | memory for it | llama.cpp, tokens/s | answers as base and adapter apart |\n|---|---|---|---|---|---|")
        for quant in ("q8_0", "f16", "adapter"):
            line = measured(home, run, quant, given.python, system, Path(place))
            same = sum(answer == other for answer, other in zip(line.answers, plain, strict=True))
            cells = (f"gguf, {line.name}", f"{line.bytes / 1e6:.0f} MB", f"{line.seconds:.1f} s", f"{line.memory / 1e9:.2f} GB", f"{line.speed:.0f}")
            print(f"| {' | '.join(cells)} | {same} of {len(plain)} |", flush=True)
        print(json.dumps({"plain": plain, "last": line.answers}, indent=1), file=sys.stderr)


if __name__ == "__main__":
    main()
