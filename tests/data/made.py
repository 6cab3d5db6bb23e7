"""A data set as the reading child makes it, in this process."""

from __future__ import annotations

import tempfile
from pathlib import Path

from qlora_demo.data.choices import Choices
from qlora_demo.data.dataset import PreparedDataset
from qlora_demo.data.prepare import prepare
from qlora_demo.data.table import Limits


def made(folder: Path, content: str | bytes, name: str = "faq.csv", choices: Choices | None = None, limits: Limits | None = None) -> PreparedDataset:
    """Reads `content` as a file of this name. Its data set lies in a new folder inside `folder`."""
    inside = Path(tempfile.mkdtemp(dir=folder))
    (inside / "source").write_bytes(content.encode() if isinstance(content, str) else content)
    return prepare(inside / "source", name, choices or Choices(), limits or Limits(), inside)
