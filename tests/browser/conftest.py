"""A real server and a real Chromium. One server with the tiny model for quick tests, one with the bundled model for the main line."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import chromium
import pytest
from data.every_format import PAIRS, parquet
from playwright.sync_api import Browser, Page, expect, sync_playwright
from serving import Server
from source.fake_data_hub import FakeDataHub, parquet_url

from qlora_demo.run_dir import Home
from qlora_demo.source.place import bundled_folder

expect.set_options(timeout=30_000)
"""Milliseconds: a slow machine is no failure."""


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        path, reason = chromium.find(playwright)
        if path is None:
            assert os.environ.get("CI") != "true", reason
            pytest.skip(reason)
        launched = playwright.chromium.launch(executable_path=path, args=chromium.QUIET)
        yield launched
        launched.close()


@pytest.fixture
def hub_server(tmp_path_factory: pytest.TempPathFactory, tiny_folder: Path) -> Iterator[tuple[Server, FakeDataHub]]:
    """A server whose model hub is one on this machine."""
    copy = {
        "default": {"train": [parquet_url("default", "train", n) for n in range(3)], "test": [parquet_url("default", "test")]},
        "short": {"train": [parquet_url("short", "train")]},
    }
    with FakeDataHub(copy=copy, store={"0.parquet": parquet([{"question": q, "answer": a} for q, a in PAIRS])}) as hub:
        server = _server(tmp_path_factory.mktemp("hub"), tiny_folder)
        server.environ = {"QLORA_DEMO_OFFLINE": "0", "HF_HUB_OFFLINE": "0", "HF_ENDPOINT": hub.url}
        server.start()
        yield server, hub
        server.stop()


def _server(folder: Path, model: Path) -> Server:
    home = Home(folder / "home").create()
    bundled_folder(home.models).symlink_to(model, target_is_directory=True)
    return Server(home)


@pytest.fixture
def tiny_home_server(tmp_path_factory: pytest.TempPathFactory, tiny_folder: Path) -> Server:
    """Not started yet."""
    return _server(tmp_path_factory.mktemp("server"), tiny_folder)


@pytest.fixture
def tiny_server(tmp_path_factory: pytest.TempPathFactory, tiny_folder: Path) -> Iterator[Server]:
    server = _server(tmp_path_factory.mktemp("server"), tiny_folder)
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def real_server(tmp_path_factory: pytest.TempPathFactory, bundled_models: Path) -> Iterator[Server]:
    server = _server(tmp_path_factory.mktemp("real"), bundled_folder(bundled_models))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    opened = context.new_page()
    opened.set_default_timeout(30_000)
    yield opened
    context.close()
