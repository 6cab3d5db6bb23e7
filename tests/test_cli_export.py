"""`export` on the command line: where the files go, what is printed, and what is refused before anything is made."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from fake_model_hub import ME, TOKEN, FakeModelHub
from learned import learned_run

from qlora_demo.run_dir import Home, RunDir
from qlora_demo.settings import Settings
from qlora_demo.studio import Studio

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def run(tiny_home: Home, tiny_folder: Path) -> RunDir:
    studio = Studio(Settings(home=str(tiny_home.path), device="cpu", offline=True))
    made = learned_run(studio, tiny_folder)
    studio.close()
    return made


@pytest.fixture
def hub() -> Iterator[FakeModelHub]:
    with FakeModelHub() as made:
        yield made


def command(run: RunDir, *words: str, **environ: str) -> subprocess.CompletedProcess:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "QLORA_DEMO_"))}
    home = run.path.parent.parent
    own = {"PYTHONPATH": str(ROOT), "QLORA_DEMO_HOME": str(home), "QLORA_DEMO_DEVICE": "cpu", "HF_HOME": str(home.parent / "hf")}
    asked = [sys.executable, "-m", "qlora_demo", "export", run.id, *words]
    return subprocess.run(asked, capture_output=True, text=True, env={**kept, **own, **environ}, cwd=home.parent, check=False)


def printed(done: subprocess.CompletedProcess) -> dict:
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_zip_a_folder_and_a_place_inside_a_folder(run: RunDir, tmp_path: Path) -> None:
    zipped = printed(command(run, "--to", "adapter", "--out", str(tmp_path / "mine.zip"), "--json"))
    assert zipped["form"] == "adapter" and zipped["run"] == run.id and zipped["path"] == str(tmp_path / "mine.zip")
    assert zipped["sha256"] == hashlib.sha256((tmp_path / "mine.zip").read_bytes()).hexdigest()
    assert zipped["bytes"] == (tmp_path / "mine.zip").stat().st_size
    with zipfile.ZipFile(tmp_path / "mine.zip") as archive:
        assert {name.partition("/")[2] for name in archive.namelist()} == {"README.md", "adapter_config.json", "adapter_model.safetensors"}
    folder = printed(command(run, "--to", "merged", "--out", "whole", "--json"))  # from where the command is called
    assert Path(folder["path"]) == tmp_path / "whole" and (tmp_path / "whole" / "model.safetensors").exists()
    assert folder["sha256"] == hashlib.sha256((tmp_path / "whole" / "SHA256SUMS").read_bytes()).hexdigest()
    (tmp_path / "there").mkdir()
    inside = printed(command(run, "--to", "adapter", "--out", str(tmp_path / "there"), "--json"))
    assert inside["path"] == str(tmp_path / "there" / "My FAQ adapter.zip")
    assert not list(tmp_path.glob("**/.*.tmp"))


def test_what_is_there_is_not_overwritten_and_bad_words_are_sentences(run: RunDir, tmp_path: Path) -> None:
    (tmp_path / "kept.zip").write_text("mine")
    refused = {
        ("--to", "adapter", "--out", "kept.zip"): "kept.zip is there already. Name another place",
        ("--to", "adapter", "--out", "x.gguf"): "x.gguf is named like a GGUF file",
        ("--to", "adapter", "--out", "no/such/folder.zip"): "is not there. Make it first",
        ("--to", "onnx", "--out", "x"): "cannot be had as 'onnx'. There are: adapter, merged",
        ("--to", "gguf", "--quant", "q2", "--out", "x"): "Choose --quant q8_0",
    }
    for words, sentence in refused.items():
        done = command(run, *words, "--json")
        assert (done.returncode, done.stdout) == (2, "") and sentence in done.stderr, done.stderr
    assert (tmp_path / "kept.zip").read_text() == "mine" and not run.exports.exists()
    done = command(run, "--to", "gguf", "--out", "x", QLORA_DEMO_OFFLINE="1")
    assert done.returncode == 2 and "QLORA_DEMO_OFFLINE is set" in done.stderr and "Traceback" not in done.stderr


def test_sending_needs_a_token_and_sends_with_it(run: RunDir, hub: FakeModelHub) -> None:
    done = command(run, "--to", "hub", "--out", "faq", "--json", HF_ENDPOINT=hub.url)
    assert done.returncode == 2 and "needs a token with write access" in done.stderr and not hub.requests
    told = printed(command(run, "--to", "hub", "--out", "faq", "--json", HF_ENDPOINT=hub.url, HF_TOKEN=TOKEN))
    assert told["path"] == f"{hub.url}/{ME}/faq" and told["form"] == "adapter" and len(told["sha256"]) == 64
    repo = hub.repos[f"{ME}/faq"]
    assert repo.private and set(repo.added()) == {"README.md", "adapter_config.json", "adapter_model.safetensors"} and hub.problems == []
    again = command(run, "--to", "hub", "--out", "faq", HF_ENDPOINT=hub.url, HF_TOKEN=TOKEN)
    assert again.returncode == 2 and "Choose another name" in again.stderr
    held = b"".join(path.read_bytes() for path in run.path.parent.parent.rglob("*") if path.is_file() and not path.is_symlink())
    assert TOKEN.encode() not in held


def test_a_running_server_prepares_what_a_command_asks_for(run: RunDir, tmp_path: Path) -> None:
    server = Studio(Settings(home=str(run.path.parent.parent), device="cpu", offline=True))
    server.start()
    try:
        done = command(run, "--to", "merged", "--out", "whole", "--json")
        assert "A server of this home is running" in done.stderr
        assert Path(printed(done)["path"], "model.safetensors").exists()
    finally:
        server.close()
