#!/usr/bin/env bash
# make bench: N tenants (200) on the real control plane, their pods on nodes that KWOK plays, beside the floor. Prints a table
# and puts it into docs/benchmarks.md. The cluster is the local one, which is brought up with the operator in it.
# With DB=1: 1000 tenants unless N says otherwise, each with a schema on one PostgreSQL server, which is started for it.
# With ROUTES=1: as many, each with a host, an API key and a limit at the local cluster's gateway.
# With LOAD=1: the same tenants, and requests to them and to others' pods and schemas, without the other phases.
set -euo pipefail
. "$(dirname "$0")/../cluster/lib.sh"
export OPERATOR_PROFILE=release
. "$(dirname "$0")/../rust.sh"

cd "$REPO"
DB=${DB:-}
ROUTES=${ROUTES:-}
LOAD=${LOAD:-}
N=${N:-${DB:+1000}}
N=${N:-${ROUTES:+1000}}
N=${N:-${LOAD:+1000}}
N=${N:-200}
case ${DB:+x}${ROUTES:+x}${LOAD:+x} in xx*) die "one of DB, ROUTES and LOAD: each is a run of its own" ;; esac
case $N in '' | *[!0-9]*) die "N is a number of tenants, not $N" ;; esac
CLUSTER=local e2e/up.sh >&2
. "$CLUSTER_DIR/env"
export KUBECONFIG AUDIT_LOG

PROGRAMS=(--package tenant-operator --bin bench)
if [ -n "$LOAD" ]; then PROGRAMS+=(--package example-app --bin example-app); fi
cargo build "${RELEASE_FLAGS[@]}" --features bench "${PROGRAMS[@]}"

# The application of the examples, as it is released.
APPLICATION=example-app:bench
images() { "$BIN/ctr" --address "$CONTAINERD_SOCKET" -n k8s.io images "$@"; }

ended() {
  if [ -n "${made_image:-}" ]; then images rm "docker.io/library/$APPLICATION" >/dev/null || true; fi
  if [ -n "${made_nodes:-}" ]; then e2e/cluster/fake-nodes.sh 0 >/dev/null; fi
  if [ -n "${server:-}" ]; then e2e/bench/database.sh stop "$server"; fi
}
trap ended EXIT

# A node takes a thousand pods, of which those with routes have none. Nodes that are there already are somebody else's.
if [ -z "$ROUTES$LOAD" ] && [ -z "$(kubectl get nodes -l type=kwok -o name)" ]; then
  made_nodes=1
  e2e/cluster/fake-nodes.sh "$((N / 500 + 2))" --taint >/dev/null
fi
if [ -n "$DB" ]; then
  server=${TMPDIR:-/tmp}/tenant-operator-bench
  e2e/bench/database.sh start "$server"
  # Longer than between two looks at a server.
  set -- --database "$server" --quiet 180 "$@"
fi
if [ -n "$ROUTES" ]; then set -- --routes "$@"; fi
if [ -n "$LOAD" ]; then
  e2e/cluster/image.sh "target/$RUST_TARGET/release/example-app" "$APPLICATION"
  made_image=1
  # Each tenant's client keeps a connection.
  ulimit -n "$(ulimit -Hn)"
  set -- --load "$@"
fi
revision=$(git rev-parse --short HEAD 2>/dev/null || echo unknown)
if [ -n "$(git status --porcelain -- src charts Cargo.lock 2>/dev/null)" ]; then revision="$revision with changes"; fi
"target/$RUST_TARGET/release/bench" --tenants "$N" --revision "$revision" --record docs/benchmarks.md "$@"
