"""A run that was submitted as all are, and whose worker then left what one leaves at its end."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from qlora_demo.data.conversation import Row, write_rows
from qlora_demo.owners import LOCAL
from qlora_demo.run_dir import RunDir, write_json
from qlora_demo.studio import Studio

FILES = {"adapter_config.json": b'{"r": 8}', "adapter_model.safetensors": bytes(range(256)) * 10_000, "more/empty.txt": b""}


def filled(path: Path) -> Path:
    """A folder with FILES, and a link to something else."""
    for name, content in FILES.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(content)
    (path / "link").symlink_to("/etc/passwd")
    return path


def finished(studio: Studio, folder: Path, name: str, rows: Sequence[Row]) -> RunDir:
    write_rows(folder / "rows.jsonl", list(rows))
    dataset = studio.data.add_file(LOCAL, folder / "rows.jsonl", "rows.jsonl")
    run_id = studio.submit(LOCAL, dataset, studio.recommend(LOCAL, dataset), name)
    run = studio.home.run(run_id)
    filled(run.adapter)
    write_json(run.result_json, {"outcome": "finished", "reason": "", "artifact_bytes": 5})
    studio.ledger.move(studio.run(LOCAL, run_id).job.id, ("queued",), "finished")
    return run
