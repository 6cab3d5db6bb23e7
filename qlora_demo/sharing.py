"""One's own model for others to read and chat with: by a secret link, which can be taken back."""

from __future__ import annotations

import hashlib
import secrets

from qlora_demo.errors import BusyError
from qlora_demo.jobs.ledger import Ledger

SECRET_BYTES = 16


class Sharing:
    """Who comes by a link may read that run from then on, until the link is taken back. The link's secret is stored hashed."""

    def __init__(self, ledger: Ledger):
        self._ledger = ledger

    def link(self, owner: str, run_id: str) -> str:
        """A new secret for the link to this run; an earlier one and those who came by it are shut out. Raises NotFoundError, BusyError."""
        self._own(owner, run_id)
        secret = secrets.token_hex(SECRET_BYTES)
        self._ledger.unshare(run_id)
        self._ledger.share(run_id, _hash(secret))
        return secret

    def take_back(self, owner: str, run_id: str) -> None:
        """Raises NotFoundError, BusyError."""
        self._own(owner, run_id)
        self._ledger.unshare(run_id)

    def is_shared(self, owner: str, run_id: str) -> bool:
        """Whether there is a link. Raises NotFoundError."""
        return self._ledger.job_of_run(run_id, owner).owner == owner and self._ledger.is_shared(run_id)

    def come_by(self, owner: str, secret: str) -> str:
        """The run behind a link, which this owner may read from now on; "" where there is none, or none any more."""
        return self._ledger.add_guest(_hash(secret), owner)

    def _own(self, owner: str, run_id: str) -> None:
        if self._ledger.job_of_run(run_id, owner).owner != owner:
            raise BusyError("Only its owner can share this model.")


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", errors="replace")).hexdigest()
