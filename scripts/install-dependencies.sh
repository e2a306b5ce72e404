#!/usr/bin/env bash
# Installs what Caddie is built with, from Debian 12. Needs root or sudo; does nothing when everything is there.
#   scripts/install-dependencies.sh [test]      "test" adds what only the tests need
set -euo pipefail

packages=(
  build-essential cmake ninja-build mold pkg-config git
  libboost-dev libboost-filesystem-dev nlohmann-json3-dev libfmt-dev libcli11-dev
  libeigen3-dev libssl-dev libxxhash-dev libsentencepiece-dev
  libzstd-dev liblzma-dev zlib1g-dev
  dict-gcide # the default corpus
)
[ "$(dpkg --print-architecture)" = amd64 ] && packages+=(libxbyak-dev)
[ "${1:-}" = test ] && packages+=(libgtest-dev libgmock-dev abigail-tools libopenmpi-dev openmpi-bin)

missing=()
for package in "${packages[@]}"; do
  dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || missing+=("$package")
done
[ ${#missing[@]} -eq 0 ] && exit 0

sudo=()
if [ "$(id -u)" -ne 0 ]; then
  command -v sudo >/dev/null || { echo "install as root: ${missing[*]}" >&2; exit 1; }
  sudo=(sudo)
fi
echo "installing ${missing[*]}" >&2
export DEBIAN_FRONTEND=noninteractive
"${sudo[@]}" apt-get update -q
"${sudo[@]}" apt-get install -y -q --no-install-recommends "${missing[@]}"
