#!/usr/bin/env bash
# shell-image.sh [options of image.sh]: a shell for pods in which commands are run: busybox, and each of its applets by name.
#   BUSYBOX=FILE   a static one (the machine's unless told)
set -euo pipefail
. "$(dirname "$0")/lib.sh"

busybox=${BUSYBOX:-$(command -v busybox)}
applets=()
while read -r applet; do
  if [ "$applet" != busybox ]; then applets+=(--link "busybox:/bin/$applet"); fi
done < <("$busybox" --list)
exec "$CLUSTER_SRC/image.sh" "$busybox" "$BUSYBOX_IMAGE" --as /bin/busybox --entrypoint /bin/sh "${applets[@]}" "$@"
