"""What the commands of the command line share: a Studio, and where results and remarks go."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer

from qlora_demo.settings import Settings
from qlora_demo.studio import Studio

JsonFlag = Annotated[bool, typer.Option("--json", help="Print exactly one JSON object.")]


@contextmanager
def opened_studio() -> Iterator[Studio]:
    studio = Studio(Settings.from_env(os.environ))
    try:
        yield studio
    finally:
        studio.close()


def say(text: str) -> None:
    """On standard error."""
    print(text, file=sys.stderr, flush=True)


def print_result(value: dict[str, Any], as_json: bool, text: Callable[[], str]) -> None:
    """On standard output."""
    print(json.dumps(value, ensure_ascii=False) if as_json else text(), flush=True)
