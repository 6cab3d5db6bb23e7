"""Several trainings on one machine, seen in the page: the line, leaving it, stopping, going on, another name, another try."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect
from serving import Server, serious, shot

from qlora_demo.owners import LOCAL

pytestmark = pytest.mark.browser


def train_example(page: Page, server: Server, name: str, epochs: int, lands_on: str = "1 Data") -> None:
    """From 1 Data to the run's own view; other runs do not matter. The page opens with the tab `lands_on`, 2 Train where a run goes on."""
    page.goto(server.url)
    expect(page.locator("#activity")).to_be_visible()
    landed = page.locator(f"#tabs button:has-text('{lands_on}')")
    expect(landed).to_have_attribute("aria-selected", "true")  # from now on the page does not choose a tab by itself
    page.click("#tabs button:has-text('1 Data')")
    page.click("#example-character")
    page.click("#to-training")
    expect(page.locator("#start-training")).to_be_enabled()
    page.get_by_role("radio", name=re.compile("LoRA . unpacked")).check()
    page.locator("#run-name textarea, #run-name input").fill(name)
    page.click("#advanced .label-wrap")
    page.locator("#field-epochs input").fill(str(epochs))
    page.click("#start-training")
    expect(page.locator("#run-title")).to_contain_text(name)


def test_two_tabs_one_machine(tiny_server: Server, page: Page) -> None:
    """One line through a long day: wait, leave, come back, restart, stop and keep, continue."""
    train_example(page, tiny_server, "first", 100)
    expect(page.locator("#run-progress")).to_contain_text(re.compile(r"step \d+ of"), timeout=90_000)
    other = page.context.new_page()
    other.set_default_timeout(30_000)
    train_example(other, tiny_server, "second", 1, lands_on="2 Train")
    waiting = other.locator("#run-progress")
    expect(waiting).to_contain_text(re.compile(r"You are next in line\. Starts in about \d+ (s|min)\. You can close this page\."))
    shot(other, "8-waiting")
    assert serious(other) == []
    expect(other.locator("#activity")).to_contain_text("Yours is training")

    other.click("#stop-training")  # its words now: Leave the line
    expect(other.locator("#run-remark")).to_contain_text("You took it out of the line before it started.")
    other.click("#resume")
    expect(waiting).to_contain_text("You are next in line")

    tiny_server.stop()
    tiny_server.start()
    page.goto(tiny_server.url + "/?run=" + run_named(tiny_server, "first"))
    expect(page.locator("#run-remark")).to_contain_text(re.compile(r"continued from step \d+; nothing before it was lost"), timeout=90_000)
    other.goto(tiny_server.url + "/?run=" + run_named(tiny_server, "second"))
    expect(waiting).to_contain_text("You are next in line")

    page.click("#stop-training")
    expect(page.locator("#run-remark")).to_contain_text(re.compile(r"Stopped by you at step \d+ of \d+\."), timeout=60_000)
    expect(page.locator("#chat-with-it")).to_be_visible()
    expect(other.locator("#verdict")).to_be_visible(timeout=120_000)
    stopped_at = int(re.search(r"at step (\d+)", page.locator("#run-remark").inner_text())[1])
    page.click("#resume")
    expect(page.locator("#run-progress")).to_contain_text(re.compile(r"step \d+ of"), timeout=90_000)
    expect(page.locator("#run-remark")).to_contain_text(f"continued from step {stopped_at}")
    page.click("#stop-training")
    expect(page.locator("#run-remark")).to_contain_text("Stopped by you", timeout=60_000)


def run_named(server: Server, name: str) -> str:
    return next(view.id for view in server.studio().runs(LOCAL) if view.name == name)


def test_a_new_name_another_try_and_the_command(tiny_server: Server, page: Page) -> None:
    train_example(page, tiny_server, "old name", 1)
    expect(page.locator("#verdict")).to_be_visible(timeout=120_000)
    page.click("#run-settings .label-wrap")
    command = page.locator("#run-command textarea")
    expect(command).to_have_value(re.compile(r"^python -m qlora_demo train examples/character\.jsonl .* --name 'old name'$"))
    expect(page.locator("#run-command button[aria-label*=opy], #run-command button[title*=opy]").first).to_be_visible()

    page.click("#tabs button:has-text('My models')")
    page.click("#model-rename")
    page.locator("#model-name textarea, #model-name input").fill("Wilna of the ferry")
    page.click("#save-name")
    expect(page.locator("#model-detail")).to_contain_text("Wilna of the ferry")
    expect(page.locator("#runs")).to_contain_text("Wilna of the ferry")
    page.click("#model-settings-box .label-wrap")
    expect(page.locator("#model-command textarea")).to_have_value(re.compile(r"--name 'Wilna of the ferry'$"))
    page.click("#model-data-box .label-wrap")
    expect(page.locator("#model-aside")).to_contain_text("10 set aside: it has never seen these")
    shot(page, "9-models")
    assert serious(page) == []
    page.click("#tabs button:has-text('3 Chat')")
    expect(page.locator("#chat-yours").locator("xpath=..").first).to_be_visible()
    expect(page.locator("#tab-chat, #chat").first).to_contain_text("Wilna of the ferry")

    page.click("#tabs button:has-text('My models')")
    page.click("#model-again")
    expect(page.locator("#start-training")).to_be_enabled()
    expect(page.get_by_role("radio", name=re.compile("LoRA . unpacked"))).to_be_checked()
    page.click("#advanced .label-wrap")
    expect(page.locator("#field-epochs input")).to_have_value("1")
    page.get_by_role("radio", name=re.compile("Full . largest memory")).check()
    page.locator("#run-name textarea, #run-name input").fill("all of it")
    page.click("#start-training")
    expect(page.locator("#run-title")).to_contain_text("all of it")
    expect(page.locator("#verdict")).to_be_visible(timeout=180_000)
    page.click("#chat-with-it")
    page.fill("#question textarea", "lamp and sea")
    page.click("#ask")
    expect(page.locator("#chat-status")).to_contain_text("Both answered", timeout=90_000)
    assert [view.name for view in tiny_server.studio().runs(LOCAL)] == ["all of it", "Wilna of the ferry"]


def test_where_there_is_no_model_the_example_is_offered(tiny_server: Server, page: Page) -> None:
    page.goto(tiny_server.url)
    expect(page.locator("#activity")).to_be_visible()
    page.click("#tabs button:has-text('3 Chat')")
    expect(page.locator("#example-offer")).to_contain_text("everyone's example talks as a character")
    shot(page, "10-chat-empty")
    page.click("#train-example")
    expect(page.locator("#run-title")).to_contain_text("Example: a character")
    expect(page.locator("#activity")).to_contain_text("The example is training", timeout=60_000)
    expect(page.locator("#verdict")).to_be_visible(timeout=180_000)
    page.click("#tabs button:has-text('3 Chat')")
    page.fill("#question textarea", "What is your name?")
    page.click("#ask")
    expect(page.locator("#chat-status")).to_contain_text("Both answered", timeout=90_000)

    train_example(page, tiny_server, "mine", 100, lands_on="2 Train")
    expect(page.locator("#meanwhile")).to_be_hidden()
    train_example(page, tiny_server, "mine too", 100, lands_on="2 Train")
    page.click("#meanwhile")
    expect(page.locator("#chat-yours")).to_be_visible()
    expect(page.locator("#chat-run input")).to_have_value("Example: a character")
