"""Files read by the real reading child: what comes of them, in short, and how much memory that took."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

import pytest
from data.fuzzing import assert_helpful

from qlora_demo.data.choices import Choices
from qlora_demo.data.conversation import Conversation, Row
from qlora_demo.data.dataset import PreparedDataset, load_dataset_folder
from qlora_demo.data.reader import read_in_child
from qlora_demo.data.table import Limits
from qlora_demo.errors import DataError, WayOut

ROOT = Path(__file__).resolve().parent.parent.parent
MEASURED = (
    "import sys; from qlora_demo.data import reader_child; from qlora_demo.systems import peak_memory\n"
    "reader_child.main(); print(peak_memory(), file=sys.stderr)"
)


@dataclass(frozen=True)
class Refused:
    """A file, and the sentence that refuses it."""

    name: str
    content: str | bytes
    sentence: str
    limits: Limits = Limits()


@dataclass(frozen=True)
class Read:
    """A file, the rows that come of it ("question | answer"), and the remarks on it, without that on their small number."""

    name: str
    content: str | bytes
    rows: tuple[str, ...]
    remarks: tuple[str, ...] = ()
    limits: Limits = Limits()
    choices: Choices = Choices()


def ask(folder: Path, name: str, content: str | bytes, limits: Limits | None = None, choices: Choices | None = None) -> PreparedDataset:
    """Raises DataError."""
    inside = Path(tempfile.mkdtemp(dir=folder))
    (inside / "upload").write_bytes(content.encode() if isinstance(content, str) else content)
    try:
        read_in_child(inside / "upload", name, choices or Choices(), limits or Limits(), inside / "datasets" / "one")
    except DataError:
        assert list((inside / "datasets").iterdir()) == []
        raise
    assert {path.name for path in inside.rglob("*") if path.is_file()} == {"upload", "source", "dataset.json", "rows.jsonl", "index.npy"}
    return load_dataset_folder(inside / "datasets" / "one")


def refusal(folder: Path, name: str, content: str | bytes, limits: Limits | None = None) -> DataError:
    with pytest.raises(DataError) as caught:
        ask(folder, name, content, limits)
    assert_helpful(caught.value, name)
    return caught.value


def remarks(dataset: PreparedDataset) -> tuple[str, ...]:
    return tuple(finding.message for finding in dataset.report.findings if finding.code != "few_rows")


def texts(row: Row) -> str:
    return " | ".join(m.content for m in row.messages if m.role != "system") if isinstance(row, Conversation) else row.text


def check(folder: Path, case: Refused | Read) -> None:
    if isinstance(case, Refused):
        assert str(refusal(folder, case.name, case.content, case.limits)) == case.sentence
        return
    dataset = ask(folder, case.name, case.content, case.limits, case.choices)
    assert (tuple(map(texts, dataset.rows)), remarks(dataset)) == (case.rows, case.remarks)


def measured(folder: Path, name: str, content: bytes, limits: Limits) -> tuple[DataError | None, int]:
    """(why it is refused, bytes at the highest point) of the child."""
    inside = Path(tempfile.mkdtemp(dir=folder))
    (inside / "upload").write_bytes(content)
    about = {"path": str(inside / "upload"), "ours": False, "display_name": name, "out": str(inside / "out")}
    request = json.dumps({**about, "choices": {}, "limits": asdict(limits)})
    done = subprocess.run([sys.executable, "-c", MEASURED], input=request, capture_output=True, text=True, check=True, cwd=ROOT)
    reply = json.loads(done.stdout)
    ways_out = [WayOut(label, change) for label, change in reply.get("ways_out", [])]
    refused = DataError(reply["error"], ways_out, reply["columns"]) if "error" in reply else None
    return refused, int(done.stderr.splitlines()[-1])
