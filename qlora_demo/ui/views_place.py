"""What people should know about where this page runs: a Space without a card, storage that is lost, a page that others can open."""

from __future__ import annotations

from qlora_demo.hardware import Machine
from qlora_demo.settings import Settings
from qlora_demo.ui.parts import note

ZERO_GPU = (
    "This Space runs on ZeroGPU, which lends a graphics card for a minute at a time. Training needs a card that stays, so it runs on the "
    "processor here and is slow. Duplicate this Space onto a GPU to train larger models."
)
NO_CARD = "This Space has no graphics card: the small model trains in minutes, larger ones need a GPU Space."
SHARED = "Everyone who opens this page shares its data and models."
FORGETS = "This Space forgets models when it restarts or sleeps."


def banner(settings: Settings, machine: Machine) -> str:
    """One remark with all that applies; "" on a machine of one's own."""
    sentences = []
    if settings.zero_gpu:
        sentences.append(ZERO_GPU)
    elif settings.space and machine.device == "cpu":
        sentences.append(NO_CARD)
    if settings.shared():
        sentences.append(SHARED)
    if settings.forgets():
        sentences.append(FORGETS)
    return note(" ".join(sentences))
