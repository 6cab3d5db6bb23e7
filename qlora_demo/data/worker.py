"""The data worker: `python -m qlora_demo.data.worker`. Resident tokenizers, so that the web process needs no torch.

{"op": "count", "model", "system_prompt", "rows": path, "max_length"} is answered by {"type": "done", "tokens": {...}, "last": true}.
"""

from __future__ import annotations

import json
import os
import sys
from functools import lru_cache
from pathlib import Path
from typing import Any

from qlora_demo.catalogue import find_model
from qlora_demo.data.conversation import read_rows
from qlora_demo.data.rendering import Renderer, load_tokenizer
from qlora_demo.errors import UserError
from qlora_demo.pipes import own_output
from qlora_demo.settings import Settings
from qlora_demo.source.locate import locate_tokenizer


def main() -> None:
    output = own_output()
    for line in sys.stdin:
        message = json.loads(line)
        if message["op"] == "count":
            output.write(json.dumps({**_count(message), "last": True}) + "\n")
            output.flush()


def _count(request: dict[str, Any]) -> dict[str, Any]:
    try:
        renderer = _renderer(request["model"], request["system_prompt"])
    except UserError as error:
        return {"type": "error", "message": str(error)}
    rows = read_rows(Path(request["rows"]))
    rendered = [r for i, row in enumerate(rows) for r in renderer.render(row, request["max_length"], i)]
    whole = [len(r.input_ids) for row in rows for r in renderer.render(row, 10**9)]
    return {
        "type": "done",
        "tokens": {
            "total": sum(len(r.input_ids) for r in rendered),
            "trained": sum(r.learned() for r in rendered),
            "longest": max(whole, default=0),
            "cut": sum(length > request["max_length"] for length in whole),
        },
    }


@lru_cache(maxsize=4)
def _renderer(model_id: str, system_prompt: str) -> Renderer:
    model = find_model(model_id)
    return Renderer(load_tokenizer(locate_tokenizer(model, Settings.from_env(os.environ))), model.template_options, system_prompt)


if __name__ == "__main__":
    main()
