#!/usr/bin/env bash
# Measures training steps beside the machine's ceiling and beside other programs, interleaved; prints a table and writes
# build/bench/result.json. PyTorch rows appear where `python3 -c "import torch"` works, or name one: --python PATH.
#   tests/bench/run.sh [--rounds 5] [--threads 1 2] [--torch] [--llmc PROGRAM] [--sizes "4 256 4 512 1024 8"]
#   tests/bench/run.sh --twin      the small twin of PR #2163 beside a PyTorch module of the same mathematics
set -euo pipefail
cd "$(dirname "$0")/../.."
[ -d build/release ] || cmake --preset release >/dev/null
cmake --build --preset release --target bench_step bench_twin >/dev/null
if [[ " $* " != *" --torch"* && " $* " != *" --python"* ]] && ! python3 -c "import torch" 2>/dev/null; then
  set -- "$@" --torch
fi
exec python3 tests/bench/run.py "$@"
