"""How it works in a real browser."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect
from serving import Server, serious, shot

pytestmark = pytest.mark.browser

SMALLEST_TEXT = """() => Math.min(...[...document.querySelectorAll('#diagram text')].map(
    text => parseFloat(getComputedStyle(text).fontSize) * text.getScreenCTM().a))"""
# Texts of the drawing that are wider than the box they stand in.
OUTSIDE = """() => [...document.querySelectorAll('#diagram g')].filter(group => {
    const box = group.querySelector('rect').getBBox();
    return [...group.querySelectorAll('text')].some(text => text.getBBox().x < box.x + 2 || text.getBBox().width > box.width - 4);
}).map(group => group.textContent)"""


def test_the_numbers_follow_the_size_and_nothing_is_too_wide(tiny_server: Server, page: Page) -> None:
    page.goto(tiny_server.url)
    expect(page.locator("#activity")).to_be_visible()  # until then the page may still choose its first tab
    page.click("#tabs button:has-text('How it works')")
    expect(page.locator("#shape-numbers")).to_contain_text("134,515,008")
    expect(page.locator("#diagram svg")).to_be_visible()
    page.get_by_role("radio", name="70B").check()
    expect(page.locator("#shape-numbers")).to_contain_text("70,553,706,496")
    expect(page.locator("#shape-numbers")).to_contain_text("does not fit")
    page.click("#others .label-wrap")
    expect(page.locator("#others")).to_contain_text("less than 48 GB")
    page.click("#words .label-wrap")
    expect(page.locator("#words")).to_contain_text("held-out rows")
    shot(page, "11-how")
    assert serious(page) == []
    for width in (1280, 390):
        page.set_viewport_size({"width": width, "height": 900})
        page.wait_for_timeout(300)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert page.evaluate(SMALLEST_TEXT) >= 14
        assert page.evaluate(OUTSIDE) == []
