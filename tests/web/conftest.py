"""One real `python app.py` for all hostile requests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from serving import Server

from qlora_demo.run_dir import Home


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("hostile")
    made = Server(Home(folder / "home").create(), {"QLORA_DEMO_MAX_UPLOAD_MB": "20"})
    (made.home.runs / "abcdef").mkdir()
    (made.home.runs / "abcdef" / "worker.log").write_text("a stranger must not read this")
    made.start()
    yield made
    made.stop()
