"""The report of a run: what base and adapted model score on the same rows, what the adapted one still knows, and the verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from qlora_demo.data.conversation import Conversation, Row
from qlora_demo.data.rendering import Rendered, Renderer
from qlora_demo.evaluation.answering import LABELLED, Asked, compare, drawn
from qlora_demo.evaluation.diagnosis import Facts
from qlora_demo.evaluation.figures import Answers, Losses, code, confusion, data_figures, figures, main_intervals, scored_answers
from qlora_demo.evaluation.general import forgetting
from qlora_demo.evaluation.general_answers import general_answers
from qlora_demo.evaluation.kept import Forgetting
from qlora_demo.evaluation.likelihood import row_losses
from qlora_demo.evaluation.scores import Compared, sorting
from qlora_demo.evaluation.verdict import Verdict, judge_free, judge_passages, judge_sorting, judge_untested, with_forgetting
from qlora_demo.models.pair import Pair


@dataclass(frozen=True)
class Trial:
    """`rows` were not learned from; `where` says whose they are. `labels` are those of the rows that were, empty where the data does not sort."""

    rows: Sequence[Row]
    where: str
    labels: Sequence[str]
    facts: Facts

    def talks(self) -> list[Conversation]:
        """The rows that ask something."""
        return [row for row in self.rows if isinstance(row, Conversation)]


def score(pair: Pair, renderer: Renderer, trial: Trial) -> dict[str, Any]:
    """What report.json holds. Most of the time goes into the answers."""
    losses = held_out_losses(pair, renderer, trial)
    asked = compare(pair, renderer, trial.talks(), trial.facts.recipe.max_length, bool(trial.labels))
    kept = forgetting(pair, renderer.tokenizer)
    return build_report(trial, asked, losses, kept, general_answers(pair, renderer) if kept else [])


def held_out_losses(pair: Pair, renderer: Renderer, trial: Trial) -> Losses | None:
    """Both on the same rows, of many on some drawn at random; None where nothing of them can be scored."""
    some = [trial.rows[i] for i in sorted(drawn(len(trial.rows), LABELLED))]
    rendered = list(renderer.render_all(some, trial.facts.recipe.max_length))
    if not rendered:
        return None
    base, adapted = pair.both(lambda model: row_losses(model, rendered, renderer.tokenizer.pad_token_id))
    by_row = [_by_row(values, rendered) for values in (base, adapted, [row.learned() for row in rendered])]
    return Losses(*by_row, len(by_row[0]))


def _by_row(values: Sequence[float], rendered: Sequence[Rendered]) -> tuple[float, ...]:
    """Summed over the pieces of each row: they rise and fall together, and would pass for more evidence than they are."""
    sums: dict[int, float] = {}
    for value, piece in zip(values, rendered, strict=True):
        sums[piece.row] = sums.get(piece.row, 0) + value
    return tuple(sums.values())


def build_report(
    trial: Trial, asked: Asked, losses: Losses | None, kept: Forgetting | None = None, general: Sequence[dict[str, Any]] = ()
) -> dict[str, Any]:
    """`general` are answers to general questions. What has no meaning for the kind of data is None."""
    compared, kind = asked.compared, "none"
    if compared or losses:
        kind = ("sorting" if trial.labels else "answers") if compared else "passages"
    sorts = kind == "sorting"
    verdict = with_forgetting(_verdict(kind, trial, compared, losses), kept, trial.facts)
    label = sorting(compared, trial.labels) if sorts else None
    tally = verdict.tally
    return {
        "rows": len(compared) or (len(losses.tokens) if losses else 0),
        "kind": kind,
        "where": trial.where,
        "sample": _sample(kind, trial, asked, losses),
        "verdict": verdict.sentence,
        "learned": verdict.learned,
        "advice": asdict(verdict.advice) if verdict.advice else None,
        "base": figures(losses.base() if losses else None, Answers.base(compared), trial.labels),
        "adapted": figures(losses.adapted() if losses else None, Answers.adapted(compared), trial.labels),
        "data": data_figures(compared, sorts),
        "intervals": main_intervals(compared, losses, sorts),
        "majority": {"label": label.label, "accuracy": label.label_right / label.rows} if label else None,
        "confusion": confusion(compared, trial.labels) if sorts else None,
        "code": None if sorts else code(compared),
        "won": tally.won if tally else None,
        "lost": tally.lost if tally else None,
        "ties": tally.ties if tally else None,
        "p_value": tally.p_value() if tally else None,
        "forgetting": kept.to_json() if kept else None,
        "general": list(general),
        **scored_answers(compared, sorts),
    }


def _sample(kind: str, trial: Trial, asked: Asked, losses: Losses | None) -> dict[str, Any] | None:
    """How many of how many rows were tested, and why not all; None where nothing was."""
    if kind == "passages" and losses:
        return {"tested": losses.rows, "of": len(trial.rows), "too_long": 0, "time_over": False}
    if kind == "none":
        return None
    return {"tested": len(asked.compared), "of": asked.of, "too_long": asked.too_long, "time_over": asked.time_over}


def _verdict(kind: str, trial: Trial, compared: Sequence[Compared], losses: Losses | None) -> Verdict:
    if kind == "sorting":
        return judge_sorting(sorting(compared, trial.labels), _with_answers(trial.facts, compared))
    if kind == "answers":
        return judge_free(compared, len(trial.talks()), trial.where, _with_answers(trial.facts, compared))
    if losses is not None:
        return judge_passages(losses.tally(), losses.base(), losses.adapted(), trial.where, trial.facts)
    return judge_untested(len(trial.rows), trial.facts)


def _with_answers(facts: Facts, compared: Sequence[Compared]) -> Facts:
    return replace(facts, same_answers=all(c.base == c.adapted for c in compared))
