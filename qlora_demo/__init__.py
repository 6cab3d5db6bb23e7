"""Fine-tune a small chat model on this machine and compare it with the original."""

import sys

__version__ = "0.1.0"

# Where the package `kernels` is installed, bitsandbytes and transformers fetch compiled code from the hub, some of it while they are imported.
# This app and its workers do not find it: the one thing that happens at an import.
sys.modules["kernels"] = None  # type: ignore[assignment]
