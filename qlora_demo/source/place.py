"""Where the bundled model is kept. Apart from `bundled`, so that the web process can look without importing torch."""

from __future__ import annotations

from pathlib import Path

from qlora_demo.catalogue import BUNDLED_ID, find_model


def bundled_folder(models: Path) -> Path:
    """There if and only if it is whole."""
    return models / f"smollm2-135m-instruct-{find_model(BUNDLED_ID).sha256[:12]}"
