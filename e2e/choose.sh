# shellcheck shell=bash
# Which cluster is meant: CLUSTER=local|kind|current, or what fits this machine. Sets CLUSTER, says why, and leads kubectl and
# helm there.

# Takes three of the local cluster's settings. The names of the others, of its database and its gateway, are those by which users of
# e2e/up.sh describe another cluster's.
mapfile -t settings < <(. "$(dirname "${BASH_SOURCE[0]}")/cluster/settings.sh" && printf '%s\n' "$REPO" "$BIN" "$ADMIN_KUBECONFIG")
REPO=${settings[0]} BIN=${settings[1]} ADMIN_KUBECONFIG=${settings[2]}
# shellcheck disable=SC2034
KIND_NAME=tenant-operator
KIND_KUBECONFIG=$REPO/target/kind/kubeconfig
PATH=$BIN:$PATH

say() { printf '%s\n' "$*" >&2; }
die() { say "error: $*"; exit 1; }

reachable() { command -v kubectl >/dev/null && kubectl get --raw /readyz --request-timeout=5s >/dev/null 2>&1; }
same_file() { [ "$(readlink -f "$1")" = "$(readlink -f "$2")" ]; }

choose_cluster() {
  local reason
  if [ -n "${CLUSTER:-}" ]; then
    reason="CLUSTER says so"
  elif [ -n "${KUBECONFIG:-}" ] && same_file "$KUBECONFIG" "$ADMIN_KUBECONFIG"; then
    CLUSTER=local reason="KUBECONFIG is the local cluster's"
  elif [ -n "${KUBECONFIG:-}" ] && same_file "$KUBECONFIG" "$KIND_KUBECONFIG"; then
    CLUSTER=kind reason="KUBECONFIG is the kind cluster's"
  elif [ -n "${KUBECONFIG:-}" ] && reachable; then
    CLUSTER=current reason="KUBECONFIG is set and its cluster answers"
  elif command -v kind >/dev/null && command -v docker >/dev/null && docker info >/dev/null 2>&1; then
    CLUSTER=kind reason="Docker runs and kind is installed"
  else
    CLUSTER=local reason="no reachable KUBECONFIG, and no Docker with kind"
  fi
  say "cluster: $CLUSTER ($reason)"
  case $CLUSTER in
  local) export KUBECONFIG=$ADMIN_KUBECONFIG ;;
  kind) export KUBECONFIG=$KIND_KUBECONFIG ;;
  current) ;;
  *) die "CLUSTER is one of local, kind, current" ;;
  esac
}
