"""The environment, read once, with sentences for what does not fit."""

from __future__ import annotations

from pathlib import Path

import pytest

from qlora_demo.errors import UserError
from qlora_demo.settings import SPACE_STORAGE, Settings, default_home, table

README = Path(__file__).resolve().parent.parent / "README.md"


def test_defaults_suit_one_person_at_home() -> None:
    settings = Settings.from_env({})
    assert settings.host == "127.0.0.1"
    assert settings.home_dir() == default_home()
    assert settings.max_upload_bytes() == 1_000_000_000


def test_values_come_from_the_environment() -> None:
    settings = Settings.from_env({"QLORA_DEMO_PORT": "7999", "QLORA_DEMO_OFFLINE": "1", "QLORA_DEMO_HOME": "/data/x", "OTHER": "y"})
    assert (settings.port, settings.offline, settings.home_dir()) == (7999, True, Path("/data/x"))


def test_all_wrong_values_are_named() -> None:
    with pytest.raises(UserError) as error:
        Settings.from_env({"QLORA_DEMO_PORT": "high", "QLORA_DEMO_OFFLINE": "yes", "QLORA_DEMO_DEVICE": "tpu"})
    text = str(error.value)
    assert "QLORA_DEMO_PORT='high' is not a whole number." in text
    assert "QLORA_DEMO_OFFLINE='yes' is not 1 or 0." in text
    assert "QLORA_DEMO_DEVICE='tpu' is not one of auto, cpu, cuda." in text


def test_uploads_in_flight_stay_outside_the_home() -> None:
    with pytest.raises(UserError, match="QLORA_DEMO_TEMP lies inside QLORA_DEMO_HOME"):
        Settings.from_env({"QLORA_DEMO_HOME": "/data", "QLORA_DEMO_TEMP": "/data/temp"})


def test_a_space_is_served_to_all_unless_something_else_is_asked_for() -> None:
    space = {"SPACE_ID": "someone/qlora-demo"}
    settings = Settings.from_env(space)
    assert (settings.space, settings.host, settings.port, settings.zero_gpu) == ("someone/qlora-demo", "0.0.0.0", 7860, False)  # noqa: S104
    asked = Settings.from_env({**space, "QLORA_DEMO_HOST": "127.0.0.1", "QLORA_DEMO_PORT": "7999", "SPACES_ZERO_GPU": "true"})
    assert (asked.host, asked.port, asked.zero_gpu) == ("127.0.0.1", 7999, True)


def test_what_a_space_rents_is_known_on_a_space_alone() -> None:
    assert Settings.from_env({"SPACE_ID": "someone/qlora-demo", "ACCELERATOR": "t4-small"}).hardware == "t4-small"
    assert Settings.from_env({"ACCELERATOR": "t4-small"}).hardware == ""


def test_a_bucket_is_never_the_home(monkeypatch: pytest.MonkeyPatch) -> None:
    """It knows neither locks nor renames."""
    monkeypatch.setattr(Path, "is_mount", lambda self: self == SPACE_STORAGE)
    monkeypatch.setattr("os.access", lambda path, mode: True)
    space = {"SPACE_ID": "someone/qlora-demo"}
    settings = Settings.from_env(space)
    assert (settings.home_dir(), settings.bucket_dir(), settings.forgets()) == (default_home(), SPACE_STORAGE / "qlora-demo", False)
    assert Settings.from_env({}).bucket_dir() is None
    assert Settings.from_env({**space, "QLORA_DEMO_BUCKET": "/other"}).bucket_dir() == Path("/other")
    assert Settings.from_env({**space, "QLORA_DEMO_HOME": "/data/home"}).bucket_dir() is None  # somebody's own disk, mounted there
    with pytest.raises(UserError, match="QLORA_DEMO_BUCKET and QLORA_DEMO_HOME lie inside each other"):
        Settings.from_env({"QLORA_DEMO_HOME": "/a/home", "QLORA_DEMO_BUCKET": "/a"})


def test_a_space_without_a_bucket_forgets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "is_mount", lambda self: False)
    settings = Settings.from_env({"SPACE_ID": "someone/qlora-demo"})
    assert (settings.bucket_dir(), settings.forgets()) == (None, True)
    assert (settings.disk_gb, settings.owner_disk_mb, settings.keep_days, settings.keep_data_hours) == (20, 3000, 7, 24)


def test_only_our_own_variables_are_in_the_table() -> None:
    assert {variable.removeprefix("QLORA_DEMO_") for variable, _, _ in table()} & {"SPACE", "ZERO_GPU", "HARDWARE"} == set()


def test_the_readme_shows_every_variable() -> None:
    text = README.read_text(encoding="utf-8")
    for variable, _, meaning in table():
        assert f"`{variable}`" in text
        assert meaning in text
