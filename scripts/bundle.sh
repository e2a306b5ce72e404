#!/usr/bin/env bash
# Packs the program, its plugins and the libraries they need into one folder and one archive that run on another x86-64
# Linux with nothing but its glibc (as new as this machine's, or newer), wherever they are unpacked:
#
#   scripts/bundle.sh [FOLDER]        build/bundle/caddie-<version>/ and build/bundle/caddie-<version>.tar.zst
set -euo pipefail
cd "$(dirname "$0")/.."
limit=$((64 * 1024 * 1024))

command -v patchelf >/dev/null || { echo "needs patchelf (Debian: patchelf)" >&2; exit 1; }
[ -x build/release/bin/caddie ] || { scripts/install-dependencies.sh; scripts/build.sh release -DCADDIE_TESTS=OFF; }

parent=${1:-build/bundle}
version=$(build/release/bin/caddie --version | awk '{ print $2 }')
bundle=$parent/caddie-$version
rm -rf "$bundle" "$bundle.tar.zst"
mkdir -p "$parent"
cmake --install build/release --prefix "$bundle" --strip >/dev/null
library=$bundle/lib/caddie
carried=$library/third-party
mkdir -p "$carried"

# Stays out, because it has to be the machine's own: glibc; MPI, which has to be the one of the launcher and of the
# network; NVIDIA's libraries.
own='^(lib(c|m|dl|pthread|rt|resolv|util|mpi|cudart|cublas|cublasLt|nvrtc|nccl)|ld-linux[-a-z0-9_]*)\.so'

# Copies what FILE needs, and what that needs in turn.
carry() { # FILE
  local name path
  patchelf --print-needed "$1" | { grep -Ev "$own" || true; } | while read -r name; do
    [ ! -e "$carried/$name" ] || continue
    path=$(ldd "$1" | awk -v name="$name" '$1 == name { print $3 }')
    cp -L "$path" "$carried/$name"
    carry "$path"
  done
}

# Each file looks for the others where it is itself, wherever that is.
carry "$bundle/bin/caddie"
patchelf --set-rpath '$ORIGIN/../lib/caddie/third-party' "$bundle/bin/caddie"
for file in "$library"/plugins/*.so; do
  carry "$file"
  patchelf --set-rpath '$ORIGIN/../third-party' "$file"
done
# Libraries that are loaded on demand, where this build has them. NVIDIA's packages install there or tell ld.so.
for file in "$library"/libcaddie_*.so; do
  [ -e "$file" ] || continue
  carry "$file"
  patchelf --set-rpath '$ORIGIN/third-party:/usr/local/cuda/lib64' "$file"
done
for file in "$carried"/*; do
  chmod 644 "$file"
  patchelf --set-rpath '$ORIGIN' "$file"
done

tar --sort=name --owner=0 --group=0 --numeric-owner -C "$parent" -cf - "caddie-$version" | zstd -q -19 -T0 -o "$bundle.tar.zst"
size=$(stat -c %s "$bundle.tar.zst")
unpacked=$(du -sb "$bundle" | cut -f 1)
printf '%s  %s B, %s B unpacked, %s libraries carried\n' "$bundle.tar.zst" "$size" "$unpacked" "$(find "$carried" -type f | wc -l)"
[ "$unpacked" -lt "$limit" ] || { echo "more than 64 MiB" >&2; exit 1; }
