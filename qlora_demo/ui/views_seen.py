"""What tab 1 shows of a row as the model reads it, and of the numbers: pure functions to html."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from qlora_demo.data.dataset import PreparedDataset
from qlora_demo.ui.parts import bar, counted, esc, table
from qlora_demo.ui.views_data import read_as

LEGEND = (
    '<p class="qd-small">'
    '<span class="qd-seen-learned">Coloured words</span> are what it learns to say. <span class="qd-seen-read">Grey words</span> are only read.'
)
CUT = ' <span class="qd-seen-cut">Struck out</span> is what lies beyond the length limit: it is not read at all.'
MARKS = ' <span class="qd-seen-mark">Framed signs</span> are the model\'s own marks for who speaks.</p>'


def seen(rows: Sequence[Sequence[Mapping[str, Any]]], note: str, model: str) -> str:
    """Token rows as the data worker gives them: lists of {"text", "kind", "mark"}."""
    cut = any(piece["kind"] == "cut" for row in rows for piece in row)
    box = '<div class="qd-seen" tabindex="0" role="region" aria-label="What the model sees">'
    parts = "".join(f"{box}{''.join(map(_piece, row))}</div>" for row in rows)
    remark = f'<p class="qd-small">{esc(note)}</p>' if note else ""
    prepared = f'<p class="qd-small">Prepared for {esc(model)}, which is chosen in 2 Train.</p>'
    return f"{LEGEND}{CUT if cut else ''}{MARKS}{parts}{remark}{prepared}"


def _piece(piece: Mapping[str, Any]) -> str:
    classes = f"qd-seen-{piece['kind']}" + (" qd-seen-mark" if piece["mark"] else "")
    return f'<span class="{esc(classes)}">{esc(piece["text"])}</span>'


def numbers(dataset: PreparedDataset, tokens: Mapping[str, Any] | None, counting: int = 0) -> str:
    """Counts for who wants them; `tokens` as data_sets.count_tokens gives them, None before they are counted; `counting` rows are so far."""
    report = dataset.report
    rows: list[tuple[object, ...]] = [
        ("Rows in the file", f"{report.rows_read:,}"),
        ("Kept", f"{report.kept:,}"),
        ("Left out", _left_out(report.reasons)),
        ("Read as", read_as(dataset)),
    ]
    if tokens is None:
        so_far = f"{counting:,} of {report.kept:,} rows so far" if counting else "counting"
        return table(("", ""), [*rows, ("Words or word pieces (tokens)", so_far)]) + labels(report.labels)
    rows += [
        ("Words or word pieces (tokens)", f"{tokens['total']:,}"),
        ("Of those, learned", f"{tokens['trained']:,}"),
        ("In the longest row", f"{tokens['longest']:,}"),
        ("Rows cut because they are too long", _with_places(tokens["cut"], tokens["cut_rows"])),
        ("Rows whose answer is cut off whole", _with_places(tokens["empty"], tokens["empty_rows"])),
    ]
    return table(("", ""), rows) + histogram(tokens["histogram"]) + labels(report.labels)


def _left_out(reasons: Mapping[str, int]) -> str:
    every = ", ".join(f"{count:,}: {reason}" for reason, count in reasons.items())
    return f"{sum(reasons.values()):,}" + (f" ({every})" if reasons else "")


def _with_places(count: int, places: Sequence[str]) -> str:
    few = ", ".join(places[:5])
    return f"{count:,}" + (f" ({few}{' and more' if count > 5 else ''})" if count else "")


def histogram(buckets: Sequence[Sequence[int]]) -> str:
    """How many rows have how many tokens: one bar a bucket of (from, below, rows)."""
    most = max((rows for _, _, rows in buckets), default=0)
    if not most:
        return ""
    named = [(f"{first:,}" if below == first + 1 else f"{first:,} to {below - 1:,}", rows) for first, below, rows in buckets]
    lines = "".join(_line(name, rows, most, f"{counted(rows, 'row')} of {name} tokens") for name, rows in named)
    return f'<h3 class="qd-h3">How long the rows are, in words or word pieces</h3><div class="qd-histogram">{lines}</div>'


def labels(counts: Mapping[str, int]) -> str:
    """How many rows each label has, the most frequent first."""
    if not counts:
        return ""
    most = max(counts.values())
    ordered = sorted(counts.items(), key=lambda item: -item[1])
    lines = "".join(_line(label, rows, most, f"{label}: {counted(rows, 'row')}") for label, rows in ordered)
    return f'<h3 class="qd-h3">How many rows each label has</h3><div class="qd-histogram">{lines}</div>'


def _line(name: str, rows: int, most: int, label: str) -> str:
    return f"<span>{esc(name)}</span>{bar(rows / most, label)}<span class='qd-number'>{rows:,}</span>"
