"""Whose scripts may change something."""

from __future__ import annotations

import pytest
from asgi import fine, status

from qlora_demo.settings import Settings
from qlora_demo.web.hosts import origins
from qlora_demo.web.origins import Origins, is_own


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("http://localhost:7860", "localhost:7860"),
        ("https://some-one.hf.space", "some-one.hf.space"),
        ("https://demo.example.org", "demo.example.org:443"),
        ("http://[::1]:7860", "[::1]:7860"),
    ],
)
def test_the_pages_own(origin: str, host: str) -> None:
    assert is_own(origin, host, ())


OTHERS = ["null", "", "http://evil.com", "http://localhost:3000", "http://localhost:7860.evil.com", "http://[", "localhost:7860"]


@pytest.mark.parametrize("origin", OTHERS)
def test_another_sites(origin: str) -> None:
    assert not is_own(origin, "localhost:7860", ())


def test_behind_a_proxy_that_changes_the_name() -> None:
    assert is_own("https://demo.example.org", "127.0.0.1:7860", ("demo.example.org",))
    for other in ("https://evil.example.org", "http://1.2.3.4", "http://[::1]", "null"):
        assert not is_own(other, "127.0.0.1:7860", ("demo.example.org", "*"))
    space = Settings.from_env({"SPACE_ID": "some/one", "SPACE_HOST": "some-one.hf.space"})
    assert origins(space) == ("some-one.hf.space",)
    assert origins(Settings(hosts="a.org, *.b.org")) == ("a.org", "*.b.org")


def test_only_what_changes_something_is_refused() -> None:
    guarded = Origins(fine, ())
    foreign = [("host", "localhost"), ("origin", "http://evil.com")]
    assert [status(guarded, method, "/", foreign) for method in ("GET", "HEAD", "OPTIONS", "POST", "PUT", "DELETE", "PATCH")] == [200] * 3 + [403] * 4
    assert status(guarded, "POST", "/", [("host", "localhost")]) == 200
    assert status(guarded, "POST", "/", [("host", "localhost"), ("origin", "http://localhost"), ("origin", "http://evil.com")]) == 403
