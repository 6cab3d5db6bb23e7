"""A child process that pushes models, as the app's own does: one request a line, {"folder", "name", "private", "token", "patience", "silence"}.

"stop_at" is a share at which whoever follows the progress has had enough.
"""

from __future__ import annotations

import json
import sys
import traceback
from pathlib import Path
from typing import Any

from qlora_demo.errors import UserError
from qlora_demo.export import hub, hub_session
from qlora_demo.export.hub_names import Repository
from qlora_demo.pipes import own_output


class Enough(Exception):
    """Said by whoever follows."""


def answer(asked: dict[str, Any]) -> dict[str, Any]:
    hub_session.PATIENCE_SECONDS = asked["patience"]
    hub_session.SILENCE_SECONDS = hub.TIDYING_SECONDS = asked["silence"]
    shares: list[float] = []

    def tell(share: float) -> None:
        shares.append(share)
        if share >= asked["stop_at"]:
            raise Enough

    try:
        pushed = hub.push(Path(asked["folder"]), Repository(asked["name"], asked["private"]), asked["token"], tell)
    except (UserError, Enough) as error:
        return {"error": type(error).__name__, "sentence": str(error), "shares": shares, "trace": traceback.format_exc()}
    return {"url": pushed.url, "commit": pushed.commit, "bytes": pushed.bytes, "shares": shares}


def main() -> None:
    out = own_output()
    for line in sys.stdin:
        print(json.dumps({**answer(json.loads(line)), "last": True}), file=out, flush=True)


main()
