"""Names that a careless program would take for a command, an option or a path: run names, file names, model ids and ids, by every way in."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from data.served import Served, serve

from qlora_demo.errors import NotFoundError, UserError
from qlora_demo.owners import LOCAL
from qlora_demo.run_dir import Home, read_json
from qlora_demo.settings import Settings
from qlora_demo.studio import Studio

ROOT = Path(__file__).resolve().parents[2]
NAMES = [
    "$(touch pwned)",
    "`touch pwned`",
    "; touch pwned;",
    "| touch pwned",
    "--help",
    "--config=/etc/passwd",
    "-rf",
    "../../x",
    "/etc/passwd",
    "..\\..\\x",
    "C:\\x",
    "two\nlines",
    "a\x1b[31mred",
    "%s%n{0}{x.__class__}",
    "${HOME}",
    "'; DROP TABLE jobs; --",
    "CON",
]
CSV = "question,answer\n" + "".join(f"lamp {i} and sea?,storm boat tide {i}\n" for i in range(24))


@pytest.fixture
def studio(tiny_home: Home) -> Iterator[Studio]:
    made = Studio(Settings(home=str(tiny_home.path), device="cpu", offline=True))
    yield made
    made.close()


def tree(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")}


def test_a_runs_name_is_only_a_name(studio: Studio, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    (tmp_path / "faq.csv").write_text(CSV)
    dataset = studio.data.add_file(LOCAL, tmp_path / "faq.csv", "faq.csv")
    outside = {path.name for path in tmp_path.iterdir()}
    for name in NAMES:
        run = studio.submit(LOCAL, dataset, studio.recommend(LOCAL, dataset), name)
        assert run.isalnum() and (studio.home.runs / run).is_dir()
        kept = studio.run(LOCAL, run)
        assert kept.name == read_json(studio.home.run(run).run_json)["name"]
        words = shlex.split(kept.command)
        assert words[words.index("--name") + 1] == kept.name  # as one word, whatever is in it
        studio.rename(LOCAL, run, name)
    assert {path.name for path in studio.home.runs.iterdir()} == {job.run for job in studio.jobs(LOCAL)}
    assert {path.name for path in tmp_path.iterdir()} == outside
    assert list((tmp_path / "here").iterdir()) == []


def test_ids_and_models_are_looked_up_and_nothing_else(studio: Studio, tmp_path: Path) -> None:
    (tmp_path / "faq.csv").write_text(CSV)
    dataset = studio.data.add_file(LOCAL, tmp_path / "faq.csv", "faq.csv")
    before = tree(tmp_path)
    for name in [*NAMES, "", ".", "..", "*", "%", "\x00", "x" * 10_000]:
        asked = [
            lambda n: studio.run(LOCAL, n),
            lambda n: studio.log(LOCAL, n),
            lambda n: studio.delete(LOCAL, n),
            lambda n: studio.stop(LOCAL, n),
            lambda n: studio.resume(LOCAL, n),
            lambda n: studio.rename(LOCAL, n, "x"),
            lambda n: studio.download(LOCAL, n),
            lambda n: studio.questions(LOCAL, n),
            lambda n: studio.data.get(LOCAL, n),
            lambda n: studio.find_run(LOCAL, n or "?"),
        ]
        for ask in asked:
            with pytest.raises(NotFoundError):
                ask(name)
        with pytest.raises(UserError):
            studio.recommend(LOCAL, dataset, name or "?")
    assert tree(tmp_path) == before


def test_a_files_name_is_only_a_name(studio: Studio, tmp_path: Path) -> None:
    (tmp_path / "faq.csv").write_text(CSV)
    outside = {path.name for path in tmp_path.iterdir()}
    for name in NAMES:
        dataset = studio.data.add_file(LOCAL, tmp_path / "faq.csv", f"{name}.csv")
        folder = studio.home.datasets / dataset
        assert folder.is_dir() and dataset.isalnum()
        run = studio.submit(LOCAL, dataset, studio.recommend(LOCAL, dataset), "x")
        assert shlex.split(studio.run(LOCAL, run).command)[:4] == ["python", "-m", "qlora_demo", "train"]
    assert {path.name for path in tmp_path.iterdir()} == outside


def test_on_the_command_line(tiny_home: Home, tmp_path: Path) -> None:
    folder = tmp_path / "here"
    folder.mkdir()
    environ = {**os.environ, "PYTHONPATH": str(ROOT), "QLORA_DEMO_OFFLINE": "1"}
    hostile = [name for name in NAMES if "/" not in name and "\\" not in name][:5]
    for name in hostile:
        path = folder / f"{name}.csv"
        path.write_text(CSV)
        before = tree(tmp_path)
        given = [sys.executable, "-m", "qlora_demo", "check", "--json", "--no-tokens", "--", path.name]
        done = subprocess.run(given, capture_output=True, text=True, env=environ, cwd=folder, check=False)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["kept"] == 24
        made = tree(tmp_path) - before
        assert not [one for one in made if not one.startswith("home")], made
    model = ["train", str(path), "--model", "$(touch pwned)"]
    for words in (model, ["show", "--", "../../x"], ["delete", "--", "--yes"], ["train", "--", "../none"]):
        done = subprocess.run([sys.executable, "-m", "qlora_demo", *words], capture_output=True, text=True, env=environ, cwd=folder, check=False)
        assert (done.returncode, "Traceback" in done.stderr) == (2, False), done.stderr
    assert not list(tmp_path.rglob("pwned"))


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    (tmp_path / "uploads").mkdir()
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "uploads"))
    with serve(tmp_path, max_upload_mb=10) as made:
        yield made


def test_by_the_page(served: Served, tmp_path: Path) -> None:
    for name in NAMES:
        sent = served.upload((f"{name}.csv", CSV.encode()))
        assert sent.status_code == 200, (name, sent.text)
        path = Path(sent.json()[0])
        assert path.resolve().is_relative_to(served.uploads.resolve())
        done = served.choose(str(path))
        assert done["success"], (name, done["output"])
    assert not list(tmp_path.rglob("pwned"))
    assert {path.name for path in tmp_path.iterdir()} == {"uploads", "home"}
