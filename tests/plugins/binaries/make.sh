#!/usr/bin/env bash
# Builds the plugin files of one release, to be kept for ever: tests/plugins/binaries/make.sh 1.0
# Run it once when a release is made, on Debian 12 for x86-64, and commit what comes out. Files that are there stay.
set -euo pipefail
release=${1:?which release of the ABI, for example 1.0}
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
options=(-O2 -fPIC -shared -s -fvisibility=hidden -ffp-contract=off "-ffile-prefix-map=$root/="
         -I"$root/sdk/include" -Wl,--version-script="$root/sdk/cmake/plugin-exports.map" -Wl,-z,defs -Wl,-z,noseparate-code
         -Wl,--build-id=none)

build() { # NAME COMPILER... SOURCE
  local out=$here/$1-$release.so
  shift
  [ -e "$out" ] && { echo "$out is there already; a kept file never changes" >&2; return; }
  "$@" "${options[@]}" -DCADDIE_BUILD_INFO="\"release $release\"" -o "$out"
  ls -l "$out"
}

build nine gcc -std=c99 "$root/tests/plugins/abi/nine.c"
build logit-softcap g++ -std=c++20 -fno-gnu-unique "$root/plugins/blocks/logit-softcap/logit-softcap.cpp"
build muon g++ -std=c++20 -fno-gnu-unique "$root/plugins/optimizers/muon/muon.cpp"
