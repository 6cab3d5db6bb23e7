"""The data worker: `python -m qlora_demo.data.worker`. Resident tokenizers, so that the web process needs no torch.

{"op": "count", "model", "system_prompt", "rows": path, "max_length"} is answered by {"type": "progress", "rows"} about once a second and
{"type": "done", "tokens": {...}, "last": true}, see `counting.Tally`. {"op": "cancel"} ends it early with {"type": "cancelled", "last": true}.
{"op": "show", "model", "system_prompt", "max_length", "row": {...}} is answered by {"type": "done", "rows": [[{"text", "kind", "mark"}]], "note",
"last": true}, see `pieces.Seen`. What cannot be done is answered by {"type": "error", "message", "last": true}.
"""

from __future__ import annotations

import json
import os
import queue
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from typing import Any

from transformers import PreTrainedTokenizerBase

from qlora_demo.catalogue import find_model
from qlora_demo.data.conversation import row_from_json
from qlora_demo.data.counting import Tally, counted, stream_rows
from qlora_demo.data.pieces import seen
from qlora_demo.data.rendering import Renderer, load_tokenizer
from qlora_demo.errors import UserError
from qlora_demo.pipes import own_output
from qlora_demo.settings import Settings
from qlora_demo.source.locate import locate_tokenizer
from qlora_demo.systems import usable_cores

PROGRESS_SECONDS = 1.0
Reply = Callable[[dict[str, Any]], None]


def main() -> None:
    output = own_output()

    def reply(message: dict[str, Any]) -> None:
        output.write(json.dumps(message) + "\n")
        output.flush()

    requests: queue.Queue[dict[str, Any] | None] = queue.Queue()
    cancel = threading.Event()
    threading.Thread(target=_listen, args=(requests, cancel), daemon=True).start()
    while (request := requests.get()) is not None:
        reply({**_answer(request, reply, cancel.is_set), "last": True})


def _listen(requests: queue.Queue[dict[str, Any] | None], cancel: threading.Event) -> None:
    """A request comes when the one before it has been answered, so a cancel is always for the newest."""
    for line in sys.stdin:
        message = json.loads(line)
        if message["op"] == "cancel":
            cancel.set()
        else:
            cancel.clear()
            requests.put(message)
    cancel.set()
    requests.put(None)


def _answer(request: dict[str, Any], reply: Reply, cancelled: Callable[[], bool]) -> dict[str, Any]:
    """The last reply."""
    try:
        model = find_model(request["model"])
        renderer = Renderer(_tokenizer(model.id), model.template_options, request["system_prompt"])
        if request["op"] == "show":
            shown = seen(renderer, row_from_json(request["row"]), request["max_length"])
            return {"type": "done", **asdict(shown)}
        return _count(renderer, request, reply, cancelled)
    except UserError as error:
        return {"type": "error", "message": str(error)}


def _count(renderer: Renderer, request: dict[str, Any], reply: Reply, cancelled: Callable[[], bool]) -> dict[str, Any]:
    told, tally = time.monotonic(), Tally()
    for tally in counted(renderer, stream_rows(Path(request["rows"])), request["max_length"], usable_cores()):
        if cancelled():
            return {"type": "cancelled"}
        if time.monotonic() - told > PROGRESS_SECONDS:
            told = time.monotonic()
            reply({"type": "progress", "rows": tally.rows})
    return {"type": "done", "tokens": tally.to_json()}


@lru_cache(maxsize=4)
def _tokenizer(model_id: str) -> PreTrainedTokenizerBase:
    return load_tokenizer(locate_tokenizer(find_model(model_id), Settings.from_env(os.environ)))


if __name__ == "__main__":
    main()
