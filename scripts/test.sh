#!/usr/bin/env bash
# Installs what is missing, builds, runs every test. Options are handed to ctest:
#   scripts/test.sh -R graph
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/install-dependencies.sh test
scripts/build.sh release -DCADDIE_TESTS=ON
exec ctest --preset release --parallel "$(nproc)" "$@"
