"""The report's numbers against an independent computation: transformers, PEFT and sacrebleu alone, one row at a time, none of our engine.

The bundled model and an adapter that learned for a few steps in a plain loop. Rendering is the tokenizer's own template, answers are `generate` on a
batch of one, losses are a loop over rows.
"""

from __future__ import annotations

import math
import os
import string
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from sacrebleu.metrics import CHRF
from transformers import AutoModelForCausalLM, AutoTokenizer

from qlora_demo.catalogue import BUNDLED_ID, find_model
from qlora_demo.data.conversation import Conversation, Message, write_rows
from qlora_demo.evaluation.client import evaluate_in_child
from qlora_demo.pipes import child_environ
from qlora_demo.recipe import Recipe
from qlora_demo.run_dir import Home, RunDir, write_json
from qlora_demo.source.place import bundled_folder

pytestmark = pytest.mark.end_to_end
STEPS, RATE = 8, 2e-3
LEARNED = (
    ("Warm soup and a kind word", "happy"),
    ("It broke on the first day", "unhappy"),
    ("They fixed it for free", "happy"),
    ("Nobody ever called me back", "unhappy"),
)
LABELLED = (
    ("Lovely room, quiet at night", "happy"),
    ("The zip tore within a week", "unhappy"),
    ("I would buy it again", "happy"),
    ("Cold food and a long wait", "unhappy"),
    ("The driver even helped me carry it", "happy"),
    ("The manual is wrong", "unhappy"),
)
TEXTS = (*LABELLED[:4], ("What is the capital of France?", "The capital of France is Paris."), ("Name a colour.", "Blue, like the sea at noon."))
TOLERANCE = {"rel": 1e-3, "abs": 1e-6}


@dataclass(frozen=True)
class Plain:
    """What transformers and PEFT give, and nothing else."""

    model: Any
    tokenizer: Any

    def ids(self, question: str, answer: str | None) -> list[int]:
        turns = [{"role": "user", "content": question}]
        if answer is None:
            return self.tokenizer.apply_chat_template(turns, add_generation_prompt=True)["input_ids"]
        return self.tokenizer.apply_chat_template([*turns, {"role": "assistant", "content": answer}])["input_ids"]

    def row_loss(self, question: str, answer: str) -> tuple[torch.Tensor, int]:
        """Summed over the answer and the token that ends it, and how many those are."""
        ids, begin = self.ids(question, answer), len(self.ids(question, None))
        end = begin + ids[begin:].index(self.tokenizer.eos_token_id) + 1
        logits = self.model(torch.tensor([ids])).logits[0].float()
        losses = torch.nn.functional.cross_entropy(logits[begin - 1 : end - 1], torch.tensor(ids[begin:end]), reduction="sum")
        return losses, end - begin

    def loss(self, rows: Sequence[tuple[str, str]]) -> float:
        with torch.no_grad():
            found = [self.row_loss(*row) for row in rows]
        return float(sum(loss for loss, _ in found)) / sum(count for _, count in found)

    def answers(self, rows: Sequence[tuple[str, str]], longest: int) -> list[str]:
        found = []
        for question, _ in rows:
            prompt = self.ids(question, None)
            with torch.no_grad():
                tokens = self.model.generate(input_ids=torch.tensor([prompt]), max_new_tokens=longest, do_sample=False)[0][len(prompt) :]
            found.append(self.tokenizer.decode(tokens, skip_special_tokens=True).strip())
        return found

    def both(self, rows: Sequence[tuple[str, str]], longest: int) -> dict[str, tuple[float, list[str]]]:
        """(loss, answers) of base and adapted model."""
        adapted = self.loss(rows), self.answers(rows, longest)
        with self.model.disable_adapter():
            return {"base": (self.loss(rows), self.answers(rows, longest)), "adapted": adapted}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, bundled_models: Path) -> Home:
    made = Home(tmp_path_factory.mktemp("independent") / "home").create()
    bundled_folder(made.models).symlink_to(bundled_folder(bundled_models), target_is_directory=True)
    return made


@pytest.fixture(scope="module")
def plain(home: Home) -> Plain:
    """A few steps of a plain loop, on all rows at once."""
    torch.manual_seed(0)
    folder = bundled_folder(home.models)
    base = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager")
    model = get_peft_model(base, LoraConfig(r=8, lora_alpha=16, target_modules=["q_proj", "v_proj", "down_proj"], task_type="CAUSAL_LM"))
    made = Plain(model, AutoTokenizer.from_pretrained(folder))
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], RATE)
    for _ in range(STEPS):
        optimizer.zero_grad()
        found = [made.row_loss(*row) for row in LEARNED]
        (sum(loss for loss, _ in found) / sum(count for _, count in found)).backward()
        optimizer.step()
    model.eval()
    return made


def reported(home: Home, plain: Plain, name: str, rows: Sequence[tuple[str, str]], labelled: bool) -> dict[str, Any]:
    """The report that the app writes of such a run."""
    run: RunDir = home.run(name)
    run.data.mkdir(parents=True)
    write_rows(run.train_jsonl, [conversation(*row, labelled) for row in LEARNED])
    write_rows(run.held_out_jsonl, [conversation(*row, labelled) for row in rows])
    write_json(run.recipe_json, Recipe(model=BUNDLED_ID, method="lora").to_json())
    write_json(run.run_json, {"id": name, "name": name, "base": find_model(BUNDLED_ID).identity()})
    assert isinstance(plain.model, PeftModel)
    plain.model.save_pretrained(run.adapter)
    environ = {**os.environ, "QLORA_DEMO_HOME": str(home.path), "QLORA_DEMO_OFFLINE": "1"}
    return evaluate_in_child(run, None, child_environ(environ), home.path / "evaluation.log", lambda: None)


def conversation(question: str, answer: str, labelled: bool) -> Conversation:
    return Conversation((Message("user", question), Message("assistant", answer)), label=answer if labelled else None)


def plain_words(text: str) -> list[str]:
    return "".join(ch for ch in text.lower() if ch not in string.punctuation).split()


def f1(answer: str, expected: str) -> float:
    said, left = plain_words(answer), plain_words(expected)
    wanted, shared = len(left), 0
    for word in said:
        if word in left:
            left.remove(word)
            shared += 1
    return 2 * shared / (len(said) + wanted)


def macro_f1(answers: Sequence[str], expected: Sequence[str]) -> float:
    scores = []
    for label in sorted(set(expected)):
        said, right = [plain_words(a) == [label] for a in answers], [e == label for e in expected]
        hits = sum(a and b for a, b in zip(said, right, strict=True))
        scores.append(2 * hits / (sum(said) + sum(right)))
    return sum(scores) / len(scores)


def tokens(plain: Plain, rows: Sequence[tuple[str, str]]) -> int:
    """Of the longest answer."""
    return max(len(plain.tokenizer(answer)["input_ids"]) for _, answer in rows)


def test_of_texts(home: Home, plain: Plain) -> None:
    report = reported(home, plain, "texts", TEXTS, labelled=False)
    found = plain.both(TEXTS, min(96, 2 * tokens(plain, TEXTS) + 8))
    expected = [answer for _, answer in TEXTS]
    assert report["kind"] == "answers" and report["rows"] == len(TEXTS)
    for side, (loss, answers) in found.items():
        ours = report[side]
        assert [answer[side] for answer in report["answers"]] == answers
        assert ours["loss"] == pytest.approx(loss, **TOLERANCE)
        assert ours["perplexity"] == pytest.approx(math.exp(loss), **TOLERANCE)
        assert ours["exact_match"] == pytest.approx(sum(a == e for a, e in zip(answers, expected, strict=True)) / len(expected))
        assert ours["chrf"] == pytest.approx(CHRF().corpus_score(answers, [expected]).score)
        assert ours["token_f1"] == pytest.approx(sum(map(f1, answers, expected)) / len(expected))
        assert ours["words"] == pytest.approx(sum(len(plain_words(a)) for a in answers) / len(expected))
    assert found["base"][1] != found["adapted"][1] and report["adapted"]["loss"] < report["base"]["loss"]
    assert report["adapted"]["exact_match"] > 0 and len(report["general"]) == 5


def test_of_labels(home: Home, plain: Plain) -> None:
    report = reported(home, plain, "labels", LABELLED, labelled=True)
    found = plain.both(LABELLED, tokens(plain, LABELLED) + 4)
    expected = [answer for _, answer in LABELLED]
    assert report["kind"] == "sorting"
    for side, (loss, answers) in found.items():
        ours = report[side]
        assert [answer[side] for answer in report["answers"]] == answers
        assert ours["loss"] == pytest.approx(loss, **TOLERANCE)
        right = [plain_words(a) == [e] for a, e in zip(answers, expected, strict=True)]
        assert ours["accuracy"] == pytest.approx(sum(right) / len(right))
        assert ours["macro_f1"] == pytest.approx(macro_f1(answers, expected))
        table = report["confusion"][side]
        assert sum(row[place] for place, row in enumerate(table)) == sum(right) and sum(map(sum, table)) == len(right)
    assert report["adapted"]["accuracy"] > 0
