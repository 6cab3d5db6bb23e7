"""The base column is the untouched base model, and both columns stream what they answer."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, PreTrainedModel

from qlora_demo.data.conversation import Conversation, Message
from qlora_demo.data.rendering import Renderer, load_tokenizer
from qlora_demo.models.loading import Precision, load_base
from qlora_demo.models.loss import collate, loss_sum
from qlora_demo.models.pair import BASE, Pair, Sampling, answer_in_turns, answer_rows
from qlora_demo.recipe import Recipe
from qlora_demo.training.trainer import add_adapter


def adapted(folder: Path, method: str, dtype: torch.dtype):
    """A model whose adapter says something else than its base."""
    torch.manual_seed(1)
    model = add_adapter(load_base(folder, method, Precision(dtype, "", ""), "cpu"), Recipe(rank=4))
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.5)
    return model.eval()


def prompts(folder: Path) -> list[list[int]]:
    renderer = Renderer(load_tokenizer(folder), {})
    short = renderer.prompt([Message("user", "lamp and sea")])
    long = renderer.prompt([Message("user", "lamp and sea"), Message("assistant", "storm boat"), Message("user", "quiet tea rope keeper gull")])
    return [short, long]


def test_in_fp32_the_base_answers_as_alone_token_for_token(tiny_folder: Path) -> None:
    model, tokenizer = adapted(tiny_folder, "lora", torch.float32), load_tokenizer(tiny_folder)
    short, long = prompts(tiny_folder)
    pair = answer_rows(model, tokenizer, [(BASE, short), ("default", long)], Sampling(max_new_tokens=24))
    plain = AutoModelForCausalLM.from_pretrained(tiny_folder, dtype=torch.float32).eval()
    alone = plain.generate(torch.tensor([short]), max_new_tokens=24, do_sample=False, eos_token_id=tokenizer.eos_token_id)[0][len(short) :]
    assert pair[0].text == tokenizer.decode(alone, skip_special_tokens=True).strip()
    assert pair[0].text != pair[1].text


def test_what_streams_adds_up_to_the_answer(tiny_folder: Path) -> None:
    model, tokenizer = adapted(tiny_folder, "lora", torch.float32), load_tokenizer(tiny_folder)
    streamed = ["", ""]

    def emit(row: int, text: str) -> None:
        streamed[row] += text

    answers = answer_rows(model, tokenizer, [(BASE, prompts(tiny_folder)[0]), ("default", prompts(tiny_folder)[1])], Sampling(24), emit)
    for text, answer in zip(streamed, answers, strict=True):
        assert text.strip().startswith(answer.text.rstrip("\ufffd"))


def test_cancelling_ends_the_answer_and_leaves_the_model_usable(tiny_folder: Path) -> None:
    model, tokenizer = adapted(tiny_folder, "lora", torch.float32), load_tokenizer(tiny_folder)
    rows = [(BASE, prompts(tiny_folder)[0]), ("default", prompts(tiny_folder)[0])]
    asked = []
    stopped = answer_rows(model, tokenizer, rows, Sampling(200), cancelled=lambda: asked.append(1) is None and len(asked) > 3)
    assert max(answer.tokens for answer in stopped) <= 4
    whole = answer_rows(model, tokenizer, rows, Sampling(12))
    assert whole[0].text.startswith(stopped[0].text.rstrip("\ufffd"))


def test_sampling_repeats_with_its_seed(tiny_folder: Path) -> None:
    model, tokenizer = adapted(tiny_folder, "lora", torch.float32), load_tokenizer(tiny_folder)
    rows = [(BASE, prompts(tiny_folder)[0]), ("default", prompts(tiny_folder)[0])]
    first, again, other = (answer_rows(model, tokenizer, rows, Sampling(16, 1.0, 0.95, seed)) for seed in (3, 3, 4))
    assert first == again
    assert first != other


def two_models(folder: Path):
    """The tiny model, and one like it that says something else."""
    base, other = (AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval() for _ in range(2))
    torch.manual_seed(2)
    for weight in other.parameters():
        weight.data += 0.05 * torch.randn_like(weight)
    return base, other


def test_two_models_in_turns_answer_as_each_alone_token_for_token(tiny_folder: Path) -> None:
    models, tokenizer = two_models(tiny_folder), load_tokenizer(tiny_folder)
    streamed = ["", "", "", ""]

    def emit(row: int, text: str) -> None:
        streamed[row] += text

    asked = prompts(tiny_folder)
    turns = answer_in_turns(models, tokenizer, (asked, asked[::-1]), Sampling(26), emit)
    for answer, text, model, prompt in zip(turns, streamed, (models[0],) * 2 + (models[1],) * 2, asked + asked[::-1], strict=True):
        alone = model.generate(torch.tensor([prompt]), max_new_tokens=26, do_sample=False, eos_token_id=tokenizer.eos_token_id)[0][len(prompt) :]
        assert answer.text == tokenizer.decode(alone, skip_special_tokens=True).strip()
        assert text.strip().startswith(answer.text.rstrip("\ufffd"))
    assert turns[0].text != turns[3].text


def test_two_models_can_be_cancelled_and_sampled(tiny_folder: Path) -> None:
    models, tokenizer, asked = two_models(tiny_folder), load_tokenizer(tiny_folder), [prompts(tiny_folder)[0]]
    pair = Pair(*models)
    stops = []
    stopped = pair.answers(tokenizer, (asked, asked), Sampling(200), cancelled=lambda: stops.append(1) is None and len(stops) > 5)
    assert max(answer.tokens for answer in stopped) <= 6
    first, again, other = (pair.answers(tokenizer, (asked, asked), Sampling(16, 1.0, 0.95, seed)) for seed in (3, 3, 4))
    assert first == again
    assert first != other


@pytest.mark.parametrize("method", ["lora", "full"])
def test_both_sides_of_a_pair_are_measured_as_each_model_alone(tiny_folder: Path, method: str) -> None:
    base, other = two_models(tiny_folder)
    renderer = Renderer(load_tokenizer(tiny_folder), {})
    rows = renderer.render(Conversation((Message("user", "lamp"), Message("assistant", "sea storm"))), 64, 0)
    pad = renderer.tokenizer.pad_token_id
    if method == "full":
        pair = Pair(base, other)
    else:
        model = adapted(tiny_folder, "lora", torch.float32)
        pair = Pair(model, model, "default")

    def loss(model: PreTrainedModel) -> float:
        return float(loss_sum(model, collate(rows, pad)).detach())

    losses = pair.both(loss)
    assert losses[0] == pytest.approx(loss(base))
    assert losses[1] != losses[0]
