"""The names under which the page answers."""

from __future__ import annotations

import socket

import pytest
from asgi import fine, status

from qlora_demo.settings import Settings
from qlora_demo.web.hosts import Hosts, is_named, names

SPACE = {"SPACE_ID": "some/one", "SPACE_HOST": "some-one.hf.space"}


@pytest.mark.parametrize("host", ["localhost", "localhost:7860", "LOCALHOST.", "127.0.0.1:1", "[::1]:7860", "10.0.0.4", "192.168.1.2:80"])
def test_ones_own_machine_always_answers(host: str) -> None:
    assert is_named(host, names(Settings()))


OTHERS = ["attacker.com", "localhost.attacker.com", "127.0.0.1.attacker.com", "attacker.com:7860", "", "localhost@attacker.com"]


@pytest.mark.parametrize("host", OTHERS)
def test_no_other_name_does(host: str) -> None:
    assert not is_named(host, names(Settings()))


def test_a_page_that_is_open_to_a_network_answers_to_its_machines_name() -> None:
    own = socket.gethostname()
    assert is_named(f"{own}:7860", names(Settings(host="0.0.0.0")))  # noqa: S104
    assert is_named(own, names(Settings(host="myhost.lan"))) and is_named("myhost.lan", names(Settings(host="myhost.lan")))


def test_a_space_answers_to_its_own_name() -> None:
    on_space = names(Settings.from_env(SPACE))
    own, others = ("some-one.hf.space", "localhost:7860", "10.1.2.3:7860"), ("evil.com", "hf.space.evil.com")
    assert tuple(host for host in (*own, *others) if is_named(host, on_space)) == own


def test_a_host_can_name_others() -> None:
    named = names(Settings(hosts="demo.example.org, *.lab.example.org"))
    assert [is_named(host, named) for host in ("demo.example.org", "a.lab.example.org", "lab.example.org", "example.org", "localhost")] == [
        True,
        True,
        False,
        False,
        True,
    ]
    assert is_named("anything.at.all", names(Settings(hosts="*")))


def test_a_forwarded_name_counts_as_well() -> None:
    guarded = Hosts(fine, ("localhost",))
    assert status(guarded, "GET", "/", [("host", "localhost")]) == 200
    assert status(guarded, "GET", "/", [("host", "localhost"), ("x-forwarded-host", "localhost, evil.com")]) == 400
    assert status(guarded, "GET", "/", [("host", "evil.com"), ("x-forwarded-host", "localhost")]) == 400
    assert status(guarded, "GET", "/", []) == 200
