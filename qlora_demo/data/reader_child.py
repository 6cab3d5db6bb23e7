"""The short child that reads: `python -m qlora_demo.data.reader_child`. It alone opens what strangers give, within memory that it cannot exceed.

Standard input: {"path", "ours", "display_name", "choices", "limits", "out"}. Standard output: {"ok": true}, or {"error", "ways_out", "columns"}.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from qlora_demo.data.choices import Choices
from qlora_demo.data.prepare import prepare
from qlora_demo.data.reader import SOURCE, most_memory, too_much_memory, unfinished
from qlora_demo.data.table import Limits
from qlora_demo.data.taking import take_copy
from qlora_demo.errors import DataError, UserError
from qlora_demo.room import DISK_FULL, is_full
from qlora_demo.run_dir import publish
from qlora_demo.systems import give_way, limit_memory


def main() -> None:
    give_way()
    request = json.loads(sys.stdin.read())
    print(json.dumps(_answer(request)))


def _answer(request: Mapping[str, Any]) -> dict[str, Any]:
    """The folder is built beside `out`, synced and renamed: whole or absent."""
    out, path, name = Path(request["out"]), Path(request["path"]), request["display_name"]
    limits = Limits(**request["limits"])
    building = unfinished(out)
    try:
        limit_memory(most_memory(path, limits))
        building.mkdir(parents=True)
        source = building / SOURCE
        if request["ours"]:
            os.link(path, source)
        else:
            take_copy(path, name, limits, source)
        prepare(source, name, Choices.from_json(request["choices"]), limits, building)
        (building / "unpacked").unlink(missing_ok=True)
        publish(building, out)
    except DataError as error:
        ways_out = [[way.label, dict(way.change)] for way in error.ways_out]
        return {"error": str(error), "ways_out": ways_out, "columns": list(error.columns)}
    except UserError as error:
        return {"error": str(error), "ways_out": [], "columns": []}
    except OSError as error:
        if not is_full(error):
            raise
        return {"error": DISK_FULL, "ways_out": [], "columns": []}
    except MemoryError:
        return {"error": too_much_memory(name), "ways_out": [], "columns": []}
    return {"ok": True}


if __name__ == "__main__":
    main()
