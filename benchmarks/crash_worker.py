"""The real worker, saving a point as often as it can: what a minute of training does for a real run, seconds do here."""

from __future__ import annotations

import sys
from pathlib import Path

from qlora_demo.jobs import worker
from qlora_demo.training import callbacks

callbacks.CHECKPOINT_SECONDS = callbacks.FIRST_CHECKPOINT_SECONDS = 0.4
callbacks.CHECKPOINT_SHARE = 2

if __name__ == "__main__":
    sys.exit(worker.main(Path(sys.argv[1])))
