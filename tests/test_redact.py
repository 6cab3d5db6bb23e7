"""What is left out of a log before people see it."""

from __future__ import annotations

from pathlib import Path

import pytest

from qlora_demo.redact import redact

HUB = "hf_" + "aBcDeFgHiJkLmNoPqRsTuVwXyZ"


@pytest.fixture(autouse=True)
def users_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "home", lambda: Path("/home/anna"))


def shown(text: str, **environ: str) -> str:
    return redact(text, environ, Path("/home/anna/.local/share/qlora-demo"))


@pytest.mark.parametrize(
    ("text", "left"),
    [
        (f"401 for {HUB}.", "401 for <secret>."),
        ("hf_oauth_eyJhbGciOi-x.eyJzdWIiOiIx_Q.Sflk-xwRJSM. Next", "<secret>. Next"),
        ("Authorization: Bearer abcdef0123456789==", "Authorization: Bearer <secret>"),
        ("key sk-proj-0123456789abcdef0123", "key <secret>"),
        ("ghp_0123456789abcdef0123 AKIAIOSFODNN7EXAMPLE", "<secret> <secret>"),
        ("eyJhbGciOiJI.eyJzdWIiOiIx.SflKxwRJSM", "<secret>"),
        ("proxy http://anna:hunter2@10.0.0.1:3128/x", "proxy http://<secret>@10.0.0.1:3128/x"),
        ("step 3 of 60: error 4.123, hf_hub 1.2, sk-learn", "step 3 of 60: error 4.123, hf_hub 1.2, sk-learn"),
        ("https://huggingface.co/a/b@main is pinned", "https://huggingface.co/a/b@main is pinned"),
    ],
)
def test_tokens_of_every_kind_go(text: str, left: str) -> None:
    assert shown(text) == left


def test_what_our_own_environment_calls_a_secret_goes_in_whole_and_in_parts() -> None:
    environ = {"QLORA_DEMO_AUTH": "teacher:correct horse", "MY_API_KEY": "0a1b2c3d", "PIN_CODE": "123456", "SHORT_TOKEN": "abc"}
    text = "teacher:correct horse / teacher / correct / 0a1b2c3d / 123456 / abc"
    assert shown(text, **environ) == "<secret> / <secret> / <secret> / <secret> / 123456 / abc"


def test_places_are_not_told() -> None:
    text = 'File "/home/anna/.local/share/qlora-demo/runs/1/x", line 3; /home/anna/models/a; /home/annabel/b; /mnt/home/anna/c; "/home/anna"'
    assert shown(text) == 'File "<home>/runs/1/x", line 3; ~/models/a; /home/annabel/b; /mnt/home/anna/c; "~"'


def test_a_user_whose_folder_is_the_root_loses_no_slashes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "home", lambda: Path("/"))
    assert redact("/usr/lib /data/home/x", {}, Path("/data/home")) == "/usr/lib <home>/x"
