"""What the box "Take it with you" says of a form in every state."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from qlora_demo.export.forms import ADAPTER, FORMS, GGUF_Q8
from qlora_demo.export.prepared import Prepared
from qlora_demo.exports import Offer
from qlora_demo.jobs.export_queue import PREPARE, PUSH, Export
from qlora_demo.ui.views_take import FOR, preparing, row, sending, words

PLAIN = Offer(GGUF_Q8, 2_500_000_000, 130.0, None, None, None)
EXPORT = Export(1, "run", GGUF_Q8.key, PREPARE, "me", "running", "", "", 0.4, "Converting for llama.cpp", 0.0, None)
READY = Prepared(Path("x"), (("model.gguf", 2_700_000_000, "00"),), 100.0)


def test_every_form_is_explained() -> None:
    assert set(FOR) == set(FORMS)


def test_nothing_is_prepared_yet() -> None:
    said = row(PLAIN, False)
    assert "<b>For Ollama, llama.cpp</b> · 2.5 GB · about 2 min" in said and words(PLAIN, False) == "Prepare"


def test_what_lies_there_is_downloaded_at_once() -> None:
    offer = replace(PLAIN, form=ADAPTER, bytes=12_000_000)
    assert words(offer, True) == "Download" and "· 12 MB</p>" in row(offer, True)
    assert "Ready" not in row(replace(offer, ready=READY), True)


def test_it_is_being_prepared() -> None:
    offer = replace(PLAIN, prepare=EXPORT)
    assert "Preparing, 40 % (converting for llama.cpp). You can leave; it will be here." in row(offer, False)
    assert words(offer, False) == "Stop"
    assert words(replace(offer, mine=False), False) == "Being prepared"  # everyone's example


@pytest.mark.parametrize(
    ("doing", "ahead", "said"),
    [
        ("", 2, "Waits: 2 before it. You can leave; it will be here."),
        ("", 0, "Waits for its turn. You can leave; it will be here."),
        ("Waits until memory is free", 0, "Waits until memory is free. You can leave; it will be here."),
    ],
)
def test_it_waits(doing: str, ahead: int, said: str) -> None:
    assert preparing(replace(EXPORT, state="queued", doing=doing), ahead) == said


def test_it_is_ready_or_could_not_be_made() -> None:
    ready = replace(PLAIN, ready=READY, prepare=replace(EXPORT, state="finished"))
    assert "Ready. It is kept for a day" in row(ready, False) and words(ready, False) == "Download"
    failed = replace(PLAIN, prepare=replace(EXPORT, state="failed", reason="<b>No room</b>"))
    assert "&lt;b&gt;No room" in row(failed, False) and words(failed, False) == "Prepare"


def test_what_became_of_a_sending() -> None:
    push = replace(EXPORT, op=PUSH, target="me/<x>", doing="Sending")
    states = {
        "running": "Sending to me/&lt;x&gt;, 40 %. You can leave; it goes on.",
        "queued": "Waits: 3 before it. You can leave; it goes on.",
        "stopped": "No",
        "failed": "No",
        "finished": 'href="me/&lt;x&gt;"',
    }
    for state, said in states.items():
        assert said in sending(replace(PLAIN, ahead=3, push=replace(push, state=state, reason="No")))
    waits = replace(PLAIN, prepare=EXPORT, push=replace(push, state="queued"))
    assert "Preparing, 40 %" in sending(waits) and "Then it is sent." in sending(waits)
    assert sending(PLAIN) == ""
