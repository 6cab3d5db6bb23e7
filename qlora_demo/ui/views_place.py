"""What people should know about where this page runs: a Space without a card, storage that is lost, a page that others can open."""

from __future__ import annotations

from qlora_demo.caps import Caps
from qlora_demo.hardware import Machine
from qlora_demo.settings import Settings
from qlora_demo.ui.parts import counted, esc

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
    if settings.shared() and not (settings.public() or settings.auth):
        sentences.append(SHARED)
    if settings.public():
        sentences.append(limits(Caps.of(settings), settings.max_rows))
    if settings.forgets():
        sentences.append(FORGETS)
    link = f' <a href="{esc(settings.copy_link())}" target="_blank" rel="noopener">Run your own copy</a>' if settings.copy_link() else ""
    return f'<p class="qd-note">{esc(" ".join(sentences))}{link}</p>' if sentences else ""


def limits(caps: Caps, rows: int) -> str:
    """What each visitor may ask for at most."""
    each = [f"{rows:,} rows"]
    each += [f"{caps.minutes} minutes of training"] if caps.minutes else []
    each += [f"{counted(caps.runs, 'training')} in line"] if caps.runs else []
    *first, last = each
    return f"Public demo: up to {', '.join(first)} and {last} each." if first else f"Public demo: up to {last} each."
