"""The figures of a run for who wants them: the points of the error plot, what was measured, and the scores. Pure functions of a RunView."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from qlora_demo.progress import smoothed
from qlora_demo.run_view import RunView
from qlora_demo.ui.parts import duration, esc, roughly, size
from qlora_demo.ui.views_run import over

POINTS = 130
"""Points a series of the plot has at most."""
EACH_STEP, YOUR_ROWS, ASIDE_ROWS = "your rows, each step", "your rows, smoothed", "rows set aside"
Row = tuple[str, str, str]
"""(what it is, in plain words, value)"""


def plot_rows(view: RunView) -> list[tuple[int, float | None, str]]:
    """(step, error, series), at most POINTS of each series, the newest among them.

    Each series begins with a point without a value: the plot only ever knows the series of its first drawing.
    """
    rows: list[tuple[int, float | None, str]] = []
    points = view.progress.points
    for series, curve in ((EACH_STEP, points), (YOUR_ROWS, smoothed(points)), (ASIDE_ROWS, view.progress.held_out)):
        stride = max(1, -(-len(curve) // POINTS))
        rows.append((0, None, series))
        rows += [(step, loss, series) for step, loss in curve[::-1][::stride][::-1]]
    return rows


def numbers(view: RunView) -> str:
    """Scores and figures as two tables."""
    found = scores(view)
    tested = _table(("On the rows set aside", "Base", "Yours"), [((label, words), (base, yours)) for label, words, base, yours in found])
    figures = _table(("Figures of this run", ""), [((label, words), (value,)) for label, words, value in (*compared(view), *measured(view))])
    return (tested if found else "") + figures


def _table(head: Sequence[str], rows: Sequence[tuple[tuple[str, str], tuple[str, ...]]]) -> str:
    """Each row is ((label, its explanation), values)."""
    top = "".join(f'<th scope="col">{esc(cell)}</th>' for cell in head)
    body = "".join(f"<tr>{_name(*name)}{''.join(f'<td>{esc(value)}</td>' for value in values)}</tr>" for name, values in rows)
    opening = f'<div class="qd-scroll" tabindex="0" role="region" aria-label="{esc(head[0])}">'
    return f'{opening}<table class="qd-table qd-figures"><tr>{top}</tr>{body}</table></div>'


def _name(label: str, explanation: str) -> str:
    return f'<td>{esc(label)}<br><span class="qd-small">{esc(explanation)}</span></td>'


def scores(view: RunView) -> list[tuple[str, str, str, str]]:
    """(what, in plain words, base, yours) of every score that the report knows."""
    rows = [
        ("Error (loss)", "How surprised it is by the right answer. Lower is better.", "loss", "{:.3f}".format),
        ("Perplexity", "Between how many next word pieces it wavers. 1 is certain.", "perplexity", _wavering),
        ("Accuracy", "Share of the rows that it sorts right.", "accuracy", _percent),
        ("Exact match", "Share of the answers that are yours word for word.", "exact_match", _percent),
        ("Likeness of the text (chrF)", "Runs of letters shared with your answer. 100 is the same text.", "chrf", "{:.1f}".format),
    ]
    sides = [(view.report or {}).get(side) or {} for side in ("base", "adapted")]
    found = [(label, words, *(_figure(side.get(key), form) for side in sides)) for label, words, key, form in rows]
    return [row for row in found if row[2:] != ("", "")]


def _figure(value: float | None, form: Callable[[float], str]) -> str:
    """"" for what is not known."""
    return "" if value is None else form(value)


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _wavering(perplexity: float) -> str:
    """Three digits, and powers of ten only where nobody reads the digits: "3.35", "1,159", "3e+08"."""
    if perplexity < 1000:
        return f"{perplexity:.3g}"
    return f"{perplexity:,.0f}" if perplexity < 1e6 else f"{perplexity:.0e}"


def compared(view: RunView) -> list[Row]:
    """What base and trained model are held against: guessing, luck, and general knowledge."""
    report = view.report or {}
    rows: list[Row] = []
    if report.get("majority"):
        label, share = report["majority"]["label"], report["majority"]["accuracy"]
        rows.append((f"Always saying '{label}' (majority class)", "What guessing would get right.", _percent(share)))
    if report.get("p_value") is not None:
        counts = f"yours {report['won']}, base {report['lost']}, the same {report['ties']}"
        rows.append(("Closer to your answer", "Which model's answers share more with yours.", counts))
        rows.append(("Could be luck (sign test)", "How likely two equal models would differ so much.", f"{100 * report['p_value']:.1f} %"))
    if report.get("forgetting"):
        lost = report["forgetting"]
        losses = f"{lost['base_loss']:.3f} before, {lost['adapted_loss']:.3f} after"
        rows.append(("Error on general text (loss)", "It rises where general knowledge was lost.", losses))
    return rows


def measured(view: RunView) -> list[Row]:
    """Everything measured so far."""
    p, done = view.progress, view.job.state == "finished"
    rows = [
        ("Time", "From its turn in the line to the end.", _time(view)),
        ("Memory", "The most that it took, and what was expected.", _memory(view)),
        *_fit(p.fit),
        ("Rows to learn from", "Without those set aside.", f"{view.rows:,}"),
        ("Speed", "Word pieces read in a second.", _figure(p.tokens_per_second, "{:,.0f} tokens/s".format)),
        ("Error on your rows (loss)", "At the newest step.", f"{p.points[-1][1]:.3f}" if p.points else ""),
        ("Error on the rows set aside (held-out loss)", "At the newest test.", f"{p.held_out[-1][1]:.3f}" if p.held_out else ""),
        ("Size of each change now (learning rate)", "It grows at first, then shrinks.", "" if done else _figure(p.learning_rate, "{:.2e}".format)),
        ("Strength of the pull (gradient norm)", "Jumps mean that learning is unsteady.", _figure(p.gradient_norm, "{:.2f}".format)),
        ("Numbers that learn", "All others stay as they are.", _figure(p.trainable_parameters, "{:,}".format)),
        ("Newest saved point", "From here it can go on.", f"step {p.saved_step}" if p.saved_step and not done else ""),
        *(("Remark", "", remark) for remark in p.notes),
    ]
    return [row for row in rows if row[2]]


def _time(view: RunView) -> str:
    """Until the end, else until the newest event."""
    if view.job.started is None:
        return ""
    until = view.job.ended if over(view) and view.job.ended else max(view.progress.seen, view.job.started)
    return f"{duration(until - view.job.started)}{'' if over(view) else ' so far'}, {roughly(view.forecast_seconds)} expected"


def _memory(view: RunView) -> str:
    used = (view.result or {}).get("peak_memory_bytes") or view.progress.memory_bytes
    return f"{size(used)} used, {size(view.predicted_memory_bytes)} expected" if used else ""


def _fit(fit: dict[str, Any] | None) -> list[Row]:
    """What the first step showed; it has the longest row."""
    if fit is None:
        return []
    first = f"{size(fit['measured_bytes'])} used, {size(fit['predicted_bytes'])} expected"
    return [
        ("Memory at the first step", "It has the longest row, so it shows what the run needs.", first),
        ("Rows at once (micro-batch)", "How many are in memory together.", str(fit["micro_batch_size"])),
        ("Recomputes to save memory (checkpointing)", "Slower; the result is the same.", "yes" if fit["checkpointing"] else "no"),
    ]
