#!/usr/bin/env bash
# Unpacks the bundle in a Debian that has nothing but its base system, and trains a small model there. Needs root,
# debootstrap and a Debian mirror; some minutes the first time, the base system is kept in build/bundle/base.
#   scripts/bundle.sh && sudo scripts/check_bundle.sh
set -euo pipefail
cd "$(dirname "$0")/.."
archive=$(ls build/bundle/caddie-*.tar.zst)
base=build/bundle/base
[ -e "$base/bin/sh" ] || debootstrap --variant=minbase bookworm "$base" "${DEBIAN_MIRROR:-http://deb.debian.org/debian}" >/dev/null
rm -rf "$base/opt/caddie" "$base/tmp/trial"
mkdir -p "$base/opt/caddie" "$base/tmp/trial"
zstd -dcq "$archive" | tar -x -C "$base/opt/caddie" --strip-components=1

# Text of a kind: our own pages, a paragraph a document.
awk '{ print } /^$/ { print "" }' README.md docs/*.md > "$base/tmp/trial/text.txt"
cat > "$base/tmp/trial/small.json" <<'JSON'
{
  "extends": ["/opt/caddie/share/caddie/manifests/quickstart.json"],
  "name": "bundle",
  "data": { "text": "text.txt", "folder": "data", "validation": { "fraction": 0.1 }, "tokenizer": { "vocab": 384 } },
  "model": { "layers": 2, "dim": 64, "heads": 2, "kv_heads": 1, "context": 64 },
  "train": { "batch": 8, "steps": 20 },
  "evaluators": { "sliding": { "stride": 32 } }
}
JSON
inside() { chroot "$base" /usr/bin/env -i PATH=/opt/caddie/bin:/usr/bin:/bin HOME=/root /bin/sh -c "cd /tmp/trial && $1"; }
mountpoint -q "$base/proc" || mount -t proc proc "$base/proc"
trap 'umount "$base/proc"' EXIT
inside 'caddie --version'
inside 'caddie doctor'
inside 'caddie plugins list | tail -n 3'
inside 'caddie -q run small.json'

# Of all files of the bundle, these alone need something that the machine has to bring, and nothing else is missing.
missing=$(inside 'for file in /opt/caddie/bin/* $(find /opt/caddie/lib -name "*.so*"); do ldd "$file"; done' |
  awk '/not found/ { print $1 }' | sort -u | tr '\n' ' ')
printf 'not there: %s\n' "$missing"
for name in $missing; do
  case $name in
    libmpi.so.* | libnccl.so.* | libnvrtc.so.* | libcublasLt.so.*) ;;
    *) echo "$name should be in the bundle" >&2; exit 1 ;;
  esac
done

# What needs them ends with one sentence.
refuses() { # COMMAND WORDS
  local said
  if said=$(inside "$1" 2>&1); then
    echo "worked without what it needs: $1" >&2
    exit 1
  fi
  printf '%s\n' "$said"
  case $said in *"$2"*) ;; *) echo "does not speak of $2" >&2; exit 1 ;; esac
}
refuses 'caddie -q run small.json --set compute.backend=cuda --set name=cuda' 'libcaddie_cuda.so'
refuses 'OMPI_COMM_WORLD_RANK=0 OMPI_COMM_WORLD_SIZE=2 caddie -q run small.json --set name=mpi' 'libcaddie_mpi.so'
