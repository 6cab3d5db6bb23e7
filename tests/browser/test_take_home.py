"""My models in a real Chromium: a form is prepared while one watches or not, comes as a file, and goes to the Hub with a token that is then gone."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from fake_model_hub import ME, TOKEN, FakeModelHub
from learned import learned_run
from playwright.sync_api import Page, expect
from serving import Server, serious, shot

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def hub() -> Iterator[FakeModelHub]:
    with FakeModelHub() as made:
        yield made


@pytest.fixture
def server(tiny_home_server: Server, tiny_folder: Path, hub: FakeModelHub) -> Iterator[Server]:
    """With two finished models, and the Hub of this machine in the place of the real one."""
    studio = tiny_home_server.studio()
    learned_run(studio, tiny_folder, "Whole", "full")
    learned_run(studio, tiny_folder, "My FAQ")
    studio.close()
    tiny_home_server.environ |= {"QLORA_DEMO_OFFLINE": "0", "HF_HUB_OFFLINE": "0", "HF_ENDPOINT": hub.url}
    tiny_home_server.start()
    yield tiny_home_server
    tiny_home_server.stop()


def test_a_model_is_taken_along_and_sent(page: Page, server: Server, hub: FakeModelHub) -> None:
    page.goto(server.url)
    page.get_by_role("tab", name="My models").click()
    expect(page.locator("#model-detail")).to_contain_text("My FAQ")
    expect(page.locator("#take-adapter")).to_contain_text("Add-on file (adapter)")
    shot(page, "take-it-with-you")
    with page.expect_download() as taken:
        page.locator("#take-adapter-button").click()
    with zipfile.ZipFile(taken.value.path()) as archive:
        assert {name.partition("/")[2] for name in archive.namelist()} == {"README.md", "adapter_config.json", "adapter_model.safetensors"}
    is_prepared_while_nobody_looks(page, server)
    is_sent_to_the_hub(page, server, hub)
    the_other_model_is_whole(page)
    assert serious(page) == []


def is_prepared_while_nobody_looks(page: Page, server: Server) -> None:
    page.locator("#take-merged-button").click()
    expect(page.locator("#take-merged-button")).to_have_text("Stop")
    expect(page.locator("#take-merged")).to_contain_text("You can leave; it will be here.")
    page.reload()
    page.get_by_role("tab", name="My models").click()
    expect(page.locator("#take-merged")).to_contain_text("Ready. It is kept for a day", timeout=60_000)
    expect(page.locator("#take-merged-button")).to_have_text("Download")
    with page.expect_download() as taken:
        page.locator("#take-merged-button").click()
    assert taken.value.suggested_filename == "My FAQ merged.zip"
    with zipfile.ZipFile(taken.value.path()) as archive:
        assert archive.testzip() is None and any(name.endswith("/model.safetensors") for name in archive.namelist())


def is_sent_to_the_hub(page: Page, server: Server, hub: FakeModelHub) -> None:
    page.locator("#hub-box > button").click()
    expect(page.locator("#hub-name textarea, #hub-name input")).to_have_value("my-faq")
    page.locator("#hub-send").click()
    expect(page.locator("#hub-problem")).to_contain_text("Give a token with write access first.")
    page.locator("#hub-token input").fill(TOKEN)
    shot(page, "hub")
    page.locator("#hub-send").click()
    expect(page.locator("#hub-token input")).to_have_value("")
    expect(page.locator("#hub-said")).to_contain_text("It is on the Hub", timeout=60_000)
    expect(page.locator("#hub-said a")).to_have_attribute("href", f"{hub.url}/{ME}/my-faq")
    repo = hub.repos[f"{ME}/my-faq"]
    assert repo.private and "adapter_model.safetensors" in repo.added() and hub.problems == []
    written = [path for path in server.home.path.parent.rglob("*") if path.is_file() and not path.is_symlink()]
    assert [path for path in written if TOKEN.encode() in path.read_bytes()] == []
    page.locator("#hub-token input").fill("hf_wrong")
    page.locator("#hub-send").click()
    expect(page.locator("#hub-said .qd-bad")).to_be_visible(timeout=60_000)


def the_other_model_is_whole(page: Page) -> None:
    page.locator("#runs").get_by_role("radio", name="Whole").check()
    expect(page.locator("#model-detail")).to_contain_text("Whole")
    expect(page.locator("#take-adapter")).to_be_hidden()
    expect(page.locator("#take-merged-button")).to_have_text("Download")
    with page.expect_download() as taken:
        page.locator("#take-merged-button").click()
    with zipfile.ZipFile(taken.value.path()) as archive:
        assert "Whole/chat_template.jinja" in archive.namelist() and "Whole/README.md" in archive.namelist()
