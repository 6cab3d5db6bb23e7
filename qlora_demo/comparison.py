"""Several runs side by side: what each took and scores, in what their settings differ, and what follows. Pure functions of RunViews."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from qlora_demo.evaluation.tally import Tally
from qlora_demo.run_view import RunView

MOST = 5
"""Runs in one comparison: a table of more is not read."""
KEPT_SHARE_WORTH = 0.05
"""Of the general knowledge: a run that keeps so much less than another is not recommended for its memory alone."""
PERPLEXITY_WORTH = 1.03
"""Runs that differ by their seed alone differ by less."""
FEWEST_SHARED = 5
"""Questions that two tests must have in common, where either has so many: fewer tell nothing from luck."""
Question = tuple[str, str, object]
TIE = 1.0
"""Scores that differ by less are as close: of chrF's hundred points; where it sorts, right and wrong differ by one."""


@dataclass(frozen=True)
class Score:
    """The main score of a run: "accuracy" (0 to 1) where it sorts, "chrf" (0 to 100) of texts, else "perplexity", of which less is better."""

    name: str
    value: float

    def rank(self) -> float:
        """More is better."""
        return -self.value if self.name == "perplexity" else self.value


def main_score(view: RunView) -> Score | None:
    """None of a run without a test."""
    adapted = (view.report or {}).get("adapted") or {}
    return next((Score(name, adapted[name]) for name in ("accuracy", "chrf", "perplexity") if adapted.get(name) is not None), None)


def kept_share(view: RunView) -> float | None:
    """Of the general items that the base gets right, 0 to 1. None where it was not measured."""
    kept = (view.report or {}).get("forgetting")
    return kept["kept"] / kept["of"] if kept else None


def total_seconds(view: RunView) -> float | None:
    """From its turn in the line to its end, all tests included."""
    return view.job.ended - view.job.started if view.job.ended and view.job.started else None


@dataclass(frozen=True)
class Comparison:
    """Two to MOST runs, in the order in which they are shown."""

    views: Sequence[RunView]

    def differing(self) -> list[str]:
        """The fields of the recipe in which not all agree."""
        recipes = [view.recipe.to_json() for view in self.views]
        return [field for field in recipes[0] if len({str(recipe[field]) for recipe in recipes}) > 1]

    def same_test(self) -> bool:
        """Whether those that were tested were so on the same rows, so that their scores can be held against each other. A test that was cut short
        asked fewer of the same questions."""
        ranked = self.ranked()
        return all(_same_test(ranked[0], view) for view in ranked[1:])

    def ranked(self) -> list[RunView]:
        """Those that have a score, the best first."""
        scored = [(score.rank(), view) for view in self.views if (score := main_score(view)) is not None]
        return [view for _, view in sorted(scored, key=lambda pair: pair[0], reverse=True)]

    def as_good(self) -> list[RunView]:
        """The best, and those whose distance to it could be luck. Only of runs with the same test."""
        best, *others = self.ranked()
        return [best, *(view for view in others if not beyond_luck(best, view))]

    def recommended(self) -> RunView | None:
        """Of those that are as good: the one that took the least memory, unless it forgot more. None where nothing can be said."""
        if len(self.ranked()) < 2 or not self.same_test():
            return None
        good = self.as_good()
        most_kept = max((share for view in good if (share := kept_share(view)) is not None), default=0.0)
        remembering = [view for view in good if (share := kept_share(view)) is None or share >= most_kept - KEPT_SHARE_WORTH]
        return min(remembering, key=lambda view: _peak(view) or float("inf"))

    def learned(self) -> bool:
        """Whether any that was tested got closer to the data than its base model is."""
        return any(view.report is not None and view.report["learned"] != "no" for view in self.ranked())

    def ready(self) -> bool:
        """Whether all are over."""
        return not any(view.active() for view in self.views)


def beyond_luck(better: RunView, worse: RunView) -> bool:
    """Whether one run is better more often than chance gives, by the sign test over the questions that both were asked.

    Of plain text there are no answers to count: there it takes a perplexity that is lower by more than runs differ anyway.
    """
    if not _answers(better) or not _answers(worse):
        return _perplexity(worse) > PERPLEXITY_WORTH * _perplexity(better)
    ours, theirs = _scores(better), _scores(worse)
    gains = [ours[asked] - theirs[asked] for asked in ours.keys() & theirs.keys()]
    return not Tally.of(gain if abs(gain) >= TIE else 0.0 for gain in gains).luck()


def _perplexity(view: RunView) -> float:
    return view.report["adapted"]["perplexity"] if view.report else float("inf")


def _answers(view: RunView) -> list[dict[str, Any]]:
    return (view.report or {}).get("answers") or []


def _scores(view: RunView) -> dict[Question, float]:
    """Of each question. None of a report that an earlier version wrote, which kept no scores of single answers."""
    return {_question(one): one["adapted_score"] for one in _answers(view) if one.get("adapted_score") is not None}


def _question(answer: dict[str, Any]) -> Question:
    """What makes it the same question in another run's test: its row too, as rows may ask the same."""
    return answer["question"], answer["expected"], answer.get("row")


def _same_test(one: RunView, other: RunView) -> bool:
    """Whether both were asked the same, or so much of the same that a lead could be more than luck; of plain text, whether as many rows were read."""
    ours, theirs = ({_question(answer) for answer in _answers(view)} for view in (one, other))
    if not ours and not theirs:
        return (one.report or {}).get("rows") == (other.report or {}).get("rows")
    return bool(ours) and len(ours & theirs) >= min(FEWEST_SHARED, len(ours), len(theirs))


def _peak(view: RunView) -> int | None:
    return (view.result or {}).get("peak_memory_bytes")
