"""Tab 3 in a real browser: differences, asking again, changing a question, taking back, saving, the data's own answer, a blind vote."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from data.served import Served, serve
from finished import finished
from playwright.sync_api import Page, expect
from runs import conversations
from serving import Server, serious, shot

from qlora_demo.chat.client import Ask, Turn
from qlora_demo.data.conversation import Message, write_rows
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
    """A finished run, whose models say how many turns they have read, and what they were asked; and another one."""
    asked = 0

    def answers(owner: str, run_id: str, columns: Sequence[Sequence[Message]], ask: Ask, against: str = "") -> Iterator[Turn]:
        nonlocal asked
        asked += 1
        question, turns = columns[0][-1].content, len(columns[0]) // 2
        assert [m.content for m in columns[0] if m.role == "user"] == [m.content for m in columns[1] if m.role == "user"]
        left = "reviews" if against else "the base"
        assert not against or served.studio.run(owner, against).name == "reviews"
        yield Turn(f"I am {left}", "", "answering")
        texts = [f"I am {who}, call {asked}. After {turns}: {question}" for who in (left, "Wilna")]
        yield Turn(*texts, "done", unchanged=None if against else True)

    monkeypatch.setattr(served.studio, "ask", answers)
    finished(served.studio, tmp_path, "reviews", conversations(40))
    return finished(served.studio, tmp_path, "customers", conversations(40))


def opened(served: Served, page: Page) -> None:
    page.goto(served.url)
    expect(page.locator("#activity")).to_be_visible()
    page.get_by_role("tab", name="3 Chat").click()
    expect(page.locator("#question textarea")).to_be_visible()
    page.wait_for_timeout(500)


def said(page: Page) -> tuple[list[str], list[str]]:
    """Everything in both columns."""
    sides = [page.locator(f"#chat-{side} [data-testid]").filter(has=page.locator(".message-content")).all_inner_texts() for side in ("base", "yours")]
    return sides[0], sides[1]


def ask(page: Page, question: str, turns: int) -> None:
    page.fill("#question textarea", question)
    page.click("#ask")
    settled(page, turns)


def settled(page: Page, turns: int) -> None:
    """So many answers are there, and none is on its way."""
    answers = page.locator("#chat-yours [data-testid=bot]")
    expect(answers).to_have_count(turns)
    expect(answers.last).to_contain_text("After")
    expect(page.locator("#chat-status")).to_contain_text("Both answered")
    expect(page.locator("#ask")).to_be_visible()


def edit(page: Page, side: str, turn: int, text: str) -> None:
    """Changes a question in one column."""
    box = page.locator(f"#chat-{side}")
    box.get_by_role("button", name="Edit").nth(turn).click()
    box.get_by_role("textbox", name="Your question, in other words").fill(text)
    assert serious(page) == []
    box.get_by_role("button", name="Submit").click()


def test_asking_again_changing_and_taking_back_move_both_columns(served: Served, run: RunDir, page: Page) -> None:
    opened(served, page)
    ask(page, "who?", 1)
    page.click("#ask")  # without a question nothing changes
    page.wait_for_timeout(500)
    expect(page.locator("#ask")).to_have_text("Ask")
    ask(page, TAGS, 2)
    assert said(page)[1] == ["who?", "I am Wilna, call 1. After 0: who?", TAGS, f"I am Wilna, call 2. After 1: {TAGS}"]
    page.locator("#chat-yours button[aria-label=Retry]").click()
    expect(page.locator("#chat-base [data-testid=bot]").last).to_have_text(f"I am the base, call 3. After 1: {TAGS}")
    settled(page, 2)
    edit(page, "base", 1, "and <i>now</i>?")
    expect(page.locator("#chat-yours [data-testid=bot]").last).to_have_text("I am Wilna, call 4. After 1: and <i>now</i>?")
    settled(page, 2)
    assert [column[2] for column in said(page)] == ["and <i>now</i>?"] * 2
    page.locator("#chat-base button[aria-label=Undo]").click()
    expect(page.locator("#chat-yours [data-testid=bot]")).to_have_count(1)
    expect(page.locator("#question textarea")).to_have_value("and <i>now</i>?")
    edit(page, "yours", 0, "who else?")  # of the first question: what came after it is gone
    expect(page.locator("#chat-base [data-testid=bot]").last).to_have_text("I am the base, call 5. After 0: who else?")
    settled(page, 1)
    page.reload()
    expect(page.locator("#activity")).to_be_visible()
    page.get_by_role("tab", name="3 Chat").click()
    expect(page.locator("#chat-yours [data-testid=bot]")).to_have_text("I am Wilna, call 5. After 0: who else?")
    assert said(page) == (["who else?", "I am the base, call 5. After 0: who else?"], ["who else?", "I am Wilna, call 5. After 0: who else?"])


def saved(page: Page, button: str) -> tuple[str, str]:
    """(name, content) of the file that a button brings."""
    with page.expect_download() as download:
        page.click(button)
    return download.value.suggested_filename, Path(download.value.path()).read_text(encoding="utf-8")


def test_differences_are_marked_copied_without_marks_and_the_chat_is_saved(served: Served, run: RunDir, page: Page) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    opened(served, page)
    page.click("#save-chat")
    page.click("#save-text")
    expect(page.locator("#chat-problem")).to_contain_text("There is nothing to save yet.")
    ask(page, TAGS, 1)
    answer = page.locator("#chat-yours [data-testid=bot]").last
    words = answer.inner_text()
    page.click("#differences")
    expect(page.locator("#chat-base mark")).to_have_text("the base")
    expect(page.locator("#chat-yours mark")).to_have_text("Wilna")
    assert answer.inner_text() == words
    assert "underline" in page.locator("#chat-yours mark").evaluate("one => getComputedStyle(one).textDecoration")
    page.locator("#chat-yours button[aria-label='Copy message']").last.click()
    assert page.evaluate("navigator.clipboard.readText()") == words == f"I am Wilna, call 1. After 0: {TAGS}"
    page.evaluate("delete Navigator.prototype.clipboard")  # as without https
    page.locator("#chat-base button[aria-label='Copy message']").last.click()
    page.fill("#question textarea", "")
    page.keyboard.press("Control+v")
    expect(page.locator("#question textarea")).to_have_value(f"I am the base, call 1. After 0: {TAGS}")
    page.fill("#question textarea", "")
    assert serious(page) == []
    shot(page, "chat-differences")
    ask(page, "and then?", 2)
    expect(page.locator("#chat-yours mark")).to_have_count(2)
    page.click("#differences")
    expect(page.locator("#chat mark")).to_have_count(0)
    name, content = saved(page, "#save-text")
    assert name == "customers chat.md" and f"```text\n{TAGS}\n```" in content
    name, content = saved(page, "#save-data")
    assert name == "customers chat.json"
    assert json.loads(content)["turns"][0] == {"question": TAGS, "base": f"I am the base, call 1. After 0: {TAGS}", "yours": words}


def test_the_datas_own_answer_and_that_the_base_is_unchanged(served: Served, run: RunDir, page: Page) -> None:
    opened(served, page)
    page.click("#unseen-0")
    settled(page, 1)
    question, held_out = said(page)[0][0], served.studio.questions(LOCAL, run.id)[1]
    tick, tip = page.locator(".qd-tick"), page.locator(".qd-tip")
    expect(tick).to_have_text("✓ unchanged")
    expect(tip).to_be_hidden()
    expect(page.locator("#own-answer")).to_be_visible()  # the answer's last event is over
    tick.focus()
    expect(tip).to_have_text("Checked a moment ago: this side gives exactly the base model's own numbers.")
    expect(tip).to_be_visible()
    page.click("#own-answer")
    expect(page.locator("#own-answer-text")).to_contain_text(next(row.answer() for row in held_out if row.question() == question))
    expect(page.locator("#own-answer")).to_be_hidden()
    assert serious(page) == []
    tick.focus()
    shot(page, "chat-own-answer")
    page.click("#learned-0")
    settled(page, 2)
    expect(page.locator("#own-answer-text")).to_be_hidden()
    expect(page.locator("#own-answer")).to_be_hidden()


def vote(page: Page, number: int, of: int, button: str) -> None:
    expect(page.locator("#blind-question")).to_contain_text(f"Question {number} of {of}")
    expect(page.locator(button)).to_be_visible()
    page.click(button)


def test_a_blind_vote_says_whose_the_answers_were_at_its_end_alone(served: Served, run: RunDir, page: Page) -> None:
    opened(served, page)
    page.click("#try-blind")
    expect(page.locator("#blind-source label")).to_have_count(2)
    expect(page.locator("#blind-start")).to_be_in_viewport()
    page.get_by_role("radio", name="My own questions").check()
    page.click("#blind-start")
    expect(page.locator("#blind-problem")).to_contain_text("Type at least one question, one on each line.")
    page.wait_for_timeout(500)  # what follows the click changes nothing
    expect(page.locator("#blind-start")).to_have_text("Start")
    expect(page.get_by_role("radio", name="My own questions")).to_be_checked()
    page.locator("#blind-own textarea").fill("who?\n\nwhere <b>?</b>\nwhen?\nwho?")
    shot(page, "blind-choosing")
    page.click("#blind-start")
    wins = {"A": "#blind-choice-a", "B": "#blind-choice-b"}
    for number in (1, 2):
        expect(page.locator("#blind-question")).to_contain_text(f"Question {number} of 3")
        expect(page.locator("#blind-first")).to_be_visible()
        both = {name: page.locator(f"#blind-{place}").inner_text() for name, place in (("A", "first"), ("B", "second"))}
        assert "Wilna" in "".join(both.values()) and "the base" in "".join(both.values())
        if number == 2:
            assert "where <b>?</b>" in both["A"] and serious(page) == []
            shot(page, "blind-voting")
        assert not re.search("your model|base model", page.locator("#blind").inner_text().replace("your model's is told", ""), re.IGNORECASE)
        vote(page, number, 3, wins[next(name for name, text in both.items() if "Wilna" in text)])
    vote(page, 3, 3, "#blind-choice-bad")
    result = page.locator("#blind-result")
    expect(result).to_contain_text("You chose your model twice, the base model never, both bad once. With a difference this small, it could be luck.")
    expect(result).to_contain_text("Kept with this model.")
    assert serious(page) == []
    shot(page, "blind-revealed")
    page.click("#blind-close")
    expect(page.locator("#blind")).to_be_hidden()
    page.reload()
    expect(page.locator("#activity")).to_be_visible()
    page.get_by_role("tab", name="3 Chat").click()
    page.click("#try-blind")
    expect(page.locator("#blind-last")).to_contain_text("you chose your model twice")
    kept = served.studio.votes.last(LOCAL, run.id)
    assert [(one.question, one.choice) for one in kept.votes] == [("who?", "yours"), ("where <b>?</b>", "yours"), ("when?", "bad")]


def trained(server: Server, tmp_path: Path) -> str:
    """The id of a run that a worker goes through."""
    write_rows(tmp_path / "rows.jsonl", conversations(40))
    studio = server.studio()
    dataset = studio.data.add_file(LOCAL, tmp_path / "rows.jsonl", "rows.jsonl")
    recipe = studio.recommend(LOCAL, dataset, method="lora").with_texts({"epochs": "1", "evaluations": "1"})
    return studio.submit(LOCAL, dataset, recipe, "rows")


def test_real_models_answer_again_and_are_voted_on(tiny_server: Server, page: Page, tmp_path: Path) -> None:
    run = trained(tiny_server, tmp_path)
    page.goto(tiny_server.url)
    page.click("#chat-with-it", timeout=90_000)
    page.fill("#question textarea", "lamp and sea")
    page.click("#ask")
    expect(page.locator("#chat-status")).to_contain_text("Both answered", timeout=60_000)
    expect(page.locator("#ask")).to_be_visible()
    expect(page.locator(".qd-tick")).to_have_text("✓ unchanged")
    before = said(page)
    page.locator("#chat-yours button[aria-label=Retry]").click()
    expect(page.locator("#chat-status")).to_contain_text("The answers are the same each time.", timeout=60_000)
    expect(page.locator("#ask")).to_be_visible()
    assert said(page) == before
    page.click("#try-blind")
    page.click("#blind-start")
    for _ in range(5):  # answers that are word for word the same are not asked about
        page.wait_for_function("[...document.querySelectorAll('#blind-choice-b, #blind-result')].some(one => one.offsetParent)", timeout=60_000)
        if page.locator("#blind-result").is_visible():
            break
        number = page.locator("#blind-question").inner_text()
        page.click("#blind-choice-b")
        expect(page.locator("#blind-question").filter(has_text=number)).to_be_hidden()
    expect(page.locator("#blind-result")).to_contain_text("You chose", timeout=60_000)
    kept = tiny_server.studio().votes.last(LOCAL, run)
    assert len(kept.votes) == 5 and {one.question for one in kept.votes} <= {c.question() for c in conversations(40)}


def test_another_model_answers_in_the_bases_place(served: Served, run: RunDir, page: Page) -> None:
    opened(served, page)
    ask(page, "who?", 1)
    page.locator("#chat-against input").click()
    page.get_by_role("option", name="reviews").click()
    expect(page.locator("#chat")).to_contain_text("Compared with · reviews")
    expect(page.locator("#chat-yours [data-testid=bot]")).to_have_count(0)  # another comparison is another conversation
    ask(page, "who?", 1)
    assert said(page)[0][1] == "I am reviews, call 2. After 0: who?"
    expect(page.locator(".qd-tick")).to_have_count(0)
    shot(page, "chat-compared")
    assert serious(page) == []
    page.reload()
    expect(page.locator("#activity")).to_be_visible()
    page.get_by_role("tab", name="3 Chat").click()
    expect(page.locator("#chat-against input")).to_have_value("reviews")
    ask(page, "and then?", 2)
    assert said(page)[0][3] == "I am reviews, call 3. After 1: and then?"
    page.locator("#chat-against input").click()
    page.get_by_role("option", name="Base model").click()
    expect(page.locator("#chat")).to_contain_text("Base model · before training")
    ask(page, "who?", 1)
    assert said(page)[0][1] == "I am the base, call 4. After 0: who?"
