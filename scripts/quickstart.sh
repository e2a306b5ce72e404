#!/usr/bin/env bash
# From a fresh Debian 12 to bits per byte: installs what is missing, builds, and runs manifests/quickstart.json on the GNU
# Collaborative International Dictionary of English. Options are handed to `caddie run`:
#   scripts/quickstart.sh --disable neftune --seed 1
#   scripts/quickstart.sh --set data.text=my-texts/
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/install-dependencies.sh
scripts/build.sh release -DCADDIE_TESTS=OFF
exec build/release/bin/caddie run manifests/quickstart.json "$@"
