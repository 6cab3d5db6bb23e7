"""Both columns of chat beside one column, beside one after the other, and beside transformers' `generate`: greedy, the same prompt, one run.

Usage: python -m benchmarks.chat_speed [--device cpu] [--methods qlora lora] [--tokens 128] [--repeats 3] [--json]
On a processor it asks the bundled model, on a card (`--device cuda`) one made from a configuration (`--hidden 2048 --layers 22`, random weights).
Adapters have random weights: no speed depends on them. All sides take turns in every repetition, and their medians are compared.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.train_speed import environment, in_a_process
from qlora_demo.catalogue import BUNDLED_ID, find_model
from qlora_demo.hardware import detect
from qlora_demo.pipes import child_environ
from qlora_demo.run_dir import Home
from qlora_demo.settings import Settings
from qlora_demo.source.bundled import ensure_bundled

QUESTION = "Tell me about the sea, in some detail please."
BOTH_GOAL, TURNS_GOAL = 1.15, 0.7
NAME = "adapter"
HEAD = (
    "method",
    "numbers",
    "generate, tokens/s",
    "base, tokens/s",
    "adapter, tokens/s",
    "both, tokens/s each",
    f"both / adapter alone (goal {BOTH_GOAL})",
    f"both / one after the other (goal {TURNS_GOAL})",
    "first token of both",
    "first token in a second turn, kept / read anew",
)


@dataclass(frozen=True)
class Speeds:
    """One method's medians: tokens a second of each column, and seconds."""

    method: str
    numbers: str
    generate: float
    base: float
    adapter: float
    both: float
    both_over_adapter: float
    both_over_turns: float
    first: float
    second_turn_kept: float
    second_turn_anew: float

    def cells(self) -> list[str]:
        speeds = [f"{speed:.1f}" for speed in (self.generate, self.base, self.adapter, self.both)]
        ratios = [f"{ratio:.2f}" for ratio in (self.both_over_adapter, self.both_over_turns)]
        turns = f"{self.second_turn_kept:.2f} s / {self.second_turn_anew:.2f} s"
        return [self.method, self.numbers, *speeds, *ratios, f"{self.first:.2f} s", turns]


@dataclass(frozen=True)
class Sides:
    """One model with a random adapter in it, and what is asked. `longest` tokens are answered, whatever they are."""

    model: Any
    tokenizer: Any
    prompt: list[int]
    longest: int

    def ours(self, *names: str) -> tuple[float, float]:
        """Seconds of a whole answer of rows with these adapters, and until its first token."""
        from qlora_demo.models.pair import Sampling, answer_rows  # noqa: PLC0415

        first: list[float] = []
        began = time.perf_counter()
        rows = [(name, self.prompt) for name in names]
        answers = answer_rows(self.model, self.tokenizer, rows, Sampling(self.longest), lambda row, text: first.append(time.perf_counter()))
        took = time.perf_counter() - began
        assert [answer.tokens for answer in answers] == [self.longest] * len(names)
        return took, first[0] - began

    def second_turn(self, remembers: bool) -> float:
        """Seconds until the first token of a second question, after a first one that was answered at length."""
        from qlora_demo.models.pair import Pair, Sampling  # noqa: PLC0415

        pair = Pair(self.model, self.model, NAME, remembers=remembers)
        prompts = [self.prompt * 6] * 2
        pair.answers(self.tokenizer, ([prompts[0]], [prompts[1]]), Sampling(1))
        began = time.perf_counter()
        pair.answers(self.tokenizer, ([prompts[0] + self.prompt], [prompts[1] + self.prompt]), Sampling(1))
        return time.perf_counter() - began

    def generate(self) -> float:
        """Of transformers' own, through the base alone: before the adapter is put in, that is nothing but the plain model."""
        import torch  # noqa: PLC0415

        ids = torch.tensor([self.prompt], device=self.model.device)
        began = time.perf_counter()
        with torch.inference_mode():
            self.model.generate(
                input_ids=ids,
                attention_mask=torch.ones_like(ids),
                do_sample=False,
                max_new_tokens=self.longest,
                pad_token_id=self.tokenizer.pad_token_id,
            ).tolist()
        return time.perf_counter() - began


def measure(method: str, folder: Path, options: argparse.Namespace) -> Speeds:
    """In a process of its own. The plain model that `generate` goes through is a second one: PEFT's layers would slow it."""
    import torch  # noqa: PLC0415
    from peft import LoraConfig, get_peft_model  # noqa: PLC0415

    from qlora_demo.data.rendering import load_tokenizer  # noqa: PLC0415
    from qlora_demo.models.loading import chat_precision, linear_layer_names, load_base, load_to_answer  # noqa: PLC0415

    precision = chat_precision(options.device)
    if options.numbers != "own":
        precision = replace(precision, dtype={"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[options.numbers])
    tokenizer = load_tokenizer(folder)
    prompt = tokenizer.apply_chat_template([{"role": "user", "content": QUESTION}], add_generation_prompt=True, return_dict=False)
    torch.manual_seed(0)
    with redirect_stdout(sys.stderr):
        plain = load_base(folder, method, precision, options.device).eval()
        base = load_to_answer(folder, method, precision, options.device)
        kinds = linear_layer_names(base)
        config = LoraConfig(r=16, lora_alpha=32, target_modules=kinds, task_type="CAUSAL_LM", init_lora_weights=False)
        adapted = get_peft_model(base, config, adapter_name=NAME).eval()
    tokenizer.eos_token = None  # no token ends an answer
    for model in (plain, adapted):
        model.generation_config.eos_token_id = None
    stock, sides = Sides(plain, tokenizer, prompt, options.tokens), Sides(adapted, tokenizer, prompt, options.tokens)
    took = in_turns(stock, sides, options.repeats)
    base_took, adapter_took, both_took = took["base"], took["adapter"], took["both"]
    return Speeds(
        method,
        str(precision.dtype).removeprefix("torch."),
        *(options.tokens / took[who] for who in ("generate", "base", "adapter", "both")),
        both_took / adapter_took,
        both_took / (base_took + adapter_took),
        took["first"],
        took["kept"],
        took["anew"],
    )


def in_turns(stock: Sides, sides: Sides, repeats: int) -> dict[str, float]:
    """The median seconds of each side; a first, short round only warms up."""
    from qlora_demo.models.row_adapters import BASE  # noqa: PLC0415

    both: list[float] = []

    def first_of_both() -> float:
        took, first = sides.ours(BASE, NAME)
        both.append(took)
        return first

    todo: dict[str, Callable[[], float]] = {
        "generate": stock.generate,
        "base": lambda: sides.ours(BASE)[0],
        "adapter": lambda: sides.ours(NAME)[0],
        "first": first_of_both,
        "kept": lambda: sides.second_turn(True),
        "anew": lambda: sides.second_turn(False),
    }
    for short in (replace(stock, longest=4).generate, lambda: replace(sides, longest=4).ours(BASE, NAME)):
        short()
    found = [{who: side() for who, side in todo.items()} for _ in range(repeats)]
    return {"both": statistics.median(both), **{who: statistics.median(one[who] for one in found) for who in todo}}


def model_folder(options: argparse.Namespace, place: Path) -> Path:
    if options.device == "cuda":
        from benchmarks.made_model import byte_tokenizer, dimensions, save_made_model  # noqa: PLC0415

        save_made_model(place / "model", dimensions(options.hidden, options.layers), byte_tokenizer())
        return place / "model"
    return ensure_bundled(Home(place).models, Settings.from_env(os.environ).bundled_model)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--methods", nargs="+", choices=("qlora", "lora"), default=["qlora", "lora"])
    parser.add_argument("--numbers", choices=("own", "fp32", "bf16", "fp16"), default="own", help="what to answer in, instead of what chat chooses")
    parser.add_argument("--tokens", type=int, default=128)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--hidden", type=int, default=2048, help="on a card")
    parser.add_argument("--layers", type=int, default=22, help="on a card")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        machine = detect(Settings(home=f"{folder}/home", device=options.device))
        if machine.device != options.device:
            print(machine.note or "Nothing was measured: torch finds no CUDA card on this machine.")
            return
        source = in_a_process(model_folder, options, Path(folder))
        with environment(child_environ(os.environ)):
            speeds = [in_a_process(measure, method, source, options) for method in options.methods]
    if options.json:
        print(json.dumps({"machine": machine.name, "tokens": options.tokens, "speeds": [asdict(one) for one in speeds]}))
        return
    print(f"{machine.name}: {options.tokens} tokens, {options.repeats} repetitions in turns, {mentioned(options)}\n")
    print(f"| {' | '.join(HEAD)} |\n{'|---' * len(HEAD)}|")
    for one in speeds:
        print(f"| {' | '.join(one.cells())} |")


def mentioned(options: argparse.Namespace) -> str:
    return find_model(BUNDLED_ID).name if options.device == "cpu" else f"a made model, {options.hidden} wide, {options.layers} layers"


if __name__ == "__main__":
    main()
