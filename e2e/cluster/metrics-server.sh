#!/usr/bin/env bash
# metrics-server in the cluster, for the tests of `make test-all` that need it.
# metrics-server.sh start            brings it in without waiting for it; build.sh metrics-server builds it
# metrics-server.sh wait [SECONDS]   until the API server has a pod's figures from it (90)
# metrics-server.sh stop             removes it
set -euo pipefail
. "$(dirname "$0")/lib.sh"

FILES=$CLUSTER_DIR/metrics-server
ADDON=$CLUSTER_SRC/addons/metrics-server.yaml

start_metrics_server() {
  image_once "$BIN/metrics-server" "$METRICS_SERVER_IMAGE"
  # Its own manifests' rights.
  apply -f "$FILES/rbac.yaml" -f "$ADDON"
}

has_figures() { kubectl get --raw /apis/metrics.k8s.io/v1beta1/namespaces/kube-system/pods 2>/dev/null | grep -q '"usage"'; }

wait_metrics_server() {
  if wait_for "$1" "metrics-server to have figures" has_figures; then return; fi
  kubectl -n kube-system get pods -l k8s-app=metrics-server -o wide >&2 || true
  kubectl get apiservice v1beta1.metrics.k8s.io -o jsonpath='{.status.conditions}' >&2 || true
  kubectl get --raw /apis/metrics.k8s.io/v1beta1/namespaces/kube-system/pods >&2 || true
  kubectl -n kube-system logs deployment/metrics-server --tail=20 >&2 || true
  exit 1
}

case ${1:-} in
start)
  need_root metrics-server.sh
  start_metrics_server
  ;;
wait) wait_metrics_server "${2:-90}" ;;
stop) kubectl delete --ignore-not-found -f "$ADDON" -f "$FILES/rbac.yaml" >/dev/null ;;
*) die "usage: metrics-server.sh start, wait [SECONDS], or stop" ;;
esac
