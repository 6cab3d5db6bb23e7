"""The report of a run: what base and adapted model score on the same rows, what the adapted one still knows, and the verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from qlora_demo.data.conversation import Conversation, Row
from qlora_demo.data.rendering import Renderer
from qlora_demo.evaluation.answering import LABELLED, compare, drawn
from qlora_demo.evaluation.diagnosis import Facts
from qlora_demo.evaluation.general import forgetting
from qlora_demo.evaluation.likelihood import mean, row_losses
from qlora_demo.evaluation.scores import Compared, Forgetting, Tally, figures, sorting
from qlora_demo.evaluation.verdict import Verdict, judge_free, judge_passages, judge_sorting, judge_untested, with_forgetting
from qlora_demo.models.pair import Pair


@dataclass(frozen=True)
class Trial:
    """`rows` were not learned from; `where` says whose they are. `labels` are those of the rows that were, empty where the data does not sort."""

    rows: Sequence[Row]
    where: str
    labels: Sequence[str]
    facts: Facts


@dataclass(frozen=True)
class Losses:
    """Mean loss a learned token, and on how many of `rows` rows the adapted model's is smaller."""

    base: float
    adapted: float
    tally: Tally
    rows: int


def score(pair: Pair, renderer: Renderer, trial: Trial) -> dict[str, Any]:
    """What report.json holds. Most of the time goes into the answers."""
    losses = held_out_losses(pair, renderer, trial)
    talks = [row for row in trial.rows if isinstance(row, Conversation)]
    compared = compare(pair, renderer, talks, trial.facts.recipe.max_length, bool(trial.labels))
    return build_report(trial, compared, losses, forgetting(pair, renderer.tokenizer))


def held_out_losses(pair: Pair, renderer: Renderer, trial: Trial) -> Losses | None:
    """Both on the same rows, of many on some drawn at random; None where nothing of them can be scored."""
    some = [trial.rows[i] for i in sorted(drawn(len(trial.rows), LABELLED))]
    rendered = list(renderer.render_all(some, trial.facts.recipe.max_length))
    if not rendered:
        return None
    base, adapted = pair.both(lambda model: row_losses(model, rendered, renderer.tokenizer.pad_token_id))
    ahead = Tally.of(b - a for b, a in zip(base, adapted, strict=True))
    return Losses(mean(base, rendered), mean(adapted, rendered), ahead, len(rendered))


def build_report(trial: Trial, compared: Sequence[Compared], losses: Losses | None, kept: Forgetting | None) -> dict[str, Any]:
    kind = "none"
    if compared or losses:
        kind = ("sorting" if trial.labels else "answers") if compared else "passages"
    verdict = with_forgetting(_verdict(kind, trial, compared, losses), kept, trial.facts)
    expected, sorts = [c.expected for c in compared], kind == "sorting"
    label = sorting(compared, trial.labels) if sorts else None
    tally = verdict.tally
    return {
        "rows": len(compared) or (losses.rows if losses else 0),
        "kind": kind,
        "verdict": verdict.sentence,
        "learned": verdict.learned,
        "advice": asdict(verdict.advice) if verdict.advice else None,
        "base": figures(losses.base if losses else None, [c.base for c in compared], expected, sorts),
        "adapted": figures(losses.adapted if losses else None, [c.adapted for c in compared], expected, sorts),
        "majority": {"label": label.label, "accuracy": label.label_right / label.rows} if label else None,
        "won": tally.won if tally else None,
        "lost": tally.lost if tally else None,
        "ties": tally.ties if tally else None,
        "p_value": tally.p_value() if tally else None,
        "forgetting": asdict(kept) if kept else None,
        "answers": [asdict(c) for c in compared],
    }


def _verdict(kind: str, trial: Trial, compared: Sequence[Compared], losses: Losses | None) -> Verdict:
    if kind == "sorting":
        return judge_sorting(sorting(compared, trial.labels), _with_answers(trial.facts, compared))
    if kind == "answers":
        aside = sum(isinstance(row, Conversation) for row in trial.rows)
        return judge_free(compared, aside, trial.where, _with_answers(trial.facts, compared))
    if losses is not None:
        return judge_passages(losses.tally, losses.base, losses.adapted, trial.where, trial.facts)
    return judge_untested(len(trial.rows), trial.facts)


def _with_answers(facts: Facts, compared: Sequence[Compared]) -> Facts:
    return replace(facts, same_answers=all(c.base == c.adapted for c in compared))
