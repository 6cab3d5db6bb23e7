"""Which questions are watched, what is written of them, and that asking leaves no trace in training."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch
from runs import conversations

from qlora_demo.data.conversation import Conversation, Message, Passage
from qlora_demo.data.rendering import Renderer, load_tokenizer
from qlora_demo.evaluation import watching
from qlora_demo.evaluation.watching import LONGEST_ANSWER, Question, Watching, choose
from qlora_demo.events import EventWriter
from qlora_demo.models.loading import Precision, causal_model, keep_packing_layout, load_base
from qlora_demo.recipe import Recipe
from qlora_demo.training.batches import plan
from qlora_demo.training.callbacks import StepCallback, Watch
from qlora_demo.training.trainer import Setting, add_adapter, build_trainer

ROWS = conversations(12)


@pytest.fixture
def renderer(tiny_folder: Path) -> Renderer:
    return Renderer(load_tokenizer(tiny_folder), {})


@dataclass
class Written:
    """Stands for an EventWriter's `write`."""

    events: list[dict[str, Any]] = field(default_factory=list)

    def __call__(self, kind: str, step: int | None = None, **values: Any) -> None:
        self.events.append({"type": kind, "step": step, **values})


def test_the_questions_are_spread_over_the_rows_set_aside(renderer: Renderer) -> None:
    chosen = choose(renderer, ROWS[:10], ROWS[10:])
    assert [q.question for q in chosen] == [ROWS[i].question() for i in (0, 3, 6)]
    assert [q.expected for q in chosen] == [ROWS[i].answer() for i in (0, 3, 6)]
    assert all(q.set_aside for q in chosen)
    assert chosen[0].shown() == {"question": ROWS[0].question(), "expected": ROWS[0].answer(), "set_aside": True}
    assert list(chosen[0].prompt) == renderer.prompt(ROWS[0].prompt())


def test_where_few_are_set_aside_the_others_are_of_those_that_are_learned(renderer: Renderer) -> None:
    chosen = choose(renderer, ROWS[:1], ROWS[1:])
    assert [(q.question, q.set_aside) for q in chosen] == [(ROWS[0].question(), True), (ROWS[1].question(), False), (ROWS[4].question(), False)]
    assert len(choose(renderer, [], ROWS[:2])) == 2
    assert choose(renderer, [], []) == []


def test_equal_questions_are_asked_once_and_endless_ones_never(renderer: Renderer) -> None:
    endless = Conversation((Message("user", "sea " * 3000), Message("assistant", "tide")))
    chosen = choose(renderer, [endless, ROWS[0], ROWS[0], ROWS[0]], [ROWS[0], ROWS[1]])
    assert [q.question for q in chosen] == [ROWS[0].question(), ROWS[1].question()]


def test_of_a_passage_the_first_words_are_given_and_the_next_expected(renderer: Renderer) -> None:
    words = [f"w{i}" for i in range(80)]
    (question,) = choose(renderer, [Passage("  " + " ".join(words))], [])
    assert question.question == " ".join(words[:12])
    assert question.expected == " ".join(words[12:52])
    assert renderer.text(question.prompt) == question.question
    (short,) = choose(renderer, [Passage("船在海上夜里很安静")], [])
    assert (short.question, short.expected) == ("船在海", "上夜里很安静")


def test_every_answer_is_written_with_its_step(renderer: Renderer, tiny_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "SECONDS", 600.0)
    model = load_base(tiny_folder, "lora", Precision(torch.float32, "", ""), "cpu")
    written, chosen = Written(), choose(renderer, ROWS, [])
    Watching(model, renderer, chosen, written)(24)
    assert [(e["type"], e["step"], e["index"]) for e in written.events] == [("sample", 24, 0), ("sample", 24, 1), ("sample", 24, 2)]
    alone = model.generate(torch.tensor([chosen[0].prompt]), max_new_tokens=LONGEST_ANSWER, do_sample=False)[0][len(chosen[0].prompt) :]
    assert written.events[0]["answer"] == renderer.text(alone.tolist())


def test_an_answer_that_takes_too_long_stays_as_far_as_it_came(
    renderer: Renderer, tiny_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = load_base(tiny_folder, "lora", Precision(torch.float32, "", ""), "cpu")
    monkeypatch.setattr(watching, "SECONDS", 600.0)
    whole = Watching(model, renderer, choose(renderer, ROWS, []), Written()).answers()
    monkeypatch.setattr(watching, "SECONDS", 0.0)
    cut = Watching(model, renderer, choose(renderer, ROWS, []), Written()).answers()
    assert all(len(short) < len(long) for short, long in zip(cut, whole, strict=True))


@dataclass(frozen=True)
class Learned:
    weights: dict[str, torch.Tensor]
    losses: list[float]
    random: torch.Tensor
    samples: list[dict[str, Any]]


def learn(folder: Path, place: Path, recipe: Recipe, watched: bool) -> Learned:
    """Six steps on the tiny model, with two tests between them."""
    torch.manual_seed(recipe.seed)
    renderer = Renderer(load_tokenizer(folder), {})
    rows = list(renderer.render_all(ROWS, 64))
    precision = Precision(torch.bfloat16, "", "")
    model = load_base(folder, recipe.method, precision, "cpu")
    model.config.use_cache = False
    keep_packing_layout(model)
    if recipe.method != "full":
        model = add_adapter(model, recipe)
    steps = plan([len(row.input_ids) for row in rows], 4, 1, 2.0)
    place.mkdir()
    written = Written()
    tokens = [1] * len(steps)
    events = EventWriter(place / "events.jsonl", 1)
    watch = Watch(events, tokens, place, lambda: "", frozenset({2, 4}), lambda: 0, lambda: None)
    trainer = build_trainer(model, renderer.tokenizer, recipe, (rows, steps), Setting(precision, "cpu", place), [StepCallback(watch)])
    if watched:
        watch.samples = Watching(causal_model(model), renderer, choose(renderer, ROWS[:4], []), written, trainer.decoder)
        watch.samples(0)
    trainer.train()
    assert model.training and causal_model(model).config.use_cache is False
    return Learned(dict(model.named_parameters()), watch.losses, torch.random.get_rng_state(), written.events)


@pytest.mark.parametrize(("method", "dropout"), [("lora", 0.0), ("lora", 0.3), ("qlora", 0.0), ("full", 0.0)])
def test_watching_leaves_no_trace_in_training(tiny_folder: Path, tmp_path: Path, method: str, dropout: float) -> None:
    """Bit-equal weights, losses and random numbers with and without it."""
    recipe = Recipe(method=method, batch_size=4, micro_batch_size=4, learning_rate=5e-3, dropout=dropout)
    without, with_it = (learn(tiny_folder, tmp_path / str(watched), recipe, watched) for watched in (False, True))
    assert without.losses == with_it.losses and len(without.losses) == 6
    assert [name for name in without.weights if not torch.equal(without.weights[name], with_it.weights[name])] == []
    assert torch.equal(without.random, with_it.random)
    assert without.samples == []
    steps = {e["step"]: [f["answer"] for f in with_it.samples if f["step"] == e["step"]] for e in with_it.samples}
    assert set(steps) == {0, 2, 4} and all(len(answers) == 3 for answers in steps.values())
    assert steps[0] != steps[4]


def test_gradients_and_modes_stay_as_they_were(renderer: Renderer, tiny_folder: Path) -> None:
    model = load_base(tiny_folder, "full", Precision(torch.float32, "", ""), "cpu").train()
    for parameter in model.parameters():
        parameter.grad = torch.full_like(parameter, 0.25)
    question = Question("?", "!", True, tuple(renderer.prompt(ROWS[0].prompt())))
    Watching(model, renderer, [question], Written())(1)
    assert all(module.training for module in model.modules())
    assert all(bool((p.grad == 0.25).all()) and p.requires_grad and not p.is_inference() for p in model.parameters())
