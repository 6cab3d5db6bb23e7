"""What the documents say is so."""

from __future__ import annotations

import re
from dataclasses import asdict
from pathlib import Path

import pytest
import yaml

from qlora_demo.catalogue import MODELS
from qlora_demo.export.forms import ADAPTER, GGUF_Q8, MERGED
from qlora_demo.recipe import Recipe
from qlora_demo.settings import Settings, table
from qlora_demo.ui.parts import size

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
DOCUMENTS = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "examples").glob("*.md"))]


def test_the_tree_names_every_part_of_the_package() -> None:
    tree = re.search(r"## What is where\n\n```\n(.*?)```", README, re.DOTALL)[1]
    parts = {p.name + ("/" if p.is_dir() else "") for p in (ROOT / "qlora_demo").iterdir() if p.name not in ("__init__.py", "__pycache__")}
    assert {part for part in parts if part not in tree} == set()


def test_a_space_can_be_made_of_this_repository() -> None:
    about = yaml.safe_load(README.split("---\n")[1])
    pinned = next(line for line in (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines() if line.startswith("gradio"))
    low, high = re.findall(r"[\d.]+", pinned)[:2]
    assert (about["sdk"], about["license"], about["suggested_hardware"]) == ("gradio", "apache-2.0", "t4-small")
    assert about["sdk_version"].startswith(f"{low}.") and int(high) == int(low.split(".")[0]) + 1
    assert (ROOT / about["app_file"]).exists()
    assert about["python_version"] in README.split("---\n", 2)[2]
    assert len(about["short_description"]) <= 60
    assert about["title"] == re.search(r"^# (.*)$", README.split("---\n", 2)[2], re.MULTILINE)[1]


def test_signing_in_asks_for_no_more_than_pushing_needs() -> None:
    about = yaml.safe_load(README.split("---\n")[1])
    assert about["hf_oauth"] is True and about["hf_oauth_scopes"] == ["contribute-repos"]
    assert "contribute-repos" in (ROOT / "docs" / "hosting.md").read_text(encoding="utf-8")


def test_the_two_commands_are_there() -> None:
    assert "pip install -r requirements.txt && python app.py" in README
    assert "pip install -r requirements-dev.txt && python -m pytest" in README


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_linked_files_exist(document: Path) -> None:
    links = re.findall(r"\]\((?!http)([^)#]+)\)", document.read_text(encoding="utf-8"))
    assert [link for link in links if not (document.parent / link).exists()] == []


def test_every_pin_says_why() -> None:
    lines = [line for line in (ROOT / "requirements.txt").read_text().splitlines() if line and not line.startswith("#")]
    pinned = [line for line in lines if "==" in line]
    assert pinned and all("#" in line for line in pinned)


def test_every_command_of_the_readme_exists() -> None:
    source = (ROOT / "qlora_demo" / "cli.py").read_text(encoding="utf-8")
    for command in ("check", "estimate", "evaluate", "train", "chat", "runs", "show", "stop", "resume", "delete", "models"):
        assert command in README
        assert f"\ndef {command}(" in source


def test_the_sizes_of_what_is_taken_home_are_those_of_the_arithmetic() -> None:
    lines = (ROOT / "docs" / "take-home.md").read_text(encoding="utf-8").splitlines()
    models = {model.name: model for model in MODELS}
    told = [cells for line in lines if (cells := [cell.strip() for cell in line.split("|")[1:-1]]) and cells[0] in models]
    assert len(told) == 4
    for name, numbers, *sizes in told:
        dimensions, recipe = models[name].dimensions, Recipe(rank=16)
        assert numbers == f"{dimensions.parameters() / 1e9:.2f} billion"
        assert sizes == [size(form.bytes(dimensions, recipe)) for form in (ADAPTER, GGUF_Q8, MERGED)]


def test_the_limits_in_the_hosts_guide_are_those_of_the_settings() -> None:
    guide = (ROOT / "docs" / "hosting.md").read_text(encoding="utf-8")
    public, workshop = (Settings.from_env({"QLORA_DEMO_MODE": "public", **more}) for more in ({}, {"QLORA_DEMO_WORKSHOP": "a-code"}))
    rows = re.findall(r"^\| [^|]+ \| `QLORA_DEMO_(\w+)` \| ([\d,]+)[^|]* \| ([\d,]+)[^|]* \|$", guide, re.MULTILINE)
    assert len(rows) == 12
    for variable, *told in rows:
        assert [int(number.replace(",", "")) for number in told] == [asdict(one)[variable.lower()] for one in (public, workshop)], variable


def test_every_variable_in_the_guides_exists() -> None:
    known = {name for name, _, _ in table()}
    named = {name for document in DOCUMENTS for name in re.findall(r"QLORA_DEMO_[A-Z_]+", document.read_text(encoding="utf-8"))}
    assert named - known == set()


def test_every_promise_names_tests_that_are_there() -> None:
    lines = (ROOT / "docs" / "promises.md").read_text(encoding="utf-8").splitlines()
    promises = [line for line in lines if line.startswith("| ") and "held by" not in line]
    assert len(promises) > 30
    for promise in promises:
        named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", promise)
        assert named, promise
        for file, test in named:
            assert f"def {test}(" in (ROOT / file).read_text(encoding="utf-8"), f"{file}::{test}"
