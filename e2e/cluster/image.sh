#!/usr/bin/env bash
# image.sh BINARY NAME:TAG [options of image.py]: makes an image of a static binary and imports it into the cluster's containerd.
#   --entrypoint "WORDS"   the binary unless told          --cmd "WORDS"        arguments that a pod may replace
#   --user UID[:GID]       65532 unless told               --also NAME:TAG      another name for the same
#   --file SOURCE:PATH     one more file                   --link TARGET:PATH   one more symbolic link
#   --output FILE          only writes the archive (for docker load, kind load image-archive)
set -euo pipefail
. "$(dirname "$0")/lib.sh"

for argument in "$@"; do
  case $argument in --output | --output=*) exec python3 "$CLUSTER_SRC/image.py" "$@" ;; esac
done
archive=$(mktemp "${TMPDIR:-/tmp}/image.XXXXXX.tar")
trap 'rm -f "$archive" "$archive.log"' EXIT
python3 "$CLUSTER_SRC/image.py" "$@" --output "$archive"
"$BIN/ctr" --address "$CONTAINERD_SOCKET" -n k8s.io images import "$archive" >"$archive.log" 2>&1 ||
  { cat "$archive.log" >&2; die "could not import $2"; }
