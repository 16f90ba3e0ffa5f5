#!/usr/bin/env bash
# sample-image.sh [options of image.sh]: the image that config/samples name: it serves HTTP on port 8080.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

exec "$CLUSTER_SRC/image.sh" "$BIN/agnhost" executive-service:1.0.0 --cmd "netexec --http-port=8080 --udp-port=-1" "$@"
