"""The report's html: every known figure with its words, both tables of labels, nothing of what is unknown, nobody's html."""

from __future__ import annotations

import re

import pytest
from ui.ui_examples import HOSTILE, REPORT, SORTED, TEXTS, run

from qlora_demo.ui.parts import esc
from qlora_demo.ui.views_report import MOST_LABELS, picked, report, under_verdict

WORDS = re.compile(r"<[^>]+>")


def cells(html: str, name: str) -> list[str]:
    """The cells of the row whose heading begins with `name`, without html."""
    rows = [re.findall(r"<t[hd].*?>(.*?)</t[hd]>", row, re.DOTALL) for row in re.findall(r"<tr>(.*?)</tr>", html, re.DOTALL)]
    return next([WORDS.sub("", cell).replace("\u00a0", " ") for cell in row[1:]] for row in rows if WORDS.sub("", row[0]).startswith(name))


def test_texts() -> None:
    html = report(run("finished", report=TEXTS))
    assert "Tested on 2 of the 12 rows set aside, drawn at random. 1 is longer than the longest row that it reads." in html
    assert cells(html, "Likeness of the text (chrF)") == ["9.0 (5.0 to 14.0)", "62.5 (50.1 to 70.0)", ""]
    assert cells(html, "Difference") == ["", "40.0 to 61.0", ""]
    assert cells(html, "Shared words (token F1)") == ["10 %", "65 %", ""]
    assert cells(html, "Length") == ["40.0", "6.0", "5.5"]
    assert cells(html, "Valid Python (syntax)") == ["0 of 1", "2 of 2", ""]
    assert "Your own answers" in html and "Of so few rows the range is rough" in html
    assert "Says it again" not in html, "unknown of one side"
    assert "Still knows general things: 97 of 100 kept." in html and "Paris." in html


def test_labels() -> None:
    html = report(run("finished", report=SORTED))
    assert "Tested on all 40 rows set aside." in html
    assert cells(html, "Accuracy") == ["8 % (0 % to 15 %)", "85 % (73 % to 95 %)"]
    assert cells(html, "Each label alike (macro-F1)") == ["10 %", "84 %"]
    assert "Of so few rows" not in html and "Your own answers" not in html
    yours, base = re.findall(r'<table class="qd-table qd-confusion">.*?</table>', html)
    assert cells(yours, "happy") == ["20", "1", "0"] and cells(base, "happy") == ["3", "0", "18"]
    assert "<b>20</b>" in yours and "<b>14</b>" in yours and "<b>1</b>" not in yours
    assert [WORDS.sub("", cell) for cell in re.findall(r'<th scope="col">.*?</th>', yours)] == ["Right label", "happy", esc(HOSTILE), "another text"]
    assert yours.count('<th scope="row">') == 2


def test_of_many_labels_the_commonest_mistakes_are_listed() -> None:
    names = [f"label {i}" for i in range(MOST_LABELS + 1)]
    none = [[5 if i == j else 0 for j in range(len(names) + 1)] for i in range(len(names))]
    some = [list(row) for row in none]
    some[3][7], some[1][len(names)] = 4, 2
    html = report(run("finished", report={**SORTED, "confusion": {"labels": names, "base": none, "adapted": some}}))
    assert "qd-confusion" not in html
    assert html.index("<td>label 3</td><td>label 7</td><td>4</td>") < html.index("<td>label 1</td><td>another text</td><td>2</td>")
    assert "No mistakes: base sorted every row right." in html


def test_what_to_read_first() -> None:
    html = picked(run("finished", report=TEXTS))
    assert html.index("Closest to your own answer") < html.index("Furthest from your own answer")
    assert "Changed most" not in html and "I am Wilna." in html
    assert under_verdict(run("finished", report=TEXTS)).startswith('<p class="qd-small">Tested on 2 of the 12 rows set aside, drawn at random. ')
    assert "Sorted right" in picked(run("finished", report=SORTED)) and "Sorted wrong" not in picked(run("finished", report=SORTED))
    long = {**TEXTS, "answers": [{**TEXTS["answers"][0], "adapted": "sea " * 500, "base": " "}, TEXTS["answers"][1]]}
    shortened = picked(run("finished", report=long))
    assert "sea…" in shortened and len(shortened) < 2500 and "no words" in shortened


@pytest.mark.parametrize("found", [TEXTS, SORTED, {**TEXTS, "kind": "passages"}])
def test_nobodys_html(found: dict) -> None:
    view = run("finished", report=found)
    assert "<img" not in report(view) + picked(view)


def test_of_an_earlier_versions_report_what_is_known() -> None:
    html = report(run("finished", report=REPORT))
    assert cells(html, "Likeness of the text (chrF)") == ["9.0", "62.5"]
    for unknown in ("token F1", "Tested on", "95 %", "Difference", "taken for"):
        assert unknown not in html
    assert under_verdict(run("finished", report=REPORT)) == ""


def test_without_a_test_there_is_no_report() -> None:
    assert report(run("finished")) == under_verdict(run("finished")) == ""
    assert report(run("finished", report={**REPORT, "kind": "none"})) == ""


def test_every_name_has_its_words() -> None:
    html = report(run("finished", report=TEXTS)) + report(run("finished", report=SORTED))
    names = re.findall(r'<th scope="row">(?:[^<]*)(<br>.*?)?</th>', html.replace(esc(HOSTILE), "x"))
    figures = [name for name in names if name]
    assert len(figures) == 8 and all("qd-small" in name for name in figures)
