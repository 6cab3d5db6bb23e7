"""Plain text: told from a table, cut at its paragraphs."""

from __future__ import annotations

from pathlib import Path

import pytest
from data.made import made

from qlora_demo.data.conversation import Passage
from qlora_demo.data.dataset import PreparedDataset
from qlora_demo.data.passages import LONG, is_prose
from qlora_demo.errors import DataError

FIRST = "The railway was dug by hand, in four winters, and it still leaks. " * 2
SECOND = "Its engines, of which there are three, are older than anyone who drives them. " * 2


def read(folder: Path, text: str, name: str = "subject.txt") -> PreparedDataset:
    return made(folder, text, name)


def test_paragraphs_become_passages_with_their_lines(tmp_path: Path) -> None:
    found = read(tmp_path, f"A Title\n\n{FIRST}\n\n\n{SECOND}\nand so on\n")
    assert (found.kind, found.format, found.goal) == ("passages", "text", "subject")
    first, second = f"A Title\n\n{FIRST.strip()}", f"{SECOND.strip()}\nand so on"
    assert list(found.rows) == [Passage(first, "line 1"), Passage(second, "line 6")]
    assert found.report.findings[-1].message.startswith("This is plain text: it was cut into passages at its paragraphs")


def test_a_long_paragraph_is_cut_at_the_end_of_a_sentence(tmp_path: Path) -> None:
    rows = read(tmp_path, "The train stopped at noon. " * 400).rows
    assert len(rows) > 3
    assert all(row.text.endswith("noon.") and len(row.text) <= LONG for row in rows)


@pytest.mark.parametrize(
    ("text", "prose"),
    [
        ("question\tanswer\nWho?\tI.\n", False),
        ("a;b\n1;2\n3;4\n", False),
        ("question,answer\nWho?,I.\n", False),
        ("One line, with a comma.\n", True),
        ("First, a line.\nThen another.\n", True),
    ],
)
def test_a_table_is_told_from_a_text(text: str, prose: bool) -> None:
    assert is_prose(text, "txt") == prose
    assert not is_prose(text, "csv")


def test_nothing_to_read_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="empty"):
        read(tmp_path, "\n \n")


def test_lists_of_pairs_are_recognised_and_the_way_out_is_said(tmp_path: Path) -> None:
    pairs = "Where are you? - By the sea\nWhen? - At noon\nWho? - Ann\nWhy? - Because\n"
    notes = [finding.message for finding in read(tmp_path, pairs).report.findings]
    assert "This looks like questions with answers. To teach those, put a tab or a semicolon between each question and its answer." in notes
    prose = [finding.message for finding in read(tmp_path, f"{FIRST}\n\n{SECOND}\n").report.findings]
    assert not any("questions with answers" in message for message in prose)


def test_a_single_pasted_pair_is_a_pair() -> None:
    assert not is_prose("When?; At nine", "pasted text")
    assert is_prose("We open at nine.", "pasted text")
