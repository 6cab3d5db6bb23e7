#!/usr/bin/env bash
# Everything that needs a graphics card, in one go: the tests marked gpu, then the table of speed and memory. Installs nothing.
# Where there are several cards, the same run on one and on all comes last. Without a card all say so and nothing fails.
set -euo pipefail
cd "$(dirname "$0")/.."
python -m pytest -m gpu -rs
python -m benchmarks.gpu "$@"
if [ "$(nvidia-smi --list-gpus 2>/dev/null | wc -l)" -gt 1 ]; then
    python -m benchmarks.ranks --processes 0
fi
