"""The tree is the architecture: imports point one way, and the web process stays without the heavy libraries."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "qlora_demo"
# From top to bottom; a module may import its own layer and those below it. docs/architecture.md prints the same list.
LAYERS = (
    ("app",),
    ("__main__", "cli", "cli_export", "cli_parts", "ui"),
    ("web",),
    ("methods",),
    ("studio",),
    ("hosting", "memory", "comparison", "exports"),
    ("run_view", "data_sets", "forecast", "owners", "sharing", "caps", "offers", "downloads", "recovery", "housekeeping", "votes"),
    ("submission", "storage", "bucket", "jobs"),
    ("training", "chat", "evaluation", "export"),
    ("models",),
    ("data",),
    ("source",),
    ("estimate", "spread", "progress"),
    ("recipe", "examples"),
    ("catalogue", "hardware"),
    ("pipes", "redact"),
    ("run_dir", "events"),
    ("room",),
    ("settings",),
    ("errors", "systems"),
)
APART = ("training", "chat", "evaluation", "export")
HEAVY = ("torch", "transformers", "peft", "trl", "bitsandbytes", "datasets", "accelerate", "sacrebleu")


def layer(name: str) -> int:
    return next(i for i, names in enumerate(LAYERS) if name in names)


def imports(path: Path) -> set[str]:
    """The package's parts that a module imports, anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
        names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        found |= {name.split(".")[1] for name in names if name.startswith("qlora_demo.")}
    return found


def modules() -> list[tuple[str, Path]]:
    """(part, file) of every module but the package's own."""
    files = [path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py"]
    return [(path.relative_to(PACKAGE).parts[0].removesuffix(".py"), path) for path in files]


def test_imports_point_down() -> None:
    wrong = []
    for part, path in modules():
        for other in imports(path):
            apart = part in APART and other in APART and part != other
            if layer(other) < layer(part) or apart:
                wrong.append(f"{path.relative_to(ROOT)} imports {other}")
    assert wrong == []


def test_every_module_says_its_purpose_in_one_line() -> None:
    without = [str(path) for _, path in modules() if not (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").strip()]
    assert without == []


def test_the_documented_layers_are_these() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    block = re.search(r"<!-- layers -->\n```\n(.*?)```", text, re.DOTALL)
    assert block, "docs/architecture.md has no layers block"
    assert [tuple(line.split()) for line in block[1].splitlines()] == list(LAYERS)


def test_building_the_page_loads_no_heavy_library() -> None:
    code = (
        "import os, sys, pathlib\n"
        "from qlora_demo.settings import Settings\nfrom qlora_demo.studio import Studio\nfrom qlora_demo.ui.page import build_page\n"
        "studio = Studio(Settings.from_env(os.environ)); studio.start(); build_page(studio); studio.close()\n"
        f"print([name for name in {HEAVY} if name in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.stdout.strip().splitlines()[-1:] == ["[]"], done.stderr


BANNED = (r"shell=True", r"os\.system\(", r"trust_remote_code=True", r"(?<![\w.])eval\(", r"(?<![\w.])exec\(", r"import pickle", r"torch\.load\(")


def test_nothing_runs_a_strangers_text_or_file() -> None:
    found = [f"{path.name}: {word}" for _, path in modules() for word in BANNED if re.search(word, path.read_text(encoding="utf-8"))]
    assert found == []


def test_no_two_test_files_have_one_name() -> None:
    """pytest would collect one of them only."""
    names = [path.name for path in (ROOT / "tests").rglob("test_*.py")]
    assert {name for name in names if names.count(name) > 1} == set()
