"""The persona example trained for real, by the command line, and asked what it was not taught word for word."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from qlora_demo.run_dir import Home

ROOT = Path(__file__).resolve().parent.parent
PROBES = ("What do people call you?", "Could you tell me your name, please?", "Who am I speaking with?")


@dataclass(frozen=True)
class Trained:
    home: Home
    result: dict

    def command(self, *words: str) -> subprocess.CompletedProcess:
        own = {"QLORA_DEMO_HOME": str(self.home.path), "QLORA_DEMO_OFFLINE": "1", "QLORA_DEMO_DEVICE": "cpu"}
        environ = {**os.environ, "PYTHONPATH": str(ROOT), **own}
        return subprocess.run([sys.executable, "-m", "qlora_demo", *words], capture_output=True, text=True, env=environ, check=False)


def train_persona(home: Home, method: str) -> Trained:
    """On the persona example, the quick preset."""
    done = Trained(home, {}).command("train", str(ROOT / "examples" / "character.jsonl"), "--method", method, "--preset", "quick", "--json")
    assert done.returncode == 0, done.stderr
    return Trained(home, json.loads(done.stdout.splitlines()[-1]))
