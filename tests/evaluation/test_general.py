"""General knowledge: which ending a model finds likeliest, what is kept of what the base knows, and when it cannot be measured."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from qlora_demo.data.conversation import Message
from qlora_demo.data.rendering import IGNORED, Renderer, load_tokenizer
from qlora_demo.evaluation import general, general_answers
from qlora_demo.evaluation.general import Item, Knowledge, believed, compared, forgetting, items, knowledge
from qlora_demo.evaluation.general_items import GROUPS
from qlora_demo.evaluation.kept import Forgetting
from qlora_demo.models.loading import Precision, load_base
from qlora_demo.models.pair import Pair
from qlora_demo.recipe import Recipe
from qlora_demo.training.trainer import add_adapter

FP32 = Precision(torch.float32, "", "")
ALL = [item for group in GROUPS for item in group]


def test_there_are_a_hundred_different_items_whose_endings_differ() -> None:
    assert len({beginning for beginning, _ in ALL}) == len(ALL) == 100
    assert all(len({ending for _, ending in group}) == len(group) >= 8 for group in GROUPS)
    assert not any(beginning.endswith(" ") or ending.startswith(" ") for beginning, ending in ALL)


def test_an_item_is_what_comes_before_the_endings_and_their_first_pieces(tiny_folder: Path) -> None:
    tokenizer = load_tokenizer(tiny_folder)
    found = items(tokenizer)
    assert [tokenizer.decode(item.beginning).strip() for item in found] == [beginning for beginning, _ in ALL]
    for item, (beginning, right) in zip(found, ALL, strict=True):
        ids = tokenizer(f"{beginning} {right}")["input_ids"]
        assert ids[: len(item.beginning) + 1] == [*item.beginning, item.endings[0]]
    assert [len(item.endings) for item in found] == [len(group) for group in GROUPS for _ in group]


def test_the_likeliest_ending_is_what_a_model_believes() -> None:
    """Made-up likelihoods: the third item's endings begin alike, so nothing is known of it."""
    known = [Item((0,), (1, 2, 3)), Item((0,), (2, 1, 3)), Item((0,), (1, 1, 3))]
    found = believed(torch.tensor([[-9.0, -1.0, -2.0, -3.0]] * 3), known)
    assert found.right == (True, False, False)
    assert found.loss == pytest.approx((1 + 2 + 1) / 3)


def test_every_beginning_is_read_to_its_own_end(tiny_folder: Path) -> None:
    """Padded together or each alone, the numbers are the same."""
    tokenizer = load_tokenizer(tiny_folder)
    model = load_base(tiny_folder, "full", FP32, "cpu").train()
    found = items(tokenizer)
    with torch.no_grad():
        alone = torch.stack([model.eval()(torch.tensor([item.beginning])).logits[0, -1].log_softmax(-1) for item in found])
    together = knowledge(model.train(), found, tokenizer.pad_token_id)
    assert together.loss == pytest.approx(believed(alone, found).loss, rel=1e-5)
    assert together.right == believed(alone, found).right
    assert model.training


def test_kept_is_what_the_adapted_model_still_knows_of_what_the_base_knew() -> None:
    base = Knowledge((True,) * 90 + (False,) * 10, 2.0)
    adapted = Knowledge((False,) * 19 + (True,) * 81, 3.0)
    assert compared(base, adapted) == Forgetting(2.0, 3.0, kept=71, of=90)


def test_a_base_that_guesses_has_nothing_to_forget() -> None:
    guesses = Knowledge((True,) * 29 + (False,) * 71, 9.0)
    assert compared(guesses, guesses) is None
    assert compared(Knowledge((True,) * 30 + (False,) * 70, 3.0), guesses) is not None


def test_random_weights_guess(tiny_folder: Path) -> None:
    model = add_adapter(load_base(tiny_folder, "lora", FP32, "cpu"), Recipe(rank=4)).eval()
    assert forgetting(Pair(model, model, "default"), load_tokenizer(tiny_folder)) is None


def test_a_model_that_learned_the_items_and_then_lost_them_is_measured(tiny_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The base learns the right endings; the other one stays as random as it was. In single bytes only a quarter of the endings begin differently."""
    monkeypatch.setattr(general, "FEWEST_RIGHT", 0.2)
    tokenizer = load_tokenizer(tiny_folder)
    taught, other = (load_base(tiny_folder, "full", FP32, "cpu").train() for _ in range(2))
    texts = [f"{beginning} {right}" for beginning, right in ALL]
    batch = tokenizer(texts, padding=True, return_tensors="pt", padding_side="right")
    labels = batch["input_ids"].masked_fill(batch["attention_mask"] == 0, IGNORED)
    optimizer = torch.optim.Adam(taught.parameters(), 1e-2)
    for _ in range(60):
        optimizer.zero_grad()
        taught(**batch, labels=labels).loss.backward()
        optimizer.step()
    lost = forgetting(Pair(taught, other), tokenizer)
    assert lost.of > 20 and lost.kept < lost.of / 2 and lost.lost()
    assert lost.adapted_loss > lost.base_loss
    kept = forgetting(Pair(taught, taught), tokenizer)
    assert kept.kept == kept.of == lost.of and kept.adapted_loss == kept.base_loss == lost.base_loss


def test_general_questions_are_asked_as_in_chat_and_cut_in_time(tiny_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each answer is the model's own to that question alone; after the time is over they stay as far as they came."""
    renderer = Renderer(load_tokenizer(tiny_folder), {})
    base, other = (load_base(tiny_folder, "full", FP32, "cpu").eval() for _ in range(2))
    torch.manual_seed(3)
    for weight in other.parameters():
        weight.data += 0.05 * torch.randn_like(weight)
    found = general_answers.general_answers(Pair(base, other), renderer)
    assert [item["question"] for item in found] == list(general_answers.QUESTIONS)
    prompt = renderer.prompt([Message("user", found[1]["question"])])
    for side, model in (("base", base), ("adapted", other)):
        tokens = model.generate(torch.tensor([prompt]), max_new_tokens=general_answers.LONGEST_ANSWER, do_sample=False)[0][len(prompt) :]
        assert found[1][side] == renderer.text(tokens.tolist())
    monkeypatch.setattr(general_answers, "SECONDS", -1.0)
    assert general_answers.general_answers(Pair(base, other), renderer)[1] == {**found[1], "base": "", "adapted": ""}
