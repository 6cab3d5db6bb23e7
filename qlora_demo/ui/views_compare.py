"""What a comparison of runs says: pure functions from a Comparison to texts and to the points of its plot."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from qlora_demo.comparison import MOST, Comparison, beyond_luck, kept_share, main_score, total_seconds
from qlora_demo.recipe import METHOD_NAMES
from qlora_demo.run_view import RunView
from qlora_demo.ui.form_fields import LABELS
from qlora_demo.ui.parts import bar, counted, duration, esc, heading, note, size
from qlora_demo.ui.views_models import state_words

POINTS = 80
"""Points a run has in the plot at most."""


def percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def millions(count: float) -> str:
    return f"{count / 1e6:.1f} million"


SCORE_WORDS = {
    "accuracy": ("Right on the rows set aside", "Share of the rows that it sorts right. Higher is better.", percent),
    "chrf": ("Likeness to your answers (chrF)", "Runs of letters shared with your answer; 100 is the same text.", "{:.1f} of 100".format),
    "perplexity": ("Perplexity on the rows set aside", "Between how many next word pieces it wavers. Lower is better.", "{:.3g}".format),
}


@dataclass(frozen=True)
class Line:
    """One row of the table: a figure of each run, None where it is not known."""

    label: str
    words: str
    values: Sequence[float | None]
    form: Callable[[float], str]

    def html(self) -> str:
        most = max((value for value in self.values if value is not None), default=0.0)
        cells = "".join(f"<td>{self._cell(value, most)}</td>" for value in self.values)
        return f'<tr><th scope="row">{esc(self.label)}<br><span class="qd-small">{esc(self.words)}</span></th>{cells}</tr>'

    def _cell(self, value: float | None, most: float) -> str:
        if value is None:
            return '<span class="qd-small">not known</span>'
        said = self.form(value)
        return f'<span class="qd-number">{esc(said)}</span>{bar(value / most if most else 0.0, f"{self.label}: {said}")}'


def comparison(compared: Comparison) -> str:
    """The sentence that follows, the figures, and the settings that differ."""
    return f"{note(sentence(compared))}{figures(compared)}{heading('Settings that differ', 3)}{settings(compared)}"


def figures(compared: Comparison) -> str:
    """One column a run, a bar under each figure."""
    views = compared.views
    head = "".join(f'<th scope="col">{number}. {esc(view.name)}</th>' for number, view in enumerate(views, 1))
    states = "".join(f"<td>{esc(state_words(view))}</td>" for view in views)
    known = [line for line in lines(compared) if any(value is not None for value in line.values)]
    rows = f'<tr><th scope="row">State</th>{states}</tr>' + "".join(line.html() for line in known)
    opening = '<div class="qd-scroll" tabindex="0" role="region" aria-label="The runs side by side">'
    return f'{opening}<table class="qd-table qd-compared"><tr><th scope="col"></th>{head}</tr>{rows}</table></div>'


def lines(compared: Comparison) -> list[Line]:
    """Scores first, then what they cost."""
    views = compared.views
    scores = [main_score(view) for view in views]
    found = [
        Line(label, words, [score.value if score and score.name == name else None for score in scores], form)
        for name, (label, words, form) in SCORE_WORDS.items()
    ]
    results: list[dict[str, Any]] = [view.result or {} for view in views]
    return [
        *found,
        Line("Still knows general things", "Of what the base model knows.", [kept_share(view) for view in views], percent),
        Line("Memory", "The most that the training took.", [one.get("peak_memory_bytes") for one in results], size),
        Line("Time", "From its turn in the line to the end.", [total_seconds(view) for view in views], duration),
        Line("Size of the file", "What is kept of the training.", [one.get("artifact_bytes") for one in results], size),
        Line("Numbers that learn", "All others stay as they are.", [one.get("trainable_parameters") for one in results], millions),
    ]


def settings(compared: Comparison) -> str:
    """A table of the fields in which not all agree."""
    fields = compared.differing()
    if not fields:
        return "<p>None: the runs were started alike.</p>"
    head = "".join(f'<th scope="col">{number}</th>' for number in range(1, len(compared.views) + 1))
    recipes = [view.recipe.to_json() for view in compared.views]
    cells = {field: "".join(f"<td>{esc(_value(field, recipe[field]))}</td>" for recipe in recipes) for field in fields}
    rows = "".join(f'<tr><th scope="row">{esc(LABELS[field])}</th>{cells[field]}</tr>' for field in fields)
    opening = '<div class="qd-scroll" tabindex="0" role="region" aria-label="Settings that differ">'
    return f'{opening}<table class="qd-table"><tr><th scope="col"></th>{head}</tr>{rows}</table></div>'


def _value(field: str, value: Any) -> str:
    return METHOD_NAMES[value] if field == "method" else f"{value:.4g}" if isinstance(value, float) else str(value) or "none"


def sentence(compared: Comparison) -> str:
    """What follows from the figures, in plain words."""
    if not compared.ready():
        left = sum(view.active() for view in compared.views)
        return f"{counted(left, 'training')} of {len(compared.views)} not done yet. What follows is said when all are over."
    if len(compared.ranked()) < 2:
        return "Fewer than two of these were tested on rows set aside, so no score can be held against another."
    if not compared.same_test():
        return "These were tested on different rows, so their scores cannot be held against each other. Train them on the same data to compare."
    if not compared.learned():
        return f"{_best(compared)} None of these has learned your answers, so none is to be recommended. Train longer, or with more rows."
    return f"{_best(compared)} {_take(compared)}"


def _best(compared: Comparison) -> str:
    best, *others = compared.ranked()
    score = main_score(best)
    assert score is not None  # noqa: S101 (those that are ranked have one)
    form = SCORE_WORDS[score.name][2]
    lucky = [view.name for view in others if not beyond_luck(best, view)]
    told = f"Best on the rows set aside: '{best.name}' ({form(score.value)})."
    if not lucky:
        return f"{told} Its lead is more than luck."
    return f"{told} Its lead over {' and '.join(repr(name) for name in lucky)} could be luck."


def _take(compared: Comparison) -> str:
    taken = compared.recommended()
    assert taken is not None  # noqa: S101 (asked only where there is one)
    if len(compared.as_good()) == 1:
        return f"Take '{taken.name}'."
    memory = (taken.result or {}).get("peak_memory_bytes")
    return f"Take '{taken.name}': of those that are as good, it needed the least memory{f' ({size(memory)})' if memory else ''}."


def plot_rows(compared: Comparison) -> list[tuple[int, float | None, str]]:
    """(step, error on the rows set aside, the run's number). Every number has a first point without a value: the plot only ever knows the series of
    its first drawing."""
    rows: list[tuple[int, float | None, str]] = [(0, None, series(number)) for number in range(1, MOST + 1)]
    for number, view in enumerate(compared.views, 1):
        points = view.progress.held_out
        stride = max(1, -(-len(points) // POINTS))
        rows += [(step, loss, series(number)) for step, loss in points[::-1][::stride][::-1]]
    return rows


def series(number: int) -> str:
    return f"run {number}"


def key(views: Sequence[RunView], classes: Sequence[str]) -> str:
    """Which colour is which run."""
    names = "".join(
        f'<span><span class="qd-key {kind}" aria-hidden="true"></span>{number}. {esc(view.name)}</span>'
        for number, (view, kind) in enumerate(zip(views, classes, strict=False), 1)
    )
    return f'<p class="qd-small qd-keys">{names}</p>'
