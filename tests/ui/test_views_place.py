"""The remark about where the page runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from qlora_demo.hardware import Machine
from qlora_demo.settings import Settings
from qlora_demo.ui.parts import note
from qlora_demo.ui.views_place import FORGETS, NO_CARD, SHARED, ZERO_GPU, banner

CPU = Machine("cpu", "a processor", 2, 16_000_000_000, True)
CARD = Machine("cuda", "Tesla T4", 4, 16_000_000_000, True)


@pytest.fixture
def no_mounts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "is_mount", lambda self: False)


def test_a_machine_of_ones_own_needs_no_remark() -> None:
    assert banner(Settings.from_env({}), CPU) == ""
    assert banner(Settings.from_env({"QLORA_DEMO_HOST": "localhost"}), CARD) == ""


def test_a_page_that_others_can_open() -> None:
    assert banner(Settings.from_env({"QLORA_DEMO_HOST": "0.0.0.0"}), CPU) == note(SHARED)  # noqa: S104


@pytest.mark.parametrize(
    ("environ", "machine", "sentences"),
    [
        ({"SPACES_ZERO_GPU": "true"}, CPU, (ZERO_GPU, SHARED, FORGETS)),
        ({}, CPU, (NO_CARD, SHARED, FORGETS)),
        ({}, CARD, (SHARED, FORGETS)),
    ],
)
def test_a_space_says_all_that_applies(no_mounts: None, environ: dict[str, str], machine: Machine, sentences: tuple[str, ...]) -> None:
    settings = Settings.from_env({"SPACE_ID": "someone/qlora-demo", **environ})
    assert banner(settings, machine) == note(" ".join(sentences))


def test_a_space_with_storage_of_its_own_forgets_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "is_mount", lambda self: self == Path("/storage"))
    settings = Settings.from_env({"SPACE_ID": "someone/qlora-demo", "QLORA_DEMO_HOME": "/storage/qlora-demo"})
    assert banner(settings, CARD) == note(SHARED)
