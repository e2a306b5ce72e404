#!/usr/bin/env bash
# Packs the program, its plugins and the libraries they need into one folder and one archive that run on another x86-64
# Linux with nothing but its glibc (as new as this machine's, or newer), wherever they are unpacked:
#
#   scripts/bundle.sh [FOLDER]        build/bundle/caddie-<version>/ and build/bundle/caddie-<version>.tar.zst
#
# What has to be the machine's own stays out: glibc, the NVIDIA driver, the CUDA Toolkit's libraries, MPI.
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

# Of a file of ours, the libraries it needs that are carried: soname and path.
needed() {
  ldd "$1" | awk '$2 == "=>" && $3 ~ /^\// { print $1, $3 }' |
    grep -Ev '^(libc|libm|libdl|libpthread|librt|libresolv|libutil|libnss_[a-z]*|ld-linux[-a-z0-9_]*)\.so' |
    grep -Ev '^lib(mpi|open-rte|open-pal|pmix|hwloc|event[_a-z]*|cuda|cudart|cublas|cublasLt|nvrtc|cudnn|nccl)[.-]' || true
}

carry() { # FILE RUNPATH: copies what FILE needs and makes FILE look for it there
  needed "$1" | while read -r name path; do
    [ -e "$carried/$name" ] || cp -L "$path" "$carried/$name"
  done
  patchelf --set-rpath "$2" "$1"
}

carry "$bundle/bin/caddie" '$ORIGIN/../lib/caddie/third-party'
for file in "$library"/plugins/*.so; do carry "$file" '$ORIGIN/../third-party'; done
# Libraries that are loaded on demand: what they need beside these is the machine's own.
for file in "$library"/libcaddie_*.so; do
  [ -e "$file" ] && patchelf --set-rpath '$ORIGIN/third-party' "$file"
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
