"""`export`: a finished model as files that others can use, or as a repository of the Hugging Face Hub."""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from huggingface_hub import get_token

from qlora_demo.cli_parts import JsonFlag, opened_studio, print_result, say
from qlora_demo.downloads import Folder, safe_name
from qlora_demo.errors import BusyError, RecipeError, StorageError, UserError
from qlora_demo.export.client import ExportChild, Push
from qlora_demo.export.forms import key_of
from qlora_demo.export.hub_names import check_name
from qlora_demo.export.prepared import Prepared
from qlora_demo.exports import Offer
from qlora_demo.owners import LOCAL
from qlora_demo.pipes import child_environ
from qlora_demo.run_dir import Home
from qlora_demo.studio import Studio

HUB = "hub"
NO_TOKEN = "Sending needs a token with write access: run 'hf auth login' once, or set HF_TOKEN. It is asked of nobody else and kept nowhere."  # noqa: S105
To = Annotated[str, typer.Option("--to", help="adapter, merged, gguf or hub.")]
Out = Annotated[str, typer.Option("--out", help="A .zip or .gguf file, else a folder; with --to hub the repository, such as me/my-model.")]
Quant = Annotated[str, typer.Option("--quant", help="With gguf: q8_0 (the default), f16, or adapter for the add-on alone.")]
FormOption = Annotated[str, typer.Option("--form", help="With hub: send the adapter, merged or gguf; without it the adapter, if there is one.")]
Public = Annotated[bool, typer.Option("--public", help="With hub: for everyone to see. Without it only for you.")]


@dataclass(frozen=True)
class Written:
    """A file, or a folder: then `sha256` is of its list of sums, as sha256sum prints it."""

    path: Path
    bytes: int
    sha256: str


def export(
    run: str,
    to: To = "adapter",
    out: Out = ".",
    quant: Quant = "",
    form: FormOption = "",
    public: Public = False,
    as_json: JsonFlag = False,
) -> None:
    """Take a finished model along, or send it to the Hugging Face Hub."""
    with opened_studio() as studio:
        view = studio.run(LOCAL, studio.find_run(LOCAL, run))
        whole = view.recipe.method == "full"
        key = key_of((form or ("merged" if whole else "adapter")) if to == HUB else to, quant)
        push = Push(check_name(out), not public, _token()) if to == HUB else None
        target = Path(out) if push else _target(Path(out), view.name, key)
        ready = _prepared(studio, view.id, key)
        value = {**_sent(studio.home, view.id, key, push), **_sums(ready)} if push else _written(ready, target)
    print_result({"run": view.id, "form": key, **value}, as_json, lambda: f"{value['path']}  ({value['bytes'] / 1e6:.1f} MB)")


def _target(out: Path, name: str, key: str) -> Path:
    """Inside a folder that is there, under the model's own name; else exactly `out`. Raises StorageError where something is there."""
    target = out.absolute()
    if target.is_dir():
        ending = ".zip" if key == "adapter" else ""
        target = target / f"{safe_name(name)} {key}{ending}"
    if target.exists():
        raise StorageError(f"{target} is there already. Name another place, or delete it first.")
    if target.suffix == ".gguf" and not key.startswith("gguf"):
        raise RecipeError(f"{target.name} is named like a GGUF file. Add --to gguf, or name a folder or a .zip file.")
    if not target.parent.is_dir():
        raise StorageError(f"The folder {target.parent} is not there. Make it first.")
    return target


def _prepared(studio: Studio, run_id: str, key: str) -> Prepared:
    """Through the line; works through it itself where no server of this home does. Raises UserError."""
    try:
        studio.start_exports()
    except StorageError:
        say("A server of this home is running; it will prepare this in its turn.")
    offer = studio.exports.prepare(LOCAL, run_id, key)
    told = ""
    while offer.ready is None or offer.open() is not None:
        if offer.open() is None:
            raise BusyError(_why(offer))
        told = _tell(offer, told)
        time.sleep(0.3)
        offer = studio.exports.offer(LOCAL, run_id, key)
    return offer.ready


def _why(offer: Offer) -> str:
    return offer.prepare.reason if offer.prepare is not None and offer.prepare.reason else "This could not be prepared."


def _tell(offer: Offer, told: str) -> str:
    """Says what is going on, once."""
    row = offer.open()
    doing = row.doing if row is not None and row.doing else "Waiting"
    if doing != told:
        say(f"{doing} ...")
    return doing


def _written(ready: Prepared, target: Path) -> dict[str, Any]:
    try:
        written = _copied(ready, target)
    except OSError as error:
        raise StorageError(f"{target} could not be written ({error.strerror}).") from error
    return {"path": str(written.path), "bytes": written.bytes, "sha256": written.sha256}


def _copied(ready: Prepared, target: Path) -> Written:
    """Under a temporary name first, so that what is at `target` is whole."""
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        if target.suffix == ".zip":
            _zip(ready.folder, temporary, target.stem)
        elif target.suffix == ".gguf":
            name = next(name for name, _, _ in ready.files if name.endswith(".gguf"))
            shutil.copyfile(ready.folder / name, temporary)
        else:
            shutil.copytree(ready.folder, temporary)
            (temporary / "SHA256SUMS").write_text("".join(f"{sha256}  {name}\n" for name, _, sha256 in ready.files), encoding="utf-8")
        temporary.rename(target)
    finally:
        if temporary.is_dir():
            shutil.rmtree(temporary)
        temporary.unlink(missing_ok=True)
    files = [path for path in target.rglob("*") if path.is_file()] if target.is_dir() else [target]
    with (target / "SHA256SUMS" if target.is_dir() else target).open("rb") as file:
        return Written(target, sum(path.stat().st_size for path in files), hashlib.file_digest(file, "sha256").hexdigest())


def _zip(folder: Path, target: Path, name: str) -> None:
    archive = Folder(folder, name).open()
    with target.open("wb") as file:
        for piece in archive.pieces():
            file.write(piece)


def _token() -> str:
    """Of whoever calls. Raises UserError where there is none."""
    token = get_token()
    if not token:
        raise UserError(NO_TOKEN)
    return token


def _sent(home: Home, run_id: str, key: str, push: Push) -> dict[str, Any]:
    """By a child of this process, as a server has no token of whoever calls."""
    environ = {**child_environ(os.environ), "QLORA_DEMO_HOME": str(home.path)}
    child = ExportChild(environ, home.path / "exports.log")
    return {"path": child.push(home.run(run_id).path, key, push, lambda share, doing: say(f"{doing}, {100 * share:.0f} %"))}


def _sums(ready: Prepared) -> dict[str, Any]:
    """As of a folder."""
    sums = "".join(f"{sha256}  {file}\n" for file, _, sha256 in ready.files)
    return {"bytes": ready.bytes(), "sha256": hashlib.sha256(sums.encode()).hexdigest()}
