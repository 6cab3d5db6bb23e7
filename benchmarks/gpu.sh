#!/usr/bin/env bash
# Everything that needs a graphics card, in one go: the tests marked gpu, then the table of speed and memory. Installs nothing.
# Without a card both say so and nothing fails.
set -euo pipefail
cd "$(dirname "$0")/.."
python -m pytest -m gpu -rs
python -m benchmarks.gpu "$@"
