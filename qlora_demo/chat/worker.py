"""The chat worker: `python -m qlora_demo.chat.worker`. Requests on standard input, streamed answers on standard output, see `pipes`.

{"op": "open", "run", "against"} only loads, and is answered by {"type": "loaded", "last": true}. "against" is another run's folder, whose model
answers in the left column, or "" for the base model.
{"op": "ask", "run", "against", "columns", "sampling"} is answered by {"type": "loaded"}, then {"type": "text", "texts": [left, right]} with what is
new, then {"type": "done", "answers", "seconds", "unchanged", "shortened", "last": true} or {"type": "error", "message", "last": true}. "unchanged" is
true where the left column's numbers were found to be the base model's, false where they were not, null where it is not the base model's column;
"shortened" is true where the oldest turns were left out.
{"op": "cancel"} ends the answer in progress. An exception ends the process, and the client starts a new one.
"""

from __future__ import annotations

import json
import queue
import sys
import threading
import time
from dataclasses import asdict
from typing import Any, TextIO

from qlora_demo.chat.engine import Engine, from_request, new_engine, runs_of
from qlora_demo.errors import UserError
from qlora_demo.pipes import own_output

FLUSH_SECONDS = 0.08  # a page cannot show more, and every update costs it as much as a token costs a small model


def main() -> None:
    output = own_output()
    requests: queue.Queue[dict[str, Any] | None] = queue.Queue()
    cancel = threading.Event()
    threading.Thread(target=_listen, args=(requests, cancel), daemon=True).start()
    engine = new_engine()
    while (request := requests.get()) is not None:
        cancel.clear()
        _answer(engine, request, output, cancel)


def _listen(requests: queue.Queue[dict[str, Any] | None], cancel: threading.Event) -> None:
    for line in sys.stdin:
        message = json.loads(line)
        if message["op"] == "cancel":
            cancel.set()
        else:
            requests.put(message)
    cancel.set()
    requests.put(None)


def _answer(engine: Engine, request: dict[str, Any], output: TextIO, cancel: threading.Event) -> None:
    def reply(kind: str, **values: Any) -> None:
        output.write(json.dumps({"type": kind, **values}) + "\n")
        output.flush()

    new, sent = ["", ""], [0.0]

    def emit(column: int, text: str) -> None:
        new[column] += text
        if time.monotonic() - sent[0] > FLUSH_SECONDS:
            reply("text", texts=new)
            new[:], sent[0] = ["", ""], time.monotonic()

    try:
        engine.open(*runs_of(request))
        reply("loaded", last=request["op"] == "open")
        if request["op"] == "open":
            return
        said = engine.ask(from_request(request), emit, cancel.is_set)
        answers = [asdict(answer) for answer in said.answers]
        reply("done", answers=answers, seconds=said.seconds, unchanged=said.unchanged, shortened=said.shortened, last=True)
    except UserError as error:
        reply("error", message=str(error), last=True)


if __name__ == "__main__":
    main()
