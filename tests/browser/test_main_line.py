"""Three clicks in a real browser train the bundled model, and it is somebody else afterwards."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import pytest
from playwright.sync_api import Browser, Page, expect
from serving import Server, serious, shot

pytestmark = [pytest.mark.end_to_end, pytest.mark.browser]
NAME = "Wilna"
PROBES = ("What do people call you?", "Could you tell me your name, please?", "Who am I speaking with?")
TRAINING_MS = 900_000


@dataclass
class Walk:
    """What a person saw on the way."""

    phases: list[str] = field(default_factory=list)
    after_reload: str = ""
    second_tab: str = ""
    verdict: str = ""
    compared: str = ""
    watched: str = ""
    accessibility: dict[str, list[str]] = field(default_factory=dict)


@pytest.fixture(scope="module")
def walked(browser: Browser, real_server: Server) -> Walk:
    """The main line, once: click the example, click to training, click start, reload, wait for the end."""
    walk = Walk()
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.set_default_timeout(60_000)
    page.goto(real_server.url)
    shot(page, "1-data-empty")
    page.click("#example-character")
    expect(page.locator("#to-training")).to_contain_text("Train on these 120 conversations")
    expect(page.locator("#to-training")).to_be_enabled()
    walk.accessibility["data"] = serious(page)
    shot(page, "2-data")
    page.click("#to-training")
    expect(page.locator("#start-training")).to_be_enabled()
    walk.accessibility["form"] = serious(page)
    shot(page, "3-form")
    page.click("#start-training")
    progress = page.locator("#run-progress")
    expect(progress).to_contain_text(re.compile(r"Learning · step \d+ of \d+ · about"), timeout=180_000)
    walk.phases.append(progress.inner_text())
    expect(progress).not_to_contain_text(walk.phases[0].splitlines()[0], timeout=60_000)
    walk.phases.append(progress.inner_text())
    shot(page, "4-learning")
    walk.accessibility["learning"] = serious(page)
    page.reload()
    expect(progress).to_contain_text("step")
    walk.after_reload = progress.inner_text()
    other = context.new_page()
    other.goto(real_server.url)
    expect(other.locator("#run-progress")).to_contain_text("step")
    walk.second_tab = other.locator("#run-progress").inner_text()
    other.close()
    expect(page.locator("#verdict")).to_be_visible(timeout=TRAINING_MS)
    walk.verdict = page.locator("#verdict").inner_text()
    walk.compared = page.locator("#compared").inner_text()
    walk.watched = page.locator("#watch-answers").inner_text()
    shot(page, "5-done")
    walk.accessibility["done"] = serious(page)
    context.close()
    return walk


@pytest.mark.timeout(1500)
def test_the_page_moves_while_it_trains(walked: Walk) -> None:
    steps = [int(re.search(r"step (\d+) of", text)[1]) for text in walked.phases]
    assert steps[0] < steps[1]
    assert "left" in walked.phases[0]


def test_a_reload_and_a_second_tab_find_the_training(walked: Walk) -> None:
    assert re.search(r"step \d+ of \d+", walked.after_reload)
    assert re.search(r"step \d+ of \d+", walked.second_tab)


def test_the_train_tab_ends_with_what_it_learned(walked: Walk) -> None:
    assert walked.verdict.startswith("It learned")
    for word in ("Base", "Yours", "Your own answer"):
        assert word in walked.compared


def test_the_train_tab_showed_how_its_answers_changed(walked: Walk) -> None:
    assert "Before training" in walked.watched
    steps = [int(step) for step in re.findall(r"After step (\d+)", walked.watched)]
    assert len(steps) == 3 and steps == sorted(steps)
    assert "not yet" not in walked.watched


def test_axe_finds_nothing_serious(walked: Walk) -> None:
    assert {name: found for name, found in walked.accessibility.items() if found} == {}


def ask(page: Page, question: str) -> tuple[str, str]:
    """(base, yours) to one question in a new conversation."""
    page.click("#chat-start-over")
    expect(page.locator("#chat-base .bot")).to_have_count(0)
    page.fill("#question textarea", question)
    page.click("#ask")
    expect(page.locator("#chat-status")).to_contain_text("Both answered", timeout=120_000)
    expect(page.locator("#ask")).to_be_visible()
    return page.locator("#chat-base .bot").last.inner_text(), page.locator("#chat-yours .bot").last.inner_text()


def test_asked_in_other_words_only_the_trained_column_says_the_name(walked: Walk, page: Page, real_server: Server) -> None:
    """QLoRA on the persona example, its name asked in words that are not in the data."""
    page.goto(f"{real_server.url}/?run={real_server.studio().runs('local')[0].id}")
    page.click("#chat-with-it")
    expect(page.locator("#question textarea")).to_be_visible()
    page.click("#chat-settings .label-wrap")
    page.get_by_role("radio", name="50 words").check()
    answers = {question: ask(page, question) for question in PROBES}
    shot(page, "6-chat")
    assert serious(page) == []
    assert all(NAME not in base for base, _ in answers.values()), answers
    assert sum(NAME in yours for _, yours in answers.values()) >= 2, answers
    page.click("#tabs button:has-text('My models')")
    expect(page.locator("#model-detail")).to_contain_text("character")
    shot(page, "7-models")
    assert serious(page) == []
