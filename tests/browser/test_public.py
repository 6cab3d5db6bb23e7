"""A page for strangers in real browsers: nobody meets another's, a link takes what is one's own along, a shared model can be read and not changed."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Page, expect
from serving import Server, shot

PUBLIC = {"QLORA_DEMO_MODE": "public"}


@pytest.fixture
def public_server(tiny_home_server: Server) -> Iterator[Server]:
    tiny_home_server.environ = {**PUBLIC}
    tiny_home_server.start()
    yield tiny_home_server
    tiny_home_server.stop()


Visitors = Callable[[str], Page]


@pytest.fixture
def visitors(browser: Browser) -> Iterator[Visitors]:
    """Browsers of their own, each with the page as far as it has drawn itself."""
    contexts = []

    def visitor(url: str) -> Page:
        contexts.append(browser.new_context(viewport={"width": 1280, "height": 900}))
        page = contexts[-1].new_page()
        page.goto(url)
        expect(page.locator("#activity")).to_be_visible()
        return page

    yield visitor
    for context in contexts:
        context.close()


def train_example(page: Page) -> None:
    page.locator("#example-character").click()
    expect(page.locator("#data-title")).to_contain_text("character")
    expect(page.locator("#to-training")).to_be_enabled()
    page.locator("#to-training").click()
    page.locator("#start-training").click()
    expect(page.locator("#run-title")).to_be_visible()


def test_two_visitors_do_not_meet(public_server: Server, visitors: Visitors) -> None:
    ann, bob = visitors(public_server.url), visitors(public_server.url)
    train_example(ann)
    expect(bob.locator("#activity")).to_have_text("Someone else is training")
    bob.get_by_role("tab", name="My models").click()
    expect(bob.locator("#models-none")).to_be_visible()
    expect(ann.locator("#verdict")).to_be_visible(timeout=240_000)
    bob.reload()
    expect(bob.locator("#activity")).to_have_text("Nothing is training")
    bob.get_by_role("tab", name="My models").click()
    expect(bob.locator("#models-none")).to_be_visible()

    ann.get_by_role("tab", name="My models").click()
    shot(ann, "public-models")
    her_link_opens_them_elsewhere(ann, visitors)
    what_was_learned_can_be_taken_along(ann)
    a_link_lets_others_read(ann, visitors)
    ann.locator("#delete-everything").click()
    ann.locator("#delete-everything-yes").click()
    expect(ann.locator("#keeping-said")).to_contain_text("All of it is deleted.")
    expect(ann.locator("#models-none")).to_be_visible()
    assert list(public_server.home.runs.iterdir()) == [] and list(public_server.home.datasets.iterdir()) == []


def her_link_opens_them_elsewhere(ann: Page, visitors: Visitors) -> None:
    ann.locator("#keep-link").click()
    link = ann.locator("#my-link textarea, #my-link input")
    expect(link).to_have_value(re.compile("#key="))
    expect(ann.locator("#my-code img")).to_be_visible()
    phone = visitors(link.input_value())
    assert "key=" not in phone.url
    phone.get_by_role("tab", name="My models").click()
    expect(phone.locator("#model-detail")).to_contain_text("character")
    phone.reload()
    phone.get_by_role("tab", name="My models").click()
    expect(phone.locator("#model-detail")).to_contain_text("character")


def what_was_learned_can_be_taken_along(ann: Page) -> None:
    with ann.expect_download() as taken:
        ann.locator("#take-adapter-button").click()
    assert re.fullmatch(r"character.* \d+ \w+\.zip", taken.value.suggested_filename)
    with zipfile.ZipFile(taken.value.path()) as archive:
        assert any(name.endswith("adapter_model.safetensors") for name in archive.namelist()) and archive.testzip() is None


def a_link_lets_others_read(ann: Page, visitors: Visitors) -> None:
    ann.get_by_role("button", name="Share it").click()
    ann.locator("#share-make").click()
    shared = ann.locator("#share-link textarea, #share-link input")
    expect(shared).to_have_value(re.compile("#share="))
    guest = visitors(shared.input_value())
    expect(guest.locator("#message")).to_contain_text("Shared with you: you can read and chat. Only its owner can change it.")
    expect(guest.locator("#verdict")).to_be_visible()
    guest.get_by_role("tab", name="My models").click()
    expect(guest.locator("#model-detail")).to_contain_text("character")
    expect(guest.locator("#delete-model")).to_be_hidden()
    expect(guest.locator("#model-again")).to_be_hidden()
    expect(guest.locator("#take-box")).to_be_hidden()
    expect(guest.get_by_role("button", name="Share it")).to_be_hidden()
    shot(guest, "public-guest")

    ann.locator("#share-back").click()
    expect(ann.locator("#share-back")).to_be_hidden()
    guest.reload()
    guest.get_by_role("tab", name="My models").click()
    expect(guest.locator("#models-none")).to_be_visible()


def test_a_key_that_the_server_has_forgotten_is_replaced(public_server: Server, visitors: Visitors) -> None:
    page = visitors(f"{public_server.url}#key={'f' * 32}")
    page.locator("#example-character").click()
    expect(page.locator("#data-title")).to_contain_text("character")


@pytest.fixture
def workshop(tiny_home_server: Server) -> Iterator[Server]:
    tiny_home_server.environ = {"QLORA_DEMO_WORKSHOP": "blue-heron"}
    tiny_home_server.start()
    yield tiny_home_server
    tiny_home_server.stop()


def test_a_workshop_is_for_those_who_know_its_code(workshop: Server, page: Page) -> None:
    page.goto(workshop.url)
    code = page.locator("#workshop-code textarea, #workshop-code input")
    expect(code).to_be_visible()
    expect(page.locator("#tab-data")).to_be_hidden()
    shot(page, "workshop-code")
    code.fill("red-heron")
    page.locator("#come-in").click()
    expect(page.locator("#message")).to_contain_text("This is not the code of this workshop.")
    expect(page.locator("#example-character")).to_be_hidden()
    code.fill("blue-heron")
    page.locator("#come-in").click()
    expect(page.locator("#example-character")).to_be_visible()
    expect(page.locator("#gate")).to_be_hidden()
    page.reload()
    expect(page.locator("#example-character")).to_be_visible()
    expect(page.locator("#gate")).to_be_hidden()


def test_no_tab_needs_what_the_policy_stops(public_server: Server, page: Page) -> None:
    """Nor anything from another place. (tests/browser/test_xss.py shows that a stopped script would be seen.)"""
    stopped: list[str] = []
    foreign: list[str] = []
    page.on("console", lambda message: stopped.append(message.text) if "Content Security Policy" in message.text else None)
    page.on("request", lambda request: foreign.append(request.url) if not request.url.startswith((public_server.url, "data:", "blob:")) else None)
    page.goto(public_server.url)
    train_example(page)
    expect(page.locator("#run-plot svg, #run-plot canvas").first).to_be_visible(timeout=120_000)
    for name in ("1 Data", "2 Train", "3 Chat", "My models", "How it works"):
        page.get_by_role("tab", name=name).click()
        page.wait_for_timeout(1500)
        shot(page, f"policy-{name.split()[-1].lower()}")
    expect(page.locator("#diagram svg")).to_be_visible()
    assert page.request.get(public_server.url).headers["content-security-policy"]
    assert (stopped, foreign) == ([], [])
