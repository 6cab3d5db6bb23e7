"""The base models as they stand here and now: on this disk, to be fetched, or out of reach, and which one is taken if nobody says."""

from __future__ import annotations

import socket
import time
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from huggingface_hub import constants

from qlora_demo.catalogue import MODELS, BaseModel, default_model
from qlora_demo.hardware import Machine
from qlora_demo.run_dir import Home
from qlora_demo.settings import Settings
from qlora_demo.source.place import bundled_folder, hub_folder

LOOK_AGAIN_SECONDS = 60


@dataclass(frozen=True)
class ModelChoice:
    """A base model as it stands here and now."""

    model: BaseModel
    here: bool
    reachable: bool
    default: bool


class Offers:
    """Of one home on one machine."""

    def __init__(self, settings: Settings, home: Home, machine: Machine):
        self._settings, self._home, self._machine = settings, home, machine
        self._hub_seen = (0.0, False)

    def choices(self, small_only: bool) -> list[ModelChoice]:
        """Those that need the internet last where there is none. `small_only` leaves the one that comes along."""
        reachable = self._hub_reachable()
        preferred = default_model(self._machine.device, self._machine.memory_bytes)
        offered = [m for m in MODELS if m.bundled() or not small_only]
        choices = [ModelChoice(m, self._is_here(m), m.bundled() or reachable, False) for m in offered]
        usable = [c for c in choices if c.here or c.reachable]
        default = preferred if any(c.model is preferred for c in usable) else usable[0].model
        return sorted((replace(c, default=c.model is default) for c in choices), key=lambda c: not (c.here or c.reachable))

    def _is_here(self, model: BaseModel) -> bool:
        return bundled_folder(self._home.models).exists() if model.bundled() else hub_folder(model) is not None

    def _hub_reachable(self) -> bool:
        """Whether the hub's address answers, asked at most once a minute. No request is sent."""
        if self._settings.offline or constants.HF_HUB_OFFLINE:
            return False
        checked, seen = self._hub_seen
        if time.monotonic() - checked > LOOK_AGAIN_SECONDS or checked == 0.0:
            address = urlsplit(constants.ENDPOINT)
            try:
                socket.create_connection((address.hostname, address.port or 443), timeout=2).close()
                seen = True
            except OSError:
                seen = False
            self._hub_seen = (time.monotonic(), seen)
        return seen
