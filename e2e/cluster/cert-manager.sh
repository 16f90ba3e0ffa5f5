#!/usr/bin/env bash
# cert-manager in the cluster: its controller alone. Without its webhook nobody refuses wrong objects, and none are made here.
# cert-manager.sh start            brings it in without waiting for it; does nothing when it runs
# cert-manager.sh wait [SECONDS]   until it runs (60)
set -euo pipefail
. "$(dirname "$0")/lib.sh"

FILES=$CLUSTER_DIR/cert-manager

in_its() { kubectl -n "$CERT_MANAGER_NAMESPACE" "$@"; }

image() {
  wait_for 120 "containerd" "$BIN/ctr" --address "$CONTAINERD_SOCKET" version || die "no containerd to bring cert-manager's image to"
  image_once "$BIN/cert-manager" "$CERT_MANAGER_IMAGE"
}

# Its chart's rights, for they are what the operator's policies know it by.
controller() {
  apply -f - <<EOF
{apiVersion: v1, kind: Namespace, metadata: {name: $CERT_MANAGER_NAMESPACE, labels: {pod-security.kubernetes.io/enforce: restricted}}}
EOF
  "$BIN/helm" template cert-manager "$FILES/chart" --namespace "$CERT_MANAGER_NAMESPACE" \
    --show-only templates/serviceaccount.yaml --show-only templates/rbac.yaml | apply -f -
  apply -f "$CLUSTER_SRC/addons/cert-manager.yaml"
}

runs() { in_its wait --for=jsonpath='{.status.readyReplicas}'=1 deployment/cert-manager --timeout=1s; }

start_cert_manager() {
  local bringing
  if runs >/dev/null 2>&1 && kubectl get -f "$FILES/crds" >/dev/null 2>&1; then return; fi
  image &
  bringing=$!
  definitions "$FILES/crds"
  # A pod whose image is not there yet would ask for it again only after ten seconds.
  wait "$bringing" || die "cert-manager's image could not be brought in"
  controller
}

wait_cert_manager() {
  if wait_for "$1" "cert-manager to run" runs; then return; fi
  in_its get pods -o wide >&2 || true
  in_its get events --field-selector type=Warning >&2 || true
  in_its logs deployment/cert-manager --tail=20 >&2 || true
  exit 1
}

case ${1:-} in
start)
  need_root cert-manager.sh
  start_cert_manager
  ;;
wait) wait_cert_manager "${2:-60}" ;;
*) die "usage: cert-manager.sh start, or wait [SECONDS]" ;;
esac
