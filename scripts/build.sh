#!/usr/bin/env bash
# Configures and builds a preset of CMakePresets.json.
#   scripts/build.sh [release|debug|asan|tsan|clang] [cmake options]
set -euo pipefail
cd "$(dirname "$0")/.."
preset=${1:-release}
shift || true
cmake --preset "$preset" "$@" >"/tmp/caddie-configure.$$" || { cat "/tmp/caddie-configure.$$"; rm -f "/tmp/caddie-configure.$$"; exit 1; }
rm -f "/tmp/caddie-configure.$$"
cmake --build --preset "$preset"
