"""The drawing of How it works: three ways from the base model to what is saved, as SVG in the page's own colours."""

from __future__ import annotations

from qlora_demo.ui.parts import esc

WIDTH, LANE, GAP = 360, 112, 12
LINE = 18
BETWEEN = 20
BASE = 56
TITLE = "Three ways from the base model to a model of your own"
DESCRIPTION = (
    "You choose one of three methods. QLoRA packs the base model to 4 bits and LoRA leaves it unpacked. In both it is frozen, an adapter is "
    "added, only the adapter learns, and an adapter file is saved. In full training nothing is packed or frozen and no adapter is added. "
    "Everything learns, and a whole model is saved."
)
NAME, FROZEN, LEARNS, PLAIN, SAVED = "qd-how-name", "qd-how-frozen", "qd-how-learns", "qd-how-plain", "qd-how-saved"
# One row a step: its height, and for each lane (QLoRA, LoRA, Full) its lines and what it is.
ROWS: tuple[tuple[int, tuple[tuple[tuple[str, ...], str], ...]], ...] = (
    (34, ((("QLoRA",), NAME), (("LoRA",), NAME), (("Full",), NAME))),
    (56, ((("packed 4-bit,", "frozen"), FROZEN), (("not packed,", "frozen"), FROZEN), (("not packed,", "not frozen"), LEARNS))),
    (56, ((("adapter", "added"), LEARNS), (("adapter", "added"), LEARNS), (("no", "adapter"), PLAIN))),
    (74, ((("only the", "adapter", "learns"), LEARNS), (("only the", "adapter", "learns"), LEARNS), (("everything", "learns"), LEARNS))),
    (56, ((("saved: the", "adapter file"), SAVED), (("saved: the", "adapter file"), SAVED), (("saved: the", "whole model"), SAVED))),
)


def diagram() -> str:
    """The whole drawing; a screen reader gets its title and description."""
    drawn = [_box((0, 0, WIDTH, BASE), ("The base model.", "You choose how it is trained:"), SAVED)]
    top = BASE
    for height, lanes in ROWS:
        for lane, (lines, kind) in enumerate(lanes):
            left = lane * (LANE + GAP)
            drawn += [_arrow(left + LANE // 2, top, top + BETWEEN), _box((left, top + BETWEEN, LANE, height), lines, kind)]
        top += BETWEEN + height
    named = 'role="img" aria-labelledby="qd-how-title" aria-describedby="qd-how-desc"'
    words = f'<title id="qd-how-title">{esc(TITLE)}</title><desc id="qd-how-desc">{esc(DESCRIPTION)}</desc>'
    return f'<svg class="qd-how" viewBox="-2 -2 {WIDTH + 4} {top + 4}" {named}>{words}{"".join(drawn)}</svg>'


def _box(place: tuple[int, int, int, int], lines: tuple[str, ...], kind: str) -> str:
    """`place` is left, top, width, height; the lines stand in its middle."""
    left, top, width, height = place
    first = top + height / 2 - LINE * (len(lines) - 1) / 2 + 5
    texts = "".join(
        f'<text x="{left + width // 2}" y="{first + LINE * i:g}" text-anchor="middle">{esc(line)}</text>' for i, line in enumerate(lines)
    )
    return f'<g class="{kind}"><rect x="{left}" y="{top}" width="{width}" height="{height}" rx="6"/>{texts}</g>'


def _arrow(at: int, top: int, bottom: int) -> str:
    return f'<path class="qd-how-arrow" d="M{at} {top + 3}V{bottom - 4}m-4 -5l4 5l4 -5"/>'
