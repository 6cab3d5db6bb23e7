"""The report's numbers and outcome belong together, for each kind of data."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from runs import conversations
from transformers import PreTrainedModel

from qlora_demo.data.conversation import Passage
from qlora_demo.data.rendering import Rendered, Renderer, load_tokenizer
from qlora_demo.evaluation.answering import Asked
from qlora_demo.evaluation.diagnosis import Facts
from qlora_demo.evaluation.figures import Losses
from qlora_demo.evaluation.kept import Forgetting
from qlora_demo.evaluation.report import Trial, build_report, held_out_losses
from qlora_demo.evaluation.scores import Compared
from qlora_demo.evaluation.verdict import SET_ASIDE
from qlora_demo.models.loading import Precision, load_base
from qlora_demo.models.loss import collate, loss_sum
from qlora_demo.models.pair import Pair
from qlora_demo.recipe import Recipe

FACTS = Facts(Recipe(), Recipe(), rows=100, steps=81, first_loss=2.5, last_loss=1.2, moved=3.4)
TRIAL = Trial(conversations(8), SET_ASIDE, [], FACTS)
NUMBERS = {"loss", "perplexity", "exact_match", "accuracy", "macro_f1", "chrf", "token_f1", "words", "repeated"}
AHEAD = Losses((2.0,) * 8, (0.0,) * 8, (1,) * 8, 8)


def test_texts() -> None:
    compared = [Compared("?", "a bird", "zzz", "a bird")] * 8
    report = build_report(TRIAL, Asked(compared, 8), AHEAD, Forgetting(2.0, 2.5, 88, 91))
    assert (report["rows"], report["kind"], report["learned"], report["advice"]) == (8, "answers", "yes", None)
    scores = {"loss": 0.0, "perplexity": 1.0, "exact_match": 1.0, "chrf": pytest.approx(100), "token_f1": 1.0, "words": 2.0}
    assert report["adapted"] == {**dict.fromkeys(NUMBERS), **scores}
    assert report["intervals"]["difference"] == pytest.approx([100, 100])
    assert report["sample"] == {"tested": 8, "of": 8, "too_long": 0, "time_over": False}
    assert (report["won"], report["lost"], report["ties"], report["p_value"]) == (8, 0, 0, 1 / 256)
    assert report["forgetting"] == {"base_loss": 2.0, "adapted_loss": 2.5, "kept": 88, "of": 91, "low": False}
    texts = {"question": "?", "expected": "a bird", "base": "zzz", "adapted": "a bird"}
    about = {"row": 0, "base_whole": True, "adapted_whole": True, "base_score": 0.0, "adapted_score": pytest.approx(100)}
    assert report["answers"][0] == {**texts, **about}
    assert report["confusion"] is report["code"] is None and report["general"] == []


def test_labels() -> None:
    compared = [Compared("?", "happy", "sad", "Happy.")] * 6 + [Compared("?", "sad", "I cannot say", "sad")] * 6
    report = build_report(replace(TRIAL, labels=["happy", "happy", "sad"]), Asked(compared, 12), AHEAD)
    assert (report["kind"], report["learned"], report["forgetting"]) == ("sorting", "yes", None)
    assert report["majority"] == {"label": "happy", "accuracy": 0.5}
    assert (report["adapted"]["accuracy"], report["adapted"]["exact_match"], report["adapted"]["chrf"]) == (1.0, 0.5, None)
    assert report["confusion"] == {"labels": ["happy", "sad"], "base": [[0, 6, 0], [0, 0, 6]], "adapted": [[6, 0, 0], [0, 6, 0]]}
    assert (report["base"]["macro_f1"], report["adapted"]["macro_f1"], report["intervals"]["score"]) == (0.0, 1.0, "accuracy")


def test_equal_answers_are_seen_and_an_advice_is_plain_json() -> None:
    report = build_report(TRIAL, Asked([Compared("?", "a bird", "zzz", "zzz")] * 8, 8), None)
    assert report["learned"] == "no" and "it still answers as the base model does" in report["verdict"]
    assert report["advice"]["changes"] == {"epochs": 13.0}
    assert report["base"].keys() == report["adapted"].keys() == NUMBERS and report["base"]["loss"] is None


def test_passages_and_nothing() -> None:
    ahead = Losses((3.0,) * 9, (2.0,) * 9, (1,) * 9, 9)
    passages = build_report(replace(TRIAL, rows=[Passage("sea")] * 9), Asked([], 0), ahead)
    assert (passages["sample"]["tested"], passages["sample"]["of"], passages["intervals"]["score"]) == (9, 9, "loss")
    assert (passages["kind"], passages["rows"], passages["learned"], passages["base"]["exact_match"]) == ("passages", 9, "yes", None)
    nothing = build_report(replace(TRIAL, rows=[]), Asked([], 0), None)
    assert (nothing["kind"], nothing["rows"], nothing["learned"], nothing["p_value"]) == ("none", 0, "untested", None)
    assert nothing["verdict"] == "Trained on all 100 rows, so there is no test. Ask it something in Chat."


def test_held_out_losses_are_the_means_of_both_and_count_who_is_ahead(tiny_folder: Path) -> None:
    renderer = Renderer(load_tokenizer(tiny_folder), {})
    base, other = (load_base(tiny_folder, "full", Precision(torch.float32, "", ""), "cpu").eval() for _ in range(2))
    torch.manual_seed(3)
    for weight in other.parameters():
        weight.data += 0.05 * torch.randn_like(weight)
    found = held_out_losses(Pair(base, other), renderer, TRIAL)
    rendered = list(renderer.render_all(TRIAL.rows, 1024))
    pad = renderer.tokenizer.pad_token_id

    def loss(model: PreTrainedModel, rows: list[Rendered]) -> float:
        return float(loss_sum(model, collate(rows, pad)).detach()) / sum(row.learned() for row in rows)

    assert (found.base(), found.adapted()) == pytest.approx((loss(base, rendered), loss(other, rendered)), rel=1e-5)
    alone = [loss(base, [row]) > loss(other, [row]) for row in rendered]
    assert (found.tally().won, found.tally().won + found.tally().lost, found.rows) == (sum(alone), 8, 8)
    assert held_out_losses(Pair(base, base), renderer, replace(TRIAL, facts=replace(FACTS, recipe=Recipe(max_length=16)))) is None


def test_pieces_of_one_row_count_as_one(tiny_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A template may need a piece for each answer of a conversation; they rise and fall together."""
    renderer = Renderer(load_tokenizer(tiny_folder), {})
    model = load_base(tiny_folder, "full", Precision(torch.float32, "", ""), "cpu").eval()
    piece = Rendered((5, 6, 7, 8), (-100, 6, 7, 8))
    pieces = [replace(piece, row=row) for row in (0, 0, 0, 1)]
    monkeypatch.setattr(Renderer, "render_all", lambda self, rows, max_length: iter(pieces))
    found = held_out_losses(Pair(model, model), renderer, TRIAL)
    assert (found.rows, found.tokens) == (2, (9, 3))
    assert found.base_sums[0] == pytest.approx(3 * found.base_sums[1])
