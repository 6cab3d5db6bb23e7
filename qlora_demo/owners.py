"""Who somebody is: an opaque owner, from a login or from the key that a browser keeps. Only what a key hashes to is stored, so nobody who
reads the ledger or a run's files can come in as its owner."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass

from qlora_demo.errors import NotFoundError
from qlora_demo.jobs.ledger import Ledger
from qlora_demo.settings import Settings

LOCAL = "local"
"""The one owner of a machine of one's own."""
HOST = "host"
"""The account that a Space belongs to."""
KEY_BYTES = 16
UNKNOWN_KEY = "This page does not know you any more, perhaps because it restarted. Reload it."
WRONG_CODE = "This is not the code of this workshop. Ask the person who leads it."


@dataclass(frozen=True)
class Login:
    """What the server itself knows of somebody: `name` from the page's own login, `hub_id` and `hub_name` from the model hub's; "" for none."""

    name: str = ""
    hub_id: str = ""
    hub_name: str = ""


NOBODY = Login()


class Owners:
    """Of one home."""

    def __init__(self, settings: Settings, ledger: Ledger):
        self._settings, self._ledger = settings, ledger

    def owner(self, key: str, login: Login = NOBODY) -> str:
        """Raises NotFoundError for a key that was not made here."""
        signed_in = self._signed_in(login)
        if signed_in:
            return signed_in
        owner = of_key(key)
        if not self._ledger.knows_owner(owner):
            raise NotFoundError(UNKNOWN_KEY)
        return owner

    def _signed_in(self, login: Login) -> str:
        """The owner of somebody who needs no key, else "". An account on the model hub counts on a public page alone."""
        if login.name:
            return f"login-{_hash(login.name)}"
        if not self._settings.public():
            return LOCAL
        if login.hub_name and login.hub_name == self._settings.author:
            return HOST
        return f"hub-{_hash(login.hub_id)}" if login.hub_id else ""

    def needs_key(self, key: str, login: Login = NOBODY) -> bool:
        """Whether `new_key` must come first."""
        return not (self._signed_in(login) or self._ledger.knows_owner(of_key(key)))

    def of_browser(self, key: str) -> str:
        """The owner that a browser had before somebody signed in there, "" for none."""
        return of_key(key) if self._ledger.knows_owner(of_key(key)) else ""

    def new_key(self, code: str = "") -> str:
        """128 random bits as 32 digits, for one browser. `code` is the workshop's, where there is one. Raises NotFoundError for a wrong one."""
        if not hmac.compare_digest(code.strip().encode(), self._settings.workshop.encode()):
            raise NotFoundError(WRONG_CODE)
        key = secrets.token_hex(KEY_BYTES)
        self._ledger.add_owner(of_key(key))
        return key

    def is_host(self, owner: str) -> bool:
        """Whether this owner may do what only the machine's owner may: its command line, and on one's own machine everybody who got in."""
        return owner in (HOST, LOCAL) or not self._settings.public()


def of_key(key: str) -> str:
    """The owner that a browser's key stands for."""
    return f"key-{_hash(key)}"


def _hash(secret: str) -> str:
    """Keys have 128 random bits, so no salt is needed; names are hashed only so that all owners look alike."""
    return hashlib.sha256(secret.encode("utf-8", errors="replace")).hexdigest()[:32]
