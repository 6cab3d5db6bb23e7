"""Locates Qwen3 4B in a process of its own, as a worker does, and tells what it saw: one JSON object a line.

`python locate_child.py [cancel-at BYTES | tokenizer]`. {"done", "total"} for each look, then {"folder"}, {"error"} or {"cancelled", "seconds"}.
"""

from __future__ import annotations

import json
import os
import sys
import time

from qlora_demo.catalogue import find_model
from qlora_demo.errors import ModelError
from qlora_demo.settings import Settings
from qlora_demo.source.fetch import Cancelled
from qlora_demo.source.locate import locate, locate_tokenizer

MODEL = "Qwen/Qwen3-4B-Instruct-2507"
asked = [0.0]


def tell(**values: object) -> None:
    print(json.dumps(values), flush=True)


def watch(done: int, total: int) -> bool:
    tell(done=done, total=total)
    if sys.argv[1:2] == ["cancel-at"] and done >= int(sys.argv[2]) and not asked[0]:
        asked[0] = time.monotonic()
    return bool(asked[0])


def main() -> None:
    model, settings = find_model(MODEL), Settings.from_env(os.environ)
    try:
        tell(folder=str(locate_tokenizer(model, settings) if sys.argv[1:2] == ["tokenizer"] else locate(model, settings, watch)))
    except ModelError as error:
        tell(error=str(error))
    except Cancelled:
        tell(cancelled=True, seconds=time.monotonic() - asked[0])


main()
