"""What the box "Take it with you" says of each form: pure functions from Offers to texts."""

from __future__ import annotations

from qlora_demo.export.forms import ADAPTER, GGUF_ADAPTER, GGUF_F16, GGUF_Q8, MERGED
from qlora_demo.exports import Offer
from qlora_demo.jobs.export_queue import Export
from qlora_demo.ui.parts import alert, esc, note, roughly, size

FOR = {
    ADAPTER: "What it learned, alone. For programs that have the base model, such as transformers and vLLM.",
    GGUF_Q8: "One file for your own computer, with Ollama, LM Studio or llama.cpp.",
    MERGED: "Base model and add-on in one, in 16 bits. For transformers and vLLM.",
    GGUF_F16: "As the file above, but twice as large, with the numbers hardly rounded.",
    GGUF_ADAPTER: "What it learned, for llama.cpp with a GGUF file of the base model.",
}
PREPARE, STOP, MADE, DOWNLOAD = "Prepare", "Stop", "Being prepared", "Download"


def words(offer: Offer, at_once: bool) -> str:
    """The words of its button. `at_once`: nothing needs to be prepared."""
    if offer.open() is not None:
        return STOP if offer.mine else MADE
    return DOWNLOAD if at_once or offer.ready is not None else PREPARE


def row(offer: Offer, at_once: bool) -> str:
    """Name, size, what it is for, and how far it is."""
    about = f'<p><b>{esc(offer.form.name)}</b> · {size(offer.bytes)}{_time(offer, at_once)}</p><p class="qd-small">{esc(FOR[offer.form])}</p>'
    return about + _state(offer, at_once)


def _time(offer: Offer, at_once: bool) -> str:
    return "" if at_once or offer.ready or offer.open() else f" · about {roughly(offer.seconds)}"


def _state(offer: Offer, at_once: bool) -> str:
    waiting = offer.prepare if offer.prepare is not None and offer.prepare.open() else None
    if waiting is not None:
        return f'<p class="qd-small">{esc(preparing(waiting, offer.ahead))}</p>'
    if offer.ready is not None and not at_once:
        return '<p class="qd-small">Ready. It is kept for a day, and can be prepared again.</p>'
    return alert(offer.prepare.reason) if offer.prepare is not None and offer.prepare.state == "failed" else ""


def preparing(export: Export, ahead: int) -> str:
    """How far it is, or what it waits for."""
    if export.state == "running":
        doing = f" ({export.doing.lower()})" if export.doing else ""
        return f"Preparing, {100 * export.share:.0f} %{doing}. You can leave; it will be here."
    waits = f"{export.doing}." if export.doing else f"Waits: {ahead} before it." if ahead else "Waits for its turn."
    return f"{waits} You can leave; it will be here."


def sending(offer: Offer) -> str:
    """What became of the last sending of one form, as html; "" where there was none."""
    push = offer.push
    if push is None:
        return ""
    if push.state == "finished":
        return f'<p class="qd-note qd-good">It is on the Hub: <a href="{esc(push.target)}" target="_blank" rel="noopener">{esc(push.target)}</a></p>'
    if push.state in ("failed", "stopped"):
        return alert(push.reason) if push.state == "failed" else note(push.reason)
    if offer.prepare is not None and offer.prepare.open():
        return note(f"{preparing(offer.prepare, offer.ahead)} Then it is sent.")
    if push.state == "queued":
        waits = f"Waits: {offer.ahead} before it." if offer.ahead else "Waits for its turn."
        return note(f"{waits} You can leave; it goes on.")
    return note(f"Sending to {push.target}, {100 * push.share:.0f} %. You can leave; it goes on.")
