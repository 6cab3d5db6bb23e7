"""A disk of a few megabytes, as a real mount. Where mounting is not allowed, the tests that need it are skipped and say so."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def small_disk(place: Path, megabytes: int) -> Iterator[Path]:
    """Mounted at `place`, which is made."""
    if sys.platform != "linux" or os.geteuid() != 0 or not Path("/usr/bin/mount").exists():
        pytest.skip("only root on Linux may mount a small disk")
    place.mkdir()
    mount = ["/usr/bin/mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(place)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"a small disk cannot be mounted here: {done.stderr.strip()}")
    try:
        yield place
    finally:
        subprocess.run(["/usr/bin/umount", "--lazy", str(place)], check=True)


def fill(place: Path, leave: int = 0) -> Path:
    """Writes a file until no more than `leave` bytes are free."""
    filler = place / "filler"
    block = bytes(1 << 12)
    with filler.open("ab", buffering=0) as file:
        try:
            while os.statvfs(place).f_bavail * os.statvfs(place).f_frsize > leave:
                file.write(block)
        except OSError:
            return filler
    return filler
