#!/usr/bin/env bash
# Runs the small twins of the published records (manifests/records/small) one after another, about two minutes each on two
# cores, and prints their table (docs/records.md). Finished stages are reused. Options are handed to `caddie run`:
#   scripts/records.sh --seed 1
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/install-dependencies.sh
[ -x build/release/bin/caddie ] || scripts/build.sh release -DCADDIE_TESTS=OFF >&2
for run in baseline pr-388 pr-1033 pr-1130 pr-1716 pr-2163; do
  build/release/bin/caddie run "manifests/records/small/$run.json" --runs runs/records "$@" >&2
done
build/release/bin/caddie results --runs runs/records
