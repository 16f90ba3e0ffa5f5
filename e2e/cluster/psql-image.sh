#!/usr/bin/env bash
# psql-image.sh [options of image.sh]: a shell and the distribution's psql, with the libraries that it loads, for pods that are a
# database's client.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
. "$CLUSTER_SRC/../postgresql.sh"

psql=$(distribution_postgresql)/bin/psql || die "there is no PostgreSQL: install the package postgresql"
busybox=$(command -v busybox)
mapfile -t loaded < <(libraries "$psql")
exec "$CLUSTER_SRC/image.sh" "$busybox" "$PSQL_IMAGE" --as /bin/busybox --entrypoint /bin/sh \
  --file "$psql:/bin/psql" --link busybox:/bin/sh --link busybox:/bin/sleep "${loaded[@]}" "$@"
