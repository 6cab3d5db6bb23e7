"""The export worker: `python -m qlora_demo.export.worker`. One request, then it ends; see `pipes`.

{"op": "prepare", "run": path, "form": key} is answered by {"type": "progress", "share", "doing"} as it goes, then by
{"type": "done", "last": true} or {"type": "error", "message", "last": true}. {"op": "push", "folder", "name", "private", "token"} likewise, its
"done" with "url". The token comes by this pipe alone. What is asked is given up when the input ends: nothing is made for a server that is gone.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import traceback
from pathlib import Path
from typing import Any

import psutil

from qlora_demo.errors import UserError
from qlora_demo.export.hub_names import Repository
from qlora_demo.pipes import own_output
from qlora_demo.room import DISK_FULL, MAKE_ROOM, is_full
from qlora_demo.run_dir import RunDir
from qlora_demo.settings import Settings
from qlora_demo.systems import give_way

FAULT = "This could not be prepared because of a fault in this app. The log (exports.log) has the details."
GIVEN_UP = 1


def main() -> None:
    output = own_output()

    def reply(kind: str, **values: Any) -> None:
        output.write(json.dumps({"type": kind, **values}) + "\n")
        output.flush()

    def tell(share: float, doing: str) -> None:
        reply("progress", share=round(share, 3), doing=doing)

    give_way()
    request = json.loads(sys.stdin.readline())
    threading.Thread(target=_end_with_input, daemon=True).start()
    signal.signal(signal.SIGTERM, lambda number, frame: _give_up())
    try:
        reply("done", last=True, **_answer(request, tell))
    except UserError as error:
        reply("error", message=str(error), last=True)
    except Exception as error:
        traceback.print_exc()
        reply("error", message=f"{DISK_FULL} {MAKE_ROOM}." if is_full(error) else FAULT, last=True)


def _answer(request: dict[str, Any], tell: Any) -> dict[str, Any]:
    settings = Settings.from_env(os.environ)
    if request["op"] == "push":
        from qlora_demo.export.hub import push  # noqa: PLC0415 - without torch, which the other way needs

        pushed = push(Path(request["folder"]), Repository(request["name"], request["private"]), request["token"], lambda done: tell(done, "Sending"))
        return {"url": pushed.url}
    from qlora_demo.export.making import make  # noqa: PLC0415

    make(RunDir(Path(request["run"])), request["form"], settings, tell)
    return {}


def _end_with_input() -> None:
    while sys.stdin.readline():
        pass
    _give_up()


def _give_up() -> None:
    """With the converter, which would go on otherwise."""
    for child in psutil.Process().children(recursive=True):
        child.kill()
    os._exit(GIVEN_UP)


if __name__ == "__main__":
    main()
