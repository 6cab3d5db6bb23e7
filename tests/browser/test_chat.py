"""Tab 3 in a real browser: differences, asking again, changing a question, taking back, saving, the data's own answer, a blind vote."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from data.served import Served, serve
from finished import finished
from playwright.sync_api import Page, expect
from runs import conversations
from serving import serious, shot

from qlora_demo.chat.client import Ask, Turn
from qlora_demo.data.conversation import Message
from qlora_demo.owners import LOCAL
from qlora_demo.run_dir import RunDir

pytestmark = pytest.mark.browser
TAGS = "use <b>bold</b> & &lt; signs"


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    (tmp_path / "uploads").mkdir()
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "uploads"))
    with serve(tmp_path, max_upload_mb=10) as made:
        yield made


@pytest.fixture
def run(served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunDir:
    """A finished run, whose models say how many turns they have read, and what they were asked."""
    asked = 0

    def answers(owner: str, run_id: str, columns: Sequence[Sequence[Message]], ask: Ask) -> Iterator[Turn]:
        nonlocal asked
        asked += 1
        question, turns = columns[0][-1].content, len(columns[0]) // 2
        assert [m.content for m in columns[0] if m.role == "user"] == [m.content for m in columns[1] if m.role == "user"]
        turn = Turn(f"I am the base, call {asked}.", "", "answering")
        yield turn
        yield replace(turn, base=f"{turn.base} After {turns}: {question}", adapted=f"I am Wilna, call {asked}. After {turns}: {question}", status="done")

    monkeypatch.setattr(served.studio, "ask", answers)
    return finished(served.studio, tmp_path, "customers", conversations(40))


def opened(served: Served, page: Page) -> None:
    page.goto(served.url)
    expect(page.locator("#activity")).to_be_visible()
    page.get_by_role("tab", name="3 Chat").click()
    expect(page.locator("#question textarea")).to_be_visible()
    page.wait_for_timeout(500)


def said(page: Page) -> tuple[list[str], list[str]]:
    """Everything in both columns."""
    sides = [page.locator(f"#chat-{side} .message").all_inner_texts() for side in ("base", "yours")]
    return sides[0], sides[1]


def ask(page: Page, question: str, turns: int) -> None:
    page.fill("#question textarea", question)
    page.click("#ask")
    settled(page, turns)


def settled(page: Page, turns: int) -> None:
    """So many answers are there, and none is on its way."""
    expect(page.locator("#chat-status")).to_contain_text("Both answered")
    expect(page.locator("#ask")).to_be_visible()
    expect(page.locator("#chat-yours [data-testid=bot]")).to_have_count(turns)


def test_both_columns_move_together(served: Served, run: RunDir, page: Page) -> None:
    opened(served, page)
    ask(page, "who?", 1)
    ask(page, TAGS, 2)
    shot(page, "chat-two")
    print(said(page))
    page.locator("#chat-yours button[aria-label=Retry]").last.click()
    page.wait_for_timeout(1500)
    print(said(page))
    print(page.locator("#chat-base").inner_html()[-3000:])
