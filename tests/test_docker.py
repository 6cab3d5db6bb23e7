"""The Dockerfile and compose.yaml agree with each other and with the repository. `python -m tools.run_dockerfile` carries the steps out."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tools.dockerfile import Step, read_steps

ROOT = Path(__file__).resolve().parent.parent
STEPS = read_steps((ROOT / "Dockerfile").read_text(encoding="utf-8"))
SERVICES = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))["services"]
HADOLINT = shutil.which("hadolint", path=str(Path(sys.executable).parent)) or shutil.which("hadolint")


def steps(word: str) -> list[Step]:
    return [step for step in STEPS if step.word == word]


def environment() -> dict[str, str]:
    return dict(pair.split("=", 1) for step in steps("ENV") for pair in step.text.split())


@pytest.mark.skipif(HADOLINT is None, reason="hadolint, the linter for Dockerfiles, is not installed here")
def test_the_linter_finds_nothing() -> None:
    done = subprocess.run([HADOLINT, "--no-color", str(ROOT / "Dockerfile")], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_steps_are_read_without_comments_and_with_their_lines_joined() -> None:
    read = read_steps("# a\nFROM x\nRUN one \\\n    && two\n# b\nCOPY --chown=1:2 a b ./\n")
    assert read == [Step("FROM", "x"), Step("RUN", "one && two"), Step("COPY", "--chown=1:2 a b ./")]
    assert read[-1].arguments() == ({"chown": "1:2"}, "a b ./")


def test_every_copied_file_is_there_and_let_through() -> None:
    sources = [name for step in steps("COPY") for name in step.arguments()[1].split()[:-1]]
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert "*" in ignored
    assert sources and [name for name in sources if not (ROOT / name).exists() or f"!{name}" not in ignored] == []


def test_the_page_does_not_run_as_root() -> None:
    assert steps("USER")[-1].text == "1000"
    assert "useradd --create-home --uid 1000 user" in [step.text for step in steps("RUN")]
    assert STEPS.index(steps("USER")[-1]) < STEPS.index(steps("CMD")[0])


def test_tini_starts_the_page() -> None:
    assert [step.text for step in steps("ENTRYPOINT") + steps("CMD")] == ['["tini", "--"]', '["python", "app.py"]']


@pytest.mark.parametrize("name", ["app", "app-gpu"])
def test_port_and_volume_are_the_same_in_both(name: str) -> None:
    port, home = environment()["QLORA_DEMO_PORT"], environment()["QLORA_DEMO_HOME"]
    assert steps("EXPOSE")[0].text == port
    assert f"http://127.0.0.1:{port}/" in steps("HEALTHCHECK")[0].text
    assert SERVICES[name]["ports"] == [f"127.0.0.1:{port}:{port}"]
    assert SERVICES[name]["volumes"] == [f"data:{home}"]
    assert environment()["HF_HOME"].startswith(f"{home}/")


def test_only_the_service_for_a_card_asks_for_one() -> None:
    assert "profiles" not in SERVICES["app"] and "deploy" not in SERVICES["app"]
    assert SERVICES["app-gpu"]["profiles"] == ["gpu"]
    assert SERVICES["app-gpu"]["deploy"]["resources"]["reservations"]["devices"] == [{"driver": "nvidia", "count": 1, "capabilities": ["gpu"]}]
