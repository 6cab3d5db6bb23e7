"""Who may have the device's memory: the chat while nothing needs it, a training when its turn comes."""

from __future__ import annotations

from dataclasses import dataclass

from qlora_demo.catalogue import BaseModel, find_model
from qlora_demo.chat.client import ChatClient
from qlora_demo.hardware import Machine
from qlora_demo.jobs.ledger import Job, Ledger
from qlora_demo.jobs.scheduler import Scheduler
from qlora_demo.run_dir import Home, read_json
from qlora_demo.run_view import RunView, read_view

CHAT_OVERHEAD = 700_000_000


@dataclass(frozen=True)
class Memory:
    """All figures are bytes of this machine's device."""

    home: Home
    ledger: Ledger
    machine: Machine
    scheduler: Scheduler
    chat: ChatClient

    def free_now(self) -> int:
        """For a run: a worker that waits is to be that run's."""
        return self.machine.free_bytes() + (self.scheduler.waiting_bytes() if self.machine.device == "cpu" else 0)

    def free_in_turn(self) -> int:
        """When a run's turn comes: the chat has ended then, and what trains now."""
        return min(self.free_now() + self._held(), self.machine.memory_bytes)

    def _held(self) -> int:
        base = self.chat.base()
        chat = self._of_chat(find_model(base.partition(" ")[0]), base.partition(" ")[2]) if base else 0
        active = self.ledger.active()
        training = read_view(self.home, active) if active else None
        return chat + (training.progress.memory_bytes or training.predicted_memory_bytes if training else 0)

    def _of_chat(self, model: BaseModel, *methods: str) -> int:
        """One base model, and another whole one for each run that was trained whole."""
        weight = (4 if self.machine.device == "cpu" else 2) * (1 + methods.count("full"))
        return weight * model.dimensions.parameters() + CHAT_OVERHEAD

    def chat_waits_for(self, view: RunView, against: RunView | None = None) -> RunView | None:
        """The training that leaves no room for chat with this model, and another one beside it; None where there is room."""
        active, methods = self.ledger.active(), [asked.recipe.method for asked in filter(None, (view, against))]
        if active is None or self.chat.running() or self._of_chat(view.model, *methods) <= self.machine.free_bytes():
            return None
        return read_view(self.home, active)

    def make_room(self, job: Job) -> None:
        """Before a training starts: the chat stays only where both fit."""
        about = read_json(self.home.run(job.run).run_json)
        if self.chat.running() and about["predicted_memory_bytes"] > self.free_now():
            self.chat.release()
