"""The remark about where the page runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from qlora_demo.caps import Caps
from qlora_demo.hardware import Machine
from qlora_demo.settings import Settings
from qlora_demo.ui.views_place import FORGETS, NO_CARD, SHARED, ZERO_GPU, banner, limits

CPU = Machine("cpu", "a processor", 2, 16_000_000_000, True)
CARD = Machine("cuda", "Tesla T4", 4, 16_000_000_000, True)

LIMITS = "Public demo: up to 2,000 rows, 15 minutes of training and 3 trainings in line each."


@pytest.fixture
def no_mounts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "is_mount", lambda self: False)


def test_a_machine_of_ones_own_needs_no_remark() -> None:
    assert banner(Settings.from_env({}), CPU) == ""
    assert banner(Settings.from_env({"QLORA_DEMO_HOST": "localhost"}), CARD) == ""


def test_a_page_that_others_can_open() -> None:
    assert SHARED in banner(Settings.from_env({"QLORA_DEMO_HOST": "0.0.0.0"}), CPU)  # noqa: S104


def test_where_each_has_a_login_nothing_is_shared() -> None:
    assert banner(Settings.from_env({"QLORA_DEMO_HOST": "0.0.0.0", "QLORA_DEMO_AUTH": "ann:1"}), CPU) == ""  # noqa: S104


@pytest.mark.parametrize(
    ("environ", "machine", "sentences"),
    [
        ({"SPACES_ZERO_GPU": "true"}, CPU, (ZERO_GPU, LIMITS, FORGETS)),
        ({}, CPU, (NO_CARD, LIMITS, FORGETS)),
        ({}, CARD, (LIMITS, FORGETS)),
    ],
)
def test_a_space_says_all_that_applies(no_mounts: None, environ: dict[str, str], machine: Machine, sentences: tuple[str, ...]) -> None:
    settings = Settings.from_env({"SPACE_ID": "someone/qlora-demo", **environ})
    link = '<a href="https://huggingface.co/spaces/someone/qlora-demo?duplicate=true" target="_blank" rel="noopener">Run your own copy</a>'
    assert banner(settings, machine) == f'<p class="qd-note">{" ".join(sentences)} {link}</p>'


def test_a_space_with_storage_of_its_own_forgets_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "is_mount", lambda self: self == Path("/storage"))
    settings = Settings.from_env({"SPACE_ID": "someone/qlora-demo", "QLORA_DEMO_HOME": "/storage/qlora-demo"})
    assert FORGETS not in banner(settings, CARD)


def test_only_limits_that_hold_are_told() -> None:
    assert limits(Caps(), 500) == "Public demo: up to 500 rows each."
    assert limits(Caps(minutes=5), 500) == "Public demo: up to 500 rows and 5 minutes of training each."
