"""The real worker and its ranks in 32 bits, where sums differ in their last digits only; with it a point is saved after every step.

`python -m exact_worker RUN_DIR` is the worker, with more arguments one of its ranks.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch

from qlora_demo.jobs import launch, prepared, rank, worker
from qlora_demo.models.loading import Precision
from qlora_demo.training import callbacks


def in_32_bits(device: str, method: str, paged: bool = False) -> Precision:
    return Precision(torch.float32, "", "fp32: asked for")


if __name__ == "__main__":
    prepared.training_precision = in_32_bits
    callbacks.FIRST_CHECKPOINT_SECONDS = callbacks.CHECKPOINT_SECONDS = callbacks.CHECKPOINT_SHARE = 0
    launch.RANK = "exact_worker"
    given = sys.argv[1:]
    sys.exit(worker.main(Path(given[0])) if len(given) == 1 else rank.main(Path(given[0]), int(given[1]), Path(given[2])))
