"""Who somebody is, and that nobody is anybody else."""

from __future__ import annotations

from pathlib import Path

import pytest

from qlora_demo.errors import NotFoundError
from qlora_demo.jobs.ledger import Ledger
from qlora_demo.owners import HOST, LOCAL, UNKNOWN_KEY, WRONG_CODE, Login, Owners, of_key
from qlora_demo.settings import Settings


def owners(tmp_path: Path, **settings: object) -> Owners:
    return Owners(Settings(**settings), Ledger(tmp_path / "ledger.sqlite"))


def test_keys_have_128_random_bits_and_only_what_they_hash_to_is_stored(tmp_path: Path) -> None:
    made = owners(tmp_path, mode="public")
    keys = {made.new_key() for _ in range(50)}
    assert len(keys) == 50
    assert all(len(bytes.fromhex(key)) == 16 for key in keys)
    stored = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert not any(key.encode() in stored for key in keys)
    assert all(of_key(key).encode() in stored for key in keys)


def test_a_key_is_known_after_a_restart(tmp_path: Path) -> None:
    key = owners(tmp_path, mode="public").new_key()
    again = owners(tmp_path, mode="public")
    assert again.owner(key) == of_key(key)
    assert not again.needs_key(key)


@pytest.mark.parametrize("key", ["", "0" * 32, LOCAL, HOST, "everyone"])
def test_what_was_not_made_here_is_nobody(tmp_path: Path, key: str) -> None:
    made = owners(tmp_path, mode="public")
    assert made.needs_key(key)
    with pytest.raises(NotFoundError, match=UNKNOWN_KEY):
        made.owner(key)


def test_knowing_an_owner_is_not_knowing_its_key(tmp_path: Path) -> None:
    made = owners(tmp_path, mode="public")
    owner = made.owner(made.new_key())
    with pytest.raises(NotFoundError):
        made.owner(owner)
    with pytest.raises(NotFoundError):
        made.owner(owner.removeprefix("key-"))


def test_a_workshop_gives_keys_for_its_code_alone(tmp_path: Path) -> None:
    made = owners(tmp_path, mode="public", workshop="blue-heron")
    for code in ("", "blue", "BLUE-HERON", "blue-heron2"):
        with pytest.raises(NotFoundError, match=WRONG_CODE):
            made.new_key(code)
    key = made.new_key(" blue-heron ")
    assert made.owner(key) == of_key(key)


def test_the_host_is_the_account_that_the_space_belongs_to(tmp_path: Path) -> None:
    made = owners(tmp_path, mode="public", author="ann")
    assert made.owner("", Login(hub_id="1", hub_name="ann")) == HOST
    other = made.owner("", Login(hub_id="2", hub_name="Ann"))
    assert other != HOST
    assert [made.is_host(owner) for owner in (HOST, LOCAL, other, made.owner(made.new_key()))] == [True, True, False, False]


def test_without_an_author_nobody_is_the_host_by_having_no_name(tmp_path: Path) -> None:
    made = owners(tmp_path, mode="public", author="")
    assert made.owner("", Login(hub_id="1", hub_name="")) != HOST


def test_an_account_is_nobody_else_on_ones_own_machine(tmp_path: Path) -> None:
    made = owners(tmp_path, author="ann")
    assert made.owner("", Login(hub_id="1", hub_name="bob")) == made.owner("", Login(hub_id="1", hub_name="ann")) == LOCAL


def test_what_a_browser_had_before_is_known_by_its_key_alone(tmp_path: Path) -> None:
    made = owners(tmp_path, mode="public")
    key = made.new_key()
    assert [made.of_browser(tried) for tried in (key, "f" * 32, "")] == [of_key(key), "", ""]


def test_on_ones_own_machine_everybody_is_host(tmp_path: Path) -> None:
    made = owners(tmp_path)
    assert made.is_host(made.owner("anything"))
    assert not made.needs_key("")
