"""One click trains all methods on the same rows; their figures stand side by side at the end."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect
from serving import Server, serious, shot

from qlora_demo.owners import LOCAL

pytestmark = pytest.mark.browser


def test_all_methods_are_trained_and_compared(tiny_server: Server, page: Page) -> None:
    page.goto(tiny_server.url)
    expect(page.locator("#activity")).to_be_visible()
    expect(page.locator("#tabs button:has-text('1 Data')")).to_have_attribute("aria-selected", "true")
    page.click("#example-character")
    page.click("#to-training")
    expect(page.locator("#start-training")).to_be_enabled()
    page.locator("#run-name textarea, #run-name input").fill("mine")
    expect(page.locator("#compare-methods")).to_contain_text(re.compile(r"Or compare QLoRA, LoRA and Full: 3 trainings, about \d+ (s|min)"))
    page.click("#compare-methods")
    expect(page.locator("#run-title")).to_contain_text("mine, QLoRA")
    page.click("#see-comparison")
    expect(page.locator("#compare-result")).to_contain_text(re.compile(r"\d trainings? of 3 not done yet"))

    studio = tiny_server.studio()
    for _ in range(90):
        if all(view.job.state == "finished" for view in studio.runs(LOCAL)):
            break
        page.wait_for_timeout(2_000)
    assert sorted(view.name for view in studio.runs(LOCAL)) == ["mine, Full", "mine, LoRA", "mine, QLoRA"]
    result = page.locator("#compare-result")
    expect(result).to_contain_text("Best on the rows set aside: 'mine,")  # by itself, once the last is done
    page.locator("#runs label", has_text="mine, LoRA").click()
    expect(page.locator("#model-detail")).to_contain_text("mine, LoRA")
    expect(result.locator("th[scope=col]").nth(1)).to_have_text("1. mine, LoRA")
    expect(result.locator("th[scope=col]", has_text="mine,")).to_have_count(3)
    for words in ("Memory", "Time", "Size of the file", "Numbers that learn", "Settings that differ", "How to train", "(learning rate)"):
        expect(result).to_contain_text(words)
    expect(page.locator("#compare-plot canvas, #compare-plot svg").first).to_be_visible()
    shot(page, "12-compared")
    assert serious(page) == []

    page.locator("#compare-others label", has_text="mine, Full").click()
    expect(result.locator("th[scope=col]", has_text="mine,")).to_have_count(2)
    expect(result).not_to_contain_text("mine, Full")
