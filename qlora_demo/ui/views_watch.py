"""What "watch it learn" shows: the same questions, answered before training and after each test. Pure functions to html."""

from __future__ import annotations

from dataclasses import dataclass

from qlora_demo.progress import Watched, evaluation_steps
from qlora_demo.run_view import RunView
from qlora_demo.ui.parts import esc
from qlora_demo.ui.views_run import over

LABEL = 60
"""Characters of a question in its label; the whole one stands above its answers."""
ANSWERS, TO_COME = 6, 3
"""Answers after training began, and tests still to come, that are shown at most."""
ASIDE, LEARNED = "Set aside: your model never sees it.", "One of the rows that it learns from."


@dataclass(frozen=True)
class Strip:
    """`choices` are (label, number) of the questions. `answers` holds one list for each; the style sheet shows that of the chosen one."""

    choices: tuple[tuple[str, int], ...] = ()
    answers: str = ""


def strip(view: RunView) -> Strip:
    """Empty as long as nothing was asked."""
    watched = view.progress.watched
    choices = tuple((_label(item.question), number) for number, item in enumerate(watched))
    lists = "".join(f'<div class="qd-watched">{_question(item)}<dl class="qd-watch">{_lines(view, item)}</dl></div>' for item in watched)
    return Strip(choices, f'<div class="qd-watching">{lists}</div>' if watched else "")


def _label(question: str) -> str:
    line = " ".join(question.split())
    if len(line) <= LABEL:
        return line
    cut = line[: LABEL - 1]
    words = cut.rpartition(" ")[0]
    return (words if 2 * len(words) > LABEL else cut) + "…"


def _question(item: Watched) -> str:
    whole = f'<p class="qd-watch-question">{esc(item.question)}</p>' if _label(item.question) != item.question else ""
    return f'{whole}<p class="qd-small">{ASIDE if item.set_aside else LEARNED}</p>'


def _lines(view: RunView, item: Watched) -> str:
    answers = dict(item.answers)
    before = [("Before training", "qd-base", answers.pop(0))] if 0 in answers else []
    after = [(f"After step {step}", "qd-yours", text) for step, text in answers.items()][-ANSWERS:]
    said = "".join(_line(*line) for line in (("Your answer", "", item.expected), *before, *after))
    return said + "".join(f'<dt>After step {step}</dt><dd class="qd-small">not yet</dd>' for step in _to_come(view, item))


def _line(when: str, kind: str, text: str) -> str:
    said = esc(text) if text.strip() else '<span class="qd-small">no words</span>'
    return f'<dt class="{kind}">{when}</dt><dd>{said}</dd>'


def _to_come(view: RunView, item: Watched) -> list[int]:
    """The steps after which it will be asked again."""
    if over(view) or not view.progress.steps:
        return []
    asked = max((step for step, _ in item.answers), default=0)
    planned = sorted(evaluation_steps(view.progress.steps, view.recipe.evaluations))
    return [step for step in planned if step > asked][:TO_COME]
