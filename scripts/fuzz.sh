#!/usr/bin/env bash
# Fuzzes every parser of bytes from outside with libFuzzer, ASan and UBSan. Needs clang and libclang-rt-14-dev.
#   scripts/fuzz.sh [seconds for each, 60]
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${1:-60}
scripts/build.sh fuzz
for program in build/fuzz/tests/fuzz/fuzz_*; do
  [ -x "$program" ] && [ -f "$program" ] || continue
  echo "== $(basename "$program")"
  corpus=build/fuzz/corpus/$(basename "$program")
  mkdir -p "$corpus"
  "$program" -max_total_time="$seconds" -rss_limit_mb=4096 -print_final_stats=1 "$corpus" 2>&1 | tail -n 8
done
