"""How it works in a real browser."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect
from serving import Server, serious, shot

pytestmark = pytest.mark.browser


def test_the_numbers_follow_the_size_and_nothing_is_too_wide(tiny_server: Server, page: Page) -> None:
    page.goto(tiny_server.url)
    page.click("#tabs button:has-text('How it works')")
    expect(page.locator("#shape-numbers")).to_contain_text("134,515,008")
    expect(page.locator("#diagram svg")).to_be_visible()
    page.get_by_role("radio", name="70B").check()
    expect(page.locator("#shape-numbers")).to_contain_text("70,553,706,496")
    expect(page.locator("#shape-numbers")).to_contain_text("does not fit")
    page.click("#others .label-wrap")
    expect(page.locator("#others")).to_contain_text("less than 48 GB")
    page.click("#words .label-wrap")
    shot(page, "11-how")
    assert serious(page) == []
    page.set_viewport_size({"width": 390, "height": 900})
    page.wait_for_timeout(300)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.locator("#diagram text").first.evaluate("text => text.getBoundingClientRect().height") >= 12
