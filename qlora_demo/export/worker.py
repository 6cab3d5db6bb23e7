"""The export worker: `python -m qlora_demo.export.worker`. One request, then it ends; see `pipes`.

{"op": "prepare", "run": path, "form": key} is answered by {"type": "progress", "share", "doing"} as it goes, then by
{"type": "done", "last": true} or {"type": "error", "message", "last": true}. {"op": "push", "run", "form", "name", "private", "token"} likewise, its
"done" with "url". The token comes by this pipe alone. A further line, {"op": "cancel"}, gives up; a sending is answered by {"type": "stopped",
"message": what is left there, "last": true} then. All is given up when the input ends: nothing is made for a server that is gone.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

from qlora_demo.errors import UserError
from qlora_demo.export.about import about_run
from qlora_demo.export.card import card
from qlora_demo.export.hub import push
from qlora_demo.export.hub_names import Repository
from qlora_demo.export.hub_words import HadEnough
from qlora_demo.pipes import own_output
from qlora_demo.room import DISK_FULL, MAKE_ROOM, is_full
from qlora_demo.run_dir import RunDir
from qlora_demo.settings import Settings
from qlora_demo.systems import give_way

FAULT = "This could not be prepared because of a fault in this app. The log (exports.log) has the details."
GIVEN_UP = 1


def main() -> None:
    output = own_output()
    enough = threading.Event()

    def reply(kind: str, **values: Any) -> None:
        output.write(json.dumps({"type": kind, **values}) + "\n")
        output.flush()

    def tell(share: float, doing: str) -> None:
        if enough.is_set():
            raise HadEnough
        reply("progress", share=round(share, 3), doing=doing)

    give_way()
    request = json.loads(sys.stdin.readline())
    if request["op"] == "cancel":  # whoever asked gave up before the request was sent
        reply("stopped", message="", last=True)
        return
    # A sending ends by itself, so that it can take an empty repository away; what is only made here is left as it is.
    give_up = enough.set if request["op"] == "push" else _end_now
    signal.signal(signal.SIGTERM, lambda number, frame: give_up())
    signal.signal(signal.SIGINT, lambda number, frame: None)  # Ctrl-C reaches a command and its child: the command tells the child
    threading.Thread(target=_listen, args=(give_up,), daemon=True).start()
    try:
        reply("done", last=True, **_answer(request, tell))
    except HadEnough as left:
        reply("stopped", message=str(left), last=True)
    except UserError as error:
        reply("error", message=str(error), last=True)
    except Exception as error:
        traceback.print_exc()
        reply("error", message=f"{DISK_FULL} {MAKE_ROOM}." if is_full(error) else FAULT, last=True)


def _answer(request: dict[str, Any], tell: Any) -> dict[str, Any]:
    run, form = RunDir(Path(request["run"])), request["form"]
    if request["op"] == "prepare":
        from qlora_demo.export.making import make  # noqa: PLC0415 - what takes seconds to import, and a sending does not need

        make(run, form, Settings.from_env(os.environ), tell)
        return {}
    repository = Repository(request["name"], request["private"])

    def own_card(repo: str) -> str:
        return card(about_run(run), form, repo)

    return {"url": push(run.exports / form, repository, request["token"], lambda done: tell(done, "Sending"), own_card).url}


def _listen(give_up: Callable[[], None]) -> None:
    """Any further line asks to give up; the end of all lines says that nobody waits any more."""
    while sys.stdin.readline():
        give_up()
    _end_now()


def _end_now() -> None:
    """With the converter, which would go on otherwise."""
    for child in psutil.Process().children(recursive=True):
        child.kill()
    os._exit(GIVEN_UP)


if __name__ == "__main__":
    main()
