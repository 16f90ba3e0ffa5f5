#!/usr/bin/env bash
# psql-image.sh [options of image.sh]: a shell and Debian's psql, with the libraries that it loads, for pods that are a
# database's client.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

psql=/usr/lib/postgresql/15/bin/psql
busybox=$(command -v busybox)
options=(--file "$psql:/bin/psql" --link busybox:/bin/sh --link busybox:/bin/sleep)
while read -r library; do
  options+=(--file "$(readlink -f "$library"):$library")
done < <(ldd "$psql" | grep -o '/[^ ]*\.so[^ ]*' | sort -u)
exec "$CLUSTER_SRC/image.sh" "$busybox" "$PSQL_IMAGE" --as /bin/busybox --entrypoint /bin/sh "${options[@]}" "$@"
