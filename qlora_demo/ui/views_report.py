"""The report of a run for who wants more than the verdict: scores with their intervals, confusion, what to read first. Pure functions to html."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from qlora_demo.evaluation.words import NO_LABEL, knowledge, picks, sample
from qlora_demo.run_view import RunView
from qlora_demo.ui.parts import esc, heading, table

LONGEST = 300
"""Characters of an answer that is shown among others; all of it stands under "All answers"."""
MOST_LABELS = 8
"""A table of more is no longer read; its commonest mistakes are listed instead."""
MISTAKES = 10
UNSURE = "Of so few rows the range is rough: read it as “could be quite different”."
FEW_ROWS = 20
RANGE = "In brackets: where the score would likely be (95 %) with other rows of the same kind."


def _percent(share: float) -> str:
    """Held together by a space that ends no line: columns are narrow on a phone."""
    return f"{100 * share:.0f}\u00a0%"


def _digit(value: float) -> str:
    return f"{value:.1f}"


@dataclass(frozen=True)
class Line:
    """One figure: its name, what it means in plain words, its key in the report and how it is written."""

    name: str
    words: str
    key: str
    form: Callable[[float], str]


LINES = (
    Line("Accuracy", "Share of the rows that it sorts right.", "accuracy", _percent),
    Line("Each label alike (macro-F1)", "As accuracy, but a rare label counts as much as a frequent one. 100 % is best.", "macro_f1", _percent),
    Line("Likeness of the text (chrF)", "Runs of letters shared with your answer. 100 is the same text.", "chrf", _digit),
    Line("Shared words (token F1)", "Words shared with your answer, in any order. 100 % is the same words.", "token_f1", _percent),
    Line("Error (loss)", "How surprised it is by the right text. Lower is better.", "loss", "{:.3f}".format),
    Line("Length", "Words in an answer. Much longer than yours is often talk, much shorter a part left out.", "words", _digit),
    Line("Says it again (repeated 4-grams)", "Share of four words in a row that came before in the same answer.", "repeated", _percent),
)


def report(view: RunView) -> str:
    """Everything but the verdict; "" while there is no report."""
    found = view.report
    if not found or found["kind"] == "none":
        return ""
    return _sample(found) + _figures(found) + _confusion(found) + _general(found)


def under_verdict(view: RunView) -> str:
    """Which rows it stands for, and the answers to read first."""
    return (_sample(view.report) if view.report else "") + picked(view)


def _sample(found: dict[str, Any]) -> str:
    said = sample(found)
    return f'<p class="qd-small">{esc(said)}</p>' if said else ""


def picked(view: RunView) -> str:
    """The answers to read first, each with why; "" where none is known."""
    items = picks(view.report) if view.report else []
    return f'<div class="qd-picked">{"".join(_pick(why, answer) for why, answer in items)}</div>' if items else ""


def _pick(why: str, answer: dict[str, Any]) -> str:
    rows = (("Base", "qd-base", answer["base"]), ("Yours", "qd-yours", answer["adapted"]), ("Your own answer", "", answer["expected"]))
    lines = "".join(f'<dt class="{kind}">{word}</dt><dd>{_short(text)}</dd>' for word, kind, text in rows)
    return f'<section>{heading(why, 3)}<p class="qd-small">{_short(answer["question"])}</p><dl class="qd-answers">{lines}</dl></section>'


def _short(text: str) -> str:
    plain = text.strip()
    if not plain:
        return '<span class="qd-small">no words</span>'
    return esc(plain if len(plain) <= LONGEST else plain[: LONGEST - 1].rstrip() + "…")


def _figures(found: dict[str, Any]) -> str:
    """The scores as a table, with the data's own answers as a third column where they can be held against."""
    ranges, own = found["intervals"], found["data"]["words"] is not None
    rows = [row for line in LINES for row in _line(found, line)] + _code(found)
    if not rows:
        return ""
    head = ("What was measured", "Base", "Yours", *(["Your own answers"] if own else []))
    said = [RANGE, *([UNSURE] if ranges["rows"] < FEW_ROWS else [])] if ranges else []
    return _table(head, [row[: len(head)] for row in rows]) + "".join(f'<p class="qd-small">{sentence}</p>' for sentence in said)


def _line(found: dict[str, Any], line: Line) -> list[tuple[str, ...]]:
    """One figure's row, of the main score with its ranges and that of the difference; none where it is not known."""
    base, yours, own = (found[side].get(line.key) for side in ("base", "adapted", "data"))
    if base is None or yours is None or (line.key == "loss" and found["kind"] != "passages"):  # the loss of others stands under "Numbers"
        return []
    name, data = _name(line.name, line.words), "" if own is None else line.form(own)
    ranges = found["intervals"]
    if ranges is None or ranges["score"] != line.key:
        return [(name, line.form(base), line.form(yours), data)]
    before, after, ahead = (_range(ranges[side], line.form) for side in ("base", "adapted", "difference"))
    difference = _name("Difference", "Yours less the base. If 0 lies within, it may be luck.")
    return [(name, f"{line.form(base)} ({before})", f"{line.form(yours)} ({after})", data), (difference, "", ahead, "")]


def _range(edges: list[float], form: Callable[[float], str]) -> str:
    return f"{form(edges[0])} to {form(edges[1])}"


def _code(found: dict[str, Any]) -> list[tuple[str, ...]]:
    code = found["code"]
    if code is None:
        return []
    words = "Answers that can be read as code, of those that were not cut off. Nothing is run."
    cells = [f"{code[side]['valid']} of {code[side]['of']}" for side in ("base", "adapted")]
    return [(_name(f"Valid {code['language']} (syntax)", words), *cells, "")]


def _name(label: str, words: str) -> str:
    """Html of a row's name and what it means."""
    return f'{esc(label)}<br><span class="qd-small">{esc(words)}</span>'


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """`rows` begin with html, all else is text."""
    top = "".join(f'<th scope="col">{esc(cell)}</th>' for cell in head)
    body = "".join(f'<tr><th scope="row">{row[0]}</th>{"".join(f"<td>{esc(cell)}</td>" for cell in row[1:])}</tr>' for row in rows)
    opening = f'<div class="qd-scroll" tabindex="0" role="region" aria-label="{esc(head[0])}">'
    return f'{opening}<table class="qd-table qd-report"><tr>{top}</tr>{body}</table></div>'


def _confusion(found: dict[str, Any]) -> str:
    """Which label was taken for which, of both models."""
    tables = found["confusion"]
    if tables is None:
        return ""
    draw = _matrix if len(tables["labels"]) <= MOST_LABELS else _mistakes
    sides = "".join(heading(title, 4) + draw(title, tables["labels"], tables[side]) for side, title in (("adapted", "Yours"), ("base", "Base")))
    words = "Which label was answered where which one was right (confusion matrix). Each row is a right label; bold numbers were answered right."
    return f'{heading("What was taken for what", 3)}<p class="qd-small">{words}</p>{sides}'


def _matrix(title: str, labels: list[str], counts: list[list[int]]) -> str:
    top = "".join(f'<th scope="col">{esc(name)}</th>' for name in ("Right label", *labels, NO_LABEL))
    rows = enumerate(zip(labels, counts, strict=True))
    body = "".join(f'<tr><th scope="row">{esc(name)}</th>{_counts(row, place)}</tr>' for place, (name, row) in rows)
    opening = f'<div class="qd-scroll" tabindex="0" role="region" aria-label="What was taken for what: {esc(title)}">'
    return f'{opening}<table class="qd-table qd-confusion"><tr>{top}</tr>{body}</table></div>'


def _counts(row: list[int], right: int) -> str:
    return "".join(f"<td>{f'<b>{count}</b>' if place == right else count}</td>" for place, count in enumerate(row))


def _mistakes(title: str, labels: list[str], counts: list[list[int]]) -> str:
    """The commonest first."""
    names = [*labels, NO_LABEL]
    found = [(count, labels[i], names[j]) for i, row in enumerate(counts) for j, count in enumerate(row) if count and i != j]
    rows: list[tuple[object, ...]] = [(right, answered, count) for count, right, answered in sorted(found, key=lambda one: -one[0])[:MISTAKES]]
    return table(("Right label", "Answered", "Times"), rows) if rows else f"<p>No mistakes: {esc(title.lower())} sorted every row right.</p>"


def _general(found: dict[str, Any]) -> str:
    """What is left of general knowledge, and what both models say to a few general questions."""
    if not knowledge(found):
        return ""
    rows: list[tuple[object, ...]] = [(item["question"], item["base"], item["adapted"]) for item in found["general"]]
    asked = '<p class="qd-small">A few general questions, answered before and after training; answers are cut short.</p>'
    answers = asked + table(("Question", "Base", "Yours"), rows) if rows else ""
    return f"{heading('General knowledge', 3)}<p>{esc(knowledge(found))}</p>{answers}"
